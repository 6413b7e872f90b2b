"""What has to be true of every run: a history and the mailbox at its end against the promises of the design.

Each rule is one function that yields a sentence for each place where the promise was broken. It is told nothing but
what callers saw, what git holds, and what the machines have left; it knows no code of the product. The rules take it
for granted that the run ended calmly: every fault undone, everything delivered, every answer asked for once more.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from tests.chaos.history import (
    ANSWER,
    ASK,
    CHECK_ANSWERS,
    CHECK_QUESTIONS,
    DELIVERED,
    INVOKED,
    LOST,
    QUEUED,
    REFUSED,
    RETURNED,
    Event,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

_MOST_ANSWERED, _KEPT_ANSWERED = 512, 256


class Stored(NamedTuple):
    """One record as git holds it, in the order of the branch."""

    is_answer: bool
    question_id: str
    author: str
    text: str


@dataclass(frozen=True)
class Left:
    """What a machine has left at the end.

    Attributes:
        queued: texts that are still in its outbox.
        set_aside: texts that were set aside.
        unread: ids of the questions whose answer counts as unread.
    """

    queued: frozenset[str] = frozenset()
    set_aside: frozenset[str] = frozenset()
    unread: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Finding:
    """A broken promise: which rule, and what happened."""

    rule: str
    what: str


@dataclass(frozen=True)
class Run:
    """Everything that is known of a run, sorted for the rules.

    Attributes:
        events: the history.
        stored: the records of the mailbox.
        left: what each machine has left.
    """

    events: Sequence[Event]
    stored: Sequence[Stored]
    left: Mapping[str, Left]
    invoked: dict[int, Event] = field(init=False)
    position: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        """Index the calls by their number and the texts by their place in the branch."""
        object.__setattr__(self, "invoked", {each.call: each for each in self.events if each.phase == INVOKED})
        object.__setattr__(self, "position", {each.text: place for place, each in enumerate(self.stored)})

    def outcomes(self, *phases: str) -> Iterator[Event]:
        """Yield the outcomes of asking and answering that are one of these."""
        return (each for each in self.events if each.kind in (ASK, ANSWER) and each.phase in phases)

    def text(self, outcome: Event) -> str:
        """Return what a call wrote."""
        return self.invoked[outcome.call].text or ""

    def is_beaten(self, text: str, question_id: str | None) -> bool:
        """Return whether another answer is in the place of this one."""
        return any(each.is_answer and each.question_id == question_id and each.text != text for each in self.stored)


# ---------------------------------------------------------------------------------------------------------------------
# Writing


def what_was_delivered_is_there(run: Run) -> Iterator[str]:
    """I4: a record that was reported as delivered is in the mailbox."""
    for each in run.outcomes(DELIVERED):
        if run.text(each) not in run.position:
            yield f"{each.session} was told that {run.text(each)!r} is delivered, and it is lost"


def what_was_queued_arrives(run: Run) -> Iterator[str]:
    """I4: a record that was reported as queued arrives, unless another answer was first."""
    for each in run.outcomes(QUEUED):
        text, question_id = run.text(each), run.invoked[each.call].question_id
        beaten = each.kind == ANSWER and run.is_beaten(text, question_id)
        if text not in run.position and not beaten:
            yield f"{each.session} was told that {text!r} is queued, and it is lost"


def what_was_refused_is_nowhere(run: Run) -> Iterator[str]:
    """A record that was reported as refused is neither in the mailbox nor on its way there."""
    waiting = {text for left in run.left.values() for text in (*left.queued, *left.set_aside)}
    for each in run.outcomes(REFUSED):
        if run.text(each) in run.position or run.text(each) in waiting:
            yield f"{each.session} was told that {run.text(each)!r} is refused ({each.reason}), and it is there"


def nothing_is_there_twice(run: Run) -> Iterator[str]:
    """I3: no record twice, no question with two answers, no answer without its question."""
    for text, count in Counter(each.text for each in run.stored).items():
        if count > 1:
            yield f"{text!r} is in the mailbox {count} times"
    for place, count in Counter((each.is_answer, each.question_id) for each in run.stored).items():
        if count > 1:
            yield f"question {place[1]} has {count} {'answers' if place[0] else 'records'}"
    asked = set()
    for each in run.stored:
        if not each.is_answer:
            asked.add(each.question_id)
        elif each.question_id not in asked:
            yield f"question {each.question_id} was answered before it was asked"


def everything_was_written_by_its_author(run: Run) -> Iterator[str]:
    """Nothing is in the mailbox but what one of the two asked for, under its own name."""
    authors = {each.text: each.peer for each in run.invoked.values() if each.kind in (ASK, ANSWER)}
    for each in run.stored:
        if authors.get(each.text) != each.author:
            yield f"{each.text!r} is in the mailbox as {each.author}'s, who never wrote it"


def nothing_is_stuck(run: Run) -> Iterator[str]:
    """After the calm at the end nothing waits, and nothing was set aside, because nobody refused anything."""
    for machine, left in run.left.items():
        for text in sorted(left.queued):
            yield f"{text!r} is still queued on {machine}"
        for text in sorted(left.set_aside):
            yield f"{text!r} was set aside on {machine}"


def questions_keep_their_order(run: Run) -> Iterator[str]:
    """I5: of two questions of one machine, the one that was accepted before the other was asked is stored before it."""
    furthest: dict[str, tuple[int, str]] = {}
    for each in run.events:
        if each.kind != ASK or run.text(each) not in run.position:
            continue
        place = run.position[run.text(each)]
        latest, text = furthest.get(each.machine, (-1, ""))
        if each.phase == INVOKED and place < latest:
            yield f"{run.text(each)!r} was asked on {each.machine} after {text!r}, and is stored before it"
        if each.phase in (DELIVERED, QUEUED) and place > latest:
            furthest[each.machine] = place, run.text(each)


# ---------------------------------------------------------------------------------------------------------------------
# Reading


def what_is_shown_is_what_was_written(run: Run) -> Iterator[str]:
    """No reader is shown a text that is not, word for word, the one of that question."""
    true = {(each.is_answer, each.question_id): each.text for each in run.stored}
    for each in run.events:
        if each.phase == RETURNED and each.kind in (CHECK_QUESTIONS, CHECK_ANSWERS):
            for question_id, text in each.shown:
                if true.get((each.kind == CHECK_ANSWERS, question_id)) != text:
                    yield f"{each.session} was shown {text!r} for question {question_id}, which nobody wrote there"


def views_are_prefixes_that_grow(run: Run) -> Iterator[str]:
    """What a reader sees is the branch at one moment: none before what its machine saw, or what it can know of.

    A view that says of itself that it is old may lack what was delivered meanwhile, but not what was seen before.
    """
    states = _prefixes(run.stored)
    delivered, seen = -1, dict[str, int]()
    floors: dict[int, tuple[int, int]] = {}
    for each in run.events:
        if each.phase == DELIVERED:
            delivered = max(delivered, run.position.get(run.text(each), -1) + 1)
        if each.phase == INVOKED:
            floors[each.call] = seen.get(each.machine, 0), delivered
        if each.view is None:
            continue
        found = states.get(_state_of(each.view))
        before, known = floors[each.call]
        if found is None:
            yield f"{each.session} was shown a list that the branch never held"
        elif found < before:
            yield f"{each.session} was shown {found} records, after {before} had been shown on its machine"
        elif not each.stale and found < known:
            yield f"{each.session} was shown {found} records, after {known} were delivered, and was not told so"
        seen[each.machine] = max(seen.get(each.machine, 0), found or 0)


def no_question_is_overlooked(run: Run) -> Iterator[str]:
    """A look that does not say that it is old shows every question that was delivered before it and is open."""
    delivered, answering = list[Event](), set[tuple[str, str | None]]()
    at_call: dict[int, int] = {}
    for each in run.events:
        if each.kind == ANSWER and each.phase == INVOKED:
            answering.add((each.peer, each.question_id))
        elif each.kind == ASK and each.phase == DELIVERED:
            delivered.append(each)
        elif each.kind == CHECK_QUESTIONS and each.phase == INVOKED:
            at_call[each.call] = len(delivered)
        elif each.kind == CHECK_QUESTIONS and _is_all_of_now(each):
            shown = {question_id for question_id, _ in each.shown}
            for asked in delivered[: at_call[each.call]]:
                known = asked.question_id in shown or (each.peer, asked.question_id) in answering
                if asked.peer != each.peer and not known:
                    yield f"{each.session} was not shown question {asked.question_id}, which had been delivered"


def no_answer_is_overlooked(run: Run) -> Iterator[str]:
    """A look that does not say that it is old shows every answer that was delivered before it and never shown there."""
    asked_on: dict[str | None, str] = {}
    delivered: dict[str, set[str | None]] = {}
    seen: dict[str, set[str | None]] = {}
    at_call: dict[int, set[str | None]] = {}
    for each in run.events:
        if each.kind == ASK and each.phase in (DELIVERED, QUEUED):
            asked_on[each.question_id] = each.machine
        elif each.kind == ANSWER and each.phase == DELIVERED:
            answered = run.invoked[each.call].question_id
            if answered in asked_on:
                delivered.setdefault(asked_on[answered], set()).add(answered)
        elif each.kind == CHECK_ANSWERS and each.phase == INVOKED:
            at_call[each.call] = set(delivered.get(each.machine, ()))
        elif each.kind == CHECK_ANSWERS and each.phase == RETURNED:
            seen.setdefault(each.machine, set()).update(question_id for question_id, _ in each.shown)
            unseen = at_call[each.call] - seen[each.machine]
            if _is_all_of_now(each) and unseen:
                yield f"{each.session} was not shown the answers to {sorted(map(str, unseen))}, which were delivered"


def every_answer_reaches_its_asker(run: Run) -> Iterator[str]:
    """An answer is shown on the machine that asked, at least once, and counts as read only as I7 says.

    That is: a session was shown it and afterwards made another request.
    """
    last_request: dict[str, int] = {}
    shown: dict[tuple[str, str], list[Event]] = {}
    for each in run.events:
        if each.phase == INVOKED:
            last_request[each.session] = each.n
        if each.kind == CHECK_ANSWERS and each.phase == RETURNED:
            for question_id, _ in each.shown:
                shown.setdefault((each.machine, question_id), []).append(each)
    answered = {each.question_id for each in run.stored if each.is_answer}
    for machine, question_id in _asked_where(run):
        if question_id not in answered:
            continue
        seen = shown.get((machine, question_id), [])
        unread = question_id in run.left.get(machine, Left()).unread
        if not seen:
            yield f"the answer to {question_id} never reached {machine}, which asked"
        elif not unread and not any(last_request[each.session] > each.n for each in seen):
            yield f"the answer to {question_id} counts as read on {machine}, and no session proved that it saw it"


def every_call_ends_in_time(run: Run) -> Iterator[str]:
    """No call takes longer than it may."""
    for each in run.events:
        if each.limit_s is not None and each.phase not in (INVOKED, LOST) and each.seconds > each.limit_s:
            yield f"{each.kind} of {each.session} took {each.seconds:.1f} s, and may take {each.limit_s:.1f} s"


RULES: tuple[Callable[[Run], Iterable[str]], ...] = (
    what_was_delivered_is_there,
    what_was_queued_arrives,
    what_was_refused_is_nowhere,
    nothing_is_there_twice,
    everything_was_written_by_its_author,
    nothing_is_stuck,
    questions_keep_their_order,
    what_is_shown_is_what_was_written,
    views_are_prefixes_that_grow,
    no_question_is_overlooked,
    no_answer_is_overlooked,
    every_answer_reaches_its_asker,
    every_call_ends_in_time,
)


def check(events: Sequence[Event], stored: Sequence[Stored], left: Mapping[str, Left]) -> list[Finding]:
    """Return every broken promise of a run."""
    run = Run(events, stored, left)
    return [Finding(rule.__name__, what) for rule in RULES for what in rule(run)]


def _is_all_of_now(each: Event) -> bool:
    return each.phase == RETURNED and not each.stale and each.more == 0


def _asked_where(run: Run) -> Iterator[tuple[str, str]]:
    """Yield the machine and the id of every question in the mailbox."""
    machines = {each.text: each.machine for each in run.invoked.values() if each.kind == ASK}
    for each in run.stored:
        if not each.is_answer and each.text in machines:
            yield machines[each.text], each.question_id


def _state_of(view: Iterable[tuple[str, bool]]) -> int:
    state = 0
    for pair in view:
        state ^= hash(pair)
    return state


def _prefixes(stored: Sequence[Stored]) -> dict[int, int]:
    """Return for every state that the tip of the branch had how many records had been written by then.

    A state is the exclusive or of the hashes of what the tip lists, so that each follows from the one before.
    """
    state, answered = 0, list[str]()
    states = {state: 0}
    for count, each in enumerate(stored, 1):
        if len(answered) == _MOST_ANSWERED:
            answered.sort()
            for old in answered[:-_KEPT_ANSWERED]:
                state ^= hash((old, True))
            answered = answered[-_KEPT_ANSWERED:]
        if each.is_answer:
            state ^= hash((each.question_id, False)) ^ hash((each.question_id, True))
            answered.append(each.question_id)
        else:
            state ^= hash((each.question_id, False))
        states[state] = count
    return states
