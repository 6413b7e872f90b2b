"""The clone is disposable: whatever happens to it, the next call works, and what it returns is right."""

from __future__ import annotations

import itertools
import shutil
import zlib
from typing import TYPE_CHECKING

import pytest

from peer_relay.errors import MalformedPack, StateUnusable, Unreachable
from peer_relay.paths import Kind, Place
from peer_relay.records import Question, make
from tests.git_store.forging import GOOD, NEW, question, tell
from tests.git_store.reading import question as arrived
from tests.git_store.reading import reader, soon
from tests.independent import START_MS, Room, ulid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from peer_relay.store import Arrival, Snapshot
    from tests.servers import HttpServer


def delete(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    path.write_bytes(b"")


def truncate(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    for place in range(0, len(data), max(1, len(data) // 7)):
        data[place] ^= 1 << place % 8
    path.write_bytes(data)


def fill_with_noise(path: Path) -> None:
    path.write_bytes(b"\x00\xff<html>\n" * 9)


def become_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


class Story:
    """A mailbox with a reader that knows it up to the last but one commit, and a copy of the reader's clone."""

    def __init__(self, room: Room, folder: Path) -> None:
        assert room.git_dir is not None
        self.room = room
        self.bob = reader(folder, room.git_dir)
        room.set_branch(room.commit_ids[-2])
        self.known = self.bob.store.refresh(None, None, soon()).snapshot
        room.set_branch(room.commit_ids[-1])
        self.pristine = shutil.copytree(self.bob.folder, folder / "pristine")

    def clone_again(self) -> None:
        """Put the clone back as it was before it was damaged."""
        if self.bob.folder.is_dir() and not self.bob.folder.is_symlink():
            shutil.rmtree(self.bob.folder)
        else:
            self.bob.folder.unlink(missing_ok=True)
        shutil.copytree(self.pristine, self.bob.folder)

    def files(self) -> Iterator[Path]:
        for path in sorted(self.pristine.rglob("*")):
            if path.is_file():
                yield self.bob.folder / path.relative_to(self.pristine)

    def catch_up(self) -> object:
        found = self.bob.store.refresh(self.known, None, soon())
        return found.snapshot, found.arrivals, found.refusal

    def read(self) -> object:
        places = [Place(each, by, Kind.QUESTION) for each, by in self.known.ledger.open.items()]
        return self.bob.store.read([_at(self.known, place) for place in places], soon())

    def walk(self) -> object:
        return list(self.bob.store.walk(self.known, soon()))

    def acts(self) -> list[Callable[[], object]]:
        return [self.catch_up, self.read, self.walk]


def _at(known: Snapshot, place: Place) -> Arrival:
    return arrived(known.tip, place.question_id, place.asker)


@pytest.fixture
def story(tmp_path: Path) -> Story:
    room = Room(tmp_path / "mailbox.git")
    tell(room)
    room.ask(GOOD, "alice", "The newest.")
    return Story(room, tmp_path)


DAMAGES = [delete, empty, truncate, flip, fill_with_noise, become_a_folder]


@pytest.mark.parametrize("damage", DAMAGES)
def test_whichever_file_of_the_clone_is_damaged_every_call_gives_what_it_gave_before(
    story: Story, damage: Callable[[Path], None]
) -> None:
    expected = [(act, act(), story.clone_again()) for act in story.acts()]
    for path, (act, result, _) in zip(story.files(), itertools.cycle(expected), strict=False):
        story.clone_again()
        path.chmod(0o644)
        damage(path)
        assert act() == result, (act, path)


@pytest.mark.parametrize("damage", [empty, truncate, flip, delete])
def test_a_damaged_pack_is_healed_too(full: Room, tmp_path: Path, damage: Callable[[Path], None]) -> None:
    story = Story(full, tmp_path)
    expected = story.catch_up()
    packs = [path for path in story.files() if path.suffix in {".pack", ".idx"}]
    assert len(packs) == 2
    for path in packs:
        story.clone_again()
        path.chmod(0o644)
        damage(path)
        assert story.catch_up() == expected


def _nothing(folder: Path) -> None:
    shutil.rmtree(folder)


def _a_file(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_text("garbage")


def _an_empty_folder(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def _garbage(folder: Path) -> None:
    shutil.rmtree(folder)
    (folder / "objects").mkdir(parents=True)
    (folder / "HEAD").write_bytes(b"\xff\x00")
    (folder / "config").write_text("[core\n")


def _a_link_to_nowhere(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.symlink_to(folder.with_name("nowhere"))


def _other_objects(folder: Path) -> None:
    """Swap the contents of objects, each a good one under another's name."""
    loose = [path for path in (folder / "objects").rglob("*") if path.is_file()]
    contents = [path.read_bytes() for path in loose]
    for path, content in zip(loose, contents[1:] + contents[:1], strict=True):
        path.chmod(0o644)
        path.write_bytes(content)


def _no_trees(folder: Path) -> None:
    """Leave the commits alone, as a process does that is killed while it writes."""
    for path in (folder / "objects").rglob("*"):
        if path.is_file() and not zlib.decompress(path.read_bytes()).startswith(b"commit"):
            path.unlink()


@pytest.mark.parametrize(
    "damage",
    [_nothing, _a_file, _an_empty_folder, _garbage, _a_link_to_nowhere, _other_objects, _no_trees],
)
def test_a_clone_that_is_lost_or_something_else_is_fetched_again(story: Story, damage: Callable[[Path], None]) -> None:
    expected = [(act(), story.clone_again())[0] for act in story.acts()]
    for act, result in zip(story.acts(), expected, strict=True):
        story.clone_again()
        damage(story.bob.folder)
        assert act() == result


def test_locks_of_killed_processes_do_not_stop_anything(story: Story) -> None:
    for path in story.files():
        path.with_name(path.name + ".lock").touch()
    for name in ("packed-refs.lock", "objects/pack/pack-1.idx.lock", "objects/pack/tmp_x.pack", "objects/tmp_obj_x"):
        (story.bob.folder / name).touch()
    for act in story.acts():
        act()
    story.room.set_branch(story.room.commit_ids[0])
    found = story.bob.store.refresh(story.known, None, soon())
    assert found.refusal is not None
    assert (story.bob.folder / f"refs/peer-relay/lost/{story.known.tip}").read_text() == story.known.tip + "\n"


def test_writing_works_on_a_damaged_clone(story: Story) -> None:
    story.catch_up()
    known = story.bob.store.refresh(story.known, None, soon()).snapshot
    for path in (story.bob.folder / "objects").rglob("*"):
        if path.is_file():
            path.chmod(0o644)
            empty(path)
    record = make(Question, **question(story.room, NEW))
    steps, ledger = known.ledger.plan_ask(record)
    written = story.bob.store.publish(known, steps, soon())
    assert written.ledger == ledger
    assert (
        reader(story.bob.folder.parent / "other", story.room.git_dir or "").store.refresh(None, None, soon()).snapshot
        == written
    )


def test_a_damaged_clone_and_an_unreachable_mailbox_give_one_clear_error_until_it_is_back(story: Story) -> None:
    expected = story.read()
    shutil.rmtree(story.bob.folder / "objects")
    story.bob.transport.failure = Unreachable(remote="the mailbox", reason="no route to host")
    for _ in range(2):
        with pytest.raises(Unreachable) as caught:
            story.read()
        assert caught.value.what == "the mailbox cannot be reached: no route to host."
    story.bob.transport.failure = None
    assert story.read() == expected


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    room = Room(tmp_path / "mailbox.git")
    tell(room)
    (tmp_path / "file").touch()
    with pytest.raises(StateUnusable) as caught:
        reader(tmp_path / "file", tmp_path / "mailbox.git").store.refresh(None, None, soon())
    assert str(tmp_path / "file") in caught.value.path


def test_an_object_that_is_damaged_again_and_again_is_reported_and_not_served(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("peer_relay.git.trees.object_id", lambda *_: "0" * 40)
    with pytest.raises(MalformedPack) as caught:
        story.read()
    assert caught.value.reason.endswith("is not what its id says")


def test_what_a_server_builds_on_and_is_lost_here_is_not_the_servers_fault(
    http_server: HttpServer, tmp_path: Path
) -> None:
    """A server sends how a tree differs from one that is here, or was."""
    room = Room(http_server.root / tmp_path.name)
    room.open()
    for number in range(30):
        room.ask(ulid(START_MS + number, number), "alice", "Why?")
    login = {"PEER_RELAY_GIT_USERNAME": http_server.username, "PEER_RELAY_GIT_PASSWORD": http_server.password}
    bob = reader(tmp_path, http_server.url(tmp_path.name), login)
    known = bob.store.refresh(None, None, soon()).snapshot
    _no_trees(bob.folder)
    room.ask(NEW, "alice", "And now?")
    found = bob.store.refresh(known, None, soon())
    bob.store.close()
    assert (found.refusal, found.arrivals) == (None, (arrived(room.commit_ids[-1], NEW),))
    assert [request.have is None for request in bob.transport.requests] == [True, False, True]
