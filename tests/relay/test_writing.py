"""Asking and answering: what the caller is told, and what is where afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from peer_relay.errors import (
    AccessDenied,
    AlreadyAnswered,
    AlreadyQueued,
    AuthenticationFailed,
    ClockUnusable,
    DamagedClone,
    InvalidRecord,
    NotAGitServer,
    OwnQuestion,
    PeerNotInRoom,
    PeerRelayError,
    RoomNotFound,
    StateUnusable,
    TooManyOpen,
    UnknownQuestion,
    Unreachable,
)
from peer_relay.ledger import MAX_OPEN_PLANNED
from peer_relay.outbox import Outbox, Status
from peer_relay.paths import Kind
from peer_relay.reports import Sent
from tests.claims import claim
from tests.relay.support import Machine, came_second, ledger_of, place_of, publish, texts
from tests.store.benches import answer, asking, question
from tests.store.memory_store import REMOTE, UNREACHABLE, MemoryMailbox, MemoryStore

if TYPE_CHECKING:
    from pathlib import Path

    from tests.relay.support import FakeTime, MemoryMachine

QUEUED = "1 record is queued on this machine and will be delivered automatically."
UNKNOWN_ID = question(1).id


# -- delivered or queued ----------------------------------------------------------------------------------------------


@claim("I4", "delivered-or-queued")
def test_what_is_delivered_is_in_the_mailbox_and_no_longer_in_the_outbox(
    mailbox: MemoryMailbox, alice: MemoryMachine, bob: MemoryMachine
) -> None:
    asked = alice.relay.ask("Why?", "the login")
    assert asked == Sent(asked.question_id, delivered=True, notes=())
    assert alice.kept() == [f"asked/{asked.question_id}"]

    answered = bob.relay.answer(asked.question_id, "Because.", ["a.py:7", "commit 1234567"])
    assert answered == Sent(asked.question_id, delivered=True, notes=())
    assert bob.kept() == []
    stored_question, stored_answer = mailbox.records()
    assert (stored_question.id, texts([stored_question, stored_answer])) == (asked.question_id, ["Why?", "Because."])


@claim("I4", "delivered-or-queued")
def test_what_cannot_be_delivered_is_queued_on_the_disk_and_goes_out_with_the_next_call(
    mailbox: MemoryMailbox, alice: MemoryMachine, bob: MemoryMachine
) -> None:
    alice.relay.questions()
    alice.store.unreachable = UNREACHABLE
    asked = alice.relay.ask("Why?")
    assert asked == Sent(asked.question_id, delivered=False, notes=(f"{QUEUED} {UNREACHABLE}",))
    assert [path.split("/")[0] for path in alice.kept()] == ["asked", "outbox"]
    assert alice.relay.pending() == 1

    alice.restart()
    alice.store.unreachable = None
    assert alice.relay.questions().notes == ()
    assert texts(mailbox.records()) == ["Why?"]
    assert alice.relay.pending() == 0
    assert [each.question_id for each in bob.relay.questions().items] == [asked.question_id]


@claim("delivered-or-queued")
def test_what_is_queued_goes_out_by_deliver(mailbox: MemoryMailbox, alice: MemoryMachine) -> None:
    alice.store.unreachable = UNREACHABLE
    alice.relay.ask("Why?")
    assert alice.relay.deliver() is False
    alice.store.unreachable = None
    alice.restart()
    assert alice.relay.deliver() is True
    assert texts(mailbox.records()) == ["Why?"]
    assert alice.relay.deliver() is True


@claim("I8")
def test_delivering_nothing_contacts_nobody(alice: MemoryMachine) -> None:
    assert alice.relay.deliver() is True
    assert (alice.store.listings, alice.store.fetches, alice.store.pushes) == (0, 0, 0)


def test_a_next_question_takes_what_is_queued_along(mailbox: MemoryMailbox, alice: MemoryMachine) -> None:
    alice.store.unreachable = UNREACHABLE
    alice.relay.ask("First?")
    alice.relay.ask("Second?")
    alice.store.unreachable = None
    assert alice.relay.ask("Third?").notes == ()
    assert texts(mailbox.records()) == ["First?", "Second?", "Third?"]
    assert alice.store.pushes == 1


def test_a_mailbox_that_may_only_be_read_keeps_the_record_queued(mailbox: MemoryMailbox, alice: MemoryMachine) -> None:
    mailbox.read_only = True
    denied = AccessDenied(remote=REMOTE, act="write", reason="read-only")
    asked = alice.relay.ask("Why?")
    assert asked == Sent(asked.question_id, delivered=False, notes=(f"{QUEUED} {denied}",))
    mailbox.read_only = False
    assert alice.relay.deliver() is True


# -- refused requests leave nothing behind ----------------------------------------------------------------------------


def test_a_question_that_breaks_a_rule_is_refused_before_any_contact(alice: MemoryMachine) -> None:
    with pytest.raises(InvalidRecord):
        alice.relay.ask("")
    assert (alice.folder.exists(), alice.store.listings) == (False, 0)


def test_an_answer_that_breaks_a_rule_is_refused_before_any_contact(bob: MemoryMachine) -> None:
    for question_id, text in ((UNKNOWN_ID, ""), ("no id", "Because.")):
        with pytest.raises(InvalidRecord):
            bob.relay.answer(question_id, text)
    assert (bob.folder.exists(), bob.store.listings) == (False, 0)


def test_a_clock_before_the_release_refuses_to_write(
    mailbox: MemoryMailbox, alice: MemoryMachine, bob: MemoryMachine, time: FakeTime
) -> None:
    asked = alice.relay.ask("Why?")
    time.ms = 0
    with pytest.raises(ClockUnusable):
        alice.relay.ask("And why?")
    with pytest.raises(ClockUnusable):
        bob.relay.answer(asked.question_id, "Because.")
    assert (len(mailbox.records()), alice.relay.outbox(), bob.relay.outbox()) == (1, (), ())


def test_ones_own_question_is_not_answered(alice: MemoryMachine) -> None:
    asked = alice.relay.ask("Why?")
    with pytest.raises(OwnQuestion):
        alice.relay.answer(asked.question_id, "Because.")
    assert alice.relay.outbox() == ()


def test_an_unknown_question_is_looked_for_and_then_not_answered(bob: MemoryMachine) -> None:
    bob.relay.questions()
    listings = bob.store.listings
    with pytest.raises(UnknownQuestion):
        bob.relay.answer(UNKNOWN_ID, "Because.")
    assert (bob.store.listings, bob.relay.outbox()) == (listings + 1, ())


def test_a_question_that_arrived_since_the_last_look_is_answered(alice: MemoryMachine, bob: MemoryMachine) -> None:
    bob.relay.questions()
    asked = alice.relay.ask("Why?")
    assert bob.relay.answer(asked.question_id, "Because.").delivered


@pytest.mark.parametrize("known", [False, True])
def test_whether_an_unknown_question_is_open_cannot_be_found_out_offline(bob: MemoryMachine, known: bool) -> None:
    if known:
        bob.relay.questions()
    bob.store.unreachable = UNREACHABLE
    with pytest.raises(Unreachable):
        bob.relay.answer(UNKNOWN_ID, "Because.")
    assert bob.relay.outbox() == ()


@claim("first-answer-wins")
def test_a_second_answer_is_refused_with_the_fact_that_it_came_second(
    mailbox: MemoryMailbox, alice: MemoryMachine, bob: MemoryMachine, bobs_laptop: MemoryMachine
) -> None:
    asked = alice.relay.ask("Why?")
    bobs_laptop.relay.questions()
    bob.relay.answer(asked.question_id, "The first.")
    for _ in range(2):  # the laptop does not know of the first one before, and knows it after
        with pytest.raises(AlreadyAnswered):
            bobs_laptop.relay.answer(asked.question_id, "The second.")
        assert bobs_laptop.kept() == []
    assert bobs_laptop.relay.questions().notes == ()
    assert texts(mailbox.records()) == ["Why?", "The first."]


def test_an_answer_that_is_queued_already_is_not_queued_again(alice: MemoryMachine, bob: MemoryMachine) -> None:
    asked = alice.relay.ask("Why?")
    bob.relay.questions()
    bob.store.unreachable = UNREACHABLE
    assert not bob.relay.answer(asked.question_id, "Because.").delivered
    with pytest.raises(AlreadyQueued):
        bob.relay.answer(asked.question_id, "Because of this.")
    assert bob.relay.pending() == 1
    assert bob.relay.questions().items == ()


def test_a_question_whose_asked_file_cannot_be_written_is_not_asked(
    mailbox: MemoryMailbox, alice: MemoryMachine
) -> None:
    alice.folder.mkdir()
    (alice.folder / "asked").write_text("in the way")
    with pytest.raises(StateUnusable):
        alice.relay.ask("Why?")
    assert (alice.relay.outbox(), mailbox.records()) == ((), [])


def test_a_question_whose_outbox_cannot_be_written_is_not_asked(mailbox: MemoryMailbox, alice: MemoryMachine) -> None:
    alice.folder.mkdir()
    (alice.folder / "outbox").write_text("in the way")
    with pytest.raises(StateUnusable):
        alice.relay.ask("Why?")
    assert (alice.kept(), mailbox.records()) == ([], [])


# -- the first contact ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "problem",
    [UNREACHABLE, NotAGitServer(remote=REMOTE, reason="a portal"), DamagedClone(reason="a test")],
    ids=lambda problem: type(problem).__name__,
)
def test_a_question_is_queued_if_the_mailbox_was_never_reached(
    mailbox: MemoryMailbox, alice: MemoryMachine, problem: PeerRelayError
) -> None:
    alice.store.unreachable = problem
    asked = alice.relay.ask("Why?")
    assert asked == Sent(asked.question_id, delivered=False, notes=(f"{QUEUED} {problem}",))
    assert [entry.base for entry in alice.relay.outbox()] == [None]
    alice.store.unreachable = None
    assert alice.relay.deliver() is True
    assert texts(mailbox.records()) == ["Why?"]


@claim("isolation")
def test_a_room_that_is_not_there_takes_no_question_and_leaves_nothing_but_a_lock(
    mailbox: MemoryMailbox, alice: MemoryMachine
) -> None:
    mailbox.tip = None
    with pytest.raises(RoomNotFound):
        alice.relay.ask("Why?")
    with pytest.raises(RoomNotFound):
        alice.relay.answer(UNKNOWN_ID, "Because.")
    with pytest.raises(RoomNotFound):
        alice.relay.questions()
    with pytest.raises(RoomNotFound):
        alice.relay.answers()
    assert {path.name for path in alice.folder.rglob("*")} <= {"lock"}


def test_a_login_that_is_refused_takes_no_question(alice: MemoryMachine) -> None:
    alice.store.unreachable = AuthenticationFailed(remote=REMOTE, source="no credentials were found")
    with pytest.raises(AuthenticationFailed):
        alice.relay.ask("Why?")
    assert {path.name for path in alice.folder.rglob("*")} <= {"lock"}


@claim("isolation")
@pytest.mark.parametrize("peer", ["carol", "alcie"])
def test_a_third_or_misspelt_peer_is_refused_by_name(
    mailbox: MemoryMailbox, tmp_path: Path, time: FakeTime, peer: str
) -> None:
    machine = Machine(peer, MemoryStore(mailbox), tmp_path / peer, time)
    sentence = (
        f"{peer} is not a peer of this room, which pairs alice with bob. Set PEER_RELAY_PEER_ID to your own of the "
        "two, or run `peer-relay join` with an invite of your own."
    )
    for act in (
        lambda: machine.relay.ask("Why?"),
        lambda: machine.relay.answer(UNKNOWN_ID, "Because."),
        machine.relay.questions,
        machine.relay.answers,
        machine.relay.exchanges,
    ):
        with pytest.raises(PeerNotInRoom) as caught:
            act()
        assert str(caught.value) == sentence
    assert {path.name for path in machine.folder.rglob("*")} <= {"lock"}
    assert mailbox.records() == []


def test_a_misspelt_peer_that_asked_before_any_contact_hears_of_it_with_the_next_call(
    mailbox: MemoryMailbox, tmp_path: Path, time: FakeTime
) -> None:
    machine = Machine("alcie", MemoryStore(mailbox), tmp_path / "alcie", time)
    machine.store.unreachable = UNREACHABLE
    assert not machine.relay.ask("Why?").delivered
    machine.store.unreachable = None
    assert machine.relay.deliver() is False
    with pytest.raises(PeerNotInRoom):
        machine.relay.questions()
    assert (len(machine.relay.outbox()), mailbox.records()) == (1, [])


# -- the limit of open questions --------------------------------------------------------------------------------------


def ask_to_the_limit(mailbox: MemoryMailbox, but: int = 0) -> None:
    publish(mailbox, asking(ledger_of(mailbox), *map(question, range(1, MAX_OPEN_PLANNED + 1 - but)))[0])


def test_the_hundred_and_first_open_question_is_refused(mailbox: MemoryMailbox, alice: MemoryMachine) -> None:
    ask_to_the_limit(mailbox, but=1)
    assert alice.relay.ask("The hundredth?").delivered
    kept = alice.kept()
    with pytest.raises(TooManyOpen) as caught:
        alice.relay.ask("One more?")
    assert caught.value.limit == MAX_OPEN_PLANNED
    alice.store.unreachable = UNREACHABLE
    with pytest.raises(TooManyOpen):
        alice.relay.ask("One more?")
    assert alice.kept() == kept


def test_the_limit_is_not_taken_from_what_was_known_before(
    mailbox: MemoryMailbox, alice: MemoryMachine, bob: MemoryMachine
) -> None:
    ask_to_the_limit(mailbox)
    alice.relay.questions()
    bob.relay.answer(question(1).id, "Because.")
    assert alice.relay.ask("One more?").delivered


def test_queued_questions_count_towards_the_limit(alice: MemoryMachine) -> None:
    alice.store.unreachable = UNREACHABLE
    outbox = alice.state.outbox
    for number in range(MAX_OPEN_PLANNED):
        asked = question(number)
        outbox.accept(place_of(asked), asked, "alice", None)
    with pytest.raises(TooManyOpen):
        alice.relay.ask("One more?")
    assert alice.relay.pending() == MAX_OPEN_PLANNED


@claim("I5")
def test_a_queued_question_over_the_limit_waits_for_room_while_answers_behind_it_go_out(
    mailbox: MemoryMailbox, alice: MemoryMachine, bob: MemoryMachine
) -> None:
    to_alice = bob.relay.ask("What?")
    alice.relay.questions()
    alice.store.unreachable = UNREACHABLE
    waiting = alice.relay.ask("One too many?")
    alice.relay.answer(to_alice.question_id, "That.")
    ask_to_the_limit(mailbox)

    alice.store.unreachable = None
    assert alice.relay.deliver() is False
    assert texts(mailbox.records())[-1] == "That."
    assert [entry.place.question_id for entry in alice.relay.outbox()] == [waiting.question_id]
    assert alice.relay.questions().notes == (QUEUED,)

    bob.relay.questions()
    bob.relay.answer(question(1).id, "Because.")
    # Nobody but the background task is at work: it has to look for room by itself.
    assert alice.relay.deliver() is True
    assert texts(mailbox.records())[-1] == "One too many?"


def test_a_question_over_the_limit_is_queued_when_the_limit_was_reached_meanwhile(
    mailbox: MemoryMailbox, alice: MemoryMachine
) -> None:
    alice.relay.questions()
    ask_to_the_limit(mailbox)
    asked = alice.relay.ask("One too many?")
    assert asked == Sent(asked.question_id, delivered=False, notes=(QUEUED,))


# -- two processes on one machine -------------------------------------------------------------------------------------


def interrupt(machine: MemoryMachine, monkeypatch: pytest.MonkeyPatch, act: object) -> None:
    """Let another process of the machine act between the acceptance of the next record and its first try."""
    flush = machine.relay._delivery.flush

    def first_the_other(*arguments: object) -> object:
        monkeypatch.undo()
        act()  # type: ignore[operator]
        return flush(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(machine.relay._delivery, "flush", first_the_other)


@claim("I4")
def test_a_record_that_another_process_delivered_is_told_delivered(
    mailbox: MemoryMailbox, alice: MemoryMachine, bob: MemoryMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = alice.another()
    interrupt(alice, monkeypatch, other.deliver)
    asked = alice.relay.ask("Why?")
    assert asked == Sent(asked.question_id, delivered=True, notes=())

    other = bob.another()
    bob.relay.questions()
    interrupt(bob, monkeypatch, other.deliver)
    assert bob.relay.answer(asked.question_id, "Because.") == Sent(asked.question_id, delivered=True, notes=())
    assert texts(mailbox.records()) == ["Why?", "Because."]


@claim("I4", "first-answer-wins")
def test_an_answer_that_another_process_found_to_come_second_is_not_told_delivered(
    mailbox: MemoryMailbox,
    alice: MemoryMachine,
    bob: MemoryMachine,
    bobs_laptop: MemoryMachine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = alice.relay.ask("Why?")
    bob.relay.questions()
    bobs_laptop.relay.answer(asked.question_id, "The first.")
    other = bob.another()
    reported: list[str] = []
    interrupt(bob, monkeypatch, lambda: reported.extend(other.questions().notes))
    with pytest.raises(AlreadyAnswered):
        bob.relay.answer(asked.question_id, "The second.")
    assert reported == [came_second(asked.question_id)]
    assert bob.kept() == []


@claim("I4")
@pytest.mark.parametrize("kind", ["question", "answer"])
def test_what_another_process_settled_and_cannot_be_read_now_is_told_queued_so_that_nobody_sends_it_again(
    kind: str, mailbox: MemoryMailbox, alice: MemoryMachine, bob: MemoryMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = alice.relay.ask("Why?")
    bob.relay.questions()
    other = bob.another()

    def deliver_and_lose_the_network() -> None:
        assert other.deliver()
        bob.store.forget()
        bob.store.unreachable = UNREACHABLE
        (bob.folder / "checkpoint.json").unlink()

    interrupt(bob, monkeypatch, deliver_and_lose_the_network)
    sent = bob.relay.ask("How?") if kind == "question" else bob.relay.answer(asked.question_id, "Because.")
    assert (sent.delivered, sent.blocked) == (False, UNREACHABLE)
    assert len(texts(mailbox.records())) == 2


@claim("I4")
def test_a_question_that_another_process_delivered_needs_no_mailbox_to_be_told_delivered(
    alice: MemoryMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = alice.another()

    def deliver_and_lose_the_network() -> None:
        assert other.deliver()
        alice.store.forget()
        alice.store.unreachable = UNREACHABLE

    interrupt(alice, monkeypatch, deliver_and_lose_the_network)
    assert alice.relay.ask("Why?").delivered is True


def test_a_record_that_a_person_dropped_meanwhile_is_not_told_delivered(
    mailbox: MemoryMailbox, alice: MemoryMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    mailbox.refuses = lambda _: "no"
    other = alice.another()

    def set_aside_and_drop() -> None:
        other.deliver()
        other.drop(other.outbox()[0].place.question_id)

    interrupt(alice, monkeypatch, set_aside_and_drop)
    with pytest.raises(UnknownQuestion):
        alice.relay.ask("Why?")
    assert (alice.kept(), mailbox.records()) == ([], [])


@claim("I3", "first-answer-wins")
def test_of_two_answers_that_two_processes_accept_at_once_one_is_stored_and_told_delivered(
    mailbox: MemoryMailbox, alice: MemoryMachine, bob: MemoryMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = alice.relay.ask("Why?")
    bob.relay.questions()
    other = bob.another()
    accept = Outbox.accept

    def accept_after_the_other(outbox: Outbox, *arguments: object) -> object:
        monkeypatch.undo()
        bob.store.unreachable = UNREACHABLE
        assert not other.answer(asked.question_id, "The first.").delivered
        bob.store.unreachable = None
        return accept(outbox, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Outbox, "accept", accept_after_the_other)
    with pytest.raises(AlreadyAnswered):
        bob.relay.answer(asked.question_id, "The second.")
    assert texts(mailbox.records()) == ["Why?", "The first."]
    assert bob.kept() == []


def test_of_two_accepted_answers_the_other_one_goes_if_the_first_is_refused(
    mailbox: MemoryMailbox, bob: MemoryMachine
) -> None:
    asked = question(1)
    publish(mailbox, asking(ledger_of(mailbox), asked)[0])
    bob.relay.questions()
    base = mailbox.tip
    for text in ("secret", "harmless"):
        bob.state.outbox.accept(place_of(asked, Kind.ANSWER), answer(asked, text), "bob", base)
    mailbox.refuses = lambda record: "no secrets" if texts([record]) == ["secret"] else None
    assert bob.relay.deliver() is True
    assert texts(mailbox.records())[-1] == "harmless"
    assert [(entry.status, entry.words) for entry in bob.relay.outbox()] == [(Status.REFUSED, "no secrets")]


def test_the_relay_can_be_closed(alice: MemoryMachine) -> None:
    alice.relay.close()
    assert alice.store.closed
