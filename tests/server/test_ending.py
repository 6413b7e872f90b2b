"""The parts of the server's process that a test can look at without ending itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from peer_relay.errors import StateUnusable
from peer_relay.server import ending, process
from peer_relay.server.ending import Ending
from peer_relay.server.mailbox import Mailbox
from peer_relay.server.stderr import place_of, say
from peer_relay.server.stdio import claim_standard_streams
from tests.claims import claim
from tests.server.fake_relay import FakeRelay, Script, log_of
from tests.server.support import mailbox_of

if TYPE_CHECKING:
    from pathlib import Path


class Exits(list[int]):
    """Takes the place of `os._exit`."""

    def __init__(self) -> None:
        super().__init__()
        self.happened = threading.Event()

    def __call__(self, status: int) -> None:
        self.append(status)
        self.happened.set()


@pytest.fixture
def exits(monkeypatch: pytest.MonkeyPatch) -> Exits:
    recorder = Exits()
    monkeypatch.setattr(os, "_exit", recorder)
    return recorder


def test_a_signal_before_there_is_a_server_ends_the_process_at_once(exits: Exits) -> None:
    Ending()._on_signal(signal.SIGTERM, None)
    assert exits == [0]


def test_an_orderly_end_that_takes_too_long_is_cut_short(exits: Exits, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ending, "BOUND_S", 0.001)
    acts: list[str] = []
    subject = Ending()
    subject.prepare(stop=lambda: acts.append("stop"), close=lambda: acts.append("close"), clean=lambda: None)
    subject._on_signal(signal.SIGTERM, None)
    assert exits.happened.wait(20)
    assert exits == [0]
    assert sorted(acts) == ["close", "stop"]


def test_a_signal_that_the_platform_lacks_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    installed: list[object] = []
    monkeypatch.setattr(signal, "signal", lambda number, _handler: installed.append(number))
    monkeypatch.delattr(signal, "SIGHUP", raising=False)
    Ending().install()
    assert set(installed) == {signal.SIGINT, signal.SIGTERM}


def test_a_server_that_fails_says_where_and_ends_with_status_1(
    exits: Exits, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def fail(*_: object) -> None:
        raise ValueError("hunter2")

    monkeypatch.setattr(process, "_serve", fail)
    process.serve(lambda: None, Ending())  # type: ignore[arg-type, return-value]
    assert exits == [1]
    assert capsys.readouterr().err.startswith("peer-relay: the server failed: ValueError in test_ending.py, line ")


def test_a_relay_is_opened_once_and_closed_once(tmp_path: Path) -> None:
    mailbox = mailbox_of(tmp_path, Script())
    assert mailbox.relay() is mailbox.relay()
    mailbox.close()
    mailbox.close()
    assert log_of(tmp_path) == ["open", "close"]


def test_closing_what_was_never_opened_opens_nothing(tmp_path: Path) -> None:
    mailbox_of(tmp_path, Script()).close()
    assert log_of(tmp_path) == []


class Full(FakeRelay):
    """A relay on a disk that is full, and with a defect."""

    def mark_read(self, question_ids: object) -> None:
        raise (
            StateUnusable(path="asked", reason="no space is left", advice="Make room.")
            if question_ids
            else ValueError("hunter2")
        )

    def close(self) -> None:
        raise ValueError("hunter2")


def test_what_fails_in_the_reading_thread_and_at_the_end_is_said_and_goes_no_further(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    relay = Full(tmp_path, Script())
    mailbox = Mailbox(lambda: relay)  # type: ignore[arg-type, return-value]
    mailbox.mark_read(["a"])
    mailbox.mark_read([])
    mailbox.close()
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "peer-relay: asked cannot be used: no space is left. Make room."
    assert [line.partition(", line")[0] for line in said[1:]] == [
        "peer-relay: marking answers as read failed: ValueError in test_ending.py",
        "peer-relay: closing failed: ValueError in test_ending.py",
    ]


def test_nobody_reading_standard_error_is_no_reason_to_fail(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with (tmp_path / "closed").open("w") as closed:
        monkeypatch.setattr(sys, "stderr", closed)
    say("Nobody hears this.")


def test_an_exception_that_was_never_raised_has_no_place() -> None:
    assert place_of(ValueError("hunter2")) == "ValueError"


def test_without_a_standard_error_the_wire_is_still_the_only_user_of_standard_output(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    moved: list[tuple[int, int]] = []

    def dup2(source: int, target: int) -> int:
        if source == 2:
            raise OSError
        moved.append((source, target))
        return target

    monkeypatch.setattr(os, "dup2", dup2)
    source, sink = claim_standard_streams()
    source.close()
    sink.close()
    assert [target for _, target in moved] == [0, 1]


@claim("no-network-before-initialize")
@pytest.mark.usefixtures("unmeasured_processes")
def test_what_is_loaded_before_initialize_knows_nothing_of_git() -> None:
    script = "import sys, peer_relay.server.process; print(sorted({'dulwich', 'urllib3', 'rich'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=50)
    assert done.stdout == "[]\n"
