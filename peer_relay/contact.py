"""One try to reach the room: what is known after it, reading that, and the sentences that go with it.

What is known is served even when the mailbox cannot be reached or holds something that is refused.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from peer_relay.errors import AlreadyAnswered, PeerRelayError, UnknownQuestion
from peer_relay.exchanges import Exchange, Whereabouts, at_tip, everywhere, find_archived, read_exchanges
from peer_relay.ledger import State
from peer_relay.notes import second_notes, stale_note, state_notes
from peer_relay.outbox import Status
from peer_relay.paths import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from peer_relay.checkpoint import Checkpoint
    from peer_relay.deadline import Deadline
    from peer_relay.delivery import Delivery
    from peer_relay.local_state import LocalState
    from peer_relay.outbox import OutboxEntry
    from peer_relay.store import Snapshot, Store

_REMEMBERED = 1_000
"""How many look-ups a process remembers: it may run for months, and each costs one more search at worst."""


@dataclass(frozen=True)
class Contact:
    """What is known of the room after trying to reach it.

    Attributes:
        known: the newest checkpoint.
        stale: why nothing newer is known, if the mailbox was not reached or could not be read.
        blocked: why the outbox could not be delivered, if it was tried.
        unread: how many exchanges are known or waited for, and could not be read.
    """

    known: Checkpoint
    stale: PeerRelayError | None
    blocked: PeerRelayError | None
    unread: int = 0


class Contacts:
    """Makes contact with one room and reads what is known of it.

    Args:
        store: the mailbox.
        state: what this machine keeps.
        delivery: the way between the two.
    """

    def __init__(self, store: Store, state: LocalState, delivery: Delivery) -> None:
        self._store = store
        self._state = state
        self._delivery = delivery
        self._archived: dict[str, Whereabouts] = {}
        self._searched: dict[str, str] = {}

    def look(self, deadline: Deadline) -> Checkpoint:
        """Look at the mailbox once.

        Raises:
            MailboxError, TransportError, LocalError: as `Delivery.look` says.
        """
        with self._state.locked(deadline):
            return self._delivery.look(deadline)

    def make(self, deadline: Deadline) -> Contact:
        """Look at the mailbox, deliver what waits, and fall back on what is known.

        Raises:
            PeerNotInRoom: the room pairs two others.
            MailboxError, TransportError, LocalError: nothing is known yet, and nothing could be learnt.
        """
        stale = blocked = None
        try:
            known = self.look(deadline)
        except PeerRelayError as error:
            stale = error
            saved = self._state.load()
            if saved is None:
                raise
            known = saved
        self._delivery.check_peer(known.snapshot.ledger)
        if stale is None and known.refusal is None:
            blocked = self._delivery.flush(deadline).blocked
            known = self._state.load() or known
        return Contact(known, stale, blocked)

    def read(self, contact: Contact, ids: Sequence[str], deadline: Deadline) -> tuple[list[Exchange], Contact]:
        """Read exchanges at the tip, or in history if they were archived; what is nowhere is left out.

        Returns:
            What could be read, in the order of `ids`, and the contact with the reason if something could not.
        """
        if not ids:
            return [], contact
        snapshot, found = contact.known.snapshot, dict[str, Exchange]()
        try:
            with self._state.locked(deadline):
                there = {i: where for i in ids if (where := at_tip(snapshot, i))}
                found.update(read_exchanges(self._store, there, snapshot.ledger, deadline))
                gone = [i for i in ids if i not in there]
                if len(self._searched) > _REMEMBERED:
                    self._archived.clear()
                    self._searched.clear()
                self._look_up(snapshot, [i for i in gone if i not in self._archived], deadline)
                there = {i: self._archived[i] for i in gone if i in self._archived}
                found.update(read_exchanges(self._store, there, snapshot.ledger, deadline))
        except PeerRelayError as error:
            contact = replace(contact, stale=contact.stale or error, unread=len(set(ids)) - len(found))
        return [found[question_id] for question_id in ids if question_id in found], contact

    def read_everything(self, contact: Contact, deadline: Deadline) -> list[Exchange]:
        """Read every exchange of the room's whole history, in the order in which the questions were asked.

        Raises:
            MailboxError, TransportError, LocalError: the history could not be fetched.
        """
        snapshot = contact.known.snapshot
        with self._state.locked(deadline):
            places = everywhere(self._store, snapshot, deadline)
            # Most are at the tip, where one tree holds many of them.
            there = {i: at_tip(snapshot, i) or where for i, where in places.items()}
            return list(read_exchanges(self._store, there, snapshot.ledger, deadline).values())

    def check_stored(self, entry: OutboxEntry, deadline: Deadline) -> None:
        """Check that the mailbox holds the record of an entry that somebody else took out of the outbox.

        Raises:
            AlreadyAnswered: another answer is in its place.
            UnknownQuestion: the mailbox does not hold it.
            MailboxError, TransportError, LocalError: that could not be read.
        """
        place = entry.place
        known = self._state.load() or self.look(deadline)
        if place.kind is Kind.QUESTION and known.snapshot.ledger.state_of(place.question_id) is not State.ABSENT:
            return  # its id was made for it, so this is the one
        found, contact = self.read(Contact(known, None, None), [place.question_id], deadline)
        stored = [each.answer if place.kind is Kind.ANSWER else each.question for each in found]
        if stored == [entry.record]:
            return
        if contact.stale is not None:
            raise contact.stale
        if stored not in ([], [None]):
            raise AlreadyAnswered(question_id=place.question_id)
        raise UnknownQuestion(question_id=place.question_id)

    def notes(self, contact: Contact, sent: OutboxEntry | None = None) -> tuple[str, ...]:
        """Return the sentences that go with a result; answers that came second are reported once.

        Args:
            contact: what the result is from.
            sent: as for `outbox_notes`.
        """
        notes = []
        if contact.stale is not None:
            notes.append(stale_note(contact.known, contact.stale, contact.unread))
        if contact.known.refusal is not None:
            notes.append(str(contact.known.refusal.error))
        blocked = None if contact.known.refusal else contact.blocked  # which is the same, said once
        return (*notes, *self.outbox_notes(blocked, sent))

    def outbox_notes(self, blocked: PeerRelayError | None, sent: OutboxEntry | None = None) -> tuple[str, ...]:
        """Return what there is to say of the outbox; answers that came second are reported once.

        Args:
            blocked: what stands in the way of what is queued, if so.
            sent: the record of this call, if it is in the mailbox. What was accepted beside it or later is on its way
                by other calls, which have more to say of it.
        """
        entries = self._state.outbox.entries()
        if sent is not None:
            entries = [each for each in entries if each.status is not Status.QUEUED or each.number < sent.number]
        notes = [*state_notes(entries, self._state.outbox.damaged(), blocked), *second_notes(entries)]
        for entry in entries:
            if entry.status is Status.SECOND:
                self._state.outbox.remove(entry)
        return tuple(notes)

    def _look_up(self, snapshot: Snapshot, ids: Iterable[str], deadline: Deadline) -> None:
        """Look for archived exchanges, each only in the history that was not searched for it before."""
        unsearched: dict[str | None, list[str]] = {}
        for question_id in ids:
            unsearched.setdefault(self._searched.get(question_id), []).append(question_id)
        for since, group in unsearched.items():
            self._archived.update(find_archived(self._store, snapshot, group, deadline, since))
            self._searched.update(dict.fromkeys(group, snapshot.tip))
