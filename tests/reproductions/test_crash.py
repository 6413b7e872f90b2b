"""Bugs that killing processes and failing file operations found, each under a name that says it.

`python -m tests.chaos.killing` kills at every step, `python -m tests.chaos.faulty_files` lets every operation fail.
"""

from __future__ import annotations

import errno
import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from peer_relay import crash_points, disk
from peer_relay.crash_points import CrashPoint
from peer_relay.errors import StateUnusable
from peer_relay.git import branch_lock, openclone
from peer_relay.git.objects import Objects
from tests.chaos.faulty_trials import stored_in
from tests.chaos.killing_worlds import SITUATIONS, World
from tests.claims import claim
from tests.relay.support import Crash

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Give a room in which alice asked twice, bob answered, and alice has seen neither answer."""
    made = World(tmp_path / "mailbox.git", str(tmp_path / "mailbox.git"), tmp_path / "homes")
    SITUATIONS["known"](made)
    return made


@pytest.fixture
def crash_at() -> Iterator[Callable[[CrashPoint], None]]:
    """Give what makes the process end at a point, as far as everything after it is concerned."""

    def arm(point: CrashPoint) -> None:
        def end(reached: CrashPoint) -> None:
            if reached is point:
                raise Crash

        crash_points.arm(end)

    yield arm
    crash_points.arm(None)


def fail(number: int) -> OSError:
    return OSError(number, os.strerror(number))


# Found by kills


@claim("I3", "I4")
def test_a_kill_between_the_lock_and_the_branch_of_a_mailbox_at_a_path_blocked_every_later_write(
    world: World, crash_at: Callable[[CrashPoint], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Found by a kill at BRANCH_LOCKED: the lock stayed, and with it BranchLocked until a person removed it.
    monkeypatch.setattr(branch_lock, "STALE_S", 0.0)
    monkeypatch.setattr(branch_lock.BranchLock, "__exit__", lambda lock, *_: os.close(lock._file))
    crash_at(CrashPoint.BRANCH_LOCKED)
    with pytest.raises(Crash):
        world.relay("alice").ask("ask: ?")
    crash_points.arm(None)
    monkeypatch.undo()
    monkeypatch.setattr(branch_lock, "STALE_S", 0.0)
    assert list(world.repository.rglob("*.lock")) != []
    assert world.relay("alice").ask("next: ?").delivered
    assert stored_in(world)["ask"] == 1


def test_a_kill_while_the_clone_was_made_or_removed_left_a_part_of_one_for_the_doctor_to_find(
    world: World, crash_at: Callable[[CrashPoint], None]
) -> None:
    # Found by reading and by kills around making and removing it: lock files of dulwich, and clones without objects.
    for point in (CrashPoint.CLONE_ASIDE, CrashPoint.CLONE_BEGUN):
        crash_at(point)
        with pytest.raises(Crash), world.clone.opened():
            world.clone.wipe()
        assert (world.clone.problem(None), world.clone.path.exists()) == (None, False)
        crash_points.arm(None)
    assert world.relay("alice").ask("ask: ?").delivered
    assert [path.name for path in world.state.folder.iterdir() if path.name.startswith(".tmp-")] == []


def test_what_killed_processes_leave_in_the_state_folder_stayed_for_ever(world: World) -> None:
    # Found by looking at the folder after a run of kills: unfinished files, and marks that an answer was shown.
    waited_for = world.state.asked.ids()[0]
    folder, gone = world.state.folder, "01KAN3BWX00000000000000000"
    left = [
        folder / ".tmp-a",
        folder / "outbox" / ".tmp-b",
        folder / "asked" / ".tmp-c",
        folder / f"asked/{gone}.shown",
    ]
    kept = [folder / "outbox" / ".tmp-young", folder / "asked" / f"{waited_for}.shown"]
    for path in (*left, *kept):
        path.touch()
        if path.name != ".tmp-young":
            os.utime(path, (time.time() - 4000, time.time() - 4000))
    assert world.relay("alice").ask("ask: ?").delivered
    assert [path.exists() for path in (*left, *kept)] == [False] * 4 + [True] * 2


# Found by operations that fail


def test_a_question_that_was_not_accepted_was_waited_for_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Found by `fsync` of the folder `asked` failing with ENOSPC: each new process then looked through all history.
    before, real = world.state.asked.ids(), os.fsync
    asked = (world.state.folder / "asked").stat().st_ino

    def sync(file: int) -> None:
        if os.fstat(file).st_ino == asked:
            raise fail(errno.ENOSPC)
        real(file)

    monkeypatch.setattr(os, "fsync", sync)
    with pytest.raises(StateUnusable):
        world.relay("alice").ask("ask: ?")
    assert (world.state.asked.ids(), world.queued()) == (before, set())


def test_a_question_that_cannot_be_taken_back_is_on_its_way_and_told_so(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Found by thinking the one before to its end: on a disk that stays read-only, it went out and had `failed`.
    def refuse(*_: object) -> None:
        raise StateUnusable(path="asked", reason="Read-only file system")

    monkeypatch.setattr("peer_relay.asked.Asked.add", refuse)
    monkeypatch.setattr("peer_relay.outbox.Outbox.remove", refuse)
    assert not world.relay("alice").ask("ask: ?").delivered
    monkeypatch.undo()
    assert world.relay("alice").deliver()
    assert stored_in(world)["ask"] == 1


def test_a_record_that_is_in_place_and_can_neither_be_synced_nor_taken_back_was_told_not_to_be_accepted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Found by operations that fail from one on and for good: after the rename, all of them.
    def refuse(*_: object) -> None:
        raise StateUnusable(path="outbox", reason="Input/output error")

    real = disk.write_atomically

    def write(path: Path, data: bytes, **how: Any) -> None:
        real(path, data, **how)
        if path.parent.name == "outbox":
            refuse()

    monkeypatch.setattr("peer_relay.disk.write_atomically", write)
    monkeypatch.setattr("peer_relay.outbox.Outbox.remove", refuse)
    assert world.relay("alice").ask("ask: ?").delivered
    monkeypatch.undo()
    assert world.relay("alice").deliver()
    assert stored_in(world)["ask"] == 1


@claim("I4")
def test_a_question_that_was_delivered_was_told_to_have_failed_because_the_notes_could_not_be_had(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Found by reading the checkpoint failing with ENOSPC after the delivery: the error would have been sent again.
    passed: list[CrashPoint] = []
    crash_points.arm(passed.append)
    real = type(world.state).load

    def load(state: object) -> object:
        if CrashPoint.SETTLED in passed:
            raise StateUnusable(path="checkpoint.json", reason="Input/output error")
        return real(state)  # type: ignore[arg-type]

    monkeypatch.setattr("peer_relay.local_state.LocalState.load", load)
    sent = world.relay("alice").ask("ask: ?")
    crash_points.arm(None)
    unread = StateUnusable(path="checkpoint.json", reason="Input/output error")
    assert (sent.delivered, sent.notes) == (True, (str(unread),))


def test_a_fetched_pack_that_the_disk_could_not_give_back_was_an_error_of_the_system(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Found by reading the spooled pack failing with EIO: an OSError left the package.
    def scan(*_: object, **__: object) -> int:
        raise fail(errno.EIO)

    monkeypatch.setattr("peer_relay.git.packs.scan_pack", scan)
    listing = world.relay("alice").answers()
    assert isinstance(listing.stale, StateUnusable)


@claim("I6")
@pytest.mark.parametrize("number", [errno.EIO, errno.EMFILE, errno.EACCES])
def test_a_commit_of_the_room_was_refused_for_what_this_machines_disk_could_not_read(
    world: World, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    # Found by reading an object of a clone that was fetched just now failing with ENOSPC: the checkpoint then said that
    # the mailbox does not send all that belongs to it, and `restore` was offered, which takes good commits off.
    world.clone.wipe()
    relay = world.relay("alice")

    class FailsOnce(Objects):
        def read(self, name: bytes) -> tuple[int, bytes]:
            monkeypatch.setattr(openclone, "Objects", Objects)
            self.__class__ = Objects  # type: ignore[assignment]
            raise fail(number) from KeyError(name)

    monkeypatch.setattr(openclone, "Objects", FailsOnce)
    assert isinstance(relay.answers().stale, StateUnusable)
    known = world.state.load()
    assert known is not None
    assert known.refusal is None
    assert len(relay.answers().items) == 2
