"""Putting a branch back to what this machine verified (I6): what its copy of the room holds, and what has to be sent.

1. The copy is the clone and every clone that was put aside, taken together: what one of them lost, another may have.
   Nothing here changes them.
2. What is sent has been hashed, and is complete: whatever a commit leads to is sent, or is in the mailbox because the
   branch there leads to it, too. Only where the copy begins, what came before has to be there still (`Parcel.begins`).
3. The memory that is needed follows the number of objects, by their ids alone. Each is read when it is sent.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, overload

from dulwich.objects import ShaFile

from peer_relay.commits import take_apart
from peer_relay.errors import (
    BranchDeleted,
    CopyIncomplete,
    DamagedClone,
    DeadlineExceeded,
    LocalError,
    MalformedPack,
    Moved,
    PushRefused,
    RefusedCommit,
    TooLarge,
)
from peer_relay.git.history import ancestry, parents_of
from peer_relay.git.outcomes import lacks_objects
from peer_relay.git.trees import FOLDER_MODE, Draft, find_file
from peer_relay.paths import path_for
from peer_relay.store import Beyond

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from peer_relay.deadline import Deadline
    from peer_relay.git.clone import Clone
    from peer_relay.git.exact import Examiner
    from peer_relay.git.openclone import OpenClone
    from peer_relay.git.transport import Transport
    from peer_relay.paths import Place
    from peer_relay.store import Arrival, Refusal, Snapshot

MOST_BEYOND = 10_000
"""How many commits of a refused tip are looked at."""

_KEPT_FORWARD = "Let the branch be moved back for a moment, in the rules of its host, then run the same command again."

_KIND_NUMBERS = {"commit": 1, "tree": 2, "blob": 3}


class Restorer:
    """Puts one branch back.

    Args:
        transport: the way to the repository.
        clone: the private copy, with what was put aside of it.
        examiner: tells the room's commits from others.
        ref: the branch's full name.
    """

    def __init__(self, transport: Transport, clone: Clone, examiner: Examiner, ref: bytes) -> None:
        self._transport = transport
        self._clone = clone
        self._examiner = examiner
        self._ref = ref

    def beyond(self, known: Snapshot, refusal: Refusal, bring: Callable[[], str], deadline: Deadline) -> Beyond:
        """Tell what a refused tip holds that was not verified; see `peer_relay.store.Store.beyond`.

        Args:
            known: the newest verified snapshot.
            refusal: what the last look refused.
            bring: fetches the refused tip again, and returns where the branch is.
            deadline: what was not looked at until then is left out.
        """
        if refusal.tip is None:
            return Beyond()
        with self._copy() as copy:
            here = copy.has(refusal.tip)
        if not here:
            with contextlib.suppress(TooLarge, MalformedPack):  # then nothing of it is here to be looked at
                self._check_same(refusal.tip, bring)
        with self._copy() as copy:
            return beyond(copy, self._examiner, known, refusal.tip, deadline)

    def restore(self, known: Snapshot, refusal: Refusal, deadline: Deadline) -> None:
        """Put the branch back to the known snapshot; see `peer_relay.store.Store.restore`."""
        if refusal.tip is not None:
            with contextlib.suppress(LocalError), self._clone.opened() as clone:
                clone.keep(refusal.tip)  # it may hold what is nowhere else
        with self._copy() as copy:
            parcel = pack_up(copy, known.tip, refusal.tip, lambda: self._check(deadline))
            try:
                self._push(known.tip, refusal.tip, parcel, deadline)
            except PushRefused as error:
                if parcel.begins is None or not lacks_objects(error):
                    raise
                reason = f"it begins at commit {parcel.begins}, and the mailbox no longer has what came before that"
                raise CopyIncomplete(reason=reason) from error

    def _push(self, tip: str, refused: str | None, parcel: Parcel, deadline: Deadline) -> None:
        before = None if refused is None else refused.encode("ascii")
        try:
            self._transport.push(self._ref, before, tip.encode("ascii"), parcel, deadline)
        except Moved as error:
            # A server that lets a branch only grow says the same of that as of a race.
            if self._transport.read_ref(self._ref, deadline) != before:
                raise
            raise PushRefused(remote=error.remote, words=error.words, advice=_KEPT_FORWARD) from error

    def _check_same(self, refused: str, bring: Callable[[], str]) -> None:
        """Fetch, and check that the branch is still where it was refused."""
        try:
            if bring() == refused:
                return
        except BranchDeleted:
            pass
        raise Moved(remote=self._transport.remote)

    def _check(self, deadline: Deadline) -> None:
        if deadline.expired:
            raise DeadlineExceeded(remote=self._transport.remote, seconds=deadline.seconds)

    @contextlib.contextmanager
    def _copy(self) -> Iterator[Copy]:
        """Open all that is left of the room on this machine."""
        with self._clone.copies() as clones:
            yield Copy(clones)


class Copy:
    """Several clones as one source of objects.

    Args:
        clones: those to look into, in this order.
    """

    def __init__(self, clones: Sequence[OpenClone]) -> None:
        self._clones = clones

    def has(self, commit: str) -> bool:
        """Return whether a commit is here.

        Raises:
            DamagedClone: that cannot be told.
        """
        return any(clone.has(commit) for clone in self._clones)

    def raw(self, kind: str, object_id: str) -> bytes:
        """Return an object's content, from the first clone that has it as it must be.

        Raises:
            DamagedClone: none has.
            ValueError: it is of another kind.
        """
        problem = DamagedClone(reason=f"{kind} {object_id[:12]} is not there")
        for clone in self._clones:
            try:
                return clone.raw(kind, object_id)
            except DamagedClone as error:
                problem = error
        raise problem


class Parcel(Sequence[ShaFile]):
    """Objects that are read one by one when they are asked for, the newest commit last.

    Args:
        copy: where they are.
        kinds: their kinds by their ids, in that order the other way round.
        begins: the commit with which the copy begins although others came before it, if it is among them.
    """

    def __init__(self, copy: Copy, kinds: dict[bytes, str], begins: str | None) -> None:
        self.begins = begins
        self._copy = copy
        self._kinds = kinds
        self._ids = list(reversed(kinds))

    def __len__(self) -> int:
        return len(self._ids)

    @overload
    def __getitem__(self, index: int) -> ShaFile: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[ShaFile]: ...

    def __getitem__(self, index: int | slice) -> ShaFile | Sequence[ShaFile]:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        name = self._ids[index]
        kind = self._kinds[name]
        return ShaFile.from_raw_string(_KIND_NUMBERS[kind], self._copy.raw(kind, name.hex()))


def beyond(copy: Copy, examiner: Examiner, known: Snapshot, refused: str, deadline: Deadline) -> Beyond:
    """Tell what a refused tip holds that the newest verified commit does not, as far as it is here and there is time.

    Raises:
        CopyIncomplete: the copy cannot be read.
    """
    records: list[Arrival] = []
    try:
        ours = ancestry(copy, known.tip)
        theirs = ancestry(copy, refused, ours, MOST_BEYOND)
        complete = (refused in theirs or refused in ours) and len(theirs) < MOST_BEYOND
    except DamagedClone as error:
        raise CopyIncomplete(reason=f"it is damaged ({error.reason})") from error
    for commit in reversed(theirs):
        if deadline.expired:
            return Beyond(len(theirs), tuple(records), complete=False)
        try:
            arrival, _ = examiner.arrival(copy, commit, known.ledger.room)
            if arrival is not None and _is_only_there(copy, known, arrival):
                records.append(arrival)
        except (RefusedCommit, ValueError):
            continue  # nobody who holds the room token wrote a record with it
        except DamagedClone:
            complete = False
    return Beyond(len(theirs), tuple(records), complete)


def pack_up(copy: Copy, tip: str, refused: str | None, tick: Callable[[], None]) -> Parcel:
    """Decide what has to be sent so that a branch can be put back to a commit.

    Args:
        copy: where the commit is.
        tip: the commit.
        refused: where the branch is, with all that it leads to; None if it is gone.
        tick: called often; what it raises ends the search.

    Raises:
        CopyIncomplete: the copy cannot be read, or does not hold the commit.
    """
    try:
        if not copy.has(tip):
            raise CopyIncomplete(reason=f"it does not hold commit {tip}")
        return _Packer(copy, _joints(copy, tip, refused), tick).pack(tip)
    except DamagedClone as error:
        raise CopyIncomplete(reason=f"it is damaged ({error.reason})") from error
    except ValueError as error:
        raise CopyIncomplete(reason=f"a commit in it is not one of a room: {error}") from error


def _joints(copy: Copy, tip: str, refused: str | None) -> Collection[str]:
    """Return the commits of our line that the branch leads to, as far as it takes to end a walk back at one of them."""
    if refused is None or not copy.has(refused):
        return ()
    ours = ancestry(copy, tip)
    theirs = ancestry(copy, refused, ours)
    return {refused, *(parent for parents in theirs.values() for parent in parents)} & ours.keys()


class _Packer:
    """Walks back from a commit and notes what has to be sent, newest first."""

    def __init__(self, copy: Copy, joints: Collection[str], tick: Callable[[], None]) -> None:
        self._copy = copy
        self._joints = joints
        self._tick = tick
        self._draft = Draft(copy)
        self._kinds: dict[bytes, str] = {}

    def pack(self, tip: str) -> Parcel:
        """Note everything from a commit back to where the mailbox has it, or to where the copy begins."""
        commit: str | None = tip
        begins = None
        while commit is not None and commit not in self._joints:
            self._tick()
            self._draft = self._draft.renewed()
            parent = next(iter(parents_of(self._copy, commit)), None)
            if parent is not None and not self._copy.has(parent):
                begins, parent = commit, None
            self._note("commit", commit)
            self._add_tree(self._tree_of(commit), None if parent is None else self._tree_of(parent))
            commit = parent
        return Parcel(self._copy, self._kinds, begins)

    def _tree_of(self, commit: str) -> str:
        return take_apart(self._draft.raw("commit", commit)).tree

    def _note(self, kind: str, object_id: str) -> None:
        self._kinds[bytes.fromhex(object_id)] = kind

    def _add_tree(self, tree: str, base: str | None) -> None:
        """Note a tree and all in it that is not at the same place of the tree of the commit before."""
        pending = [(tree, base)]
        while pending:
            each, before = pending.pop()
            if each == before:
                continue
            # One that was noted already is looked at again: a folder may come back as it once was, and each time it
            # was only compared with the commit before.
            self._note("tree", each)
            there = self._draft.entries(before) if before else {}
            for name, (mode, below) in self._draft.entries(each).items():
                if there.get(name) == (mode, below):
                    continue
                if mode == FOLDER_MODE:
                    old_mode, old = there.get(name, (b"", None))
                    pending.append((below, old if old_mode == FOLDER_MODE else None))
                else:
                    self._copy.raw("blob", below)  # what is damaged shows now, and not in the middle of a push
                    self._note("blob", below)


def _is_only_there(copy: Copy, known: Snapshot, arrival: Arrival) -> bool:
    """Return whether a record is not the one that stands at the same place of the newest verified commit."""
    stored = _blob_at(copy, arrival.commit, arrival.place)
    return stored is not None and stored != _blob_at(copy, known.tip, arrival.place)


def _blob_at(copy: Copy, commit: str, place: Place) -> str | None:
    draft = Draft(copy)
    return find_file(draft, take_apart(draft.raw("commit", commit)).tree, path_for(place))
