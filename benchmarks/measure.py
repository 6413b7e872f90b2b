"""Measuring two things by turns, and what a comparison says."""

from __future__ import annotations

import gc
import resource
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

WARM_UPS = 2
PROCESSOR = "ms of the processor"
"""The unit of what is measured as well as the time where others are busy, too: they do not change it much."""


@dataclass(frozen=True)
class Goal:
    """What the median of the ratios, ours to theirs, has to be.

    Attributes:
        text: the goal in words, such as "at most 1.2".
        at_most: the largest ratio that meets it, or none.
        at_least: the smallest ratio that meets it, or none.
    """

    text: str
    at_most: float | None = None
    at_least: float | None = None

    def met(self, ratio: float) -> bool:
        """Say whether a ratio meets the goal."""
        return (self.at_most is None or ratio <= self.at_most) and (self.at_least is None or ratio >= self.at_least)


def at_most(ratio: float) -> Goal:
    """Ask for no more than so many times theirs: times, sizes and counts."""
    return Goal(f"at most {ratio:g}", at_most=ratio)


def faster(factor: float) -> Goal:
    """Ask for no more than one of so many parts of theirs."""
    return Goal(f"at least {factor:g} x faster", at_most=1 / factor)


def at_least(ratio: float) -> Goal:
    """Ask for no less than so many times theirs: rates, such as records a second."""
    return Goal(f"at least {ratio:g}", at_least=ratio)


@dataclass(frozen=True)
class Comparison:
    """What was compared, and what was measured; the figures at one index were taken one directly after the other.

    Attributes:
        what: what is measured.
        against: what it is compared with: a rival, a limit, or a figure that the goal names.
        ours: what was measured of the first, in `unit`.
        theirs: of the second, as many.
        unit: ms, MiB, records/s, requests, bytes or whatever else was counted.
        goal: what the ratio has to be, if anybody set it.
        group: who measured it; the name of the group, filled in by the program.
    """

    what: str
    against: str
    ours: Sequence[float]
    theirs: Sequence[float]
    unit: str = "ms"
    goal: Goal | None = None
    group: str = ""

    @property
    def ratios(self) -> list[float]:
        """The ratio of each pair, in order of size."""
        return sorted(ours / theirs for ours, theirs in zip(self.ours, self.theirs, strict=True))

    @property
    def ratio(self) -> float:
        """The median of the ratios."""
        return statistics.median(self.ratios)

    @property
    def spread(self) -> tuple[float, float]:
        """The bounds between which 8 of 10 ratios are."""
        if len(self.ratios) == 1:
            return self.ratio, self.ratio
        low, *_, high = statistics.quantiles(self.ratios, n=10, method="inclusive")
        return low, high

    @property
    def met(self) -> bool | None:
        """Whether the goal is met, or None without a goal."""
        return None if self.goal is None else self.goal.met(self.ratio)


def milliseconds(act: Callable[[], object]) -> float:
    """Return how long something takes, in milliseconds."""
    begun = time.perf_counter()
    act()
    return (time.perf_counter() - begun) * 1000


def processor_ms(act: Callable[[], object]) -> float:
    """Return the processor time that something takes here and in processes that it waits for, in milliseconds."""
    begun = _processor_s()
    act()
    return (_processor_s() - begun) * 1000


def _processor_s() -> float:
    usages = (resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def by_turns(ours: Callable[[], float], theirs: Callable[[], float], runs: int) -> tuple[list[float], list[float]]:
    """Measure two things by turns, each time another one first, after a few runs that do not count.

    Args:
        ours: does the first once and returns a figure; what prepares it need not be in the figure.
        theirs: the same of the second.
        runs: how many pairs to return.
    """
    figures: tuple[list[float], list[float]] = ([], [])
    gc.disable()
    try:
        for run in range(-WARM_UPS, runs):
            pair = [(0, ours), (1, theirs)]
            for place, measure in pair if run % 2 else reversed(pair):
                figure = measure()
                if run >= 0:
                    figures[place].append(figure)
            gc.collect()
    finally:
        gc.enable()
    return figures


def compare(
    what: str,
    ours: Callable[[], object],
    against: str,
    theirs: Callable[[], object],
    runs: int,
    *,
    goal: Goal | None = None,
) -> Comparison:
    """Time two acts by turns."""
    figures = by_turns(lambda: milliseconds(ours), lambda: milliseconds(theirs), runs)
    return Comparison(what, against, *figures, goal=goal)
