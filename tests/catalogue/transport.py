"""Errors on the way to the mailbox."""

from __future__ import annotations

import io
import os
import socket
import ssl
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from urllib3.exceptions import LocationValueError, NameResolutionError, NewConnectionError, ProxyError, SSLError

from peer_relay.deadline import Deadline
from peer_relay.errors import OutcomeUnknown, PeerRelayError, RateLimited, Unreachable
from peer_relay.git.connections import broken as unreachable
from peer_relay.git.credentials import ADVICE, Login, Logins
from peer_relay.git.environment import NetworkEnvironment
from peer_relay.git.limits import FIRST_FETCH
from peer_relay.git.local import LocalTransport
from peer_relay.git.outcomes import contact_failure, push_refusal
from peer_relay.git.packfile import scan_pack
from peer_relay.git.patience import MOST_REFUSED, PatientTransport
from peer_relay.git.remote import parse_remote
from peer_relay.git.smart import Operation
from peer_relay.git.ssh import SshTransport
from peer_relay.git.status import Answer, status_error
from peer_relay.store import Refreshed
from tests.catalogue.entry import HOST, PASSWORD, SSH, Entry
from tests.git.building import line
from tests.relay.support import FakeTime, Machine
from tests.servers import create_repository
from tests.store.benches import ROOM, a_deadline
from tests.store.memory_store import MemoryMailbox, MemoryStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REF = b"refs/heads/peer-relay/et4etvph2dd5tbti"
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def _refused_login(source: str) -> PeerRelayError:
    logins = Logins(parse_remote(f"https://me:{PASSWORD}@github.com/alice/mailbox.git"), NetworkEnvironment())
    logins.current = Login("me", PASSWORD, source)
    return logins.refusal()


def _status(number: int, words: str = "", *, is_push: bool = False, **headers: str) -> PeerRelayError:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return status_error(HOST, Answer(HOST, number, named, words, is_push, "write"), NOW)


CONTACTS = {
    "a host key": "Host key verification failed.",
    "no key": "git@github.com: Permission denied (publickey).",
    "no git": "sh: 1: git-upload-pack: not found",
    "no repository": "ERROR: Repository not found.\nfatal: Could not read from remote repository.",
    "a deploy key": "ERROR: The key you are authenticating with has been marked as read only.",
    "two owners": "fatal: detected dubious ownership in repository at '/srv/mailbox.git'",
    "no name": "ssh: Could not resolve hostname git.example: Name or service not known",
    "a closed port": "ssh: connect to host git.example port 22: Connection refused",
    "two sentences": "kex_exchange_identification: Connection closed. Try later. hunter2",
    "silence": "",
    "an escape": "\x1b[31m\u202eodd\x07 words\n",
}
REFUSALS = {
    "a hook": ("pre-receive hook declined", "remote: error: GH013: Repository rule violations found.\nSecret hunter2."),
    "a rule": ("protected branch hook declined", 'You may not push to "peer-relay/*". Ask.'),
    "a race": ("failed to update ref", "is at 1 but expected 2"),
    "a lock": ("failed to update ref", "error: Unable to create '/x/y.lock': File exists.\n\nAnother git process."),
    "a folder": ("unable to create temporary object directory", ""),
    "an outage": ("Internal Server Error", ""),
}


def over_http() -> Iterator[Entry]:
    """Yield what an http(s) mailbox may answer."""
    for source in ADVICE:
        yield Entry(source, lambda _, source=source: _refused_login(source))
    answers: list[tuple[int, str, dict[str, Any]]] = [
        (429, "", {"Retry_After": "30"}),
        (429, "", {}),
        (301, "", {"Location": f"https://me:{PASSWORD}@github.com/bob/new.git/info/refs?key=secret"}),
        (302, "", {}),
        (403, "", {}),
        (403, "Write access to repository not granted.", {}),
        (404, "", {}),
        (503, "Down for maintenance. Back soon.", {}),
        (418, "", {}),
        (413, "The pack is too large.", {"is_push": True}),
    ]
    for number, words, more in answers:
        yield Entry(f"HTTP {number} {words} {more}", lambda _, n=number, w=words, m=more: _status(n, w, **m))
    refused = NewConnectionError(None, "x")  # type: ignore[arg-type]
    refused.__cause__ = ConnectionRefusedError(111, "Connection refused")
    distrust = ssl.SSLCertVerificationError(1, "x")
    distrust.verify_message = "self-signed certificate"
    broken = {
        "a proxy of a kind": LocationValueError("socks5://me:hunter2@proxy"),
        "a proxy with a login": ProxyError("x", OSError("Tunnel connection failed: 407 Proxy Authentication Required")),
        "a proxy that refuses": ProxyError("x", OSError("Tunnel connection failed: 502 Bad Gateway")),
        "no such host": NameResolutionError("host", None, socket.gaierror(-2, "x")),  # type: ignore[arg-type]
        "no trust": SSLError(distrust),
        "no authorities": SSLError(FileNotFoundError(2, "No such file or directory")),
        "no common cipher": SSLError(ssl.SSLError("x")),
        "nobody who listens": refused,
        "a connection that broke": NewConnectionError(None, "hunter2"),  # type: ignore[arg-type]
    }
    for name, error in broken.items():
        yield Entry(name, lambda _, error=error: unreachable(HOST, error, "/etc/ssl/authorities.pem"))


def over_ssh() -> Iterator[Entry]:
    """Yield what an ssh mailbox may answer."""
    for name, words in CONTACTS.items():
        yield Entry(name, lambda _, words=words: contact_failure(SSH, "write", words, [PASSWORD]))
    for name, (reason, said) in REFUSALS.items():
        yield Entry(name, lambda _, reason=reason, said=said: push_refusal(SSH, reason, said, [PASSWORD]))
    nowhere = NetworkEnvironment(ssh_command=("/nowhere/ssh",))
    yield Entry("no ssh", lambda _: SshTransport(parse_remote(SSH), nowhere).read_ref(REF, Deadline(9, time.monotonic)))
    greeting = NetworkEnvironment(ssh_command=("/bin/sh", "-c", "echo Welcome to this host."))
    yield Entry("a greeting", lambda _: SshTransport(parse_remote(SSH), greeting).read_ref(REF, _soon()))
    yield Entry("a late answer", lambda _: SshTransport(parse_remote(SSH), nowhere).read_ref(REF, _over()))
    yield Entry("a long list", lambda _: Operation(SSH, "read", _soon()).spend(1 << 30))
    yield Entry("a lost reply", lambda _: OutcomeUnknown(remote=SSH, reason="no reply within 20 seconds"))
    yield Entry("new commits", lambda _: Unreachable(remote=SSH, reason="it announced new commits and then sent none"))


def over_and_over() -> Iterator[Entry]:
    """Yield what is said of a remote that is left alone for a while, or for the rest of a call."""
    paused = (RateLimited(remote=HOST, retry_after_s=seconds) for seconds in (3600.0, None))
    for error in (*paused, _refused_login(next(iter(ADVICE)))):
        yield Entry(f"once more: {error}", lambda _, error=error: _patient(error))
    yield Entry("replies that get lost", lambda folder: _blocked(folder, replies_get_lost=True))
    yield Entry("an old copy", lambda folder: _blocked(folder, replies_get_lost=False))


class _Failing:
    """A transport that always fails alike."""

    def __init__(self, error: PeerRelayError) -> None:
        self._error = error

    def read_ref(self, *_: object) -> None:
        raise self._error


def _patient(error: PeerRelayError) -> object:
    """Fail until the remote is left alone."""
    transport = PatientTransport(_Failing(error))  # type: ignore[arg-type]
    for _ in range(MOST_REFUSED):
        with suppress(type(error)):
            transport.read_ref(REF, _over())
    return transport.read_ref(REF, _over())


def _blocked(folder: Path, *, replies_get_lost: bool) -> object:
    """Ask where every reply to a push gets lost, or of a host that shows a state that is too old to push on."""
    mailbox, time_ = MemoryMailbox(), FakeTime()
    MemoryStore(mailbox).create(ROOM, a_deadline())
    alice, bob = (Machine(peer, MemoryStore(mailbox), folder / peer, time_) for peer in ("alice", "bob"))
    alice.relay.questions()
    if replies_get_lost:
        alice.store.lost_replies.extend([False] * 9)
    else:
        bob.relay.ask("What?")
        alice.store.refresh = lambda known, *_: Refreshed(known)  # type: ignore[method-assign]
    return alice.relay.ask("Why?").blocked


def _soon() -> Deadline:
    return Deadline(9, time.monotonic)


def _over() -> Deadline:
    return Deadline(0, time.monotonic)


def _local(folder: Path) -> LocalTransport:
    return LocalTransport(parse_remote(str(create_repository(folder / "mailbox.git"))))


def _push(folder: Path, expected: bytes | None = None) -> object:
    step = line(1)[0]
    _local(folder).push(REF, expected, step.name, step.objects, Deadline(0.1, time.monotonic))
    return None


def _with_lock(folder: Path, age_s: float) -> object:
    lock = create_repository(folder / "mailbox.git") / f"{REF.decode()}.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    os.utime(lock, (time.time() - age_s, time.time() - age_s))
    return _push(folder)


def _with_branch_in_the_way(folder: Path) -> object:
    (create_repository(folder / "mailbox.git") / "refs" / "heads" / "peer-relay").write_bytes(b"0" * 40)
    return _push(folder)


def _of_a_newer_form(folder: Path) -> object:
    transport = _local(folder)
    with (folder / "mailbox.git" / "config").open("a") as file:
        file.write("[core]\n\trepositoryformatversion = 7\n")
    return transport.read_ref(REF, Deadline(9, time.monotonic))


def on_disk() -> Iterator[Entry]:
    """Yield what may be wrong with a mailbox in a folder."""
    missing = parse_remote("/nowhere/mailbox.git")
    yield Entry("a path to nothing", lambda _: LocalTransport(missing).read_ref(REF, Deadline(9, time.monotonic)))
    yield Entry("a branch that moved", lambda folder: _push(folder, b"1" * 40))
    yield Entry("a lock in use", lambda folder: _with_lock(folder, 1))
    yield Entry("a lock that was left", lambda folder: _with_lock(folder, 3_600))
    yield Entry("a branch in the way", _with_branch_in_the_way)
    yield Entry("a repository of a newer form", _of_a_newer_form)
    for number in (5, 13, 28):
        error = OSError(number, os.strerror(number))
        yield Entry(str(error), lambda folder, error=error: _local(folder)._system_error("write", error))
    yield Entry("no pack", lambda _: scan_pack(io.BytesIO(bytes(99)), FIRST_FETCH, remote=HOST))
