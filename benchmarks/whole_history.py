"""How fast a room's whole history is verified, against what git itself can check of it, and the memory that it takes.

The rate is in commits for each second of processor time, of all cores and child processes together, and contains the
fetch. git clones the room and runs the commands that `peer-relay verify --plain-git` prints, which see less: they look
into no record and know nothing of the token.
"""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from benchmarks.measure import Comparison, at_least, at_most, by_turns
from benchmarks.peak import peak_of
from benchmarks.processes import environment_of
from benchmarks.rooms import GROWN, OLD, YOUNG, cached_room
from peer_relay.cli.verify import git_commands
from peer_relay.config import RelayConfig
from tests.independent import TOKEN, Room
from tests.servers import GIT_ENVIRONMENT, run_git

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.setting import Setting

RATE = 5_000
"""Commits that are to be verified in a second of one core."""


def whole_history(setting: Setting) -> Iterator[Comparison]:
    """Verify a grown room again and again, and an old one once."""
    smaller, larger = (YOUNG, GROWN) if setting.quick else (GROWN, OLD)
    room = cached_room(setting.cache, smaller)
    commits, peaks = _commits(room), list[float]()
    branch = Room(None).branch.removeprefix("refs/heads/")
    script = "\n".join(git_commands(str(room), branch))

    def ours() -> float:
        peak, rate = _verified(room, setting.folder)
        peaks.append(peak)
        return rate

    def git() -> float:
        environ = os.environ | GIT_ENVIRONMENT | {"TMPDIR": str(setting.folder)}
        before = _children_s()
        subprocess.run(["sh", "-eu"], input=script.encode(), env=environ, check=True, capture_output=True)
        return commits / (_children_s() - before)

    rates, theirs = by_turns(ours, git, setting.runs)
    what = f"verify {commits:,} commits, local"
    yield Comparison(what, "`git clone` and the git commands", rates, theirs, "commits/s")
    yield Comparison(what, f"{RATE:,} a second", rates, [RATE] * len(rates), "commits/s", at_least(1))
    old = cached_room(setting.cache, larger)
    peak, rate = _verified(old, setting.folder)
    what = f"verify {_commits(old):,} commits"
    yield Comparison(f"{what}, local", f"of {commits:,}", [rate], rates[-1:], "commits/s")
    yield Comparison(f"memory to {what}", f"of {commits:,}", [peak], peaks[-1:], "MiB", at_most(1.25))


def _verified(room: Path, folder: Path) -> tuple[float, float]:
    """Verify a room in a process of its own; return its peak of memory in MiB, and commits for each CPU second."""
    config = RelayConfig(remote=str(room), token=TOKEN, peer_id="bob", home=folder / "home")
    took = peak_of(["verify"], environment_of(config) | {"PEER_RELAY_TIMEOUT": "600"}, folder / "peak.json")
    return took["mib"], _commits(room) / took["cpu_s"]


def _commits(room: Path) -> int:
    return int(run_git("rev-list", "--count", "--all", cwd=room))


def _children_s() -> float:
    """Return the processor time of all child processes that have ended."""
    times = os.times()
    return times.children_user + times.children_system
