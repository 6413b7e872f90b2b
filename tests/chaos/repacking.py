"""Kills writers that pack a mailbox while git collects in it, too: `python -m tests.chaos.repacking`

Three writers push to a branch each and pack after almost every push, because the limits are a few objects for them.
They are killed at random moments, git's own programs repack the same repository meanwhile, and two readers fetch
everything. In the end every commit that a writer was told to be in the mailbox has to be on its branch, whole, and
every fetch has to have succeeded.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from peer_relay.deadline import Deadline
from peer_relay.errors import PeerRelayError
from peer_relay.git import merging, packing, upkeep
from peer_relay.git.transport import FetchRequest
from tests.chaos.dice import dice
from tests.git.building import Step, commit
from tests.git.local_mailbox import transport
from tests.servers import create_repository, run_git

if TYPE_CHECKING:
    from collections.abc import Sequence

SECONDS = 60.0
BRANCHES = ("one", "two", "three")
COLLECTORS = (
    ("gc", "--quiet"),
    ("repack", "-a", "-d", "-q"),
    ("repack", "-d", "-q"),
    ("multi-pack-index", "write"),
    ("prune-packed", "-q"),
)
_CALL_S = 30.0
_FILES_AT_ONCE = 60
_LEVELS = 4


@dataclass
class Report:
    """What happened.

    Attributes:
        seed: of the run.
        pushed: how many commits writers were told to be in the mailbox.
        kills: of writers.
        collections: runs of git's programs.
        fetches: of everything, by us and by git.
        packs: how many there are in the end.
        findings: a sentence each.
    """

    seed: int
    pushed: int = 0
    kills: int = 0
    collections: int = 0
    fetches: int = 0
    packs: int = 0
    findings: list[str] = field(default_factory=list)


def write(mailbox: Path, branch: str) -> None:
    """Push for ever, and name each commit once it is in the mailbox."""
    packing.CROWDED, packing.SLICE_OBJECTS, merging._SMALLEST_LEVEL, upkeep._SETTLED_S = 40, 16, 16, 0.0
    opened, ref = transport(mailbox), _ref(branch)
    step: Step | None = None
    while True:
        if step is None or len(step.files) > _FILES_AT_ONCE:
            tip = opened.read_ref(ref, _deadline())
            step = None if tip is None else Step(tip, {}, [])
        made = commit(step, {f"a/{time.time_ns()}.question.json": b"%d" % time.time_ns()})
        try:
            opened.push(ref, step.name if step else None, made.name, made.objects, _deadline())
        except PeerRelayError:
            step = None
        else:
            step = made
            print(made.name.decode(), flush=True)


def carry_out(folder: Path, seconds: float, seed: int, *, collect: bool = True) -> Report:
    """Let everybody at one mailbox for so long, and look what became of it."""
    report, random, mailbox = Report(seed), dice("repacking", seed), create_repository(folder / "mailbox.git")
    logs = {branch: folder / branch for branch in BRANCHES}
    end = time.monotonic() + seconds
    with ExitStack() as running:
        writers = {branch: _start(mailbox, branch, logs[branch]) for branch in BRANCHES}
        running.callback(lambda: [_kill(writer) for writer in writers.values()])
        while time.monotonic() < end:
            with suppress(subprocess.TimeoutExpired):  # that is, after a moment
                writers[BRANCHES[0]].wait(random.random() / 2)
            branch = random.choice(BRANCHES)
            _kill(writers[branch])
            report.kills += 1
            writers[branch] = _start(mailbox, branch, logs[branch])
            if collect and random.random() < 0.3:
                # Whatever they say: without packs there is nothing to index, and two at once stop each other.
                subprocess.run(["git", "-C", mailbox, *random.choice(COLLECTORS)], capture_output=True, check=False)
                report.collections += 1
            if random.random() < 0.3:
                report.findings += _fetch(mailbox, random.choice(BRANCHES))
                report.fetches += 1
    _judge(mailbox, logs, report)
    return report


def _start(mailbox: Path, branch: str, log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as file:
        command = [sys.executable, "-m", "tests.chaos.repacking", "--write", branch, str(mailbox)]
        return subprocess.Popen(command, stdout=file, cwd=Path(__file__).parents[2])


def _kill(writer: subprocess.Popen[bytes]) -> None:
    writer.kill()
    writer.wait()


def _fetch(mailbox: Path, branch: str) -> list[str]:
    """Fetch all of a branch as a relay does, and all branches as git does."""
    found = []
    try:
        transport(mailbox).fetch(FetchRequest(ref=_ref(branch)), BytesIO(), _deadline())
    except PeerRelayError as error:
        found.append(f"a relay could not fetch: {error}")
    with tempfile.TemporaryDirectory(dir=mailbox.parent) as copy:
        command = ["git", "clone", "--quiet", "--mirror", f"file://{mailbox}", copy]
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode:
            found.append(f"git could not clone: {done.stderr.decode(errors='replace')[-300:]}")
    return found


def _judge(mailbox: Path, logs: dict[str, Path], report: Report) -> None:
    done = subprocess.run(["git", "-C", mailbox, "fsck", "--strict", "--full"], capture_output=True, check=False)
    if done.returncode:
        report.findings.append(f"git fsck says: {done.stderr.decode(errors='replace')[-300:]}")
    for branch, log in logs.items():
        pushed = [line for line in log.read_text(encoding="ascii").split("\n") if len(line) == 40]
        there = set(run_git("rev-list", _ref(branch).decode(), cwd=mailbox).decode().split()) if pushed else set()
        report.pushed += len(pushed)
        report.findings += [f"commit {name} of {branch} is lost" for name in pushed if name not in there]
    report.packs = sum(1 for _ in (mailbox / "objects" / "pack").glob("*.idx"))
    if report.packs > (most := _LEVELS * merging.MERGED + report.collections):
        report.findings.append(f"{report.packs} packs, and {most} are allowed")


def _ref(branch: str) -> bytes:
    return f"refs/heads/peer-relay/{branch}".encode()


def _deadline() -> Deadline:
    return Deadline(_CALL_S, time.monotonic)


def main(argv: Sequence[str]) -> int:
    """Carry out runs, print what happened, and return the exit status: 1 if anything was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.repacking", description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS, help=f"how long (default {SECONDS:.0f})")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", nargs=2, metavar=("BRANCH", "MAILBOX"), help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.write:
        branch, mailbox = options.write
        write(Path(mailbox), branch)
    reports = []
    for collect in (False, True):
        with tempfile.TemporaryDirectory(prefix="peer-relay-repacking-") as folder:
            reports.append(carry_out(Path(folder), options.seconds / 2, options.seed, collect=collect))
        print(json.dumps(asdict(reports[-1])), flush=True)
    return int(any(report.findings for report in reports))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
