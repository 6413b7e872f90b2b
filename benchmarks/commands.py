"""How long short commands take, against the start of Python itself."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.measure import PROCESSOR, Comparison, at_most, by_turns, compare, processor_ms
from benchmarks.processes import environment_of
from peer_relay import app
from peer_relay.config import RelayConfig
from tests.servers import create_repository

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from benchmarks.setting import Setting

ARGUMENTS = (("--version",), ("status", "--offline"), ("status", "--offline", "--json"))
"""What a person and a prompt ask for."""

HOOK = ("hook", "--max-age", "3600")
"""What an agent's hook asks for; what is known is too new to be looked for again."""

EVENT = json.dumps({"session_id": "one", "hook_event_name": "UserPromptSubmit"}).encode()


def commands(setting: Setting) -> Iterator[Comparison]:
    """Compare commands that only want to know something with Python doing nothing."""
    mailbox = str(create_repository(setting.folder / "mailbox.git"))
    config = RelayConfig(remote=mailbox, token=app.new_token(), peer_id="alice", home=setting.folder / "alice")
    app.create_room(config, "bob", {})
    environment = environment_of(config)

    for arguments in ARGUMENTS:
        yield from _compared(arguments, environment, setting.runs)
    with closing(app.open_relay(config, {})) as alice, closing(app.open_relay(_as_bob(config), {})) as bob:
        bob.ask("Why?")
        alice.refresh()
    _run(("-m", "peer_relay", *HOOK), environment)  # tells of the question
    yield from _compared(HOOK, environment, setting.runs)


def _as_bob(config: RelayConfig) -> RelayConfig:
    return dataclasses.replace(config, peer_id="bob", home=config.home.with_name("bob"))


def _compared(arguments: Sequence[str], environment: Mapping[str, str], runs: int) -> Iterator[Comparison]:
    ours = partial(_run, ("-m", "peer_relay", *arguments), environment)
    what = f"peer-relay {' '.join(arguments)}" if arguments is not HOOK else "peer-relay hook, nothing new"
    against, theirs = "`python -c pass`", partial(_run, ("-c", "pass"), environment)
    yield compare(what, ours, against, theirs, runs, goal=at_most(6))
    times = by_turns(partial(processor_ms, ours), partial(processor_ms, theirs), runs)
    yield Comparison(what, against, *times, unit=PROCESSOR, goal=at_most(6))


def _run(arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    command = [sys.executable, *arguments]
    subprocess.run(command, input=EVENT, env=environment, check=True, capture_output=True, timeout=60)
