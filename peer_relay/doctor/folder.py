"""Whether the state folder can be used: written, with space left, not locked for long, and free of leftovers."""

from __future__ import annotations

import errno
import os
import shlex
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from peer_relay import disk
from peer_relay.amounts import counted, milliseconds
from peer_relay.deadline import Deadline
from peer_relay.doctor.findings import State, failed, mendable, ok, warning
from peer_relay.errors import Busy

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from peer_relay.doctor.findings import Finding
    from peer_relay.local_state import LocalState

PATIENCE_S = 2.0
LEFTOVER_S = 3600.0
_PROBE_BYTES = 4096
_MB = 1_000_000
# A fetch leaves 64 MiB of the disk alone, and a first one may need 256 MiB.
_TOO_LITTLE, _LITTLE = 64 << 20, 320 << 20
_SHORT_S = 0.1
_LOCKS = Path("/proc/locks")
_FULL = {errno.ENOSPC, errno.EDQUOT}


def check_folder(home: Path, folder: Path, origin: str) -> Finding:
    """Check that the state folder can be written, by writing, and that its disk has space.

    Args:
        home: the state folder.
        folder: where in it this room's things are; it need not exist.
        origin: what says that this is the state folder.
    """
    place = next(each for each in (folder, *folder.parents) if os.path.lexists(each))
    told = f"{home} ({origin})"
    try:
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(bytes(_PROBE_BYTES))
            file.flush()
            os.fsync(file.fileno())
        free = shutil.disk_usage(place).free
    except OSError as error:
        return _cannot_write(told, place, error)
    space = f"{free / _MB:,.0f} MB are free"
    if free < _LITTLE:
        report = failed if free < _TOO_LITTLE else warning
        return report(f"{told} can be written, but only {space}.", fix=f"df -h {shlex.quote(str(place))}")
    return ok(f"Can be written, {space}: {told}.")


def check_lock(state: LocalState, patience_s: float, locks: Path = _LOCKS) -> Finding:
    """Check that the lock is not held for long.

    Args:
        state: what this machine keeps for the room.
        patience_s: how long to wait for it, in seconds.
        locks: a file in which the system lists who holds which lock, if there is one.

    Raises:
        StateUnusable: the lock cannot be used.
    """
    path = state.folder / "lock"
    if not path.exists():
        return ok("Free: nobody has needed it yet.")
    begun = time.monotonic()
    try:
        with state.locked(Deadline(patience_s, time.monotonic)):
            waited = time.monotonic() - begun
    except Busy:
        return _held(path, locks, patience_s)
    return ok("Free." if waited < _SHORT_S else f"Free after {milliseconds(waited)}: another process was at work.")


def check_leftovers(folders: Sequence[Path], now_ms: int) -> Finding:
    """Check for unfinished files of processes that were killed.

    Args:
        folders: where to look, at all depths.
        now_ms: the time, in milliseconds since 1970.
    """
    found = list(_leftovers(folders, now_ms))
    if found:
        return mendable(
            State.WARNING, f"{counted(len(found), 'unfinished file')} of killed processes, over an hour old."
        )
    return ok("No unfinished file of a killed process.")


def remove_leftovers(folders: Sequence[Path], now_ms: int) -> str:
    """Remove those files and say so.

    Raises:
        StateUnusable: one cannot be removed.
    """
    found = list(_leftovers(folders, now_ms))
    for path in found:
        disk.remove(path)
    return f"Removed {counted(len(found), 'unfinished file')}."


def _leftovers(folders: Sequence[Path], now_ms: int) -> Iterator[Path]:
    for folder in folders:
        for path in folder.rglob(f"{disk.TEMPORARY_PREFIX}*"):
            with suppress(OSError):
                if path.is_file() and now_ms / 1000 - path.lstat().st_mtime > LEFTOVER_S:
                    yield path


def _cannot_write(told: str, place: Path, error: OSError) -> Finding:
    what, quoted = f"{told} cannot be written: {disk.reason_of(error)}.", shlex.quote(str(place))
    if error.errno in _FULL:
        return failed(what, fix=f"df -h {quoted}")
    if error.errno == errno.ENOTDIR:
        return failed(what, fix=f"mv {quoted} {quoted}.aside")
    if error.errno == errno.EROFS:
        return failed(what, advice="Set PEER_RELAY_HOME to a folder on a disk that can be written.")
    return failed(what, fix=f"ls -ld {quoted}", advice="Give yourself the right to write there.")


def _held(path: Path, locks: Path, patience_s: float) -> Finding:
    process = _holder(path, locks)
    what = f"Held for longer than {patience_s:g} seconds by "
    if process is None:
        return warning(f"{what}another process of peer-relay.", advice="Wait until it is done, or end it.")
    return warning(f"{what}process {process}.", fix=f"ps -o pid,etime,args -p {process}")


def _holder(path: Path, locks: Path) -> int | None:
    """Return the number of the process that holds a lock, where the system tells (Linux)."""
    with suppress(OSError, ValueError):
        status = path.stat()
        device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
        for line in locks.read_text(encoding="ascii").splitlines():
            words = line.split()
            if words[1] == "FLOCK" and words[5] == device:
                return int(words[4]) if int(words[4]) > 0 else None
    return None
