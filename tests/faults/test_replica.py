"""A host with several copies: what was pushed is not shown for a while, and what is shown was true once."""

from __future__ import annotations

import shutil
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.claims import claim
from tests.faults.catalogue import Place
from tests.faults.scene import AFTER, BEFORE, PATIENCE_S, Scene, records_in
from tests.faults.web import WebRemote
from tests.servers import run_git

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from peer_relay.relay import Relay
    from tests.git.fault_server import Handler


class Hall:
    """Alice before a host whose copies lag, and bob, who always sees the newest."""

    def __init__(self, scene: Scene, folder: Path, alice_knows: str) -> None:
        self.scene = scene
        self.mailbox = folder / "served" / "mailbox.git"
        shutil.copytree(scene.folder / alice_knows / "mailbox.git", self.mailbox)
        shutil.copytree(scene.folder / alice_knows / "home", folder / "alice")
        self.remote = WebRemote(folder / "served", scene.folder / BEFORE)
        self.alice = scene.relay(self.remote.url, folder / "alice", self.remote.environ, PATIENCE_S)
        self.bob: Relay = scene.relay(str(self.mailbox), folder / "bob", {}, PATIENCE_S, "bob")  # on a new machine

    def texts(self) -> list[str]:
        """Return what every question in the mailbox asks, by plain git."""
        paths = [path for path in records_in(self.mailbox, self.scene.branch) if path.endswith(".question.json")]
        blobs = (run_git("cat-file", "blob", f"{self.scene.branch}:{path}", cwd=self.mailbox) for path in paths)
        return sorted(blob.decode().split('"question": "')[1].split('"')[0] for blob in blobs)

    def close(self) -> None:
        self.alice.close()
        self.remote.close()


@pytest.fixture
def hall(scene: Scene, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Hall]:
    with closing(Hall(scene, tmp_path, request.param)) as made:
        yield made


def then(hall: Hall, act: Callable[[], object]) -> None:
    """Let something happen when the next push was applied and its reply was lost."""
    applied_and_lost = hall.remote._server.struck[Place.PUSH]

    def strike(handler: Handler, body: bytes) -> None:
        applied_and_lost(handler, body)
        hall.remote._server.struck.clear()
        act()

    hall.remote._server.struck[Place.PUSH] = strike


@claim("I3", "I5")
@pytest.mark.parametrize("hall", [BEFORE], indirect=True)
def test_a_lost_reply_an_old_copy_and_a_faster_peer_put_nothing_in_twice(hall: Hall) -> None:
    hall.remote.strike("stale replica", Place.APPLIED, 0)
    then(hall, lambda: hall.bob.ask("Bob's?"))
    first = hall.alice.ask("First?")
    assert not first.delivered
    assert hall.texts() == ["Bob's?", "First?", "Known?", "Waiting?"]
    second = hall.alice.ask("Second?")
    assert not second.delivered
    assert "shows an older state of the room than the one that it takes pushes on" in second.notes[0]
    assert hall.texts() == ["Bob's?", "First?", "Known?", "Waiting?"]
    hall.remote.lift()
    assert hall.alice.questions().notes == ()
    assert hall.alice.pending() == 0
    assert hall.texts() == ["Bob's?", "First?", "Known?", "Second?", "Waiting?"]


@claim("I3", "I6")
@pytest.mark.parametrize("hall", [AFTER], indirect=True)
def test_what_is_asked_of_an_old_copy_waits_until_it_has_caught_up(hall: Hall) -> None:
    hall.remote.strike("stale replica", Place.LISTING, 0)
    served = hall.alice.questions()
    assert [each.question for each in served.items] == ["Known?", "News?"]
    assert len(served.notes) == 1
    asked = hall.alice.ask("Third?")
    assert not asked.delivered
    assert [each.answer for each in hall.alice.answers().items] == ["Because."]
    assert "Third?" not in hall.texts()
    hall.remote.lift()
    assert hall.alice.deliver()
    assert hall.texts() == ["Known?", "News?", "Third?", "Waiting?"]
    assert hall.alice.questions().notes == ()
