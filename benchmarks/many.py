"""What many processes get through that ask at once, against as many that run the script.

Two machines, alice's and bob's, have four processes each, and all share a mailbox over http. A record counts when it is
in the mailbox. The processes are started before, so that a run is nothing but asking; between two runs everything is
answered, through the path of the mailbox, because a peer may have no more than 100 open questions.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from benchmarks.measure import WARM_UPS, Comparison, at_least, by_turns
from benchmarks.processes import environment_of
from benchmarks.rooms import ANSWER
from benchmarks.script import ASK, BRANCH, PERSON, QUESTION
from peer_relay import app
from peer_relay.config import RelayConfig
from tests.servers import GIT_ENVIRONMENT, create_repository, run_git

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from benchmarks.setting import Setting

PEERS, PROCESSES = ("alice", "bob"), 4
EACH, SCRIPT_EACH = 12, 4
"""How many records each process writes in one run; the script is slower, and its rate is the same for fewer."""

# A careful loop: who was overtaken fetches and tries again.
LOOP = """
number=0
while [ "$number" -lt "$EACH" ]; do
    export NAME="alice/2026-12-01/$RUN-$number.question.json"
    if printf %s "$TEXT" | sh -eu -c "$ASK" 2>/dev/null; then
        number=$((number + 1))
        cut -d " " -f 1 /proc/uptime
    fi
done
"""


@dataclass(frozen=True)
class _Run:
    """What came of one run.

    Attributes:
        rate: records a second, until the last one was in.
        slowest: how many the slowest process had written when the fastest was ready.
        fastest: how many the fastest had written.
        pushes: how many pushes the server took for each 100 records.
    """

    rate: float
    slowest: float
    fastest: float
    pushes: float

    @classmethod
    def of(cls, begun: float, times: list[list[float]], pushes: int) -> _Run:
        """Return what the times say at which each record of each process was in the mailbox."""
        records, first_ready = sum(map(len, times)), min(map(max, times))
        counts = [sum(each <= first_ready for each in process) for process in times]
        return cls(records / (max(map(max, times)) - begun), min(counts), max(counts), pushes / records * 100)


def many(setting: Setting) -> Iterator[Comparison]:
    """Let eight processes of both ask at once, by turns."""
    server = setting.servers.http()
    path, url = server.create("many.git"), server.url("many.git", access="public")
    log, runs = server.root.parent / "access.log", _Runs()
    with contextlib.ExitStack() as opened:
        ours = opened.enter_context(contextlib.closing(_Relays(url, path, setting.folder)))
        script = _Scripts(url, path, setting.folder)
        by_turns(lambda: runs.note(0, ours.ask, log), lambda: runs.note(1, script.ask, log), setting.runs)
    found, theirs = (side[WARM_UPS:] for side in runs.found)
    what, rivals = f"{len(PEERS)} x {PROCESSES} processes ask at once, http", "as many with the script"

    def figures(side: list[_Run], name: str) -> list[float]:
        return [getattr(run, name) for run in side]

    yield Comparison(what, rivals, figures(found, "rate"), figures(theirs, "rate"), "records/s", at_least(5))
    fair = f"the slowest of {what.removesuffix(' ask at once, http')}, http"
    for side, name, goal in ((found, fair, at_least(0.5)), (theirs, f"{fair}, the script", None)):
        yield Comparison(name, "the fastest", figures(side, "slowest"), figures(side, "fastest"), "records", goal)
    pushes = (figures(side, "pushes") for side in (found, theirs))
    yield Comparison(f"pushes for 100 records, {what}", rivals, *pushes, unit="pushes")


def pushes_in(log: Path) -> int:
    """Return how many pushes the server's log tells of: those that were taken and those that came too late."""
    return sum('"POST ' in line and "/git-receive-pack HTTP" in line for line in log.read_text().splitlines())


@dataclass
class _Runs:
    """The runs of both sides."""

    found: tuple[list[_Run], list[_Run]] = field(default_factory=lambda: ([], []))

    def note(self, place: int, ask: Callable[[], tuple[float, list[list[float]]]], log: Path) -> float:
        """Let a side ask, and return its rate."""
        before = pushes_in(log)
        begun, times = ask()
        run = _Run.of(begun, times, pushes_in(log) - before)
        self.found[place].append(run)
        return run.rate


class _Relays:
    """Eight processes of peer-relay, and one relay for each peer that answers in between."""

    def __init__(self, url: str, path: Path, folder: Path) -> None:
        token = app.new_token()

        def config(remote: str, peer: str, home: str) -> RelayConfig:
            return RelayConfig(remote=remote, token=token, peer_id=peer, home=folder / home)

        app.create_room(config(str(path), *("alice", "opening")), "bob", {})
        self._answering = [app.open_relay(config(str(path), peer, f"{peer}-answering"), {}) for peer in PEERS]
        command = [sys.executable, "-m", "benchmarks.asking"]
        homes = [config(url, peer, peer) for peer in PEERS for _ in range(PROCESSES)]
        self._processes = [_piped(command, environment_of(each)) for each in homes]
        for process in self._processes:
            assert _line(process) == "ready"

    def ask(self) -> tuple[float, list[list[float]]]:
        """Let all ask; return when they began, and for each process when each of its records was in the mailbox."""
        begun = time.monotonic()
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.write(f"{EACH}\n")
            process.stdin.flush()
        times = [json.loads(_line(process)) for process in self._processes]
        for relay in self._answering:
            for question in relay.questions().items:
                assert relay.answer(question.question_id, ANSWER).delivered
        return begun, times

    def close(self) -> None:
        """End the processes."""
        for process in self._processes:
            process.communicate(timeout=20)
        for relay in self._answering:
            relay.close()


class _Scripts:
    """Eight clones, each with the script."""

    def __init__(self, url: str, path: Path, folder: Path) -> None:
        tree = run_git("mktree", cwd=path, data=b"").decode().strip()
        environ = os.environ | GIT_ENVIRONMENT | PERSON
        command = ["git", "commit-tree", tree, "-m", "opened"]
        opened = subprocess.run(command, cwd=path, env=environ, check=True, capture_output=True).stdout.decode().strip()
        run_git("update-ref", BRANCH, opened, cwd=path)
        self._clones = [create_repository(folder / f"script-{number}.git") for number in range(len(PEERS) * PROCESSES)]
        for clone in self._clones:
            run_git("remote", "add", "origin", url, cwd=clone)
        self._environ = environ | {"BRANCH": BRANCH, "ASK": ASK, "TEXT": QUESTION, "EACH": str(SCRIPT_EACH)}
        self._run = 0

    def ask(self) -> tuple[float, list[list[float]]]:
        """Do what `_Relays.ask` does."""
        self._run += 1
        begun = time.clock_gettime(time.CLOCK_BOOTTIME)
        processes = [
            _piped(["sh", "-c", LOOP], self._environ | {"RUN": f"{clone.stem}-{self._run}"}, clone)
            for clone in self._clones
        ]
        return begun, [[float(line) for line in process.communicate()[0].splitlines()] for process in processes]


def _piped(command: list[str], environ: dict[str, str], cwd: Path | None = None) -> subprocess.Popen[str]:
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    return subprocess.Popen(command, env=environ, cwd=cwd, text=True, **pipes)


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()
