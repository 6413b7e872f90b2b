"""The clock: what it refuses, and the ids that carry its time."""

from __future__ import annotations

import time

import pytest

from peer_relay.clock import CREDIBLE_UNTIL_MS, RELEASED_MS, Clock, system_ms
from peer_relay.errors import ClockUnusable
from peer_relay.ids import ulid_ms
from peer_relay.times import MAX_MS


@pytest.mark.parametrize(
    ("now_ms", "shown"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (RELEASED_MS - 1, "2026-10-31T23:59:59.999Z"),
        (CREDIBLE_UNTIL_MS, "2046-11-01T00:00:00.000Z"),
        (MAX_MS + 1, "253402300800000 ms since 1970"),
        (-1, "-1 ms since 1970"),
    ],
)
def test_a_time_that_cannot_be_right_is_not_written(now_ms: int, shown: str) -> None:
    clock = Clock(now_ms=lambda: now_ms)
    for act in (clock.now_ms, clock.new_id):
        with pytest.raises(ClockUnusable) as caught:
            act()
        sentence = f"This machine's clock shows {shown}, which cannot be right. Set the clock, then try again."
        assert str(caught.value) == sentence
    assert clock.observed_ms() == min(max(now_ms, 0), MAX_MS)


@pytest.mark.parametrize("now_ms", [RELEASED_MS, CREDIBLE_UNTIL_MS - 1])
def test_a_credible_time_is_carried_by_the_id_to_the_millisecond(now_ms: int) -> None:
    clock = Clock(now_ms=lambda: now_ms)
    assert (clock.now_ms(), clock.observed_ms(), ulid_ms(clock.new_id())) == (now_ms, now_ms, now_ms)


def test_ids_of_one_millisecond_ascend() -> None:
    clock = Clock(now_ms=lambda: RELEASED_MS)
    ids = [clock.new_id() for _ in range(1000)]
    assert ids == sorted(set(ids))


def test_the_systems_clocks_are_used_unless_told_otherwise() -> None:
    clock = Clock()
    before = system_ms()
    assert before <= clock.observed_ms() <= system_ms()
    assert abs(before - time.time() * 1000) < 10_000
    assert (clock.monotonic, clock.sleep) == (time.monotonic, time.sleep)
