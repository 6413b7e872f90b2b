"""What an agent tells a hook: which session, what happened; bounded in size and time."""

from __future__ import annotations

import io
import json
import os
from typing import TYPE_CHECKING

import pytest

from peer_relay.cli.hookinput import MAX_BYTES, Event, read_event

if TYPE_CHECKING:
    from collections.abc import Iterator

STOP = {"session_id": "s-1", "hook_event_name": "Stop", "stop_hook_active": True, "last_assistant_message": "Done."}


def said(data: bytes | object) -> io.TextIOWrapper:
    """Return a standard input that says so and ends."""
    return io.TextIOWrapper(io.BytesIO(data if isinstance(data, bytes) else json.dumps(data).encode()))


@pytest.fixture
def pipe() -> Iterator[tuple[io.TextIOWrapper, int]]:
    """Give a standard input that is a pipe, and the end that is written to."""
    reading, writing = os.pipe()
    with os.fdopen(reading, encoding="utf-8") as stdin:
        yield stdin, writing
        os.close(writing)


@pytest.mark.parametrize(
    ("data", "event"),
    [
        (STOP, Event("s-1", "Stop", stop_hook_active=True)),
        (
            {"session_id": "s", "hook_event_name": "SessionStart", "source": "resume"},
            Event("s", "SessionStart", source="resume"),
        ),
        (
            {"sessionId": "s", "hookEventName": "SessionStart", "source": "new"},
            Event("s", "SessionStart", source="new"),
        ),
        ({"session_id": "s", "hook_event_name": "Stop", "turn_id": "t"}, Event("s", "Stop", is_codex=True)),
        ({"session_id": "s", "hook_event_name": 7, "stop_hook_active": "yes", "source": None}, Event("s")),
    ],
)
def test_the_session_and_what_happened_are_read(data: object, event: Event) -> None:
    assert read_event(said(data)) == event


@pytest.mark.parametrize(
    "data",
    [b"", b"soon", b"\xff", b"7", b"[]", b"{}", b'{"session_id": ""}', b'{"session_id": 7}', b"[" * 200_000],
)
def test_what_names_no_session_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_event(said(data))


def test_a_program_without_an_input_is_told_nothing() -> None:
    with pytest.raises(ValueError, match="no input"):
        read_event(None)


def test_the_longest_input_is_read_and_a_longer_one_refused() -> None:
    text = json.dumps({**STOP, "prompt": ""})
    longest = text.replace('"prompt": "', '"prompt": "' + "x" * (MAX_BYTES - len(text)))
    assert read_event(said(longest.encode())).session == "s-1"
    with pytest.raises(ValueError, match="1,048,576 bytes"):
        read_event(said(longest.encode() + b"\n"))


def test_an_input_that_does_not_end_counts_as_far_as_it_came(pipe: tuple[io.TextIOWrapper, int]) -> None:
    stdin, writing = pipe
    os.write(writing, json.dumps(STOP).encode())
    assert read_event(stdin, patience_s=0.2).session == "s-1"


def test_an_input_that_says_nothing_and_does_not_end_is_given_up(pipe: tuple[io.TextIOWrapper, int]) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_event(pipe[0], patience_s=0.05)


def test_an_input_that_cannot_be_read_is_none() -> None:
    class Closed(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            raise OSError(size)

    with pytest.raises(ValueError, match="Expecting value"):
        read_event(io.TextIOWrapper(Closed()))
