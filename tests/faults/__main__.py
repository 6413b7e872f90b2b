"""Run the whole catalogue of faults: `python -m tests.faults [--seeds N] [--way WAY] [--fault NAME] [--json FILE]`.

Each fault strikes at each of its places once for each seed. What the table says is in `trial` and `table`. Healthy
requests over ssh go to a real sshd, if there is one.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import peer_relay
from tests.faults import table
from tests.faults.catalogue import CATALOGUE, Way, trials
from tests.faults.scene import Scene, make_scene
from tests.faults.trial import Trial, Verdict, run
from tests.servers import _serve, _start_sshd

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.servers import SshServer

_AT_ONCE = 4
"""How many trials of faults that only the deadline ends are made at once; they hardly need a processor."""

_SLOW = 4
"""How many times the usual time limit a call gets that logs in at a real sshd before the fault strikes."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run it, print the table and return 0 if every promise held, 1 if one did not."""
    arguments = _arguments(argv)
    has_sshd = shutil.which("sshd", path="/usr/sbin:/sbin:/usr/bin:/bin") is not None
    ways = [arguments.way] if arguments.way else [way for way in Way if has_sshd or way is not Way.SSHD]
    if not has_sshd:
        print("There is no sshd here: nothing is tried against a real one.")
    wanted = [
        Trial(fault, way, place, seed, times=_SLOW if has_sshd and way is Way.SSH else 1)
        for way in ways
        for fault, way, place in trials(way)
        if arguments.fault in (None, fault.name)
        for seed in range(arguments.seed, arguments.seed + arguments.seeds)
    ]
    begun = time.monotonic()
    with (
        _sshd() if has_sshd and ways != [Way.HTTP] else nullcontext() as server,
        tempfile.TemporaryDirectory(prefix="faults-") as folder,
    ):
        (Path(folder) / "scene").mkdir()
        results = _run_all(wanted, make_scene(Path(folder) / "scene"), Path(folder), server)
    found = table.rows(zip(wanted, results, strict=True))
    print("\n".join(table.lines(found)))
    if arguments.json:
        seeds = [*range(arguments.seed, arguments.seed + arguments.seeds)]
        facts = {"version": peer_relay.__version__, "seeds": seeds, "seconds": round(time.monotonic() - begun, 1)}
        arguments.json.write_text(json.dumps(table.as_json(found, **facts), indent=2) + "\n")
    return 1 if any(row.broken for row in found) else 0


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description="Let every fault strike everywhere.")
    parser.add_argument("--seeds", type=int, default=4, help="how many seeds (default: 4)")
    parser.add_argument("--seed", type=int, default=0, help="the first seed (default: 0)")
    parser.add_argument("--way", type=Way, choices=[*Way], help="one way to the mailbox alone")
    parser.add_argument("--fault", choices=[fault.name for fault in CATALOGUE], help="one fault alone")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything to a file, too")
    return parser.parse_args(argv)


def _run_all(wanted: list[Trial], scene: Scene, folder: Path, server: SshServer | None) -> list[Verdict]:
    """Carry out the trials; those that wait for their deadline several at once."""

    def one(numbered: tuple[int, Trial]) -> Verdict:
        number, trial = numbered
        own = folder / str(number)
        own.mkdir()
        try:
            return run(trial, scene, own, server)
        finally:
            shutil.rmtree(own, ignore_errors=True)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        waiting = {
            number: pool.submit(one, (number, trial)) for number, trial in enumerate(wanted) if trial.fault.waits
        }
        done = {number: future.result() for number, future in waiting.items()}
    done |= {each[0]: one(each) for each in enumerate(wanted) if each[0] not in done}
    return [done[number] for number in range(len(wanted))]


@contextmanager
def _sshd() -> Iterator[SshServer]:
    """Give a running sshd."""
    yield from _serve(_start_sshd)


if __name__ == "__main__":
    sys.exit(main())
