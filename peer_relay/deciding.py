"""What a person decides about records that do not go out by themselves: the mailbox refuses them, or they are damaged.

Nothing of that kind is ever thrown away, sent or changed by the program alone.
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING

from peer_relay.errors import PeerRelayError, UnknownQuestion
from peer_relay.outbox import DamagedFile, OutboxEntry, Status
from peer_relay.paths import Kind

if TYPE_CHECKING:
    from peer_relay.exchanges import Exchange
    from peer_relay.local_state import LocalState
    from peer_relay.reports import Listing


class Decisions(ABC):
    """The part of the relay that carries them out.

    Args:
        state: what this machine keeps.
    """

    def __init__(self, state: LocalState) -> None:
        self._state = state

    @abstractmethod
    def exchange(self, question_id: str) -> Listing[Exchange]:
        """Return one exchange, whichever peer asked.

        Raises:
            UnknownQuestion: it is nowhere in the mailbox.
        """

    def outbox(self) -> tuple[OutboxEntry, ...]:
        """Return what waits on this machine: queued, or set aside."""
        return self._state.outbox.waiting()

    def retry(self, question_id: str) -> None:
        """Queue a record again that was set aside.

        Raises:
            UnknownQuestion: no such record was set aside.
        """
        entry = self._state.outbox.set_aside(question_id)
        self._state.outbox.save(replace(entry, status=Status.QUEUED, words=""))

    def drop(self, question_id: str) -> None:
        """Give up a record that was set aside.

        Raises:
            UnknownQuestion: no such record was set aside.
        """
        entry = self._state.outbox.set_aside(question_id)
        if entry.place.kind is Kind.QUESTION:
            self._state.asked.remove([question_id])
        self._state.outbox.remove(entry)

    def damaged(self) -> tuple[DamagedFile, ...]:
        """Return what can be made out of the damaged files of the outbox."""
        return tuple(map(self._state.outbox.look_at, self._state.outbox.damaged()))

    def drop_damaged(self, name: str) -> bool:
        """Remove a damaged file of the outbox, and return whether there was one of that name.

        If it held a question that is not in the mailbox, its answer is waited for no longer. It may well be there: a
        record stays in the outbox until it is known to be.

        Raises:
            StateUnusable: it cannot be removed.
        """
        lost = [each for each in self._state.outbox.damaged_places([name]) if each.kind is Kind.QUESTION]
        dropped = self._state.outbox.drop_damaged(name)
        for place in lost if dropped else ():
            with contextlib.suppress(PeerRelayError):
                try:
                    self.exchange(place.question_id)
                except UnknownQuestion:
                    self._state.asked.remove([place.question_id])
        return dropped
