"""Putting a room's branch back to the newest verified commit: what a look found, what that would do, and doing it (I6).

1. The mailbox is looked at afresh, and nothing is done before a person has agreed to what was found.
2. What is done then is what was agreed to: if this machine knows something else by then, or the branch is elsewhere,
   nothing is changed. The lease is on exactly the tip that was refused.
3. While the person thinks, no lock is held.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from peer_relay import app
from peer_relay.checkpoint import Checkpoint
from peer_relay.deadline import Deadline
from peer_relay.delivery import Delivery
from peer_relay.errors import Moved, OutcomeUnknown
from peer_relay.relay import HISTORY_TIMES
from peer_relay.store import Beyond

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from peer_relay.clock import Clock
    from peer_relay.config import RelayConfig
    from peer_relay.delivery import Flushed
    from peer_relay.git.observed import Observer
    from peer_relay.local_state import LocalState
    from peer_relay.store import Refusal, Snapshot, Store


@dataclass(frozen=True)
class Found:
    """What a look at the mailbox found.

    Attributes:
        snapshot: the newest verified commit, to which the branch would be put back.
        refusal: why the branch is not accepted as it is; None if there is nothing to restore.
        beyond: what would leave the branch.
    """

    snapshot: Snapshot
    refusal: Refusal | None
    beyond: Beyond


class Restoration:
    """One room whose branch may have to be put back.

    Args:
        store: the mailbox.
        state: what this machine keeps.
        delivery: the way between the two.
        clock: for deadlines and the time of contact.
        timeout_s: how long a look may take, in seconds. Putting back may take as long as fetching a whole history.
    """

    def __init__(self, store: Store, state: LocalState, delivery: Delivery, clock: Clock, timeout_s: float) -> None:
        self._store = store
        self._state = state
        self._delivery = delivery
        self._clock = clock
        self._timeout_s = timeout_s

    @property
    def remote(self) -> str:
        """The mailbox's address as it may be shown."""
        return self._store.remote

    def look(self) -> Found:
        """Look at the mailbox, and at what is there in the place of what was verified.

        Raises:
            MailboxError: nothing was verified here before, and the room cannot be entered.
            CopyIncomplete: this machine's copy cannot be read.
            Moved: the branch was moved meanwhile.
            TransportError, LocalError: the mailbox or this machine's state could not be used.
        """
        deadline = self._deadline()
        with self._state.locked(deadline):
            known = self._delivery.look(deadline, afresh=True)
            if known.refusal is None:
                return Found(known.snapshot, None, Beyond())
            beyond = self._store.beyond(known.snapshot, known.refusal, deadline)
        return Found(known.snapshot, known.refusal, beyond)

    def carry_out(self, found: Found) -> Flushed:
        """Put the branch back, and deliver what waits on this machine.

        Args:
            found: what a person agreed to; with a refusal.

        Returns:
            What became of the outbox.

        Raises:
            Moved: the branch or what this machine knows of it is another by now; nothing was changed.
            CopyIncomplete: the mailbox lacks something that this machine's copy lacks, too.
            PushRefused, OutcomeUnknown, TransportError, LocalError: the branch was not put back, as far as is known.
        """
        deadline = self._deadline(HISTORY_TIMES)
        with self._state.locked(deadline):
            refusal = self._agreed(found)
            try:
                self._store.restore(found.snapshot, refusal, deadline)
            except OutcomeUnknown:
                if self._delivery.look(self._deadline()).refusal is not None:
                    raise
            else:
                self._state.save(Checkpoint(found.snapshot, None, self._clock.observed_ms()))
        return self._delivery.flush(self._deadline())

    def close(self) -> None:
        """Give back connections and processes."""
        self._store.close()

    def _agreed(self, found: Found) -> Refusal:
        """Return the refusal that the person saw, if it still stands.

        Raises:
            Moved: it does not.
        """
        known = self._state.load()
        if (
            known is None
            or known.refusal is None
            or found.refusal is None
            or (known.snapshot.tip, known.refusal.tip) != (found.snapshot.tip, found.refusal.tip)
        ):
            raise Moved(remote=self.remote)
        return found.refusal

    def _deadline(self, times: int = 1) -> Deadline:
        return Deadline(self._timeout_s * times, self._clock.monotonic)


@contextlib.contextmanager
def open_restoration(
    config: RelayConfig, environ: Mapping[str, str], observer: Observer | None = None
) -> Iterator[Restoration]:
    """Give what puts a room's branch back, and close it afterwards.

    Args:
        config: which room, and who.
        environ: the environment, for credentials, proxies and ssh.
        observer: told of every operation on the mailbox.

    Raises:
        InvalidToken, InvalidRemote, InvalidSetting: found without any contact.
    """
    parts = app.assemble(config, environ, observer)
    delivery = Delivery(parts.store, parts.state, config.peer_id, parts.clock)
    with contextlib.closing(Restoration(parts.store, parts.state, delivery, parts.clock, config.timeout_s)) as made:
        yield made
