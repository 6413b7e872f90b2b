"""This machine's private, shallow, bare copy of one room's branch.

1. Disposable: it holds nothing that the mailbox does not hold, and may be deleted at any time.
2. What comes out of it has been hashed: an object whose content does not give its id is damage, never an answer.
3. One process uses it at a time, under the relay's lock; a `Repo` is opened for each operation and closed after it,
   because dulwich's is not safe to share between threads and keeps file descriptors open.
"""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from dulwich.objects import ObjectID, ShaFile
from dulwich.refs import Ref
from dulwich.repo import Repo

from peer_relay import disk
from peer_relay.errors import DamagedClone, StateUnusable
from peer_relay.git.packfile import DAMAGE, PackLimits
from peer_relay.git.packs import ingest, maintain, needs_refetch, write_loose
from peer_relay.git.trees import object_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_UNREADABLE: tuple[type[Exception], ...] = (*DAMAGE, OSError)
_TYPE_NUMBERS = {"commit": 1, "tree": 2, "blob": 3}
_TYPE_NAMES = {number: name for name, number in _TYPE_NUMBERS.items()}


class OpenClone:
    """A clone while it is in use: a source of objects.

    Args:
        repo: closed by whoever opened it.
        remote: the mailbox, as errors name it.
    """

    def __init__(self, repo: Repo, remote: str) -> None:
        self._repo = repo
        self._remote = remote

    def raw(self, kind: str, object_id_: str) -> bytes:
        """Return an object's content.

        Raises:
            DamagedClone: it is not here, or not what its id says.
        """
        try:
            number, content = self._repo.object_store.get_raw(ObjectID(object_id_.encode("ascii")))
        except _UNREADABLE as error:
            raise DamagedClone(reason=f"{kind} {object_id_[:12]} cannot be read") from error
        if _TYPE_NAMES.get(number) != kind or object_id(kind, content) != object_id_:
            raise DamagedClone(reason=f"{kind} {object_id_[:12]} is not what its id says")
        return content

    def has(self, commit: str) -> bool:
        """Return whether a commit is here."""
        try:
            self.raw("commit", commit)
        except DamagedClone:
            return False
        return True

    def take_in(self, pack: BinaryIO, limits: PackLimits) -> None:
        """Take in what a fetch brought.

        Raises:
            TooLarge, MalformedPack, DamagedClone, StateUnusable: as `peer_relay.git.packs.ingest` says.
        """
        ingest(self._repo, pack, remote=self._remote, limits=limits)

    def add(self, objects: Iterable[ShaFile]) -> None:
        """Add objects that were built here.

        Raises:
            StateUnusable: the folder cannot be written.
        """
        with disk.reported(self._repo_path):
            write_loose(self._repo.object_store, objects)

    @property
    def shallow(self) -> frozenset[bytes]:
        """The commits that are here without their parents."""
        try:
            return frozenset(self._repo.get_shallow())
        except _UNREADABLE as error:
            raise DamagedClone(reason="its shallow boundary cannot be read") from error

    def set_shallow(self, boundary: frozenset[bytes]) -> None:
        """Replace the shallow boundary."""
        old = self.shallow
        with disk.reported(self._repo_path):
            self._repo.update_shallow(
                {ObjectID(commit) for commit in boundary}, {ObjectID(commit) for commit in old - boundary}
            )

    def keep(self, commit: str) -> None:
        """Keep a commit that the branch lost under a ref of its own, so that a person can look at it (I6)."""
        with disk.reported(self._repo_path):
            self._repo.refs[Ref(f"refs/peer-relay/lost/{commit}".encode())] = ObjectID(commit.encode("ascii"))

    @property
    def _repo_path(self) -> Path:
        return Path(self._repo.path)


class Clone:
    """Where a clone is kept.

    Args:
        path: its folder, made when it is first needed.
        remote: the mailbox, as errors name it.
    """

    def __init__(self, path: Path, remote: str) -> None:
        self.path = path
        self._remote = remote

    @contextlib.contextmanager
    def opened(self) -> Iterator[OpenClone]:
        """Open the clone, making an empty one if there is none.

        Raises:
            DamagedClone: what is there is not a repository.
            StateUnusable: the folder cannot be used.
        """
        repo = self._open()
        try:
            yield OpenClone(repo, self._remote)
        finally:
            repo.close()

    def maintain(self) -> None:
        """Keep the numbers of loose objects and of packs in bounds."""
        if not self.path.exists():
            return
        with contextlib.closing(self._open()) as repo:
            maintain(repo)
            crowded = needs_refetch(repo)
        if crowded:
            self.wipe()

    def wipe(self) -> None:
        """Throw the clone away."""
        with disk.reported(self.path), contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self.path)

    def free_bytes(self) -> int:
        """Return how many bytes its file system has left."""
        disk.make_folder(self.path.parent)
        with disk.reported(self.path):
            return shutil.disk_usage(self.path.parent).free

    def _open(self) -> Repo:
        try:
            if not (self.path / "HEAD").exists():
                self.wipe()
                disk.make_folder(self.path)
                return Repo.init_bare(str(self.path))
            return Repo(str(self.path))
        except OSError as error:
            raise StateUnusable(path=str(self.path), reason=error.strerror or type(error).__name__) from error
        except Exception as error:  # dulwich raises its own and the configuration parser's
            raise DamagedClone(reason="it is not a git repository any more") from error
