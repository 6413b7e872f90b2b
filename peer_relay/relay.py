"""The relay: what a peer can do in its room. It accepts, reads and reports; `Delivery` moves.

1. What the caller is told is `delivered` is in the mailbox; what it is told is `queued` is on this machine's disk (I4).
2. A request that cannot be carried out raises, and leaves nothing behind.
3. Reading never writes to the mailbox (I8). What is known is served even when the mailbox cannot be reached or holds
   something that is refused; a note says so.
4. An answer counts as unread until `mark_read`; when that may be called is the face's business (I7).

Every call ends within the time limit that the relay was given, but for the turn of a push that a command waits for, and
takes the lock once for each operation.
"""

from __future__ import annotations

import contextlib
from copy import copy
from typing import TYPE_CHECKING

from peer_relay.contact import Contact, Contacts
from peer_relay.crash_points import CrashPoint, reached
from peer_relay.deadline import Deadline
from peer_relay.deciding import Decisions
from peer_relay.errors import (
    AlreadyAnswered,
    AlreadyQueued,
    LocalError,
    MailboxError,
    NotYourQuestion,
    PeerRelayError,
    TooManyOpen,
    TransportError,
    UnknownQuestion,
)
from peer_relay.ids import check_question_id
from peer_relay.ledger import MAX_OPEN_PLANNED, State
from peer_relay.outbox import OutboxEntry, Status
from peer_relay.paths import Kind, Place
from peer_relay.reports import Listing, Reached, ReceivedAnswer, Sent, WaitingQuestion
from peer_relay.standing import read_standing
from peer_relay.writing import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from peer_relay.checkpoint import Checkpoint
    from peer_relay.clock import Clock
    from peer_relay.delivery import Delivery, OnWait
    from peer_relay.exchanges import Exchange
    from peer_relay.guard.known import KnownSecret
    from peer_relay.ledger import Ledger
    from peer_relay.local_state import LocalState
    from peer_relay.records import Answer
    from peer_relay.standing import Standing
    from peer_relay.store import Store

NEWEST_READ = 20
HISTORY_TIMES = 30
"""How many times the time limit of a call may be spent on fetching the whole history."""


class Relay(Decisions):
    """One peer in one room.

    Args:
        me: this peer's id.
        room_id: the room's.
        store: the mailbox.
        state: what this machine keeps.
        delivery: the way between the two.
        clock: for times and ids.
        timeout_s: how long one call may take, in seconds.
        near: whether the mailbox is at a path of this machine, where looking costs nobody anything.
        on_wait: told why a record waits for the turn of the next push, before it does, whatever its time limit is.
            Without it nothing waits for that: the record is queued, and `held_back_s` says for how long.
        known_secrets: gives what this machine knows to be secret, when a record is written.
    """

    def __init__(
        self,
        *,
        me: str,
        room_id: str,
        store: Store,
        state: LocalState,
        delivery: Delivery,
        clock: Clock,
        timeout_s: float,
        near: bool = False,
        on_wait: OnWait | None = None,
        known_secrets: Callable[[], Iterable[KnownSecret]] = tuple,
    ) -> None:
        self.me = me
        self.near = near
        self.folder = state.folder
        self._store = store
        super().__init__(state)
        self._delivery = delivery
        self._clock = clock
        self._timeout_s = timeout_s
        self._on_wait = on_wait
        self._waited_s = 0.0
        self._contacts = Contacts(store, state, delivery)
        self._writer = Writer(me, room_id, clock, known_secrets)

    def having_waited(self, waited_s: float) -> Relay:
        """Return the same relay for a call that has waited already, which counts towards its time limit."""
        relay = copy(self)
        relay._waited_s = waited_s  # noqa: SLF001 - it is another one of this class
        return relay

    # -- writing ------------------------------------------------------------------------------------------------------

    def ask(self, question: str, context_hint: str | None = None, *, allow_secret: bool = False) -> Sent:
        """Ask the other peer.

        Raises:
            InvalidRecord, SecretFound, TooManyOpen, ClockUnusable: the question cannot be asked; nothing is left
                behind.
            MailboxError, TransportError: the room was never reached from this machine and cannot be entered.
            StateUnusable: this machine cannot keep it.
        """
        deadline = self._deadline()
        record, notes = self._writer.question(question, context_hint, allow_secret=allow_secret)
        known = self._enter(deadline)
        self._check_room_for_question(known, deadline)
        place = Place(record.id, self.me, Kind.QUESTION)
        entry = self._state.outbox.accept(place, record, self.me, known.snapshot.tip if known else None)
        try:
            # After its outbox file: a crash in between leaves a question without this file, whose answer counts as
            # unread all the same when it arrives. The other way round it would be looked for in vain for ever.
            self._state.asked.add(record.id)
        except PeerRelayError:
            if self._state.outbox.take_back(entry):
                raise  # otherwise it is on its way, as after a crash in between
        reached(CrashPoint.ASKED)
        return self._send(entry, deadline, notes)

    def answer(self, question_id: str, answer: str, sources: Sequence[str] = (), *, allow_secret: bool = False) -> Sent:
        """Answer a question of the other peer.

        Raises:
            InvalidRecord, SecretFound, UnknownQuestion, OwnQuestion, AlreadyAnswered, AlreadyQueued, ClockUnusable:
                the answer cannot be given; nothing is left behind.
            MailboxError, TransportError: whether the question is open is not known here and could not be found out.
            StateUnusable: this machine cannot keep it.
        """
        deadline = self._deadline()
        record, notes = self._writer.answer(question_id, answer, sources, allow_secret=allow_secret)
        if question_id in self._answers_on_their_way():
            raise AlreadyQueued(question_id=question_id)
        known = self._state.load()
        if known is None or known.snapshot.ledger.state_of(question_id) is State.ABSENT:
            known = self._contacts.look(deadline)
        ledger = known.snapshot.ledger
        self._delivery.check_peer(ledger)
        ledger.check_answerable(question_id, self.me)
        place = Place(question_id, ledger.other(self.me), Kind.ANSWER)
        entry = self._state.outbox.accept(place, record, self.me, known.snapshot.tip)
        return self._send(entry, deadline, notes)

    def deliver(self) -> bool:
        """Try to take the outbox to the mailbox once; return whether nothing is left that could go out by itself."""
        self._delivery.flush(self._deadline())
        return self.pending() == 0

    def pending(self) -> int:
        """Return how many records wait on this machine and go out by themselves."""
        return sum(entry.status is Status.QUEUED for entry in self._state.outbox.entries())

    def held_back_s(self) -> float:
        """Return how long it is until this machine may push again, in seconds."""
        return self._delivery.held_back_s()

    # -- reading ------------------------------------------------------------------------------------------------------

    def questions(self) -> Listing[WaitingQuestion]:
        """Return the other peer's questions that wait for an answer from here.

        Raises:
            MailboxError, TransportError, LocalError: nothing is known of the room yet, and nothing could be learnt.
        """
        deadline = self._deadline()
        contact = self._contacts.make(deadline)
        ledger = contact.known.snapshot.ledger
        going = self._answers_on_their_way()
        waiting = [i for i in ledger.open_of(ledger.other(self.me)) if i not in going]
        found, contact = self._contacts.read(contact, waiting, deadline)
        asked = (exchange.question for exchange in found)
        items = (WaitingQuestion(each.id, each.question, each.context_hint, each.asked_at) for each in asked)
        return Listing(tuple(items), self._contacts.notes(contact), contact.stale, contact.unread)

    def answers(self, *, include_read: bool = False, question_id: str | None = None) -> Listing[ReceivedAnswer]:
        """Return the unread answers to this peer's questions.

        Args:
            include_read: also the newest 20 answers at the tip, read or not.
            question_id: instead, the one answer to this question, read or not.

        Raises:
            InvalidRecord, UnknownQuestion, NotYourQuestion: about `question_id`.
            MailboxError, TransportError, LocalError: nothing is known of the room yet, and nothing could be learnt.
        """
        deadline = self._deadline()
        if question_id is not None:
            check_question_id(question_id)
        contact = self._contacts.make(deadline)
        ledger = contact.known.snapshot.ledger
        wanted = self._unread(ledger) if question_id is None else [question_id]
        if include_read and question_id is None:
            mine = sorted(i for i, asker in ledger.answered.items() if asker == self.me)
            wanted = sorted({*wanted, *mine[-NEWEST_READ:]})
        found, contact = self._contacts.read(contact, wanted, deadline)
        more = () if question_id is None else self._check_own(question_id, found, contact)
        items = (self._received(each, each.answer) for each in found if each.answer is not None)
        return Listing(tuple(items), (*more, *self._contacts.notes(contact)), contact.stale, contact.unread)

    def mark_shown(self, question_ids: Iterable[str]) -> None:
        """Remember that answers are being handed out, so that they can be told apart should they be shown again."""
        waiting = set(self._state.asked.ids())
        self._state.asked.mark_shown(question_id for question_id in question_ids if question_id in waiting)

    def mark_read(self, question_ids: Iterable[str]) -> None:
        """Count answers as read from now on."""
        self._state.asked.remove(question_ids)

    def exchanges(self, *, whole_history: bool = False) -> Listing[Exchange]:
        """Return the room's exchanges, oldest first.

        Args:
            whole_history: fetch and read the whole history instead of what the tip holds.

        Raises:
            MailboxError, TransportError, LocalError: nothing is known of the room yet, and nothing could be learnt.
        """
        deadline = self._deadline(HISTORY_TIMES if whole_history else 1)
        contact = self._contacts.make(deadline)
        if whole_history:
            found = self._contacts.read_everything(contact, deadline)
        else:
            ledger = contact.known.snapshot.ledger
            found, contact = self._contacts.read(contact, sorted({*ledger.open, *ledger.answered}), deadline)
        return Listing(tuple(found), self._contacts.notes(contact), contact.stale, contact.unread)

    def exchange(self, question_id: str) -> Listing[Exchange]:
        """Return one exchange, whichever peer asked; no item if it could not be read, and `stale` says why.

        Raises:
            InvalidRecord, UnknownQuestion: about the id.
            MailboxError, TransportError, LocalError: nothing is known of the room yet, and nothing could be learnt.
        """
        check_question_id(question_id)
        deadline = self._deadline()
        found, contact = self._contacts.read(self._contacts.make(deadline), [question_id], deadline)
        if not found and contact.stale is None:
            raise UnknownQuestion(question_id=question_id)
        return Listing(tuple(found), self._contacts.notes(contact), contact.stale, contact.unread)

    def reach(self) -> Reached:
        """Look at the mailbox and deliver what waits, without reading anything; `standing` tells what is there.

        Raises:
            MailboxError, TransportError, LocalError: nothing is known of the room yet, and nothing could be learnt.
        """
        contact = self._contacts.make(self._deadline())
        return Reached(self._contacts.notes(contact), contact.stale, contact.blocked)

    def refresh(self) -> PeerRelayError | None:
        """Do as `reach` does, where nobody reads notes: one that is given once waits for somebody who does.

        Returns:
            Why nothing newer is known, or None.
        """
        return self._contacts.make(self._deadline()).stale

    def standing(self) -> Standing:
        """Return how things stand as far as this machine knows, without any contact."""
        return read_standing(self._state.folder, self.me)

    def close(self) -> None:
        """Give back connections and processes, and begin nothing more; may be called from another thread."""
        self._state.close()
        self._store.close()

    # -- parts --------------------------------------------------------------------------------------------------------

    def _deadline(self, times: int = 1) -> Deadline:
        return Deadline(self._timeout_s * times, self._clock.monotonic, spent_s=self._waited_s)

    def _enter(self, deadline: Deadline) -> Checkpoint | None:
        """Return what is known of the room; on first contact, only an unreachable mailbox is no obstacle to asking."""
        known = self._state.load()
        if known is None:
            try:
                known = self._contacts.look(deadline)
            except PeerRelayError as error:
                if not error.retryable:
                    raise
                return None
        self._delivery.check_peer(known.snapshot.ledger)
        return known

    def _check_room_for_question(self, known: Checkpoint | None, deadline: Deadline) -> None:
        """Check the limit of open questions; what is known may be old, so only a new look says that it is reached."""
        if self._taken(known) >= MAX_OPEN_PLANNED:
            with contextlib.suppress(PeerRelayError):
                known = self._contacts.look(deadline)
            if self._taken(known) >= MAX_OPEN_PLANNED:
                raise TooManyOpen(limit=MAX_OPEN_PLANNED)

    def _taken(self, known: Checkpoint | None) -> int:
        taken = {entry.place.question_id for entry in self._on_their_way(Kind.QUESTION)}
        return len(taken.union(known.snapshot.ledger.open_of(self.me) if known else ()))

    def _send(self, entry: OutboxEntry, deadline: Deadline, notes: Sequence[str]) -> Sent:
        flushed = self._delivery.flush(deadline, entry, self._on_wait)
        delivered, blocked = entry.name in flushed.delivered, flushed.blocked
        if not delivered:
            try:
                delivered = self._settled_elsewhere(entry, deadline)
            except (MailboxError, TransportError, LocalError) as error:
                blocked = error  # `queued` then: whoever hears that does not send it again, wherever it is
        notes = (*notes, *self._notes(blocked, entry if delivered else None))
        return Sent(entry.place.question_id, delivered, notes, None if delivered else blocked)

    def _notes(self, blocked: PeerRelayError | None, sent: OutboxEntry | None) -> tuple[str, ...]:
        """Return what there is to say beside a record that was accepted, which no failure here can change any more."""
        try:
            known = self._state.load()
            if known is None:
                return self._contacts.outbox_notes(blocked, sent)
            return self._contacts.notes(Contact(known, None, blocked), sent)
        except LocalError as error:
            return (str(error),)

    def _settled_elsewhere(self, entry: OutboxEntry, deadline: Deadline) -> bool:
        """Return whether another thread or process took an entry of ours to the mailbox.

        That the entry is gone says only that it was settled, one way or the other: the mailbox says which (I3).

        Raises:
            AlreadyAnswered: it came second.
            UnknownQuestion: a person dropped it.
            MailboxError, TransportError, LocalError: it was settled, and which way could not be read.
        """
        current = self._state.outbox.current(entry)
        if current is None:
            self._contacts.check_stored(entry, deadline)
            return True
        if current.status is Status.SECOND:
            self._state.outbox.remove(current)
            raise AlreadyAnswered(question_id=entry.place.question_id)
        return False

    def _on_their_way(self, kind: Kind) -> list[OutboxEntry]:
        return [entry for entry in self._state.outbox.waiting() if entry.place.kind is kind]

    def _answers_on_their_way(self) -> set[str]:
        return {entry.place.question_id for entry in self._on_their_way(Kind.ANSWER)}

    def _unread(self, ledger: Ledger) -> list[str]:
        """Return the questions whose answer is waited for and may be there: at the tip, or archived."""
        unanswered = {*ledger.open, *(entry.place.question_id for entry in self._on_their_way(Kind.QUESTION))}
        return [question_id for question_id in self._state.asked.ids() if question_id not in unanswered]

    def _received(self, exchange: Exchange, answer: Answer) -> ReceivedAnswer:
        question_id = exchange.question.id
        return ReceivedAnswer(
            question_id=question_id,
            question=exchange.question.question,
            answer=answer.answer,
            sources=answer.sources,
            answered_at=answer.answered_at,
            shown_before=self._state.asked.was_shown(question_id),
        )

    def _check_own(self, question_id: str, found: Sequence[Exchange], contact: Contact) -> tuple[str, ...]:
        """Check that a question is one of this peer's, and return the note if its answer is not there yet."""
        if not found:
            on_its_way = {entry.place.question_id for entry in self._on_their_way(Kind.QUESTION)}
            damaged = self._state.outbox.damaged_places()  # which a note names
            if question_id in on_its_way.union(each.question_id for each in damaged) or contact.stale is not None:
                return ()
            raise UnknownQuestion(question_id=question_id)
        if found[0].question.asker_id != self.me:
            raise NotYourQuestion(question_id=question_id)
        return () if found[0].answer else (f"Question {question_id} has no answer yet.",)
