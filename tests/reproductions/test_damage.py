"""Bugs that damaging every file of a machine found (`tests/damage`), each under a name that says it."""

from __future__ import annotations

import tracemalloc
import zlib
from typing import TYPE_CHECKING

import pytest

from peer_relay.git.clone import Clone
from peer_relay.outbox import Outbox
from peer_relay.server import results
from tests.claims import claim
from tests.damage.world import build, pack
from tests.git_store.forging import tell
from tests.git_store.reading import reader, soon
from tests.independent import Room
from tests.relay.support import texts
from tests.store.memory_store import UNREACHABLE, MemoryMailbox

if TYPE_CHECKING:
    from pathlib import Path

    from tests.git_store.reading import Reader
    from tests.relay.support import MemoryMachine


def queue(machine: MemoryMachine, *questions: str) -> list[Path]:
    """Ask while the mailbox is away, and return the outbox files."""
    machine.store.unreachable = UNREACHABLE
    for question in questions:
        machine.relay.ask(question)
    machine.store.unreachable = None
    return sorted((machine.folder / "outbox").iterdir())


def swap(path: Path, old: bytes, new: bytes) -> None:
    """Change a file as a flipped bit does."""
    data = path.read_bytes()
    assert data.count(old) == 1
    path.write_bytes(data.replace(old, new))


# ---------------------------------------------------------------------------------------------------------------------
# The outbox


@claim("I4")
def test_a_flipped_bit_in_a_queued_text_was_sent_as_if_it_had_been_written_so(
    mailbox: MemoryMailbox, alice: MemoryMachine
) -> None:
    """Found by flipping one bit of each outbox file: most of the flips left a record that could be read."""
    first, _ = queue(alice, "Is it on?", "And why?")
    swap(first, b"Is it on?", b"Is it oN?")
    assert alice.relay.deliver() is True
    assert texts(mailbox.records()) == ["And why?"]
    (damaged,) = alice.relay.damaged()
    assert (damaged.name, damaged.path, damaged.text) == (first.name, first, "Is it oN?")


@pytest.mark.parametrize("suffix", [".jsoo", ".json~", ""])
def test_a_record_whose_file_name_was_damaged_was_dropped_without_a_word(
    mailbox: MemoryMailbox, alice: MemoryMachine, suffix: str
) -> None:
    """Found by asking what becomes of each name: only names that end in `.json` were looked at."""
    (path,) = queue(alice, "Why?")
    renamed = path.rename(path.with_suffix(suffix))
    assert any(renamed.name in note for note in alice.relay.questions().notes)
    assert alice.relay.standing().damaged == (renamed.name,)
    assert mailbox.records() == []


def test_an_answer_whose_file_name_names_another_asker_was_planned_at_a_wrong_place(
    mailbox: MemoryMailbox, alice: MemoryMachine, bob: MemoryMachine
) -> None:
    """Found by the same question: an answer does not say whom it answers, so its name was believed."""
    asked = bob.relay.ask("Which branch?")
    alice.relay.questions()
    alice.store.unreachable = UNREACHABLE
    alice.relay.answer(asked.question_id, "This one.")
    alice.store.unreachable = None
    (path,) = (alice.folder / "outbox").iterdir()
    renamed = path.rename(path.with_name(path.name.replace("-bob-", "-bo0-")))
    assert any(renamed.name in note for note in alice.relay.questions().notes)
    assert texts(mailbox.records()) == ["Which branch?"]


def test_an_outbox_file_that_had_become_a_link_counted_as_delivered(alice: MemoryMachine) -> None:
    """Found with files made unreadable as a link to themselves: what a link leads to was looked for, not the link."""
    (path,) = queue(alice, "Why?")
    path.unlink()
    path.symlink_to(path.name)
    assert Outbox(path.parent).damaged() == [path.name]
    assert alice.relay.standing().damaged == (path.name,)


def test_a_name_that_is_not_utf_8_broke_the_result_that_named_it(alice: MemoryMachine) -> None:
    """Found by flipping the highest bit of a name: the note held half a character, which no JSON text can."""
    (path,) = queue(alice, "Why?")
    path.rename(path.with_name("0000000\udcb1.json"))
    note = results.questions(alice.relay.questions()).note
    assert note.encode()
    assert "0000000\ufffd.json is damaged" in note


def test_a_question_that_was_damaged_here_was_shown_as_one_with_an_unread_answer(alice: MemoryMachine) -> None:
    """Found by comparing `status` with an undamaged machine's."""
    (path,) = queue(alice, "Why?")
    path.write_bytes(b"")
    alice.relay.reach()
    assert alice.relay.standing().unread == ()
    aside = alice.folder / "outbox-damaged"
    aside.mkdir()
    path.rename(aside / path.name)
    assert alice.relay.standing().unread == ()


# ---------------------------------------------------------------------------------------------------------------------
# The checkpoint, and the answers that are waited for


@claim("I6")
def test_a_flipped_bit_in_the_checkpoint_was_an_alarm_about_a_rewritten_history(tmp_path: Path) -> None:
    """Found by flipping one bit of the checkpoint: one digit of the tip is enough."""
    world = build(tmp_path, "loose")
    with world.relay() as relay:
        expected = relay.reach().notes
    world.reset()
    known = world.parts.state.load()
    assert known is not None
    tip = known.snapshot.tip
    swap(world.state / "checkpoint.json", tip.encode(), (tip[:-1] + ("0" if tip[-1] != "0" else "1")).encode())
    with world.relay() as relay:
        assert relay.reach().notes == expected


def test_a_flipped_bit_in_the_checkpoint_hid_a_question(alice: MemoryMachine, bob: MemoryMachine) -> None:
    """Found with the same flips: an id, or who asked, was believed."""
    bob.relay.ask("Which branch?")
    before = alice.relay.questions()
    path = alice.folder / "checkpoint.json"
    swap(path, before.items[0].question_id.encode(), before.items[0].question_id.translate({48: 49}).encode())
    alice.restart()
    assert alice.relay.questions() == before


@claim("I7")
def test_a_folder_in_the_place_of_an_awaited_answer_stopped_every_look(
    alice: MemoryMachine, bob: MemoryMachine
) -> None:
    """Found with files that became folders: the arrival of that one answer could not be noted, so nothing arrived."""
    asked = alice.relay.ask("Why?")
    path = alice.folder / "asked" / asked.question_id
    path.unlink()
    path.mkdir()
    bob.relay.answer(asked.question_id, "Because.")
    (answer,) = alice.relay.answers().items
    assert answer.answer == "Because."
    alice.relay.mark_shown([asked.question_id])
    alice.relay.mark_read([asked.question_id])
    assert (alice.relay.answers().items, alice.kept()) == ((), [])


# ---------------------------------------------------------------------------------------------------------------------
# The clone


@pytest.fixture
def cloned(tmp_path: Path) -> Reader:
    room = Room(tmp_path / "mailbox.git")
    tell(room)
    bob = reader(tmp_path, tmp_path / "mailbox.git")
    bob.store.refresh(None, None, soon())
    return bob


def test_a_flipped_bit_in_a_mapped_pack_raised_a_buffer_error(cloned: Reader) -> None:
    """Found by flipping one bit of the pack: the error held a piece of the mapping, which could not be closed then."""
    known = cloned.store.refresh(None, None, soon()).snapshot
    pack(cloned.folder)
    (path,) = (cloned.folder / "objects" / "pack").glob("*.pack")
    whole = path.read_bytes()
    path.chmod(0o600)
    clone, found = Clone(cloned.folder, "the mailbox"), set()
    for place in range(12, len(whole) - 20, 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        found.add(clone.problem(known.tip))
    assert {problem and problem.split(" ")[0] for problem in found} - {None} == {"blob", "tree", "commit"}


def test_a_file_that_unpacks_to_much_was_unpacked_whole(cloned: Reader) -> None:
    """Found with a bomb in the place of an object."""
    known = cloned.store.refresh(None, None, soon()).snapshot
    path = cloned.folder / "objects" / known.tip[:2] / known.tip[2:]
    path.chmod(0o600)
    path.write_bytes(zlib.compress(b"commit 33554432\0" + bytes(32 << 20)))
    tracemalloc.start()
    problem = Clone(cloned.folder, "the mailbox").problem(known.tip)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert problem == f"commit {known.tip[:12]} cannot be read"
    assert most < 4 << 20


@pytest.mark.parametrize("linked", ["", "objects", "objects/pack"])
def test_a_clone_behind_a_link_let_files_elsewhere_be_removed(cloned: Reader, tmp_path: Path, linked: str) -> None:
    """Found by asking what tidying removes where a part of the clone is a link."""
    place, elsewhere = cloned.folder / linked, tmp_path / "elsewhere"
    place.rename(elsewhere)
    place.symlink_to(elsewhere)
    for name in ("tmp_obj_mine", "tmp_mine.pack", "x.lock"):
        (elsewhere / name).touch()
    before = {path: path.is_dir() or path.read_bytes() for path in elsewhere.rglob("*")}
    clone = Clone(cloned.folder, "the mailbox")
    clone.maintain()
    cloned.store.refresh(None, None, soon())
    clone.remove_stale_locks()
    clone.wipe()
    assert {path: path.is_dir() or path.read_bytes() for path in elsewhere.rglob("*")} == before


def test_a_file_in_the_place_of_a_half_made_clone_stopped_every_look(cloned: Reader) -> None:
    """Found by putting a file into each place where the clone makes a folder."""
    known = cloned.store.refresh(None, None, soon())
    Clone(cloned.folder, "the mailbox").wipe()
    cloned.folder.with_name(".tmp-clone").write_text("in the way")
    assert cloned.store.refresh(None, None, soon()) == known


def test_of_questions_that_could_not_be_read_it_was_said_that_none_waits(tmp_path: Path) -> None:
    """Found with a damaged clone while the mailbox was away: the sentence came from the empty list."""
    world = build(tmp_path, "loose")
    for path in (world.state / "clone" / "objects").rglob("*"):
        if path.is_file():
            path.chmod(0o600)
            path.write_bytes(b"")
    with world.relay() as relay, world.unreachable():
        listing = relay.questions()
    assert (listing.items, listing.missing > 0, listing.stale is None) == ((), True, False)
    assert "No question waits" not in results.questions(listing).note
    assert "without" in results.questions(listing).note
