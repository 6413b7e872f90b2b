"""Between this machine and the mailbox: looking at what is new, and taking the outbox out.

1. A record goes in exactly once (I3): before any further attempt, every commit since the entry's base is looked
   through, and only the same blob at the record's place counts as delivered.
2. A push is planned on a verified snapshot and is a compare-and-swap on it (I5). When the branch moved: look, verify,
   plan again with the same record. Never merge, never force.
3. Records go out in the order of acceptance, at most 50 a push. If a push of several is refused, they go one at a
   time; what is refused alone is set aside and does not stand in the way of the others.
4. Nothing sleeps under the lock, and the lock is held for one attempt at a time.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

from peer_relay.checkpoint import Checkpoint
from peer_relay.errors import (
    AlreadyAnswered,
    DeadlineExceeded,
    Moved,
    OutcomeUnknown,
    PeerNotInRoom,
    PushRefused,
    RequestError,
    TooManyOpen,
    UnknownQuestion,
)
from peer_relay.outbox import OutboxEntry, Status
from peer_relay.paths import Kind
from peer_relay.records import Question
from peer_relay.store import Arrival

if TYPE_CHECKING:
    from peer_relay.clock import Clock
    from peer_relay.deadline import Deadline
    from peer_relay.ledger import Ledger, Step
    from peer_relay.local_state import LocalState
    from peer_relay.store import Snapshot, Store

MAX_RECORDS_PER_PUSH = 50
_FIRST_PAUSE_S = 0.02
_LONGEST_PAUSE_S = 1.0


class _Outcome(Enum):
    DONE = "nothing is left that can go out now"
    PROGRESS = "something was settled; more may be left"
    MOVED = "somebody else was first"
    REFUSED = "the remote declined a push of several"


@dataclass(frozen=True)
class _Plan:
    entries: tuple[OutboxEntry, ...]
    steps: tuple[Step, ...]


class Delivery:
    """One peer's way to one mailbox.

    Args:
        store: the mailbox.
        state: what this machine keeps.
        me: this peer's id.
        clock: for the time of contact and the pauses between attempts.
    """

    def __init__(self, store: Store, state: LocalState, me: str, clock: Clock) -> None:
        self._store = store
        self._state = state
        self._me = me
        self._clock = clock

    def look(self, deadline: Deadline) -> Checkpoint:
        """Look at the mailbox once and save what is new. Only under the lock.

        Raises:
            PeerNotInRoom: the room pairs two others.
            MailboxError, TransportError: as `peer_relay.store.Store.refresh` says.
        """
        known = self._state.load()
        before, refusal = (known.snapshot, known.refusal) if known else (None, None)
        found = self._store.refresh(before, refusal, deadline)
        self.check_peer(found.snapshot.ledger)
        for arrival in found.arrivals:
            if arrival.place.kind is Kind.ANSWER and arrival.place.asker == self._me:
                self._state.asked.add(arrival.place.question_id)
        return self._keep(Checkpoint(found.snapshot, found.refusal, self._clock.observed_ms()), known)

    def check_peer(self, ledger: Ledger) -> None:
        """Check that this peer is one of the room's two.

        Raises:
            PeerNotInRoom: it is not.
        """
        if self._me not in ledger.room.peers:
            raise PeerNotInRoom(peer_id=self._me, peers=ledger.room.peers)

    def flush(self, deadline: Deadline) -> None:
        """Take out of the outbox whatever can go. On return nothing is left that could.

        Raises:
            PeerRelayError: what stands in the way of the rest, which stays queued.
        """
        at_most, pause = MAX_RECORDS_PER_PUSH, _FIRST_PAUSE_S
        while True:
            with self._state.locked(deadline):
                outcome = self._attempt(deadline, at_most)
            if outcome is _Outcome.DONE:
                return
            if outcome is _Outcome.REFUSED:
                at_most = 1
            if deadline.expired:
                raise DeadlineExceeded(remote=self._store.remote, seconds=deadline.seconds)
            if outcome is _Outcome.MOVED:
                # Jitter, so that writers that collided once do not collide again in step.
                self._clock.sleep(min(random.uniform(0, pause), deadline.remaining_s()))  # noqa: S311 - no secret
                pause = min(pause * 2, _LONGEST_PAUSE_S)

    def _attempt(self, deadline: Deadline, at_most: int) -> _Outcome:
        queued = [entry for entry in self._state.outbox.entries() if entry.status is Status.QUEUED]
        if not queued:
            return _Outcome.DONE
        known = self._state.load()
        if known is None or known.refusal is not None:
            known = self.look(deadline)
        if known.refusal is not None:
            raise known.refusal.error
        self.check_peer(known.snapshot.ledger)
        left = self._settle(queued, known.snapshot, deadline)
        plan = self._plan(left, known.snapshot, at_most)
        return self._publish(plan, known, deadline) if plan.entries else _Outcome.DONE

    def _settle(self, queued: list[OutboxEntry], snapshot: Snapshot, deadline: Deadline) -> list[OutboxEntry]:
        """Take out the entries that history shows to be settled, and return the others (I3)."""
        since = next((entry.base for entry in queued if entry.base is not None), None)
        if since is None or since == snapshot.tip:
            return queued
        places = {entry.place for entry in queued}
        there = {at.place: at.commit for at in self._store.walk(snapshot, deadline, since) if at.place in places}
        settled = [entry for entry in queued if entry.place in there]
        stored = self._store.read([Arrival(there[entry.place], entry.place) for entry in settled], deadline)
        for entry, record in zip(settled, stored, strict=True):
            if record == entry.record:
                self._state.outbox.remove(entry)
            else:
                self._came_second(entry)
        return [entry for entry in queued if entry.place not in there]

    def _plan(self, entries: list[OutboxEntry], snapshot: Snapshot, at_most: int) -> _Plan:
        """Plan as many records as may go in one push, and see to it that each one's base is on the disk."""
        ledger = snapshot.ledger
        steps: list[Step] = []
        going: list[OutboxEntry] = []
        for entry in entries:
            if len(going) == at_most:
                break
            try:
                more, ledger = _plan_one(ledger, entry)
            except TooManyOpen:
                continue  # it waits for room; answers behind it may go
            except (AlreadyAnswered, UnknownQuestion):
                self._came_second(entry)
                continue
            except RequestError as error:
                self._set_aside(entry, str(error))
                continue
            steps += more
            going.append(self._with_base(entry, snapshot.tip))
        return _Plan(tuple(going), tuple(steps))

    def _publish(self, plan: _Plan, known: Checkpoint, deadline: Deadline) -> _Outcome:
        try:
            snapshot = self._store.publish(known.snapshot, plan.steps, deadline)
        except (Moved, OutcomeUnknown):
            self.look(deadline)
            return _Outcome.MOVED
        except PushRefused as error:
            if len(plan.entries) > 1:
                return _Outcome.REFUSED
            self._set_aside(plan.entries[0], error.words)
            return _Outcome.PROGRESS
        self._keep(Checkpoint(snapshot, None, self._clock.observed_ms()), known)
        for entry in plan.entries:
            self._state.outbox.remove(entry)
        return _Outcome.PROGRESS

    def _with_base(self, entry: OutboxEntry, tip: str) -> OutboxEntry:
        if entry.base is not None:
            return entry
        entry = replace(entry, base=tip)
        self._state.outbox.save(entry)
        return entry

    def _came_second(self, entry: OutboxEntry) -> None:
        self._state.outbox.save(replace(entry, status=Status.SECOND))

    def _set_aside(self, entry: OutboxEntry, words: str) -> None:
        self._state.outbox.save(replace(entry, status=Status.REFUSED, words=words))

    def _keep(self, new: Checkpoint, old: Checkpoint | None) -> Checkpoint:
        if old is None or (old.snapshot.tip, old.refusal and old.refusal.tip) != (
            new.snapshot.tip,
            new.refusal and new.refusal.tip,
        ):
            self._state.save(new)
        else:
            self._state.note_contact(new.contact_ms)
        return new


def _plan_one(ledger: Ledger, entry: OutboxEntry) -> tuple[tuple[Step, ...], Ledger]:
    if isinstance(entry.record, Question):
        return ledger.plan_ask(entry.record)
    return ledger.plan_answer(entry.record, entry.author)
