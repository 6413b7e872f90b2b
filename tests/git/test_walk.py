"""Walks over commits: what is sent is what is missing, and the cost follows the distance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dulwich.objects import ObjectID
from hypothesis import given
from hypothesis import strategies as st

from peer_relay.git.walk import commits_since, commits_to_depth

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Graph = list[list[int]]


def _name(number: int) -> ObjectID:
    return ObjectID(b"%d" % number)


def _parents(graph: Graph, asked: list[int]) -> Callable[[ObjectID], Sequence[ObjectID]]:
    def parents(name: ObjectID) -> Sequence[ObjectID]:
        asked.append(int(name))
        return [_name(parent) for parent in graph[int(name)]]

    return parents


def _reached(graph: Graph, start: int, shallow: frozenset[int] = frozenset()) -> set[int]:
    found, pending = set[int](), [start]
    while pending:
        each = pending.pop()
        if each not in found:
            found.add(each)
            pending.extend([] if each in shallow else graph[each])
    return found


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    size = draw(st.integers(1, 24))
    return [
        draw(st.lists(st.integers(0, number - 1), max_size=3, unique=True)) if number else [] for number in range(size)
    ]


@given(graphs(), st.data())
def test_what_is_sent_completes_what_is_known(graph: Graph, data: st.DataObject) -> None:
    tip, have = (data.draw(st.integers(0, len(graph) - 1)) for _ in range(2))
    cut = frozenset(data.draw(st.sets(st.integers(0, len(graph) - 1), max_size=3)))
    new, known = commits_since(_name(tip), _name(have), _parents(graph, []), {_name(each) for each in cut})
    sent, met = {int(name) for name in new}, {int(name) for name in known}
    held = _reached(graph, have, cut)
    assert len(sent) == len(new)
    assert met <= held
    # Nobody asks for what is behind a known commit, also where the known side was cut off.
    assert _reached(graph, tip, frozenset(held)) - held <= sent <= _reached(graph, tip)
    assert {parent for each in sent for parent in graph[each]} <= sent | met


@given(st.integers(1, 40), st.integers(0, 39), st.integers(0, 39))
def test_on_a_line_exactly_the_missing_commits_are_sent(length: int, tip: int, have: int) -> None:
    graph: Graph = [[number - 1] if number else [] for number in range(length)]
    have, tip = sorted((tip % length, have % length))
    new, _ = commits_since(_name(tip), _name(have), _parents(graph, []))
    assert [int(name) for name in new] == list(range(tip, have, -1))


def test_a_branch_that_was_moved_back_costs_no_more_than_the_distance() -> None:
    graph: Graph = [[number - 1] if number else [] for number in range(10_000)]
    graph += [[9_000], [10_000]]
    asked: list[int] = []
    new, _ = commits_since(_name(10_001), _name(9_010), _parents(graph, asked))
    assert [int(name) for name in new] == [10_001, 10_000]
    assert len(asked) < 50


def test_depth_counts_commits_and_none_takes_all() -> None:
    graph: Graph = [[], [0], [0], [2, 1], [3]]
    found = {depth: commits_to_depth(_name(4), depth, _parents(graph, [])) for depth in (1, 2, 3, 4, 9, None)}
    assert {depth: [int(name) for name in names] for depth, names in found.items()} == {
        1: [4],
        2: [4, 3],
        3: [4, 3, 2, 1],
        4: [4, 3, 2, 1, 0],
        9: [4, 3, 2, 1, 0],
        None: [4, 3, 2, 1, 0],
    }
