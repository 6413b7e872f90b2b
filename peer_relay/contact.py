"""One try to reach the room: what is known after it, reading that, and the sentences that go with it.

What is known is served even when the mailbox cannot be reached or holds something that is refused.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from peer_relay.errors import PeerRelayError
from peer_relay.exchanges import Exchange, Whereabouts, at_tip, everywhere, find_archived, read_exchanges
from peer_relay.notes import second_notes, stale_note, state_notes
from peer_relay.outbox import Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from peer_relay.checkpoint import Checkpoint
    from peer_relay.deadline import Deadline
    from peer_relay.delivery import Delivery
    from peer_relay.local_state import LocalState
    from peer_relay.store import Snapshot, Store


@dataclass(frozen=True)
class Contact:
    """What is known of the room after trying to reach it.

    Attributes:
        known: the newest checkpoint.
        stale: why nothing newer is known, if the mailbox was not reached or could not be read.
        blocked: why the outbox could not be delivered, if it was tried.
    """

    known: Checkpoint
    stale: PeerRelayError | None
    blocked: PeerRelayError | None


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
        self._archived: dict[str, Whereabouts | None] = {}

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
            try:
                self._delivery.flush(deadline)
            except PeerRelayError as error:
                blocked = error
            known = self._state.load() or known
        return Contact(known, stale, blocked)

    def read(self, contact: Contact, ids: Sequence[str], deadline: Deadline) -> tuple[list[Exchange], Contact]:
        """Read exchanges at the tip, or in history if they were archived; what is nowhere is left out.

        Returns:
            What could be read, in the order of `ids`, and the contact with the reason if something could not.
        """
        snapshot, found = contact.known.snapshot, dict[str, Exchange]()
        try:
            with self._state.locked(deadline):
                self._read_into(found, snapshot, [i for i in ids if at_tip(snapshot, i)], deadline)
                archived = [i for i in ids if i not in found]
                unknown = [i for i in archived if i not in self._archived]
                looked_up = find_archived(self._store, snapshot, unknown, deadline)
                self._archived.update({question_id: looked_up.get(question_id) for question_id in unknown})
                self._read_into(found, snapshot, archived, deadline)
        except PeerRelayError as error:
            contact = replace(contact, stale=contact.stale or error)
        return [found[question_id] for question_id in ids if question_id in found], contact

    def read_everything(self, contact: Contact, deadline: Deadline) -> tuple[list[Exchange], Contact]:
        """Read every exchange of the room's whole history, in the order in which the questions were asked.

        Raises:
            MailboxError, TransportError, LocalError: the history could not be fetched.
        """
        with self._state.locked(deadline):
            everything = everywhere(self._store, contact.known.snapshot, deadline)
        self._archived.update(everything)
        return self.read(contact, list(everything), deadline)

    def notes(self, contact: Contact) -> tuple[str, ...]:
        """Return the sentences that go with a result; answers that came second are reported once."""
        notes = []
        if contact.stale is not None:
            notes.append(stale_note(contact.known, contact.stale))
        if contact.known.refusal is not None:
            notes.append(str(contact.known.refusal.error))
        return (*notes, *self.outbox_notes(contact.blocked))

    def outbox_notes(self, blocked: PeerRelayError | None) -> tuple[str, ...]:
        """Return what there is to say of the outbox; answers that came second are reported once."""
        entries = self._state.outbox.entries()
        notes = [*state_notes(entries, self._state.outbox.damaged(), blocked), *second_notes(entries)]
        for entry in entries:
            if entry.status is Status.SECOND:
                self._state.outbox.remove(entry)
        return tuple(notes)

    def _read_into(
        self, found: dict[str, Exchange], snapshot: Snapshot, ids: Iterable[str], deadline: Deadline
    ) -> None:
        places = ((i, at_tip(snapshot, i) or self._archived.get(i)) for i in ids)
        known = {question_id: where for question_id, where in places if where is not None}
        found.update(read_exchanges(self._store, known, snapshot.ledger, deadline))
