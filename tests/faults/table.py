"""The result of many trials: a row for each fault at each place, and what they add up to."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.faults.trial import Trial, Verdict

_HEAD = ("way", "fault", "place", "trials", "lost", "twice", "stuck", "longest call", "deadline", "requests")


@dataclass
class Row:
    """What came of one fault at one place, over all seeds.

    Attributes:
        longest_s: the longest call, in seconds.
        requests: the most that one call made.
        broken: each promise that did not hold, in a sentence, with the seed.
    """

    way: str
    fault: str
    place: str
    deadline_s: float
    trials: int = 0
    lost: int = 0
    duplicated: int = 0
    stuck: int = 0
    longest_s: float = 0.0
    requests: int = 0
    broken: list[str] = field(default_factory=list)

    def add(self, seed: int, verdict: Verdict) -> None:
        """Count a trial."""
        self.trials += 1
        self.lost += verdict.lost
        self.duplicated += verdict.duplicated
        self.stuck += verdict.stuck
        self.longest_s = max(self.longest_s, verdict.seconds)
        self.requests = max(self.requests, verdict.requests)
        self.broken += [f"seed {seed}: {each}" for each in verdict.broken]

    def cells(self) -> tuple[str, ...]:
        """Return the row as it is shown."""
        counts = (self.trials, self.lost, self.duplicated, self.stuck)
        seconds = (f"{self.longest_s:.2f} s", f"{self.deadline_s:g} s")
        return (self.way, self.fault, self.place, *map(str, counts), *seconds, str(self.requests))


def rows(results: Iterable[tuple[Trial, Verdict]]) -> list[Row]:
    """Put the verdicts of one fault at one place together, in the order of the catalogue."""
    found: dict[tuple[str, str, str], Row] = {}
    for trial, verdict in results:
        key = (str(trial.way), trial.fault.name, str(trial.place))
        found.setdefault(key, Row(*key, trial.deadline_s)).add(trial.seed, verdict)
    return list(found.values())


def lines(table: list[Row]) -> Iterator[str]:
    """Yield the table as text, with a line for each promise that did not hold, and the sum of it all."""
    cells = [_HEAD, *(row.cells() for row in table)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(_HEAD))]
    for row in cells:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    for row in table:
        yield from (f"BROKEN {row.way}, {row.fault}, {row.place}: {each}" for each in row.broken)
    yield ", ".join(f"{name} {number}" for name, number in totals(table).items())


def totals(table: list[Row]) -> dict[str, int | float]:
    """Return what the rows add up to; the longest call is counted in seconds past its deadline."""
    late = (row.longest_s - row.deadline_s for row in table)
    return {
        "faults": len({row.fault for row in table}),
        "places": len(table),
        "trials": sum(row.trials for row in table),
        "lost": sum(row.lost for row in table),
        "duplicated": sum(row.duplicated for row in table),
        "stuck": sum(row.stuck for row in table),
        "broken promises": sum(len(row.broken) for row in table),
        "longest past its deadline": round(max(0.0, *late), 2) if table else 0.0,
    }


def as_json(table: list[Row], **more: Any) -> dict[str, Any]:
    """Return everything, for a file."""
    return {**more, "totals": totals(table), "rows": [asdict(row) for row in table]}
