"""What is compared: asking, polling and first fetches with git or a smaller room, and short commands with Python."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

import pytest

from benchmarks.growth import grow
from benchmarks.measure import WARM_UPS, Comparison, compare, seconds, table
from peer_relay import app
from peer_relay.config import RelayConfig
from peer_relay.ledger import MAX_OPEN_PLANNED
from tests import independent
from tests.servers import GIT_ENVIRONMENT, _serve, _start_nginx, create_repository, run_git

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RUNS, QUICK_RUNS = 30, 5
SMALL, LARGE = 500, 10_228
"""Numbers of exchanges; after archiving, 500 of them are at the tip in both rooms, so only the history differs."""

GROWN, QUICK_GROWN = 2_500, 250
"""Numbers of exchanges that are written one by one, to see how a mailbox grows."""

BETWEEN_MS = 36 * 60_000
QUESTION = "Why does the session token expire after 15 minutes? Mobile users are logged out. Case {}."
NOTES = f"""
ms are medians, and a ratio below 1 means less time than what it is compared with. peer-relay is measured as in a
running server; the script starts a git process for each step and puts nothing on the disk first. The rooms of the first
fetch have {SMALL:,} and {LARGE:,} exchanges, of which {SMALL} are at the tip in both.
"""

# As a careful person would write it: one bare clone, no working tree, and a push that fails if somebody was faster.
SCRIPT = """
git fetch --quiet origin "+$BRANCH:$BRANCH"
tip=$(git rev-parse "$BRANCH")
blob=$(git hash-object -w --stdin)
tree=$({ git ls-tree "$tip"; printf '100644 blob %s\\t%s\\n' "$blob" "$NAME"; } | git mktree)
commit=$(git commit-tree "$tree" -p "$tip" -m "alice asks: $NAME")
git push --quiet --force-with-lease="$BRANCH:$tip" origin "$commit:$BRANCH"
"""
BRANCH = "refs/heads/script"


@dataclass
class Scripted:
    """The script's side: a clone of its own, and a branch of its own in the mailbox."""

    remote: str
    clone: Path
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        """Make the clone and the branch."""
        create_repository(self.clone)
        self._run(
            f'git push --quiet "{self.remote}" "$(git commit-tree "$(git mktree </dev/null)" -m opened):{BRANCH}"'
        )
        run_git("-C", self.clone, "remote", "add", "origin", self.remote)

    def ask(self) -> None:
        """Put one more file into the mailbox."""
        number = next(self._numbers)
        self._run(SCRIPT, f"{number:06}.question.json", QUESTION.format(number))

    def poll(self) -> None:
        """Look for something new."""
        self._run(f"git fetch --quiet origin +{BRANCH}:{BRANCH}")

    def _run(self, script: str, name: str = "", text: str = "") -> None:
        who = {
            f"GIT_{role}_{what}": "alice@example.com" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
        }
        environment = os.environ | GIT_ENVIRONMENT | who | {"BRANCH": BRANCH, "NAME": name}
        command = ["sh", "-eu", "-c", script]
        subprocess.run(command, cwd=self.clone, input=text.encode(), env=environment, check=True, timeout=60)


def against_git(where: str, remote: str, folder: Path, runs: int) -> Iterator[Comparison]:
    """Compare asking and polling with git's own program on one mailbox, and asking with its own fsyncs."""
    config = RelayConfig(remote=remote, token=app.new_token(), peer_id="alice", home=folder / "alice")
    app.create_room(config, "bob", {})
    script = Scripted(remote, folder / "script.git")
    numbers = itertools.count()
    with contextlib.closing(app.open_relay(config, {})) as relay:

        def ask() -> None:
            assert relay.ask(QUESTION.format(next(numbers))).delivered

        yield compare(f"ask, {where}", ask, "a script of git commands", script.ask, runs)
        yield compare(f"poll, nothing new, {where}", relay.questions, "`git fetch`", script.poll, runs)
        yield with_fsyncs(f"ask, {where}", ask, runs)


def with_fsyncs(what: str, ask: Callable[[], None], runs: int) -> Comparison:
    """Compare an act with the part of it that waits for the disk."""
    whole, waiting, fsync = [], [], os.fsync
    for _ in range(runs):
        waits: list[float] = []
        with mock.patch("os.fsync", lambda descriptor, waits=waits: waits.append(seconds(lambda: fsync(descriptor)))):
            whole.append(seconds(ask))
        waiting.append(sum(waits))
    return Comparison(what, "its own fsyncs", whole, waiting)


def make_room(path: Path, exchanges: int) -> Path:
    """Make a room of many exchanges, object by object, in one pack."""
    room = independent.Room(path)
    with room.in_bulk():
        room.open()
        for number in range(exchanges):
            asked = room.ask(independent.START_MS + number * BETWEEN_MS, "alice", QUESTION.format(number))
            room.answer(asked, "Because an access token cannot be revoked.", ["src/auth/session.py:42"])
    return path


def first_fetches(where: str, small: str, large: str, folder: Path, runs: int) -> Comparison:
    """Compare first looks at two rooms, each from a machine that knows nothing."""
    numbers = itertools.count()

    def look(remote: str) -> None:
        home = folder / f"home-{next(numbers)}"
        app.inspect_room(RelayConfig(remote=remote, token=independent.TOKEN, peer_id="bob", home=home), {})

    what = f"first fetch of {LARGE:,} exchanges, {where}"
    return compare(what, lambda: look(large), f"of {SMALL}", lambda: look(small), runs)


def short_commands(repository: Path, folder: Path, runs: int) -> Iterator[Comparison]:
    """Compare commands that only want to know something with the start of Python itself."""
    config = RelayConfig(remote=str(repository), token=independent.TOKEN, peer_id="alice", home=folder / "alice")
    app.inspect_room(config, {})
    environment = os.environ | {
        "PEER_RELAY_REMOTE": config.remote,
        "PEER_RELAY_ROOM_TOKEN": config.token,
        "PEER_RELAY_PEER_ID": config.peer_id,
        "PEER_RELAY_HOME": str(config.home),
    }

    def python(*arguments: str) -> Callable[[], object]:
        command = [sys.executable, *arguments]
        return lambda: subprocess.run(command, env=environment, check=True, capture_output=True, timeout=60)

    for arguments in (("--version",), ("status", "--offline")):
        what = f"peer-relay {' '.join(arguments)}"
        yield compare(what, python("-m", "peer_relay", *arguments), "`python -c pass`", python("-c", "pass"), runs)


def measured(folder: Path, runs: int) -> Iterator[Comparison]:
    """Yield every comparison."""
    rooms = {number: make_room(folder / f"{number}.git", number) for number in (SMALL, LARGE)}
    yield from short_commands(rooms[SMALL], folder / "short", runs)
    mailbox = create_repository(folder / "mailbox.git")
    yield from against_git("local path", str(mailbox), folder / "local", runs)
    yield first_fetches("local path", str(rooms[SMALL]), str(rooms[LARGE]), folder / "local", runs)
    try:
        with contextmanager(_serve)(_start_nginx) as server:
            server.create("mailbox.git")
            yield from against_git("http", server.url("mailbox.git", access="public"), folder / "http", runs)
            for number, path in rooms.items():
                path.rename(server.root / f"{number}.git")
            small, large = (server.url(f"{number}.git", access="public") for number in rooms)
            yield first_fetches("http", small, large, folder / "http", runs)
    except pytest.skip.Exception as missing:
        print(f"Without http: {missing}.", file=sys.stderr)


def main() -> None:
    """Measure everything and print one table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_RUNS} runs of each instead of {RUNS}")
    runs = QUICK_RUNS if parser.parse_args().quick else RUNS
    assert 2 * runs + WARM_UPS <= MAX_OPEN_PLANNED, "nobody answers here"
    with tempfile.TemporaryDirectory(prefix="peer-relay-bench-") as folder:
        found = []
        grown = grow(Path(folder), GROWN if runs == RUNS else QUICK_GROWN)
        for each in itertools.chain([grown.asking], measured(Path(folder), runs)):
            print(f"{each.what}: done", file=sys.stderr)
            found.append(each)
    print(table(found) + "\n" + NOTES + "\n" + grown.table)


if __name__ == "__main__":
    main()
