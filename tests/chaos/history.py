"""The history of a run: every call, what it was told, and every fault, in the order in which one recorder saw them.

A call is two events, `invoked` and an outcome, tied together by `call`. One that was killed or given up in between has
the outcome `lost`: whoever made it knows nothing. A history is kept as JSON Lines, so that a run can be judged again.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

INVOKED = "invoked"
DELIVERED, QUEUED, REFUSED, RETURNED, LOST = "delivered", "queued", "refused", "returned", "lost"
"""The outcomes: the first three of a record, the fourth of a call that reads, `refused` and `lost` of either."""

ASK, ANSWER = "ask", "answer"
CHECK_QUESTIONS, CHECK_ANSWERS, LOG = "check_questions", "check_answers", "log"
FAULT = "fault"


@dataclass(frozen=True)
class Event:
    """One line of a history.

    Attributes:
        n: grows by one with every event.
        at: seconds since the run began.
        kind: which call, or `fault`.
        phase: `invoked`, or the outcome.
        session: one incarnation of one process, such as `alice/0/3#2`; empty for a fault.
        machine: whose state it works on, such as `alice/0`.
        peer: on whose behalf.
        call: ties an outcome to its invocation.
        text: what is asked or answered, different in every call.
        question_id: which question is answered, or which one a question became.
        shown: what a check returned, as pairs of a question's id and a text.
        more: how many more it says there are.
        view: what `log` showed, as pairs of a question's id and whether it is answered.
        stale: the result is what was known before, and says so.
        reason: the sentence of a refusal.
        fault: what was done to the room, its machines or the way between them.
        seconds: how long the call took.
        limit_s: how long it may take.
    """

    n: int
    at: float
    kind: str
    phase: str
    session: str = ""
    machine: str = ""
    peer: str = ""
    call: int = 0
    text: str | None = None
    question_id: str | None = None
    shown: tuple[tuple[str, str], ...] = ()
    more: int = 0
    view: tuple[tuple[str, bool], ...] | None = None
    stale: bool = False
    reason: str = ""
    fault: str = ""
    seconds: float = 0.0
    limit_s: float | None = None


def write(path: Path, events: Iterable[Event]) -> None:
    """Keep a history."""
    lines = (json.dumps(asdict(event), ensure_ascii=False) for event in events)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def read(path: Path) -> list[Event]:
    """Return a history that was kept."""
    return [_event(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def _event(values: dict[str, Any]) -> Event:
    shown = tuple((question_id, text) for question_id, text in values.pop("shown"))
    view = values.pop("view")
    pairs = None if view is None else tuple((question_id, answered) for question_id, answered in view)
    return Event(**values, shown=shown, view=pairs)
