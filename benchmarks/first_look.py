"""How long the first look at an old room takes, from a machine that knows nothing, against git's quickest clone.

git starts a process and peer-relay, as in a running server, does not; the rows of `peer-relay questions` start one too.
Neither side has anything of the room, and both end with a repository on the disk; peer-relay has verified the tip.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.measure import PROCESSOR, Comparison, at_most, by_turns, compare, processor_ms
from benchmarks.processes import PEER_RELAY, environment_of
from benchmarks.rooms import GROWN, OLD, cached_room, copied
from peer_relay import app
from peer_relay.config import RelayConfig
from peer_relay.paths import parse_path
from tests.independent import TOKEN, Room
from tests.servers import GIT_ENVIRONMENT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.setting import Setting

LIMIT_MS = 300
"""What a first look at a path may take."""


def first_look(setting: Setting) -> Iterator[Comparison]:
    """Compare first looks with shallow clones, over http and at a path."""
    size = GROWN if setting.quick else OLD
    room = copied(cached_room(setting.cache, size), setting.folder / "room.git")
    local = _Looks(str(room), f"file://{room}", setting.folder / "local")
    what = f"first look at {size:,} exchanges, local"
    found = compare(what, local.ours, "`git clone --depth 1`", local.git, setting.runs)
    yield found
    yield Comparison(what, f"{LIMIT_MS} ms", found.ours, [LIMIT_MS] * len(found.ours), goal=at_most(1))
    times = by_turns(partial(processor_ms, local.ours), partial(processor_ms, local.git), setting.runs)
    yield Comparison(what, "`git clone --depth 1`", *times, unit=PROCESSOR)
    yield compare(f"`peer-relay questions`, {what}", local.program, "`git clone --depth 1`", local.git, setting.runs)
    server = setting.servers.http()
    room.rename(server.root / "first-look.git")
    url = server.url("first-look.git", access="public")
    http, what = _Looks(url, url, setting.folder / "http"), f"first look at {size:,} exchanges, http"
    yield compare(what, http.ours, "`git clone --depth 1`", http.git, setting.runs, goal=at_most(1.5))
    yield compare(f"`peer-relay questions`, {what}", http.program, "`git clone --depth 1`", http.git, setting.runs)


class _Looks:
    """First looks at one room, each from a folder of its own.

    Args:
        remote: the mailbox for peer-relay.
        url: the same for git, which makes a path with a history of its own out of a plain path.
        folder: for everything.
    """

    def __init__(self, remote: str, url: str, folder: Path) -> None:
        self._remote, self._url, self._folder = remote, url, folder
        self._numbers = itertools.count()
        self._branch = Room(None).branch.removeprefix("refs/heads/")
        folder.mkdir()

    def ours(self) -> None:
        """Look as a running server does, which has not seen the room's paths before."""
        parse_path.cache_clear()
        with contextlib.closing(app.open_relay(self._config(), {})) as relay:
            assert not relay.questions().items

    def program(self) -> None:
        """Look with a process of our own."""
        self._run([*PEER_RELAY, "questions"], environment_of(self._config()))

    def git(self) -> None:
        """Clone with git."""
        options = ["--quiet", "--bare", "--depth", "1", "--single-branch", "--branch", self._branch]
        command = ["git", "clone", *options, self._url, str(self._new())]
        self._run(command, os.environ | GIT_ENVIRONMENT)

    def _config(self) -> RelayConfig:
        return RelayConfig(remote=self._remote, token=TOKEN, peer_id="bob", home=self._new())

    def _new(self) -> Path:
        return self._folder / str(next(self._numbers))

    def _run(self, command: list[str], environ: dict[str, str]) -> None:
        subprocess.run(command, env=environ, check=True, capture_output=True, timeout=60)
