"""What waits in a room, as sentences of fact: how many, from whom, how old, and which ids.

1. No word that a peer wrote is in them, and nothing that tells anybody to do something: agents read them.
2. They say what this machine knows. To make them, nobody is contacted and nothing is marked as read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from peer_relay.amounts import counted, length_of
from peer_relay.ids import ulid_ms

if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Self

    from peer_relay.standing import Standing

QUESTIONS, ANSWERS = "questions", "answers"
KINDS = (QUESTIONS, ANSWERS)
_NAMED = 5
"""How many answers are named by their ids."""


class News(NamedTuple):
    """What waits for somebody on this side.

    Attributes:
        other: the other peer's id, or None if it is not known yet.
        questions: ids of its questions that wait for an answer from here, oldest first.
        answers: ids of this side's questions whose answer was not read yet, oldest first.
    """

    other: str | None
    questions: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()

    @classmethod
    def of(cls, standing: Standing, kinds: Collection[str] = KINDS) -> Self:
        """Return what waits as things stand.

        Args:
            standing: how they do.
            kinds: of `KINDS`, those that matter.
        """
        return cls(
            standing.other,
            standing.waiting if QUESTIONS in kinds else (),
            standing.unread if ANSWERS in kinds else (),
        )

    @property
    def ids(self) -> frozenset[str]:
        """The ids of all that waits. A question of one side is never one of the other's, so an id says which it is."""
        return frozenset((*self.questions, *self.answers))

    def among(self, ids: Collection[str]) -> Self:
        """Return what of it has one of these ids."""
        kept = (tuple(each for each in kind if each in ids) for kind in (self.questions, self.answers))
        return type(self)(self.other, *kept)

    def sentences(self, now_ms: int) -> list[str]:
        """Return a sentence for each kind of which there is something.

        Args:
            now_ms: the time, in milliseconds since 1970.
        """
        return [*self._about_questions(now_ms), *self._about_answers()]

    def _about_questions(self, now_ms: int) -> list[str]:
        if not self.questions:
            return []
        verb, which = ("is", "") if len(self.questions) == 1 else ("are", "the oldest ")
        age = length_of((now_ms - ulid_ms(self.questions[0])) / 1000)
        asked = f"{counted(len(self.questions), 'question')} from {self._from}"
        return [f"{asked} {verb} waiting in peer-relay ({which}for {age})."]

    def _about_answers(self) -> list[str]:
        if not self.answers:
            return []
        more = len(self.answers) - _NAMED
        rest = f" and {more:,} more" if more > 0 else ""
        which, verb = ("question", "has") if len(self.answers) == 1 else ("questions", "have")
        given = f"{counted(len(self.answers), 'answer')} from {self._from} to your {which}"
        return [f"{given} {', '.join(self.answers[:_NAMED])}{rest} {verb} arrived in peer-relay."]

    @property
    def _from(self) -> str:
        return self.other or "the other peer"
