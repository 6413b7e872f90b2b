"""What a room and a machine of it look like before a process is killed: made once for each situation, then copied.

In every one of them alice is at work; bob's question `bob-1` waits for an answer.
"""

from __future__ import annotations

import re
import shutil
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from peer_relay import app
from peer_relay.config import RelayConfig
from peer_relay.git.clone import Clone
from peer_relay.keys import RoomKeys
from peer_relay.local_state import LocalState
from peer_relay.standing import folder_of
from tests import independent
from tests.chaos.killing_process import live
from tests.servers import run_git

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from peer_relay.relay import Relay
    from tests.chaos.killing_process import Tell

TOKEN = independent.TOKEN
BRANCH = independent.Room(None).branch
TIMEOUT_S = 20.0
_NOWHERE = "http://127.0.0.1:9/nobody"
_SUBJECT = re.compile(r"\w+ (?:asks|answers): ([\w-]+):")


@dataclass(frozen=True)
class Way:
    """How repositories are reached.

    Attributes:
        name: `path`, `ssh` or `http`.
        root: where repositories are made.
        prefix: the address of that folder.
        environ: the variables that are needed.
    """

    name: str
    root: Path
    prefix: str
    environ: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class World:
    """One room and its two machines.

    Attributes:
        repository: the mailbox.
        remote: its address for alice.
        homes: where both keep their state.
        environ: what alice needs to reach it.
    """

    repository: Path
    remote: str
    homes: Path
    environ: Mapping[str, str] = field(default_factory=dict)

    def relay(self, peer: str) -> Relay:
        """Return a relay as a new process makes it; bob's is on the mailbox's own machine."""
        remote, environ = (self.remote, self.environ) if peer == "alice" else (str(self.repository), {})
        home = self.homes / peer
        return app.open_relay(RelayConfig(remote, TOKEN, peer, home, TIMEOUT_S), environ)

    @property
    def state(self) -> LocalState:
        """What alice's machine keeps."""
        return LocalState(folder_of(self.homes / "alice", RoomKeys.from_token(TOKEN).room_id, "alice"))

    @property
    def clone(self) -> Clone:
        """Alice's clone."""
        return Clone(self.state.clone_folder, self.remote)

    def stored(self) -> Counter[str]:
        """Return the names of all records that the branch's history added, as plain git sees them."""
        subjects = run_git("log", "--format=%s", BRANCH, cwd=self.repository).decode().splitlines()
        return Counter(name for each in subjects if (name := name_in_subject(each)))

    def queued(self) -> set[str]:
        """Return the names of the records in alice's outbox."""
        records = (entry.record for entry in self.state.outbox.waiting())
        return {name_of(getattr(each, "question", "") or getattr(each, "answer", "")) for each in records}


def name_in_subject(subject: str) -> str | None:
    """Return the name of the record that a commit with this subject added, if it added one."""
    found = _SUBJECT.match(subject)
    return None if found is None else found[1]


def name_of(text: str) -> str:
    """Return the name that a text begins with."""
    return text.partition(":")[0]


def _open(world: World, exchanges: int) -> None:
    """Open a room that holds answered exchanges already."""
    room = independent.Room(world.repository)
    with room.in_bulk():
        room.open()
        for number in range(exchanges):
            asked = room.ask(independent.START_MS + number, "bob", f"before-{number}: ?")
            room.answer(asked, f"before-answer-{number}: !")


def _talk(world: World, questions: int) -> None:
    """Let alice ask and bob answer, and bob ask once. Alice has seen no answer."""
    alice, bob = world.relay("alice"), world.relay("bob")
    for number in range(questions):
        bob.answer(alice.ask(f"alice-{number}: ?").question_id, f"to-alice-{number}: !")
    bob.ask("bob-1: ?")


def _queue(world: World) -> None:
    """Let alice have three questions on their way."""
    alice = replace(world, remote=_NOWHERE).relay("alice")
    for number in range(3):
        alice.ask(f"queued-{number}: ?")


def _known(world: World) -> None:
    _open(world, 0)
    _talk(world, 2)


def _up_to_date(world: World) -> None:
    _known(world)
    world.relay("alice").questions()


def _new(world: World) -> None:
    _known(world)
    shutil.rmtree(world.homes / "alice")


def _queued(world: World) -> None:
    _known(world)
    _queue(world)


def _queued_new(world: World) -> None:
    _new(world)
    _queue(world)


def _full(world: World) -> None:
    """Fill the tip, so that whatever comes next is behind an archive commit."""
    _open(world, 511)
    _talk(world, 1)


def _torn(world: World) -> None:
    """Empty every object of the clone, as a loss of power may."""
    _known(world)
    for path in world.clone.path.glob("objects/??/*"):
        path.chmod(0o644)
        path.write_bytes(b"")


SITUATIONS: dict[str, Callable[[World], None]] = {
    "known": _known,
    "up to date": _up_to_date,
    "new": _new,
    "queued": _queued,
    "queued, never reached": _queued_new,
    "full": _full,
    "torn": _torn,
}
UNREAD = {"new": set(), "queued, never reached": set(), "full": {"alice-0"}}
"""Whose answers are unread: on a machine that was never there, what the first look finds counts as read."""


class Worlds:
    """The worlds of one run.

    Args:
        way: to the mailbox.
        folder: for everything else.
    """

    def __init__(self, way: Way, folder: Path) -> None:
        self.way = way
        self._folder = folder
        self._count = 0
        self._made: dict[str, World] = {}
        self._before: dict[str, Counter[str]] = {}

    def copy(self, situation: str) -> World:
        """Return a new world in a situation."""
        template = self._made.get(situation) or self._make(situation)
        world = self._name()
        shutil.copytree(template.repository, world.repository)
        shutil.copytree(template.homes, world.homes)
        return world

    def before(self, situation: str) -> Counter[str]:
        """Return the names of the records that the mailbox holds in a situation."""
        if situation not in self._before:
            self._before[situation] = self._made[situation].stored()
        return self._before[situation]

    def remove(self, world: World) -> None:
        """Remove a world that is done with."""
        shutil.rmtree(world.repository)
        shutil.rmtree(world.homes)

    def _name(self) -> World:
        self._count += 1
        name = f"world-{self._count}"
        repository = self.way.root / name / "mailbox.git"
        remote = f"{self.way.prefix}/{name}/mailbox.git"
        return World(repository, remote, self._folder / name, self.way.environ)

    def _make(self, situation: str) -> World:
        # At a path whatever the way is: none of it is what is tried.
        repository = self._folder / f"{situation} mailbox.git"
        template = World(repository, str(repository), self._folder / situation)
        template.homes.mkdir()

        def make(tell: Tell) -> None:
            del tell
            SITUATIONS[situation](template)
            run_git("gc", "--quiet", cwd=template.repository)

        life = live(make)
        assert life.ended, life.failure
        self._made[situation] = template
        return template
