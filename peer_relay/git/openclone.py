"""A clone while it is in use: objects are read from it and put into it.

Objects are read from their files (`objects`). Whoever only does that, or puts some in, needs no `Repo`, which takes
longer to open than they take to read; it is opened when something else is asked for.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, BinaryIO

from dulwich.object_store import DiskObjectStore

from peer_relay import disk
from peer_relay.crash_points import CrashPoint, reached
from peer_relay.errors import DamagedClone, MalformedPack, StateUnusable, TooLarge
from peer_relay.git.careful import UNREADABLE, let_go, repository
from peer_relay.git.limits import FIRST_FETCH
from peer_relay.git.objects import Objects
from peer_relay.git.packs import ingest, write_loose
from peer_relay.git.trees import checked

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dulwich.objects import ShaFile
    from dulwich.repo import Repo

    from peer_relay.git.limits import PackLimits

LOST = "refs/peer-relay/lost"
"""Where a clone keeps the commits that the branch lost."""

_MISSING = (FileNotFoundError, NotADirectoryError)
_UNREADABLE: tuple[type[Exception], ...] = (*UNREADABLE, TooLarge, MalformedPack)


class OpenClone:
    """A clone while it is in use: a source of objects. Closed by whoever opened it.

    Args:
        path: its folder.
        remote: the mailbox, as errors name it.
        fresh: whether it was empty when it was opened, so that whatever is missing in it was not sent.

    Attributes:
        fresh: the same.
        added: how many objects came into it since it was opened.
    """

    def __init__(self, path: Path, remote: str, *, fresh: bool) -> None:
        self.fresh = fresh
        self.added = 0
        self._remote = remote
        self._path = path
        self._objects = f"{path}/objects"
        self._source = Objects([self._objects], remote, FIRST_FETCH.max_object_bytes)
        self._opened: Repo | None = None

    def close(self) -> None:
        """Close what was opened. Where a failure still holds a piece of a pack that dulwich maps, that goes with it."""
        self._source.close()
        if self._opened is not None:
            with contextlib.suppress(BufferError):
                self._opened.close()

    def repo(self) -> Repo:
        """Return the repository, opened when it is first asked for.

        Raises:
            DamagedClone: it is none.
        """
        if self._opened is None:
            self._opened = repository(self._path)
        return self._opened

    def raw(self, kind: str, object_id_: str) -> bytes:
        """Return an object's content.

        Raises:
            DamagedClone: it is not here, or not what its id says.
            StateUnusable: the system cannot read a file of a clone that was fetched just now.
            ValueError: it is of another kind.
        """
        try:
            number, content = self._source.read(bytes.fromhex(object_id_))
        except _UNREADABLE as error:
            raise self._unreadable(f"{kind} {object_id_[:12]} cannot be read", error) from let_go(error)
        return checked(kind, object_id_, number, content)

    def has(self, commit: str) -> bool:
        """Return whether a commit is here, whatever state it is in.

        Raises:
            DamagedClone: that cannot be told.
            StateUnusable: the system cannot read a file of a clone that was fetched just now.
        """
        try:
            with contextlib.suppress(*_MISSING):
                os.stat(self._loose(commit))
                return True
            return self._source.packs_contain(bytes.fromhex(commit))
        except UNREADABLE as error:
            raise self._unreadable("its objects cannot be listed", error) from let_go(error)

    def take_in(self, pack: BinaryIO, limits: PackLimits) -> None:
        """Take in what a fetch brought.

        Raises:
            TooLarge, MalformedPack, DamagedClone, StateUnusable: as `peer_relay.git.packs.ingest` says.
        """
        with disk.reported(self._path):  # the pack's own file is on the same disk
            self.added += ingest(
                self.repo(), pack, remote=self._remote, limits=limits, keep=self._source.keep, fresh=self.fresh
            )

    def add(self, objects: Sequence[ShaFile]) -> None:
        """Add objects that were built here.

        Raises:
            StateUnusable: the folder cannot be written.
        """
        with disk.reported(self._path):
            write_loose(DiskObjectStore(self._objects), objects)
        self.added += len(objects)

    @property
    def shallow(self) -> frozenset[bytes]:
        """The commits that are here without their parents."""
        try:
            return frozenset(self.repo().get_shallow())
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
            path = self._path / LOST / commit
            disk.write_atomically(path, f"{commit}\n".encode("ascii"), durable=False)

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
