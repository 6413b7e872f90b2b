"""Files that survive a crash: written whole or not at all, and on the disk before anybody is told so.

Every error of the operating system leaves as `StateUnusable`, which names the path.

Whoever else may write to a folder can plant links and pipes in it. So a file is made under a name that nobody could
foresee and is put in place by a rename, which replaces a link and does not follow it; a lock that is a link is refused;
and what is no file is never waited for. A file that is read may be a link: people keep their settings elsewhere.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import threading
from typing import TYPE_CHECKING, BinaryIO

from peer_relay.crash_points import CrashPoint, reached
from peer_relay.errors import StateUnusable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700
TEMPORARY_PREFIX = ".tmp-"
LEFTOVER_S = 3600.0
"""How old an unfinished file is that nobody will finish any more."""

_PATIENCE_S = 0.01
_BEGINNING = threading.Lock()
_UNFINISHED: set[str] = set()
# The flags that `tempfile` uses.
_AT_ONCE = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


@contextlib.contextmanager
def reported(path: Path) -> Iterator[None]:
    """Turn the errors of the operating system inside into one sentence about `path`."""
    try:
        yield
    except OSError as error:
        raise StateUnusable(path=str(path), reason=reason_of(error)) from error


def reason_of(error: OSError) -> str:
    """Return the operating system's reason as a clause."""
    return error.strerror or "the system does not say why"


def unusable(file: BinaryIO, error: OSError) -> StateUnusable:
    """Return the error for an open file, which may be a temporary one without a name."""
    name = getattr(file, "name", None)
    return StateUnusable(path=name if isinstance(name, str) else "A temporary file", reason=reason_of(error))


def make_folder(path: Path) -> None:
    """Make a folder that only its owner can enter, and its parents, if they are not there.

    What is made is on the disk on return: a file in a folder that a power cut took away would be gone with it.
    """
    if os.path.isdir(path):
        return
    with reported(path):
        missing = [each for each in (path, *path.parents) if not each.exists()]
        for each in reversed(missing):
            each.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
            sync_folder(each.parent)
        if not path.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))


def write_atomically(path: Path, data: bytes, *, mode: int = PRIVATE_FILE, durable: bool = True) -> None:
    """Put a file in place, whole, over what was there.

    Args:
        path: the file; its folder is made if it is not there.
        data: the whole content.
        mode: permissions of the file.
        durable: whether it is on the disk on return (fsync of the file, rename, fsync of the folder). Without it the
            file is still never seen half-written while the machine is up.

    Raises:
        StateUnusable: the file is as it was before.
    """
    make_folder(path.parent)
    folder = str(path.parent)
    with reported(path):
        handle, temporary = create_temporary(folder)
        try:
            try:
                write_all(handle, data)
                if durable:
                    os.fsync(handle)
            finally:
                os.close(handle)
            os.chmod(temporary, mode)
            reached(CrashPoint.FILE_WRITTEN)
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        finally:
            _UNFINISHED.discard(temporary)
        reached(CrashPoint.FILE_NAMED)
        if durable:
            sync_folder(folder)


def create_temporary(folder: str) -> tuple[int, str]:
    """Make a file that has no name of its own yet, and return its handle and its path.

    The names are as random as those of `tempfile`, which brings compression with it that a short command need not load.

    Raises:
        OSError: it cannot be made.
    """
    with _BEGINNING:
        path = f"{folder}/{TEMPORARY_PREFIX}{os.urandom(8).hex()}"
        handle = os.open(path, _CREATE, PRIVATE_FILE)
        _UNFINISHED.add(path)
    return handle, path


def write_all(handle: int, data: bytes) -> None:
    """Write to an open file: one call of the system takes less than all when a disk is nearly full."""
    written = os.write(handle, data)
    while written < len(data):
        written += os.write(handle, data[written:])


def abandon() -> None:
    """Remove what is not written to its end, and begin nothing more.

    For a process that ends at once, whatever its other threads are writing. May be called from any of them.
    """
    _BEGINNING.acquire(timeout=_PATIENCE_S)  # and never released
    for temporary in list(_UNFINISHED):
        with contextlib.suppress(OSError):
            os.unlink(temporary)


def remove(path: Path) -> None:
    """Remove a file if it is there. After a power cut it may be there again."""
    with reported(path):
        path.unlink(missing_ok=True)


def remove_whatever(path: Path) -> None:
    """Remove a file, or the empty folder in its place, if it is there."""
    with reported(path), contextlib.suppress(FileNotFoundError):
        (path.rmdir if path.is_dir() and not path.is_symlink() else path.unlink)()


def remove_old(paths: Iterable[Path], clock: Path) -> None:
    """Remove the files among these that have not changed for an hour, which is what killed processes left behind.

    Nothing depends on it, so whatever stands in the way of that is left for the next time.

    Args:
        paths: the files.
        clock: a file on the same disk. It is touched: the disk's own clock says what is old, whatever this machine's
            clock says now.
    """
    with contextlib.suppress(OSError):
        os.utime(clock)
        old_s = clock.stat().st_mtime - LEFTOVER_S
        for path in paths:
            if path.is_file() and path.stat().st_mtime < old_s:
                path.unlink()


def unfinished_in(folder: Path) -> Iterator[Path]:
    """Yield the temporary files in a folder."""
    with contextlib.suppress(OSError):
        yield from (folder / name for name in os.listdir(folder) if name.startswith(TEMPORARY_PREFIX))


def read_if_there(path: Path) -> bytes | None:
    """Return a file's content, or None if there is no such file."""
    with (
        reported(path),
        contextlib.suppress(FileNotFoundError),
        open(path, "rb", buffering=0, opener=without_waiting) as file,
    ):
        return file.readall()
    return None


class NotAFile(OSError):
    """A pipe, a socket or a device, where a file should be."""


def without_waiting(path: str, flags: int) -> int:
    """Open a file for `open`, as its `opener`: a pipe in its place would be waited for, and a device has no end.

    Raises:
        NotAFile: it is neither that nor a folder; the system says itself what a folder is not.
        OSError: it cannot be opened.
    """
    handle = os.open(path, flags | _AT_ONCE, 0o666)
    mode = os.fstat(handle).st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        os.close(handle)
        raise NotAFile(errno.EINVAL, "it is not a file")
    return handle


def refuse_planted(path: Path) -> None:
    """Refuse a folder, if it is there, into which others can put what is then taken for its user's own.

    Those who share a group are not meant: on many systems a group has one member. Root is let into everybody's, and may
    own what others use; the doctor tells of it.

    Raises:
        StateUnusable: it is such a folder, or it cannot be looked at.
    """
    if os.name == "nt":
        return  # permissions there are not in the mode; the user's profile is private
    with reported(path), contextlib.suppress(FileNotFoundError, NotADirectoryError):
        found, me = path.stat(), os.geteuid()
        if found.st_uid not in (0, me) and me != 0:
            advice = "Set PEER_RELAY_HOME to a folder of your own."
            raise StateUnusable(path=str(path), reason="it belongs to another user", advice=advice)
        if stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_IWOTH:
            reason = f"everybody can write there (mode {stat.S_IMODE(found.st_mode):04o})"
            advice = "Look what is in it, then run `chmod go-w` on it, or set PEER_RELAY_HOME to another folder."
            raise StateUnusable(path=str(path), reason=reason, advice=advice)


def is_there(path: Path) -> bool:
    """Return whether there is a file of this name, whether it can be read or not."""
    with reported(path), contextlib.suppress(FileNotFoundError):
        os.lstat(path)
        return True
    return False


def names_in(folder: Path) -> list[str]:
    """Return the names of the finished files in a folder, sorted; none if there is no such folder.

    A link that leads nowhere is no empty folder: what it led to may come back.
    """
    with reported(folder):
        try:
            return sorted(name for name in os.listdir(folder) if not name.startswith(TEMPORARY_PREFIX))
        except FileNotFoundError:
            if folder.is_symlink():
                raise
    return []


def modified_ms(path: Path) -> int:
    """Return when a file was last modified, in milliseconds since 1970."""
    with reported(path):
        return path.stat().st_mtime_ns // 1_000_000


def touch(path: Path) -> bool:
    """Set when a file was last modified to now, and say whether it is there."""
    with reported(path), contextlib.suppress(FileNotFoundError):
        os.utime(path)
        return True
    return False


def set_modified_ms(path: Path, ms: int) -> None:
    """Set when a file was last modified, if it is there."""
    with reported(path), contextlib.suppress(FileNotFoundError):
        os.utime(path, ns=(ms * 1_000_000, ms * 1_000_000))


@contextlib.contextmanager
def lock_file(
    path: Path, limit_s: float, poll_s: float = 0.05, gives_up: Callable[[], bool] | None = None
) -> Iterator[bool]:
    """Hold a lock file, and say whether it was got.

    A new lock object each time: one that is shared would let a second thread in, as if it were the first. Its library
    is loaded here, because it brings asyncio with it, which commands that take no lock need not pay for. Where it finds
    no `flock`, it would take a file that is there for a lock, which a killed process leaves for ever; not here.

    Args:
        path: the file; its folder is there.
        limit_s: how long to wait for somebody else, in seconds.
        poll_s: how often to look meanwhile, in seconds.
        gives_up: called each time; true when there is no sense in waiting any longer.

    Raises:
        StateUnusable: the file cannot be used.
    """
    from filelock import FileLock, Timeout  # noqa: PLC0415 - see above

    lock = FileLock(path, timeout=limit_s, poll_interval=poll_s, mode=PRIVATE_FILE, fallback_to_soft=False)
    got = True
    with reported(path):
        try:
            lock.acquire(cancel_check=gives_up)
        except Timeout:
            got = False
        except OSError as error:
            if error.errno != errno.ENOSYS:
                raise
            advice = "Set PEER_RELAY_HOME to a folder on another disk, best on one of this machine."
            raise StateUnusable(path=str(path), reason="its disk knows no locks", advice=advice) from error
    try:
        yield got
    finally:
        lock.release()


def sync_folder(path: Path | str) -> None:
    """Put a folder's entries on the disk. Windows cannot open folders and does not need it."""
    if os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
