"""Timing two things by turns, and the table of what came out."""

from __future__ import annotations

import gc
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

WARM_UPS = 2


@dataclass(frozen=True)
class Comparison:
    """What was compared, and the times in seconds; those at one index were taken one directly after the other."""

    what: str
    against: str
    ours: Sequence[float]
    theirs: Sequence[float]

    @property
    def row(self) -> str:
        """The comparison as a row of the table."""
        ratios = [ours / theirs for ours, theirs in zip(self.ours, self.theirs, strict=True)]
        low, *_, high = statistics.quantiles(ratios, n=10, method="inclusive")
        cells = (
            self.what,
            self.against,
            f"**{statistics.median(ratios):.2f}**",
            f"{low:.2f} to {high:.2f}",
            f"{statistics.median(self.ours) * 1000:.1f}",
            f"{statistics.median(self.theirs) * 1000:.1f}",
            str(len(ratios)),
        )
        return f"| {' | '.join(cells)} |"


def seconds(act: Callable[[], object]) -> float:
    """Return how long something takes."""
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


def compare(what: str, ours: Callable[[], object], against: str, theirs: Callable[[], object], runs: int) -> Comparison:
    """Time two acts by turns, each time another one first, after a few runs that do not count."""
    times: tuple[list[float], list[float]] = ([], [])
    gc.disable()
    try:
        for run in range(-WARM_UPS, runs):
            pair = [(0, ours), (1, theirs)]
            for place, act in pair if run % 2 else reversed(pair):
                taken = seconds(act)
                if run >= 0:
                    times[place].append(taken)
            gc.collect()
    finally:
        gc.enable()
    return Comparison(what, against, *times)


def table(comparisons: Sequence[Comparison]) -> str:
    """Return everything as one table in Markdown."""
    head = "| what | against | ratio (median) | 10 % to 90 % | ms | against, ms | runs |\n|---|---|---|---|---|---|---|"
    return "\n".join([head, *(each.row for each in comparisons)])
