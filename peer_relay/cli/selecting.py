"""Which exchanges `log` shows: how much of the room has to be read for it, and what is left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from peer_relay.errors import TransportError
from peer_relay.ledger import ARCHIVE_KEEP
from peer_relay.times import parse_ms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from peer_relay.errors import PeerRelayError
    from peer_relay.exchanges import Exchange
    from peer_relay.relay import Relay

NEWEST = 50


@dataclass(frozen=True)
class Wanted:
    """What a person wants to see.

    Attributes:
        whole_history: what was archived, too.
        since_ms: only what was asked or answered from then on, in milliseconds since 1970.
        only_open: only questions without an answer.
        limit: how many at most, or None: all of a history, the newest 50 of anything else.
    """

    whole_history: bool = False
    since_ms: int | None = None
    only_open: bool = False
    limit: int | None = None

    def fits(self, exchange: Exchange) -> bool:
        """Return whether an exchange is to be shown."""
        if self.only_open and exchange.answer is not None:
            return False
        return self.since_ms is None or max(_times(exchange)) >= self.since_ms

    @property
    def most(self) -> int | None:
        """How many are shown at most; None for no limit."""
        return NEWEST if self.limit is None and not self.whole_history else self.limit


@dataclass(frozen=True)
class Selected:
    """What is shown.

    Attributes:
        items: the exchanges, oldest first.
        left_out: how many older ones would fit, too.
        notes: whole sentences.
        stale: why this is not everything, or not the newest.
        missing: how many more there may be that could not be read now.
    """

    items: tuple[Exchange, ...]
    left_out: int
    notes: tuple[str, ...]
    stale: PeerRelayError | None
    missing: int = 0


def select(relay: Relay, wanted: Wanted) -> Selected:
    """Read what is wanted, from the history as well where a part of it may have been archived.

    Raises:
        MailboxError, TransportError, LocalError: as `Relay.exchanges` says.
    """
    # Open questions are never archived.
    listing = relay.exchanges(whole_history=wanted.whole_history and not wanted.only_open)
    items, notes, stale = listing.items, listing.notes, listing.stale
    if not (wanted.whole_history or wanted.only_open) and _some_are_archived(items, wanted.since_ms):
        try:
            again = relay.exchanges(whole_history=True)
        except TransportError as error:
            notes, stale = (*notes, f"{error} Archived exchanges are left out."), stale or error
        else:
            listing, items, stale = again, again.items, again.stale
            notes = tuple(dict.fromkeys((*notes, *again.notes)))
    fitting = [exchange for exchange in items if wanted.fits(exchange)]
    shown = fitting if wanted.most is None else fitting[-wanted.most :]
    return Selected(tuple(shown), len(fitting) - len(shown), notes, stale, listing.missing)


def _some_are_archived(items: Sequence[Exchange], since_ms: int | None) -> bool:
    """Return whether what was answered since a time may have been archived since.

    An archive commit leaves 256 answered exchanges at the tip, and takes away none that is answered later. So if more
    than that many were answered before the time, the last archive commit is older than the time, too.
    """
    if since_ms is None:
        return False
    answered = [parse_ms(each.answer.answered_at) for each in items if each.answer is not None]
    return len(answered) >= ARCHIVE_KEEP >= sum(ms < since_ms for ms in answered)


def _times(exchange: Exchange) -> list[int]:
    """Return when the exchange was asked, and when it was answered, in milliseconds since 1970."""
    answered = [] if exchange.answer is None else [exchange.answer.answered_at]
    return [parse_ms(written) for written in (exchange.question.asked_at, *answered)]
