"""Kills real processes at every step of reading and writing, and at random: `python -m tests.chaos.killing`

Which steps a scenario reaches is found out by carrying it out once without a kill. What must hold after each kill is
in `tests.chaos.killing_trials`.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import os
import shlex
import shutil
import sys
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from peer_relay.crash_points import CrashPoint
from tests import servers
from tests.chaos.dice import dice
from tests.chaos.killing_process import Kill, live
from tests.chaos.killing_trials import Row, Trial, act_on, series
from tests.chaos.killing_worlds import Way, Worlds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.chaos.killing_process import Tell
    from tests.chaos.killing_worlds import World

SCENARIOS = (
    ("known", "ask"),
    ("known", "read"),
    ("queued, never reached", "deliver"),
    ("torn", "read"),  # these four reach every point
    ("up to date", "ask"),
    ("up to date", "read"),
    ("known", "answer"),
    ("new", "ask"),
    ("new", "read"),
    ("queued", "deliver"),
    ("full", "ask"),
)
OF_THE_WAY = {
    "path": {each for each in CrashPoint if not each.name.startswith(("PUSH", "REPORT"))},
    "ssh": {each for each in CrashPoint if not each.name.startswith("BRANCH")} - {CrashPoint.OBJECTS_DURABLE},
}
OF_THE_WAY["http"] = OF_THE_WAY["ssh"]
RANDOM_S = {"path": 0.25, "http": 1.5, "ssh": 4.0}
_AUDITED_EACH = 10


# ---------------------------------------------------------------------------------------------------------------------
# Runs


class Killing:
    """A run on one transport.

    Args:
        way: to the mailbox.
        folder: for the worlds.
        seed: of the whole run.
        scenarios: what the processes do.
    """

    def __init__(self, way: Way, folder: Path, seed: int, scenarios: Sequence[tuple[str, str]]) -> None:
        self._way = way
        self._worlds = Worlds(way, folder)
        self._seed = seed
        self._scenarios = scenarios
        self._trials = 0

    def map(self) -> dict[CrashPoint, list[tuple[str, str, int]]]:
        """Return which points are reached: in which situation, by which action, how often."""
        found: dict[CrashPoint, list[tuple[str, str, int]]] = defaultdict(list)
        for situation, action in self._scenarios:
            world = self._worlds.copy(situation)
            life = live(self._action(world, action, 0))
            assert life.ended, life.failure
            for name, times in Counter(life.points).items():
                found[CrashPoint[name]].append((situation, action, times))
            self._worlds.remove(world)
        return found

    def at_points(self, points: Sequence[CrashPoint], seeds: int) -> Iterator[Row]:
        """Kill at every one of these points."""
        places = self.map()
        for point in points:
            row = Row(point.name, self._way.name)
            for seed in range(seeds if places[point] else 0):
                self._kill_at(point, places[point], row, seed)
            yield row

    def _kill_at(self, point: CrashPoint, places: list[tuple[str, str, int]], row: Row, seed: int) -> None:
        rng = dice(self._seed, point.name, seed)
        # One scenario after the other, beginning anywhere, so that few seeds go to different ones.
        begin = dice(self._seed, point.name).randrange(len(places))
        situation, action, times = places[(begin + seed) % len(places)]
        kill = Kill(point, rng.randint(1, times))
        where = f"{situation}, {action}, at {point.name} {kill.time}, seed {self._seed} {seed}"
        with self._trial(situation, row, where) as trial:
            life = live(self._action(trial.world, action, rng.randrange(1 << 30)), kill)
            if life.ended and times > 1:
                # Texts of another size may take fewer files: kill at the first one.
                return
            assert life.points[-1] == point.name, where
            trial.judge(life, rng, audited=self._is_audited())

    def at_random(self, kills: int) -> Row:
        """Kill at random moments of a series of calls."""
        row = Row("at a random moment", self._way.name)
        for number in range(kills):
            rng = dice(self._seed, "random", number)
            after_s = rng.uniform(0, RANDOM_S[self._way.name])
            where = f"after {after_s:.3f} s, seed {self._seed} {number}"
            with self._trial("known", row, where) as trial:
                life = live(series(trial.world, rng.randrange(1 << 30)), after_s=after_s)
                trial.judge(life, rng, audited=self._is_audited())
        return row

    def _is_audited(self) -> bool:
        self._trials += 1
        return self._trials % _AUDITED_EACH == 0

    @contextlib.contextmanager
    def _trial(self, situation: str, row: Row, where: str) -> Iterator[Trial]:
        world = self._worlds.copy(situation)
        try:
            yield Trial(world, self._worlds.before(situation), situation, row, where)
        finally:
            self._worlds.remove(world)

    def _action(self, world: World, action: str, seed: int) -> Callable[[Tell], None]:
        def act(tell: Tell) -> None:
            relay = world.relay("alice")
            act_on(relay, action, action, dice(seed), tell)

        return act


@contextlib.contextmanager
def way_to(transport: str, folder: Path) -> Iterator[Way]:
    """Start what a transport needs, and give the way."""
    if transport == "path":
        (folder / "mailboxes").mkdir()
        yield Way("path", folder / "mailboxes", str(folder / "mailboxes"))
    elif transport == "ssh":
        with contextlib.contextmanager(servers._serve)(servers._start_sshd) as ssh:
            yield Way("ssh", ssh.root, ssh.url(ssh.root), {**os.environ, "GIT_SSH_COMMAND": ssh.ssh_command})
    else:
        with contextlib.contextmanager(servers._serve)(servers._start_nginx) as http:
            yield Way("http", http.root, http.url(http.root, access="public").rstrip("./"), dict(os.environ))


def main() -> int:
    """Run what the options say, and print a row for each point and transport."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.killing", description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20, help="how many processes are killed at each point")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000, help="of the whole run")
    parser.add_argument("--random", type=int, default=300, help="how many are killed at random, over all transports")
    parser.add_argument("--transport", action="append", choices=[*OF_THE_WAY], help="all of them by default")
    parser.add_argument("--point", action="append", choices=CrashPoint.__members__, help="all of them by default")
    parser.add_argument("--scenarios", type=int, default=len(SCENARIOS), help="only the first few")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    chosen = parser.parse_args()
    transports = chosen.transport or [*OF_THE_WAY]
    rows: list[Row] = []
    begun = time.monotonic()
    gc.freeze()  # or every forked process copies all that was loaded when it looks for garbage
    for transport in transports:
        folder = Path(tempfile.mkdtemp(prefix="killing-")).resolve()
        try:
            with way_to(transport, folder) as way:
                killing = Killing(way, folder, chosen.seed, SCENARIOS[: chosen.scenarios])
                points = [CrashPoint[name] for name in chosen.point or CrashPoint.__members__]
                for row in killing.at_points([each for each in points if each in OF_THE_WAY[transport]], chosen.seeds):
                    rows.append(row)
                    _print(row)
                if chosen.random:
                    rows.append(killing.at_random(chosen.random // len(transports)))
                    _print(rows[-1])
        finally:
            shutil.rmtree(folder)
    return _sum_up(rows, chosen, time.monotonic() - begun)


def _print(row: Row) -> None:
    wrong = f"lost {len(row.lost)}  duplicated {len(row.duplicated)}  stuck {len(row.stuck)}"
    longest = f"longest next command {row.longest_s:6.2f} s"
    print(f"{row.point:20} {row.transport:5} trials {row.trials:4}  {wrong}  {longest}", flush=True)
    for sentence in (*row.lost, *row.duplicated, *row.stuck):
        print(f"    {sentence}", flush=True)


def _sum_up(rows: Sequence[Row], chosen: argparse.Namespace, seconds: float) -> int:
    summary = {
        "command": f"python -m tests.chaos.killing {shlex.join(sys.argv[1:])}",
        "seed": chosen.seed,
        "points": len({row.point for row in rows}),
        "kills": sum(row.trials for row in rows),
        "lost": sum(len(row.lost) for row in rows),
        "duplicated": sum(len(row.duplicated) for row in rows),
        "stuck": sum(len(row.stuck) for row in rows),
        "longest_next_command_s": round(max((row.longest_s for row in rows), default=0.0), 2),
        "never_reached": [f"{row.point} on {row.transport}" for row in rows if row.trials == 0],
        "seconds": round(seconds),
    }
    print(json.dumps(summary, indent=2))
    if chosen.json:
        chosen.json.write_text(json.dumps({"summary": summary, "rows": [asdict(row) for row in rows]}, indent=2) + "\n")
    return 0 if all(row.is_good for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
