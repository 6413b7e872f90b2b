"""What is fetched into the clone, and how deep and how much of it.

1. A first fetch is bounded by the largest legitimate tip; what comes later by much wider limits, because whoever was
   away for long must not be locked out, and by the free disk. Every object is bounded by its own limit, always.
2. A fetch is shallow until something older is needed; then it goes deeper by a factor, so that looking up the oldest
   commit costs little more than fetching the whole history once.
"""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO, cast

from peer_relay import disk
from peer_relay.crash_points import CrashPoint, reached
from peer_relay.errors import BranchDeleted, HistoryRewritten, RoomNotFound
from peer_relay.git.limits import CATCH_UP, FIRST_FETCH, WHOLE
from peer_relay.git.transport import FetchReply, FetchRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from peer_relay.deadline import Deadline
    from peer_relay.git.clone import Clone
    from peer_relay.git.limits import PackLimits
    from peer_relay.git.openclone import OpenClone
    from peer_relay.git.transport import Transport

FIRST_DEPTH = 2
_DEEPER = 64
_DEEPER_BY = 8
_DEEPEST = 0x7FFF_FFFF
"""What git takes for "the whole history"."""

_DISK_RESERVE = 64 << 20


class Fetcher:
    """Fetches one branch.

    Args:
        transport: the way to the repository.
        clone: where it goes; the methods are given it opened.
        ref: the branch's full name.
    """

    def __init__(self, transport: Transport, clone: Clone, ref: bytes) -> None:
        self._transport = transport
        self._clone = clone
        self._ref = ref

    def first(self, clone: OpenClone, deadline: Deadline, seen: str) -> str:
        """Fetch what a first look at a tip that was just read needs, and return the tip that was fetched.

        Raises:
            RoomNotFound: there is no such branch.
            TransportError, StateUnusable: it could not be fetched or not be taken in.
        """
        reply = self._fetch(
            clone, FetchRequest(self._ref, depth=FIRST_DEPTH, seen=seen.encode("ascii")), FIRST_FETCH, deadline
        )
        return self._begin(clone, reply)

    def whole(self, clone: OpenClone, deadline: Deadline) -> str:
        """Fetch the branch with all its history, and return its tip.

        Raises:
            RoomNotFound: there is no such branch.
            TransportError, StateUnusable: it could not be fetched or not be taken in.
        """
        reply = self._fetch(clone, FetchRequest(self._ref, depth=None), self._fitting(WHOLE), deadline)
        return self._begin(clone, reply)

    def since(self, clone: OpenClone, known: str, deadline: Deadline, seen: str | None = None) -> str:
        """Fetch what follows a commit, up to the tip that was just read if any, and return the tip that was fetched.

        Raises:
            BranchDeleted: there is no such branch any more.
            TransportError, StateUnusable: it could not be fetched or not be taken in.
        """
        if not clone.has(known):
            return self._deepen(clone, known, deadline, 0)
        just_read = None if seen is None else seen.encode("ascii")
        request = FetchRequest(self._ref, have=known.encode("ascii"), shallow=clone.shallow, seen=just_read)
        reply = self._fetch(clone, request, self._fitting(CATCH_UP), deadline)
        if reply.tip is None:
            raise BranchDeleted(commit=known)
        clone.set_shallow(clone.shallow - reply.unshallow | reply.shallow)
        return reply.tip.decode("ascii")

    def bring(self, clone: OpenClone, commit: str, deadline: Deadline, passed: int = 0) -> None:
        """Have a commit of the branch and its files here.

        Args:
            clone: gets it.
            commit: its id.
            deadline: by when to return.
            passed: how many commits the branch is known to have had since.

        Raises:
            BranchDeleted, HistoryRewritten: the branch does not contain it.
            TransportError, StateUnusable: it could not be fetched or not be taken in.
        """
        if not clone.has(commit):
            self._deepen(clone, commit, deadline, passed)
            if not clone.has(commit):
                raise HistoryRewritten(commit=commit)

    @property
    def is_disk_short(self) -> bool:
        """Whether less space is left than a first fetch may take."""
        return self._free_bytes() < FIRST_FETCH.max_pack_bytes

    def _begin(self, clone: OpenClone, reply: FetchReply) -> str:
        """Note what a fetch from nothing brought, and return the branch's tip."""
        if reply.tip is None:
            raise RoomNotFound(remote=self._transport.remote)
        clone.set_shallow(reply.shallow)
        return reply.tip.decode("ascii")

    def _deepen(self, clone: OpenClone, commit: str, deadline: Deadline, passed: int) -> str:
        """Fetch deeper and deeper until a commit is here, or the whole history; return the branch's tip."""
        depth = max(_DEEPER, passed * _DEEPER_BY)
        while True:
            reply = self._fetch(clone, FetchRequest(self._ref, depth=depth), self._fitting(WHOLE), deadline)
            if reply.tip is None:
                raise BranchDeleted(commit=commit)
            clone.set_shallow(reply.shallow)
            if clone.has(commit) or not reply.shallow or depth == _DEEPEST:
                return reply.tip.decode("ascii")
            depth = min(depth * _DEEPER_BY, _DEEPEST)

    def _fetch(self, clone: OpenClone, request: FetchRequest, limits: PackLimits, deadline: Deadline) -> FetchReply:
        with self._spool() as pack:
            bounded = replace(request, max_bytes=limits.max_pack_bytes, max_objects=limits.max_objects)
            reply = self._transport.fetch(bounded, pack, deadline)
            reached(CrashPoint.FETCHED)
            clone.take_in(pack, limits)
        reached(CrashPoint.TAKEN_IN)
        return reply

    def _fitting(self, limits: PackLimits) -> PackLimits:
        """Return the same limits for a pack that the disk has room for twice: as it comes, and in the clone."""
        return replace(limits, max_pack_bytes=min(limits.max_pack_bytes, self._free_bytes() // 2))

    def _free_bytes(self) -> int:
        return max(0, self._clone.free_bytes() - _DISK_RESERVE)

    @contextlib.contextmanager
    def _spool(self) -> Iterator[BinaryIO]:
        """Give a file to fetch into. Closing it writes what is left of it, which a full disk does not allow either."""
        folder = self._clone.path.parent
        with disk.reported(folder):
            opened = tempfile.TemporaryFile(dir=folder, prefix=disk.TEMPORARY_PREFIX)  # noqa: SIM115 - closed below
            file = cast("BinaryIO", opened)
        try:
            yield file
        finally:
            with disk.reported(folder):
                file.close()
