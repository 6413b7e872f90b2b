"""A branch of a real repository is put back from this machine's copy, as far as the copy and the repository reach."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from peer_relay.errors import (
    BranchDeleted,
    CopyIncomplete,
    DeadlineExceeded,
    HistoryRewritten,
    Moved,
    PushRefused,
    RefusedCommit,
)
from peer_relay.git import restoring
from peer_relay.paths import Kind, Place
from peer_relay.store import Arrival, Beyond, Refreshed, Refusal
from tests.claims import claim
from tests.git_store.forging import BOBS, GOOD, LATER, NEW, OPEN, commit_question, question, tell
from tests.git_store.reading import reader, soon
from tests.git_store.test_signed import sign_tip
from tests.independent import START_MS, Room
from tests.servers import run_git

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from peer_relay.deadline import Deadline
    from peer_relay.store import Snapshot
    from tests.git_store.reading import Reader
    from tests.servers import HttpServer, SshServer


@dataclass
class Somewhere:
    """A repository behind one of the transports."""

    path: Path
    address: Path | str
    settings: dict[str, str]


@pytest.fixture(params=["path", "ssh", "http"])
def somewhere(request: pytest.FixtureRequest, tmp_path: Path) -> Somewhere:
    if request.param == "http":
        http: HttpServer = request.getfixturevalue("http_server")
        path = http.root / tmp_path.name
        settings = {"PEER_RELAY_GIT_USERNAME": http.username, "PEER_RELAY_GIT_PASSWORD": http.password}
        return Somewhere(path, http.url(path), settings)
    if request.param == "ssh":
        ssh: SshServer = request.getfixturevalue("ssh_server")
        path = ssh.root / tmp_path.name
        return Somewhere(path, ssh.url(path), {"GIT_SSH_COMMAND": ssh.ssh_command})
    return Somewhere(tmp_path / "mailbox.git", tmp_path / "mailbox.git", {})


@pytest.fixture
def mailbox(tmp_path: Path) -> Room:
    room = Room(tmp_path / "mailbox.git")
    tell(room)
    return room


@pytest.fixture
def bob(tmp_path: Path, mailbox: Room) -> Reader:
    return reader(tmp_path, tmp_path / "mailbox.git")


def known_to(each: Reader) -> Snapshot:
    return each.store.refresh(None, None, soon()).snapshot


def refused(each: Reader, known: Snapshot) -> Refusal:
    found = each.store.refresh(known, None, soon())
    assert found.snapshot == known
    assert found.refusal is not None
    return found.refusal


def fetch_everything(each: Reader, known: Snapshot) -> None:
    list(each.store.walk(known, soon()))


def delete(room: Room) -> None:
    assert room.git_dir is not None
    (room.git_dir / room.branch).unlink()


def make_anew(room: Room) -> None:
    """Make the repository anew, at the same place."""
    assert room.git_dir is not None
    shutil.rmtree(room.git_dir)
    Room(room.git_dir)


def forget_what_no_branch_leads_to(room: Room) -> None:
    delete(room)
    run_git("gc", "--quiet", "--prune=now", cwd=room.git_dir)


def tip(room: Room) -> str | None:
    return run_git("for-each-ref", "--format=%(objectname)", room.branch, cwd=room.git_dir).decode().strip() or None


def history(room: Room) -> list[str]:
    """Return what the branch leads to, oldest first, of a repository in which nothing is missing."""
    run_git("fsck", "--strict", cwd=room.git_dir)
    return run_git("rev-list", "--reverse", room.branch, cwd=room.git_dir).decode().split()


# ---------------------------------------------------------------------------------------------------------------------
# How far it reaches


@claim("I6")
def test_a_deleted_branch_is_put_back_from_its_newest_part_while_the_host_still_has_the_rest(
    somewhere: Somewhere, tmp_path: Path
) -> None:
    room = Room(somewhere.path)
    tell(room)
    bob = reader(tmp_path, somewhere.address, somewhere.settings)
    known = known_to(bob)  # which brings two commits of five
    delete(room)
    refusal = refused(bob, known)
    bob.store.restore(known, refusal, soon())
    assert history(room) == room.commit_ids
    assert bob.store.refresh(known, refusal, soon()) == Refreshed(known)
    bob.store.close()


@claim("I6")
@pytest.mark.parametrize(
    ("somewhere", "lose"),
    [
        ("path", make_anew),
        ("path", forget_what_no_branch_leads_to),
        ("http", forget_what_no_branch_leads_to),
    ],
    indirect=["somewhere"],
)
def test_what_the_host_has_lost_comes_from_the_copy_or_the_sentence_says_where_the_copy_begins(
    somewhere: Somewhere, tmp_path: Path, lose: Callable[[Room], None]
) -> None:
    room = Room(somewhere.path)
    tell(room)
    bob = reader(tmp_path, somewhere.address, somewhere.settings)
    alice = reader(tmp_path / "alice", somewhere.address, somewhere.settings)
    known = known_to(bob)
    fetch_everything(alice, known_to(alice))
    lose(room)
    refusal = refused(bob, known)
    with pytest.raises(CopyIncomplete) as caught:
        bob.store.restore(known, refusal, soon())
    assert caught.value.reason == (
        f"it begins at commit {room.commit_ids[-2]}, and the mailbox no longer has what came before that"
    )
    assert tip(room) is None

    alice.store.restore(known, refusal, soon())
    assert history(room) == room.commit_ids
    for each in (alice, bob):
        assert each.store.refresh(known, refusal, soon()) == Refreshed(known)
        each.store.close()


def test_all_that_history_leads_to_is_sent_also_of_a_folder_that_came_back_as_it_once_was(
    mailbox: Room, bob: Reader
) -> None:
    files = dict(mailbox.files)
    for gone in ([], [BOBS], [BOBS, OPEN], [BOBS], []):
        mailbox.files = {path: blob for path, blob in files.items() if not any(each in path for each in gone)}
        mailbox.push(mailbox.raw_commit("alice", START_MS // 1000, "alice archives 256 exchanges"))
    run_git("fetch", "--quiet", mailbox.git_dir, mailbox.branch, cwd=_made(bob))
    with bob.store._clone.copies() as clones:
        parcel = restoring.pack_up(restoring.Copy(clones), mailbox.commit_ids[-1], None, lambda: None)
        sent = [each.id.decode() for each in parcel]
    listed = run_git("rev-list", "--objects", mailbox.branch, cwd=mailbox.git_dir).decode().splitlines()
    assert (sorted(sent), parcel.begins) == (sorted(line.split()[0] for line in listed), None)
    assert sent[-1] == mailbox.commit_ids[-1]


def _made(each: Reader) -> Path:
    with each.store._clone.opened():
        return each.folder


def test_an_object_is_read_when_it_goes_and_not_before(
    mailbox: Room, bob: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = known_to(bob)
    fetch_everything(bob, known)
    read: list[str] = []
    raw = restoring.Copy.raw
    monkeypatch.setattr(restoring.Copy, "raw", lambda copy, *which: (read.append(which[1]), raw(copy, *which))[1])
    with bob.store._clone.copies() as clones:
        parcel = restoring.pack_up(restoring.Copy(clones), known.tip, None, lambda: None)
        for index in (0, -1, 5):
            read.clear()
            assert [parcel[index].id.decode()] == read
        assert (len(parcel), len(parcel[2:5])) == (23, 3)


@claim("I2")
def test_signed_commits_are_put_back_as_they_were(key: Path, tmp_path: Path) -> None:
    room = Room(tmp_path / "mailbox.git")
    tell(room)
    sign_tip(room, key)
    bob = reader(tmp_path, tmp_path / "mailbox.git")
    known = known_to(bob)
    fetch_everything(bob, known)
    make_anew(room)
    bob.store.restore(known, refused(bob, known), soon())
    assert history(room) == room.commit_ids


# ---------------------------------------------------------------------------------------------------------------------
# What is on the branch


@claim("I6")
def test_only_what_the_branch_lacks_is_sent(mailbox: Room, bob: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    known = known_to(bob)
    fetch_everything(bob, known)
    sent: list[int] = []
    push = bob.transport.push
    monkeypatch.setattr(bob.transport, "push", lambda *each: (sent.append(len(each[3])), push(*each))[1])
    for back in (mailbox.commit_ids[2], mailbox.commit_ids[0]):
        mailbox.set_branch(back)
        bob.store.restore(known, refused(bob, known), soon())
        assert history(mailbox) == mailbox.commit_ids
    commit_question(mailbox, subject="alice asks: What then?")
    bob.store.restore(known, refused(bob, known), soon())
    assert history(mailbox) == mailbox.commit_ids[:-1]
    # With each question come its file, three folders and its commit.
    assert sent == [2 * 5, 4 * 5, 0]


@claim("I6")
def test_what_was_taken_off_is_kept_under_a_ref_and_what_was_put_back_no_longer(mailbox: Room, bob: Reader) -> None:
    known = known_to(bob)
    mailbox.set_branch(mailbox.commit_ids[2])
    del mailbox.commit_ids[3:], mailbox.files[next(path for path in mailbox.files if path.startswith("bob/"))]
    mailbox.ask(GOOD, "bob", "On another line?")
    refusal = refused(bob, known)
    kept = f"refs/peer-relay/lost/{known.tip} {known.tip}\n"
    assert _kept(bob) == kept
    bob.store.restore(known, refusal, soon())
    assert _kept(bob) == f"refs/peer-relay/lost/{refusal.tip} {refusal.tip}\n"
    mailbox.set_branch(str(refusal.tip))
    assert type(refused(bob, known).error) is HistoryRewritten
    mailbox.set_branch(known.tip)
    assert bob.store.refresh(known, refusal, soon()) == Refreshed(known)
    assert kept not in _kept(bob)


def _kept(each: Reader) -> str:
    return run_git("for-each-ref", "--format=%(refname) %(objectname)", cwd=each.folder).decode()


def test_of_a_commit_in_another_form_the_records_behind_it_are_told(mailbox: Room, bob: Reader) -> None:
    """A newer peer-relay may write what this one refuses, and then go on as ever."""
    known = known_to(bob)
    commit_question(mailbox, data=b"{}\n")
    later = commit_question(mailbox, question(mailbox, LATER))
    refusal = refused(bob, known)
    assert isinstance(refusal.error, RefusedCommit)
    assert refusal.error.advice == RefusedCommit.BY_A_HOLDER
    records = tuple(
        Arrival(commit, Place(question_id, "alice", Kind.QUESTION))
        for commit, question_id in ((mailbox.commit_ids[-2], NEW), (later, LATER))
    )
    assert bob.store.beyond(known, refusal, soon()) == Beyond(2, records)


def test_of_a_tip_that_cannot_be_fetched_it_is_told_that_not_all_was_seen(mailbox: Room, bob: Reader) -> None:
    known = known_to(bob)
    blob = mailbox.write_blob(os.urandom(300 << 10))
    commit_question(mailbox, others={"huge": blob})
    refusal = refused(bob, known)
    assert bob.store.beyond(known, refusal, soon()) == Beyond(0, (), complete=False)
    bob.store.restore(known, refusal, soon())
    assert tip(mailbox) == known.tip


def test_of_a_commit_without_its_files_it_is_told_that_not_all_was_seen(mailbox: Room, bob: Reader) -> None:
    known = known_to(bob)
    bad = commit_question(mailbox)
    refusal = Refusal(bad, RefusedCommit(commit=bad, reason="it is odd"))
    assert bob.store.beyond(known, refusal, soon()).complete
    (tree,) = run_git("rev-parse", f"{bad}^{{tree}}", cwd=mailbox.git_dir).decode().split()
    next(bob.folder.glob(f"objects/{tree[:2]}/{tree[2:]}")).unlink()
    assert bob.store.beyond(known, refusal, soon()) == Beyond(1, (), complete=False)


# ---------------------------------------------------------------------------------------------------------------------
# The copy


@claim("I6")
def test_the_copy_is_found_when_the_clone_was_thrown_away_since(mailbox: Room, bob: Reader, tmp_path: Path) -> None:
    known = known_to(bob)
    delete(mailbox)
    refusal = refused(bob, known)
    bob.store._clone.maintain()
    assert _kept(bob) == f"refs/peer-relay/lost/{known.tip} {known.tip}\n"
    for _ in range(2):
        run_git("update-ref", f"refs/peer-relay/lost/{known.tip}", known.tip, cwd=bob.folder)
        bob.store._clone.wipe()
        shutil.copytree(tmp_path / "clone-with-lost-history", bob.folder)
    shutil.rmtree(bob.folder)
    aside = sorted(path.name for path in tmp_path.glob("clone*"))
    assert aside == ["clone-with-lost-history", "clone-with-lost-history-2"]
    (tmp_path / aside[1] / "HEAD").unlink()  # one that is no repository any more is no obstacle
    bob.store.restore(known, refusal, soon())
    assert history(mailbox) == mailbox.commit_ids


def test_what_one_copy_lost_comes_from_another(mailbox: Room, bob: Reader, tmp_path: Path) -> None:
    known = known_to(bob)
    delete(mailbox)
    refusal = refused(bob, known)
    shutil.copytree(bob.folder, tmp_path / "clone-with-lost-history")
    for name, damaged in zip(sorted(bob.folder.glob("objects/??/*")), (True, False) * 99, strict=False):
        (name if damaged else tmp_path / "clone-with-lost-history" / name.relative_to(bob.folder)).unlink()
    bob.store.restore(known, refusal, soon())
    assert history(mailbox) == mailbox.commit_ids


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda folder, _: shutil.rmtree(folder), "it does not hold commit {tip}"),
        (
            lambda folder, commit: (folder / "objects" / commit[:2] / commit[2:]).write_bytes(b"x"),
            "it is damaged (commit {short} cannot be read)",
        ),
    ],
)
def test_a_copy_that_does_not_do_says_why_and_nothing_is_changed(
    mailbox: Room, bob: Reader, damage: Callable[[Path, str], object], reason: str
) -> None:
    known = known_to(bob)
    delete(mailbox)
    refusal = refused(bob, known)
    for path in bob.folder.glob("objects/??/*"):
        path.chmod(0o644)
    damage(bob.folder, known.tip)
    with pytest.raises(CopyIncomplete) as caught:
        bob.store.restore(known, refusal, soon())
    assert caught.value.reason == reason.format(tip=known.tip, short=known.tip[:12])
    assert tip(mailbox) is None


def test_a_copy_whose_older_history_is_no_room_s_says_so(mailbox: Room, bob: Reader) -> None:
    odd = mailbox.push(b"tree " + mailbox.tip_tree().encode() + b"\nauthor eve\ncommitter eve\n\nodd\n")
    run_git("fetch", "--quiet", mailbox.git_dir, mailbox.branch, cwd=_made(bob))
    with bob.store._clone.copies() as clones, pytest.raises(CopyIncomplete) as caught:
        restoring.pack_up(restoring.Copy(clones), odd, None, lambda: None)
    assert caught.value.reason == "a commit in it is not one of a room: it bears no Room-Mac"


def test_a_copy_that_cannot_be_read_tells_nothing_of_what_would_be_lost(mailbox: Room, bob: Reader) -> None:
    known = known_to(bob)
    bad = commit_question(mailbox, subject="alice asks: What then?")
    refusal = refused(bob, known)
    path = bob.folder / "objects" / known.tip[:2] / known.tip[2:]
    path.chmod(0o644)
    path.write_bytes(b"x")
    assert refusal.tip == bad
    with pytest.raises(CopyIncomplete):
        bob.store.beyond(known, refusal, soon())


# ---------------------------------------------------------------------------------------------------------------------
# What stands against it


@claim("I6")
@pytest.mark.parametrize("somewhere", ["http"], indirect=True)
def test_a_host_that_lets_a_branch_only_grow_declines_in_its_own_words(somewhere: Somewhere, tmp_path: Path) -> None:
    path = somewhere.path
    room = Room(path)
    tell(room)
    bob = reader(tmp_path, somewhere.address, somewhere.settings)
    known = known_to(bob)
    bad = commit_question(room, subject="alice asks: What then?")
    refusal = refused(bob, known)
    run_git("config", "receive.denyNonFastForwards", "true", cwd=path)
    with pytest.raises(PushRefused) as caught:
        bob.store.restore(known, refusal, soon())
    assert "denying non-fast-forward" in caught.value.words
    assert caught.value.remedy.startswith("Let the branch be moved back for a moment")
    assert tip(room) == bad
    run_git("config", "--unset", "receive.denyNonFastForwards", cwd=path)
    bob.store.restore(known, refusal, soon())
    assert tip(room) == known.tip
    bob.store.close()


def test_a_branch_that_is_gone_when_a_refused_tip_is_looked_at_again_has_moved(
    mailbox: Room, bob: Reader, tmp_path: Path
) -> None:
    known = known_to(bob)
    commit_question(mailbox, subject="alice asks: What then?")
    refusal = refused(bob, known)
    shutil.rmtree(bob.folder)
    delete(mailbox)
    with pytest.raises(Moved):
        bob.store.beyond(known, refusal, soon())


def test_it_ends_with_the_deadline(mailbox: Room, bob: Reader) -> None:
    known = known_to(bob)
    commit_question(mailbox)
    assert bob.store.refresh(known, None, soon()).arrivals != ()
    ahead = Refusal(tip(mailbox), RefusedCommit(commit=mailbox.commit_ids[-1], reason="it is odd"))
    assert bob.store.beyond(known, ahead, soon(0)) == Beyond(1, (), complete=False)
    assert len(bob.store.beyond(known, ahead, soon()).records) == 1
    delete(mailbox)
    refusal = refused(bob, known)
    over: Deadline = soon(0)
    with pytest.raises(DeadlineExceeded):
        bob.store.restore(known, refusal, over)
    assert str(refusal.error) == str(BranchDeleted(commit=known.tip))
    assert tip(mailbox) is None
