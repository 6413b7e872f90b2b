"""This machine's private, shallow, bare copy of one room's branch.

1. Disposable: it holds nothing that the mailbox does not hold, and may be deleted at any time.
2. What comes out of it has been hashed: an object whose content does not give its id is damage, never an answer.
3. One process uses it at a time, under the relay's lock; a `Repo` is opened for each operation and closed after it,
   because dulwich's is not safe to share between threads and keeps file descriptors open.
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
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from dulwich.objects import ObjectID, ShaFile

from peer_relay import disk
from peer_relay.commits import take_apart
from peer_relay.crash_points import CrashPoint, reached
from peer_relay.errors import DamagedClone, StateUnusable
from peer_relay.git.careful import NOT_A_REPOSITORY, UNREADABLE, closing, let_go, repository, unpacked
from peer_relay.git.packs import ingest, maintain, needs_refetch, write_loose
from peer_relay.git.trees import Draft, files_of, object_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dulwich.repo import Repo

    from peer_relay.git.packfile import PackLimits

_LOST = "refs/peer-relay/lost"
_ASIDE = "-with-lost-history"
_NO_COMMIT = "0" * 40
_MISSING = (FileNotFoundError, NotADirectoryError)
_KINDS = {1: "commit", 2: "tree", 3: "blob"}
_FOLDERS = ("objects/info", "objects/pack", "refs/heads")
_CONFIG = b"[core]\n\trepositoryformatversion = 0\n\tfilemode = false\n\tbare = true\n"
_HEAD = b"ref: refs/heads/main\n"


class OpenClone:
    """A clone while it is in use: a source of objects.

    Args:
        repo: closed by whoever opened it.
        remote: the mailbox, as errors name it.
        fresh: whether it was empty when it was opened, so that whatever is missing in it was not sent.
    """

    def __init__(self, repo: Repo, remote: str, *, fresh: bool) -> None:
        self.fresh = fresh
        self._repo = repo
        self._remote = remote
        self._path = Path(repo.path)
        self._objects = repo.object_store.path

    def raw(self, kind: str, object_id_: str) -> bytes:
        """Return an object's content.

        Raises:
            DamagedClone: it is not here, or not what its id says.
            StateUnusable: the system cannot read a file of a clone that was fetched just now.
            ValueError: it is of another kind.
        """
        try:
            found, content = self._read(object_id_)
        except UNREADABLE as error:
            raise self._unreadable(f"{kind} {object_id_[:12]} cannot be read", error) from let_go(error)
        if object_id(found, content) != object_id_:
            raise DamagedClone(reason=f"{kind} {object_id_[:12]} is not what its id says")
        if found != kind:
            raise ValueError(f"a {found} is where a {kind} must be")
        return content

    def has(self, commit: str) -> bool:
        """Return whether a commit is here, whatever state it is in.

        Raises:
            DamagedClone: that cannot be told.
            StateUnusable: the system cannot read a file of a clone that was fetched just now.
        """
        try:
            with contextlib.suppress(*_MISSING):
                os.stat(self._loose(commit))  # noqa: PTH116 - as at `_loose`
                return True
            return self._repo.object_store.contains_packed(ObjectID(commit.encode("ascii")))
        except UNREADABLE as error:
            raise self._unreadable("its objects cannot be listed", error) from let_go(error)

    def take_in(self, pack: BinaryIO, limits: PackLimits) -> None:
        """Take in what a fetch brought.

        Raises:
            TooLarge, MalformedPack, DamagedClone, StateUnusable: as `peer_relay.git.packs.ingest` says.
        """
        with disk.reported(self._path):  # the pack's own file is on the same disk
            ingest(self._repo, pack, remote=self._remote, limits=limits)

    def add(self, objects: Iterable[ShaFile]) -> None:
        """Add objects that were built here.

        Raises:
            StateUnusable: the folder cannot be written.
        """
        with disk.reported(self._path):
            write_loose(self._repo.object_store, objects)

    @property
    def shallow(self) -> frozenset[bytes]:
        """The commits that are here without their parents."""
        try:
            return frozenset(self._repo.get_shallow())
        except UNREADABLE as error:
            raise self._unreadable("its shallow boundary cannot be read", error) from error

    def set_shallow(self, boundary: frozenset[bytes]) -> None:
        """Replace the shallow boundary.

        Raises:
            StateUnusable: the folder cannot be written.
        """
        data = b"".join(commit + b"\n" for commit in sorted(boundary))
        disk.write_atomically(self._path / "shallow", data, durable=False)
        reached(CrashPoint.BOUNDARY_NOTED)

    def keep(self, commit: str) -> None:
        """Keep a commit that the branch lost under a ref of its own, so that a person can look at it (I6).

        Raises:
            StateUnusable: the folder cannot be written.
        """
        if self.has(commit):
            path = self._path / _LOST / commit
            disk.write_atomically(path, f"{commit}\n".encode("ascii"), durable=False)

    def _read(self, object_id_: str) -> tuple[str, bytes]:
        """Return an object's kind and content.

        Loose ones are read here and not by dulwich, which parses them and so cannot read what is malformed.
        """
        with contextlib.suppress(*_MISSING):
            header, _, content = unpacked(self._loose(object_id_)).partition(b"\0")
            return header.split(b" ")[0].decode("ascii"), content
        number, content = self._repo.object_store.get_raw(ObjectID(object_id_.encode("ascii")))
        return _KINDS[number], content

    def _unreadable(self, what: str, error: Exception) -> DamagedClone | StateUnusable:
        """Return the error for what cannot be read.

        What was fetched just now is not damaged when the system cannot read it: neither the clone nor the mailbox is to
        blame for that, and no commit is refused for it.
        """
        if self.fresh and isinstance(error, OSError) and not isinstance(error, (*_MISSING, IsADirectoryError)):
            return StateUnusable(path=str(self._path), reason=disk.reason_of(error))
        return DamagedClone(reason=what)

    def _loose(self, object_id_: str) -> str:
        """Return where an object of its own is kept; not a `Path`, which would cost more than the look."""
        return f"{self._objects}/{object_id_[:2]}/{object_id_[2:]}"


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

    @contextlib.contextmanager
    def opened(self) -> Iterator[OpenClone]:
        """Open the clone, making an empty one if there is none.

        Raises:
            DamagedClone: what is there is not a repository.
            StateUnusable: the folder cannot be used.
        """
        fresh = self._make_if_missing()
        with closing(self._open()) as repo:
            yield OpenClone(repo, self._remote, fresh=fresh)

    def maintain(self) -> None:
        """Keep the numbers of loose objects and of packs in bounds.

        Raises:
            StateUnusable: the folder cannot be used.
        """
        self._make_if_missing()
        try:
            with closing(self._open()) as repo:
                maintain(repo)
                useless = needs_refetch(repo)
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
            with closing(self._open()) as repo:
                return _missing_or_damaged(OpenClone(repo, self._remote, fresh=False), commit)
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
            if (self.path / _LOST).is_dir():
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
                    repo = stack.enter_context(closing(repository(path)))
                    opened.append(OpenClone(repo, self._remote, fresh=False))
            yield opened

    def release(self, commit: str) -> None:
        """Keep a commit no longer as one that the branch lost: it has it again.

        A clone that was put aside for it, and for no other, is removed.

        Raises:
            StateUnusable: a folder cannot be written.
        """
        for path in (self.path, *self._put_aside()):
            with disk.reported(path), contextlib.suppress(FileNotFoundError):
                (path / _LOST / commit).unlink()
                if any((path / _LOST).iterdir()):
                    continue
                (path / _LOST).rmdir()
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
            objects = self.path / "objects"
            is_linked = any(each.is_symlink() for each in (self.path, objects, objects / "pack"))
            if (self.path / "HEAD").exists() and not is_linked:
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

    def _open(self) -> Repo:
        return repository(self.path)


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
