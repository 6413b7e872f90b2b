"""The store on git: one branch of a remote repository, a private clone, and the exact commits between them.

It keeps the promises of `peer_relay.store`. How it heals: whatever it cannot read in the clone, it throws the clone
away once, fetches again, and only then gives up.
"""

from __future__ import annotations

import tempfile
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, TypeVar, cast

from dulwich.objects import ShaFile

from peer_relay.errors import (
    BranchDeleted,
    DamagedClone,
    HistoryRewritten,
    MalformedPack,
    RefusedCommit,
    RoomNotFound,
    TooLarge,
)
from peer_relay.git import history
from peer_relay.git.exact import Examiner, draft_room, draft_step
from peer_relay.git.packs import FIRST_FETCH, PackLimits
from peer_relay.git.transport import FetchRequest
from peer_relay.git.trees import Draft
from peer_relay.ledger import Ledger
from peer_relay.paths import branch_ref
from peer_relay.store import Arrival, Refreshed, Refusal, Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from peer_relay.deadline import Deadline
    from peer_relay.git.clone import Clone, OpenClone
    from peer_relay.git.transport import Transport
    from peer_relay.keys import RoomKeys
    from peer_relay.ledger import Step
    from peer_relay.records import Answer, Question, Room

T = TypeVar("T")

FIRST_DEPTH = 2
_STRETCH = 64
_DEEPER = 64
_DEEPER_BY = 8
_DISK_RESERVE = 64 << 20
_MAX_INCREMENT_OBJECTS = 1 << 31
_SPOOL_BYTES = 1 << 20


class GitStore:
    """One room in one git repository.

    Args:
        transport: the way to the repository.
        clone: the private copy.
        keys: the room's id and MAC key.
    """

    def __init__(self, transport: Transport, clone: Clone, keys: RoomKeys) -> None:
        self._transport = transport
        self._clone = clone
        self._keys = keys
        self._examiner = Examiner(keys)
        self._ref = branch_ref(keys.room_id).encode("ascii")

    @property
    def remote(self) -> str:
        """The mailbox's address as it may be shown."""
        return self._transport.remote

    def refresh(self, known: Snapshot | None, refusal: Refusal | None, deadline: Deadline) -> Refreshed:
        """Look at the branch and verify everything that is new; see `peer_relay.store.Store.refresh`."""
        tip = self._tip(deadline)
        if known is None:
            if tip is None:
                raise RoomNotFound(remote=self.remote)
            return Refreshed(self._healing(lambda clone: self._first_look(clone, deadline)))
        if tip == known.tip:
            return Refreshed(known)
        if refusal is not None and tip == refusal.tip:
            return Refreshed(known, refusal=refusal)
        if tip is None:
            return Refreshed(known, refusal=Refusal(None, BranchDeleted(commit=known.tip)))
        refreshed = self._healing(lambda clone: self._catch_up(clone, known, tip, deadline))
        self._clone.maintain()
        return refreshed

    def publish(self, known: Snapshot, steps: Sequence[Step], deadline: Deadline) -> Snapshot:
        """Add one commit for each step in one push; see `peer_relay.store.Store.publish`."""

        def act(clone: OpenClone) -> tuple[Draft, str]:
            self._bring(clone, known.tip, deadline)
            draft, tip = Draft(clone), known.tip
            for step in steps:
                tip = draft_step(draft, tip, step, self._keys.mac_key)
            return draft, tip

        draft, tip = self._healing(act)
        self._push(known.tip, tip, draft, deadline)
        ledger = known.ledger
        for step in steps:
            ledger = ledger.apply(step)
        return Snapshot(tip, ledger)

    def create(self, room: Room, deadline: Deadline) -> Snapshot:
        """Create the branch with the room's first commit; see `peer_relay.store.Store.create`."""
        with self._clone.opened() as clone:
            draft = Draft(clone)
            tip = draft_room(draft, room, self._keys.mac_key)
        self._push(None, tip, draft, deadline)
        return Snapshot(tip, Ledger(room))

    def read(self, wanted: Sequence[Arrival], deadline: Deadline) -> list[Question | Answer]:
        """Return records from the trees of verified commits; see `peer_relay.store.Store.read`."""

        def act(clone: OpenClone) -> list[Question | Answer]:
            draft = Draft(clone)
            for commit in {each.commit for each in wanted}:
                self._bring(clone, commit, deadline)
            return [self._examiner.record(draft, each) for each in wanted]

        return self._healing(act) if wanted else []

    def walk(self, snapshot: Snapshot, deadline: Deadline, since: str | None = None) -> Iterator[Arrival]:
        """Yield every record that history added, newest first; see `peer_relay.store.Store.walk`."""
        commit: str | None = snapshot.tip
        while commit is not None and commit != since:
            arrivals, commit = self._healing(partial(self._older, commit, since, snapshot.ledger.room, deadline))
            yield from arrivals

    def close(self) -> None:
        """Give back connections and processes."""
        self._transport.close()

    # -- looking ------------------------------------------------------------------------------------------------------

    def _tip(self, deadline: Deadline) -> str | None:
        tip = self._transport.read_ref(self._ref, deadline)
        return None if tip is None else tip.decode("ascii")

    def _first_look(self, clone: OpenClone, deadline: Deadline) -> Snapshot:
        tip = self._fetch_afresh(clone, FIRST_DEPTH, deadline)
        return self._examiner.first_look(clone, tip)

    def _catch_up(self, clone: OpenClone, known: Snapshot, seen: str, deadline: Deadline) -> Refreshed:
        """Fetch what follows the known commit, and verify it commit by commit up to the first that is refused."""
        try:
            tip = self._fetch_since(clone, known.tip, deadline)
        except (TooLarge, MalformedPack) as error:
            return Refreshed(known, refusal=Refusal(seen, RefusedCommit(commit=seen, reason=f"with it, {error}")))
        line = history.line_between(clone, known.tip, tip)
        if line is None:
            clone.keep(known.tip)
            return Refreshed(known, refusal=Refusal(tip, HistoryRewritten(commit=known.tip)))
        snapshot = known
        arrivals: list[Arrival] = []
        for commit in line:
            try:
                snapshot, arrival = self._examiner.next(clone, snapshot, commit)
            except RefusedCommit as error:
                return Refreshed(snapshot, tuple(arrivals), Refusal(tip, error))
            if arrival is not None:
                arrivals.append(arrival)
        return Refreshed(snapshot, tuple(arrivals))

    def _older(
        self, start: str, since: str | None, room: Room, deadline: Deadline, clone: OpenClone
    ) -> tuple[list[Arrival], str | None]:
        """Return what a stretch of history added, newest first, and the commit at which to go on."""
        arrivals: list[Arrival] = []
        commit: str | None = start
        for _ in range(_STRETCH):
            if commit is None or commit == since:
                break
            self._bring(clone, commit, deadline)
            arrival, commit = self._examiner.arrival(clone, commit, room)
            if arrival is not None:
                arrivals.append(arrival)
        return arrivals, commit

    def _bring(self, clone: OpenClone, commit: str, deadline: Deadline) -> None:
        """Have a commit of the branch and its files here, fetching deeper and deeper until it is there.

        Raises:
            HistoryRewritten: the whole history does not contain it.
        """
        depth = _DEEPER
        while not clone.has(commit):
            whole = history.reaches_the_first(clone, self._fetch_afresh(clone, depth, deadline))
            if whole and not clone.has(commit):
                raise HistoryRewritten(commit=commit)
            depth *= _DEEPER_BY

    # -- moving -------------------------------------------------------------------------------------------------------

    def _fetch_since(self, clone: OpenClone, known: str, deadline: Deadline) -> str:
        """Fetch what follows a commit. Without that commit here, fetch from nothing until it is."""
        if not clone.has(known):
            try:
                self._bring(clone, known, deadline)
            except HistoryRewritten:
                return self._fetch_afresh(clone, FIRST_DEPTH, deadline)
        limits = self._increment_limits()
        request = FetchRequest(self._ref, have=known.encode(), shallow=clone.shallow, max_bytes=limits.max_total_bytes)
        with self._spool() as pack:
            reply = self._transport.fetch(request, pack, deadline)
            if reply.tip is None:
                raise BranchDeleted(commit=known)
            clone.take_in(pack, limits)
        clone.set_shallow(clone.shallow - reply.unshallow | reply.shallow)
        return reply.tip.decode("ascii")

    def _fetch_afresh(self, clone: OpenClone, depth: int, deadline: Deadline) -> str:
        """Fetch the newest commits and all their files without offering anything, and return the tip."""
        limits = FIRST_FETCH if depth == FIRST_DEPTH else self._increment_limits()
        with self._spool() as pack:
            request = FetchRequest(self._ref, depth=depth, max_bytes=limits.max_total_bytes)
            reply = self._transport.fetch(request, pack, deadline)
            if reply.tip is None:
                raise RoomNotFound(remote=self.remote)
            clone.take_in(pack, limits)
        clone.set_shallow(reply.shallow)
        return reply.tip.decode("ascii")

    def _push(self, expected: str | None, new: str, draft: Draft, deadline: Deadline) -> None:
        objects = [_sha_file(kind, content) for kind, content in draft.objects.values()]
        self._transport.push(
            self._ref, None if expected is None else expected.encode(), new.encode(), objects, deadline
        )
        with self._clone.opened() as clone:
            clone.add(objects)

    def _increment_limits(self) -> PackLimits:
        """Bound what is not a first fetch by the free disk alone: whoever was away for long must not be locked out."""
        free = max(0, self._clone.free_bytes() - _DISK_RESERVE)
        return PackLimits(_MAX_INCREMENT_OBJECTS, FIRST_FETCH.max_object_bytes, free)

    def _spool(self) -> BinaryIO:
        return cast("BinaryIO", tempfile.TemporaryFile(dir=self._clone.path.parent))

    # -- healing ------------------------------------------------------------------------------------------------------

    def _healing(self, act: Callable[[OpenClone], T]) -> T:
        """Do something with the clone; if the clone turns out damaged, throw it away and do it once more."""
        try:
            with self._clone.opened() as clone:
                return act(clone)
        except DamagedClone:
            self._clone.wipe()
        try:
            with self._clone.opened() as clone:
                return act(clone)
        except DamagedClone as error:
            raise MalformedPack(remote=self.remote, reason=error.reason) from error


def _sha_file(kind: str, content: bytes) -> ShaFile:
    return ShaFile.from_raw_string({"commit": 1, "tree": 2, "blob": 3}[kind], content)
