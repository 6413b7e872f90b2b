"""The long run: `python -m tests.fuzz` gives every target made-up bytes, and says how many and what came of them.

With atheris, which is not among the development tools because it is not there for every Python, the bytes are chosen by
what they reach. Without it hypothesis makes them as the suite does, only more of them.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import subprocess
import sys
import tempfile
import time
from itertools import count
from typing import TYPE_CHECKING, NamedTuple

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.fuzz.inputs import changed
from tests.fuzz.targets import TARGETS

if TYPE_CHECKING:
    from collections.abc import Sequence

_BATCH = 500
_EXECUTED = re.compile(r"stat::number_of_executed_units: +(\d+)")
_INPUT = re.compile(r"^Base64: (\S*)", re.MULTILINE)
_SHOWN = 2_000
_LONGEST_INPUT = 4_096
_LONGEST_RUN_S = 5


class Outcome(NamedTuple):
    """What became of a target: how many inputs it got, and the end of a traceback, if anything was found."""

    executions: int
    finding: str


def main(argv: Sequence[str]) -> int:
    """Fuzz all targets, or those that were asked for, and return the exit status: 1 if anything was found."""
    options = _parser().parse_args(argv)
    fuzz = _guided if importlib.util.find_spec("atheris") and not options.unguided else _unguided
    names = options.target or list(TARGETS)
    findings = 0
    for name in names:
        outcome = fuzz(name, options.seconds / len(names), options.seed)
        findings += bool(outcome.finding)
        print(f"{name:12} {outcome.executions:>12,}  {outcome.finding or 'nothing found'}", flush=True)
    return int(findings > 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0, help="how long in all (default 300)")
    parser.add_argument("--target", action="append", choices=TARGETS, help="only this one; may be given again")
    parser.add_argument("--seed", type=int, default=1, help="where chance begins (default 1)")
    parser.add_argument("--unguided", action="store_true", help="use hypothesis although atheris is there")
    return parser


def _unguided(name: str, seconds: float, first_seed: int) -> Outcome:
    """Let hypothesis make inputs, in batches with a seed each, until the time is over."""
    target, end, executions = TARGETS[name], time.monotonic() + seconds, 0

    def run(data: bytes) -> None:
        nonlocal executions
        executions += 1
        target.run(data)

    quiet = settings(
        max_examples=_BATCH,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    for each in count(first_seed):
        try:
            seed(each)(quiet(given(changed(target.seeds) | st.binary(max_size=_LONGEST_INPUT))(run)))()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding
            return Outcome(executions, f"{error!r} {getattr(error, '__notes__', '')}")
        if time.monotonic() > end:
            break
    return Outcome(executions, "")


def _guided(name: str, seconds: float, first_seed: int) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        limits = (
            f"-max_total_time={max(1, round(seconds))}",
            f"-max_len={_LONGEST_INPUT}",
            f"-timeout={_LONGEST_RUN_S}",
        )
        options = (*limits, f"-seed={first_seed}", "-print_final_stats=1", f"-artifact_prefix={folder}/")
        argv = [sys.executable, "-m", "tests.fuzz.guided", name, folder, *options]
        done = subprocess.run(argv, capture_output=True, text=True, errors="replace", check=False)
    return Outcome(int(_first(_EXECUTED, done.stderr) or 0), "" if done.returncode == 0 else _finding(done))


def _finding(done: subprocess.CompletedProcess[str]) -> str:
    """Return the traceback that atheris printed, or else what libFuzzer said, and the input."""
    said = done.stdout.strip() or done.stderr[-_SHOWN:].strip()
    return f"{said}\n  the input, in base64: {_first(_INPUT, done.stderr)}"


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found[1] if found else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
