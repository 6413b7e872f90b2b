"""What the relay reports to the faces: plain values, whose notes are whole sentences that may be shown as they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Sent:
    """What became of a question or an answer.

    Attributes:
        question_id: the id of the exchange.
        delivered: True if it is in the mailbox, False if it is queued on this machine.
        notes: whole sentences.
    """

    question_id: str
    delivered: bool
    notes: tuple[str, ...]


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
    """Items, oldest first, and notes as whole sentences."""

    items: tuple[T, ...]
    notes: tuple[str, ...]
