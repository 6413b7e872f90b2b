"""Writes down what happens in a run, in the order in which one process sees it."""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tests.chaos.history import ANSWER, ASK, FAULT, INVOKED, LOST, REFUSED, Event

if TYPE_CHECKING:
    from pathlib import Path


class Recorder:
    """The one who writes a history.

    Args:
        path: the file, to which each event goes at once, so that it outlives whatever happens to the run.

    Attributes:
        events: everything so far.
        outcomes: how many records had which outcome.
        faults: how often each fault was injected.
        oddities: what no caller may ever see or hear: a broken promise without a rule of its own.
        slowest: the call that took the largest share of its time limit.
    """

    def __init__(self, path: Path) -> None:
        self.events: list[Event] = []
        self.outcomes: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.oddities: list[str] = []
        self.slowest: Event | None = None
        self._file = path.open("w", encoding="utf-8")
        self._begun = time.monotonic()
        self._calls = 0

    @property
    def records(self) -> int:
        """How many questions and answers were sent so far: those that were refused do not count."""
        return self.outcomes.total() - self.outcomes[REFUSED]

    def invoke(self, kind: str, **fields: Any) -> int:
        """Note that a call begins, and return its number."""
        self._calls += 1
        self._note(kind, INVOKED, call=self._calls, **fields)
        return self._calls

    def settle(self, kind: str, phase: str, **fields: Any) -> Event:
        """Note the outcome of a call."""
        event = self._note(kind, phase, **fields)
        if kind in (ASK, ANSWER):
            self.outcomes[phase] += 1
        if event.limit_s and phase != LOST and (self.slowest is None or _share(event) > _share(self.slowest)):
            self.slowest = event
        return event

    def fault(self, name: str, details: str) -> None:
        """Note a fault, or the end of one."""
        self.faults[name] += 1
        self._note(FAULT, "begun", fault=f"{name} ({details})" if details else name)

    def end_of_fault(self, name: str) -> None:
        """Note that a fault is undone."""
        self._note(FAULT, "ended", fault=name)

    def odd(self, what: str) -> None:
        """Note what must not be."""
        self.oddities.append(what)

    def close(self) -> None:
        """Write no more."""
        self._file.close()

    def _note(self, kind: str, phase: str, **fields: Any) -> Event:
        at = round(time.monotonic() - self._begun, 3)
        event = Event(n=len(self.events), at=at, kind=kind, phase=phase, **fields)
        self.events.append(event)
        self._file.write(json.dumps(asdict(event), ensure_ascii=False) + "\n")
        self._file.flush()
        return event


def _share(event: Event) -> float:
    return event.seconds / event.limit_s if event.limit_s else 0.0
