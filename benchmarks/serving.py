"""What the MCP server costs: its start, its calls and its memory, against a server of the SDK that does nothing."""

from __future__ import annotations

import contextlib
import itertools
import sys
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.measure import PROCESSOR, WARM_UPS, Comparison, at_most, by_turns, compare, processor_ms
from benchmarks.processes import PEER_RELAY, Server, clean_environment, environment_of
from benchmarks.rooms import GROWN, QUESTION, cached_room
from peer_relay import app
from peer_relay.config import RelayConfig
from tests.independent import TOKEN
from tests.servers import create_repository

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.setting import Setting

BARE = (sys.executable, "-m", "benchmarks.sdk")
OURS = (*PEER_RELAY, "serve")
CALLS, QUICK_CALLS = 1_000, 50
LOOK, FIRST = "check_questions", at_most(1.2)
ASKED = 50
"""How many of the calls ask; nobody answers here, so it has to be less than the limit of open questions."""


def serving(setting: Setting) -> Iterator[Comparison]:
    """Compare the server with the bare SDK, and in an old room with itself in an empty one."""
    grown = RelayConfig(str(cached_room(setting.cache, GROWN)), TOKEN, "bob", setting.folder / "grown-bob")
    with contextlib.closing(app.open_relay(grown, {})) as relay:
        relay.questions()
    empty = _empty_room(setting.folder, "empty")
    known = f"a known room of {GROWN:,} exchanges, local"
    for what, ours, against, theirs, goal in (
        ("start to `initialize`, an empty room, local", _Start(empty), "the bare SDK", _Start(), at_most(1.08)),
        (f"start to `initialize`, {known}", _Start(grown), "the bare SDK", _Start(), at_most(1.08)),
        (
            f"start to a first check_questions, {known}",
            _Start(grown, LOOK),
            "an empty room",
            _Start(empty, LOOK),
            FIRST,
        ),
        (f"start to a first check_questions, {known}", _Start(grown, LOOK), "the bare SDK", _Start(None, "look"), None),
    ):
        busy = (list[float](), list[float]())
        times = by_turns(partial(_times, ours, busy[0]), partial(_times, theirs, busy[1]), setting.runs)
        yield Comparison(what, against, *times, goal=goal)
        processor = (each[WARM_UPS:] for each in busy)
        yield Comparison(f"{what}, and the end", against, *processor, unit=PROCESSOR)
    with Server(OURS, environment_of(empty)) as server, Server(BARE, clean_environment()) as sdk:
        look, nothing = (lambda: server.call(LOOK)), (lambda: sdk.call("look"))
        yield compare("check_questions, nothing new, local", look, "a call of the bare SDK", nothing, setting.runs)
    yield from _memory(setting)


@dataclass(frozen=True)
class _Start:
    """A start of peer-relay in a room, or of the bare SDK, up to its last reply; the end of it is not timed.

    Attributes:
        config: the room; None for the bare SDK.
        tools: what is called.
    """

    config: RelayConfig | None = None
    tool: str | None = None

    def __call__(self) -> float:
        """Start, and return how long it took, in milliseconds."""
        begun = time.perf_counter()
        with _server(self.config) as server:
            if self.tool is not None:
                server.call(self.tool)
            return (time.perf_counter() - begun) * 1000


def _times(start: _Start, busy: list[float]) -> float:
    """Start, note the processor's time up to the end of the server, and return what the start took."""
    taken: list[float] = []
    busy.append(processor_ms(lambda: taken.append(start())))
    return taken[0]


def _server(config: RelayConfig | None) -> Server:
    return Server(BARE, clean_environment()) if config is None else Server(OURS, environment_of(config))


def _memory(setting: Setting) -> Iterator[Comparison]:
    """Compare the memory of both servers after many calls."""
    calls = QUICK_CALLS if setting.quick else CALLS
    numbers, found = itertools.count(), [list[tuple[float, float]](), list[tuple[float, float]]()]

    def ours() -> float:
        with Server(OURS, environment_of(_empty_room(setting.folder, f"memory-{next(numbers)}"))) as server:
            for number in range(calls):
                if number % (calls // ASKED) == 0:
                    assert server.call("ask_peer", question=QUESTION.format(number))["status"] == "delivered"
                else:
                    server.call("check_questions" if number % 2 else "check_answers")
            found[0].append(server.memory_mib())
        return 0

    def theirs() -> float:
        with Server(BARE, clean_environment()) as server:
            for _ in range(calls):
                server.call("look")
            found[1].append(server.memory_mib())
        return 0

    by_turns(ours, theirs, setting.runs)
    for place, name in enumerate(("RSS", "PSS")):
        figures = ([each[place] for each in side[WARM_UPS:]] for side in found)
        what = f"{name} of the server after {calls:,} calls, local"
        yield Comparison(what, "the bare SDK", *figures, unit="MiB", goal=at_most(1.15))


def _empty_room(folder: Path, name: str) -> RelayConfig:
    """Make a room in which nobody has asked yet, which bob knows; return his configuration."""
    mailbox, token = str(create_repository(folder / f"{name}.git")), app.new_token()
    alice, bob = (RelayConfig(mailbox, token, peer, folder / f"{name}-{peer}") for peer in ("alice", "bob"))
    app.create_room(alice, "bob", {})
    with contextlib.closing(app.open_relay(bob, {})) as relay:
        relay.questions()
    return bob
