"""Lets two real servers answer calls for long and measures what grows: `python -m tests.chaos.endurance`

Two peers talk through a mailbox at a path: they ask, look, answer and look again, and most looks find nothing. Memory,
file descriptors and threads of both servers, and the files of the mailbox and of both clones, are measured when a tenth
of the calls is done and at the end. What is the same for a thousand records and for ten thousand does not grow.

A call is one of the first peer's; the other one makes as many. The times are printed and nothing is required of them,
because a shared machine decides about them; the work of one call is what tests/git/test_packing.py bounds.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from peer_relay import app
from peer_relay.config import RelayConfig
from peer_relay.git.merging import MERGE_OBJECTS, MERGED
from peer_relay.git.packing import CROWDED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

CALLS = 20_000
PEERS = ("alice", "bob")
LONGEST_CALL_S = 60.0
QUESTION = "Why does the session token expire after 15 minutes? Mobile users are logged out. Case {}."
ANSWER = "Because an access token cannot be revoked: it is 15 minutes, and the refresh token is what lasts."

_INITIALIZE = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "endurance", "version": "1"},
}
# A record is a file, the three folders on the way to it, and a commit.
_OBJECTS_OF_A_RECORD = 5
# Below this the newest objects of a mailbox are too young to be packed: ten seconds' worth, at a rate never reached.
_YOUNG = 2_500
_LEVELS = 3
MOST_GROWN = {"memory_mib": 24.0, "file descriptors": 4.0, "threads": 4.0}
"""By how much a process may have grown between a tenth and the end."""


class Server:
    """A real server process, spoken to one call at a time; a context manager that ends it."""

    def __init__(self, config: RelayConfig) -> None:
        variables = {
            "PEER_RELAY_REMOTE": config.remote,
            "PEER_RELAY_ROOM_TOKEN": config.token,
            "PEER_RELAY_PEER_ID": config.peer_id,
            "PEER_RELAY_HOME": str(config.home),
            "PEER_RELAY_TIMEOUT": str(LONGEST_CALL_S),
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "peer_relay", "serve"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | variables,
        )
        self._ids = itertools.count()
        self._request("initialize", _INITIALIZE)
        self._send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=LONGEST_CALL_S)

    def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool and return its structured result."""
        result = self._request("tools/call", {"name": tool, "arguments": arguments})
        assert not result.get("isError"), result
        found: dict[str, Any] = result["structuredContent"]
        return found

    def figures(self) -> dict[str, float]:
        """Return what the process has of the machine; only on Linux."""
        folder = Path("/proc", str(self._process.pid))
        status = dict(line.split(":", 1) for line in (folder / "status").read_text(encoding="ascii").splitlines())
        return {
            "memory_mib": round(int(status["VmRSS"].split()[0]) / 1024, 1),
            "file descriptors": float(len(list((folder / "fd").iterdir()))),
            "threads": float(status["Threads"]),
        }

    def _request(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        number = next(self._ids)
        self._send({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        assert self._process.stdout is not None
        while line := self._process.stdout.readline():
            message = json.loads(line)
            if message.get("id") == number:
                result: dict[str, Any] = message["result"]
                return result
        raise AssertionError("the server has ended")

    def _send(self, message: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message).encode() + b"\n")
        self._process.stdin.flush()


@dataclass
class Run:
    """Two servers at work.

    Attributes:
        mailbox: the repository.
        homes: the state folder of each peer.
        servers: the process of each peer.
        seconds: how long each call of a tool took, in their order.
        records: how many were written.
        calls: how many the first peer made.
    """

    mailbox: Path
    homes: Mapping[str, Path]
    servers: Mapping[str, Server]
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    records: int = 0
    calls: int = 0

    def work(self, calls: int) -> None:
        """Let the peers talk until the first one has made so many calls."""
        turns = itertools.cycle(itertools.permutations(PEERS))
        while self.calls < calls:
            self._exchange(*next(turns))

    def figures(self) -> dict[str, dict[str, float]]:
        """Return all that is measured, by what it is of."""
        clones = {f"{peer}'s clone": next(home.glob("rooms/*/*/clone")) for peer, home in self.homes.items()}
        return {
            **{f"{peer}'s server": server.figures() for peer, server in self.servers.items()},
            **{name: files_of(path) for name, path in {"mailbox": self.mailbox, **clones}.items()},
        }

    def _exchange(self, asker: str, other: str) -> None:
        """Ask and answer one question; each peer makes four calls, of which half find nothing."""
        asked = self._call(asker, "ask_peer", question=QUESTION.format(self.records))["question_id"]
        self._call(asker, "check_questions")
        (question,) = self._call(other, "check_questions")["questions"]
        assert question["question_id"] == asked
        answered = self._call(other, "answer_question", question_id=asked, answer=ANSWER, sources=["src/auth.py:42"])
        assert answered["status"] == "delivered"
        (answer,) = self._call(asker, "check_answers")["answers"]
        assert (answer["question_id"], answer["answer"]) == (asked, ANSWER)
        assert self._call(asker, "check_answers")["answers"] == []
        assert self._call(other, "check_answers")["answers"] == []
        assert self._call(other, "check_questions")["questions"] == []
        self.records += 2

    def _call(self, peer: str, tool: str, **arguments: Any) -> dict[str, Any]:
        begun = time.perf_counter()
        result = self.servers[peer].call(tool, **arguments)
        self.seconds[tool].append(time.perf_counter() - begun)
        self.calls += peer == PEERS[0]
        return result


def files_of(repository: Path) -> dict[str, float]:
    """Return how many loose objects and packs a repository has, and what all of it takes on the disk."""
    files = [path for path in repository.rglob("*") if path.is_file()]
    return {
        "loose objects": float(sum(len(path.parent.name) == 2 for path in files)),
        "packs": float(sum(path.suffix == ".pack" for path in files)),
        "disk_mib": round(sum(path.stat().st_blocks for path in files) / 2048, 1),
    }


def most_files(records: int) -> dict[str, float]:
    """Return how many loose objects and packs a repository of so many records may have, and its size in MiB."""
    levels = (_LEVELS + 1) * MERGED
    return {
        "loose objects": 2.0 * CROWDED + _YOUNG,
        "packs": levels + float(records * _OBJECTS_OF_A_RECORD // (MERGE_OBJECTS // 2)),
        "disk_mib": 48 + records / 500,
    }


def findings(
    early: Mapping[str, Mapping[str, float]], late: Mapping[str, Mapping[str, float]], records: int
) -> list[str]:
    """Return a sentence for each figure that has grown more than it may."""
    found = []
    for what, figures in late.items():
        for name, value in figures.items():
            if name in MOST_GROWN and value > (most := early[what][name] + MOST_GROWN[name]):
                found.append(f"{what}: {name} grew from {early[what][name]:g} to {value:g}, and {most:g} is allowed")
            elif name not in MOST_GROWN and value > (most := most_files(records)[name]):
                found.append(f"{what}: {value:g} {name} for {records:,} records, and {most:g} are allowed")
    return found


def carry_out(folder: Path, calls: int) -> tuple[Run, dict[str, dict[str, float]], dict[str, dict[str, float]]]:
    """Make a room in a folder, let the peers talk, and measure when a tenth of the calls is done and at the end."""
    token, homes = app.new_token(), {peer: folder / peer for peer in PEERS}
    mailbox = folder / "mailbox.git"
    configs = {peer: RelayConfig(remote=str(mailbox), token=token, peer_id=peer, home=homes[peer]) for peer in PEERS}
    app.create_room(configs[PEERS[0]], PEERS[1], {})
    with ExitStack() as ended:
        servers = {peer: ended.enter_context(Server(config)) for peer, config in configs.items()}
        run = Run(mailbox, homes, servers)
        run.work(calls // 10)
        early = run.figures()
        run.work(calls)
        return run, early, run.figures()


def _lines(
    run: Run, early: Mapping[str, Mapping[str, float]], late: Mapping[str, Mapping[str, float]]
) -> Iterator[str]:
    for what, figures in late.items():
        for name, value in figures.items():
            yield f"{what}: {name} {early[what][name]:g} at a tenth, {value:g} at the end"
    for tool, taken in run.seconds.items():
        tenth = max(1, len(taken) // 10)
        first, last = (statistics.median(part) * 1000 for part in (taken[:tenth], taken[-tenth:]))
        yield f"{tool}: median of the first tenth {first:.1f} ms, of the last {last:.1f} ms, longest {max(taken):.2f} s"


def main(argv: Sequence[str]) -> int:
    """Carry out a run, print its figures, and return the exit status: 1 if anything has grown too much."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.endurance", description=__doc__)
    parser.add_argument("--calls", type=int, default=CALLS, help=f"how many calls each peer makes (default {CALLS:,})")
    options = parser.parse_args(argv)
    if not Path("/proc/self/status").exists():
        print("left out: only Linux tells what a process has")
        return 0
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="peer-relay-endurance-") as folder:
        run, early, late = carry_out(Path(folder), options.calls)
    print("\n".join(_lines(run, early, late)))
    found = findings(early, late, run.records)
    print("\n".join(f"finding: {each}" for each in found) or "nothing grew")
    figures = {"calls": run.calls, "records": run.records, "seconds": round(time.monotonic() - begun)}
    longest = {tool: round(max(taken), 3) for tool, taken in run.seconds.items()}
    print(json.dumps({**figures, "early": early, "late": late, "longest_s": longest, "findings": found}))
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
