"""Outbox, checkpoint and clone: every bad state of them, on real folders, and mending that loses nothing."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from peer_relay.doctor import kept
from peer_relay.doctor.findings import State, info, mendable, ok, warning
from peer_relay.errors import StateUnusable
from peer_relay.git.clone import Clone
from peer_relay.ids import ulid_ms
from peer_relay.outbox import Status

if TYPE_CHECKING:
    from pathlib import Path

    from tests.doctor.conftest import Side

HOUR_MS = 3_600_000
JUNK = "00000001-01KAN3X1Y00000000000000000-alice-question-00000000.json"


def command(words: str) -> str:
    return f"peer-relay {words} --room work"


def offline_question(alice: Side) -> str:
    """Let alice ask while the mailbox is away, and return the question's id."""
    mailbox = alice.parts.remote.path
    os.rename(mailbox, f"{mailbox}.away")  # noqa: PTH104 - it is a string
    with alice.relay() as relay:
        question_id = relay.ask("Why?").question_id
    os.rename(f"{mailbox}.away", mailbox)  # noqa: PTH104 - the same
    return question_id


def outbox_of(alice: Side) -> Path:
    return alice.state.folder / "outbox"


def test_an_outbox_where_nothing_waits_is_well(alice: Side) -> None:
    assert kept.check_outbox(alice.state, 0, command) == ok("Nothing waits.")
    assert kept.check_outbox_files(alice.state) == ok("Readable, all of them.")


def test_what_waits_is_counted_and_is_a_warning_when_it_waits_for_long(alice: Side) -> None:
    asked_ms = ulid_ms(offline_question(alice))
    found = kept.check_outbox(alice.state, asked_ms + 60_000, command)
    assert found == ok("1 record on the way, the oldest for 1 minute.")
    found = kept.check_outbox(alice.state, asked_ms + 3 * HOUR_MS, command)
    expected = "1 record on the way, the oldest for 3 hours."
    assert found == warning(expected, fix="peer-relay outbox --room work")


def test_an_answer_waits_since_it_was_given(alice: Side, bob: Side) -> None:
    with alice.relay() as relay:
        question_id = relay.ask("Why?").question_id
    with bob.relay() as relay:
        relay.questions()
        mailbox = bob.parts.remote.path
        os.rename(mailbox, f"{mailbox}.away")  # noqa: PTH104 - it is a string
        relay.answer(question_id, "Because.")
    (entry,) = bob.state.outbox.entries()
    answered_ms = bob.parts.clock.now_ms()
    assert kept.check_outbox(bob.state, answered_ms, command).what == "1 record on the way, the oldest for 0 seconds."
    bob.state.outbox.save(replace(entry, status=Status.SECOND))
    assert kept.check_outbox(bob.state, answered_ms, command) == ok("Nothing waits.")


def test_a_record_that_was_set_aside_waits_for_a_person(alice: Side) -> None:
    question_id = offline_question(alice)
    (entry,) = alice.state.outbox.entries()
    alice.state.outbox.save(replace(entry, status=Status.REFUSED, words="no"))
    assert kept.check_outbox(alice.state, 0, command) == warning(
        f"1 record set aside, because the mailbox refuses it: {question_id}.",
        fix=f"peer-relay outbox --retry {question_id} --room work",
        why="A record that was set aside goes out only when a person says so.",
    )


def test_a_damaged_outbox_file_is_moved_aside_as_it_is_and_never_over_another(alice: Side) -> None:
    asked = offline_question(alice)
    outbox, aside = outbox_of(alice), alice.state.folder / "outbox-damaged"
    (whole,) = outbox.iterdir()
    before = whole.read_bytes()
    for number, content in enumerate((b"first", b"second"), 1):
        (outbox / JUNK).write_bytes(content)
        assert kept.check_outbox_files(alice.state) == mendable(State.FAILED, f"Damaged, and not understood: {JUNK}.")
        done = kept.move_damaged_outbox_files(alice.state)
        assert done == f"Moved {JUNK} to outbox-damaged, beside the outbox."
        assert kept.check_outbox_files(alice.state) == info(
            f"Readable; {number} damaged file{'s' * (number > 1)} kept in outbox-damaged, beside the outbox.",
            fix=f"ls -l {aside}",
            why="A question or an answer was in it once.",
        )
    names = [JUNK.replace(".json", "-2.json"), JUNK]
    assert {path.name: path.read_bytes() for path in aside.iterdir()} == dict(
        zip(names, (b"second", b"first"), strict=True)
    )
    assert (list(outbox.iterdir()), whole.read_bytes()) == ([whole], before)
    assert [entry.place.question_id for entry in alice.state.outbox.entries()] == [asked]


def test_an_outbox_file_that_cannot_be_read_stays_where_it_is(alice: Side) -> None:
    closed = outbox_of(alice) / JUNK
    closed.mkdir(parents=True)  # which nobody can read as a file, root neither
    (outbox_of(alice) / "x\x1b.json").write_bytes(b"junk")
    found = kept.check_outbox_files(alice.state)
    assert (found.state, found.what, found.fix) == (
        State.FAILED,
        f"{JUNK} in {outbox_of(alice)} cannot be read.",
        f"ls -l {outbox_of(alice)}",
    )
    kept.move_damaged_outbox_files(alice.state)
    assert (closed.is_dir(), outbox_of(alice).joinpath("x\x1b.json").exists()) == (True, False)


def test_a_checkpoint_that_is_well_says_which_commit_and_when(alice: Side) -> None:
    known = alice.state.load()
    assert known is not None
    assert kept.check_checkpoint(alice.state, known.contact_ms + 120_000) == ok(
        f"Commit {known.snapshot.tip[:12]}; last contact 2 minutes ago."
    )


def test_a_damaged_checkpoint_is_moved_aside_and_made_anew(alice: Side) -> None:
    path = alice.state.folder / "checkpoint.json"
    path.write_bytes(b"{")
    assert kept.check_checkpoint(alice.state, 0) == mendable(State.WARNING, "Damaged, so it counts as lost.")
    done = "Moved the damaged one to checkpoint-damaged.json; a new one is made by the next call."
    assert kept.move_checkpoint(alice.state) == done
    assert (path.exists(), path.with_name("checkpoint-damaged.json").read_bytes()) == (False, b"{")
    assert kept.check_checkpoint(alice.state, 0) == ok("None yet: this machine has not reached the room so far.")
    with alice.relay() as relay:
        relay.reach()
    assert kept.check_checkpoint(alice.state, 0).what.startswith("Commit ")


def test_a_checkpoint_that_cannot_be_read_is_an_error_and_not_taken_for_damage(alice: Side) -> None:
    path = alice.state.folder / "checkpoint.json"
    path.unlink()
    path.mkdir()
    with pytest.raises(StateUnusable):
        kept.check_checkpoint(alice.state, 0)


@pytest.fixture
def clone(alice: Side) -> Clone:
    """Give alice's clone with something in it."""
    with alice.relay() as relay:
        relay.ask("Why?")
    return Clone(alice.state.clone_folder, "it")


def tip_of(alice: Side) -> str:
    known = alice.state.load()
    assert known is not None
    return known.snapshot.tip


def test_a_clone_that_is_whole_or_not_there_is_well(alice: Side, clone: Clone) -> None:
    assert kept.check_clone(clone, tip_of(alice)) == ok("Whole.")
    clone.wipe()
    assert kept.check_clone(clone, tip_of(alice)) == ok("None yet: the next look at the mailbox makes it.")


def test_locks_in_the_clone_are_removed_and_nothing_else(alice: Side, clone: Clone) -> None:
    before = sorted(clone.path.rglob("*"))
    (clone.path / "config.lock").touch()
    found = kept.check_clone(clone, tip_of(alice))
    assert found == mendable(State.WARNING, "Lock files of killed processes are in it: config.lock.")
    assert kept.mend_clone(clone, tip_of(alice)) == "Removed 1 lock file."
    assert (sorted(clone.path.rglob("*")), kept.check_clone(clone, tip_of(alice))) == (before, ok("Whole."))


def test_a_damaged_clone_is_removed_and_fetched_again(alice: Side, clone: Clone) -> None:
    tip = tip_of(alice)
    for path in clone.path.joinpath("objects").rglob("*"):
        if path.is_file():
            path.chmod(0o600)
            path.write_bytes(b"")
    found = kept.check_clone(clone, tip)
    assert found == mendable(State.WARNING, f"Damaged: commit {tip[:12]} cannot be read.")
    assert kept.mend_clone(clone, tip) == "Removed the clone, which is fetched again."
    with alice.relay() as relay:
        assert [each.question.question for each in relay.exchanges().items] == ["Why?"]
    assert kept.check_clone(clone, tip) == ok("Whole.")
