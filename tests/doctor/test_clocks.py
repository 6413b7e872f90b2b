"""The clock: what cannot be right is a failure, and a record from the future says that one of two clocks is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peer_relay.clock import Clock
from peer_relay.doctor.clocks import SET_CLOCK, check_clock, check_newest
from peer_relay.doctor.findings import failed, info, ok, warning
from peer_relay.records import Question
from peer_relay.times import format_ms
from tests.store.benches import ROOM, START_MS, a_deadline, answer, question
from tests.store.memory_store import MemoryMailbox, MemoryStore

if TYPE_CHECKING:
    from peer_relay.doctor.findings import Finding
    from peer_relay.records import Answer

MINUTE_MS = 60_000


def newest_with(now_ms: int, *records: Question | Answer) -> Finding:
    """Return what is found in a room that holds the records, at a time."""
    store = MemoryStore(MemoryMailbox())
    snapshot = store.create(ROOM, a_deadline())
    for record in records:
        if isinstance(record, Question):
            steps, _ = snapshot.ledger.plan_ask(record)
        else:
            steps, _ = snapshot.ledger.plan_answer(record, "bob")
        snapshot = store.publish(snapshot, steps, a_deadline())
    return check_newest(store, snapshot, now_ms, a_deadline())


def test_a_clock_that_can_be_right_is_well() -> None:
    assert check_clock(Clock(lambda: START_MS)) == ok("2026-11-22T09:33:20.123Z.")


def test_a_clock_that_cannot_be_right_is_a_failure() -> None:
    assert check_clock(Clock(lambda: 0)) == failed(
        "This machine's clock shows 1970-01-01T00:00:00.000Z, which cannot be right.", fix=SET_CLOCK
    )


def test_the_newest_record_is_told_with_its_author_and_age() -> None:
    assert newest_with(START_MS + 2 * MINUTE_MS) == ok("By alice, 2 minutes ago.")
    asked = question(1)
    asked_ms = START_MS + 60 * MINUTE_MS
    assert newest_with(asked_ms + 5_000, asked) == ok("By alice, 5 seconds ago.")
    assert newest_with(asked_ms + 5_000, asked, answer(asked)) == ok("By bob, 5 seconds ago.")


def test_a_record_from_the_future_says_that_one_of_the_clocks_is_wrong() -> None:
    now_ms = START_MS - 7 * MINUTE_MS
    assert newest_with(now_ms) == warning(
        f"The newest record, by alice, is dated 7 minutes in the future ({format_ms(START_MS)}). One of the two clocks "
        "is wrong; which, cannot be told.",
        fix=SET_CLOCK,
    )


def test_a_few_moments_ahead_are_worth_knowing_and_no_more() -> None:
    found = newest_with(START_MS - 5 * MINUTE_MS)
    assert found == info(f"By alice, dated a moment ahead of this machine's clock ({format_ms(START_MS)}).")
