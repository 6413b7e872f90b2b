"""The lock of a branch in a repository at a path: git's own, made so that one of a killed process is known as such.

1. The lock is the file `<branch>.lock`, which comes into being by an operation that fails if it is there. That is what
   git and everybody else who writes there takes, so nobody writes at the same time.
2. Before that, the branch's new value is on the disk in a file of our own, on which this process holds a `flock`. The
   lock is a second name of that file, a hard link; git's own lock files have one name only.
3. A lock is removed only if it is such a second name, its `flock` can be had, and it has been there for `STALE_S` by
   the clock of its file system. The system gives a `flock` back when the process ends, however it ends, so its holder
   is gone; a process that is stopped keeps it. The seconds are for disks of a network on which a `flock` does not
   reach other machines: a live writer holds the lock for about a millisecond.
4. Whoever removes a lock holds its `flock` while doing so, so of two that want to only one does, and never a newer one.
5. What replaces the branch is the lock by its name, and never our own file: whoever lost the lock replaces nothing.
6. Where links or `flock` are missing - on Windows, on some file systems - the lock is a plain file and never broken.
"""

from __future__ import annotations

import errno
import os
import re
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from dulwich.file import adjust_shared_perm

from peer_relay.crash_points import CrashPoint, reached
from peer_relay.disk import write_all

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Self

    from dulwich.file import SharedPerm

STALE_S = 5.0
"""How long a lock must have been there before it may be taken for that of a killed process."""

_LEFTOVER_S = 3600.0
_MODE = 0o644
_OWN_REST = re.compile(r"[0-9a-f]{16}\.lock")
_CREATE: Final = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
# How systems say that a file system knows no links.
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


class BranchLock:
    """One attempt to give a branch a new value; a context, at whose end the lock is free and our files are gone.

    Args:
        path: the branch's file; its folder is there.
        value: the whole new content.
        permissions: those of a repository that several users share.

    Attributes:
        path: the lock's file.
    """

    def __init__(self, path: Path, value: bytes, permissions: SharedPerm | None) -> None:
        self.path = path.with_name(f"{path.name}.lock")
        self._branch = path
        self._value = value
        self._permissions = permissions
        # git passes over whatever ends like this, wherever it looks for branches.
        self._own = path.with_name(f"{path.name}.{os.urandom(8).hex()}.lock")
        self._file: int | None = None
        self._taken = False

    def __enter__(self) -> Self:
        """Write the new value, where that is possible before the lock is taken (2).

        Raises:
            OSError: it cannot be written; nothing is left behind.
        """
        if sys.platform != "win32":
            self._file = self._write(self._own)
            if not _lock_at_once(self._file):
                self._forget_own()
        reached(CrashPoint.BRANCH_WRITTEN)
        return self

    def take(self) -> bool:
        """Try once to take the lock, and return whether it was taken; a stale one is out of the way after that.

        Raises:
            OSError: it cannot be taken for another reason than that somebody holds it.
        """
        self._taken = self._take()
        if self._taken:
            reached(CrashPoint.BRANCH_LOCKED)
        return self._taken

    def move_branch(self) -> bool:
        """Give the branch its new value; only under the lock.

        Returns:
            Whether that is known. It is not if somebody took the lock away.

        Raises:
            OSError: the branch has its old value.
        """
        if not self._names(self.path):
            return False
        os.replace(self.path, self._branch)
        self._taken = False
        reached(CrashPoint.BRANCH_MOVED)
        if not self._names(self._branch):
            return False
        self._sweep()
        return True

    def __exit__(self, *_: object) -> None:
        """Free the lock if it is ours still, and then remove our own file: the other way round it looks like git's."""
        if self._taken and self._names(self.path):
            with suppress(OSError):
                self.path.unlink()
        self._forget_own()

    # -----------------------------------------------------------------------------------------------------------------

    def _take(self) -> bool:
        if self._file is None:
            return self._take_plainly()
        try:
            os.link(self._own, self.path)
        except FileExistsError:
            if self._names(self.path):  # a network disk that carried it out, lost the reply, and was asked again
                return True
            self._remove_stale(self._file)
            return False
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            self._forget_own()
            return self._take_plainly()
        return True

    def _take_plainly(self) -> bool:
        try:
            os.close(self._write(self.path))
        except FileExistsError:
            return False
        return True

    def _write(self, path: Path) -> int:
        """Put the new value on the disk in a new file, and return the open file."""
        file = os.open(path, _CREATE, _MODE)
        try:
            adjust_shared_perm(path, self._permissions)
            write_all(file, self._value)
            os.fsync(file)
        except BaseException:
            os.close(file)
            with suppress(OSError):
                path.unlink()
            raise
        return file

    def _names(self, path: Path) -> bool:
        """Return whether a name is that of our own file; where the lock is a plain one, nobody takes it away."""
        if self._file is None:
            return True
        with suppress(OSError):
            return os.path.samestat(os.fstat(self._file), os.lstat(path))
        return False

    def _forget_own(self) -> None:
        if self._file is not None:
            with suppress(OSError):
                self._own.unlink()
            os.close(self._file)
            self._file = None

    def _remove_stale(self, own: int) -> None:
        """Remove the lock of a process that is gone (3, 4). One that cannot be looked at stays."""
        with suppress(OSError):
            os.utime(own)  # so that both times are of the file system's clock, which may be another machine's
            with _Opened(self.path) as file:
                found, now_s = os.fstat(file), os.fstat(own).st_mtime
                # A clock that was set back meanwhile makes a lock no younger.
                if abs(now_s - found.st_ctime) <= STALE_S or not self._second_names(found) or not _lock_at_once(file):
                    return
                if os.path.samestat(found, self.path.lstat()):
                    self.path.unlink()

    def _second_names(self, found: os.stat_result) -> list[Path]:
        return [each for each in self._own_files() if os.path.samestat(found, each.lstat())]

    def _own_files(self) -> Iterator[Path]:
        """Yield the files of our kind for this branch, whoever made them."""
        begin, folder = f"{self._branch.name}.", self._branch.parent
        names = (name for name in os.listdir(folder) if name.startswith(begin))
        return (folder / name for name in names if _OWN_REST.fullmatch(name, len(begin)))

    def _sweep(self) -> None:
        """Remove what killed processes left long ago; what is a second name of a lock is needed to know it by (2)."""
        for path in self._own_files():
            with suppress(OSError), _Opened(path) as file:
                found = os.fstat(file)
                is_old = self._branch.stat().st_ctime - found.st_mtime > _LEFTOVER_S
                if is_old and found.st_nlink == 1 and _lock_at_once(file):
                    path.unlink()


class _Opened:
    """An open file, for writing if possible, because some network disks give a `flock` for nothing less."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> int:
        try:
            self._file = os.open(self._path, os.O_RDWR)
        except PermissionError:
            self._file = os.open(self._path, os.O_RDONLY)
        return self._file

    def __exit__(self, *_: object) -> None:
        os.close(self._file)


def _lock_at_once(file: int) -> bool:
    """Take the `flock` of an open file, unless somebody holds it or it cannot be had."""
    if sys.platform != "win32":
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    return False
