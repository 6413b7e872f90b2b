"""Putting a branch back: what a look finds, that only what was agreed to is done, and that work goes on afterwards."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from peer_relay.delivery import Delivery
from peer_relay.errors import BranchDeleted, Busy, Moved, OutcomeUnknown, PeerRelayError, RoomNotFound, Unreachable
from peer_relay.restoring import Found, Restoration
from peer_relay.store import Beyond
from tests.claims import claim
from tests.relay.support import TIMEOUT_S, texts
from tests.store.benches import a_deadline, question
from tests.store.memory_store import UNREACHABLE

if TYPE_CHECKING:
    from peer_relay.checkpoint import Checkpoint
    from tests.relay.support import FakeTime, MemoryMachine
    from tests.store.memory_store import MemoryMailbox


def restoration(machine: MemoryMachine) -> Restoration:
    clock, state = machine.time.clock(), machine.state
    return Restoration(machine.store, state, Delivery(machine.store, state, machine.peer, clock), clock, TIMEOUT_S)


def checkpoint(machine: MemoryMachine) -> Checkpoint:
    known = machine.state.load()
    assert known is not None
    return known


@claim("I6")
def test_a_branch_as_it_was_verified_is_left_alone(mailbox: MemoryMailbox, alice: MemoryMachine) -> None:
    alice.relay.ask("Why?")
    found = restoration(alice).look()
    assert found == Found(checkpoint(alice).snapshot, None, Beyond())
    with pytest.raises(Moved):
        restoration(alice).carry_out(found)
    assert alice.store.pushes == 1


@claim("I4", "I6")
@pytest.mark.parametrize("lost", ["deleted", "set back", "junk"])
def test_after_it_was_put_back_what_waited_goes_out_once_and_both_go_on(
    mailbox: MemoryMailbox, alice: MemoryMachine, bob: MemoryMachine, lost: str
) -> None:
    opened = mailbox.tip
    alice.relay.ask("Before?")
    bob.relay.questions()
    if lost == "junk":
        mailbox.push_junk()
    else:
        mailbox.tip = None if lost == "deleted" else opened
    assert alice.relay.ask("Why?").delivered is False
    putting_back = restoration(alice)
    flushed = putting_back.carry_out(putting_back.look())
    assert (len(flushed.delivered), flushed.blocked) == (1, None)
    assert checkpoint(alice).refusal is None
    assert texts(mailbox.records()) == ["Before?", "Why?"]
    assert [each.question for each in bob.relay.questions().items] == ["Before?", "Why?"]
    for machine in (alice, bob):
        assert machine.relay.questions().notes == ()
    assert texts(mailbox.records()) == ["Before?", "Why?"]


@claim("I6")
def test_an_older_state_ends_by_itself_when_the_branch_has_caught_up(
    mailbox: MemoryMailbox, alice: MemoryMachine, bob: MemoryMachine
) -> None:
    older = mailbox.tip
    alice.relay.ask("Before?")
    asked = bob.relay.ask("And this?")
    newest, mailbox.tip = mailbox.tip, older
    assert alice.relay.ask("Why?").delivered is False
    notes = alice.relay.questions().notes
    assert [f"shows an older state, commit {older}, and not commit" in note for note in notes] == [True, False]
    mailbox.tip = newest
    listing = alice.relay.questions()
    assert ([each.question_id for each in listing.items], listing.notes) == ([asked.question_id], ())
    assert texts(mailbox.records()) == ["Before?", "And this?", "Why?"]


@claim("I6")
def test_of_two_that_put_it_back_the_one_that_has_seen_more_brings_the_rest(
    mailbox: MemoryMailbox, alice: MemoryMachine, bob: MemoryMachine
) -> None:
    alice.relay.ask("Seen by both?")
    bob.relay.questions()
    bob.relay.ask("Seen by bob alone?")
    newest, mailbox.tip = mailbox.tip, None
    for machine, tip in ((alice, checkpoint(alice).snapshot.tip), (bob, newest)):
        putting_back = restoration(machine)
        putting_back.carry_out(putting_back.look())
        assert mailbox.tip == tip
    assert [each.question for each in alice.relay.questions().items] == ["Seen by bob alone?"]
    assert (alice.relay.questions().notes, bob.relay.questions().notes) == ((), ())


@claim("I6")
@pytest.mark.parametrize("what", ["branch", "checkpoint", "refusal"])
def test_what_changed_since_the_person_looked_is_left_as_it_is(
    mailbox: MemoryMailbox, alice: MemoryMachine, bob: MemoryMachine, what: str
) -> None:
    alice.relay.ask("Why?")
    newest, mailbox.tip = mailbox.tip, None
    putting_back = restoration(alice)
    found = putting_back.look()
    if what == "branch":
        mailbox.tip = newest
        bob.relay.ask("Here again?")
    elif what == "checkpoint":
        (alice.folder / "checkpoint.json").unlink()
    else:
        alice.state.save(replace(checkpoint(alice), refusal=None))
    before = mailbox.tip
    with pytest.raises(Moved):
        putting_back.carry_out(found)
    assert mailbox.tip == before


@claim("I3")
def test_a_lost_reply_is_settled_by_a_look(mailbox: MemoryMailbox, alice: MemoryMachine) -> None:
    alice.relay.ask("Why?")
    newest, mailbox.tip = mailbox.tip, None
    putting_back = restoration(alice)
    found = putting_back.look()
    alice.store.lost_replies.append(False)
    with pytest.raises(OutcomeUnknown):
        putting_back.carry_out(found)
    assert (mailbox.tip, type(checkpoint(alice).refusal.error)) == (None, BranchDeleted)  # type: ignore[union-attr]
    alice.store.lost_replies.append(True)
    putting_back.carry_out(putting_back.look())
    assert (mailbox.tip, checkpoint(alice).refusal) == (newest, None)


def test_a_machine_that_verified_nothing_says_what_it_found(mailbox: MemoryMailbox, bob: MemoryMachine) -> None:
    mailbox.tip = None
    putting_back = restoration(bob)
    with pytest.raises(RoomNotFound):
        putting_back.look()


@claim("I6")
def test_a_tip_that_was_refused_is_looked_at_afresh(mailbox: MemoryMailbox, alice: MemoryMachine) -> None:
    """As after an upgrade: what this machine accepts now was pushed by somebody whose program was newer."""
    alice.relay.ask("Why?")
    junk = mailbox.push_junk()
    assert len(alice.relay.questions().notes) == 1
    known = checkpoint(alice)
    (step, *_), _ledger = known.snapshot.ledger.plan_ask(question(9, "bob"))
    mailbox.commits[junk] = mailbox.commits[mailbox.add(known.snapshot.tip, step)]
    assert len(alice.relay.questions().notes) == 1
    found = restoration(alice).look()
    assert (found.snapshot.tip, found.refusal) == (junk, None)
    assert [each.question_id for each in alice.relay.questions().items] == [question(9).id]


@pytest.mark.parametrize("failure", [UNREACHABLE, None])
def test_what_stands_in_the_way_changes_nothing(
    mailbox: MemoryMailbox, alice: MemoryMachine, time: FakeTime, failure: PeerRelayError | None
) -> None:
    alice.relay.ask("Why?")
    mailbox.tip = None
    putting_back = restoration(alice)
    found = putting_back.look()
    alice.store.unreachable = failure
    if failure is not None:
        with pytest.raises(Unreachable):
            putting_back.carry_out(found)
    else:
        with alice.state.locked(a_deadline()):
            quick = Restoration(
                alice.store,
                alice.state,
                Delivery(alice.store, alice.state, "alice", time.clock()),
                time.clock(),
                timeout_s=0,
            )
            with pytest.raises(Busy):
                quick.carry_out(found)
    assert mailbox.tip is None
    assert type(checkpoint(alice).refusal.error) is BranchDeleted  # type: ignore[union-attr]
