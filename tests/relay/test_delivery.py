"""The way of the outbox into the mailbox: in order, exactly once, whatever happens in between."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from peer_relay.delivery import MAX_RECORDS_PER_PUSH
from peer_relay.errors import AlreadyAnswered, Busy, RefusedCommit, UnknownQuestion
from peer_relay.local_state import LocalState
from peer_relay.outbox import Status
from peer_relay.reports import Sent
from peer_relay.store import Refreshed
from tests.claims import claim
from tests.relay.support import Crash, Machine, came_second, fill, ledger_of, place_of, publish, texts
from tests.store.benches import UNTIL_ARCHIVED, a_deadline, answer, asking, question
from tests.store.memory_store import UNREACHABLE, MemoryMailbox, MemoryStore

if TYPE_CHECKING:
    from pathlib import Path

    from peer_relay.records import Answer, Question
    from tests.relay.support import FakeTime, MemoryMachine

QUEUED = "1 record is queued on this machine and will be delivered automatically."


def queue(machine: MemoryMachine, *questions: str) -> list[str]:
    """Ask while the mailbox is out of reach, and return the ids."""
    machine.store.unreachable = UNREACHABLE
    ids = [machine.relay.ask(text).question_id for text in questions]
    machine.store.unreachable = None
    return ids


def refuse(*refused: str) -> object:
    """Return a rule of the remote that declines records with these texts."""

    def words(record: Question | Answer) -> str | None:
        return f"no {text}" if (text := texts([record])[0]) in refused else None

    return words


def set_aside_note(question_id: str, words: str, what: str = "The question") -> str:
    return (
        f'{what} {question_id} was set aside because the mailbox refuses it: "{words}". A person decides with '
        f"`peer-relay outbox --retry {question_id}` or `--drop {question_id}`."
    )


# -- order and size ---------------------------------------------------------------------------------------------------


@claim("I5")
def test_records_go_out_in_the_order_of_acceptance_fifty_a_push(mailbox: MemoryMailbox, alice: MemoryMachine) -> None:
    wanted = [f"Question {number}?" for number in range(MAX_RECORDS_PER_PUSH + 1)]
    queue(alice, *wanted)
    sizes: list[int] = []
    for _ in range(2):
        alice.store.before_publish(lambda: sizes.append(len(mailbox.records())))
    assert alice.relay.deliver() is True
    assert texts(mailbox.records()) == wanted
    assert sizes == [0, MAX_RECORDS_PER_PUSH]


def test_a_clock_that_goes_back_does_not_change_the_order(
    mailbox: MemoryMailbox, alice: MemoryMachine, time: FakeTime
) -> None:
    queue(alice, "First?")
    time.ms -= 1_000_000
    queue(alice, "Second?")
    assert alice.relay.deliver() is True
    assert texts(mailbox.records()) == ["First?", "Second?"]


@claim("archive-rule")
def test_the_archive_step_goes_out_with_the_record_after_it(mailbox: MemoryMailbox, alice: MemoryMachine) -> None:
    fill(mailbox, UNTIL_ARCHIVED - 1)
    pushes = alice.store.pushes
    assert alice.relay.ask("Why?").delivered
    assert alice.store.pushes == pushes + 1
    newest = ledger_of(mailbox)
    assert (len(newest.answered), len(newest.open)) == (256, 1)


# -- somebody else was first ------------------------------------------------------------------------------------------


@claim("I5")
def test_a_record_is_planned_again_on_the_new_state_when_somebody_else_was_first(
    mailbox: MemoryMailbox, alice: MemoryMachine, bob: MemoryMachine, time: FakeTime
) -> None:
    alice.relay.questions()
    bob.relay.questions()
    alice.store.before_publish(lambda: bob.relay.ask("Bob's?"))
    alice.store.before_publish(lambda: bob.relay.ask("Bob's second?"))
    assert alice.relay.ask("Alice's?").delivered
    assert texts(mailbox.records()) == ["Bob's?", "Bob's second?", "Alice's?"]
    assert len(time.pauses) == 1  # the first time it goes on at once


@claim("deadline")
def test_a_race_that_is_lost_until_the_deadline_leaves_the_record_queued(
    mailbox: MemoryMailbox, alice: MemoryMachine, bob: MemoryMachine, time: FakeTime
) -> None:
    alice.relay.questions()

    def be_first_and_slow() -> None:
        bob.relay.ask("Bob's?")
        time.seconds += 8

    for _ in range(3):
        alice.store.before_publish(be_first_and_slow)
    asked = alice.relay.ask("Alice's?")
    assert asked.delivered is False
    assert asked.notes[0].startswith(QUEUED)
    assert alice.relay.deliver() is True
    assert texts(mailbox.records()) == ["Bob's?", "Bob's?", "Bob's?", "Alice's?"]


def test_pauses_of_who_loses_again_and_again_grow_and_stay_short(
    alice: MemoryMachine, bob: MemoryMachine, time: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("peer_relay.delivery.random.uniform", lambda _, longest: longest)
    alice.relay.questions()
    for number in range(8):
        alice.store.before_publish(lambda number=number: bob.relay.ask(f"{number}?"))
    assert alice.relay.ask("Why?").delivered
    assert [round(pause, 2) for pause in time.pauses] == [0.02, 0.04, 0.08, 0.16, 0.25, 0.25, 0.25]


@claim("first-answer-wins")
def test_a_queued_answer_that_comes_second_is_dropped_and_reported_once(
    mailbox: MemoryMailbox, alice: MemoryMachine, bob: MemoryMachine, bobs_laptop: MemoryMachine
) -> None:
    asked = alice.relay.ask("Why?")
    bob.relay.questions()
    bob.store.unreachable = UNREACHABLE
    assert not bob.relay.answer(asked.question_id, "The second.").delivered
    bobs_laptop.relay.answer(asked.question_id, "The first.")
    assert bob.relay.refresh() == UNREACHABLE

    bob.store.unreachable = None
    bob.restart()
    assert bob.relay.deliver() is True
    assert (bob.relay.outbox(), bob.relay.pending()) == ((), 0)
    assert bob.relay.refresh() is None  # which reports nothing, and keeps what there is to report
    assert bob.relay.questions().notes == (came_second(asked.question_id),)
    assert bob.relay.questions().notes == ()
    assert (bob.kept(), texts(mailbox.records())) == ([], ["Why?", "The first."])


@claim("first-answer-wins", "I3")
def test_a_queued_answer_to_an_exchange_that_was_answered_and_archived_comes_second(
    mailbox: MemoryMailbox, alice: MemoryMachine, bob: MemoryMachine, bobs_laptop: MemoryMachine
) -> None:
    asked = alice.relay.ask("Why?")
    bob.relay.questions()
    bob.store.unreachable = UNREACHABLE
    bob.relay.answer(asked.question_id, "The second.")
    bobs_laptop.relay.answer(asked.question_id, "The first.")
    fill(mailbox, UNTIL_ARCHIVED)
    bob.store.unreachable = None
    bob.store.forget()
    assert bob.relay.deliver() is True
    assert bob.relay.questions().notes == (came_second(asked.question_id),)


@claim("I3", "I4")
def test_an_answer_is_not_given_up_on_a_checkpoint_older_than_the_answer(
    mailbox: MemoryMailbox, alice: MemoryMachine, bob: MemoryMachine
) -> None:
    bob.relay.questions()
    old = (bob.folder / "checkpoint.json").read_bytes()
    asked = alice.relay.ask("Why?")
    bob.relay.questions()
    bob.store.unreachable = UNREACHABLE
    bob.relay.answer(asked.question_id, "Because.")
    # A checkpoint is not forced to the disk: after a power cut an older one may be back, without the question.
    (bob.folder / "checkpoint.json").write_bytes(old)
    bob.restart()
    assert bob.relay.deliver() is False
    assert [entry.status for entry in bob.relay.outbox()] == [Status.QUEUED]
    bob.store.unreachable = None
    assert bob.relay.deliver() is True
    assert texts(mailbox.records()) == ["Why?", "Because."]


def test_an_answer_to_a_question_that_a_new_history_lacks_is_set_aside(
    mailbox: MemoryMailbox, alice: MemoryMachine, bob: MemoryMachine
) -> None:
    opened = mailbox.tip
    asked = alice.relay.ask("Why?")
    bob.relay.questions()
    bob.store.unreachable = UNREACHABLE
    bob.relay.answer(asked.question_id, "Because.")
    mailbox.tip = opened
    (bob.folder / "checkpoint.json").unlink()  # with it goes the memory of the old history
    bob.store.unreachable = None
    assert bob.relay.deliver() is True
    words = UnknownQuestion(question_id=asked.question_id).what.rstrip(".")
    assert bob.relay.questions().notes == (set_aside_note(asked.question_id, words, "The answer to question"),)


def test_a_question_whose_id_another_one_has_is_set_aside(mailbox: MemoryMailbox, alice: MemoryMachine) -> None:
    publish(mailbox, asking(ledger_of(mailbox), question(1))[0])
    alice.state.outbox.accept(place_of(question(1)), question(1, text="Another?"), "alice", None)
    assert alice.relay.deliver() is True
    assert [entry.status for entry in alice.relay.outbox()] == [Status.REFUSED]
    assert texts(mailbox.records()) == ["Question 1?"]


def test_a_record_that_breaks_the_rules_of_the_room_is_set_aside_and_stops_nobody(
    mailbox: MemoryMailbox, alice: MemoryMachine
) -> None:
    foreign = question(1).model_copy(update={"room": "a" * 16})
    alice.state.outbox.accept(place_of(foreign), foreign, "alice", None)
    assert alice.relay.ask("Why?").delivered
    reason = "The rules of the room do not allow this commit: its record belongs to another room"
    assert alice.relay.questions().notes == (set_aside_note(question(1).id, reason),)


# -- lost replies -----------------------------------------------------------------------------------------------------


@claim("I3")
@pytest.mark.parametrize("applied", [True, False])
def test_a_lost_reply_is_resolved_by_looking(mailbox: MemoryMailbox, alice: MemoryMachine, applied: bool) -> None:
    alice.store.lost_replies.append(applied)
    asked = alice.relay.ask("Why?")
    assert asked == Sent(asked.question_id, delivered=True, notes=())
    assert texts(mailbox.records()) == ["Why?"]
    assert alice.store.pushes == (1 if applied else 2)


@claim("I3", "I4")
@pytest.mark.parametrize("applied", [True, False])
@pytest.mark.parametrize("keeps", ["everything", "no clone", "no clone and no checkpoint"])
def test_a_lost_reply_followed_by_a_crash_puts_the_record_in_once(
    mailbox: MemoryMailbox, alice: MemoryMachine, bob: MemoryMachine, applied: bool, keeps: str
) -> None:
    alice.relay.questions()
    alice.store.lost_replies.append(applied)

    def crash() -> None:
        raise Crash

    alice.store.after_publish(crash)
    with pytest.raises(Crash):
        alice.relay.ask("Why?")
    alice.store.lost_replies.clear()
    if keeps != "everything":
        alice.store.forget()
    if "checkpoint" in keeps:
        (alice.folder / "checkpoint.json").unlink()
    bob.relay.ask("What?")
    alice.restart()
    assert alice.relay.pending() == 1
    assert alice.relay.deliver() is True
    assert sorted(texts(mailbox.records())) == ["What?", "Why?"]


@claim("I3")
@pytest.mark.parametrize("applied", [True, False])
@pytest.mark.parametrize("contacted", [True, False])
def test_a_lost_reply_followed_by_a_lost_network_puts_the_record_in_once(
    mailbox: MemoryMailbox, alice: MemoryMachine, applied: bool, contacted: bool
) -> None:
    if contacted:
        alice.relay.questions()
    alice.store.lost_replies.append(applied)
    alice.store.after_publish(lambda: setattr(alice.store, "unreachable", UNREACHABLE))
    asked = alice.relay.ask("Why?")
    assert asked == Sent(asked.question_id, delivered=False, notes=(f"{QUEUED} {UNREACHABLE}",))
    alice.store.unreachable = None
    alice.restart()
    assert alice.relay.ask("And?").delivered
    assert texts(mailbox.records()) == ["Why?", "And?"]


@claim("I3")
@pytest.mark.parametrize("keeps", ["everything", "no clone", "no clone and no checkpoint"])
def test_a_question_is_not_asked_twice_when_its_reply_was_lost_and_the_exchange_was_archived(
    mailbox: MemoryMailbox, alice: MemoryMachine, bob: MemoryMachine, keeps: str
) -> None:
    alice.relay.questions()
    alice.store.lost_replies.append(True)
    alice.store.after_publish(lambda: setattr(alice.store, "unreachable", UNREACHABLE))
    asked = alice.relay.ask("Why?")
    assert not asked.delivered
    bob.relay.answer(asked.question_id, "Because.")
    fill(mailbox, UNTIL_ARCHIVED)
    ledger = ledger_of(mailbox)
    assert asked.question_id not in {*ledger.open, *ledger.answered}

    if keeps != "everything":
        alice.store.forget()
    if "checkpoint" in keeps:
        (alice.folder / "checkpoint.json").unlink()
    alice.store.unreachable = None
    alice.restart()
    assert alice.relay.deliver() is True
    assert texts(mailbox.records()).count("Why?") == 1
    assert [(each.question, each.answer) for each in alice.relay.answers().items] == [("Why?", "Because.")]


@claim("I3", "first-answer-wins")
@pytest.mark.parametrize("applied", [True, False])
def test_of_two_machines_that_answer_one_question_exactly_one_is_told_delivered(
    mailbox: MemoryMailbox, alice: MemoryMachine, bob: MemoryMachine, bobs_laptop: MemoryMachine, applied: bool
) -> None:
    asked = alice.relay.ask("Why?")
    bobs_laptop.relay.questions()
    bob.relay.questions()
    bob.store.lost_replies.append(applied)
    bob.store.after_publish(lambda: setattr(bob.store, "unreachable", UNREACHABLE))
    assert not bob.relay.answer(asked.question_id, "From the desk.").delivered

    if applied:
        with pytest.raises(AlreadyAnswered):
            bobs_laptop.relay.answer(asked.question_id, "From the laptop.")
    else:
        assert bobs_laptop.relay.answer(asked.question_id, "From the laptop.").delivered
    bob.store.unreachable = None
    bob.restart()
    assert bob.relay.deliver() is True
    assert bob.relay.questions().notes == (() if applied else (came_second(asked.question_id),))
    assert texts(mailbox.records()) == ["Why?", "From the desk." if applied else "From the laptop."]


@claim("I3")
def test_a_lost_reply_to_a_push_of_several_is_resolved_for_each(mailbox: MemoryMailbox, alice: MemoryMachine) -> None:
    queue(alice, "First?", "Second?", "Third?")
    alice.store.lost_replies.append(True)
    assert alice.relay.deliver() is True
    assert texts(mailbox.records()) == ["First?", "Second?", "Third?"]


@claim("I3")
def test_the_base_of_the_first_push_is_on_the_disk_before_it_and_is_the_oldest_one(
    mailbox: MemoryMailbox, alice: MemoryMachine
) -> None:
    queue(alice, "Before any contact?")
    opened = mailbox.tip
    publish(mailbox, asking(ledger_of(mailbox), question(1, "bob"))[0])
    alice.state.outbox.accept(place_of(question(2)), question(2), "alice", opened)
    bases: list[str | None] = []
    alice.store.before_publish(lambda: bases.extend(entry.base for entry in alice.state.outbox.entries()))
    assert alice.relay.deliver() is True
    assert (bases, len(mailbox.records())) == ([opened, opened], 3)


def test_a_crash_between_the_push_and_the_checkpoint_changes_nothing(
    mailbox: MemoryMailbox, alice: MemoryMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice.relay.questions()

    def crash(*_: object) -> None:
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(LocalState, "save", crash)
        with pytest.raises(Crash):
            alice.relay.ask("Why?")
    alice.restart()
    assert alice.relay.deliver() is True
    assert texts(mailbox.records()) == ["Why?"]


# -- refused records --------------------------------------------------------------------------------------------------


@claim("I5")
def test_of_several_refused_records_the_one_refused_alone_is_set_aside_and_blocks_nobody(
    mailbox: MemoryMailbox, alice: MemoryMachine
) -> None:
    mailbox.refuses = refuse("secrets")  # type: ignore[assignment]
    _, refused, _ = queue(alice, "First?", "secrets", "Third?")
    assert alice.relay.deliver() is True
    assert texts(mailbox.records()) == ["First?", "Third?"]
    assert [(e.place.question_id, e.status, e.words) for e in alice.relay.outbox()] == [
        (refused, Status.REFUSED, "no secrets")
    ]
    note = set_aside_note(refused, "no secrets")
    assert [alice.relay.questions().notes, alice.relay.answers().notes, alice.relay.exchanges().notes] == [(note,)] * 3
    asked = alice.relay.ask("Fourth?")
    assert asked == Sent(asked.question_id, delivered=True, notes=(note,))
    assert alice.relay.answers(question_id=refused).notes == (note,)


@claim("I5")
def test_a_single_record_that_is_refused_is_set_aside_at_once(mailbox: MemoryMailbox, alice: MemoryMachine) -> None:
    mailbox.refuses = refuse("secrets")  # type: ignore[assignment]
    asked = alice.relay.ask("secrets")
    note = set_aside_note(asked.question_id, "no secrets")
    assert asked == Sent(asked.question_id, delivered=False, notes=(note,))
    assert (alice.relay.pending(), alice.store.pushes) == (0, 1)


def test_a_record_that_was_set_aside_goes_out_after_a_retry(mailbox: MemoryMailbox, alice: MemoryMachine) -> None:
    mailbox.refuses = refuse("secrets")  # type: ignore[assignment]
    asked = alice.relay.ask("secrets")
    alice.relay.retry(asked.question_id)
    assert alice.relay.deliver() is True
    assert [entry.words for entry in alice.relay.outbox()] == ["no secrets"]
    mailbox.refuses = lambda _: None
    alice.restart()
    alice.relay.retry(asked.question_id)
    assert [(entry.status, entry.words) for entry in alice.relay.outbox()] == [(Status.QUEUED, "")]
    assert alice.relay.questions().notes == ()
    assert texts(mailbox.records()) == ["secrets"]


def test_a_record_that_was_set_aside_and_dropped_leaves_nothing(
    mailbox: MemoryMailbox, alice: MemoryMachine, bob: MemoryMachine
) -> None:
    mailbox.refuses = refuse("secrets")  # type: ignore[assignment]
    to_alice = bob.relay.ask("What?")
    asked = alice.relay.ask("secrets")
    alice.relay.answer(to_alice.question_id, "secrets")
    for question_id in (asked.question_id, to_alice.question_id):
        alice.relay.drop(question_id)
    assert (alice.kept(), alice.relay.questions().notes) == ([], ())
    assert [each.question_id for each in alice.relay.questions().items] == [to_alice.question_id]


def test_only_what_was_set_aside_can_be_retried_or_dropped(alice: MemoryMachine) -> None:
    (queued,) = queue(alice, "Why?")
    for question_id in (queued, question(1).id):
        with pytest.raises(UnknownQuestion):
            alice.relay.retry(question_id)
        with pytest.raises(UnknownQuestion):
            alice.relay.drop(question_id)
    assert alice.relay.pending() == 1


# -- this machine -----------------------------------------------------------------------------------------------------


def test_a_lock_that_is_held_until_the_deadline_leaves_the_record_queued(
    mailbox: MemoryMailbox, tmp_path: Path, time: FakeTime
) -> None:
    alice = Machine("alice", MemoryStore(mailbox), tmp_path / "alice", time)
    alice.relay.questions()
    alice.relay._timeout_s = 0.0
    with alice.state.locked(a_deadline()):
        asked = alice.relay.ask("Why?")
        listing = alice.relay.questions()
    assert asked == Sent(asked.question_id, delivered=False, notes=(f"{QUEUED} {Busy()}",))
    assert listing.items == ()
    assert listing.notes[0].startswith(str(Busy()))
    alice.relay._timeout_s = 20.0
    assert alice.relay.deliver() is True


def test_an_outbox_file_that_cannot_be_read_is_named_and_stops_nobody(
    mailbox: MemoryMailbox, alice: MemoryMachine
) -> None:
    queue(alice, "Lost?", "Why?")
    damaged, _ = sorted((alice.folder / "outbox").iterdir())
    damaged.write_bytes(damaged.read_bytes()[:-20])
    alice.restart()
    assert alice.relay.deliver() is True
    note = (
        f"The outbox file {damaged.name} is damaged, so it is not sent. A person looks at it with `peer-relay outbox`."
    )
    assert alice.relay.questions().notes == (note,)
    assert damaged.exists()
    assert texts(mailbox.records()) == ["Why?"]


def test_an_outbox_file_that_is_damaged_on_its_way_does_not_count_as_delivered(
    mailbox: MemoryMailbox, alice: MemoryMachine
) -> None:
    alice.relay.questions()

    def damage() -> None:
        (path,) = (alice.folder / "outbox").iterdir()
        path.write_bytes(b"{}")
        alice.store.unreachable = UNREACHABLE

    alice.store.before_publish(damage)
    assert alice.relay.ask("Why?").delivered is False
    assert mailbox.records() == []


@claim("I6")
def test_records_stay_queued_while_the_branch_is_refused_and_go_out_when_it_is_valid_again(
    mailbox: MemoryMailbox, alice: MemoryMachine
) -> None:
    alice.relay.ask("Before?")
    good = mailbox.tip
    junk = mailbox.push_junk()
    asked = alice.relay.ask("Why?")
    refused = (
        f"Commit {junk} of the room is refused, and nothing from it on is read: it is not in the form of a room's "
        "commits. Ask your peer who pushed it; `peer-relay restore` takes it off the branch again."
    )
    assert asked == Sent(asked.question_id, delivered=False, notes=(refused, QUEUED))
    for _ in range(2):
        assert alice.relay.questions().notes == (refused, QUEUED)
        assert alice.relay.deliver() is False
        alice.restart()
    mailbox.tip = good
    assert alice.relay.deliver() is True
    assert texts(mailbox.records()) == ["Before?", "Why?"]
    assert alice.relay.questions().notes == ()


@claim("I6")
@pytest.mark.parametrize("shape", ["deleted", "older state"])
def test_records_stay_queued_while_the_branch_is_gone(
    mailbox: MemoryMailbox, alice: MemoryMachine, time: FakeTime, shape: str
) -> None:
    opened = mailbox.tip
    alice.relay.ask("Before?")
    known = mailbox.tip
    mailbox.tip = None if shape == "deleted" else opened
    asked = alice.relay.ask("Why?")
    assert asked.delivered is False
    assert [shape in note for note in asked.notes] == [True, False]
    assert time.pauses == [] or sum(time.pauses) < 1
    alice.restart()
    assert alice.relay.questions().notes == asked.notes
    mailbox.tip = known
    assert alice.relay.questions().notes == ()
    assert texts(mailbox.records()) == ["Before?", "Why?"]


def test_a_first_look_that_is_refused_keeps_what_was_queued_before(
    mailbox: MemoryMailbox, alice: MemoryMachine
) -> None:
    queue(alice, "Why?")
    junk = mailbox.push_junk()
    assert alice.relay.deliver() is False
    with pytest.raises(RefusedCommit) as caught:
        alice.relay.questions()
    assert (caught.value.commit, alice.relay.pending()) == (junk, 1)


def test_a_poll_that_finds_nothing_new_writes_no_checkpoint(alice: MemoryMachine, time: FakeTime) -> None:
    alice.relay.questions()
    path = alice.folder / "checkpoint.json"
    before = path.stat()
    time.ms += 60_000
    alice.relay.questions()
    after = path.stat()
    assert (after.st_ino, after.st_mtime_ns > before.st_mtime_ns) == (before.st_ino, True)
    assert json.loads(path.read_bytes())["content"]["refusal"] is None


def test_the_store_is_asked_once_for_each_poll(alice: MemoryMachine) -> None:
    alice.relay.questions()
    listings, fetches = alice.store.listings, alice.store.fetches
    alice.relay.questions()
    assert (alice.store.listings, alice.store.fetches, alice.store.pushes) == (listings + 1, fetches, 0)
    assert isinstance(alice.store.refresh(None, None, a_deadline()), Refreshed)


def test_an_answer_waits_behind_nothing_of_its_own(mailbox: MemoryMailbox, bob: MemoryMachine) -> None:
    publish(mailbox, asking(ledger_of(mailbox), question(1))[0])
    assert bob.relay.answer(question(1).id, answer(question(1)).answer).delivered
