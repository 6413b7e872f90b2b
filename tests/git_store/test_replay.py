"""A replay of a whole history: each commit is exact from the first on, or it is the one that is named (I2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from peer_relay.errors import DeadlineExceeded, RefusedCommit, RepositoryNotFound, UnsupportedFormat
from peer_relay.git.exact import Examiner
from peer_relay.git.local import LocalTransport
from peer_relay.git.remote import parse_remote
from peer_relay.git.replay import replay_in_place
from peer_relay.ledger import Ledger
from peer_relay.paths import ROOM_FILE, Kind, Place
from peer_relay.store import Arrival, Verified
from tests import independent
from tests.claims import claim
from tests.git_store.forging import ANSWERED, BOBS, GOOD, LATER, NEW, OPEN, commit_question, question, tell
from tests.git_store.reading import KEYS, reader, soon
from tests.git_store.test_refused import FORGERIES, FULL_FORGERIES
from tests.git_store.test_signed import sign_tip
from tests.independent import START_MS, Room
from tests.servers import run_git

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from peer_relay.store import Replay
    from tests.servers import HttpServer, SshServer


@pytest.fixture
def mailbox(tmp_path: Path) -> Room:
    room = Room(tmp_path / "mailbox.git")
    tell(room)
    return room


def replay(folder: Path, address: Path | str | None) -> Replay:
    """Return the replay of a mailbox at a path as `verify` has it: in place, if it shows its whole history."""
    mailbox, ref = LocalTransport(parse_remote(str(address))), Room(None).branch.encode()
    tip = mailbox.read_ref(ref, soon())
    assert tip is not None
    found = replay_in_place(mailbox, tip.decode(), Examiner(KEYS), soon())
    return found or reader(folder, str(address)).store.replay(soon(), soon())


def outcome(of: Replay) -> tuple[list[Verified], RefusedCommit | None]:
    """Return what is exact, and what is not."""
    found = []
    try:
        for each in of.commits:
            found.append(each)  # noqa: PERF402 - what came before an error counts
    except RefusedCommit as error:
        return found, error
    return found, None


def names(of: Replay) -> tuple[list[str], str | None, str | None]:
    """Return the commits that are exact, the one that is not, and why."""
    found, error = outcome(of)
    return [each.snapshot.tip for each in found], error and error.commit, error and error.reason


TOLD = [(ANSWERED, "alice", Kind.QUESTION), (ANSWERED, "alice", Kind.ANSWER), (OPEN, "alice", Kind.QUESTION)]
TOLD += [(BOBS, "bob", Kind.QUESTION)]


@pytest.mark.parametrize("server", ["path", "ssh", "http"])
def test_a_replay_tells_of_every_commit_over_every_transport(
    request: pytest.FixtureRequest, tmp_path: Path, server: str
) -> None:
    address: Path | str = tmp_path / "mailbox.git"
    path, settings = tmp_path / "mailbox.git", {}
    if server == "http":
        http: HttpServer = request.getfixturevalue("http_server")
        path = http.root / tmp_path.name
        address = http.url(path)
        settings = {"PEER_RELAY_GIT_USERNAME": http.username, "PEER_RELAY_GIT_PASSWORD": http.password}
    elif server == "ssh":
        ssh: SshServer = request.getfixturevalue("ssh_server")
        path = ssh.root / tmp_path.name
        address, settings = ssh.url(path), {"GIT_SSH_COMMAND": ssh.ssh_command}
    room = Room(path)
    tell(room)
    bob = reader(tmp_path, address, settings)
    known = bob.store.refresh(None, None, soon()).snapshot
    replayed = bob.store.replay(soon(), soon())
    found, error = outcome(replayed)
    assert error is None
    assert (replayed.tip, replayed.total) == (room.commit_ids[-1], 5)
    assert [each.snapshot.tip for each in found] == room.commit_ids
    places = [Arrival(commit, Place(*where)) for commit, where in zip(room.commit_ids[1:], TOLD, strict=True)]
    assert [each.arrival for each in found] == [None, *places]
    assert (found[0].snapshot.ledger, found[-1].snapshot) == (Ledger(known.ledger.room), known)
    assert [(request.depth, request.have) for request in bob.transport.requests] == [(2, None), (None, None)]
    bob.store.close()


@claim("I2")
@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_below_good_commits_is_found_by_a_replay(mailbox: Room, tmp_path: Path, name: str) -> None:
    forge, reason = FORGERIES[name]
    good = list(mailbox.commit_ids)
    forge(mailbox)
    bad = mailbox.commit_ids[-1]
    commit_question(mailbox, question(mailbox, LATER))
    assert names(replay(tmp_path, mailbox.git_dir)) == (good, bad, reason)


@claim("I2", "archive-rule")
@pytest.mark.parametrize("name", ["one exchange less"])
def test_an_archive_commit_that_is_missing_or_wrong_is_found_by_a_replay(full: Room, tmp_path: Path, name: str) -> None:
    forge, reason = FULL_FORGERIES[name]
    good = list(full.commit_ids)
    forge(full)
    assert names(replay(tmp_path, full.git_dir)) == (good, full.commit_ids[-1], reason)


# ---------------------------------------------------------------------------------------------------------------------
# How a history begins


def another_room(room: Room) -> None:
    other = Room(room.git_dir, independent.make_token(bytes(32)))
    tell(other)
    room.commit_ids = other.commit_ids
    room.set_branch(other.commit_ids[-1])


def without_its_first(room: Room) -> None:
    """Let the branch begin with the commit of a question."""
    room.commit_ids = []
    commit_question(room, question(room, GOOD), parents=[])


def with_a_file_more(room: Room) -> None:
    room.commit_ids, room.files = [], {"notes.txt": room.write_blob(b"more\n")}
    room.open()


def with_another_subject(room: Room) -> None:
    blob, room.commit_ids = room.files[ROOM_FILE], []
    tree = room.tree_of({ROOM_FILE: blob})
    room.push(room.raw_commit("alice", START_MS // 1000, "alice opens the door", tree=tree))


def without_a_room_file(room: Room) -> None:
    room.commit_ids, room.files = [], {}
    room.add("notes.json", {}, "alice", START_MS // 1000, "alice opens the room with bob")


def not_git_at_all(room: Room) -> None:
    room.commit_ids = []
    tree = room.tip_tree()
    room.push(f"tree {tree}\nauthor E <e@x> 1 +0000\ncommitter E <e@x> 1 +0000\n\nx\n".encode())


@claim("I2")
@pytest.mark.parametrize(
    ("begin", "reason"),
    [
        (another_room, "its Room-Mac is wrong"),
        (without_its_first, "its files are not those with which a room begins"),
        (with_a_file_more, "its files are not those with which a room begins"),
        (with_another_subject, "its author, time or message is not what its record demands"),
        (without_a_room_file, "it holds no room.json"),
        (not_git_at_all, "it bears no Room-Mac"),
    ],
)
def test_a_history_that_does_not_begin_with_the_room_is_refused_at_its_beginning(
    mailbox: Room, tmp_path: Path, begin: Callable[[Room], None], reason: str
) -> None:
    begin(mailbox)
    assert names(replay(tmp_path, mailbox.git_dir)) == ([], mailbox.commit_ids[0], reason)


def test_a_history_of_another_format_asks_for_an_upgrade(tmp_path: Path) -> None:
    room = Room(tmp_path / "mailbox.git")
    fields = {"format": 2, "room": room.room_id, "peers": ["alice", "bob"], "created_at": independent.written(START_MS)}
    room.add(ROOM_FILE, fields, "alice", START_MS // 1000, "alice opens the room with bob")
    with pytest.raises(UnsupportedFormat):
        list(replay(tmp_path, room.git_dir).commits)


@claim("I1", "I2")
@pytest.mark.parametrize("order", [1, -1])
def test_of_a_merge_with_another_history_the_merge_is_refused(mailbox: Room, tmp_path: Path, order: int) -> None:
    good = list(mailbox.commit_ids)
    other = Room(mailbox.git_dir, independent.make_token(bytes(32)))
    tell(other)
    commit_question(mailbox, parents=[good[-1], other.commit_ids[-1]][::order])
    merge = mailbox.commit_ids[-1]
    commit_question(mailbox, question(mailbox, LATER))
    replayed = replay(tmp_path, mailbox.git_dir)
    assert replayed.total == len(good) + 2
    assert names(replayed) == (good, merge, "it is a merge")


def test_of_a_merge_of_two_foreign_histories_the_line_of_first_parents_is_looked_at(
    mailbox: Room, tmp_path: Path
) -> None:
    foreign = []
    for secret in (bytes(32), bytes([1] * 32)):
        other = Room(mailbox.git_dir, independent.make_token(secret))
        tell(other)
        foreign.append(other.commit_ids)
    commit_question(mailbox, parents=[commits[-1] for commits in foreign])
    assert names(replay(tmp_path, mailbox.git_dir)) == ([], foreign[0][0], "its Room-Mac is wrong")


# ---------------------------------------------------------------------------------------------------------------------
# What is missing or damaged


def test_a_history_whose_beginning_is_missing_is_refused(mailbox: Room, tmp_path: Path) -> None:
    branch = mailbox.branch.removeprefix("refs/heads/")
    address = f"file://{mailbox.git_dir}"
    run_git("clone", "--quiet", "--bare", "--depth=2", f"--branch={branch}", address, tmp_path / "shallow.git")
    missing = mailbox.commit_ids[-3]
    reason = f"the mailbox does not send all that belongs to it (commit {missing[:12]} cannot be read)"
    assert names(replay(tmp_path, tmp_path / "shallow.git")) == ([], missing, reason)


def test_a_history_whose_beginning_a_server_lacks_is_refused(
    http_server: HttpServer, mailbox: Room, tmp_path: Path
) -> None:
    path = http_server.root / tmp_path.name
    branch = mailbox.branch.removeprefix("refs/heads/")
    run_git("clone", "--quiet", "--bare", "--depth=2", f"--branch={branch}", f"file://{mailbox.git_dir}", path)
    login = {"PEER_RELAY_GIT_USERNAME": http_server.username, "PEER_RELAY_GIT_PASSWORD": http_server.password}
    bob = reader(tmp_path, http_server.url(path), login).store
    found, refused, _ = names(bob.replay(soon(), soon()))
    bob.close()
    assert (found, refused) == ([], mailbox.commit_ids[-3])


@pytest.mark.parametrize("damage", ["lost", "garbage", "another"])
def test_a_mailbox_with_a_damaged_object_is_refused_by_name(mailbox: Room, tmp_path: Path, damage: str) -> None:
    assert mailbox.git_dir is not None
    blob = next(name for path, name in mailbox.files.items() if ANSWERED in path)
    path = mailbox.git_dir / "objects" / blob[:2] / blob[2:]
    if damage == "lost":
        path.unlink()
    elif damage == "garbage":
        path.write_bytes(b"garbage")
    else:
        path.write_bytes(independent.zlib.compress(b"blob 4\0odd\n"))
    with pytest.raises(RefusedCommit) as caught:
        list(replay(tmp_path, mailbox.git_dir).commits)
    assert caught.value.commit == mailbox.commit_ids[1]
    with pytest.raises(RefusedCommit) as caught:
        list(reader(tmp_path, mailbox.git_dir).store.replay(soon(), soon()).commits)
    assert caught.value.commit in (mailbox.commit_ids[1], mailbox.commit_ids[-1])


def test_a_mailbox_that_is_packed_or_gone_meanwhile_is_read_on_or_blamed(mailbox: Room, tmp_path: Path) -> None:
    assert mailbox.git_dir is not None
    replayed = replay(tmp_path, mailbox.git_dir)
    found = [next(replayed.commits).snapshot.tip]
    run_git("gc", "--quiet", "--prune=now", cwd=mailbox.git_dir)
    found += [next(replayed.commits).snapshot.tip]
    assert found == mailbox.commit_ids[:2]
    replayed.commits.close()
    replayed = replay(tmp_path, mailbox.git_dir)
    mailbox.git_dir.rename(tmp_path / "elsewhere.git")
    with pytest.raises(RepositoryNotFound):
        next(replayed.commits)


def test_a_replay_in_place_neither_copies_nor_changes_anything(mailbox: Room, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert names(replay(tmp_path, mailbox.git_dir)) == (mailbox.commit_ids, None, None)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_the_time_to_find_the_line_of_a_replay_in_place_is_bounded(mailbox: Room) -> None:
    transport = LocalTransport(parse_remote(str(mailbox.git_dir)))
    with pytest.raises(DeadlineExceeded):
        replay_in_place(transport, mailbox.commit_ids[-1], Examiner(KEYS), soon(0.0))


def test_what_was_in_the_clone_before_is_not_taken_for_what_was_sent(mailbox: Room, tmp_path: Path) -> None:
    bob = reader(tmp_path, tmp_path / "mailbox.git")
    bob.store.refresh(None, None, soon())
    for path in (bob.folder / "objects").rglob("*"):
        if path.is_file():
            path.chmod(0o644)
            path.write_bytes(b"garbage")
    assert names(bob.store.replay(soon(), soon())) == (mailbox.commit_ids, None, None)


def test_a_branch_that_moves_during_the_fetch_is_replayed_as_it_came(mailbox: Room, tmp_path: Path) -> None:
    bob = reader(tmp_path, tmp_path / "mailbox.git")
    bob.transport.before_fetch = lambda: mailbox.ask(NEW, "bob", "In between?")
    replayed = bob.store.replay(soon(), soon())
    assert (replayed.tip, names(replayed)[0]) == (mailbox.commit_ids[-1], mailbox.commit_ids)


# ---------------------------------------------------------------------------------------------------------------------
# Signatures


def test_signed_commits_are_told_from_others(tmp_path: Path, key: Path) -> None:
    room = Room(tmp_path / "mailbox.git")
    room.open()
    sign_tip(room, key)
    room.ask(OPEN, "alice", "Signed?")
    sign_tip(room, key)
    room.answer(OPEN, "This one not.")
    found, error = outcome(replay(tmp_path, room.git_dir))
    assert ([each.signed for each in found], error) == ([True, True, False], None)
    assert [each.snapshot.tip for each in found] == room.commit_ids
