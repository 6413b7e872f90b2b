"""Questions, answers and exchanges: what is shown, how often, and from what is known when nothing new can be learnt."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from peer_relay.errors import Busy, InvalidRecord, NotYourQuestion, UnknownQuestion, Unreachable
from peer_relay.exchanges import Exchange
from peer_relay.ids import ulid_ms
from peer_relay.relay import NEWEST_READ
from peer_relay.reports import Listing, ReceivedAnswer, WaitingQuestion
from peer_relay.times import format_ms
from tests.claims import claim
from tests.relay.support import Machine, fill, ledger_of, publish
from tests.store.benches import UNTIL_ARCHIVED, a_deadline, answer, asking, question
from tests.store.memory_store import UNREACHABLE, MemoryMailbox, MemoryStore

if TYPE_CHECKING:
    from pathlib import Path

    from tests.relay.support import FakeTime, MemoryMachine


def ids_of(listing: Listing[ReceivedAnswer]) -> list[str]:
    return [each.question_id for each in listing.items]


def asked_at(question_id: str) -> str:
    return format_ms(ulid_ms(question_id))


def ask_and_answer(alice: MemoryMachine, bob: MemoryMachine, text: str = "Why?") -> str:
    asked = alice.relay.ask(text)
    bob.relay.answer(asked.question_id, f"The answer to: {text}", ["a.py:1"])
    return asked.question_id


@pytest.fixture
def alices_laptop(mailbox: MemoryMailbox, tmp_path: Path, time: FakeTime) -> MemoryMachine:
    return Machine("alice", MemoryStore(mailbox), tmp_path / "alices-laptop", time)


# -- questions --------------------------------------------------------------------------------------------------------


def test_open_questions_of_the_other_peer_are_listed_oldest_first(alice: MemoryMachine, bob: MemoryMachine) -> None:
    first = alice.relay.ask("First?", "a hint")
    second = alice.relay.ask("Second?")
    bob.relay.ask("Bob's own?")
    assert bob.relay.questions() == Listing(
        items=(
            WaitingQuestion(first.question_id, "First?", "a hint", asked_at(first.question_id)),
            WaitingQuestion(second.question_id, "Second?", None, asked_at(second.question_id)),
        ),
        notes=(),
    )


def test_an_answered_question_is_no_longer_listed(alice: MemoryMachine, bob: MemoryMachine) -> None:
    ask_and_answer(alice, bob)
    assert bob.relay.questions() == Listing((), ())


@claim("I8")
def test_reading_never_writes_to_the_mailbox(mailbox: MemoryMailbox, alice: MemoryMachine, bob: MemoryMachine) -> None:
    ask_and_answer(alice, bob)
    tip, pushes = mailbox.tip, (alice.store.pushes, bob.store.pushes)
    for machine in (alice, bob):
        machine.relay.questions()
        machine.relay.mark_shown(ids_of(machine.relay.answers()))
        machine.relay.mark_read(ids_of(machine.relay.answers(include_read=True)))
        machine.relay.exchanges(whole_history=True)
        machine.relay.deliver()
    assert (mailbox.tip, (alice.store.pushes, bob.store.pushes)) == (tip, pushes)


# -- unread answers ---------------------------------------------------------------------------------------------------


@claim("I7")
def test_an_answer_is_unread_until_it_is_marked_read_whoever_runs_meanwhile(
    alice: MemoryMachine, bob: MemoryMachine
) -> None:
    question_id = ask_and_answer(alice, bob)
    (answered,) = alice.relay.answers().items
    assert answered == ReceivedAnswer(
        question_id=question_id,
        question="Why?",
        answer="The answer to: Why?",
        sources=("a.py:1",),
        answered_at=answered.answered_at,
        shown_before=False,
    )
    alice.relay.mark_shown([question_id])
    alice.restart()
    assert [(each.question_id, each.shown_before) for each in alice.relay.answers().items] == [(question_id, True)]
    alice.relay.mark_read([question_id])
    assert alice.relay.answers() == Listing((), ())
    alice.restart()
    assert (alice.relay.answers(), alice.kept()) == (Listing((), ()), [])


def test_a_question_without_an_answer_is_not_among_the_answers(alice: MemoryMachine) -> None:
    alice.relay.ask("Why?")
    alice.store.forget()
    assert alice.relay.answers() == Listing((), ())
    assert alice.store.fetches == 1  # the first look: an open question is not read only to be left out


def test_only_answers_that_are_waited_for_are_noted_as_shown(alice: MemoryMachine, bob: MemoryMachine) -> None:
    question_id = ask_and_answer(alice, bob)
    alice.relay.mark_read([question_id])
    alice.relay.mark_shown([question_id])
    assert alice.kept() == []
    assert [each.shown_before for each in alice.relay.answers(question_id=question_id).items] == [False]


@claim("I7")
def test_an_answer_that_arrives_is_unread_on_every_machine_of_the_peer(
    alice: MemoryMachine, alices_laptop: MemoryMachine, bob: MemoryMachine
) -> None:
    alices_laptop.relay.questions()
    question_id = ask_and_answer(alice, bob)
    for machine in (alice, alices_laptop):
        assert ids_of(machine.relay.answers()) == [question_id]
    alice.relay.mark_read([question_id])
    assert ids_of(alices_laptop.relay.answers()) == [question_id]


def test_answers_from_before_the_first_contact_of_a_machine_count_as_read_there(
    alice: MemoryMachine, alices_laptop: MemoryMachine, bob: MemoryMachine
) -> None:
    question_id = ask_and_answer(alice, bob)
    assert ids_of(alices_laptop.relay.answers()) == []
    assert ids_of(alices_laptop.relay.answers(include_read=True)) == [question_id]


@claim("I7")
@pytest.mark.parametrize("lost", ["checkpoint", "clone", "both"])
def test_an_unread_answer_outlives_checkpoint_and_clone(alice: MemoryMachine, bob: MemoryMachine, lost: str) -> None:
    question_id = ask_and_answer(alice, bob)
    if lost != "clone":
        (alice.folder / "checkpoint.json").unlink()
    if lost != "checkpoint":
        alice.store.forget()
    alice.restart()
    assert ids_of(alice.relay.answers()) == [question_id]


@pytest.mark.parametrize("content", [b"", b"{", b"{}", b'{"tip": "x"}', b"\xff\xfe"])
def test_a_damaged_checkpoint_counts_as_lost(alice: MemoryMachine, bob: MemoryMachine, content: bytes) -> None:
    question_id = ask_and_answer(alice, bob)
    (alice.folder / "checkpoint.json").write_bytes(content)
    alice.restart()
    assert ids_of(alice.relay.answers()) == [question_id]
    assert alice.relay.ask("And?").delivered


@claim("I7")
@pytest.mark.parametrize("loses_everything", [False, True])
def test_an_answer_that_was_archived_before_it_was_read_is_still_shown(
    mailbox: MemoryMailbox, alice: MemoryMachine, bob: MemoryMachine, loses_everything: bool
) -> None:
    question_id, other = ask_and_answer(alice, bob), ask_and_answer(alice, bob, "How?")
    fill(mailbox, UNTIL_ARCHIVED)
    assert not {question_id, other} & ledger_of(mailbox).answered.keys()
    if loses_everything:
        (alice.folder / "checkpoint.json").unlink()
        alice.store.forget()
    alice.restart()
    for _ in range(2):
        assert [(each.question, each.answer) for each in alice.relay.answers().items] == [
            ("Why?", "The answer to: Why?"),
            ("How?", "The answer to: How?"),
        ]
    alice.relay.mark_read([question_id, other])
    assert alice.relay.answers().items == ()
    assert ids_of(alice.relay.answers(question_id=question_id)) == [question_id]


def test_an_answer_that_was_archived_while_the_process_ran_is_found_although_it_was_looked_for_before(
    mailbox: MemoryMailbox, alice: MemoryMachine, bob: MemoryMachine
) -> None:
    alice.relay.exchanges(whole_history=True)
    asked = alice.relay.ask("Why?")
    alice.relay.exchanges(whole_history=True)
    bob.relay.answer(asked.question_id, "Because.")
    fill(mailbox, UNTIL_ARCHIVED)
    assert ids_of(alice.relay.answers()) == [asked.question_id]


def test_what_was_looked_up_is_not_remembered_without_end_and_found_again_all_the_same(
    mailbox: MemoryMailbox, alice: MemoryMachine, bob: MemoryMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("peer_relay.contact._REMEMBERED", 3)
    asked = [ask_and_answer(alice, bob, f"Why {number}?") for number in range(5)]
    fill(mailbox, UNTIL_ARCHIVED)
    assert not ledger_of(mailbox).answered.keys() & set(asked)
    for _ in range(2):
        for question_id in asked:
            assert ids_of(alice.relay.answers(question_id=question_id)) == [question_id]
            assert len(alice.relay._contacts._searched) <= 4
    assert ids_of(alice.relay.answers()) == asked


def test_a_question_that_is_nowhere_is_looked_for_once_and_then_only_in_what_is_new(
    mailbox: MemoryMailbox, alice: MemoryMachine, bob: MemoryMachine
) -> None:
    nowhere = question(1)
    fill(mailbox, 3, first=10)
    alice.relay.questions()
    alice.state.asked.add(nowhere.id)
    walked: list[str | None] = []
    walk = alice.store.walk

    def noted(snapshot: object, deadline: object, since: str | None = None) -> object:
        walked.append(since)
        return walk(snapshot, deadline, since)  # type: ignore[arg-type]

    alice.store.walk = noted  # type: ignore[method-assign, assignment]
    known = mailbox.tip
    assert alice.relay.answers() == Listing((), ())
    assert alice.relay.answers() == Listing((), ())
    publish(mailbox, asking(ledger_of(mailbox), nowhere)[0])
    bob.relay.answer(nowhere.id, "Because.")
    fill(mailbox, UNTIL_ARCHIVED, first=100)
    assert nowhere.id not in ledger_of(mailbox).answered
    assert ids_of(alice.relay.answers()) == [nowhere.id]
    assert walked == [None, known, known]


# -- include_read and question_id -------------------------------------------------------------------------------------


def test_read_answers_can_be_listed_too_the_newest_twenty_and_all_unread_ones(
    mailbox: MemoryMailbox, alice: MemoryMachine, bob: MemoryMachine
) -> None:
    unread = ask_and_answer(alice, bob)
    fill(mailbox, NEWEST_READ + 5, asker="alice")
    (alice.folder / "checkpoint.json").unlink()  # so that what the other machine asked counts as read
    fill(mailbox, 3, first=100, asker="bob")
    wanted = [unread, *(question(number).id for number in range(6, NEWEST_READ + 6))]
    assert ids_of(alice.relay.answers(include_read=True)) == wanted
    assert ids_of(alice.relay.answers()) == [unread]


def test_one_answer_is_given_whether_it_was_read_or_not(alice: MemoryMachine, bob: MemoryMachine) -> None:
    first, second = ask_and_answer(alice, bob, "First?"), ask_and_answer(alice, bob, "Second?")
    alice.relay.mark_read([first])
    assert ids_of(alice.relay.answers(question_id=first)) == [first]
    assert ids_of(alice.relay.answers(question_id=second, include_read=True)) == [second]


def test_a_question_without_an_answer_yet_is_said_to_have_none(alice: MemoryMachine, bob: MemoryMachine) -> None:
    asked = alice.relay.ask("Why?")
    note = f"Question {asked.question_id} has no answer yet."
    assert alice.relay.answers(question_id=asked.question_id) == Listing((), (note,))
    alice.store.unreachable = UNREACHABLE
    assert alice.relay.answers(question_id=asked.question_id).notes[0] == note
    queued = alice.relay.ask("And?")
    assert not queued.delivered
    assert [note.split(":")[0] for note in alice.relay.answers(question_id=queued.question_id).notes] == [
        "memory",
        "1 record is queued on this machine and will be delivered automatically.",
    ]


@pytest.mark.parametrize("reachable", [True, False])
def test_the_answer_to_the_other_peers_question_is_not_one_of_ones_own(
    alice: MemoryMachine, bob: MemoryMachine, reachable: bool
) -> None:
    question_id = ask_and_answer(alice, bob)
    bob.store.unreachable = None if reachable else UNREACHABLE
    with pytest.raises(NotYourQuestion):
        bob.relay.answers(question_id=question_id)


def test_an_unknown_question_id_is_refused_unless_it_may_only_be_out_of_reach(alice: MemoryMachine) -> None:
    alice.relay.questions()
    with pytest.raises(UnknownQuestion):
        alice.relay.answers(question_id=question(1).id)
    alice.store.unreachable = UNREACHABLE
    assert alice.relay.answers(question_id=question(1).id).items == ()


@pytest.mark.parametrize("question_id", ["", "01k", "../../etc/passwd", question(1).id.lower(), question(1).id + "\n"])
def test_what_is_no_id_is_refused_before_any_contact(alice: MemoryMachine, question_id: str) -> None:
    with pytest.raises(InvalidRecord) as caught:
        alice.relay.answers(question_id=question_id)
    assert str(caught.value) == (
        "This request cannot be carried out: question_id must be an id as a tool returned it, 26 capital letters and "
        "digits. Correct that and send it again."
    )
    assert alice.store.listings == 0


# -- exchanges --------------------------------------------------------------------------------------------------------


def test_exchanges_are_those_at_the_tip_or_all_of_history(
    mailbox: MemoryMailbox, alice: MemoryMachine, bob: MemoryMachine
) -> None:
    fill(mailbox, UNTIL_ARCHIVED, asker="alice")
    asked = bob.relay.ask("Bob's?")
    tip = alice.relay.exchanges()
    assert (len(tip.items), tip.notes) == (258, ())
    everything = alice.relay.exchanges(whole_history=True)
    assert (len(everything.items), everything.notes) == (UNTIL_ARCHIVED + 1, ())
    assert everything.items[0] == Exchange(question(1), answer(question(1)), "bob")
    assert {each.question.id for each in tip.items} <= {each.question.id for each in everything.items}
    (mine,) = [each for each in tip.items if each.question.id == asked.question_id]
    assert (mine.answer, mine.answerer, mine.question.asker_id) == (None, None, "bob")


def test_the_whole_history_is_not_made_up_when_it_cannot_be_fetched(
    mailbox: MemoryMailbox, alice: MemoryMachine
) -> None:
    fill(mailbox, 5)
    alice.relay.questions()
    alice.store.forget()
    alice.store.unreachable = UNREACHABLE
    with pytest.raises(Unreachable):
        alice.relay.exchanges(whole_history=True)


# -- nothing new can be learnt ----------------------------------------------------------------------------------------


def stale(time_ms: int, problem: object = UNREACHABLE, missing: str = "") -> str:
    return f"{problem} This result is what was known at {format_ms(time_ms)}{missing}."


@claim("delivered-or-queued")
def test_what_is_known_is_served_offline_with_the_time_of_the_last_contact(
    alice: MemoryMachine, bob: MemoryMachine, time: FakeTime
) -> None:
    question_id = ask_and_answer(alice, bob)
    alice.relay.answers()
    last_contact = time.ms
    time.ms += 3_600_000
    alice.store.unreachable = UNREACHABLE
    alice.restart()
    listing = alice.relay.answers()
    assert (ids_of(listing), listing.notes) == ([question_id], (stale(last_contact),))
    assert alice.relay.questions() == Listing((), (stale(last_contact),))
    assert len(alice.relay.exchanges().items) == 1


def test_a_contact_that_finds_nothing_new_counts_as_contact(alice: MemoryMachine, time: FakeTime) -> None:
    alice.relay.questions()
    time.ms += 60_000
    alice.relay.questions()
    last_contact = time.ms
    alice.store.unreachable = UNREACHABLE
    assert alice.relay.questions().notes == (stale(last_contact),)


def test_without_any_contact_ever_nothing_is_known(alice: MemoryMachine) -> None:
    alice.store.unreachable = UNREACHABLE
    for act in (alice.relay.questions, alice.relay.answers, alice.relay.exchanges):
        with pytest.raises(Unreachable):
            act()


def test_what_is_not_on_this_machine_any_more_is_left_out_with_the_reason_and_the_number(
    alice: MemoryMachine, bob: MemoryMachine, time: FakeTime
) -> None:
    ask_and_answer(alice, bob)
    alice.relay.answers()
    last_contact = time.ms
    alice.store.forget()
    alice.store.unreachable = UNREACHABLE
    one = stale(last_contact, missing=", without 1 exchange that cannot be read now")
    assert alice.relay.answers() == Listing((), (one,), missing=1)
    bob.relay.ask("What?")
    alice.store.unreachable = None
    alice.relay.reach()
    alice.store.forget()
    alice.store.unreachable = UNREACHABLE
    (note,) = alice.relay.exchanges().notes
    assert note.endswith(", without 2 exchanges that cannot be read now.")


@claim("I6")
def test_what_came_before_a_refused_commit_is_served_and_the_note_names_it(
    mailbox: MemoryMailbox, alice: MemoryMachine, bob: MemoryMachine
) -> None:
    alice.relay.questions()
    asked = alice.relay.ask("Why?")
    bob.relay.answer(asked.question_id, "Because.")
    good = mailbox.tip
    junk = mailbox.push_junk()
    fetches = alice.store.fetches
    for _ in range(3):
        listing = alice.relay.answers()
        assert ids_of(listing) == [asked.question_id]
        assert [f"Commit {junk} of the room is refused" in note for note in listing.notes] == [True]
        alice.restart()
    assert alice.store.fetches == fetches + 1
    mailbox.tip = good
    bob.relay.ask("What?")
    assert [each.question for each in alice.relay.questions().items] == ["What?"]
    assert alice.relay.questions().notes == ()


def test_a_process_that_holds_the_lock_too_long_is_named(alice: MemoryMachine, bob: MemoryMachine) -> None:
    ask_and_answer(alice, bob)
    alice.relay._timeout_s = 0.0
    with alice.state.locked(a_deadline()):
        listing = alice.relay.answers()
    assert listing.items == ()
    assert listing.notes[0].startswith(str(Busy()))
