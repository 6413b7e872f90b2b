"""What the doctor is told of a clone, and which locks of killed processes it removes."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from peer_relay.errors import StateUnusable
from peer_relay.git.clone import Clone
from tests.git_store.forging import tell
from tests.git_store.reading import reader, soon
from tests.independent import Room

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Git

NOT_A_REPOSITORY = "it is not a git repository any more"


@pytest.fixture
def room(tmp_path: Path) -> Room:
    made = Room(tmp_path / "mailbox.git")
    tell(made)
    return made


def cloned(room: Room, folder: Path) -> tuple[Clone, str]:
    """Return a clone of a room as a reader keeps it, and the newest commit that was verified."""
    assert room.git_dir is not None
    bob = reader(folder, room.git_dir)
    known = bob.store.refresh(None, None, soon()).snapshot
    return Clone(bob.folder, "the mailbox"), known.tip


def contents(folder: Path) -> dict[Path, bytes | None]:
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def test_a_clone_that_is_well_or_not_there_has_no_problem_and_is_only_read(room: Room, tmp_path: Path) -> None:
    clone, tip = cloned(room, tmp_path)
    before = contents(tmp_path)
    assert (clone.problem(None), clone.problem(tip)) == (None, None)
    absent = Clone(tmp_path / "absent", "the mailbox")
    assert (absent.problem(None), absent.problem(tip), absent.stale_locks()) == (None, None, [])
    assert contents(tmp_path) == before


def test_a_commit_that_is_not_there_is_named(room: Room, tmp_path: Path) -> None:
    clone, _ = cloned(room, tmp_path)
    assert clone.problem("1" * 40) == "it lacks commit 111111111111, the newest that was verified"


def test_every_file_of_the_newest_commit_is_looked_at(room: Room, tmp_path: Path, git: Git) -> None:
    clone, tip = cloned(room, tmp_path)
    names = git(tmp_path / "mailbox.git", "rev-list", "--objects", "--no-object-names", "-1", tip).split()
    assert len(names) > 8
    for name in names:
        path = clone.path / "objects" / name[:2] / name[2:]
        whole = path.read_bytes()
        path.chmod(0o644)
        path.write_bytes(whole[:-4])
        kind = git(tmp_path / "mailbox.git", "cat-file", "-t", name)
        assert clone.problem(tip) == f"{kind} {name[:12]} cannot be read"
        path.write_bytes(whole)
    assert clone.problem(tip) is None


def test_a_commit_that_is_none_of_a_room_is_named(room: Room, tmp_path: Path, git: Git) -> None:
    clone, tip = cloned(room, tmp_path)
    tree = git(tmp_path / "mailbox.git", "rev-parse", f"{tip}^{{tree}}")
    assert clone.problem(tree) == f"commit {tree[:12]} is not one of a room: a tree is where a commit must be"


def break_a_pack(folder: Path) -> None:
    (folder / "objects" / "pack" / "pack-1.pack").write_bytes(b"")
    (folder / "objects" / "pack" / "pack-1.idx").write_bytes(b"")


def become_a_file(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_bytes(b"")


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (break_a_pack, "its objects cannot be listed"),
        (become_a_file, NOT_A_REPOSITORY),
        (lambda folder: (folder / "HEAD").unlink(), NOT_A_REPOSITORY),
        (lambda folder: shutil.rmtree(folder / "objects"), NOT_A_REPOSITORY),
        (lambda folder: (folder / "config").write_bytes(b"\x00[<html>"), NOT_A_REPOSITORY),
    ],
)
def test_what_is_wrong_with_the_folder_is_told_also_before_a_commit_is_known(
    room: Room, tmp_path: Path, damage: Callable[[Path], object], problem: str
) -> None:
    clone, _ = cloned(room, tmp_path)
    damage(clone.path)
    assert clone.problem(None) == problem


def test_locks_of_killed_processes_are_found_and_removed(room: Room, tmp_path: Path) -> None:
    clone, tip = cloned(room, tmp_path)
    assert clone.stale_locks() == []
    names = ("HEAD.lock", "config.lock", "objects/info/x.lock", "objects/pack/x.idx.lock")
    locks = [clone.path / name for name in names]
    for lock in locks:
        lock.touch()
    assert clone.stale_locks() == locks
    assert clone.remove_stale_locks() == locks
    assert (clone.stale_locks(), clone.problem(tip)) == ([], None)


def test_a_lock_that_cannot_be_removed_is_named(room: Room, tmp_path: Path) -> None:
    clone, _ = cloned(room, tmp_path)
    (clone.path / "config.lock").mkdir()
    with pytest.raises(StateUnusable) as caught:
        clone.remove_stale_locks()
    assert caught.value.path == str(clone.path / "config.lock")
