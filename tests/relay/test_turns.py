"""When a machine pushes: together, after others had their turn, and to a host only so often."""

from __future__ import annotations

import contextlib
import os
import threading
from typing import TYPE_CHECKING

import pytest

from peer_relay.delivery import Delivery, _Run
from peer_relay.errors import HeldBack
from peer_relay.local_state import LocalState
from peer_relay.outbox import Status
from peer_relay.pacing import HOSTED_PER_MINUTE, Pushes, PushRate
from tests.claims import claim
from tests.relay.support import place_of, texts
from tests.relay.test_delivery import refuse
from tests.store.benches import a_deadline, question
from tests.store.memory_store import REMOTE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from peer_relay.reports import Sent
    from tests.relay.support import FakeTime, MemoryMachine
    from tests.store.memory_store import MemoryMailbox

RULE = f"This machine pushes to {REMOTE} at most 6 times a minute, and everything that waits goes together."


@pytest.fixture
def hosted(alice: MemoryMachine) -> MemoryMachine:
    """Give alice's machine, with a mailbox on a host."""
    alice.rate = PushRate.of(HOSTED_PER_MINUTE)
    alice.restart()
    alice.relay.questions()
    return alice


# -- the token bucket -------------------------------------------------------------------------------------------------


@claim("delivered-or-queued", "I4", "I5")
def test_a_hundred_questions_in_a_minute_are_six_pushes(
    mailbox: MemoryMailbox, hosted: MemoryMachine, time: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)
    began = time.ms
    pushes: list[int] = []
    publish = hosted.store.publish
    hosted.store.publish = lambda *given: pushes.append(time.ms) or publish(*given)  # type: ignore[method-assign]
    for number in range(100):
        hosted.relay.ask(f"Question {number}?")
        time.sleep(0.58)
        if not hosted.relay.held_back_s():  # as the background task of a server does
            hosted.relay.deliver()
    assert len([each for each in pushes if each < began + 60_000]) <= HOSTED_PER_MINUTE
    time.sleep(hosted.relay.held_back_s())
    assert hosted.relay.deliver() is True
    assert texts(mailbox.records()) == [f"Question {number}?" for number in range(100)]


def test_a_single_question_now_and_then_is_never_delayed(hosted: MemoryMachine, time: FakeTime) -> None:
    for _ in range(10):
        assert hosted.relay.ask("Why?").delivered
        time.sleep(20)
    assert set(time.pauses) == {20}


@claim("delivered-or-queued", "I4")
def test_what_has_no_turn_yet_is_queued_with_the_time_of_the_next_push(
    mailbox: MemoryMailbox, hosted: MemoryMachine, time: FakeTime
) -> None:
    for number in range(3):
        assert hosted.relay.ask(f"{number}?").delivered
    asked, other = hosted.relay.ask("Why?"), hosted.another().ask("And why?")
    assert (asked.delivered, other.delivered, len(mailbox.records())) == (False, False, 3)
    assert isinstance(asked.blocked, HeldBack)
    (note,) = asked.notes
    assert note == (
        f"1 record is queued on this machine and will be delivered automatically. {RULE} Nothing has to be done: the "
        f"next push is at {asked.blocked.next_push}."
    )
    assert hosted.relay.questions().notes == (note.replace("1 record is", "2 records are"),)
    assert 19.9 < hosted.relay.held_back_s() <= 20
    assert hosted.relay.deliver() is False
    time.sleep(hosted.relay.held_back_s())
    assert hosted.relay.deliver() is True
    assert texts(mailbox.records())[3:] == ["Why?", "And why?"]
    assert hosted.store.pushes == 4


def test_a_command_waits_for_its_turn_and_says_so(hosted: MemoryMachine, time: FakeTime) -> None:
    told: list[str] = []
    hosted.on_wait = lambda reason: told.append(reason.what)
    hosted.restart()
    assert all(hosted.relay.ask("Why?").delivered for _ in range(4))
    assert told == [RULE]
    (pause,) = time.pauses
    assert 19.9 < pause <= 20


@claim("I5")
def test_of_several_refused_together_the_one_to_blame_is_found_at_once(
    mailbox: MemoryMailbox, hosted: MemoryMachine, time: FakeTime
) -> None:
    mailbox.refuses = refuse("secrets")  # type: ignore[assignment]
    for number in range(3):
        hosted.relay.ask(f"{number}?")
    for text in ("First?", "secrets", "Third?"):
        assert not hosted.relay.ask(text).delivered
    time.sleep(hosted.relay.held_back_s())
    assert hosted.relay.deliver() is True
    assert texts(mailbox.records())[3:] == ["First?", "Third?"]
    assert [entry.status for entry in hosted.relay.outbox()] == [Status.REFUSED]
    assert hosted.relay.held_back_s() == pytest.approx(20, abs=0.1)


def test_a_race_that_was_lost_before_anything_was_sent_costs_no_turn(hosted: MemoryMachine, bob: MemoryMachine) -> None:
    hosted.store.before_publish(lambda: bob.relay.ask("Bob's?"))
    assert all(hosted.relay.ask("Why?").delivered for _ in range(3))


# -- together ---------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def asking_beside(machine: MemoryMachine, told: list[Sent]) -> Iterator[threading.Thread]:
    """Hold the lock, as another process does, while a thread asks a question and then tells what came of it."""
    machine.relay.questions()
    asking = threading.Thread(target=lambda: told.append(machine.relay.ask("Why?")))
    with machine.state.locked(a_deadline()):
        asking.start()
        while not machine.state.asked.ids():
            asking.join(0.001)
        asking.join(0.05)  # it waits for the lock by now, or comes to it later: the outcome is the same
        yield asking
    asking.join(20)


@claim("delivered-or-queued", "I4")
def test_who_waits_for_the_lock_waits_no_longer_than_for_its_own_record(
    mailbox: MemoryMailbox, alice: MemoryMachine
) -> None:
    told: list[Sent] = []
    with asking_beside(alice, told) as asking:
        # Who has the lock takes along what is there.
        Delivery(alice.store, alice.state, "alice", alice.time.clock())._attempt(_Run(a_deadline()))
        asking.join(20)
        assert [each.delivered for each in told] == [True]
    assert (texts(mailbox.records()), alice.store.pushes) == (["Why?"], 1)


def test_what_is_accepted_during_a_push_is_left_to_who_accepted_it(
    mailbox: MemoryMailbox, alice: MemoryMachine
) -> None:
    late = question(1)
    alice.relay.questions()
    alice.store.before_publish(lambda: alice.state.outbox.accept(place_of(late), late, "alice", None))
    assert alice.relay.ask("Why?").delivered
    assert (alice.store.pushes, alice.relay.pending()) == (1, 1)
    assert alice.relay.deliver() is True
    assert len(mailbox.records()) == 2


def test_with_an_empty_outbox_nobody_takes_the_lock_to_deliver(
    alice: MemoryMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LocalState, "locked", None)
    assert alice.relay.deliver() is True


# -- giving way -------------------------------------------------------------------------------------------------------


def test_who_lost_a_race_goes_on_at_once_and_then_lets_others_have_their_turn(
    alice: MemoryMachine, bob: MemoryMachine, time: FakeTime
) -> None:
    alice.relay.questions()
    alice.store.before_publish(lambda: bob.relay.ask("Bob's?"))
    alice.store.before_publish(lambda: time.sleep(0.1))
    assert alice.relay.ask("Why?").delivered
    assert time.pauses == [0.1]  # the length of the push
    assert alice.another().ask("And why?").delivered
    assert 0.19 < time.pauses.pop() < 0.21
    time.sleep(2)
    assert alice.relay.ask("And now?").delivered
    assert time.pauses == [0.1, 2]


def test_a_turn_of_others_that_began_while_the_lock_was_waited_for_counts(alice: MemoryMachine, time: FakeTime) -> None:
    told: list[Sent] = []
    with asking_beside(alice, told):
        now_ms = time.now_ms()
        alice.state.note_pushes(Pushes(ended_ms=now_ms, took_ms=100, crowded_ms=now_ms))  # the other's, in company
    assert [each.delivered for each in told] == [True]
    assert time.pauses == [pytest.approx(0.2, abs=0.02)]


def test_who_writes_alone_never_waits_and_remembers_nothing(alice: MemoryMachine, time: FakeTime) -> None:
    assert all(alice.relay.ask("Why?").delivered for _ in range(5))
    assert (time.pauses, (alice.folder / "pushes").exists()) == ([], False)
