"""A damaged record is set aside and named, is never sent in another form, and a person decides about it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from peer_relay.errors import StateUnusable, UnknownQuestion
from tests.claims import claim
from tests.relay.support import texts
from tests.store.memory_store import UNREACHABLE, MemoryMailbox

if TYPE_CHECKING:
    from pathlib import Path

    from tests.relay.support import MemoryMachine


def queue(machine: MemoryMachine, question: str) -> Path:
    """Ask while the mailbox is away, and return the outbox file."""
    machine.store.unreachable = UNREACHABLE
    machine.relay.ask(question)
    machine.store.unreachable = None
    (path,) = (machine.folder / "outbox").iterdir()
    return path


@claim("I3")
def test_a_damaged_base_never_leads_to_a_duplicate(mailbox: MemoryMailbox, alice: MemoryMachine) -> None:
    path = queue(alice, "Delivered?")
    pushed = path.read_bytes()
    assert alice.relay.deliver() is True
    base = json.loads(pushed)["content"]["base"].encode()
    for digit in b"0123456789abcdef":
        if digit != base[-1]:
            path.write_bytes(pushed.replace(base, base[:-1] + bytes([digit])))
            alice.restart()
            assert alice.relay.deliver() is True
    assert texts(mailbox.records()) == ["Delivered?"]
    assert [file.name for file in alice.relay.damaged()] == [path.name]


def test_every_bit_of_a_record_counts(alice: MemoryMachine) -> None:
    path = queue(alice, "Why?")
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << place % 8)]) + whole[place + 1 :])
        assert (alice.state.outbox.entries(), alice.state.outbox.damaged()) == ([], [path.name]), place
    path.write_bytes(whole)
    assert alice.state.outbox.damaged() == []


def test_a_file_without_a_checksum_is_damaged_and_all_that_is_in_it_can_be_read(alice: MemoryMachine) -> None:
    path = queue(alice, "Why?")
    content = json.loads(path.read_bytes())["content"]
    for written in (json.dumps(content).encode(), b"Why, \xff?", b""):
        path.write_bytes(written)
        (file,) = alice.relay.damaged()
        assert file.path.read_bytes() == written
        assert file.text == {b"": "", b"Why, \xff?": "Why, \ufffd?"}.get(written, "Why?")


def test_a_damaged_answer_can_be_given_again_and_the_first_one_wins(
    mailbox: MemoryMailbox, alice: MemoryMachine, bob: MemoryMachine
) -> None:
    asked = bob.relay.ask("Which branch?")
    alice.relay.questions()
    alice.store.unreachable = UNREACHABLE
    alice.relay.answer(asked.question_id, "This one.")
    alice.store.unreachable = None
    (path,) = (alice.folder / "outbox").iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    assert [each.question_id for each in alice.relay.questions().items] == [asked.question_id]
    assert alice.relay.damaged()[0].text.count("This one.") == 1
    assert alice.relay.answer(asked.question_id, "That one.").delivered is True
    path.write_bytes(whole)  # a disk that was put right
    assert alice.relay.deliver() is True
    assert texts(mailbox.records()) == ["Which branch?", "That one."]


def test_a_damaged_question_is_dropped_with_what_waited_for_its_answer(alice: MemoryMachine) -> None:
    path = queue(alice, "Why?")
    question_id = alice.state.asked.ids()[0]
    path.write_bytes(b"")
    (note,) = alice.relay.answers(question_id=question_id).notes
    assert path.name in note
    assert alice.relay.drop_damaged("no such file") is False
    assert alice.relay.drop_damaged(path.name) is True
    assert (alice.kept(), alice.relay.damaged()) == ([], ())
    with pytest.raises(UnknownQuestion):
        alice.relay.answers(question_id=question_id)


@claim("I7")
@pytest.mark.parametrize("away", [False, True])
def test_of_a_damaged_question_that_was_delivered_the_answer_is_still_waited_for(
    alice: MemoryMachine, bob: MemoryMachine, away: bool
) -> None:
    path = queue(alice, "Why?")
    pushed = path.read_bytes()
    alice.relay.deliver()
    path.write_bytes(pushed[:-1])
    alice.store.unreachable = UNREACHABLE if away else None
    assert alice.relay.drop_damaged(path.name) is True
    alice.store.unreachable = None
    bob.relay.answer(bob.relay.questions().items[0].question_id, "Because.")
    assert [each.answer for each in alice.relay.answers().items] == ["Because."]


def test_what_stands_in_the_place_of_a_file_is_dropped_only_if_nothing_is_in_it(alice: MemoryMachine) -> None:
    path = queue(alice, "Why?")
    path.unlink()
    path.mkdir()
    (path / "mine").touch()
    assert alice.relay.damaged()[0].text == ""
    with pytest.raises(StateUnusable) as refused:
        alice.relay.drop_damaged(path.name)
    assert refused.value.path == str(path)
    (path / "mine").unlink()
    assert alice.relay.drop_damaged(path.name) is True
