"""The rules of a room: what it holds at its tip, what may come next, and what is planned when somebody writes.

1. Pure: no git, no time, no disk. A `Ledger` is a value; `apply` and `plan_*` return new ones or raise and change
   nothing.
2. The state is determined by names alone: built from the names at the tip, or by applying one step after the other,
   it is the same.
3. Acceptance is a function of the state and the step alone; nothing is refused for history that a shallow clone
   lacks (I3).
4. Every legal change is one row of `TRANSITIONS`, one archive step (I1), and nothing else.

Archiving: when 512 exchanges at the tip are answered, the only step that may follow is the archive step, which takes
all but the newest 256 of them (by id) off the tip. Until then each id goes one way:

    at the tip   question   answer
    absent       open       refused
    open         refused    answered
    answered     refused    refused
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING

from peer_relay.commits import ARCHIVED_PER_COMMIT
from peer_relay.errors import AlreadyAnswered, AlreadyAsked, IllegalStep, OwnQuestion, TooManyOpen, UnknownQuestion
from peer_relay.paths import ROOM_FILE, Kind, Place, parse_path
from peer_relay.records import Answer, Question

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from peer_relay.records import Room

ARCHIVE_AT = 512
ARCHIVE_KEEP = ARCHIVE_AT - ARCHIVED_PER_COMMIT
MAX_OPEN_PLANNED = 100
MAX_OPEN_ACCEPTED = 1_000


class State(Enum):
    """What the tip says of one question id."""

    ABSENT = "absent"
    OPEN = "open"
    ANSWERED = "answered"


TRANSITIONS: Mapping[tuple[State, Kind], State] = {
    (State.ABSENT, Kind.QUESTION): State.OPEN,
    (State.OPEN, Kind.ANSWER): State.ANSWERED,
}
"""Which record may follow which state of its id; a pair that is not here is refused."""

_REFUSALS: Mapping[tuple[State, Kind], str] = {
    (State.OPEN, Kind.QUESTION): "it adds a question whose id is at the tip already",
    (State.ANSWERED, Kind.QUESTION): "it adds a question whose id is at the tip already",
    (State.ABSENT, Kind.ANSWER): "it answers a question that is not open",
    (State.ANSWERED, Kind.ANSWER): "it answers a question that is answered already",
}

_MODELS: Mapping[Kind, type[Question | Answer]] = {Kind.QUESTION: Question, Kind.ANSWER: Answer}


@dataclass(frozen=True)
class Add:
    """The step that adds one record.

    Attributes:
        place: where it is stored.
        record: the record itself.
        author: the peer that writes it.
    """

    place: Place
    record: Question | Answer
    author: str


@dataclass(frozen=True)
class Archive:
    """The step that takes answered exchanges off the tip.

    Attributes:
        places: every question and answer that goes, in the order of ids.
    """

    places: tuple[Place, ...]


Step = Add | Archive


@dataclass(frozen=True)
class Ledger:
    """What a room holds at one commit.

    Attributes:
        room: the room's first record.
        open: asker by id, of the questions without an answer.
        answered: asker by id, of the exchanges at the tip that are complete.
    """

    room: Room
    open: Mapping[str, str] = field(default_factory=dict)
    answered: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_paths(cls, room: Room, paths: Iterable[str]) -> Ledger:
        """Build the state from the names of all files at a tip.

        Raises:
            IllegalStep: no room ever shows this list of names.
        """
        found: dict[Kind, dict[str, str]] = {Kind.QUESTION: {}, Kind.ANSWER: {}}
        for path in paths:
            if path == ROOM_FILE:
                continue
            place = _parse(path, room)
            if place.question_id in found[place.kind]:
                raise IllegalStep(reason="its tip holds one id twice")
            found[place.kind][place.question_id] = place.asker
        questions, answers = found[Kind.QUESTION], found[Kind.ANSWER]
        if not answers.items() <= questions.items():
            raise IllegalStep(reason="its tip holds an answer without its question")
        return _checked(cls(room, {i: asker for i, asker in questions.items() if i not in answers}, answers))

    def state_of(self, question_id: str) -> State:
        """Return what the tip says of an id."""
        if question_id in self.open:
            return State.OPEN
        return State.ANSWERED if question_id in self.answered else State.ABSENT

    def asker_of(self, question_id: str) -> str | None:
        """Return the peer that asked a question at the tip, or None."""
        return self.open.get(question_id) or self.answered.get(question_id)

    def open_of(self, asker: str) -> list[str]:
        """Return the ids of one peer's open questions, oldest first."""
        return sorted(question_id for question_id, by in self.open.items() if by == asker)

    def other(self, peer: str) -> str:
        """Return the room's other peer."""
        first, second = self.room.peers
        return second if peer == first else first

    def author_at(self, place: Place) -> str:
        """Return the peer that may write at a place: the asker its question, the other peer the answer."""
        return place.asker if place.kind is Kind.QUESTION else self.other(place.asker)

    def check_record(self, place: Place, record: Question | Answer) -> None:
        """Check that a record belongs where it is stored, whatever else the room holds.

        Raises:
            IllegalStep: it is of another peer, kind, id or room than its place says.
        """
        if place.asker not in self.room.peers:
            raise IllegalStep(reason="it is stored under a peer that is not of this room")
        if not isinstance(record, _MODELS[place.kind]) or record.id != place.question_id:
            raise IllegalStep(reason="its record is another one than its file name says")
        if isinstance(record, Question) and record.asker_id != place.asker:
            raise IllegalStep(reason="its question was asked by another peer than its folder says")
        if record.room != self.room.room:
            raise IllegalStep(reason="its record belongs to another room")

    @property
    def archive_due(self) -> bool:
        """Whether the only step that may follow is the archive step."""
        return len(self.answered) >= ARCHIVE_AT

    def archive(self) -> Archive:
        """Return the archive step of this state: all but the newest answered exchanges, by id."""
        going = sorted(self.answered)[: len(self.answered) - ARCHIVE_KEEP]
        return Archive(tuple(Place(i, self.answered[i], kind) for i in going for kind in (Kind.QUESTION, Kind.ANSWER)))

    def apply(self, step: Step) -> Ledger:
        """Return the state after a step.

        Raises:
            IllegalStep: the step may not follow this state; its reason is a clause about the commit.
        """
        if isinstance(step, Archive):
            return self._apply_archive(step)
        if self.archive_due:
            raise IllegalStep(reason="it adds a record where the archive commit is due")
        place = step.place
        self.check_record(place, step.record)
        if step.author != self.author_at(place):
            raise IllegalStep(reason="its author is not the peer whose record it adds")
        before = self.state_of(place.question_id)
        after = TRANSITIONS.get((before, place.kind))
        if after is None:
            raise IllegalStep(reason=_REFUSALS[before, place.kind])
        if place.kind is Kind.ANSWER and self.open[place.question_id] != place.asker:
            raise IllegalStep(reason="it stores an answer elsewhere than beside its question")
        return _checked(self._with(place, after))

    def plan_ask(self, question: Question) -> tuple[tuple[Step, ...], Ledger]:
        """Plan a question.

        Returns:
            The steps to publish, in order, and the state after them.

        Raises:
            AlreadyAsked: its id is at the tip.
            TooManyOpen: the peer has 100 open questions.
        """
        if self.state_of(question.id) is not State.ABSENT:
            raise AlreadyAsked(question_id=question.id)
        if len(self.open_of(question.asker_id)) >= MAX_OPEN_PLANNED:
            raise TooManyOpen(limit=MAX_OPEN_PLANNED)
        return self._plan(Add(Place(question.id, question.asker_id, Kind.QUESTION), question, question.asker_id))

    def check_answerable(self, question_id: str, answerer: str) -> None:
        """Check that a peer may answer a question now.

        Raises:
            OwnQuestion: it asked the question itself.
            AlreadyAnswered: the first answer wins, and it is there.
            UnknownQuestion: the question is not at the tip.
        """
        if self.asker_of(question_id) == answerer:
            raise OwnQuestion(question_id=question_id)
        state = self.state_of(question_id)
        if state is State.ANSWERED:
            raise AlreadyAnswered(question_id=question_id)
        if state is State.ABSENT:
            raise UnknownQuestion(question_id=question_id)

    def plan_answer(self, answer: Answer, answerer: str) -> tuple[tuple[Step, ...], Ledger]:
        """Plan an answer.

        Returns:
            The steps to publish, in order, and the state after them.

        Raises:
            OwnQuestion, AlreadyAnswered, UnknownQuestion: as `check_answerable` says.
        """
        self.check_answerable(answer.id, answerer)
        return self._plan(Add(Place(answer.id, self.open[answer.id], Kind.ANSWER), answer, answerer))

    def _plan(self, addition: Add) -> tuple[tuple[Step, ...], Ledger]:
        steps: tuple[Step, ...] = (self.archive(), addition) if self.archive_due else (addition,)
        ledger = self
        for step in steps:
            ledger = ledger.apply(step)
        return steps, ledger

    def _apply_archive(self, step: Archive) -> Ledger:
        if not self.archive_due:
            raise IllegalStep(reason="it archives where no archive commit is due")
        if step != self.archive():
            raise IllegalStep(reason="it archives other exchanges than the rule demands")
        gone = {place.question_id for place in step.places}
        return replace(self, answered={i: by for i, by in self.answered.items() if i not in gone})

    def _with(self, place: Place, state: State) -> Ledger:
        opened, answered = dict(self.open), dict(self.answered)
        opened.pop(place.question_id, None)
        (opened if state is State.OPEN else answered)[place.question_id] = place.asker
        return replace(self, open=opened, answered=answered)


def _checked(ledger: Ledger) -> Ledger:
    """Return a state that is within the limits of acceptance."""
    if len(ledger.answered) > ARCHIVE_AT:
        raise IllegalStep(reason=f"its tip holds more than {ARCHIVE_AT} answered exchanges")
    for peer in ledger.room.peers:
        if sum(asker == peer for asker in ledger.open.values()) > MAX_OPEN_ACCEPTED:
            raise IllegalStep(reason=f"{peer} has more than {MAX_OPEN_ACCEPTED:,} open questions")
    return ledger


def _parse(path: str, room: Room) -> Place:
    try:
        place = parse_path(path)
    except ValueError:
        raise IllegalStep(reason="its tip holds a file that is no record") from None
    if place.asker not in room.peers:
        raise IllegalStep(reason="its tip holds a file of a peer that is not of this room")
    return place
