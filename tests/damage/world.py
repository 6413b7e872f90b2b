"""Alice's machine in the middle of a room's life, to be damaged; and a mailbox that can be put back as it was.

Days of exchanges, open and answered, hers and bob's; answers that she has not read; records on their way, one of them
in the mailbox already, one set aside; and a tip that the branch lost. The clone comes in two shapes: with a file for
each object, and with a pack.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from peer_relay import app
from peer_relay.config import RelayConfig
from peer_relay.git.clone import Clone
from peer_relay.outbox import Status
from peer_relay.rooms import Rooms, SavedRoom
from tests.independent import START_MS, TOKEN, Room, make_token
from tests.servers import run_git

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from peer_relay.relay import Relay

DAY_MS = 86_400_000
SHAPES = ("loose", "packed")
LOST = "refs/peer-relay/lost"


@dataclass(frozen=True)
class Kept:
    """A file or folder as it was; a folder has no content, and its time is not looked at."""

    content: bytes | None
    modified_ns: int
    mode: int


@dataclass
class World:
    """Alice's home and the mailbox, and pristine copies of both.

    Attributes:
        folder: where everything is.
        shape: how the clone keeps its objects.
    """

    folder: Path
    shape: str
    _pristine: dict[Path, Kept] = field(default_factory=dict, repr=False)

    @property
    def config(self) -> RelayConfig:
        return RelayConfig(remote=str(self.mailbox), token=TOKEN, peer_id="alice", home=self.home, timeout_s=20)

    @property
    def home(self) -> Path:
        return self.folder / "live" / "home"

    @property
    def mailbox(self) -> Path:
        return self.folder / "live" / "mailbox.git"

    @property
    def rooms(self) -> Rooms:
        return Rooms(self.home / "saved-rooms")

    @property
    def parts(self) -> app.Parts:
        return app.assemble(self.config, {})

    @property
    def state(self) -> Path:
        return self.parts.state.folder

    def reset(self) -> None:
        """Put everything back as it was, touching only what changed: most of a trial's time would go into this."""
        live = self.folder / "live"
        for path in sorted(live.rglob("*"), reverse=True):
            if not _is_as_before(path, self._pristine.get(path)):
                (path.rmdir if path.is_dir() and not path.is_symlink() else path.unlink)()
        for path, kept in self._pristine.items():
            if not path.exists():
                if kept.content is None:
                    path.mkdir()
                else:
                    path.write_bytes(kept.content)
                    path.chmod(kept.mode)
                    os.utime(path, ns=(kept.modified_ns, kept.modified_ns))

    def remember(self) -> None:
        """Take everything as it is for pristine."""
        self._pristine = {path: _keep(path) for path in sorted((self.folder / "live").rglob("*"))}

    def files(self) -> list[Path]:
        """Return every file of alice's home as it was."""
        return [path for path, kept in self._pristine.items() if kept.content is not None and self.home in path.parents]

    @contextlib.contextmanager
    def relay(self) -> Iterator[Relay]:
        with contextlib.closing(app.open_relay(self.config, {})) as relay:
            yield relay

    @contextlib.contextmanager
    def unreachable(self) -> Iterator[None]:
        """Let the mailbox be away."""
        away = self.mailbox.with_name("away")
        self.mailbox.rename(away)
        yield
        away.rename(self.mailbox)


def build(folder: Path, shape: str) -> World:
    """Build the world in a folder, with a clone of one of the two shapes."""
    (folder / "live").mkdir(parents=True)
    world = World(folder, shape)
    _history(world)
    world.rooms.save(SavedRoom(str(world.mailbox), TOKEN, "alice", "bob"), "work")
    world.rooms.save(SavedRoom(str(world.mailbox), make_token(bytes(32)), "alice", "carol"), "spare")
    _talk(world)
    _lose_history(world)
    if shape == "packed":
        pack(world.state / "clone")
    shutil.rmtree(world.mailbox / "hooks")
    world.remember()
    return world


def _keep(path: Path) -> Kept:
    found = path.stat()
    return Kept(None if path.is_dir() else path.read_bytes(), found.st_mtime_ns, found.st_mode)


def _is_as_before(path: Path, kept: Kept | None) -> bool:
    """Say whether something need not be removed; what was written again has another time."""
    if kept is None or path.is_symlink() or path.is_dir() != (kept.content is None):
        return False
    found = path.stat()
    is_same = (found.st_mtime_ns, found.st_mode) == (kept.modified_ns, kept.mode)
    return path.is_dir() or (is_same and found.st_size == len(kept.content or b""))


def _history(world: World) -> None:
    """Open the room and fill some days."""
    room = Room(world.mailbox)
    room.open()
    for number in range(6):
        asker = ("alice", "bob")[number % 2]
        asked = room.ask(START_MS + 1000 + number * DAY_MS // 3, asker, f"Question {number} of {asker}?", "A hint.")
        if number < 3:
            room.answer(asked, f"Answer {number}.", ["src/a.py:7", "docs/b.md"])


def _talk(world: World) -> None:
    """Let both go on, until something of everything is on alice's machine."""
    bob = replace(world.config, peer_id="bob", home=world.folder / "bob")
    with world.relay() as relay, contextlib.closing(app.open_relay(bob, {})) as other:
        unread = [relay.ask(text).question_id for text in ("Unread?", "Shown and not yet read?")]
        for question_id in unread:
            other.answer(question_id, "An answer that waits.", ["README.md:1"])
        relay.mark_shown([each.question_id for each in relay.answers().items][1:])
        with world.unreachable():
            relay.ask("Delivered, but the process was killed?")
        (entry,) = relay.outbox()
        path = world.state / "outbox" / entry.name
        pushed = path.read_bytes()
        relay.deliver()
        waiting = [each.question_id for each in relay.questions().items]
        with world.unreachable():
            relay.ask("Queued?")
            relay.answer(waiting[0], "A queued answer.")
            relay.ask("Set aside?")
        path.write_bytes(pushed)
        outbox = world.parts.state.outbox
        (refused,) = (each for each in outbox.entries() if "Set aside?" in str(each.record))
        outbox.save(replace(refused, status=Status.REFUSED, words="a hook says no"))
        other.ask("Something new?")


def _lose_history(world: World) -> None:
    """Keep a tip under a ref, as if the branch had lost it, and have a clone that was put aside for that."""
    clone = world.state / "clone"
    known = world.parts.state.load()
    assert known is not None
    with Clone(clone, "the mailbox").opened() as opened:
        opened.keep(known.snapshot.tip)
    # Nobody reads the other one, so its objects need not be there to be damaged as well.
    shutil.copytree(clone, clone.with_name("clone-with-lost-history"), ignore=shutil.ignore_patterns("objects"))


def pack(clone: Path) -> None:
    """Put all objects of a clone into one pack, and its refs into one file, as somebody does with git itself."""
    loose = list((clone / "objects").glob("??/*"))
    names = "".join(f"{path.parent.name}{path.name}\n" for path in loose)
    run_git("pack-objects", "-q", "objects/pack/pack", cwd=clone, data=names.encode())
    run_git("pack-refs", "--all", cwd=clone)
    run_git("update-server-info", cwd=clone)
    for path in loose:
        path.unlink()
