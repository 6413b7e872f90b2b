"""What http itself allows a hostile server, or does not: an error of ours in time, and no login for anybody else."""

from __future__ import annotations

import base64
import gzip
import time
from typing import TYPE_CHECKING

import pytest

from peer_relay.errors import (
    AuthenticationFailed,
    DeadlineExceeded,
    NotAGitServer,
    OutcomeUnknown,
    PeerRelayError,
    TooLarge,
    Unreachable,
)
from peer_relay.git.environment import NetworkEnvironment
from tests.claims import claim
from tests.hostile.server import (
    CAN_MEASURE,
    DISCOVERY,
    HONEST,
    LS_REFS,
    PUSH_DISCOVERY,
    REPORT,
    Endless,
    HostileServer,
    forget_peak,
    grown_kib,
    line,
    ok,
)
from tests.hostile.test_server import act, check_words, served

if TYPE_CHECKING:
    from tests.hostile.server import Said

__all__ = ["served"]

ADVERTISEMENT = b"application/x-git-upload-pack-advertisement"
RESULT = b"application/x-git-upload-pack-result"
PUSHED = b"application/x-git-receive-pack-result"
LISTING = HONEST[DISCOVERY]
CHUNKED = b"Transfer-Encoding: chunked"
PASSWORD = "not-to-be-shown"
LOGIN = base64.b64encode(f"me:{PASSWORD}".encode())
BROKE_OFF = (Unreachable, "the connection broke off")
assert isinstance(LISTING, bytes)


def answer(body: bytes, *headers: bytes) -> bytes:
    return ok(ADVERTISEMENT, *headers) + body


def status(number: bytes, *headers: bytes, body: bytes = b"") -> bytes:
    return b"\r\n".join((b"HTTP/1.1 " + number, *headers, b"Content-Length: %d" % len(body), b"", body))


ODDITIES: dict[str, tuple[Said, tuple[type[PeerRelayError], str] | None]] = {
    "a body without a length": (answer(LISTING), None),
    "chunks with extensions and trailers": (
        answer(b"%x;a=b\r\n%s\r\n0\r\nX: y\r\n\r\n" % (len(LISTING), LISTING), CHUNKED),
        None,
    ),
    "the same length twice": (answer(LISTING, *[b"Content-Length: %d" % len(LISTING)] * 2), None),
    "no http at all": (b"Welcome to this machine!\r\n\r\n", BROKE_OFF),
    "nothing": (b"", BROKE_OFF),
    "a status line without an end": (Endless(b"x"), BROKE_OFF),
    "a header without an end": (Endless(b"x", b"HTTP/1.1 200 OK\r\nX: "), BROKE_OFF),
    "headers without an end": (Endless(b"X: y\r\n", b"HTTP/1.1 200 OK\r\n"), BROKE_OFF),
    "a status of four digits": (b"HTTP/1.1 2000 OK\r\n\r\n", BROKE_OFF),
    "two lengths": (answer(LISTING, b"Content-Length: 5", b"Content-Length: 500"), (Unreachable, "")),
    "a length that is none": (answer(LISTING, b"Content-Length: five"), None),
    "a length that is too long": (answer(LISTING, b"Content-Length: " + b"9" * 30), None),
    "a chunk of no size": (answer(b"zz\r\n" + LISTING, CHUNKED), BROKE_OFF),
    "a chunk of a negative size": (
        answer(b"-5\r\n" + LISTING, CHUNKED),
        (NotAGitServer, "its answer is not git's protocol"),
    ),
    "a chunk that is too long": (answer(b"f" * 30 + b"\r\n" + line(b"version 2"), CHUNKED), (Unreachable, "")),
    "a size of a chunk without an end": (Endless(b"0", answer(b"", CHUNKED)), (Unreachable, "")),
    "a body that was promised and does not come": (answer(b"", b"Content-Length: 50"), BROKE_OFF),
    "no content": (status(b"204 No Content"), (NotAGitServer, "HTTP 204 No Content")),
    "nothing that changed": (status(b"304 Not Modified"), (NotAGitServer, "HTTP 304 Not Modified without an address")),
    "another protocol": (status(b"101 Switching Protocols"), (NotAGitServer, "HTTP 101 Switching Protocols")),
    "a type without an end": (
        ok(b"\x1b[31m" + b"x" * 60_000) + LISTING,
        (NotAGitServer, f"it answers with {'x' * 59}…"),
    ),
    "another file": (
        status(b"302 Found", b"Location: file:///etc/passwd"),
        (NotAGitServer, "it sends on to file:///etc/passwd, which is not followed"),
    ),
    "itself": (
        status(b"302 Found", b"Location: /mailbox.git/info/refs?service=git-upload-pack"),
        (NotAGitServer, ""),
    ),
    "an address that is none": (
        status(b"302 Found", b"Location: http://[::1"),
        (NotAGitServer, "HTTP 302 Found without an address"),
    ),
    "an address with a line of its own": (
        status(b"302 Found", b"Location: https://a.example/\x1b[31m\rX: y\r https://b.example/\0"),
        (NotAGitServer, "it sends on to https://a.example/, which is not followed"),
    ),
    "a header in two lines": (ok(ADVERTISEMENT.replace(b"-git", b"-git\r\n ")) + LISTING, (NotAGitServer, "")),
    "a name with a space": (answer(LISTING, b"X Y: z"), None),
    "a body that is no gzip": (answer(b"no gzip" + LISTING, b"Content-Encoding: gzip"), (Unreachable, "")),
    "a body in gzip": (answer(gzip.compress(LISTING), b"Content-Encoding: gzip"), None),
}


@claim("I9", "I10")
@pytest.mark.parametrize("name", ODDITIES)
def test_what_is_odd_in_http_is_read_or_refused_in_a_clean_sentence(served: list[HostileServer], name: str) -> None:
    said, expected = ODDITIES[name]
    served.append(HostileServer(raw={DISCOVERY: said}))
    environment = NetworkEnvironment(git_username="me", git_password=PASSWORD, environ={"PATH": ""})
    error = act(served[-1].transport(environment), DISCOVERY)
    if expected is None:
        assert error is None
        return
    assert error is not None
    check_words(error, PASSWORD, LOGIN.decode())
    assert type(error) is expected[0]
    assert isinstance(error, NotAGitServer | Unreachable)
    assert error.reason == (expected[1] or error.reason)


ENDLESS: dict[str, Said] = {
    "requests to go on": Endless(b"HTTP/1.1 100 Continue\r\n\r\n"),
    "trailers": Endless(b"X: y\r\n", answer(b"0\r\n", CHUNKED)),
}


@claim("deadline", "I3")
@pytest.mark.parametrize("phase", [DISCOVERY, REPORT])
@pytest.mark.parametrize("name", ENDLESS)
def test_what_does_not_come_to_an_answer_ends_with_the_deadline(
    served: list[HostileServer], name: str, phase: str
) -> None:
    served.append(HostileServer(raw={phase: ENDLESS[name]}))
    transport, begun = served[-1].transport(), time.monotonic()
    error = act(transport, phase, 0.4)
    assert time.monotonic() - begun < 3
    if name != "trailers":  # before which there was an answer, although not of git
        assert type(error) is (OutcomeUnknown if phase == REPORT else DeadlineExceeded)


@claim("I3")
@pytest.mark.parametrize("number", [b"103 Early Hints", b"102 Processing", b"202 Accepted", b"204 No Content"])
def test_what_is_no_final_answer_to_a_push_leaves_its_outcome_unknown(
    served: list[HostileServer], number: bytes
) -> None:
    served.append(HostileServer(raw={REPORT: status(number)}))
    error = act(served[-1].transport(), REPORT)
    assert isinstance(error, OutcomeUnknown)
    assert error.reason == f"HTTP {number.decode()}"


@claim("memory-bounds")
@pytest.mark.parametrize("times", [1, 5])
def test_what_grows_while_it_is_unpacked_is_counted_as_it_grows(served: list[HostileServer], times: int) -> None:
    bomb = line(b"1 r" + b"x" * 65_000) * 300
    for _ in range(times):
        bomb = gzip.compress(bomb, 6)
    head = ok(RESULT, b"Content-Encoding: " + b", ".join([b"gzip"] * times), b"Content-Length: %d" % len(bomb))
    served.append(HostileServer(raw={LS_REFS: head + bomb}))
    transport = served[-1].transport()
    size_kib = forget_peak() if CAN_MEASURE else 0
    assert isinstance(act(transport, LS_REFS), TooLarge)
    if CAN_MEASURE:
        assert grown_kib(size_kib) < 64 << 10


def test_more_encodings_than_anybody_needs_are_refused(served: list[HostileServer]) -> None:
    head = answer(LISTING, b"Content-Encoding: " + b", ".join([b"gzip"] * 1000))
    served.append(HostileServer(raw={DISCOVERY: head}))
    assert isinstance(act(served[-1].transport(), DISCOVERY), Unreachable)


# ---------------------------------------------------------------------------------------------------------------------
# Logins

WANTED = {
    "a realm of another host": b'WWW-Authenticate: Basic realm="https://other.example/"',
    "another way": b"WWW-Authenticate: Negotiate",
    "a digest": b'WWW-Authenticate: Digest realm="x", nonce="y", uri="http://other.example/"',
    "nothing": b"X: y",
    "a proxy's login": b'Proxy-Authenticate: Basic realm="x"',
}


@claim("I10")
@pytest.mark.parametrize("name", WANTED)
@pytest.mark.parametrize("phase", [DISCOVERY, LS_REFS, PUSH_DISCOVERY, REPORT])
def test_a_login_goes_to_its_own_host_and_not_more_often_than_twice(
    served: list[HostileServer], name: str, phase: str
) -> None:
    served.append(HostileServer(raw={phase: Endless(b"x", b"HTTP/1.1 401 No\r\n%s\r\n\r\n" % WANTED[name])}))
    environment = NetworkEnvironment(git_username="me", git_password=PASSWORD, environ={"PATH": ""})
    error = act(served[-1].transport(environment), phase)
    assert isinstance(error, AuthenticationFailed)
    check_words(error, PASSWORD, LOGIN.decode())
    heads = served[-1].heads
    assert len(heads) <= 3
    assert all(head.count(b"Basic " + LOGIN) == 1 for head in heads)
    assert all(head.split(b" ", 2)[1].startswith(b"/mailbox.git/") for head in heads)


REPEATED = {
    "the type": ok(PASSWORD.encode() + b"/" + LOGIN) + b"0000",
    "an address": status(b"302 Found", b"Location: https://a.example/%s/%s" % (PASSWORD.encode(), LOGIN)),
    "the words beside a status": status(b"403 No", b"Content-Type: text/plain", body=PASSWORD.encode() + b" " + LOGIN),
}


@claim("I10", "secrets-never-shown")
@pytest.mark.parametrize("name", REPEATED)
@pytest.mark.parametrize("phase", [DISCOVERY, LS_REFS, PUSH_DISCOVERY, REPORT])
def test_a_login_that_a_server_repeats_is_hidden(served: list[HostileServer], name: str, phase: str) -> None:
    served.append(HostileServer(raw={phase: REPEATED[name]}))
    environment = NetworkEnvironment(git_username="me", git_password=PASSWORD, environ={"PATH": ""})
    error = act(served[-1].transport(environment), phase)
    assert error is not None
    check_words(error, PASSWORD, LOGIN.decode())
    assert "[hidden]" in str(error)


def test_a_status_with_words_without_an_end_is_cut(served: list[HostileServer]) -> None:
    words = Endless(b"\x1b[31mwords ", b"HTTP/1.1 500 Down\r\nContent-Type: text/plain\r\n\r\n")
    served.append(HostileServer(raw={DISCOVERY: words}))
    error = act(served[-1].transport(), DISCOVERY)
    assert isinstance(error, Unreachable)
    check_words(error)
    assert error.reason.startswith('HTTP 500 Internal Server Error: "words words')
