"""Two people with a home folder each, who share a room in a bare repository."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.support import run
from tests.clients.programs import OWN_SCRIPTS, Finished, Program

if TYPE_CHECKING:
    from pathlib import Path

PEER_RELAY = Program((str(OWN_SCRIPTS / "peer-relay"),))


@dataclass(frozen=True)
class Person:
    """Somebody who has a home folder, and a room saved in it.

    Attributes:
        name: the peer id.
        home: the home folder. It holds nothing but git's and peer-relay's own until a test puts more there.
    """

    name: str
    home: Path

    @property
    def variables(self) -> dict[str, str]:
        """What leads peer-relay to this person's room, wherever the home folder's default would be."""
        return {"PEER_RELAY_HOME": str(self.home / "peer-relay")}

    def run(self, *arguments: str, data: str = "") -> Finished:
        """Run `peer-relay` as this person; it has to succeed."""
        done = PEER_RELAY(*arguments, home=self.home, variables=self.variables, data=data)
        assert done.code == 0, done
        return done

    def read(self, *arguments: str) -> Any:
        """Run `peer-relay ... --json` as this person and return the data that it printed."""
        return json.loads(self.run(*arguments, "--json").output)


@dataclass(frozen=True)
class Pair:
    """The two sides of one room.

    Attributes:
        mailbox: the bare repository.
    """

    mailbox: Path
    alice: Person
    bob: Person


def pair(folder: Path) -> Pair:
    """Let alice open a room and bob join it, each in a home folder below `folder`."""
    both = Pair(folder / "mailbox.git", *(Person(name, folder / name) for name in ("alice", "bob")))
    opened = _here(both.alice, "init", str(both.mailbox), "--me", "alice", "--peer", "bob")
    _here(both.bob, "join", given=json.loads(opened)["invite"])
    return both


def _here(person: Person, *arguments: str, given: str | None = None) -> str:
    """Run a command in this process: most tests begin with this, and a process for each would be a third of them."""
    person.home.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in person.variables.items():
            patch.setenv(name, value)
        done = run(*arguments, "--json", given=given)
    assert done.exit_code == 0, done.output
    return done.stdout
