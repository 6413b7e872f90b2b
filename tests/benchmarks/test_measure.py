"""The arithmetic of the benchmarks. No time is measured here."""

from __future__ import annotations

import gc
import itertools
from typing import TYPE_CHECKING

import pytest

from benchmarks.bare import Request, requests_in
from benchmarks.measure import WARM_UPS, Comparison, at_least, at_most, by_turns, faster

if TYPE_CHECKING:
    from benchmarks.measure import Goal


def test_the_ratio_is_the_median_of_the_ratios_of_the_pairs_and_not_the_ratio_of_the_medians() -> None:
    compared = Comparison("ours", "theirs", [1.0, 9.0, 8.0], [1.0, 1.0, 16.0])
    assert (compared.ratio, compared.spread) == (1.0, (pytest.approx(0.6), pytest.approx(7.4)))


def test_a_figure_that_is_taken_once_has_no_spread() -> None:
    assert Comparison("ours", "theirs", [3], [2], "files").spread == (1.5, 1.5)


@pytest.mark.parametrize(
    ("goal", "text", "good", "bad"),
    [
        (at_most(1.2), "at most 1.2", 1.2, 1.21),
        (faster(4), "at least 4 x faster", 0.25, 0.26),
        (at_least(5), "at least 5", 5.0, 4.9),
    ],
)
def test_a_goal_says_what_it_is_and_whether_it_is_met(goal: Goal, text: str, good: float, bad: float) -> None:
    assert (goal.text, goal.met(good), goal.met(bad)) == (text, True, False)


def test_each_pair_is_measured_in_the_other_order_than_the_one_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gc, "collect", int)  # takes long where there is as much to look through as here
    order: list[str] = []
    counts = itertools.count()

    def measured(name: str) -> float:
        order.append(name)
        return float(next(counts))

    figures = by_turns(lambda: measured("a"), lambda: measured("b"), 2)
    assert "".join(order) == "baab" * ((WARM_UPS + 2) // 2)
    assert figures == ([5.0, 6.0], [4.0, 7.0])


def test_requests_are_found_again_in_what_went_over_a_connection() -> None:
    sent = (
        b"GET /a?b HTTP/1.1\r\nHost: here\r\n\r\n"
        b"POST /c HTTP/1.1\r\nContent-Length: 4\r\nGit-Protocol: version=2\r\n\r\nGET "
        b"POST /d HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
    )
    assert requests_in(sent) == [
        Request("GET", "/a?b", {"Host": "here"}, None),
        Request("POST", "/c", {"Git-Protocol": "version=2"}, b"GET "),
        Request("POST", "/d", {}, b"abc"),
    ]
