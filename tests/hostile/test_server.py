"""A hostile server, over http and in the place of ssh: one clean sentence of ours, in bounded time and memory.

Beside these: `tests/git/test_smart_http.py` (redirects, deadlines, captive portals), `tests/git/test_push_outcomes.py`
(lost and false reports), `tests/git/test_ssh.py`, and `tests/fuzz` for what nobody thought of.
"""

from __future__ import annotations

import base64
import io
import random
import sys
import time
from typing import TYPE_CHECKING

import pytest

from peer_relay.errors import DeadlineExceeded, OutcomeUnknown, PeerRelayError, TooLarge, TransportError, Unreachable
from peer_relay.git.environment import NetworkEnvironment
from peer_relay.git.limits import MAX_STDERR_BYTES
from peer_relay.git.smart import NOT_GIT
from peer_relay.git.transport import FetchRequest
from tests.claims import claim
from tests.git.fault_server import REF, deadline
from tests.hostile.server import (
    CAN_MEASURE,
    DISCOVERY,
    FETCH,
    HONEST,
    LS_REFS,
    OBJECTS,
    PUSH_DISCOVERY,
    REPORT,
    TIP,
    Endless,
    HostileServer,
    band,
    forget_peak,
    grown_kib,
    line,
    ssh_by,
    ssh_to,
    ssh_without_end,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from peer_relay.git.transport import Transport

PASSWORD = "not to be shown"
LOGIN = base64.b64encode(f"me:{PASSWORD}".encode()).decode()
needs_shell = pytest.mark.skipif(sys.platform == "win32", reason="the program is a shell script")
MAX_PACK_BYTES = 1 << 20


def act(transport: Transport, phase: str, seconds: float = 20.0) -> PeerRelayError | None:
    """Do what reaches a phase of the conversation, and return the error."""
    until = deadline(seconds)
    try:
        if phase in (PUSH_DISCOVERY, REPORT):
            transport.push(REF, None, TIP, OBJECTS, until)
        elif phase == FETCH:
            transport.fetch(FetchRequest(REF, depth=2, max_bytes=MAX_PACK_BYTES), io.BytesIO(), until)
        else:
            transport.read_ref(REF, until)
    except TransportError as error:
        return error
    finally:
        transport.close()
    return None


def check_words(error: PeerRelayError, *secrets: str) -> None:
    """Fail if what is said is anything but a short clean line without a secret."""
    shown = str(error)
    assert shown.isprintable()
    assert len(shown) < 1200
    for secret in secrets:
        assert secret not in shown


@pytest.fixture
def served() -> Iterator[list[HostileServer]]:
    """Give a list whose servers are closed at the end."""
    servers: list[HostileServer] = []
    yield servers
    for server in servers:
        server.close()


# ---------------------------------------------------------------------------------------------------------------------
# What is not git's protocol

WORDS = b"\x1b[31m\xe2\x80\xaewords\x07\xff" * 40 + LOGIN.encode()
GARBAGE = {
    "nothing": b"",
    "a greeting": b"Welcome to this machine!\n",
    "a length of 1 and nothing": b"0001",
    "a length of 2": b"0002" + b"x" * 9,
    "a length of 3": b"0003" + b"x" * 9,
    "the longest length and nothing": b"ffff",
    "a length that is none": b"00zz",
    "a negative length": b"-001" + b"x" * 99,
    "a length with a prefix": b"0x1f" + b"x" * 99,
    "a line that is cut": b"0042cut",
    "an empty line": b"0004",
    "a line that is only a space": line(b" "),
    "a line of bytes": line(bytes(range(256))),
    "an error that is no text": line(b"ERR " + WORDS),
    "words on every channel": b"".join(band(channel, WORDS) for channel in (2, 3, 1, 4, 255)),
    "noise": random.Random(1).randbytes(2000),  # noqa: S311 - no secret
}
PHASES = tuple(HONEST)
ENDS_A_LIST = {"a length of 1 and nothing", "an empty line"}
"""What git's protocol takes for the end of a list: one without the branch, or of a server without any abilities."""


@claim("I3", "I9", "I10")
@pytest.mark.parametrize("phase", PHASES)
def test_what_is_not_gits_protocol_is_refused_in_a_clean_sentence_over_http(
    served: list[HostileServer], phase: str
) -> None:
    environment = NetworkEnvironment(git_username="me", git_password=PASSWORD, environ={"PATH": ""})
    for name, said in GARBAGE.items():
        served.append(HostileServer({phase: said}))
        check(name, phase, act(served[-1].transport(environment), phase), PASSWORD, LOGIN)


@claim("I3", "I9")
@needs_shell
@pytest.mark.parametrize("phase", PHASES)
def test_what_is_not_gits_protocol_is_refused_in_a_clean_sentence_over_ssh(tmp_path: Path, phase: str) -> None:
    for name, said in GARBAGE.items():
        check(name, phase, act(ssh_to(upto(phase, said), tmp_path), phase))


def upto(phase: str, said: bytes) -> dict[str, bytes]:
    """Return a conversation that ends with a phase: over ssh what was meant for one can be heard in the next."""
    return {each: said if each == phase else b"" for each in PHASES[PHASES.index(phase) :]}


def check(name: str, phase: str, error: PeerRelayError | None, *secrets: str) -> None:
    if error is None:
        assert name in ENDS_A_LIST
        assert phase in (DISCOVERY, LS_REFS)
        return
    check_words(error, *secrets)
    was_sent = phase == REPORT or (phase == PUSH_DISCOVERY and name in ENDS_A_LIST)
    assert isinstance(error, OutcomeUnknown) == was_sent, (name, error)


# ---------------------------------------------------------------------------------------------------------------------
# What does not end

FLOODS: dict[str, tuple[str, bytes, bytes, str]] = {
    "abilities": (DISCOVERY, line(b"version 2\n"), line(b"x"), "a list of branches of more than 100,000 lines"),
    "branches": (LS_REFS, b"", line(b"1 r"), "a list of branches of more than 100,000 lines"),
    "long names": (LS_REFS, b"", line(b"1 r" + b"x" * 65_000), "a list of branches of more than 16,777,216 bytes"),
    "branches before a push": (
        PUSH_DISCOVERY,
        line(b"0" * 40 + b" capabilities^{}\0report-status"),
        line(b"1 r"),
        "a list of branches of more than 100,000 lines",
    ),
    "commits without parents": (
        FETCH,
        line(b"shallow-info\n"),
        line(b"shallow " + b"1" * 40),
        "what stands before a pack of more than 100,000 lines",
    ),
    "other addresses of packs": (
        FETCH,
        line(b"packfile-uris\n"),
        line(b"1 sha1 https://host.example/pack"),
        "what stands before a pack of more than 100,000 lines",
    ),
    "progress before a pack": (
        FETCH,
        line(b"packfile\n"),
        band(2, b"\r"),
        "what stands before a pack of more than 100,000 lines",
    ),
    "nothing of a pack": (
        FETCH,
        line(b"packfile\n"),
        band(1, b""),
        "what stands before a pack of more than 100,000 lines",
    ),
    "a pack": (FETCH, line(b"packfile\n"), band(1, b"P" * 65_000), "a pack of more than 1,048,576 bytes"),
    "progress after a push": (REPORT, b"", band(2, b"\r" * 65_000), "a report of more than 2,097,152 bytes"),
    "a report": (REPORT, b"", band(1, line(b"ok refs/heads/x") * 3_000), "a report of more than 2,097,152 bytes"),
}


REFUSED_AT_ONCE = {"other addresses of packs"}
"""What over ssh is refused at its first line, because nobody asked for it."""


@claim("memory-bounds", "I3")
@pytest.mark.parametrize("name", FLOODS)
def test_what_does_not_end_is_cut_off_before_it_takes_much_memory(served: list[HostileServer], name: str) -> None:
    phase, before, piece, _ = FLOODS[name]
    served.append(HostileServer({phase: Endless(piece, before)}))
    check_flood(name, served[-1].transport())


@claim("memory-bounds", "I3")
@needs_shell
@pytest.mark.parametrize("name", [each for each in FLOODS if each not in REFUSED_AT_ONCE])
def test_what_does_not_end_over_ssh_is_cut_off_as_well(tmp_path: Path, name: str) -> None:
    phase, before, piece, _ = FLOODS[name]
    check_flood(name, ssh_without_end(phase, Endless(piece, before), tmp_path))


def check_flood(name: str, transport: Transport) -> None:
    """Fail if something without an end is not cut off with a reason, or takes much memory until then."""
    phase, _, _, reason = FLOODS[name]
    size_kib = forget_peak() if CAN_MEASURE else 0
    error = act(transport, phase)
    assert type(error) is (OutcomeUnknown if phase == REPORT else TooLarge)
    assert isinstance(error, TooLarge | OutcomeUnknown)
    assert reason in error.reason
    if CAN_MEASURE:
        assert grown_kib(size_kib) < 64 << 10


@claim("memory-bounds", "deadline")
@needs_shell
def test_messages_of_ssh_without_an_end_do_not_fill_the_disk(tmp_path: Path) -> None:
    begun = time.monotonic()
    error = act(ssh_by("head -c 30000000 /dev/zero >&2; exec sleep 60", tmp_path), LS_REFS)
    assert isinstance(error, TooLarge)
    assert error.reason == f"messages of more than {MAX_STDERR_BYTES:,} bytes"
    assert time.monotonic() - begun < 15


@claim("deadline")
@needs_shell
def test_the_deadline_holds_on_an_ssh_that_trickles(tmp_path: Path) -> None:
    begun = time.monotonic()
    error = act(ssh_by("while :; do printf 1; sleep 0.05; done", tmp_path), LS_REFS, 0.5)
    assert isinstance(error, DeadlineExceeded)
    assert time.monotonic() - begun < 5


@needs_shell
def test_a_line_that_breaks_off_is_explained_by_the_last_words_of_ssh(tmp_path: Path) -> None:
    error = act(ssh_by("printf 0042cut; echo 'Connection to host.example closed.' >&2", tmp_path), LS_REFS)
    assert isinstance(error, Unreachable)
    assert error.reason == '"Connection to host.example closed"'


@claim("I3")
@needs_shell
@pytest.mark.parametrize("first", [b"unpacked", b"ok " + REF, b"\x1b[31mwords", b" "])
def test_a_report_that_does_not_begin_like_one_decides_nothing(tmp_path: Path, first: bytes) -> None:
    report = band(1, line(first + b"\n") + line(b"ng " + REF + b" no\n") + b"0000") + b"0000"
    error = act(ssh_to({REPORT: report}, tmp_path), REPORT)
    assert isinstance(error, OutcomeUnknown)
    assert error.reason == NOT_GIT


@needs_shell
@pytest.mark.parametrize("status", [0, 1, 128, 255])
def test_how_ssh_ends_decides_nothing(tmp_path: Path, status: int) -> None:
    transport = ssh_to({}, tmp_path, f"trap 'exit {status}' EXIT")
    assert transport.read_ref(REF, deadline()) == TIP
    transport.push(REF, None, TIP, OBJECTS, deadline())
    assert type(act(ssh_by(f"exit {status}", tmp_path), LS_REFS)) is Unreachable


def test_nothing_that_a_server_says_is_printed(served: list[HostileServer], capfd: pytest.CaptureFixture[str]) -> None:
    odd = line(TIP + b" " + REF + b" symref-target:refs/heads/x and odd words\n") + b"0000"
    served.append(HostileServer({LS_REFS: odd}))
    assert act(served[-1].transport(), LS_REFS) is None
    assert capfd.readouterr() == ("", "")
