"""How long short commands take, against the start of Python itself."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.measure import PROCESSOR, Comparison, at_most, by_turns, compare, processor_ms
from benchmarks.processes import environment_of
from peer_relay import app
from peer_relay.config import RelayConfig
from tests.servers import create_repository

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.setting import Setting

ARGUMENTS = (("--version",), ("status", "--offline"), ("status", "--offline", "--json"))
"""What a person, a prompt and a hook ask for."""


def commands(setting: Setting) -> Iterator[Comparison]:
    """Compare commands that only want to know something with Python doing nothing."""
    mailbox = str(create_repository(setting.folder / "mailbox.git"))
    config = RelayConfig(remote=mailbox, token=app.new_token(), peer_id="alice", home=setting.folder / "alice")
    app.create_room(config, "bob", {})
    environment = environment_of(config)

    def python(*arguments: str) -> Callable[[], object]:
        command = [sys.executable, *arguments]
        return lambda: subprocess.run(command, env=environment, check=True, capture_output=True, timeout=60)

    for arguments in ARGUMENTS:
        ours = python("-m", "peer_relay", *arguments)
        what = f"peer-relay {' '.join(arguments)}"
        against, theirs = "`python -c pass`", python("-c", "pass")
        yield compare(what, ours, against, theirs, setting.runs, goal=at_most(6))
        times = by_turns(partial(processor_ms, ours), partial(processor_ms, theirs), setting.runs)
        yield Comparison(what, against, *times, unit=PROCESSOR, goal=at_most(6))
