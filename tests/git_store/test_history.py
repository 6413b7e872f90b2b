"""How a room is fetched, deepened and walked, and what is done about a branch that lost what was verified (I6)."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from peer_relay.deadline import Deadline
from peer_relay.errors import (
    BranchDeleted,
    BranchSetBack,
    DeadlineExceeded,
    HistoryRewritten,
    Moved,
    RefusedCommit,
    RoomNotFound,
    StateUnusable,
    TooLarge,
    UnsupportedFormat,
)
from peer_relay.git import fetching
from peer_relay.paths import ROOM_FILE, Kind, Place
from peer_relay.records import Question, make
from peer_relay.records import Room as RoomRecord
from peer_relay.store import Arrival, Refreshed, Refusal
from tests import independent
from tests.claims import claim
from tests.git_store.conftest import FULL_IDS
from tests.git_store.forging import (
    BOBS,
    GOOD,
    NEW,
    OPEN,
    commit_question,
    path_of,
    question,
    tell,
)
from tests.git_store.reading import KEYS, Reader, reader, soon
from tests.git_store.reading import question as arrived
from tests.independent import START_MS, Room, ulid
from tests.servers import run_git

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from peer_relay.store import Snapshot
    from tests.conftest import Git
    from tests.servers import HttpServer, SshServer

AFTER = ulid(START_MS + 5_000_000_000, 7)


@pytest.fixture
def mailbox(tmp_path: Path) -> Room:
    room = Room(tmp_path / "mailbox.git")
    tell(room)
    return room


@pytest.fixture
def bob(mailbox: Room, tmp_path: Path) -> Reader:
    return reader(tmp_path, tmp_path / "mailbox.git")


def look(each: Reader, known: Snapshot | None = None, refusal: Refusal | None = None) -> Refreshed:
    return each.store.refresh(known, refusal, soon())


def everything(room: Room) -> list[Arrival]:
    """Return what every commit of a full room added, newest first."""
    found = []
    for number, question_id in enumerate(FULL_IDS):
        found += [(question_id, room.peers[number % 2], Kind.QUESTION)]
        found += [(question_id, room.peers[number % 2], Kind.ANSWER)] if number else []
    commits = [commit for commit in room.commit_ids[1:] if b" archives " not in room.commits[commit]]
    pairs = zip(commits, found, strict=False)
    return [Arrival(commit, Place(*where)) for commit, where in pairs][::-1]


# ---------------------------------------------------------------------------------------------------------------------
# Fetching


@pytest.fixture(params=["ssh", "http"])
def remote(request: pytest.FixtureRequest, full_template: Room, tmp_path: Path) -> tuple[Reader, Room]:
    """Give a reader of an archived room behind each transport, and the room."""
    if request.param == "http":
        server: HttpServer = request.getfixturevalue("http_server")
        path = server.root / tmp_path.name
        settings = {"PEER_RELAY_GIT_USERNAME": server.username, "PEER_RELAY_GIT_PASSWORD": server.password}
        address = server.url(path)
    else:
        ssh: SshServer = request.getfixturevalue("ssh_server")
        path = ssh.root / tmp_path.name
        settings = {"GIT_SSH_COMMAND": ssh.ssh_command}
        address = ssh.url(path)
    shutil.copytree(full_template.git_dir or "", path)
    room = Room(path)
    room.files, room.commit_ids = dict(full_template.files), list(full_template.commit_ids)
    room.commits = dict(full_template.commits)
    return reader(tmp_path, address, settings), room


def test_a_shallow_clone_takes_in_what_is_new_and_finds_all_that_is_old(remote: tuple[Reader, Room]) -> None:
    bob, room = remote
    known = look(bob).snapshot
    assert [request.depth for request in bob.transport.requests] == [2]
    room.ask(AFTER, "alice", "After the archive?")  # with the archive commit before it
    found = look(bob, known)
    assert (found.refusal, found.arrivals) == (None, (arrived(room.commit_ids[-1], AFTER),))
    assert bob.transport.requests[1].have == known.tip.encode()
    assert bob.transport.packs[1] < 20_000
    assert look(bob, found.snapshot) == Refreshed(found.snapshot)

    walked = list(bob.store.walk(found.snapshot, soon()))
    assert walked == [arrived(room.commit_ids[-1], AFTER), *everything(room)]
    depths = [request.depth for request in bob.transport.requests[2:]]
    assert depths == sorted(set(depths), key=lambda depth: depth or 0)
    assert len(depths) <= 3

    first = next(at for at in walked if at.place.question_id == FULL_IDS[1] and at.place.kind is Kind.ANSWER)
    shutil.rmtree(bob.folder)
    beside = Arrival(first.commit, Place(first.place.question_id, first.place.asker, Kind.QUESTION))
    records = bob.store.read([beside, first], soon())
    assert [record.id for record in records] == [FULL_IDS[1]] * 2
    bob.store.close()


ODD_HEADERS: dict[str, Callable[[bytes], bytes]] = {
    "a header without a value": lambda raw: raw.replace(b"\n\n", b"\nnonsense\n\n", 1),
    "a time zone of letters": lambda raw: raw.replace(b"+0000", b"+x"),
}
"""What git stores, and dulwich cannot parse."""


@claim("I6")
@pytest.mark.parametrize("odd", ODD_HEADERS)
def test_what_cannot_be_parsed_does_not_hide_what_came_before_it(
    http_server: HttpServer, tmp_path: Path, odd: str
) -> None:
    room = Room(http_server.root / tmp_path.name)
    tell(room)
    login = {"PEER_RELAY_GIT_USERNAME": http_server.username, "PEER_RELAY_GIT_PASSWORD": http_server.password}
    bob = reader(tmp_path, http_server.url(tmp_path.name), login)
    known = look(bob).snapshot
    room.ask(GOOD, "alice", "Is this read?")
    good = room.commit_ids[-1]
    bad = commit_question(room, edit=ODD_HEADERS[odd])
    found = look(bob, known)
    bob.store.close()
    reason = "its headers or its message are not in the form of a room's commits"
    assert (found.snapshot.tip, found.arrivals) == (good, (arrived(good, GOOD),))
    assert found.refusal is not None
    assert found.refusal.error.what == RefusedCommit(commit=bad, reason=reason).what


def missing(room: Room) -> str:
    return "12" * 20


def tree_as_file(room: Room) -> str:
    return room.tip_tree()


def blob_as_folder(room: Room) -> str:
    return room.write_blob(b"more\n")


@claim("I6")
@pytest.mark.parametrize(
    ("mode", "make"), [("100644", missing), ("40000", missing), ("100644", tree_as_file), ("40000", blob_as_folder)]
)
def test_a_commit_of_which_not_all_is_there_is_refused_by_name_and_looked_at_once(
    mailbox: Room, bob: Reader, mode: str, make: Callable[[Room], str]
) -> None:
    known = look(bob).snapshot
    tree = {"room.json": ("100644", mailbox.files["room.json"]), "zz": (mode, make(mailbox))}
    bad = commit_question(mailbox, tree=mailbox.write_tree(tree))
    found = look(bob, known)
    assert found.refusal is not None
    assert (found.snapshot, found.refusal.tip) == (known, bad)
    assert found.refusal.error.what.startswith(f"Commit {bad} of the room is refused, and nothing from it on is read: ")
    requests = list(bob.transport.requests)
    assert look(bob, known, found.refusal) == found
    assert bob.transport.requests == requests
    mailbox.set_branch(known.tip)
    assert look(bob, known, found.refusal) == Refreshed(known)


def test_a_walk_ends_where_it_is_told_to_and_fetches_no_further(full: Room, tmp_path: Path) -> None:
    bob = reader(tmp_path, tmp_path / "mailbox.git")
    known = look(bob).snapshot
    walked = list(bob.store.walk(known, soon(), since=full.commit_ids[-5]))
    assert walked == everything(full)[:4]
    assert [request.depth for request in bob.transport.requests] == [2, 64]
    assert list(bob.store.walk(known, soon(), since=known.tip)) == []
    assert list(bob.store.walk(known, soon(), since="0" * 40)) == everything(full)


def test_a_poll_that_finds_nothing_new_does_not_touch_the_clone(bob: Reader) -> None:
    known = look(bob).snapshot
    shutil.rmtree(bob.folder)
    assert look(bob, known) == Refreshed(known)
    assert not bob.folder.exists()
    assert (bob.transport.listings, len(bob.transport.requests)) == (2, 1)


def test_no_branch_is_no_such_room(tmp_path: Path) -> None:
    Room(tmp_path / "mailbox.git")
    bob = reader(tmp_path, tmp_path / "mailbox.git")
    with pytest.raises(RoomNotFound):
        look(bob)
    assert not bob.folder.exists()


def test_a_branch_that_goes_while_it_is_looked_at_is_no_such_room(mailbox: Room, bob: Reader) -> None:
    bob.transport.before_fetch = (mailbox.git_dir / mailbox.branch).unlink
    with pytest.raises(RoomNotFound):
        look(bob)


def test_a_room_of_another_format_asks_for_an_upgrade(tmp_path: Path) -> None:
    room = Room(tmp_path / "mailbox.git")
    fields = {"format": 2, "room": room.room_id, "peers": ["alice", "bob"], "created_at": independent.written(START_MS)}
    room.add(ROOM_FILE, fields, "alice", START_MS // 1000, "alice opens the room with bob")
    with pytest.raises(UnsupportedFormat) as caught:
        look(reader(tmp_path, tmp_path / "mailbox.git"))
    assert (caught.value.found, caught.value.newer) == ("2", True)


@pytest.mark.parametrize("wrong", ["another room", "no room", "another subject"])
def test_a_first_commit_that_is_not_exact_is_refused(tmp_path: Path, wrong: str) -> None:
    room = Room(tmp_path / "mailbox.git")
    fields = {"format": 1, "room": room.room_id, "peers": ["alice", "bob"], "created_at": independent.written(START_MS)}
    if wrong == "another room":
        fields["room"] = "a" * 16
    path = "notes.json" if wrong == "no room" else ROOM_FILE
    subject = "alice opens the door" if wrong == "another subject" else "alice opens the room with bob"
    room.add(path, fields, "alice", START_MS // 1000, subject)
    with pytest.raises(RefusedCommit) as caught:
        look(reader(tmp_path, tmp_path / "mailbox.git"))
    assert (
        caught.value.reason
        == {
            "another room": "its room.json belongs to another room",
            "no room": "it holds no room.json",
            "another subject": "its author, time or message is not what its record demands",
        }[wrong]
    )


def test_a_room_is_created_and_not_twice(tmp_path: Path) -> None:
    other = Room(tmp_path / "mailbox.git")
    alice, bob = (reader(tmp_path / name, tmp_path / "mailbox.git") for name in ("a", "b"))
    made = {"format": 1, "room": KEYS.room_id, "created_at": independent.written(START_MS)}
    record = make(RoomRecord, **made, peers=("alice", "bob"))
    (tmp_path / "b").mkdir()
    bob.folder.write_text("garbage")
    created = alice.store.create(record, soon())
    assert look(bob).snapshot == created
    assert other.open() == created.tip
    with pytest.raises(Moved):
        bob.store.create(make(RoomRecord, **made, peers=("bob", "alice")), soon())


# ---------------------------------------------------------------------------------------------------------------------
# Lost history


def test_a_mailbox_that_is_itself_shallow_is_searched_once_and_not_for_ever(mailbox: Room, tmp_path: Path) -> None:
    branch = mailbox.branch.removeprefix("refs/heads/")
    address = f"file://{mailbox.git_dir}"
    run_git("clone", "--quiet", "--bare", "--depth=2", f"--branch={branch}", address, tmp_path / "shallow.git")
    bob = reader(tmp_path, tmp_path / "shallow.git")
    known = look(bob).snapshot
    with pytest.raises(HistoryRewritten):
        list(bob.store.walk(known, soon()))
    assert [request.depth for request in bob.transport.requests][-1] == 0x7FFF_FFFF


def reset(room: Room) -> None:
    room.set_branch(room.commit_ids[-2])


def fork(room: Room) -> None:
    del room.commit_ids[-1], room.files[path_of(BOBS, asker="bob")]
    commit_question(room, question(room, GOOD))


def begin_anew(room: Room) -> None:
    other = Room(room.git_dir)
    other.open(START_MS + 1)
    other.ask(GOOD, "bob", "Anew?")


def replay_another_room(room: Room) -> None:
    """Put the branch of another token's room under this one's name."""
    other = Room(room.git_dir, independent.make_token(bytes(32)))
    tell(other)
    room.set_branch(other.commit_ids[-1])


def recreate(room: Room) -> None:
    assert room.git_dir is not None
    shutil.rmtree(room.git_dir)
    begin_anew(Room(room.git_dir))


@claim("I6")
@pytest.mark.parametrize("lose", [reset, fork, begin_anew, replay_another_room, recreate])
@pytest.mark.parametrize("keep_clone", [True, False])
def test_a_branch_that_lost_the_newest_verified_commit_is_refused_until_it_has_it_again(
    mailbox: Room, bob: Reader, tmp_path: Path, *, lose: Callable[[Room], None], keep_clone: bool
) -> None:
    shutil.copytree(tmp_path / "mailbox.git", tmp_path / "saved.git")
    saved = Room(tmp_path / "saved.git")
    saved.files, saved.commit_ids, saved.commits = dict(mailbox.files), list(mailbox.commit_ids), mailbox.commits
    known = look(bob).snapshot
    lose(mailbox)
    tip = (tmp_path / "mailbox.git" / mailbox.branch).read_text().strip()
    if not keep_clone:
        shutil.rmtree(bob.folder)

    found = look(bob, known)
    assert found.refusal is not None
    assert (found.snapshot, found.arrivals, found.refusal.tip) == (known, (), tip)
    told = BranchSetBack(commit=known.tip, found=tip) if lose is reset else HistoryRewritten(commit=known.tip)
    assert str(found.refusal.error) == str(told)
    if keep_clone:
        assert run_git("rev-parse", f"refs/peer-relay/lost/{known.tip}", cwd=bob.folder).decode().strip() == known.tip
        read = bob.store.read([arrived(known.tip, OPEN)], soon())
        assert [record.id for record in read] == [OPEN]
    requests = list(bob.transport.requests)
    assert look(bob, known, found.refusal) == found
    assert bob.transport.requests == requests

    shutil.rmtree(tmp_path / "mailbox.git")
    (tmp_path / "saved.git").rename(tmp_path / "mailbox.git")
    assert look(bob, known, found.refusal) == Refreshed(known)
    saved.git_dir = tmp_path / "mailbox.git"
    saved.ask(NEW, "alice", "Again?")
    healed = look(bob, known, found.refusal)
    assert (healed.refusal, healed.arrivals) == (None, (arrived(saved.commit_ids[-1], NEW),))


@claim("I6")
def test_a_deleted_branch_is_refused_until_it_is_back(mailbox: Room, bob: Reader, git: Git) -> None:
    known = look(bob).snapshot
    assert mailbox.git_dir is not None
    (mailbox.git_dir / mailbox.branch).unlink()
    found = look(bob, known)
    assert found.refusal is not None
    assert (found.snapshot, found.refusal.tip) == (known, None)
    assert str(found.refusal.error) == str(BranchDeleted(commit=known.tip))
    assert look(bob, known, found.refusal) == found
    assert git(bob.folder, "rev-parse", f"refs/peer-relay/lost/{known.tip}") == known.tip
    mailbox.set_branch(mailbox.commit_ids[-1])
    assert look(bob, known, found.refusal) == Refreshed(known)


def test_reading_from_a_branch_that_is_gone_says_so(mailbox: Room, bob: Reader) -> None:
    known = look(bob).snapshot
    shutil.rmtree(bob.folder)
    (mailbox.git_dir / mailbox.branch).unlink()
    with pytest.raises(BranchDeleted):
        bob.store.read([arrived(known.tip, OPEN)], soon())
    begin_anew(mailbox)
    with pytest.raises(HistoryRewritten):
        bob.store.read([arrived(known.tip, OPEN)], soon())


@pytest.mark.parametrize("then", ["deleted", "moved back"])
def test_a_branch_that_changes_between_the_look_and_the_fetch_is_taken_as_it_is_then(
    mailbox: Room, bob: Reader, then: str
) -> None:
    known = look(bob).snapshot
    mailbox.ask(GOOD, "alice", "Here and gone?")
    assert mailbox.git_dir is not None
    branch = mailbox.git_dir / mailbox.branch
    bob.transport.before_fetch = branch.unlink if then == "deleted" else lambda: mailbox.set_branch(known.tip)
    found = look(bob, known)
    if then == "deleted":
        assert str(found.refusal and found.refusal.error) == str(BranchDeleted(commit=known.tip))
        assert found.refusal == Refusal(None, found.refusal.error)
    else:
        assert found == Refreshed(known)


@pytest.mark.parametrize("lose", [fork, begin_anew, lambda room: (room.git_dir / room.branch).unlink()])
@pytest.mark.parametrize("keep_clone", [True, False])
def test_publishing_on_a_commit_that_the_branch_lost_is_a_lost_race_and_changes_nothing(
    mailbox: Room, bob: Reader, lose: Callable[[Room], None], keep_clone: bool
) -> None:
    known = look(bob).snapshot
    steps, _ = known.ledger.plan_ask(make(Question, **question(mailbox, NEW)))
    lose(mailbox)
    branch = mailbox.git_dir / mailbox.branch
    before = branch.read_text() if branch.exists() else None
    if not keep_clone:
        shutil.rmtree(bob.folder)
    with pytest.raises(Moved):
        bob.store.publish(known, steps, soon())
    assert (branch.read_text() if branch.exists() else None) == before


@pytest.mark.parametrize("good_first", [True, False])
def test_what_came_before_a_merge_is_still_read(mailbox: Room, bob: Reader, good_first: bool) -> None:
    known = look(bob).snapshot
    mailbox.ask(GOOD, "alice", "Before the merge?")
    good = mailbox.commit_ids[-1]
    parents = [good, known.tip] if good_first else [known.tip, good]
    merge = commit_question(mailbox, parents=parents)
    found = look(bob, known)
    assert found.refusal is not None
    assert found.refusal.error.what == RefusedCommit(commit=merge, reason="it is a merge").what
    assert found.arrivals == ((arrived(good, GOOD),) if good_first else ())


# ---------------------------------------------------------------------------------------------------------------------
# Time and space


class Clock:
    """A clock that stands still until it is told otherwise."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_when_the_time_is_over_what_was_verified_counts_and_the_next_look_goes_on(mailbox: Room, bob: Reader) -> None:
    known = look(bob).snapshot
    for number in range(3):
        mailbox.ask(ulid(START_MS + 9_000_000 + number, number), "alice", f"{number}?")
    clock = Clock()
    deadline = Deadline(1, clock)
    bob.transport.before_fetch = lambda: setattr(clock, "now", 2.0)
    inner_fetch = bob.transport.inner.fetch
    bob.transport.inner.fetch = lambda request, sink, _: inner_fetch(request, sink, soon())  # type: ignore[method-assign]
    arrivals = []
    for is_unfinished in (True, True, False):
        found = bob.store.refresh(known, None, deadline)
        assert (len(found.arrivals), found.refusal, found.unfinished) == (1, None, is_unfinished)
        known = found.snapshot
        arrivals += found.arrivals
        deadline = Deadline(0, clock)
        bob.transport.inner.read_ref = lambda *_: mailbox.commit_ids[-1].encode()  # type: ignore[method-assign]
    assert [each.commit for each in arrivals] == mailbox.commit_ids[-3:]
    assert len(bob.transport.requests) == 2


@claim("deadline")
def test_a_walk_ends_by_its_deadline(full: Room, tmp_path: Path) -> None:
    bob = reader(tmp_path, tmp_path / "mailbox.git")
    known = look(bob).snapshot
    clock = Clock()
    walk = bob.store.walk(known, Deadline(1, clock))
    next(walk)
    clock.now = 2.0
    with pytest.raises(DeadlineExceeded):
        list(walk)


HUGE = "x" * (300 << 10)


def commit_something_huge(room: Room) -> None:
    commit_question(room, data=os.urandom(300 << 10))


@claim("memory-bounds")
def test_a_first_fetch_of_an_oversized_object_is_refused(mailbox: Room, bob: Reader) -> None:
    commit_something_huge(mailbox)
    with pytest.raises(TooLarge) as caught:
        look(bob)
    assert caught.value.reason == "an object of 307200 bytes, and 266240 are allowed"


@claim("memory-bounds", "I6")
def test_an_oversized_object_that_is_pushed_later_refuses_the_tip_and_is_fetched_once(
    mailbox: Room, bob: Reader
) -> None:
    known = look(bob).snapshot
    commit_something_huge(mailbox)
    found = look(bob, known)
    assert found.refusal is not None
    assert (found.snapshot, found.refusal.tip) == (known, mailbox.commit_ids[-1])
    refused = f"Commit {mailbox.commit_ids[-1]} of the room is refused, and nothing from it on is read: with it, "
    assert found.refusal.error.what.startswith(refused)
    requests = list(bob.transport.requests)
    assert look(bob, known, found.refusal) == found
    assert bob.transport.requests == requests


@claim("memory-bounds")
@pytest.mark.parametrize(
    ("limit", "value", "reason"),
    [("max_objects", 10, "11 objects or more"), ("max_pack_bytes", 700, "a pack of more than 700 bytes")],
)
def test_a_first_fetch_of_too_much_is_refused(
    bob: Reader, monkeypatch: pytest.MonkeyPatch, limit: str, value: int, reason: str
) -> None:
    monkeypatch.setattr(fetching, "FIRST_FETCH", replace(fetching.FIRST_FETCH, **{limit: value}))
    with pytest.raises(TooLarge) as caught:
        look(bob)
    assert caught.value.reason == reason


def test_a_full_disk_is_this_machines_fault_and_is_tried_again(
    mailbox: Room, bob: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = look(bob).snapshot
    mailbox.ask(GOOD, "alice", "No space?")
    with monkeypatch.context() as patch:
        patch.setattr("peer_relay.git.clone.shutil.disk_usage", lambda _: shutil._ntuple_diskusage(1, 1, 64 << 20))
        with pytest.raises(StateUnusable) as caught:
            look(bob, known)
    assert caught.value.what == f"{bob.folder} cannot be used: its disk has too little space left."
    assert look(bob, known).arrivals == (arrived(mailbox.commit_ids[-1], GOOD),)
