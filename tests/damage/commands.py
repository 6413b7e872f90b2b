"""What the command line makes of a damaged machine: no traceback, nothing wrong, and a doctor who names the damage."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING
from unittest import mock

from click.testing import CliRunner

from peer_relay.cli import commands
from peer_relay.cli.ending import Exit
from tests.damage.trial import PRECIOUS, Outcome, kind_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from random import Random

    from click.testing import Result

    from tests.damage.damages import Damage
    from tests.damage.world import World

LOG = ("log", "--json", "--room", "work")
STATUS = ("status", "--offline", "--json", "--room", "work")
DOCTOR = ("doctor", "--json", "--room", "work")
_SAYS_WHY = ('"error": ', '"note": ', '"checks": ')
TOPICS = {"checkpoint": "checkpoint", "outbox record": "outbox-files"}
"""Which of the doctor's checks names a damaged file of a kind, wherever in it the damage is."""


def call(world: World, *arguments: str) -> Result:
    """Run a command in this process, on alice's machine."""
    with _at(world):
        return CliRunner().invoke(commands, list(arguments), prog_name="peer-relay")


class Commands:
    """Runs commands in one world, and remembers what they print on an undamaged machine.

    Args:
        world: the machine and its mailbox.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        world.reset()
        self._status = _lists(call(world, *STATUS))
        self._log = call(world, *LOG)

    def examine(self, path: Path, damage: Damage, chance: Random) -> Outcome:
        """Damage one file, and judge what the commands do; healed means that `log` prints all."""
        self._world.reset()
        damage(path, chance)
        kind, is_left = kind_of(str(path.relative_to(self._world.home))), os.path.lexists(path)
        status, found, log = call(self._world, *STATUS), call(self._world, *DOCTOR), call(self._world, *LOG)
        wrong = [problem for result in (status, found, log) for problem in _failures(result)]
        healed, sentence = log.stdout == self._log.stdout, log.stderr if log.exit_code else None
        if wrong:
            return Outcome(kind, healed, sentence, tuple(wrong), ())
        if kind not in PRECIOUS and not all(
            shown <= known for shown, known in zip(_lists(status), self._status, strict=True)
        ):
            wrong.append(f"status printed {status.stdout}")
        if kind not in PRECIOUS and log.exit_code == 0 and log.stdout != self._log.stdout:
            wrong.append(f"log printed {log.stdout}")
        if kind in TOPICS and is_left and not _is_named(kind, found):
            wrong.append(f"the doctor does not name the damage: {found.stdout}")
        return Outcome(kind, healed, sentence, tuple(wrong), ())


def _failures(result: Result) -> Iterator[str]:
    """Yield what no command may do, whatever it finds."""
    if not isinstance(result.exception, SystemExit | None):
        yield f"a command ended with {type(result.exception).__name__}: {result.exception}"
    elif result.exit_code == int(Exit.BUG):
        yield f"a command met a bug: {result.stderr}"
    elif result.exit_code != 0 and not any(word in result.output for word in _SAYS_WHY):
        yield f"a command failed without a sentence: {result.stderr}"


def _lists(status: Result) -> list[set[str]]:
    """Return the questions that a status is about."""
    told = json.loads(status.stdout) if status.exit_code == 0 else {}
    return [set(told.get(name, ())) for name in ("waiting", "unread", "unanswered")]


def _is_named(kind: str, found: Result) -> bool:
    """Say whether the doctor's check of a kind of file is not content."""
    states = {row["id"]: row["state"] for row in json.loads(found.stdout)["checks"]}
    return bool(states[TOPICS[kind]] in {"warning", "failed"})


@contextmanager
def _at(world: World) -> Iterator[None]:
    environment = {**os.environ, "PEER_RELAY_HOME": str(world.home), "HOME": str(world.folder), "COLUMNS": "120"}
    with mock.patch.dict(os.environ, environment):
        yield
