"""How many pushes a burst of questions takes on a hosted remote, whose host advises six a minute and repository.

The server is on this machine, so it is told what it would do by itself with a hosted one. The questions come one by
one, as an agent asks them, for most of a minute: at one moment it would be easy to send them all together.
"""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING

from benchmarks.many import pushes_in
from benchmarks.measure import Comparison, at_most, by_turns
from benchmarks.processes import PEER_RELAY, Server, environment_of
from benchmarks.rooms import QUESTION
from peer_relay import app
from peer_relay.config import RelayConfig
from tests.servers import run_git

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from benchmarks.setting import Setting
    from tests.servers import HttpServer

ADVISED = 6
HOSTED = {"PEER_RELAY_PUSHES_PER_MINUTE": str(ADVISED)}
ASKED, QUICK_ASKED = 100, 10
LASTS_S = 55.0
MINUTE_S = 60.0
PATIENCE_S = 60.0


def burst(setting: Setting) -> Iterator[Comparison]:
    """Ask a hundred questions in a minute, and single ones of rooms in which nobody has asked."""
    server = setting.servers.http()
    asked = QUICK_ASKED if setting.quick else ASKED
    pushes = _pushes_of(server, setting.folder, asked)
    yield Comparison(
        f"pushes for {asked} questions in a minute, hosted", f"{ADVISED}", [pushes], [ADVISED], "pushes", at_most(1)
    )
    numbers = itertools.count()

    def single(limit: dict[str, str]) -> Callable[[], float]:
        def ask() -> float:
            config, _ = _room(server, setting.folder, f"single-{next(numbers)}")
            with Server((*PEER_RELAY, "serve"), environment_of(config) | limit) as session:
                session.call("check_questions")
                begun = time.perf_counter()
                assert session.call("ask_peer", question=QUESTION)["status"] == "delivered"
                return (time.perf_counter() - begun) * 1000

        return ask

    figures = by_turns(single(HOSTED), single({}), setting.runs)
    yield Comparison("a single ask_peer, hosted", "the same without a limit", *figures)


def _pushes_of(server: HttpServer, folder: Path, asked: int) -> int:
    """Ask for most of a minute, and return how many pushes the server took in the minute."""
    config, mailbox = _room(server, folder, "burst")
    log = server.root.parent / "access.log"
    with Server((*PEER_RELAY, "serve"), environment_of(config) | HOSTED) as session:
        session.call("check_questions")
        before, begun = pushes_in(log), time.monotonic()
        for number in range(asked):
            _sleep_until(begun + number * LASTS_S / asked)
            session.call("ask_peer", question=QUESTION.format(number))
        _sleep_until(begun + MINUTE_S)
        pushes = pushes_in(log) - before
        # Nothing of it may be left behind: the server takes out by itself what it said was queued.
        while _records(mailbox) < asked:
            assert time.monotonic() < begun + MINUTE_S + PATIENCE_S, "questions are left behind"
            time.sleep(0.1)
    return pushes


def _room(server: HttpServer, folder: Path, name: str) -> tuple[RelayConfig, Path]:
    """Make a room in a repository of its own; return how alice enters it over http, and its path."""
    path, token = server.create(f"{name}.git"), app.new_token()
    app.create_room(RelayConfig(str(path), token, "alice", folder / f"{name}-opening"), "bob", {})
    url = server.url(f"{name}.git", access="public")
    return RelayConfig(url, token, "alice", folder / name), path


def _records(mailbox: Path) -> int:
    return int(run_git("rev-list", "--count", "--all", cwd=mailbox)) - 1


def _sleep_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.monotonic()))
