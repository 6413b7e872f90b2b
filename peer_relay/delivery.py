"""Between this machine and the mailbox: looking at what is new, and taking the outbox out.

1. A record goes in exactly once (I3): before any further attempt, every commit since the entry's base is looked
   through, and only the same blob at the record's place counts as delivered.
2. A push is planned on a verified snapshot and is a compare-and-swap on it (I5). When the branch moved: look, verify,
   plan again with the same record. Never merge, never force.
3. Records go out in the order of acceptance, at most 50 a push. If a push of several is refused, they go one at a
   time; what is refused alone is set aside and does not stand in the way of the others. Where the remote says that it
   takes nothing at all, whatever the record, all of them stay queued.
4. What is known may be older than an entry. That a record cannot go in is decided on a state that was looked up in the
   same flush, and that it came second only when another record was read at its place.
5. Nothing sleeps under the lock, and the lock is held for one attempt at a time. Who has it takes along what others
   queued, and who waits for it waits no longer than for its own record. When a machine pushes is `turns`.
6. A remote whose pushes lead nowhere is not asked for ever: after `_MOST_LOST_REPLIES` lost replies, or
   `_MOST_STALE_LOOKS` looks at a state older than the one that it takes pushes on, the rest stays queued.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING

from peer_relay.checkpoint import Checkpoint
from peer_relay.crash_points import CrashPoint, reached
from peer_relay.errors import (
    AlreadyAsked,
    Busy,
    DeadlineExceeded,
    HeldBack,
    Moved,
    OutcomeUnknown,
    PeerNotInRoom,
    PeerRelayError,
    PushBlocked,
    PushRefused,
    Unreachable,
)
from peer_relay.ledger import State
from peer_relay.outbox import OutboxEntry, Status
from peer_relay.paths import Kind
from peer_relay.planning import plan_push
from peer_relay.store import Arrival
from peer_relay.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from peer_relay.clock import Clock
    from peer_relay.deadline import Deadline
    from peer_relay.ledger import Ledger
    from peer_relay.local_state import LocalState
    from peer_relay.pacing import PushRate
    from peer_relay.paths import Place
    from peer_relay.planning import Plan
    from peer_relay.store import Snapshot, Store

    OnWait = Callable[[HeldBack], None]

MAX_RECORDS_PER_PUSH = 50
_FIRST_PAUSE_S = 0.02
_LONGEST_PAUSE_S = 0.25
_MOST_LOST_REPLIES = 2
_MOST_STALE_LOOKS = 6


class _Outcome(Enum):
    DONE = "nothing is left that can go out now"
    PROGRESS = "something was settled or learnt; more may be left"
    MOVED = "somebody else was first"
    YIELDED = "it is the turn of others"


@dataclass(frozen=True)
class Flushed:
    """What became of the outbox.

    Attributes:
        delivered: the names of the entries that are in the mailbox.
        blocked: what stands in the way of the rest, which stays queued; None if nothing is left that could go out.
    """

    delivered: frozenset[str]
    blocked: PeerRelayError | None


@dataclass
class _Run:
    """One flush.

    Attributes:
        deadline: by when it ends.
        entry: the one whose way out ends it; None to take out all there is.
        on_wait: told before it waits for the turn of the next push; None if it does not wait for that.
        at_most: how many records may go in one push.
        looked: whether the mailbox was looked at since it began.
        pushes: how many pushes were tried.
        races: how many races in a row were lost.
        in_vain: how many pushes in a row came to nothing and left the branch, as far as it is shown, where it was.
        delivered: as in `Flushed`.
    """

    deadline: Deadline
    entry: OutboxEntry | None = None
    on_wait: OnWait | None = None
    at_most: int = MAX_RECORDS_PER_PUSH
    looked: bool = False
    pushes: int = 0
    races: int = 0
    in_vain: int = 0
    delivered: set[str] = field(default_factory=set)


class Delivery:
    """One peer's way to one mailbox.

    Args:
        store: the mailbox.
        state: what this machine keeps.
        me: this peer's id.
        clock: for the time of contact and the pauses between attempts.
        rate: how often this machine may push; None for as often as there is something.
    """

    def __init__(self, store: Store, state: LocalState, me: str, clock: Clock, rate: PushRate | None = None) -> None:
        self._store = store
        self._state = state
        self._me = me
        self._clock = clock
        self._turns = Turns(state, clock, rate)

    def look(self, deadline: Deadline, *, afresh: bool = False) -> Checkpoint:
        """Look at the mailbox once and save what is new. Only under the lock.

        Args:
            deadline: by when to return.
            afresh: look at a tip once more that was refused before.

        Raises:
            PeerNotInRoom: the room pairs two others.
            DeadlineExceeded: only a part of what is new could be verified in time. That part is saved.
            MailboxError, TransportError: as `peer_relay.store.Store.refresh` says.
        """
        known = self._state.load()
        before, refusal = (known.snapshot, known.refusal) if known else (None, None)
        found = self._store.refresh(before, None if afresh else refusal, deadline)
        self.check_peer(found.snapshot.ledger)
        for arrival in found.arrivals:
            if arrival.place.kind is Kind.ANSWER and arrival.place.asker == self._me:
                self._state.asked.add(arrival.place.question_id)
                reached(CrashPoint.AWAITED)
        kept = self._keep(Checkpoint(found.snapshot, found.refusal, self._clock.observed_ms()), known)
        if found.unfinished:
            raise DeadlineExceeded(remote=self._store.remote, seconds=deadline.seconds)
        return kept

    def check_peer(self, ledger: Ledger) -> None:
        """Check that this peer is one of the room's two.

        Raises:
            PeerNotInRoom: it is not.
        """
        if self._me not in ledger.room.peers:
            raise PeerNotInRoom(peer_id=self._me, peers=ledger.room.peers)

    def held_back_s(self) -> float:
        """Return how long it is until this machine may push again, in seconds."""
        return self._turns.held_back_s()

    def flush(self, deadline: Deadline, entry: OutboxEntry | None = None, on_wait: OnWait | None = None) -> Flushed:
        """Take out of the outbox whatever can go.

        Args:
            deadline: by when to return.
            entry: whose way out is all that the caller waits for. What was accepted after it is left to those who wait
                for that.
            on_wait: told the reason before the turn of the next push is waited for, which extends the deadline. Without
                it nothing waits for that, and `HeldBack` stands in the way.
        """
        run = _Run(deadline, entry, on_wait)
        blocked = None
        try:
            self._flush(run)
        except PeerRelayError as error:
            blocked = error
        return Flushed(frozenset(run.delivered), blocked)

    def _flush(self, run: _Run) -> None:
        """Try until nothing can go. It is the store that raises when the deadline is over."""
        while not self._is_over(run):
            self._pause(run)
            try:
                with self._state.locked(run.deadline, lambda: self._is_over(run)):
                    outcome = _Outcome.YIELDED if self._yields(run) else self._attempt(run)
            except Busy:
                if self._is_over(run):
                    return
                raise
            except HeldBack as error:
                self._wait_for_turn(error, run)
                continue
            if outcome is _Outcome.DONE:
                return
            run.races = run.races + 1 if outcome is _Outcome.MOVED else 0

    def _yields(self, run: _Run) -> bool:
        """Return whether others have their turn, which may have begun while this one waited for the lock."""
        return run.pushes == 0 and not run.deadline.expired and self._turns.others_s() > 0

    def _is_over(self, run: _Run) -> bool:
        """Return whether there is nothing to do any more, which another process may have done. Needs no lock."""
        outbox = self._state.outbox
        return outbox.is_empty() if run.entry is None else not outbox.holds(run.entry)

    def _pause(self, run: _Run) -> None:
        """Let others go first for a moment, where several write at the same time. Nothing sleeps under the lock.

        Who lost a race once knows the newest state by now, and goes on at once.
        """
        if run.races > 1:
            longest_s = min(_FIRST_PAUSE_S * 2 ** (run.races - 2), _LONGEST_PAUSE_S)
            # Jitter, so that writers that collided do not collide again in step.
            pause_s = random.uniform(0, longest_s)  # noqa: S311 - no secret
        elif run.pushes == 0:
            pause_s = self._turns.others_s()
        else:
            return
        if pause_s:
            self._clock.sleep(min(pause_s, run.deadline.remaining_s()))

    def _wait_for_turn(self, error: HeldBack, run: _Run) -> None:
        """Wait until the next push may go, or raise what holds it back."""
        if run.on_wait is None:
            raise error
        run.on_wait(error)
        run.deadline.extend(error.wait_s)
        self._clock.sleep(error.wait_s)

    def _attempt(self, run: _Run) -> _Outcome:
        queued = [entry for entry in self._state.outbox.entries() if entry.status is Status.QUEUED]
        if not queued:
            return _Outcome.DONE
        known = self._state.load()
        if known is None or known.refusal is not None:
            known = self._look(run)
        if known.refusal is not None:
            raise known.refusal.error
        self.check_peer(known.snapshot.ledger)
        # Bases are in the order of acceptance, so the first one is the oldest.
        since = next((entry.base for entry in queued if entry.base is not None), known.snapshot.tip)
        left = self._settle(queued, known.snapshot, since, run)
        plan = plan_push(left, known.snapshot.ledger, run.at_most)
        if (plan.waiting or plan.impossible) and not run.looked:
            self._look(run)
            return _Outcome.PROGRESS
        for entry, reason in plan.impossible:
            self._set_aside(entry, reason)
        if not plan.entries:
            return _Outcome.DONE
        if run.at_most > 1:  # of several that were refused together, the one that is to blame is found at once
            self._turns.check(self._store.remote)
        for entry in plan.entries:
            if entry.base is None:
                self._state.outbox.save(replace(entry, base=since))
                reached(CrashPoint.BASE_NOTED)
        return self._publish(plan, known, run)

    def _look(self, run: _Run) -> Checkpoint:
        known = self.look(run.deadline)
        run.looked = True
        return known

    def _settle(self, queued: Sequence[OutboxEntry], snapshot: Snapshot, since: str, run: _Run) -> list[OutboxEntry]:
        """Take out the entries whose place is taken, by themselves or by others, and return the rest (I3)."""
        there = self._find({entry.place for entry in queued}, snapshot, since, run.deadline)
        taken = [entry for entry in queued if entry.place in there]
        stored = self._store.read([Arrival(there[entry.place], entry.place) for entry in taken], run.deadline)
        for entry, record in zip(taken, stored, strict=True):
            if record == entry.record:
                self._delivered(entry, run)
            elif entry.place.kind is Kind.ANSWER:
                self._state.outbox.save(replace(entry, status=Status.SECOND))
            else:
                self._set_aside(entry, AlreadyAsked(question_id=entry.place.question_id).what)
        return [entry for entry in queued if entry.place not in there]

    def _find(self, places: set[Place], snapshot: Snapshot, since: str, deadline: Deadline) -> dict[Place, str]:
        """Return commits that hold the places that are taken: the tip, or since a commit and archived again."""
        there = {place: snapshot.tip for place in places if _is_at_tip(snapshot.ledger, place)}
        if len(there) < len(places) and since != snapshot.tip:
            for arrival in self._store.walk(snapshot, deadline, since):
                if arrival.place in places:
                    there.setdefault(arrival.place, arrival.commit)
        return there

    def _publish(self, plan: Plan, known: Checkpoint, run: _Run) -> _Outcome:
        began_ms = self._turns.began_ms()
        run.pushes += 1
        try:
            snapshot = self._store.publish(known.snapshot, plan.steps, run.deadline)
        except (Moved, OutcomeUnknown) as error:
            self._turns.note(began_ms, crowded=True, sent=isinstance(error, OutcomeUnknown))
            self._look_again(error, known, run)
            return _Outcome.MOVED
        except PushBlocked:
            raise  # no other record would pass either
        except PushRefused as error:
            self._turns.note(began_ms, crowded=False)
            if len(plan.entries) > 1:
                run.at_most = 1
            else:
                self._set_aside(plan.entries[0], error.words)
            return _Outcome.PROGRESS
        reached(CrashPoint.SEEN)
        self._turns.note(began_ms, crowded=len(plan.entries) > 1)
        self._keep(Checkpoint(snapshot, None, self._clock.observed_ms()), known)
        for entry in plan.entries:
            self._delivered(entry, run)
        return _Outcome.PROGRESS

    def _look_again(self, error: Moved | OutcomeUnknown, planned_on: Checkpoint, run: _Run) -> None:
        """Look what became of a push.

        Raises:
            Unreachable: nothing became of it, as of others before.
        """
        seen = self._look(run)
        if seen.refusal is not None or seen.snapshot.tip != planned_on.snapshot.tip:
            run.in_vain = 0
            return
        run.in_vain += 1
        if isinstance(error, OutcomeUnknown) and run.in_vain >= _MOST_LOST_REPLIES:
            raise Unreachable(
                remote=error.remote,
                reason=f"its replies to pushes get lost ({error.reason})",
                advice="Check the network, or wait if the fault is the host's own.",
            )
        if run.in_vain >= _MOST_STALE_LOOKS:
            raise Unreachable(
                remote=error.remote,
                reason="it shows an older state of the room than the one that it takes pushes on",
                advice="Wait: the host's copies catch up by themselves.",
            )

    def _delivered(self, entry: OutboxEntry, run: _Run) -> None:
        run.delivered.add(entry.name)
        self._state.outbox.remove(entry)
        reached(CrashPoint.SETTLED)

    def _set_aside(self, entry: OutboxEntry, words: str) -> None:
        self._state.outbox.save(replace(entry, status=Status.REFUSED, words=words))

    def _keep(self, new: Checkpoint, old: Checkpoint | None) -> Checkpoint:
        """Save a checkpoint; if it says nothing new, only the time of contact."""
        if old is None or _gist(old) != _gist(new):
            self._state.save(new)
            reached(CrashPoint.SAVED)
        else:
            self._state.note_contact(new.contact_ms)
        return new


def _gist(checkpoint: Checkpoint) -> tuple[str, bool, str | None]:
    """Return what tells two checkpoints apart. A deleted branch is a refusal without a tip."""
    refusal = checkpoint.refusal
    return checkpoint.snapshot.tip, refusal is not None, refusal.tip if refusal else None


def _is_at_tip(ledger: Ledger, place: Place) -> bool:
    state = ledger.state_of(place.question_id)
    return state is State.ANSWERED or (state is State.OPEN and place.kind is Kind.QUESTION)
