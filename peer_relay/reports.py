"""What the relay reports to the faces: plain values, whose notes are whole sentences that may be shown as they are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from peer_relay.errors import PeerRelayError

T = TypeVar("T")


@dataclass(frozen=True)
class Sent:
    """What became of a question or an answer.

    Attributes:
        question_id: the id of the exchange.
        delivered: True if it is in the mailbox, False if it is queued on this machine.
        notes: whole sentences.
        blocked: why it is not in the mailbox yet, if it is known; the notes say the same.
    """

    question_id: str
    delivered: bool
    notes: tuple[str, ...]
    blocked: PeerRelayError | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Reached:
    """What became of a try to reach the mailbox.

    Attributes:
        notes: whole sentences.
        stale: why nothing newer is known, or None if the mailbox was reached.
        blocked: why what is queued could not go out, or None.
    """

    notes: tuple[str, ...]
    stale: PeerRelayError | None = field(default=None, compare=False)
    blocked: PeerRelayError | None = field(default=None, compare=False)


@dataclass(frozen=True)
class WaitingQuestion:
    """A question of the other peer that has no answer yet."""

    question_id: str
    question: str
    context_hint: str | None
    asked_at: str


@dataclass(frozen=True)
class ReceivedAnswer:
    """An answer to a question of this peer; `shown_before` if it may have been handed out already."""

    question_id: str
    question: str
    answer: str
    sources: tuple[str, ...]
    answered_at: str
    shown_before: bool


@dataclass(frozen=True)
class Listing(Generic[T]):
    """Items, oldest first.

    Attributes:
        items: what was asked for.
        notes: whole sentences.
        stale: why the items are only what was known from before, or None; the notes say the same.
        missing: how many more there may be that could not be read now, so that nobody says of no item that there is
            none.
    """

    items: tuple[T, ...]
    notes: tuple[str, ...]
    stale: PeerRelayError | None = field(default=None, compare=False)
    missing: int = 0
