"""What every store promises (`peer_relay.store`), on the one in memory and on the one on git."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from peer_relay.deadline import Deadline
from peer_relay.errors import BranchDeleted, DeadlineExceeded, HistoryRewritten, Moved, RefusedCommit, RoomNotFound
from peer_relay.ledger import Ledger
from peer_relay.paths import Kind, Place
from peer_relay.store import Arrival, Refreshed, Snapshot, Verified
from tests.claims import claim
from tests.store.benches import (
    FEW_KEPT,
    FEW_UNTIL_ARCHIVED,
    KEYS,
    ROOM,
    a_deadline,
    answer,
    archive_early,
    asking,
    exchanging,
    question,
)

if TYPE_CHECKING:
    from peer_relay.records import Question
    from peer_relay.store import Store
    from tests.store.benches import Bench

OTHER_ROOM = ROOM.model_copy(update={"peers": ("carol", "dan")})


def place(of: Question, kind: Kind = Kind.QUESTION) -> Place:
    return Place(of.id, of.asker_id, kind)


def ask(store: Store, known: Snapshot, *numbers: int) -> Snapshot:
    steps, _ = asking(known.ledger, *map(question, numbers))
    return store.publish(known, steps, a_deadline())


@pytest.fixture
def alice(bench: Bench) -> Store:
    return bench.store()


@pytest.fixture
def bob(bench: Bench) -> Store:
    return bench.store()


@pytest.fixture
def opened(alice: Store) -> Snapshot:
    return alice.create(ROOM, a_deadline())


# -- creating ----------------------------------------------------------------------------------------------------------


def test_a_created_room_is_what_a_first_look_finds(bench: Bench, opened: Snapshot, bob: Store) -> None:
    assert opened == Snapshot(bench.tip() or "", Ledger(ROOM))
    assert bob.refresh(None, None, a_deadline()) == Refreshed(opened)


def test_of_two_that_create_a_room_the_second_hears_that_the_branch_exists(
    bench: Bench, opened: Snapshot, bob: Store
) -> None:
    with pytest.raises(Moved):
        bob.create(OTHER_ROOM, a_deadline())
    assert bench.tip() == opened.tip


def test_a_room_that_is_not_there_is_not_found(alice: Store) -> None:
    with pytest.raises(RoomNotFound) as caught:
        alice.refresh(None, None, a_deadline())
    assert caught.value.remote == alice.remote


def test_nothing_is_changed_after_the_deadline(bench: Bench, opened: Snapshot, bob: Store) -> None:
    over = Deadline(0, lambda: 0.0)
    with pytest.raises(DeadlineExceeded):
        bob.refresh(None, None, over)
    with pytest.raises(DeadlineExceeded):
        bob.publish(
            bench.store().refresh(None, None, a_deadline()).snapshot, asking(opened.ledger, question(1))[0], over
        )
    assert bench.tip() == opened.tip


def test_a_store_can_be_closed_twice(alice: Store) -> None:
    assert (alice.close(), alice.close()) == (None, None)


# -- looking -----------------------------------------------------------------------------------------------------------


def test_a_first_look_tells_what_is_open_and_what_is_answered(alice: Store, opened: Snapshot, bob: Store) -> None:
    steps, ledger = exchanging(opened.ledger, 1, 2)
    more, ledger = asking(ledger, question(3, "bob"))
    tip = alice.publish(opened, steps + more, a_deadline())
    assert tip.ledger == ledger
    assert bob.refresh(None, None, a_deadline()) == Refreshed(tip)


def test_what_arrived_is_told_in_the_order_of_its_commits(alice: Store, opened: Snapshot, bob: Store) -> None:
    bob.refresh(None, None, a_deadline())
    second = ask(alice, opened, 2)
    first = ask(alice, second, 1)
    steps, _ = first.ledger.plan_answer(answer(question(2)), "bob")
    third = alice.publish(first, steps, a_deadline())
    assert bob.refresh(opened, None, a_deadline()) == Refreshed(
        third,
        (
            Arrival(second.tip, place(question(2))),
            Arrival(first.tip, place(question(1))),
            Arrival(third.tip, place(question(2), Kind.ANSWER)),
        ),
    )


def test_looking_where_nothing_is_new_costs_one_listing(bench: Bench, alice: Store, opened: Snapshot) -> None:
    before = bench.costs(alice)
    assert alice.refresh(opened, None, a_deadline()) == Refreshed(opened)
    assert bench.costs(alice) == (before[0] + 1, before[1], before[2])


def test_a_store_that_lost_its_copy_goes_on_from_what_is_known(
    bench: Bench, alice: Store, opened: Snapshot, bob: Store
) -> None:
    known = ask(alice, opened, *range(1, 6))
    newest = ask(bob, bob.refresh(None, None, a_deadline()).snapshot, *range(6, 9))
    bench.forget(alice)
    found = alice.refresh(known, None, a_deadline())
    assert (found.snapshot, [each.place for each in found.arrivals], found.refusal) == (
        newest,
        [place(question(number)) for number in range(6, 9)],
        None,
    )


# -- publishing --------------------------------------------------------------------------------------------------------


@claim("I1")
def test_each_step_becomes_one_commit_on_top_of_the_last(
    bench: Bench, alice: Store, opened: Snapshot, bob: Store
) -> None:
    one = ask(alice, opened, 1)
    three = ask(alice, one, 2, 3)
    assert bench.tip() == three.tip
    assert bench.costs(alice)[2] == 3
    arrivals = bob.refresh(opened, None, a_deadline()).arrivals
    assert [each.place for each in arrivals] == [place(question(number)) for number in (1, 2, 3)]
    assert len({each.commit for each in arrivals}) == 3


@claim("I5")
def test_publishing_on_an_old_snapshot_changes_nothing(
    bench: Bench, alice: Store, opened: Snapshot, bob: Store
) -> None:
    newer = ask(bob, bob.refresh(None, None, a_deadline()).snapshot, 1)
    with pytest.raises(Moved):
        ask(alice, opened, 2)
    assert bench.tip() == newer.tip
    assert alice.refresh(opened, None, a_deadline()) == Refreshed(newer, (Arrival(newer.tip, place(question(1))),))


def test_publishing_works_without_the_private_copy(bench: Bench, alice: Store, opened: Snapshot, bob: Store) -> None:
    known = ask(alice, opened, *range(1, 4))
    bench.forget(alice)
    newest = ask(alice, known, 4)
    assert bob.refresh(None, None, a_deadline()) == Refreshed(newest)


@pytest.mark.parametrize("moved_to", ["deleted", "rewritten"])
@claim("I5")
def test_publishing_on_a_branch_that_lost_the_snapshot_changes_nothing(
    bench: Bench, alice: Store, opened: Snapshot, moved_to: str
) -> None:
    known = ask(alice, opened, 1)
    bench.move(None if moved_to == "deleted" else opened.tip)
    with pytest.raises(Moved):
        ask(alice, known, 2)
    assert bench.tip() == (None if moved_to == "deleted" else opened.tip)


@claim("archive-rule")
def test_archived_exchanges_leave_the_tip_and_stay_in_history(
    bench: Bench, alice: Store, opened: Snapshot, bob: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive_early(monkeypatch)
    bob.refresh(None, None, a_deadline())
    steps, ledger = exchanging(opened.ledger, 1, FEW_UNTIL_ARCHIVED)
    tip = alice.publish(opened, steps, a_deadline())
    assert (tip.ledger, len(ledger.answered)) == (ledger, FEW_KEPT)
    found = bob.refresh(opened, None, a_deadline())
    assert (found.snapshot, found.refusal, len(found.arrivals)) == (tip, None, 2 * FEW_UNTIL_ARCHIVED)
    newcomer = bench.store()
    assert newcomer.refresh(None, None, a_deadline()) == Refreshed(tip)

    everything = list(newcomer.walk(tip, a_deadline()))
    assert everything == list(reversed(found.arrivals))
    first = everything[-1]
    assert first.place == place(question(1))
    answered = everything[-2]
    assert newcomer.read([answered, first], a_deadline()) == [answer(question(1)), question(1)]
    with pytest.raises(RefusedCommit):
        newcomer.read([Arrival(tip.tip, first.place)], a_deadline())


# -- reading and walking -----------------------------------------------------------------------------------------------


def test_records_are_read_at_the_tip_and_at_older_commits_in_the_order_wanted(
    alice: Store, opened: Snapshot, bob: Store
) -> None:
    old = ask(alice, opened, 1)
    tip = ask(alice, old, 2)
    bob.refresh(None, None, a_deadline())
    wanted = [
        Arrival(tip.tip, place(question(2))),
        Arrival(old.tip, place(question(1))),
        Arrival(tip.tip, place(question(1))),
    ]
    assert bob.read(wanted, a_deadline()) == [question(2), question(1), question(1)]
    assert bob.read([], a_deadline()) == []


def test_a_record_that_a_commit_does_not_hold_yet_is_refused(alice: Store, opened: Snapshot) -> None:
    ask(alice, opened, 1)
    with pytest.raises(RefusedCommit) as caught:
        alice.read([Arrival(opened.tip, place(question(1)))], a_deadline())
    assert caught.value.commit == opened.tip


def test_a_walk_goes_back_to_the_first_commit_or_to_a_given_one(alice: Store, opened: Snapshot, bob: Store) -> None:
    commits = [opened]
    for number in range(1, 5):
        commits.append(ask(alice, commits[-1], number))
    bob.refresh(None, None, a_deadline())
    newest_first = [Arrival(commits[number].tip, place(question(number))) for number in (4, 3, 2, 1)]
    assert list(bob.walk(commits[4], a_deadline())) == newest_first
    assert list(bob.walk(commits[3], a_deadline())) == newest_first[1:]
    assert list(bob.walk(commits[4], a_deadline(), since=commits[2].tip)) == newest_first[:2]
    assert list(bob.walk(commits[4], a_deadline(), since=commits[4].tip)) == []
    assert list(bob.walk(commits[3], a_deadline(), since=commits[4].tip)) == newest_first[1:]


def test_a_walk_ends_as_soon_as_nobody_asks_for_more(bench: Bench, alice: Store, opened: Snapshot) -> None:
    tip = ask(alice, opened, *range(1, 4))
    before = bench.costs(alice)
    assert next(iter(alice.walk(tip, a_deadline()))).place == place(question(3))
    assert bench.costs(alice) == before


# -- replaying ---------------------------------------------------------------------------------------------------------


@claim("I2")
def test_a_replay_goes_from_the_first_commit_to_the_tip(
    bench: Bench, alice: Store, opened: Snapshot, bob: Store
) -> None:
    asked = ask(alice, opened, 1)
    steps, _ = asked.ledger.plan_answer(answer(question(1)), "bob")
    tip = alice.publish(asked, steps, a_deadline())
    replay = bob.replay(a_deadline(), a_deadline())
    assert (replay.tip, replay.total) == (tip.tip, 3)
    assert list(replay.commits) == [
        Verified(opened, None, signed=False),
        Verified(asked, Arrival(asked.tip, place(question(1))), signed=False),
        Verified(tip, Arrival(tip.tip, place(question(1), Kind.ANSWER)), signed=False),
    ]
    assert bench.costs(bob) == (1, 1, 0)
    assert bob.read([Arrival(asked.tip, place(question(1)))], a_deadline()) == [question(1)]
    assert bench.costs(bob) == (1, 1, 0)


@claim("I2")
def test_a_replay_ends_at_the_first_commit_that_is_not_exact(bench: Bench, alice: Store, opened: Snapshot) -> None:
    asked = ask(alice, opened, 1)
    junk = bench.junk()
    top = bench.junk()
    replay = alice.replay(a_deadline(), a_deadline())
    assert (replay.tip, replay.total) == (top, 4)
    assert [next(replay.commits).snapshot for _ in range(2)] == [opened, asked]
    with pytest.raises(RefusedCommit) as caught:
        next(replay.commits)
    assert caught.value.commit == junk
    assert list(replay.commits) == []


def test_a_replay_believes_nothing_that_was_here_before(
    bench: Bench, alice: Store, opened: Snapshot, bob: Store
) -> None:
    known = ask(alice, opened, 1)
    bench.move(opened.tip)
    newer = ask(bob, bob.refresh(None, None, a_deadline()).snapshot, 2)
    assert [each.snapshot.tip for each in alice.replay(a_deadline(), a_deadline()).commits] == [opened.tip, newer.tip]
    assert known.tip not in {opened.tip, newer.tip}


def test_a_replay_that_nobody_goes_on_with_can_be_closed(alice: Store, opened: Snapshot) -> None:
    replay = alice.replay(a_deadline(), a_deadline())
    assert next(replay.commits).snapshot == opened
    replay.commits.close()
    assert list(replay.commits) == []


def test_a_replay_needs_a_room_and_time(bench: Bench, alice: Store, opened: Snapshot) -> None:
    over = Deadline(0, lambda: 0.0)
    for contact, fetched in [(over, a_deadline()), (a_deadline(), over)]:
        with pytest.raises(DeadlineExceeded):
            alice.replay(contact, fetched)
    bench.move(None)
    with pytest.raises(RoomNotFound):
        alice.replay(a_deadline(), a_deadline())


# -- branches that are not as they should be ---------------------------------------------------------------------------


@claim("I6")
def test_a_junk_commit_is_refused_and_what_came_before_it_is_served(
    bench: Bench, alice: Store, opened: Snapshot, bob: Store
) -> None:
    good = ask(alice, opened, 1)
    junk = bench.junk()
    found = bob.refresh(opened, None, a_deadline())
    assert (found.snapshot, found.arrivals) == (good, (Arrival(good.tip, place(question(1))),))
    assert found.refusal is not None
    assert isinstance(found.refusal.error, RefusedCommit)
    assert (found.refusal.tip, found.refusal.error.commit) == (junk, junk)
    assert bob.read([Arrival(good.tip, place(question(1)))], a_deadline()) == [question(1)]


@claim("I6")
def test_a_refused_tip_is_polled_and_not_fetched_again(bench: Bench, alice: Store, opened: Snapshot) -> None:
    bench.junk()
    refused = alice.refresh(opened, None, a_deadline())
    before = bench.costs(alice)
    again = alice.refresh(opened, refused.refusal, a_deadline())
    assert again == Refreshed(opened, refusal=refused.refusal)
    assert bench.costs(alice) == (before[0] + 1, before[1], before[2])


@claim("I6")
def test_work_goes_on_when_the_branch_is_valid_again(bench: Bench, alice: Store, opened: Snapshot, bob: Store) -> None:
    bench.junk()
    refusal = alice.refresh(opened, None, a_deadline()).refusal
    bench.move(opened.tip)
    assert alice.refresh(opened, refusal, a_deadline()) == Refreshed(opened)
    newer = ask(bob, bob.refresh(None, None, a_deadline()).snapshot, 1)
    found = alice.refresh(opened, refusal, a_deadline())
    assert found == Refreshed(newer, (Arrival(newer.tip, place(question(1))),))
    assert ask(alice, newer, 2).tip == bench.tip()


@claim("I6")
def test_a_commit_that_follows_junk_does_not_make_it_good(bench: Bench, alice: Store, opened: Snapshot) -> None:
    junk = bench.junk()
    refusal = alice.refresh(opened, None, a_deadline()).refusal
    top = bench.junk()
    found = alice.refresh(opened, refusal, a_deadline())
    assert found.snapshot == opened
    assert found.refusal is not None
    assert isinstance(found.refusal.error, RefusedCommit)
    assert (found.refusal.tip, found.refusal.error.commit) == (top, junk)


def test_a_first_look_at_a_junk_commit_refuses_the_room(bench: Bench, opened: Snapshot, bob: Store) -> None:
    junk = bench.junk()
    with pytest.raises(RefusedCommit) as caught:
        bob.refresh(None, None, a_deadline())
    assert caught.value.commit == junk


@claim("I6")
def test_a_deleted_branch_is_refused_until_it_is_back(bench: Bench, alice: Store, opened: Snapshot) -> None:
    known = ask(alice, opened, 1)
    bench.move(None)
    found = alice.refresh(known, None, a_deadline())
    assert (found.snapshot, found.arrivals) == (known, ())
    assert found.refusal is not None
    assert found.refusal.tip is None
    assert isinstance(found.refusal.error, BranchDeleted)
    assert found.refusal.error.commit == known.tip
    still = alice.refresh(known, found.refusal, a_deadline()).refusal
    assert still is not None
    assert str(still.error) == str(found.refusal.error)
    bench.move(known.tip)
    assert alice.refresh(known, found.refusal, a_deadline()) == Refreshed(known)


@pytest.mark.parametrize("shape", ["moved back", "another line", "another line, without the private copy"])
@claim("I6")
def test_a_rewritten_branch_is_refused_until_it_contains_what_is_known(
    bench: Bench, alice: Store, opened: Snapshot, bob: Store, shape: str
) -> None:
    known = ask(alice, opened, 1)
    bench.move(opened.tip)
    tip = opened.tip
    if shape != "moved back":
        tip = ask(bob, bob.refresh(None, None, a_deadline()).snapshot, 2, 3).tip
    if "without" in shape:
        bench.forget(alice)
    found = alice.refresh(known, None, a_deadline())
    assert (found.snapshot, found.arrivals) == (known, ())
    assert found.refusal is not None
    assert isinstance(found.refusal.error, HistoryRewritten)
    assert (found.refusal.tip, found.refusal.error.commit) == (tip, known.tip)
    before = bench.costs(alice)
    assert alice.refresh(known, found.refusal, a_deadline()) == Refreshed(known, refusal=found.refusal)
    assert bench.costs(alice) == (before[0] + 1, before[1], before[2])


@claim("I6")
def test_a_rewritten_branch_that_is_put_back_heals(bench: Bench, alice: Store, opened: Snapshot) -> None:
    known = ask(alice, opened, 1)
    bench.move(opened.tip)
    refusal = alice.refresh(known, None, a_deadline()).refusal
    bench.move(known.tip)
    assert alice.refresh(known, refusal, a_deadline()) == Refreshed(known)
    assert alice.read([Arrival(known.tip, place(question(1)))], a_deadline()) == [question(1)]
    assert ask(alice, known, 2).tip == bench.tip()


def test_the_benches_are_about_one_room(bench: Bench, opened: Snapshot) -> None:
    assert opened.ledger.room.room == KEYS.room_id
