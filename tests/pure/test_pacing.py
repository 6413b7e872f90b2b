"""How often to look and to push, without a clock."""

from __future__ import annotations

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peer_relay.pacing import (
    HOSTED_PER_MINUTE,
    INTERVAL_NEAR_S,
    INTERVAL_S,
    LONGEST_INTERVAL_S,
    LONGEST_PAUSE_NEAR_S,
    LONGEST_PAUSE_S,
    Pushes,
    PushRate,
    interval_s,
    pauses_s,
)

HOSTED = PushRate.of(HOSTED_PER_MINUTE)
times = st.integers(0, 4_000_000_000_000)


def test_looks_become_rarer_and_are_more_frequent_at_a_path() -> None:
    far, near = list(islice(pauses_s(), 100)), list(islice(pauses_s(near=True), 100))
    assert far == sorted(far)
    assert near == sorted(near)
    assert (far[0], far[-1]) == (1.0, LONGEST_PAUSE_S)
    assert (near[0], near[-1]) == (0.04, LONGEST_PAUSE_NEAR_S)


@pytest.mark.parametrize(
    ("quiet_s", "far_s"),
    [(0, INTERVAL_S), (300, INTERVAL_S), (600, 30), (1_200, LONGEST_INTERVAL_S), (86_400, LONGEST_INTERVAL_S)],
)
def test_who_looks_out_all_day_looks_the_more_seldom_the_longer_nothing_happens(quiet_s: float, far_s: float) -> None:
    assert (interval_s(quiet_s), interval_s(quiet_s, near=True)) == (far_s, INTERVAL_NEAR_S)


def test_an_idle_machine_asks_a_host_a_modest_number_of_times_in_a_day() -> None:
    asked, seconds = 0, 0.0
    while seconds < 86_400:
        asked, seconds = asked + 1, seconds + interval_s(seconds)
    assert 1_440 <= asked <= 1_500


def greedy(rate: PushRate, until_ms: int) -> list[int]:
    """Return the times of the pushes of somebody who always has something to push."""
    now, full, pushes = 0, 0, []
    while now <= until_ms:
        now += rate.wait_ms(full, now)
        pushes.append(now)
        full = rate.spent(full, now)
    return pushes


@pytest.mark.parametrize("per_minute", [1, 2, 3, 6, 7, 60])
def test_no_minute_has_more_pushes_than_the_rate_says(per_minute: int) -> None:
    pushes = greedy(PushRate.of(per_minute), 130_000)
    assert max(sum(first <= each < first + 60_000 for each in pushes) for first in pushes) <= per_minute


def test_a_host_gets_three_at_once_and_then_one_every_twenty_seconds() -> None:
    assert HOSTED == (6, 3, 20_000)
    assert greedy(HOSTED, 60_000)[:6] == [0, 0, 0, 20_000, 40_000, 60_000]


@given(full=times, now=times)
def test_a_clock_that_jumps_makes_nobody_wait_longer_than_one_interval(full: int, now: int) -> None:
    assert 0 <= HOSTED.wait_ms(full, now) <= HOSTED.interval_ms
    assert 0 <= HOSTED.wait_ms(HOSTED.spent(full, now), now) <= HOSTED.interval_ms


@given(pushes=st.builds(Pushes, times, times, st.integers(0, 100_000), times), now=times)
def test_others_have_their_turn_for_half_a_second_at_most(pushes: Pushes, now: int) -> None:
    assert 0 <= pushes.turn_ms(now) <= 500
    assert Pushes.parse(pushes.to_bytes()) == pushes


@pytest.mark.parametrize("data", [b"", b"1 2 3", b"1 2 3 4 5", b"1 2 3 -4", b"1 2 3 x", bytes(100)])
def test_nothing_is_remembered_of_a_file_that_is_damaged(data: bytes) -> None:
    assert Pushes.parse(data) == Pushes()


def test_who_writes_alone_gives_no_way() -> None:
    assert Pushes(ended_ms=10_000, took_ms=100).turn_ms(10_000) == 0
    crowded = Pushes(ended_ms=10_000, took_ms=100, crowded_ms=10_000)
    assert [crowded.turn_ms(now) for now in (10_000, 10_150, 10_200, 12_000)] == [200, 50, 0, 0]
