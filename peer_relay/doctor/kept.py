"""Whether what this machine keeps for one room can be read: outbox, checkpoint and clone; and how each is mended.

1. An outbox file that cannot be understood is moved aside and named, never removed: it may be all that is left of a
   question. One that cannot even be read stays where it is, because its content may be well.
2. A damaged checkpoint is moved aside as well: it is made anew, and the old one may show what was verified.
3. All mending is done under the lock.
"""

from __future__ import annotations

import shlex
from itertools import chain, count
from typing import TYPE_CHECKING

from peer_relay import disk
from peer_relay.amounts import ago, counted, length_of
from peer_relay.doctor.findings import State, failed, info, listed, mendable, ok, warning
from peer_relay.errors import StateUnusable
from peer_relay.git.words import clean
from peer_relay.ids import ulid_ms
from peer_relay.outbox import Status
from peer_relay.records import Question
from peer_relay.times import parse_ms

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from peer_relay.doctor.findings import Finding
    from peer_relay.git.clone import Clone
    from peer_relay.local_state import LocalState
    from peer_relay.outbox import OutboxEntry

_ASIDE = "-damaged"
_LONG_MS = 3_600_000


def check_outbox(state: LocalState, now_ms: int, command: Callable[[str], str]) -> Finding:
    """Check that nothing waits in the outbox for long, or for a person.

    Args:
        state: what this machine keeps for the room.
        now_ms: the time, in milliseconds since 1970.
        command: makes a command of peer-relay for the same room.

    Raises:
        StateUnusable: the outbox cannot be listed.
    """
    entries = state.outbox.entries()
    aside = [entry for entry in entries if entry.status is Status.REFUSED]
    queued = [entry for entry in entries if entry.status is Status.QUEUED]
    if aside:
        ids = [entry.place.question_id for entry in aside]
        return warning(
            f"{counted(len(aside), 'record')} set aside, because the mailbox refuses it: {listed(ids)}.",
            fix=command(f"outbox --retry {ids[0]}"),
            why="A record that was set aside goes out only when a person says so.",
        )
    if not queued:
        return ok("Nothing waits.")
    oldest_ms = min(map(_accepted_ms, queued))
    what = f"{counted(len(queued), 'record')} on the way, the oldest for {length_of((now_ms - oldest_ms) / 1000)}."
    return ok(what) if now_ms - oldest_ms < _LONG_MS else warning(what, fix=command("outbox"))


def check_outbox_files(state: LocalState) -> Finding:
    """Check that every file of the outbox can be understood.

    Raises:
        StateUnusable: the outbox cannot be listed.
    """
    folder = state.folder / "outbox"
    damaged = state.outbox.damaged()
    closed = [name for name in damaged if not _can_be_read(folder / name)]
    if closed:
        what = f"{listed([clean(name) for name in closed])} in {folder} cannot be read."
        return failed(what, fix=f"ls -l {shlex.quote(str(folder))}")
    if damaged:
        return mendable(State.FAILED, f"Damaged, and not understood: {listed([clean(name) for name in damaged])}.")
    aside = folder.with_name(folder.name + _ASIDE)
    if names := disk.names_in(aside):
        what = f"Readable; {counted(len(names), 'damaged file')} kept in {aside.name}, beside the outbox."
        return info(what, fix=f"ls -l {shlex.quote(str(aside))}", why="A question or an answer was in it once.")
    return ok("Readable, all of them.")


def move_damaged_outbox_files(state: LocalState) -> str:
    """Move aside what cannot be understood, and say where to. Only under the lock.

    Raises:
        StateUnusable: a file cannot be moved.
    """
    folder = state.folder / "outbox"
    aside = folder.with_name(folder.name + _ASIDE)
    disk.make_folder(aside)
    damaged = [name for name in state.outbox.damaged() if _can_be_read(folder / name)]
    for name in damaged:
        _move(folder / name, aside / name)
    return f"Moved {listed([clean(name) for name in damaged])} to {aside.name}, beside the outbox."


def check_checkpoint(state: LocalState, now_ms: int) -> Finding:
    """Check that the newest verified commit is known.

    Raises:
        StateUnusable: the checkpoint's file cannot be read.
    """
    known = state.load()
    if known is not None:
        return ok(f"Commit {known.snapshot.tip[:12]}; last contact {ago(known.contact_ms, now_ms)}.")
    if disk.is_there(_checkpoint(state)):
        return mendable(State.WARNING, "Damaged, so it counts as lost.")
    return ok("None yet: this machine has not reached the room so far.")


def move_checkpoint(state: LocalState) -> str:
    """Move a damaged checkpoint aside and say so. Only under the lock.

    Raises:
        StateUnusable: it cannot be moved.
    """
    path = _checkpoint(state)
    aside = _move(path, path.with_name(f"{path.stem}{_ASIDE}{path.suffix}"))
    return f"Moved the damaged one to {aside.name}; a new one is made by the next call."


def check_clone(clone: Clone, tip: str | None) -> Finding:
    """Check that the private copy of the branch is whole, and holds no lock of a killed process. Only under the lock.

    Args:
        clone: the copy.
        tip: the newest verified commit, or None.

    Raises:
        StateUnusable: its folder cannot be read.
    """
    if not clone.path.exists():
        return ok("None yet: the next look at the mailbox makes it.")
    locks = [str(path.relative_to(clone.path)) for path in clone.stale_locks()]
    problem = clone.problem(tip)
    if problem is not None:
        return mendable(State.WARNING, f"Damaged: {clean(problem)}.")
    if locks:
        return mendable(State.WARNING, f"Lock files of killed processes are in it: {listed(locks)}.")
    return ok("Whole.")


def mend_clone(clone: Clone, tip: str | None) -> str:
    """Remove locks of killed processes, and the whole clone if it is damaged, and say so. Only under the lock.

    Raises:
        StateUnusable: something cannot be removed.
    """
    removed = clone.remove_stale_locks()
    done = [f"Removed {counted(len(removed), 'lock file')}."] if removed else []
    if clone.problem(tip) is not None:
        clone.wipe()
        done.append("Removed the clone, which is fetched again.")
    return " ".join(done)


def _accepted_ms(entry: OutboxEntry) -> int:
    """Return when a record was written."""
    record = entry.record
    return ulid_ms(record.id) if isinstance(record, Question) else parse_ms(record.answered_at)


def _checkpoint(state: LocalState) -> Path:
    return state.folder / "checkpoint.json"


def _can_be_read(path: Path) -> bool:
    try:
        return disk.read_if_there(path) is not None
    except StateUnusable:
        return False


def _move(path: Path, wanted: Path) -> Path:
    """Give a file another name, one that is free, and return it."""
    others = (wanted.with_name(f"{wanted.stem}-{number}{wanted.suffix}") for number in count(2))
    with disk.reported(path):
        target = next(each for each in chain([wanted], others) if not each.exists())
        path.rename(target)
        disk.sync_folder(target.parent)
        disk.sync_folder(path.parent)
    return target
