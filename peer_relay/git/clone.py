"""This machine's private, shallow, bare copy of one room's branch.

1. Disposable: it holds nothing that the mailbox does not hold, and may be deleted at any time.
2. What comes out of it has been hashed: an object whose content does not give its id is damage, never an answer.
3. One process uses it at a time, under the relay's lock; a `Repo` is opened for each operation that needs one and
   closed after it, because dulwich's is not safe to share between threads and keeps file descriptors open. What was
   written lately is in files of its own, and whoever only reads and writes those needs none.
4. Its own files are replaced whole and without lock files, which a killed process would leave behind.
5. It is made beside its place and moved there when it is ready, and moved out of its place before it is removed.
6. Whatever is damaged in it, `DamagedClone` is what comes of it. Nothing outside of it is removed: a clone that is
   reached through a link, or keeps its objects behind one, is none of ours and is made anew.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from itertools import chain, count
from typing import TYPE_CHECKING

from peer_relay import disk
from peer_relay.commits import take_apart
from peer_relay.crash_points import CrashPoint, reached
from peer_relay.errors import DamagedClone
from peer_relay.git.careful import NOT_A_REPOSITORY
from peer_relay.git.openclone import LOST, OpenClone
from peer_relay.git.packs import maintain, needs_refetch
from peer_relay.git.trees import Draft, files_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_ASIDE = "-with-lost-history"
_NO_COMMIT = "0" * 40
_FOLDERS = ("objects/info", "objects/pack", "refs/heads")
_CONFIG = b"[core]\n\trepositoryformatversion = 0\n\tfilemode = false\n\tbare = true\n"
_HEAD = b"ref: refs/heads/main\n"
# Of how many new objects on it is worth a look whether there are too many: some ten records.
_WORTH_TENDING = 64


class Clone:
    """Where a clone is kept.

    Args:
        path: its folder, made when it is first needed.
        remote: the mailbox, as errors name it.
    """

    def __init__(self, path: Path, remote: str) -> None:
        self.path = path
        self._remote = remote
        self._unfinished = path.with_name(f"{disk.TEMPORARY_PREFIX}{path.name}")
        self._head = f"{path}/HEAD"
        self._folders = (f"{path}", f"{path}/objects", f"{path}/objects/pack")
        self._untended = _WORTH_TENDING

    @contextlib.contextmanager
    def opened(self) -> Iterator[OpenClone]:
        """Open the clone, making an empty one if there is none.

        Raises:
            DamagedClone: what is there is not a repository.
            StateUnusable: the folder cannot be used.
        """
        fresh = self._make_if_missing()
        with contextlib.closing(OpenClone(self.path, self._remote, fresh=fresh)) as clone:
            yield clone
        self._untended += clone.added

    def maintain(self) -> None:
        """Keep the numbers of loose objects and of packs in bounds: at first, and then whenever enough was added.

        Raises:
            StateUnusable: the folder cannot be used.
        """
        if self._untended < _WORTH_TENDING:
            return
        self._untended = 0
        try:
            with self.opened() as clone:
                maintain(clone.repo())
                useless = needs_refetch(clone.repo())
        except DamagedClone:
            useless = True
        if useless:
            self.wipe()

    def problem(self, commit: str | None) -> str | None:
        """Say what is wrong with the clone, as a clause; None if it is well, or not there. Only reads.

        Args:
            commit: the newest verified commit. It and all its files have to be here; None if none is known.

        Raises:
            StateUnusable: the folder may not be looked into.
        """
        with disk.reported(self.path):
            if not os.path.lexists(self.path):
                return None
            if not (self.path / "HEAD").exists():
                return NOT_A_REPOSITORY
        try:
            with contextlib.closing(OpenClone(self.path, self._remote, fresh=False)) as clone:
                return _missing_or_damaged(clone, commit)
        except DamagedClone as error:
            return error.reason

    def stale_locks(self) -> list[Path]:
        """Return the lock files that killed processes left in the clone; only under the relay's lock are they stale.

        They come from packing its objects, and those of an earlier version also from making it.

        Raises:
            StateUnusable: the folder cannot be read.
        """
        with disk.reported(self.path):
            return sorted(self.path.rglob("*.lock"))

    def remove_stale_locks(self) -> list[Path]:
        """Remove those lock files, and return them; only under the relay's lock.

        Raises:
            StateUnusable: one cannot be removed.
        """
        found = self.stale_locks()
        for path in found:
            disk.remove(path)
        return found

    def wipe(self) -> None:
        """Throw the clone away, or whatever is in its place.

        A clone that keeps a tip which the branch lost (I6) is put aside instead, because a person may want it.

        Raises:
            StateUnusable: it cannot be removed.
        """
        with disk.reported(self.path), contextlib.suppress(FileNotFoundError):
            if (self.path / LOST).is_dir():
                self.path.rename(self._free_name())
            elif self.path.is_dir() and not self.path.is_symlink():
                # Out of its place first: nobody finds a clone of which a part was removed already (5).
                self._remove_unfinished()
                self.path.rename(self._unfinished)
                reached(CrashPoint.CLONE_ASIDE)
                self._remove_unfinished()
            else:
                self.path.unlink()

    @contextlib.contextmanager
    def copies(self) -> Iterator[list[OpenClone]]:
        """Open the clone and those that were put aside; what is no repository any more is left out.

        Raises:
            StateUnusable: the folder may not be looked into.
        """
        aside = self._put_aside()
        with contextlib.ExitStack() as stack:
            opened = []
            for path in (self.path, *aside):
                with contextlib.suppress(DamagedClone):
                    clone = stack.enter_context(contextlib.closing(OpenClone(path, self._remote, fresh=False)))
                    clone.repo()
                    opened.append(clone)
            yield opened

    def release(self, commit: str) -> None:
        """Keep a commit no longer as one that the branch lost: it has it again.

        A clone that was put aside for it, and for no other, is removed.

        Raises:
            StateUnusable: a folder cannot be written.
        """
        for path in (self.path, *self._put_aside()):
            with disk.reported(path), contextlib.suppress(FileNotFoundError):
                (path / LOST / commit).unlink()
                if any((path / LOST).iterdir()):
                    continue
                (path / LOST).rmdir()
                if path != self.path:
                    self._remove_unfinished()
                    path.rename(self._unfinished)
                    self._remove_unfinished()

    def _put_aside(self) -> list[Path]:
        """Return the clones that were put aside."""
        with disk.reported(self.path):
            return sorted(self.path.parent.glob(f"{self.path.name}{_ASIDE}*"))

    def _free_name(self) -> Path:
        """Return a name for one more."""
        wanted = self.path.with_name(f"{self.path.name}{_ASIDE}")
        others = (wanted.with_name(f"{wanted.name}-{number}") for number in count(2))
        return next(each for each in chain([wanted], others) if not each.exists())

    def free_bytes(self) -> int:
        """Return how many bytes its file system has left."""
        disk.make_folder(self.path.parent)
        with disk.reported(self.path):
            return shutil.disk_usage(self.path.parent).free

    def _make_if_missing(self) -> bool:
        with disk.reported(self.path):
            if os.path.exists(self._head) and not any(map(os.path.islink, self._folders)):
                return False
            self.wipe()
            self._remove_unfinished()
            _make_repository(self._unfinished)
            reached(CrashPoint.CLONE_BEGUN)
            self._unfinished.rename(self.path)
            reached(CrashPoint.CLONE_MADE)
            return True

    def _remove_unfinished(self) -> None:
        """Remove what stands half made or half removed; what a killed process left there goes the same way."""
        with contextlib.suppress(FileNotFoundError):
            if self._unfinished.is_dir() and not self._unfinished.is_symlink():
                shutil.rmtree(self._unfinished)
            else:
                self._unfinished.unlink()


def _make_repository(path: Path) -> None:
    """Make what git takes for an empty bare repository.

    dulwich's own way leaves lock files behind when it is killed, and writes to standard error when the disk is full.
    """
    disk.make_folder(path)
    for name in _FOLDERS:
        (path / name).mkdir(parents=True)
    disk.write_atomically(path / "config", _CONFIG, durable=False)
    disk.write_atomically(path / "HEAD", _HEAD, durable=False)


def _missing_or_damaged(clone: OpenClone, commit: str | None) -> str | None:
    """Say what a clone lacks of a commit, as a clause.

    Raises:
        DamagedClone: something in it cannot be read.
    """
    clone.repo()
    if commit is None:
        clone.has(_NO_COMMIT)  # which looks into every index
        return None
    if not clone.has(commit):
        return f"it lacks commit {commit[:12]}, the newest that was verified"
    try:
        tree = take_apart(clone.raw("commit", commit)).tree
        for blob in files_of(Draft(clone), tree).values():
            clone.raw("blob", blob)
    except ValueError as error:
        return f"commit {commit[:12]} is not one of a room: {error}"
    return None
