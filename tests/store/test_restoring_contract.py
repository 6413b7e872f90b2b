"""What every store promises of a branch that is put back (`peer_relay.store.Store.restore`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from peer_relay.errors import (
    BranchDeleted,
    BranchSetBack,
    HistoryRewritten,
    Moved,
    OutcomeUnknown,
    RefusedCommit,
    Unreachable,
)
from peer_relay.paths import Kind, Place
from peer_relay.store import Arrival, Beyond, Refreshed, Refusal
from tests.claims import claim
from tests.store.benches import ROOM, GitBench, MemoryBench, a_deadline, answer, asking, question

if TYPE_CHECKING:
    from collections.abc import Callable

    from peer_relay.ledger import Step
    from peer_relay.store import Snapshot, Store
    from tests.store.benches import Bench


@dataclass
class Scene:
    """A mailbox that alice knows up to the newest of four commits, and bob up to the second."""

    bench: Bench
    alice: Store
    bob: Store
    bobs: Snapshot
    known: Snapshot

    def look(self) -> Refusal:
        found = self.alice.refresh(self.known, None, a_deadline())
        assert (found.snapshot, found.arrivals) == (self.known, ())
        assert found.refusal is not None
        return found.refusal

    def restore(self, refusal: Refusal) -> None:
        self.alice.restore(self.known, refusal, a_deadline())


def arrival(snapshot: Snapshot, number: int, kind: Kind = Kind.QUESTION) -> Arrival:
    asked = question(number)
    return Arrival(snapshot.tip, Place(asked.id, asked.asker_id, kind))


def ask(store: Store, known: Snapshot, number: int) -> Snapshot:
    return store.publish(known, asking(known.ledger, question(number))[0], a_deadline())


@pytest.fixture
def scene(bench: Bench) -> Scene:
    alice, bob = bench.store(), bench.store()
    bobs = ask(alice, alice.create(ROOM, a_deadline()), 1)
    assert bob.refresh(None, None, a_deadline()).snapshot == bobs
    return Scene(bench, alice, bob, bobs, ask(alice, ask(alice, bobs, 2), 3))


def delete(scene: Scene) -> Refusal:
    scene.bench.move(None)
    return Refusal(None, BranchDeleted(commit=scene.known.tip))


def set_back(scene: Scene) -> Refusal:
    scene.bench.move(scene.bobs.tip)
    return Refusal(scene.bobs.tip, BranchSetBack(commit=scene.known.tip, found=scene.bobs.tip))


def fork(scene: Scene) -> Refusal:
    scene.bench.move(scene.bobs.tip)
    tip = ask(scene.bob, scene.bobs, 4).tip
    return Refusal(tip, HistoryRewritten(commit=scene.known.tip))


def replace(scene: Scene) -> Refusal:
    scene.bench.move(None)
    other = ROOM.model_copy(update={"created_at": "2026-11-23T00:00:00.000Z"})
    tip = scene.bench.store().create(other, a_deadline()).tip
    return Refusal(tip, HistoryRewritten(commit=scene.known.tip))


def junk(scene: Scene) -> Refusal:
    tip = scene.bench.junk()
    return Refusal(tip, RefusedCommit(commit=tip, reason="it is junk"))


DAMAGES: list[Callable[[Scene], Refusal]] = [delete, set_back, fork, replace, junk]


@claim("I6")
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_branch_is_put_back_whatever_became_of_it(scene: Scene, damage: Callable[[Scene], Refusal]) -> None:
    expected = damage(scene)
    refusal = scene.look()
    assert (refusal.tip, type(refusal.error)) == (expected.tip, type(expected.error))
    if not isinstance(expected.error, RefusedCommit):
        assert str(refusal.error) == str(expected.error)
    scene.restore(refusal)
    assert scene.bench.tip() == scene.known.tip
    assert scene.alice.refresh(scene.known, refusal, a_deadline()) == Refreshed(scene.known)
    newest = ask(scene.alice, scene.known, 5)
    assert scene.bench.store().refresh(None, None, a_deadline()) == Refreshed(newest)
    caught_up = scene.bob.refresh(scene.bobs, None, a_deadline())
    assert (caught_up.snapshot, caught_up.refusal) == (newest, None)
    assert [each.place for each in caught_up.arrivals] == [arrival(newest, number).place for number in (2, 3, 5)]


@claim("I6")
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_branch_that_moved_since_it_was_refused_is_left_where_it_is(
    scene: Scene, damage: Callable[[Scene], Refusal]
) -> None:
    damage(scene)
    refusal = scene.look()
    scene.bench.move(scene.bobs.tip if refusal.tip != scene.bobs.tip else None)
    elsewhere = scene.bench.tip()
    with pytest.raises(Moved):
        scene.restore(refusal)
    assert scene.bench.tip() == elsewhere


def test_what_would_leave_the_branch_is_told_by_the_records_of_those_who_hold_the_token(scene: Scene) -> None:
    scene.bench.move(scene.bobs.tip)
    asked = ask(scene.bob, scene.bobs, 4)
    steps: list[Step] = list(asked.ledger.plan_answer(answer(question(4)), "bob")[0])
    answered = scene.bob.publish(asked, steps, a_deadline())
    scene.bench.junk()
    refusal = scene.look()
    beyond = scene.alice.beyond(scene.known, refusal, a_deadline())
    assert beyond == Beyond(3, (arrival(asked, 4), arrival(answered, 4, Kind.ANSWER)))


def test_a_record_that_is_on_both_lines_is_not_lost(scene: Scene) -> None:
    scene.bench.move(scene.bobs.tip)
    ask(scene.bob, ask(scene.bob, scene.bobs, 3), 2)
    assert scene.alice.beyond(scene.known, scene.look(), a_deadline()) == Beyond(2)


@pytest.mark.parametrize(("damage", "commits"), [(delete, 0), (set_back, 0), (replace, 1), (junk, 1)])
def test_nothing_is_told_to_be_lost_where_there_is_no_record(
    scene: Scene, damage: Callable[[Scene], Refusal], commits: int
) -> None:
    damage(scene)
    assert scene.alice.beyond(scene.known, scene.look(), a_deadline()) == Beyond(commits)


def test_what_would_leave_the_branch_is_told_also_when_the_copy_was_lost_since(scene: Scene) -> None:
    fork(scene)
    refusal = scene.look()
    scene.bench.forget(scene.alice)
    beyond = scene.alice.beyond(scene.known, refusal, a_deadline())
    assert [each.place for each in beyond.records] == [arrival(scene.known, 4).place]


def test_a_look_at_what_would_leave_the_branch_notices_that_it_moved(scene: Scene) -> None:
    fork(scene)
    refusal = scene.look()
    scene.bench.forget(scene.alice)
    if isinstance(scene.bench, GitBench):
        for aside in scene.bench.clone(scene.alice).path.parent.glob("clone-with-lost-history"):
            aside.rename(aside.with_name("elsewhere"))
    scene.bench.move(scene.bobs.tip)
    with pytest.raises(Moved):
        scene.alice.beyond(scene.known, refusal, a_deadline())


def test_a_mailbox_that_is_away_is_not_changed(scene: Scene) -> None:
    delete(scene)
    refusal = scene.look()
    away = Unreachable(remote="there", reason="the network is down")
    if isinstance(scene.bench, MemoryBench):
        scene.alice.unreachable = away  # type: ignore[attr-defined]
    else:
        assert isinstance(scene.bench, GitBench)
        scene.bench.transport(scene.alice).unreachable = True
    with pytest.raises(Unreachable):
        scene.restore(refusal)
    assert scene.bench.tip() is None


@claim("I3")
def test_a_lost_reply_to_putting_it_back_leaves_the_outcome_open(scene: Scene) -> None:
    delete(scene)
    refusal = scene.look()
    if isinstance(scene.bench, MemoryBench):
        scene.alice.lost_replies.append(True)  # type: ignore[attr-defined]
    else:
        assert isinstance(scene.bench, GitBench)
        scene.bench.transport(scene.alice).loses_reply = True
    with pytest.raises(OutcomeUnknown):
        scene.restore(refusal)
    assert scene.bench.tip() == scene.known.tip
