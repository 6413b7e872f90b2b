"""The store on git: one branch of a remote repository, a private clone, and the exact commits between them.

It keeps the promises of `peer_relay.store`. How it heals: whatever it cannot read in the clone, it throws the clone
away once, fetches again, and only then gives up.
"""

from __future__ import annotations

import contextlib
import copy
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from dulwich.objects import ShaFile

from peer_relay.crash_points import CrashPoint, reached
from peer_relay.errors import (
    BranchDeleted,
    BranchSetBack,
    DamagedClone,
    DeadlineExceeded,
    HistoryRewritten,
    LocalError,
    MalformedPack,
    Moved,
    RefusedCommit,
    RoomNotFound,
    StateUnusable,
    TooLarge,
)
from peer_relay.git import history
from peer_relay.git.exact import draft_room, draft_step
from peer_relay.git.fetching import Fetcher
from peer_relay.git.replay import not_sent, replay
from peer_relay.git.restoring import Restorer
from peer_relay.git.trees import Draft
from peer_relay.ledger import Add, Ledger
from peer_relay.paths import Kind, Place, branch_ref
from peer_relay.store import Arrival, Beyond, Refreshed, Refusal, Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from peer_relay.deadline import Deadline
    from peer_relay.git.clone import Clone
    from peer_relay.git.exact import Examiner, Sign
    from peer_relay.git.keyring import Keyring
    from peer_relay.git.openclone import OpenClone
    from peer_relay.git.transport import Transport
    from peer_relay.ledger import Step
    from peer_relay.records import Answer, Question, Room
    from peer_relay.store import Replay

T = TypeVar("T")

_STRETCH = 64
_KIND_NUMBERS = {"commit": 1, "tree": 2, "blob": 3}


class _Passed(NamedTuple):
    """Where a walk through older history is: how many commits were passed, and which marks of the pinned keys."""

    examiner: Examiner
    room: Room
    commits: int
    ahead: frozenset[str]


class GitStore:
    """One room in one git repository.

    Args:
        transport: the way to the repository.
        clone: the private copy.
        keyring: the room's id and MAC key, and the keys that are pinned for its peers.
    """

    def __init__(self, transport: Transport, clone: Clone, keyring: Keyring) -> None:
        self._transport = transport
        self._clone = clone
        self._keyring = keyring
        self._examiner = keyring.examiner()
        self._ref = branch_ref(keyring.keys.room_id).encode("ascii")
        self._fetcher = Fetcher(transport, clone, self._ref)
        self._refused_first: RefusedCommit | None = None

    @property
    def remote(self) -> str:
        """The mailbox's address as it may be shown."""
        return self._transport.remote

    def refresh(self, known: Snapshot | None, refusal: Refusal | None, deadline: Deadline) -> Refreshed:
        """Look at the branch and verify everything that is new; see `peer_relay.store.Store.refresh`."""
        self._go_by_what_is_pinned()
        tip = self._tip(deadline)
        if known is None:
            if tip is None:
                raise RoomNotFound(remote=self.remote)
            return Refreshed(self._first_look(tip, deadline))
        if tip == known.tip:
            self._release(known, refusal)
            return Refreshed(known)
        if refusal is not None and tip == refusal.tip:
            return Refreshed(known, refusal=refusal)
        if tip is None:
            refreshed = Refreshed(known, refusal=Refusal(None, BranchDeleted(commit=known.tip)))
        else:
            refreshed = self._healing(lambda clone: self._catch_up(clone, known, tip, deadline))
        if refreshed.refusal is None:
            self._release(known, refusal)
            self._tidy()
        elif not isinstance(refreshed.refusal.error, RefusedCommit):
            with contextlib.suppress(LocalError), self._clone.opened() as clone:
                clone.keep(known.tip)
        return refreshed

    def publish(self, known: Snapshot, steps: Sequence[Step], deadline: Deadline) -> Snapshot:
        """Add one commit for each step in one push; see `peer_relay.store.Store.publish`."""
        self._go_by_what_is_pinned()

        def act(clone: OpenClone) -> tuple[Draft, str]:
            self._fetcher.bring(clone, known.tip, deadline)
            draft, tip = Draft(clone), known.tip
            for step in steps:
                sign = self._sign(step.author, deadline) if isinstance(step, Add) else None
                tip = draft_step(draft, tip, step, self._keyring.keys.mac_key, sign=sign)
            return draft, tip

        try:
            draft, tip = self._healing(act)
        except (BranchDeleted, HistoryRewritten) as error:
            raise Moved(remote=self.remote) from error
        self._push(known.tip, tip, draft, deadline)
        ledger = known.ledger
        for step in steps:
            ledger = ledger.apply(step)
        return Snapshot(tip, ledger)

    def create(self, room: Room, deadline: Deadline) -> Snapshot:
        """Create the branch with the room's first commit; see `peer_relay.store.Store.create`."""
        self._go_by_what_is_pinned()

        def act(clone: OpenClone) -> tuple[Draft, str]:
            draft = Draft(clone)
            sign = self._sign(room.peers[0], deadline)
            return draft, draft_room(draft, room, self._keyring.keys.mac_key, sign)

        draft, tip = self._healing(act)
        self._push(None, tip, draft, deadline)
        return Snapshot(tip, Ledger(room))

    def read(self, wanted: Sequence[Arrival], deadline: Deadline) -> list[Question | Answer]:
        """Return records from the trees of verified commits; see `peer_relay.store.Store.read`."""

        def act(clone: OpenClone) -> list[Question | Answer]:
            found: list[Question | Answer] = []
            for commit, group in groupby(wanted, lambda each: each.commit):
                self._fetcher.bring(clone, commit, deadline)
                draft = Draft(clone)  # it remembers trees, so there is one for each commit and not one for all
                found += [self._examiner.record(draft, each) for each in group]
            return found

        return self._healing(act) if wanted else []

    def walk(self, snapshot: Snapshot, deadline: Deadline, since: str | None = None) -> Iterator[Arrival]:
        """Yield every record that history added, newest first; see `peer_relay.store.Store.walk`."""
        commit: str | None = snapshot.tip
        examiner, passed, ahead = self._examiner, 0, frozenset[str]()
        while commit is not None and commit != since:
            if deadline.expired:
                raise DeadlineExceeded(remote=self.remote, seconds=deadline.seconds)
            known = _Passed(examiner, snapshot.ledger.room, passed, ahead)
            older = partial(self._older, start=commit, since=since, known=known, deadline=deadline)
            arrivals, commit, ahead = self._healing(older)
            passed += _STRETCH
            yield from arrivals

    def replay(self, contact: Deadline, fetched: Deadline) -> Replay:
        """Fetch the whole history, to verify it from the first commit on; see `peer_relay.store.Store.replay`."""
        seen = self._tip(contact)
        if seen is None:
            raise RoomNotFound(remote=self.remote)
        self._clone.wipe()  # an object that is there already would be taken for one that was sent
        try:
            with self._clone.opened() as clone:
                tip = self._fetcher.whole(clone, fetched)
                return replay(clone, self._clone.opened, tip, self._examiner)
        except (TooLarge, MalformedPack) as error:
            raise self._refuse_pack(seen, error).error from error

    def beyond(self, known: Snapshot, refusal: Refusal, deadline: Deadline) -> Beyond:
        """Tell what a refused tip holds that was not verified; see `peer_relay.store.Store.beyond`."""

        def bring() -> str:
            return self._healing(lambda clone: self._fetcher.since(clone, known.tip, deadline))

        return self._restorer().beyond(known, refusal, bring, deadline)

    def restore(self, known: Snapshot, refusal: Refusal, deadline: Deadline) -> None:
        """Put the branch back to the known snapshot; see `peer_relay.store.Store.restore`."""
        self._restorer().restore(known, refusal, deadline)
        self._release(known, refusal)

    def close(self) -> None:
        """Give back connections and processes."""
        self._transport.close()

    def _go_by_what_is_pinned(self) -> None:
        """Take up what a person changed of the keys, and with it what was refused by those of before."""
        examiner = self._keyring.examiner()
        if examiner != self._examiner:
            self._examiner, self._refused_first = examiner, None

    def _restorer(self) -> Restorer:
        return Restorer(self._transport, self._clone, self._examiner, self._ref)

    # -- looking ------------------------------------------------------------------------------------------------------

    def _tip(self, deadline: Deadline) -> str | None:
        tip = self._transport.read_ref(self._ref, deadline)
        return None if tip is None else tip.decode("ascii")

    def _first_look(self, seen: str, deadline: Deadline) -> Snapshot:
        if self._refused_first is not None and self._refused_first.commit == seen:
            raise copy.copy(self._refused_first)
        try:
            snapshot = self._healing(
                lambda clone: self._examiner.first_look(clone, self._fetcher.first(clone, deadline, seen))
            )
        except RefusedCommit as error:
            self._refused_first = copy.copy(error)
            raise
        self._check_signatures(snapshot, deadline)
        return snapshot

    def _check_signatures(self, snapshot: Snapshot, deadline: Deadline) -> None:
        """Check on a first look, where keys are pinned, that the peers signed the records that are at the tip.

        A right `Room-Mac` at the tip says that all of it is of holders of the token, but not of which. So history is
        followed back to the commits that added these records, and the records are those that were signed there. Without
        a checkpoint that is what tells a forged one.

        Raises:
            RefusedCommit: one of them is not signed as it has to be, or was changed later.
            TransportError: the history could not be fetched.
        """
        if not self._examiner.signing.pins:
            return
        ledger = snapshot.ledger
        missing = {Place(each, by, Kind.QUESTION) for each, by in {**ledger.open, **ledger.answered}.items()}
        missing |= {Place(each, by, Kind.ANSWER) for each, by in ledger.answered.items()}
        added: dict[Place, str] = {}
        for arrival in self.walk(snapshot, deadline):
            added.setdefault(arrival.place, arrival.commit)
            missing.discard(arrival.place)
            if not missing:
                break
        self._healing(lambda clone: self._examiner.check_unchanged(clone, snapshot.tip, added))

    def _catch_up(self, clone: OpenClone, known: Snapshot, seen: str, deadline: Deadline) -> Refreshed:
        """Have what follows the known commit here, and verify it."""
        tip, line = seen, history.line_between(clone, known.tip, seen)
        if line is None:
            try:
                tip = self._fetcher.since(clone, known.tip, deadline, seen)
            except (TooLarge, MalformedPack) as error:
                return Refreshed(known, refusal=self._refuse_pack(seen, error))
            except BranchDeleted as error:
                return Refreshed(known, refusal=Refusal(None, error))
            line = history.line_between(clone, known.tip, tip)
        if line is None:
            return Refreshed(known, refusal=Refusal(tip, self._rewritten(clone, known, tip)))
        return self._verify(clone, known, line, deadline)

    def _rewritten(self, clone: OpenClone, known: Snapshot, tip: str) -> HistoryRewritten:
        """Return what it means that the branch does not lead to the known commit any more."""
        with contextlib.suppress(DamagedClone, ValueError):
            if history.line_between(clone, tip, known.tip) is not None or self._examiner.is_within(clone, tip, known):
                return BranchSetBack(commit=known.tip, found=tip)
        return HistoryRewritten(commit=known.tip)

    def _verify(self, clone: OpenClone, known: Snapshot, line: Sequence[str], deadline: Deadline) -> Refreshed:
        """Verify the commits of a line up to the first that is refused, or to where the time is over.

        In the latter case what was verified until then is the result, and the next look goes on from there.
        """
        snapshot, draft, arrivals = known, Draft(clone), list[Arrival]()
        examiner = self._examiner
        refusal, ahead = None, examiner.signing.ahead_of(line)
        for commit in line:
            draft = draft.renewed()
            try:
                verified = examiner.next(draft, snapshot, commit, ahead)
            except RefusedCommit as error:
                refusal = Refusal(line[-1], error)
                break
            except DamagedClone as error:
                if not clone.fresh:
                    raise
                refusal = Refusal(line[-1], not_sent(commit, error))
                break
            snapshot, ahead = verified.snapshot, ahead - {commit}
            if verified.arrival is not None:
                arrivals.append(verified.arrival)
            if deadline.expired:
                break
        unfinished = refusal is None and snapshot.tip != (line or [known.tip])[-1]
        return Refreshed(snapshot, tuple(arrivals), refusal, unfinished)

    def _refuse_pack(self, tip: str, error: TooLarge | MalformedPack) -> Refusal:
        """Blame the branch for a pack that was not taken in, unless this machine's disk is the reason.

        Raises:
            StateUnusable: there is too little space for what an honest room may hold.
        """
        if isinstance(error, TooLarge) and self._fetcher.is_disk_short:
            raise StateUnusable(path=str(self._clone.path), reason="its disk has too little space left") from error
        return Refusal(tip, RefusedCommit(commit=tip, reason=f"with it, {error.what}".removesuffix(".")))

    def _older(
        self, clone: OpenClone, *, start: str, since: str | None, known: _Passed, deadline: Deadline
    ) -> tuple[list[Arrival], str | None, frozenset[str]]:
        """Return what a stretch of history added, newest first, and the commit and the marks at which to go on."""
        arrivals: list[Arrival] = []
        commit: str | None = start
        ahead = known.ahead
        for already in range(known.commits, known.commits + _STRETCH):
            if commit is None or commit == since:
                break
            self._fetcher.bring(clone, commit, deadline, already)
            ahead |= known.examiner.signing.ahead_of([commit])
            arrival, commit = known.examiner.arrival(clone, commit, known.room, ahead)
            if arrival is not None:
                arrivals.append(arrival)
        return arrivals, commit, ahead

    # -- pushing ------------------------------------------------------------------------------------------------------

    def _sign(self, author: str, deadline: Deadline) -> Sign | None:
        return self._keyring.signs(author, self._examiner.signing, deadline)

    def _push(self, expected: str | None, new: str, draft: Draft, deadline: Deadline) -> None:
        objects = [ShaFile.from_raw_string(_KIND_NUMBERS[kind], content) for kind, content in draft.objects.values()]
        before = None if expected is None else expected.encode("ascii")
        reached(CrashPoint.BUILT)
        self._transport.push(self._ref, before, new.encode("ascii"), objects, deadline)
        # They are in the mailbox, whatever happens to the copy of them that spares the next call a fetch.
        with contextlib.suppress(LocalError), self._clone.opened() as clone:
            clone.add(objects)
            reached(CrashPoint.COPIED)
        self._tidy()

    # -- the clone ----------------------------------------------------------------------------------------------------

    def _release(self, known: Snapshot, refusal: Refusal | None) -> None:
        """Keep the known commit no longer as one that the branch lost."""
        if refusal is not None:
            with contextlib.suppress(LocalError):
                self._clone.release(known.tip)

    def _tidy(self) -> None:
        """Keep the clone small; a disk that does not allow it is no reason to fail what was done already."""
        with contextlib.suppress(LocalError):
            self._clone.maintain()

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
