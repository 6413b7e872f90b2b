"""The http transport against git's own http backend, and against servers that are not one."""

from __future__ import annotations

import contextlib
import errno
import io
import logging
import os
import re
import socket
import threading
import time
import tracemalloc
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from peer_relay.errors import (
    AccessDenied,
    AuthenticationFailed,
    DeadlineExceeded,
    Moved,
    NotAGitServer,
    PeerRelayError,
    RateLimited,
    RepositoryNotFound,
    StateUnusable,
    TooLarge,
    TransportError,
    Unreachable,
)
from peer_relay.git.connections import _proxy_for
from peer_relay.git.environment import NetworkEnvironment
from peer_relay.git.http import HttpTransport
from peer_relay.git.remembered import MAX_BYTES, REMEMBERED_S, Remembered
from peer_relay.git.remote import parse_remote
from peer_relay.git.smart import Operation
from peer_relay.git.status import retry_after_s
from peer_relay.git.transport import FetchReply, FetchRequest
from tests.claims import claim
from tests.git.fault_server import (
    FETCHING,
    LISTING,
    PUSH_LISTING,
    PUSHING,
    REF,
    FaultServer,
    Handler,
    answers,
    cut,
    deadline,
    fault_server,
    hang_up,
    one_commit,
    silence,
    tip,
    trickle,
    trickle_body,
)
from tests.servers import run_git

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.servers import HttpServer

__all__ = ["fault_server"]


def read(transport: HttpTransport, seconds: float = 20.0) -> bytes | None:
    return transport.read_ref(REF, deadline(seconds))


def failure(call: Callable[[], object]) -> PeerRelayError:
    with pytest.raises(PeerRelayError) as caught:
        call()
    return caught.value


def push_first(transport: HttpTransport) -> bytes:
    new, objects = one_commit(None, "first")
    transport.push(REF, None, new, objects, deadline())
    return new


# ---------------------------------------------------------------------------------------------------------------------
# A real server


def test_all_requests_share_one_connection_and_a_poll_is_one_listing(fault_server: FaultServer) -> None:
    transport = fault_server.transport()
    assert read(transport) is None
    new = push_first(transport)
    assert read(transport) == new == tip(fault_server.root / "mailbox.git")
    assert fault_server.asked == [LISTING, FETCHING, PUSH_LISTING, PUSHING, FETCHING]
    assert len({request.connection for request in fault_server.requests}) == 1
    ask = fault_server.requests[1].body
    assert b"command=ls-refs" in ask
    assert b"ref-prefix " + REF in ask
    transport.close()


def test_what_a_server_said_of_itself_is_not_asked_again(
    fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    transport = fault_server.transport()
    first = push_first(transport)
    second, objects = one_commit(first, "second")
    transport.push(REF, first, second, objects, deadline())
    read(transport)
    fault_server.requests.clear()
    assert read(transport) == second
    sink = io.BytesIO()
    assert transport.fetch(FetchRequest(ref=REF, have=first, seen=second), sink, deadline()) == FetchReply(second)
    assert sink.getvalue()[:4] == b"PACK"
    third, objects = one_commit(second, "third")
    transport.push(REF, second, third, objects, deadline())
    assert transport.default_branch(deadline()) is None
    assert fault_server.asked == [FETCHING, FETCHING, PUSHING, FETCHING]
    assert b"command=fetch" in fault_server.requests[1].body
    fault_server.requests.clear()
    monkeypatch.setattr("peer_relay.git.remembered.REMEMBERED_S", -1.0)
    assert read(transport) == third
    fourth, objects = one_commit(third, "fourth")
    transport.push(REF, third, fourth, objects, deadline())
    assert fault_server.asked == [LISTING, FETCHING, PUSH_LISTING, PUSHING]
    transport.close()


def test_what_was_refused_without_asking_is_done_once_more_in_full(fault_server: FaultServer) -> None:
    repository = fault_server.root / "mailbox.git"
    transport = fault_server.transport()
    first = push_first(transport)
    mine, objects = one_commit(first, "mine")
    theirs, their_objects = one_commit(first, "theirs")
    other = fault_server.transport()
    other.push(REF, first, theirs, their_objects, deadline())
    fault_server.requests.clear()
    assert type(failure(lambda: transport.push(REF, first, mine, objects, deadline()))) is Moved
    other.push(REF, first, theirs, their_objects, deadline())
    assert fault_server.asked == [PUSHING, PUSH_LISTING, PUSHING, PUSH_LISTING]
    assert tip(repository) == theirs

    def without_version_two(handler: Handler, body: bytes) -> None:
        del handler.headers["Git-Protocol"]
        handler.send(handler.server.backend(handler, body))

    assert read(transport) == theirs
    fault_server.faults = dict.fromkeys((LISTING, FETCHING), without_version_two)
    fault_server.requests.clear()
    assert read(transport) == theirs
    sink = io.BytesIO()
    transport.fetch(FetchRequest(ref=REF, have=first, seen=theirs), sink, deadline())
    assert fault_server.asked == [FETCHING, LISTING, LISTING, FETCHING]
    assert sink.getvalue()[:4] == b"PACK"
    transport.close()
    other.close()


def test_what_was_seen_and_is_gone_is_looked_up_again(fault_server: FaultServer) -> None:
    transport = fault_server.transport()
    first = push_first(transport)
    read(transport)
    fault_server.requests.clear()
    sink = io.BytesIO()
    reply = transport.fetch(FetchRequest(ref=REF, seen=b"1" * 40), sink, deadline())
    assert reply == FetchReply(first)
    assert fault_server.asked == [FETCHING, LISTING, FETCHING, FETCHING]
    transport.close()


@pytest.mark.parametrize(
    ("fault", "reads", "pushes"),
    [
        (hang_up, [FETCHING, FETCHING], [PUSHING]),  # the connection was a kept one
        (answers(429), [FETCHING], [PUSHING]),
        (answers(401), [FETCHING], [PUSHING]),
        (answers(403), [FETCHING], [PUSHING, PUSH_LISTING, PUSHING]),
    ],
)
def test_what_asks_for_patience_is_not_repeated(
    fault_server: FaultServer, fault: Callable[[Handler, bytes], None], reads: list[str], pushes: list[str]
) -> None:
    environment = NetworkEnvironment(environ={"PATH": ""})
    reading, pushing = fault_server.transport(environment), fault_server.transport(environment)
    first = push_first(pushing)
    read(reading)
    fault_server.faults = dict.fromkeys((FETCHING, PUSHING), fault)
    fault_server.requests.clear()
    failure(lambda: read(reading))
    assert fault_server.asked == reads
    fault_server.requests.clear()
    new, objects = one_commit(first, "second")
    failure(lambda: pushing.push(REF, first, new, objects, deadline()))
    assert fault_server.asked == pushes
    reading.close()
    pushing.close()


def test_capabilities_that_are_long_or_none_are_not_remembered() -> None:
    now = [0.0]
    remembered = Remembered(lambda: now[0])
    for announced in (b"", b"0000", b"001e# service=git-upload-pack\n0000" + b"0008abcd0000"):
        remembered.keep_pushing(announced)
    long = b"001f# service=git-receive-pack\n0000ffff" + REF + b"\0" + b"x" * MAX_BYTES
    remembered.keep_pushing(long[: MAX_BYTES + 1])
    remembered.keep_fetching(b"x" * (MAX_BYTES + 1))
    assert (remembered.fetching, remembered.pushing(REF, b"1" * 40)) == (None, None)
    remembered.keep_fetching(b"x")
    assert remembered.fetching == b"x"
    now[0] = REMEMBERED_S + 1
    assert remembered.fetching is None


def test_only_what_is_missing_is_fetched(fault_server: FaultServer) -> None:
    transport = fault_server.transport()
    assert transport.fetch(FetchRequest(ref=REF), io.BytesIO(), deadline()) == FetchReply(None)
    first = push_first(transport)
    second, objects = one_commit(first, "second")
    transport.push(REF, first, second, objects, deadline())
    sink = io.BytesIO()
    assert transport.fetch(FetchRequest(ref=REF, have=second), sink, deadline()) == FetchReply(second)
    assert sink.getvalue() == b""
    assert transport.fetch(FetchRequest(ref=REF, have=first), sink, deadline()) == FetchReply(second)
    assert sink.getvalue()[:12] == b"PACK" + bytes([0, 0, 0, 2, 0, 0, 0, 3])
    asked = fault_server.requests[-1].body
    assert asked.count(b"have ") == 1
    assert asked.count(b"want ") == 1
    sink = io.BytesIO()
    reply = transport.fetch(FetchRequest(ref=REF, depth=1), sink, deadline())
    assert reply == FetchReply(second, shallow=frozenset({second}))
    third, objects = one_commit(second, "third")
    transport.push(REF, second, third, objects, deadline())
    request = FetchRequest(ref=REF, have=second, shallow=frozenset({second}))
    assert transport.fetch(request, io.BytesIO(), deadline()) == FetchReply(third)
    assert b"shallow " + second in fault_server.requests[-1].body
    transport.close()


@pytest.mark.parametrize("tls", [False, True])
def test_nginx_with_a_login_and_a_private_authority(http_server: HttpServer, tls: bool) -> None:
    name = f"smart-{tls}.git"
    repository = http_server.create(name)
    variables = {
        "PEER_RELAY_GIT_USERNAME": http_server.username,
        "PEER_RELAY_GIT_PASSWORD": http_server.password,
        "SSL_CERT_FILE": str(http_server.ca_file),
    }
    url = http_server.url(name, tls=tls)
    transport = HttpTransport(parse_remote(url), NetworkEnvironment.from_environ(variables))
    new = push_first(transport)
    assert read(transport) == new == tip(repository)
    transport.close()
    transport.close()
    assert read(transport) == new
    transport.close()
    with_login = url.replace("//", f"//{http_server.username}:{quote(http_server.password, safe='')}@")
    transport = HttpTransport(parse_remote(with_login), NetworkEnvironment(ca_file=str(http_server.ca_file)))
    assert read(transport) == new
    transport.close()


def test_a_server_without_a_trusted_certificate_is_not_talked_to(http_server: HttpServer, tmp_path: Path) -> None:
    remote = parse_remote(http_server.url("x.git", tls=True))
    transport = HttpTransport(remote, NetworkEnvironment(git_username="me", git_password="word"))
    error = failure(lambda: read(transport))
    assert isinstance(error, Unreachable)
    assert re.fullmatch(r"its certificate is not trusted \(.*\)", error.reason)
    assert error.advice == "If it should be, name the authority's file in SSL_CERT_FILE."
    transport.close()
    missing = str(tmp_path / "authorities.pem")
    transport = HttpTransport(remote, NetworkEnvironment(ca_file=missing))
    error = failure(lambda: read(transport))
    assert isinstance(error, Unreachable)
    assert error.reason == f"the file of certificate authorities {missing} cannot be read"
    transport.close()


def test_nginx_refuses_what_it_should(http_server: HttpServer) -> None:
    http_server.create("guarded.git")
    new, objects = one_commit(None, "first")

    def transport(name: str, access: str) -> HttpTransport:
        url = http_server.url(name, access=access)
        return HttpTransport(parse_remote(url), NetworkEnvironment(environ={"PATH": ""}))

    private, readonly, nowhere = (
        transport("guarded.git", "private"),
        transport("guarded.git", "readonly"),
        transport("nowhere.git", "public"),
    )
    assert type(failure(lambda: read(private))) is AuthenticationFailed
    assert read(readonly) is None
    error = failure(lambda: readonly.push(REF, None, new, objects, deadline()))
    assert isinstance(error, AccessDenied)
    assert (error.act, error.reason) == ("write", "HTTP 403 Forbidden")
    assert type(failure(lambda: read(nowhere))) is RepositoryNotFound
    for each in (private, readonly, nowhere):
        each.close()


@claim("memory-bounds")
def test_a_large_pack_is_streamed(http_server: HttpServer, tmp_path: Path) -> None:
    repository = http_server.create("large.git")
    work = tmp_path / "work"
    run_git("init", "--quiet", work)
    (work / "noise").write_bytes(os.urandom(12 << 20))
    run_git("add", "noise", cwd=work)
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.invalid")
    run_git(*identity, "commit", "--quiet", "-m", "large", cwd=work)
    run_git("push", "--quiet", repository, f"HEAD:{REF.decode()}", cwd=work)
    transport = HttpTransport(parse_remote(http_server.url("large.git", access="public")), NetworkEnvironment())
    tracemalloc.start()
    with (tmp_path / "pack").open("wb") as sink:
        transport.fetch(FetchRequest(ref=REF), sink, deadline(50))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (tmp_path / "pack").stat().st_size > 12 << 20
    assert peak < 4 << 20
    error = failure(lambda: transport.fetch(FetchRequest(ref=REF, max_bytes=1 << 20), io.BytesIO(), deadline()))
    assert isinstance(error, TooLarge)
    assert error.reason == "a pack of more than 1,048,576 bytes"
    assert read(transport) == tip(repository)
    transport.close()


def test_a_full_disk_is_this_machines_fault(fault_server: FaultServer) -> None:
    class Full(io.BytesIO):
        name = "/tmp/pack"  # noqa: S108 - only a name

        def write(self, _: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    transport = fault_server.transport()
    push_first(transport)
    error = failure(lambda: transport.fetch(FetchRequest(ref=REF), Full(), deadline()))
    assert error.what == "/tmp/pack cannot be used: No space left on device."  # noqa: S108 - only a name
    assert isinstance(error, StateUnusable)
    transport.close()


def test_a_connection_that_was_idle_for_long_is_not_used_again(
    fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    transport = fault_server.transport()
    read(transport)
    monkeypatch.setattr("peer_relay.git.connections._LONGEST_IDLE_S", -1.0)
    read(transport)
    assert len({request.connection for request in fault_server.requests}) == 2
    transport.close()


def test_a_connection_that_the_server_closed_is_replaced(fault_server: FaultServer) -> None:
    def close_after(handler: Handler, body: bytes) -> None:
        handler.send(handler.server.backend(handler, body))
        handler.close_connection = True

    fault_server.faults[FETCHING] = close_after
    transport = fault_server.transport()
    assert [read(transport), read(transport)] == [None, None]
    assert len({request.connection for request in fault_server.requests}) == 2
    transport.close()


# ---------------------------------------------------------------------------------------------------------------------
# Servers that are no git servers, or do not want to be one now


THEIRS = "Wait: the fault is the host's own."


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        (403, {}, AccessDenied(remote="R", act="read", reason="HTTP 403 Forbidden")),
        (404, {}, RepositoryNotFound(remote="R")),
        (410, {}, RepositoryNotFound(remote="R")),
        (418, {}, NotAGitServer(remote="R", reason="HTTP 418 I'm a Teapot")),
        (299, {}, NotAGitServer(remote="R", reason="HTTP 299")),
        (429, {}, RateLimited(remote="R", retry_after_s=None)),
        (429, {"Retry-After": "7"}, RateLimited(remote="R", retry_after_s=7.0)),
        (403, {"Retry-After": "7"}, RateLimited(remote="R", retry_after_s=7.0)),
        (503, {"Retry-After": "soon"}, RateLimited(remote="R", retry_after_s=None)),
        (503, {}, Unreachable(remote="R", reason="HTTP 503 Service Unavailable", advice=THEIRS)),
        (500, {}, Unreachable(remote="R", reason="HTTP 500 Internal Server Error", advice=THEIRS)),
        (302, {}, NotAGitServer(remote="R", reason="HTTP 302 Found without an address")),
        (302, {"Location": "http://[x/"}, NotAGitServer(remote="R", reason="HTTP 302 Found without an address")),
    ],
)
def test_a_status_has_one_meaning(
    fault_server: FaultServer, status: int, headers: dict[str, str], expected: TransportError
) -> None:
    fault_server.faults[LISTING] = answers(status, b"<html>", **{"Content_Type": "text/html", **headers})
    transport = fault_server.transport()
    started = time.monotonic()
    error = failure(lambda: read(transport))
    assert time.monotonic() - started < 2
    expected.remote = transport.remote
    assert (type(error), vars(error)) == (type(expected), vars(expected))
    assert fault_server.asked == [LISTING]
    transport.close()


def test_a_text_beside_a_status_is_quoted(fault_server: FaultServer) -> None:
    body = b"\x1b[1mWrite access\x1b[0m to word not\r\ngranted.\n" + b"x" * 9000
    fault_server.faults[PUSH_LISTING] = answers(403, body, Content_Type="text/plain; charset=utf-8")
    transport = fault_server.transport(NetworkEnvironment(git_username="me", git_password="word"))
    error = failure(lambda: push_first(transport))
    assert isinstance(error, AccessDenied)
    assert error.reason.startswith('HTTP 403 Forbidden: "Write access to [hidden] not granted. xxxx')
    assert error.reason.endswith('…"')
    assert len(error.reason) < 700
    transport.close()


NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("0", 0.0),
        (" 12 ", 12.0),
        ("-1", None),
        ("1.5", None),
        ("999999999999", 86_400.0),
        ("٣", None),
        ("tomorrow", None),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        ("Sun, 22 Nov 2026 12:00:30 -0000", 30.0),
        (format_datetime(NOW - timedelta(seconds=90), usegmt=True), 0.0),
        (format_datetime(NOW + timedelta(days=900), usegmt=True), 86_400.0),
        ("Sun, 99 Nov 2026 12:00:00 GMT", None),
    ],
)
def test_a_wish_for_a_pause_is_understood_or_ignored(value: str | None, seconds: float | None) -> None:
    assert retry_after_s(value, NOW) == seconds


@claim("secrets-never-shown", "I10")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_refused_and_not_followed(fault_server: FaultServer, tmp_path: Path, status: int) -> None:
    other = FaultServer(tmp_path)
    target = f"http://him:hidden@127.0.0.1:{other.server_port}/new.git/info/refs?service=git-upload-pack&key=hidden"
    fault_server.faults[LISTING] = answers(status, Location=target)
    transport = fault_server.transport(NetworkEnvironment(git_username="me", git_password="word"))
    error = failure(lambda: read(transport))
    assert isinstance(error, NotAGitServer)
    assert error.reason == f"it sends on to http://127.0.0.1:{other.server_port}/new.git, which is not followed"
    assert error.advice == "Use that address if you trust it."
    assert other.requests == []
    other.close()
    transport.close()


@pytest.mark.parametrize(
    ("body", "content_type", "what"),
    [
        (b"<html>Please log in</html>", "text/html; charset=utf-8", "text/html"),
        (b"", "text/html", "text/html"),
        (b"", "", "something without a type"),
        (b"1" * 40 + b"\trefs/heads/x\n", "text/plain", "text/plain"),
        (b"001e# service=git-upload-pack\n0000", "application/x-git-receive-pack-advertisement", None),
    ],
)
def test_a_captive_portal_or_a_server_of_plain_files_is_no_git_server(
    fault_server: FaultServer, body: bytes, content_type: str, what: str | None
) -> None:
    fault_server.faults[LISTING] = answers(200, body, Content_Type=content_type)
    transport = fault_server.transport()
    error = failure(lambda: read(transport))
    assert isinstance(error, NotAGitServer)
    assert error.reason == f"it answers with {what or content_type}"
    assert fault_server.asked == [LISTING]
    transport.close()


@given(
    body=st.binary(max_size=200)
    | st.lists(st.binary(max_size=30)).map(lambda lines: b"".join(b"%04x" % (len(line) + 4) + line for line in lines)),
    part=st.sampled_from([LISTING, FETCHING, PUSH_LISTING]),
)
# Each example is several requests to a server, so the deep profile must not multiply them without a bound.
@settings(max_examples=min(settings().max_examples, 100), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_a_server_says_only_our_own_errors_leave(fault_server: FaultServer, body: bytes, part: str) -> None:
    service = "receive-pack" if part == PUSH_LISTING else "upload-pack"
    kind = "result" if part == FETCHING else "advertisement"
    fault_server.faults = {part: answers(200, body, Content_Type=f"application/x-git-{service}-{kind}")}
    transport = fault_server.transport()
    new, objects = one_commit(None, "first")
    calls: list[Callable[[], object]] = [
        lambda: read(transport),
        lambda: transport.fetch(FetchRequest(ref=REF, depth=2), io.BytesIO(), deadline()),
        lambda: transport.push(REF, new, new, objects, deadline()),
    ]
    for call in calls:
        with contextlib.suppress(TransportError):
            call()
    transport.close()


def test_a_tip_that_is_no_commit_id_is_refused(fault_server: FaultServer) -> None:
    line = b"1" * 64 + b" " + REF + b"\n"
    packet = b"%04x" % (len(line) + 4) + line + b"0000"
    fault_server.faults[FETCHING] = answers(200, packet, Content_Type="application/x-git-upload-pack-result")
    transport = fault_server.transport()
    error = failure(lambda: read(transport))
    assert isinstance(error, NotAGitServer)
    assert error.reason == "it names a commit by something else than 40 hex digits"
    transport.close()


@claim("memory-bounds")
def test_an_endless_list_of_branches_is_cut_off(fault_server: FaultServer) -> None:
    line = b"1" * 40 + b" refs/heads/other\n"
    packets = (b"%04x" % (len(line) + 4) + line) * 100_001
    fault_server.faults[FETCHING] = answers(200, packets, Content_Type="application/x-git-upload-pack-result")
    transport = fault_server.transport()
    error = failure(lambda: read(transport))
    assert isinstance(error, TooLarge)
    assert error.reason == "a list of branches of more than 100,000 lines"
    transport.close()


def test_new_commits_that_are_announced_and_not_sent_are_an_error(fault_server: FaultServer) -> None:
    transport = fault_server.transport()
    push_first(transport)

    def empty(handler: Handler, body: bytes) -> None:
        if b"command=fetch" in body:
            answers(200, b"000dpackfile\n0000", Content_Type="application/x-git-upload-pack-result")(handler, body)
        else:
            handler.send(handler.server.backend(handler, body))

    fault_server.faults[FETCHING] = empty
    error = failure(lambda: transport.fetch(FetchRequest(ref=REF), io.BytesIO(), deadline()))
    assert isinstance(error, Unreachable)
    assert error.reason == "it announced new commits and then sent none"
    transport.close()


def test_no_other_address_is_ever_asked(fault_server: FaultServer) -> None:
    transport = fault_server.transport(NetworkEnvironment(git_username="me", git_password="word"))
    operation = Operation(transport.remote, "read", deadline())
    with transport._open(operation) as client:
        for url in ("http://127.0.0.1:1/pack", fault_server.url("mailbox.gitx/y"), fault_server.url("other.git/x")):
            error = failure(lambda url=url: client._http_request(url))  # type: ignore[misc]
            assert isinstance(error, NotAGitServer)
    assert fault_server.requests == []
    transport.close()


# ---------------------------------------------------------------------------------------------------------------------
# Deadlines and connections


@claim("deadline")
@pytest.mark.parametrize("part", [LISTING, FETCHING])
@pytest.mark.parametrize("fault", [silence, trickle, trickle_body])
def test_the_deadline_holds_on_a_server_that_is_silent_or_trickles(
    fault_server: FaultServer, part: str, fault: Callable[[Handler, bytes], None]
) -> None:
    transport = fault_server.transport()
    push_first(transport)
    fault_server.faults[part] = fault
    started = time.monotonic()
    error = failure(lambda: read(transport, 0.6))
    assert 0.5 < time.monotonic() - started < 3
    assert error.what == f"{transport.remote} did not answer within 0.6 seconds."
    assert isinstance(error, DeadlineExceeded)
    fault_server.faults.clear()
    read(transport)
    transport.close()


@pytest.fixture
def mute() -> Iterator[int]:
    """Give the port of a server that accepts and then says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@claim("deadline")
def test_the_deadline_holds_while_tls_and_a_proxy_are_silent(mute: int) -> None:
    direct = (f"https://127.0.0.1:{mute}/x", NetworkEnvironment())
    behind = ("https://host.example/x", NetworkEnvironment(proxies={"https": f"http://127.0.0.1:{mute}"}))
    for url, environment in (direct, behind):
        transport = HttpTransport(parse_remote(url), environment)
        started = time.monotonic()
        assert type(failure(lambda: read(transport, 0.4))) is DeadlineExceeded  # noqa: B023 - called at once
        assert time.monotonic() - started < 3
        transport.close()


@claim("deadline")
def test_the_deadline_holds_on_a_tls_handshake_that_trickles() -> None:
    stop = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            connection.sendall(b"\x16\x03\x03\x40\x00")
            while not stop.wait(0.05):
                connection.sendall(b"\x02")

    thread = threading.Thread(target=serve)
    thread.start()
    transport = HttpTransport(parse_remote(f"https://127.0.0.1:{listener.getsockname()[1]}/x"), NetworkEnvironment())
    started = time.monotonic()
    assert type(failure(lambda: read(transport, 0.4))) is DeadlineExceeded
    assert time.monotonic() - started < 3
    stop.set()
    thread.join()
    listener.close()
    transport.close()


def test_an_expired_deadline_contacts_nobody(fault_server: FaultServer) -> None:
    transport = fault_server.transport()
    assert type(failure(lambda: read(transport, 0))) is DeadlineExceeded
    assert fault_server.requests == []
    transport.close()


def test_nobody_listening_and_a_name_that_does_not_exist_are_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    transport = HttpTransport(parse_remote("http://127.0.0.1:1/x"), NetworkEnvironment())
    assert failure(lambda: read(transport)).what == "http://127.0.0.1:1/x cannot be reached: Connection refused."

    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    transport = HttpTransport(parse_remote("https://nowhere.example/x"), NetworkEnvironment())
    assert failure(lambda: read(transport)).what == (
        "https://nowhere.example/x cannot be reached: its host name cannot be resolved."
    )


def test_the_next_address_of_a_host_is_tried(fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo("127.0.0.1", fault_server.server_port, type=socket.SOCK_STREAM)
    dead = [(*entry[:4], ("127.0.0.1", 1)) for entry in real]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: dead + real)
    transport = fault_server.transport()
    assert read(transport) is None
    transport.close()


@pytest.mark.parametrize("fault", [hang_up, cut])
def test_a_broken_connection_is_unreachable(fault_server: FaultServer, fault: Callable[[Handler, bytes], None]) -> None:
    transport = fault_server.transport()
    push_first(transport)
    fault_server.faults[FETCHING] = fault
    error = failure(lambda: transport.fetch(FetchRequest(ref=REF), io.BytesIO(), deadline()))
    assert isinstance(error, Unreachable)
    assert error.reason == "the connection broke off"
    transport.close()


# ---------------------------------------------------------------------------------------------------------------------
# Proxies


class Tunnel(threading.Thread):
    """A proxy that serves one CONNECT, and keeps what it was asked."""

    def __init__(self, target: int, status: bytes) -> None:
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.target, self.status, self.asked = target, status, b""
        self.start()

    def run(self) -> None:
        client, _ = self.listener.accept()
        with client, contextlib.suppress(OSError):
            while b"\r\n\r\n" not in self.asked:
                self.asked += client.recv(4096)
            client.sendall(b"HTTP/1.1 " + self.status + b"\r\n\r\n")
            if self.status.startswith(b"200"):
                with socket.create_connection(("127.0.0.1", self.target)) as server:
                    back = threading.Thread(target=self.pump, args=(server, client))
                    back.start()
                    self.pump(client, server)
                    back.join()

    @staticmethod
    def pump(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("name", ["https_proxy", "ALL_PROXY"])
def test_a_proxy_with_a_login_is_gone_through(
    http_server: HttpServer, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("peer_relay.git.connections.is_loopback", lambda _: False)
    http_server.create(f"behind-{name}.git")
    tunnel = Tunnel(http_server.tls_port, b"200 Connection established")
    variables = {name: f"me:p%40ss@127.0.0.1:{tunnel.port}", "SSL_CERT_FILE": str(http_server.ca_file)}
    url = http_server.url(f"behind-{name}.git", tls=True, access="public")
    transport = HttpTransport(parse_remote(url), NetworkEnvironment.from_environ(variables))
    assert read(transport) is None
    transport.close()
    tunnel.join(10)
    tunnel.listener.close()
    assert tunnel.asked.startswith(b"CONNECT 127.0.0.1:%d HTTP/1." % http_server.tls_port)
    assert b64encode(b"me:p@ss") in tunnel.asked


@pytest.mark.parametrize(
    ("status", "reason", "advice"),
    [
        (b"407 Proxy Authentication Required", "the proxy wants a login", "Put it into https_proxy."),
        (b"502 Bad Gateway", "the proxy does not let it pass", "Check https_proxy, or name the host in no_proxy."),
    ],
)
def test_a_proxy_that_refuses_is_named(status: bytes, reason: str, advice: str) -> None:
    tunnel = Tunnel(0, status)
    environment = NetworkEnvironment(proxies={"https": f"http://127.0.0.1:{tunnel.port}"})
    transport = HttpTransport(parse_remote("https://host.example/x"), environment)
    error = failure(lambda: read(transport))
    assert isinstance(error, Unreachable)
    assert (error.reason, error.advice) == (reason, advice)
    tunnel.join(10)
    tunnel.listener.close()
    transport.close()


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "http://127.0.0.1:port"])
def test_a_proxy_of_an_unknown_kind_is_named(proxy: str) -> None:
    transport = HttpTransport(parse_remote("https://host.example/x"), NetworkEnvironment(proxies={"all": proxy}))
    error = failure(lambda: read(transport))
    assert isinstance(error, Unreachable)
    assert (error.reason, error.advice) == (
        "the proxy of the environment cannot be used",
        "Give its http:// or https:// address in https_proxy.",
    )


def test_this_machine_and_exceptions_are_not_behind_the_proxy(fault_server: FaultServer) -> None:
    nobody = "http://127.0.0.1:1"
    transport = fault_server.transport(NetworkEnvironment(proxies={"http": nobody, "all": nobody}))
    assert read(transport) is None
    transport.close()
    for url, exceptions, expected in [
        ("https://host.example/x", ".example", None),
        ("https://host.example/x", "host.example:443", nobody),
        ("https://host.example:8443/x", "host.example:8443", None),
        ("https://host.example/x", "*", None),
        ("https://host.example/x", "other.example", nobody),
    ]:
        proxies = {"https": nobody, "no": exceptions}
        assert _proxy_for(parse_remote(url), proxies) == expected
    assert _proxy_for(parse_remote("https://host.example/x"), {"http": nobody}) is None


@claim("secrets-never-shown", "I10")
def test_no_secret_is_logged_or_in_a_repr(fault_server: FaultServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    transport = fault_server.transport(login="me:secret-word@")
    push_first(transport)
    assert caplog.text != ""
    for secret in ("secret-word", b64encode(b"me:secret-word").decode()):
        assert secret not in caplog.text
        assert secret not in repr(transport) + repr(vars(transport)) + repr(vars(transport._connections))
    transport.close()
