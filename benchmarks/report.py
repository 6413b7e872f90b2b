"""One table of everything that was measured, in Markdown and in JSON, and its place in `docs/performance.md`."""

from __future__ import annotations

import json
import platform
import statistics
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tests.servers import run_git

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from benchmarks.measure import Comparison

BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"
COLUMNS = ("group", "what", "against", "ratio", "10 % to 90 %", "goal", "met", "ours", "theirs", "unit", "runs")


@dataclass(frozen=True)
class Circumstances:
    """When and with what a group was measured; nothing that names a machine."""

    date: str
    git: str
    python: str
    system: str

    @classmethod
    def now(cls) -> Circumstances:
        """Return today's."""
        return cls(
            date=datetime.now(UTC).date().isoformat(),
            git=run_git("--version").decode().split()[2],
            python=platform.python_version(),
            system=platform.system(),
        )

    def __str__(self) -> str:
        """Return them as one phrase."""
        return f"{self.date}, git {self.git}, Python {self.python}, {self.system}"


@dataclass(frozen=True)
class Row:
    """One comparison as it is published: medians, and the bounds between which 8 of 10 ratios are."""

    group: str
    what: str
    against: str
    ratio: float
    low: float
    high: float
    goal: str | None
    met: bool | None
    ours: float
    theirs: float
    unit: str
    runs: int
    measured: Circumstances

    @classmethod
    def of(cls, comparison: Comparison, measured: Circumstances) -> Row:
        """Return the row of a comparison."""
        low, high = comparison.spread
        return cls(
            group=comparison.group,
            what=comparison.what,
            against=comparison.against,
            ratio=_short(comparison.ratio),
            low=_short(low),
            high=_short(high),
            goal=None if comparison.goal is None else comparison.goal.text,
            met=comparison.met,
            ours=_short(statistics.median(comparison.ours)),
            theirs=_short(statistics.median(comparison.theirs)),
            unit=comparison.unit,
            runs=len(comparison.ours),
            measured=measured,
        )

    @property
    def markdown(self) -> str:
        """The row as a line of the table."""
        met = {None: "", True: "yes", False: "**no**"}[self.met]
        spread = f"{_plain(self.low)} to {_plain(self.high)}"
        cells = (self.group, self.what, self.against, f"**{_plain(self.ratio)}**", spread, self.goal or "", met)
        return f"| {' | '.join((*cells, _plain(self.ours), _plain(self.theirs), self.unit, str(self.runs)))} |"


def to_markdown(rows: Sequence[Row]) -> str:
    """Return the rows as one table, and under it with what they were measured."""
    head = f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}"
    measured: dict[str, list[str]] = {}
    for row in rows:
        groups = measured.setdefault(str(row.measured), [])
        groups += [row.group] * (row.group not in groups)
    if len(measured) == 1:
        lines = [f"Measured: {each}." for each in measured]
    else:
        lines = [f"Measured ({', '.join(groups)}): {each}." for each, groups in measured.items()]
    return "\n".join([head, *(row.markdown for row in rows), "", "  \n".join(lines)])


def to_json(rows: Sequence[Row]) -> str:
    """Return the rows as JSON: an array of objects, in the order of the table."""
    return json.dumps([asdict(row) for row in rows], indent=2, ensure_ascii=False) + "\n"


def from_json(text: str) -> list[Row]:
    """Return the rows that `to_json` wrote."""
    return [Row(**(row | {"measured": Circumstances(**row["measured"])})) for row in json.loads(text)]


def merged(old: Iterable[Row], new: Sequence[Row], groups: Sequence[str]) -> list[Row]:
    """Return what is published after some groups were measured again.

    A group that was measured replaces all its old rows, and a group that is in `groups` no more loses them. Within a
    group the order is that of the measuring, and the groups are in the order of `groups`.
    """
    again = {row.group for row in new}
    rows = [*(row for row in old if row.group not in again), *new]
    return sorted((row for row in rows if row.group in groups), key=lambda row: groups.index(row.group))


def publish(rows: Sequence[Row], page: Path, groups: Sequence[str]) -> None:
    """Put rows into a page, between its two markers, and into the JSON file beside it, which the next run reads."""
    beside = page.with_suffix(".json")
    old = from_json(beside.read_text("utf-8")) if beside.exists() else []
    now = merged(old, rows, groups)
    page.write_text(replaced(page.read_text("utf-8"), to_markdown(now)), "utf-8")
    beside.write_text(to_json(now), "utf-8")


def replaced(page: str, table: str) -> str:
    """Return a page with another table between its markers."""
    before, _, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    assert end, "the page has no place for the table"
    return f"{before}{BEGIN}\n\n{table}\n\n{END}{after}"


def _short(figure: float) -> float:
    """Return a figure with three digits, or all those before the point."""
    return float(f"{figure:.3g}") if abs(figure) < 1000 else float(round(figure))


def _plain(figure: float) -> str:
    return f"{figure:,.0f}" if abs(figure) >= 100 else f"{figure:.3g}"
