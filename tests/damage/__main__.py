"""`python -m tests.damage`: every file of a machine, damaged in every way, with several seeds; and what came of it.

A line for each kind of file: how many trials, how many healed, how many were refused with a sentence, and what must be
0: wrong content shown or sent, records lost. It ends with 1 if one of those is not, and prints each such trial.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

from tests.damage.commands import Commands
from tests.damage.damages import DAMAGES, chance_of
from tests.damage.trial import Bench, kind_of
from tests.damage.world import SHAPES, build

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.damage.trial import Outcome


@dataclass
class Count:
    """What came of the trials with one kind of file."""

    trials: int = 0
    healed: int = 0
    refused: int = 0
    wrong: int = 0
    lost: int = 0

    def add(self, outcome: Outcome) -> None:
        """Count one trial."""
        self.trials += 1
        self.healed += outcome.healed
        self.refused += not outcome.healed and outcome.sentence is not None
        self.wrong += bool(outcome.wrong)
        self.lost += bool(outcome.lost)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the trials, print the figures, and return 1 if one of them is not as it must be."""
    wanted = _wanted(arguments)
    counts: dict[str, Count] = defaultdict(Count)
    # What a loss of power would take away is not looked at here.
    with tempfile.TemporaryDirectory() as folder, mock.patch("os.fsync", return_value=None):
        for shape in SHAPES:
            _damage_all(Path(folder) / shape, shape, wanted, counts)
    _print(counts)
    if wanted.json:
        figures = {kind: asdict(count) for kind, count in sorted(counts.items())}
        Path(wanted.json).write_text(json.dumps({"seeds": wanted.seeds, "kinds": figures}, indent=2) + "\n")
    return int(any(count.wrong or count.lost for count in counts.values()))


def _wanted(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.damage")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], metavar="N", help="what chance begins with")
    parser.add_argument("--only", default="", metavar="WORD", help="only kinds of file with this in their name")
    parser.add_argument("--json", metavar="FILE", help="write the figures to a file, too")
    return parser.parse_args(arguments)


def _damage_all(folder: Path, shape: str, wanted: argparse.Namespace, counts: dict[str, Count]) -> None:
    world = build(folder, shape)
    bench, commands = Bench(world), Commands(world)
    for path in world.files():
        name = str(path.relative_to(world.home))
        if wanted.only not in kind_of(name):
            continue
        for way, damage in DAMAGES.items():
            for seed in wanted.seeds:
                where = f"{shape}, {path.suffix or name[-8:]}, {way}, seed {seed}"
                # Only commands read saved rooms. The doctor is slow, so of the rest each way is shown to them once.
                by_commands = kind_of(name) == "saved room"
                outcome = (commands.examine if by_commands else bench.trial)(path, damage, chance_of(where))
                counts[outcome.kind].add(outcome)
                more: tuple[str, ...] = ()
                if seed == wanted.seeds[0] and not by_commands:
                    more = commands.examine(path, damage, chance_of(where)).wrong
                    counts[outcome.kind].wrong += bool(more)
                for problem in (*outcome.wrong, *outcome.lost, *more):
                    print(f"{name}, {where}: {problem}", file=sys.stderr)


def _print(counts: dict[str, Count]) -> None:
    print(f"{'kind of file':22}{'trials':>8}{'healed':>8}{'refused':>9}{'wrong':>7}{'lost':>6}")
    total = Count()
    for kind, count in sorted(counts.items()):
        _print_line(kind, count)
        for name, value in asdict(count).items():
            setattr(total, name, getattr(total, name) + value)
    _print_line("all", total)


def _print_line(kind: str, count: Count) -> None:
    print(f"{kind:22}{count.trials:8,}{count.healed:8,}{count.refused:9,}{count.wrong:7,}{count.lost:6,}")


if __name__ == "__main__":
    sys.exit(main())
