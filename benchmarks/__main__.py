"""Run the benchmarks: all of them, or the groups that are named."""

from __future__ import annotations

import argparse
import dataclasses
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import git_itself, report, wire
from benchmarks.age import age
from benchmarks.burst import burst
from benchmarks.commands import commands
from benchmarks.exchange import exchange
from benchmarks.first_look import first_look
from benchmarks.growth import growth
from benchmarks.many import many
from benchmarks.many_refs import many_refs
from benchmarks.measure import WARM_UPS
from benchmarks.serving import serving
from benchmarks.setting import MISSING, Servers, Setting
from benchmarks.whole_history import whole_history
from peer_relay.ledger import MAX_OPEN_PLANNED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from benchmarks.measure import Comparison

RUNS, QUICK_RUNS = 20, 3
MOST_RUNS = MAX_OPEN_PLANNED - WARM_UPS
HERE = Path(__file__).parent
CACHE, PAGE = HERE / ".cache", HERE.parent / "docs" / "performance.md"

GROUPS: dict[str, Callable[[Setting], Iterator[Comparison]]] = {
    "local": git_itself.local,
    "http": git_itself.http,
    "ssh": git_itself.ssh,
    "bare": wire.bare_http,
    "wire-http": wire.wire_http,
    "wire-ssh": wire.wire_ssh,
    "refs": many_refs,
    "commands": commands,
    "first-look": first_look,
    "age": age,
    "whole-history": whole_history,
    "serving": serving,
    "exchange": exchange,
    "many": many,
    "burst": burst,
    "growth": growth,
}
"""Everything that is measured, in the order of the table."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print one table or publish it."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.list:
        print("\n".join(GROUPS))
        return
    if given.write and (given.quick or given.runs < RUNS):
        parser.error(f"a page of fewer than {RUNS} runs is not published: leave out --quick, --runs or --write")
    rows = []
    for group in _measured(given.only, QUICK_RUNS if given.quick else given.runs, quick=given.quick):
        rows += group
        if given.write:
            report.publish(group, PAGE, [*GROUPS])
    if given.json:
        given.json.write_text(report.to_json(rows), "utf-8")
    print(report.to_markdown(rows))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--list", action="store_true", help="only print the names of the groups")
    parser.add_argument("--only", type=_groups, default=[*GROUPS], metavar="GROUP,...", help="only these groups")
    parser.add_argument("--runs", type=_number, default=RUNS, help=f"how many pairs, {RUNS} if not given")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_RUNS} runs, to see that everything works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the table as JSON")
    parser.add_argument("--write", action="store_true", help=f"put the groups into docs/{PAGE.name}")
    return parser


def _groups(text: str) -> list[str]:
    names = text.split(",")
    unknown = [name for name in names if name not in GROUPS]
    if unknown:
        raise argparse.ArgumentTypeError(f"no such group: {', '.join(unknown)} (--list lists them)")
    return names


def _number(text: str) -> int:
    number = int(text)
    if not 1 <= number <= MOST_RUNS:
        raise argparse.ArgumentTypeError(f"choose 1 to {MOST_RUNS}, because nobody answers what is asked")
    return number


def _measured(names: Sequence[str], runs: int, *, quick: bool) -> Iterator[list[report.Row]]:
    """Yield the rows of each group; one whose server is missing is left out, whole, and why is said."""
    measured = report.Circumstances.now()
    with closing(Servers()) as servers:
        for name in names:
            with tempfile.TemporaryDirectory(prefix="peer-relay-bench-") as folder:
                setting = Setting(folder=Path(folder), cache=CACHE, runs=runs, quick=quick, servers=servers)
                try:
                    yield [report.Row.of(each, measured) for each in _told(name, setting)]
                except MISSING as missing:
                    print(f"{name}: left out, because {missing}.", file=sys.stderr)


def _told(name: str, setting: Setting) -> Iterator[Comparison]:
    """Yield the comparisons of a group, and say on the standard error how far it is."""
    for each in GROUPS[name](setting):
        print(f"{name}: {each.what}, against {each.against}: {each.ratio:.3g}", file=sys.stderr)
        yield dataclasses.replace(each, group=name)


if __name__ == "__main__":
    main()
