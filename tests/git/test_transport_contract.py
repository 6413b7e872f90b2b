"""What every transport promises, shown against real servers: a folder, sshd, and nginx with git's http backend."""

from __future__ import annotations

import itertools
import os
import stat
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from dulwich.objects import Blob, ObjectID
from dulwich.repo import Repo

from peer_relay.deadline import Deadline
from peer_relay.errors import (
    AccessDenied,
    DeadlineExceeded,
    Moved,
    OutcomeUnknown,
    PushRefused,
    RepositoryNotFound,
    TooLarge,
    TransportError,
)
from peer_relay.git.connect import connect
from peer_relay.git.environment import NetworkEnvironment
from peer_relay.git.limits import FIRST_FETCH
from peer_relay.git.packs import ingest
from peer_relay.git.remote import parse_remote
from peer_relay.git.transport import FetchReply, FetchRequest, Transport
from tests.claims import claim
from tests.git import local_mailbox as here
from tests.git.building import commit, line
from tests.git.recorder import Recorder
from tests.servers import HttpServer, SshServer, create_repository, run_git

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tests.git.building import Step

REF = b"refs/heads/peer-relay/room"
KINDS = ("local", "observed", "ssh", "http", "https")
FOLDERS = ("local", "observed")


@dataclass(frozen=True)
class Place:
    """One way to reach repositories that are in a folder here.

    Attributes:
        kind: one of `KINDS`.
        root: where the repositories are.
        address: gives the address of a path below `root`.
        read_only_address: the same, where pushing is not allowed.
        settings: variables of the environment.
        read_only_settings: the same, where pushing is not allowed.
    """

    kind: str
    root: Path
    address: Callable[[Path], str]
    read_only_address: Callable[[Path], str]
    settings: Mapping[str, str] = field(default_factory=dict)
    read_only_settings: Mapping[str, str] = field(default_factory=dict)
    opened: list[Transport] = field(default_factory=list)

    def reach(self, path: Path) -> Transport:
        """Return a transport to a repository."""
        return self._connect(self.address(path), self.settings)

    def reach_read_only(self, path: Path) -> Transport:
        """Return a transport that may fetch and not push."""
        return self._connect(self.read_only_address(path), self.read_only_settings)

    def _connect(self, address: str, settings: Mapping[str, str]) -> Transport:
        environment = NetworkEnvironment.from_environ({**os.environ, **settings})
        observer = Recorder() if self.kind == "observed" else None
        self.opened.append(connect(parse_remote(address), environment, observer))
        return self.opened[-1]


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    # Below a folder that another user may enter, which pytest's own is not.
    with tempfile.TemporaryDirectory(prefix="contract-") as name:
        root = Path(name)
        root.chmod(0o755)
        made = _place(request, root)
        try:
            yield made
        finally:
            for transport in made.opened:
                transport.close()


def _place(request: pytest.FixtureRequest, root: Path) -> Place:
    if request.param in FOLDERS:
        return Place(request.param, root, str, str)
    if request.param == "ssh":
        ssh: SshServer = request.getfixturevalue("ssh_server")
        login, reader = ({"GIT_SSH_COMMAND": each} for each in (ssh.ssh_command, ssh.ssh_command_read_only))
        return Place("ssh", root, ssh.url, ssh.url, login, reader)
    http: HttpServer = request.getfixturevalue("http_server")
    tls = request.param == "https"
    login = {"PEER_RELAY_GIT_USERNAME": http.username, "PEER_RELAY_GIT_PASSWORD": http.password}
    root = Path(tempfile.mkdtemp(dir=http.root))
    return Place(
        request.param,
        root,
        lambda path: http.url(path, tls=tls),
        lambda path: http.url(path, tls=tls, access="readonly"),
        {**login, "SSL_CERT_FILE": str(http.ca_file)},
        {"SSL_CERT_FILE": str(http.ca_file)},
    )


@pytest.fixture
def mailbox(place: Place) -> Path:
    return create_repository(place.root / "mailbox.git")


@pytest.fixture
def transport(place: Place, mailbox: Path) -> Transport:
    return place.reach(mailbox)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    return create_repository(tmp_path / "clone.git")


def deadline(seconds: float = 30.0) -> Deadline:
    return Deadline(seconds, time.monotonic)


def push(transport: Transport, steps: Sequence[Step], expected: bytes | None, ref: bytes = REF) -> None:
    objects = [each for step in steps for each in step.objects]
    transport.push(ref, expected, steps[-1].name, objects, deadline())


def fetch(transport: Transport, request: FetchRequest, clone: Path) -> tuple[FetchReply, int]:
    """Fetch into a clone; return the reply and the number of objects that came."""
    with tempfile.TemporaryFile() as file, Repo(clone) as repo:
        reply = transport.fetch(request, file, deadline())
        count = ingest(repo, file, remote=transport.remote, limits=FIRST_FETCH)
        repo.update_shallow({ObjectID(each) for each in reply.shallow}, {ObjectID(each) for each in reply.unshallow})
        return reply, count


def tips(mailbox: Path) -> dict[str, str]:
    lines = run_git("for-each-ref", "--format=%(refname) %(objectname)", cwd=mailbox).decode().splitlines()
    return dict(line.split(" ") for line in lines)


def history(repository: Path, tip: bytes) -> list[str]:
    return run_git("rev-list", tip.decode(), cwd=repository).decode().split()


# ---------------------------------------------------------------------------------------------------------------------
# Reading


def test_an_empty_repository_and_an_absent_branch_have_no_tip(transport: Transport, clone: Path) -> None:
    assert transport.read_ref(REF, deadline()) is None
    assert fetch(transport, FetchRequest(ref=REF, depth=2), clone) == (FetchReply(tip=None), 0)
    push(transport, line(1), None, ref=REF + b"-other")
    assert transport.read_ref(REF, deadline()) is None
    assert fetch(transport, FetchRequest(ref=REF, depth=2), clone) == (FetchReply(tip=None), 0)


def test_a_pushed_branch_is_read_back(transport: Transport, mailbox: Path) -> None:
    steps = line(3)
    push(transport, steps, None)
    assert transport.read_ref(REF, deadline()) == steps[2].name
    assert tips(mailbox) == {REF.decode(): steps[2].name.decode()}
    run_git("fsck", "--strict", cwd=mailbox)


def test_a_first_fetch_brings_the_newest_commits_only(transport: Transport, clone: Path) -> None:
    steps = line(5)
    push(transport, steps, None)
    reply, _ = fetch(transport, FetchRequest(ref=REF, depth=2), clone)
    assert reply == FetchReply(tip=steps[4].name, shallow=frozenset({steps[3].name}))
    assert history(clone, steps[4].name) == [steps[4].name.decode(), steps[3].name.decode()]
    run_git("rev-list", "--objects", steps[4].name.decode(), cwd=clone)


def test_an_incremental_fetch_brings_what_is_new_only(transport: Transport, clone: Path) -> None:
    steps = line(8)
    push(transport, steps[:5], None)
    first, _ = fetch(transport, FetchRequest(ref=REF, depth=2), clone)
    push(transport, steps[5:], steps[4].name)
    request = FetchRequest(ref=REF, have=steps[4].name, shallow=first.shallow)
    assert fetch(transport, request, clone) == (FetchReply(tip=steps[7].name), sum(len(s.objects) for s in steps[5:]))
    assert history(clone, steps[7].name) == [step.name.decode() for step in reversed(steps[3:])]
    run_git("rev-list", "--objects", steps[7].name.decode(), cwd=clone)


def test_nothing_new_writes_nothing(transport: Transport) -> None:
    steps = line(3)
    push(transport, steps, None)
    sink = BytesIO()
    request = FetchRequest(ref=REF, have=steps[2].name, shallow=frozenset({steps[2].name}))
    assert transport.fetch(request, sink, deadline()) == FetchReply(tip=steps[2].name)
    assert sink.getvalue() == b""


@pytest.mark.parametrize("depth", [50, None])
def test_a_deeper_fetch_brings_all_there_is(transport: Transport, clone: Path, depth: int | None) -> None:
    steps = line(9)
    push(transport, steps, None)
    fetch(transport, FetchRequest(ref=REF, depth=2), clone)
    with Repo(clone) as repo:
        repo.update_shallow(set(), repo.get_shallow())
    reply, _ = fetch(transport, FetchRequest(ref=REF, depth=depth), clone)
    assert reply == FetchReply(tip=steps[8].name)
    assert history(clone, steps[8].name) == [step.name.decode() for step in reversed(steps)]
    run_git("fsck", "--strict", cwd=clone)


def test_other_branches_stay_where_they_are(transport: Transport, clone: Path) -> None:
    steps, other = line(3), line(2, label="other")
    push(transport, steps, None)
    push(transport, other, None, ref=b"refs/heads/peer-relay/other")
    fetch(transport, FetchRequest(ref=REF), clone)
    expected = {each.id for step in steps for each in step.objects}
    shown = run_git("cat-file", "--batch-all-objects", "--batch-check=%(objectname)", cwd=clone)
    assert set(shown.split()) == expected


def test_a_rewritten_branch_is_fetched_from_where_it_parted(transport: Transport, clone: Path) -> None:
    steps = line(6)
    push(transport, steps, None)
    fetch(transport, FetchRequest(ref=REF), clone)
    rewritten = line(2, steps[3], label="rewritten")
    push(transport, rewritten, steps[5].name)
    reply, count = fetch(transport, FetchRequest(ref=REF, have=steps[5].name), clone)
    assert (reply, count) == (FetchReply(tip=rewritten[1].name), sum(len(step.objects) for step in rewritten))
    run_git("rev-list", "--objects", rewritten[1].name.decode(), cwd=clone)


@claim("memory-bounds")
def test_a_pack_that_is_too_large_is_not_taken(transport: Transport) -> None:
    large = commit(None, {"a": os.urandom(100_000)})
    push(transport, [large], None)
    sink = BytesIO()
    with pytest.raises(TooLarge) as caught:
        transport.fetch(FetchRequest(ref=REF, depth=2, max_bytes=20_000), sink, deadline())
    assert caught.value.remote == transport.remote
    assert len(sink.getvalue()) <= 100_000
    assert transport.read_ref(REF, deadline()) == large.name


def test_a_repository_that_is_not_there_is_not_found(place: Place, mailbox: Path) -> None:
    absent = place.reach(mailbox.with_name("absent.git"))
    step = line(1)[0]
    for call in (
        lambda: absent.read_ref(REF, deadline()),
        lambda: absent.fetch(FetchRequest(ref=REF, depth=2), BytesIO(), deadline()),
        lambda: absent.push(REF, None, step.name, step.objects, deadline()),
        lambda: absent.check_write(REF, deadline()),
        lambda: absent.default_branch(deadline()),
    ):
        with pytest.raises(RepositoryNotFound) as caught:
            call()
        assert caught.value.remote == absent.remote


@claim("deadline")
def test_a_deadline_that_has_passed_ends_every_call_at_once(transport: Transport) -> None:
    step, late = line(1)[0], deadline(0.0)
    for call in (
        lambda: transport.read_ref(REF, late),
        lambda: transport.fetch(FetchRequest(ref=REF), BytesIO(), late),
        lambda: transport.push(REF, None, step.name, step.objects, late),
        lambda: transport.check_write(REF, late),
        lambda: transport.default_branch(late),
    ):
        with pytest.raises(DeadlineExceeded):
            call()


def test_the_default_branch_is_the_one_that_head_names_if_there_is_such_a_branch(
    transport: Transport, mailbox: Path
) -> None:
    here.push(mailbox, line(1))
    assert transport.default_branch(deadline()) is None
    run_git("symbolic-ref", "HEAD", REF.decode(), cwd=mailbox)
    assert transport.default_branch(deadline()) == REF
    run_git("update-ref", "--no-deref", "HEAD", REF.decode(), cwd=mailbox)
    assert transport.default_branch(deadline()) is None


LOGINS = {
    "local": "file permissions of this machine's user",
    "observed": "file permissions of this machine's user",
    "ssh": "ssh (publickey)",
    "http": "PEER_RELAY_GIT_USERNAME and PEER_RELAY_GIT_PASSWORD",
    "https": "PEER_RELAY_GIT_USERNAME and PEER_RELAY_GIT_PASSWORD",
}


def test_how_the_login_was_made_is_told_after_a_contact(place: Place, transport: Transport) -> None:
    assert transport.login == (LOGINS[place.kind] if place.kind in FOLDERS else "")
    transport.check_write(REF, deadline())
    assert transport.login.rpartition("/")[2] == LOGINS[place.kind]
    transport.read_ref(REF, deadline())
    assert transport.login.rpartition("/")[2] == LOGINS[place.kind]


def test_a_transport_works_again_after_it_was_closed(transport: Transport) -> None:
    steps = line(1)
    push(transport, steps, None)
    transport.close()
    transport.close()
    assert transport.read_ref(REF, deadline()) == steps[0].name


# ---------------------------------------------------------------------------------------------------------------------
# Writing


@claim("I5")
def test_a_push_on_an_old_commit_has_moved_and_changes_nothing(transport: Transport, mailbox: Path) -> None:
    steps = line(3)
    push(transport, steps[:2], None)
    push(transport, steps[2:], steps[1].name)
    for expected, base in ((steps[1].name, steps[1]), (steps[0].name, steps[0]), (None, None)):
        with pytest.raises(Moved):
            push(transport, line(1, base, label="late"), expected)
    with pytest.raises(Moved):
        push(transport, line(1, steps[2], label="elsewhere"), steps[2].name, ref=REF + b"-absent")
    assert tips(mailbox) == {REF.decode(): steps[2].name.decode()}


def test_the_same_push_again_is_fine(transport: Transport, mailbox: Path) -> None:
    steps = line(2)
    for _ in range(2):
        push(transport, steps[:1], None)
    for _ in range(2):
        push(transport, steps[1:], steps[0].name)
    assert tips(mailbox) == {REF.decode(): steps[1].name.decode()}
    run_git("fsck", "--strict", cwd=mailbox)


@contextmanager
def unable_to_write(path: Path) -> Iterator[None]:
    """Take the permission to write to a repository away; permissions do not bind root, who becomes nobody meanwhile."""
    everything = [path, *path.rglob("*")]
    before = {each: stat.S_IMODE(each.stat().st_mode) for each in everything}
    for each, mode in before.items():
        each.chmod(mode & ~0o222)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        if user == 0:
            os.seteuid(0)
        for each, mode in before.items():
            each.chmod(mode)


def test_who_may_only_read_can_read_and_is_told_so_when_writing(place: Place, mailbox: Path) -> None:
    steps = line(2)
    push(place.reach(mailbox), steps[:1], None)
    reader = place.reach_read_only(mailbox)
    errors = []
    with unable_to_write(mailbox) if place.kind in FOLDERS else nullcontext():
        assert reader.read_ref(REF, deadline()) == steps[0].name
        for write in (lambda: push(reader, steps[1:], steps[0].name), lambda: reader.check_write(REF, deadline())):
            with pytest.raises(AccessDenied) as caught:
                write()
            errors.append(str(caught.value))
    assert (caught.value.act, caught.value.remote) == ("write", reader.remote)
    assert errors[0] == errors[1]
    assert tips(mailbox) == {REF.decode(): steps[0].name.decode()}


@claim("I8")
def test_a_check_that_a_branch_can_be_written_leaves_nothing_behind(transport: Transport, mailbox: Path) -> None:
    for steps in ([], line(1)):
        if steps:
            here.push(mailbox, steps)
        before = {path: path.is_file() and path.read_bytes() for path in mailbox.rglob("*")}
        transport.check_write(REF, deadline())
        assert {path: path.is_file() and path.read_bytes() for path in mailbox.rglob("*")} == before


@pytest.mark.parametrize("place", ["local"], indirect=True)
@pytest.mark.parametrize("folder", ["objects", "refs/heads/peer-relay"])
def test_each_folder_that_a_push_would_write_to_is_checked(transport: Transport, mailbox: Path, folder: str) -> None:
    here.push(mailbox, line(1))
    with unable_to_write(mailbox / folder), pytest.raises(AccessDenied) as caught:
        transport.check_write(REF, deadline())
    assert caught.value.act == "write"


@claim("I9")
@pytest.mark.parametrize("place", ["ssh", "http", "https"], indirect=True)
def test_a_hook_that_declines_is_quoted_without_control_characters(transport: Transport, mailbox: Path) -> None:
    hook = mailbox / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\nprintf 'commits need a \\033[31mticket\\033[0m\\a\\n' >&2\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(PushRefused) as caught:
        push(transport, line(1), None)
    assert "commits need a ticket" in caught.value.words
    assert str(caught.value).isprintable()
    assert tips(mailbox) == {}


def test_a_branch_in_the_way_is_refused_and_not_a_race(transport: Transport, mailbox: Path) -> None:
    below = line(1)
    push(transport, below, None, ref=REF + b"/below")
    with pytest.raises(PushRefused):
        push(transport, line(1, label="room"), None)
    assert tips(mailbox) == {f"{REF.decode()}/below": below[0].name.decode()}


def test_objects_arrive_as_they_were_made(transport: Transport, mailbox: Path, clone: Path) -> None:
    made = commit(None, {"ä/ü.json": "naïve ☃ \U0001f600\n".encode(), "empty": b""}, message="sübject\n\nTrailer: x\n")
    push(transport, [made], None)
    fetch(transport, FetchRequest(ref=REF, depth=2), clone)
    for repository in (mailbox, clone):
        with Repo(repository) as repo:
            assert [repo.object_store[each.id].as_raw_string() for each in made.objects] == [
                each.as_raw_string() for each in made.objects
            ]


WRITERS = {"local": (8, 15), "observed": (4, 4), "ssh": (2, 3), "http": (6, 6), "https": (4, 4)}


@claim("I5")
def test_concurrent_writers_lose_nothing(place: Place, mailbox: Path) -> None:
    writers, each = WRITERS[place.kind]
    known: dict[bytes | None, Step | None] = {None: None}
    lock, ready, numbers = threading.Lock(), threading.Barrier(writers), itertools.count()

    def write(writer: int) -> None:
        transport = place.reach(mailbox)
        ready.wait(10)
        for number in range(each):
            while True:
                tip = transport.read_ref(REF, deadline())
                path = f"w{writer}/{number:03}.json"
                step = commit(known[tip], {path: path.encode()}, message=f"{next(numbers)}")
                with lock:
                    known[step.name] = step
                try:
                    transport.push(REF, tip, step.name, step.objects, deadline())
                except Moved:
                    continue
                except OutcomeUnknown:  # somebody was so quick to follow that it cannot be told from a lock taken away
                    if step.name.decode() not in history(mailbox, transport.read_ref(REF, deadline()) or b""):
                        continue
                break

    with ThreadPoolExecutor(writers) as pool:
        list(pool.map(write, range(writers)))
    tip = tips(mailbox)[REF.decode()].encode()
    listed = run_git("ls-tree", "-r", "--name-only", tip.decode(), cwd=mailbox).decode().split()
    assert listed == sorted(f"w{writer}/{number:03}.json" for writer in range(writers) for number in range(each))
    assert len(history(mailbox, tip)) == writers * each
    run_git("fsck", "--strict", cwd=mailbox)


def test_no_error_leaks_how_the_login_was_made(place: Place, mailbox: Path, http_server: HttpServer) -> None:
    absent = place.reach(mailbox.with_name("absent.git"))
    with pytest.raises(TransportError) as caught:
        absent.read_ref(REF, deadline())
    shown = f"{caught.value} {caught.value!r} {absent.remote} {absent!r}"
    assert http_server.password not in shown
    assert str(caught.value).isprintable()


def test_a_large_push_arrives(transport: Transport, mailbox: Path) -> None:
    """More than the buffers on the way: 1 MiB is where git itself begins to send a push in pieces over http."""
    step = commit(None, {f"{number}": os.urandom(250_000) for number in range(8)})
    push(transport, [step], None)
    assert tips(mailbox) == {REF.decode(): step.name.decode()}
    with Repo(mailbox) as repo:
        assert all(each.id in repo.object_store for each in step.objects if isinstance(each, Blob))
