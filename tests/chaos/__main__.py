"""The long run: `python -m tests.chaos` injects faults for long, and says what became of every record."""

from __future__ import annotations

import argparse
import dataclasses
import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.chaos.history import DELIVERED, LOST, QUEUED, REFUSED
from tests.chaos.mailboxes import TRANSPORTS
from tests.chaos.run import Outcome, Plan, run
from tests.source import PACKAGE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

RECORDS = 10_000
MATRIX = {
    ("path", 1): 0.10,
    ("path", 2): 0.20,
    ("path", 4): 0.25,
    ("http", 1): 0.08,
    ("http", 2): 0.14,
    ("http", 4): 0.14,
    ("ssh", 1): 0.03,
    ("ssh", 2): 0.03,
    ("ssh", 4): 0.03,
}
"""What share of the records each transport and number of processes for each peer gets."""

LONGEST_RUN_S = 900.0
OTHERS = (
    "tests.faults",
    "tests.chaos.killing",
    "tests.chaos.faulty_files",
    "tests.damage",
    "tests.chaos.repacking",
    "tests.chaos.endurance",
)
"""The other long tests, each a program of its own."""

_HEAD = (
    *("transport", "processes", "seed", "records", "delivered", "queued", "refused", "unknown", "faults"),
    *("lost", "doubled", "stuck", "other", "longest call", "seconds"),
)
_LOST = {"what_was_delivered_is_there", "what_was_queued_arrives", "every_answer_reaches_its_asker"}
_DOUBLED = {"nothing_is_there_twice"}
_STUCK = {"nothing_is_stuck"}


def main(argv: Sequence[str]) -> int:
    """Run all of it, or what was asked for, and return the exit status: 1 if anything was found."""
    options = _parser().parse_args(argv)
    outcomes = [outcome for plan in _plans(options) if (outcome := _carry_out(plan)) is not None]
    _report(outcomes)
    if options.json:
        Path(options.json).write_text(json.dumps(_figures(outcomes), indent=2) + "\n", encoding="utf-8")
    found = any(outcome.findings for outcome in outcomes)
    if options.others and not (options.transport or options.processes or options.sabotage):
        others = [_run_other(name) for name in OTHERS]  # all of them, whatever the first one finds
        found = found or any(others)
    return int(found or not outcomes)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--records", type=int, help=f"how many in all (default {RECORDS:,})")
    parser.add_argument("--seconds", type=float, help="how long each run goes on, whatever was sent")
    parser.add_argument("--seed", type=int, default=1, help="the first seed; each run has the next one (default 1)")
    parser.add_argument("--transport", choices=TRANSPORTS, help="only this one")
    parser.add_argument("--processes", type=int, choices=(1, 2, 4), help="only this many for each peer")
    others = f"do not run {', '.join(OTHERS)} afterwards"
    parser.add_argument("--no-others", dest="others", action="store_false", help=others)
    parser.add_argument("--sabotage", default="", help="build in a fault of tests.chaos.sabotage, to see it found")
    parser.add_argument("--json", metavar="FILE", help="write the figures there, too")
    return parser


def _plans(options: argparse.Namespace) -> Iterator[Plan]:
    chosen = {
        (transport, processes): share
        for (transport, processes), share in MATRIX.items()
        if options.transport in (None, transport) and options.processes in (None, processes)
    }
    total = sum(chosen.values())
    for place, ((transport, processes), share) in enumerate(chosen.items()):
        by_time = options.seconds is not None and options.records is None
        records = round((options.records or RECORDS) * share / total)
        yield Plan(
            transport=transport,
            processes=processes,
            seed=options.seed + place,
            records=1_000_000 if by_time else records,
            seconds=options.seconds or LONGEST_RUN_S,
            sabotage=options.sabotage,
        )


def _carry_out(plan: Plan) -> Outcome | None:
    """Carry out a run and say what was found; None if a server that it needs is not installed."""
    begun = time.monotonic()
    try:
        outcome = run(plan)
    except pytest.skip.Exception as reason:
        print(f"left out: {plan.transport} with {plan.processes} processes: {reason}", flush=True)
        return None
    print(f"{plan.again}: {outcome.sent} records in {time.monotonic() - begun:.0f} s", flush=True)
    for left_out in outcome.left_out:
        print(f"left out: {left_out}: nothing can be mounted here", flush=True)
    if outcome.findings:
        print(outcome, flush=True)
    return outcome


def _row(outcome: Outcome) -> tuple[str | int, ...]:
    plan, slowest = outcome.plan, outcome.slowest
    rules = Counter(finding.rule for finding in outcome.findings)
    lost, doubled, stuck = (sum(rules[rule] for rule in kind) for kind in (_LOST, _DOUBLED, _STUCK))
    told = [outcome.records.get(each, 0) for each in (DELIVERED, QUEUED, REFUSED, LOST)]
    longest = f"{slowest.seconds:.1f} of {slowest.limit_s:.0f} s" if slowest and slowest.limit_s else ""
    found = (lost, doubled, stuck, rules.total() - lost - doubled - stuck)
    faults = sum(outcome.faults.values())
    return (
        plan.transport,
        plan.processes,
        plan.seed,
        outcome.sent,
        *told,
        faults,
        *found,
        longest,
        round(outcome.seconds),
    )


def _report(outcomes: Sequence[Outcome]) -> None:
    rows: list[tuple[str | int, ...]] = [_row(outcome) for outcome in outcomes]
    if not rows:
        return
    sums = [sum(int(row[column]) for row in rows) for column in range(3, 13)]
    rows.append(("total", "", "", *sums, "", sum(int(row[14]) for row in rows)))
    print(f"\n| {' | '.join(_HEAD)} |\n|{'---|' * len(_HEAD)}")
    for row in rows:
        print(f"| {' | '.join(f'{cell:,}' if isinstance(cell, int) else cell for cell in row)} |")
    faults = sum((Counter(outcome.faults) for outcome in outcomes), Counter[str]())
    print("\nfaults: " + ", ".join(f"{count:,} {name}" for name, count in faults.most_common()))


def _figures(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    return [
        {
            **dict(zip(_HEAD, _row(outcome), strict=True)),
            "faults": outcome.faults,
            "findings": [dataclasses.asdict(finding) for finding in outcome.findings],
            "again": outcome.plan.again,
        }
        for outcome in outcomes
    ]


def _run_other(name: str) -> bool:
    """Run one of the other long tests, and return whether it found something."""
    print(f"\n{name}", flush=True)
    return subprocess.run([sys.executable, "-m", name], cwd=PACKAGE.parent, check=False).returncode != 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
