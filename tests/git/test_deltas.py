"""Trees as differences to each other: right, short, and never in long chains."""

from __future__ import annotations

import hashlib
import random
import time
from typing import TYPE_CHECKING

import pytest
from dulwich.pack import apply_delta
from hypothesis import given
from hypothesis import strategies as st

from peer_relay.git.deltas import LONGEST_CHAIN, Delta, tree_deltas

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

RANDOM = random.Random(11)  # noqa: S311 - a test's data
ENTRIES = [b"100644 01KAN3%020d.question.json\0" % number + RANDOM.randbytes(20) for number in range(3_000)]


def trees(contents: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
    return [(hashlib.sha1(content, usedforsecurity=False).digest(), content) for content in contents]


def growing(least: int, most: int) -> list[bytes]:
    return [b"".join(ENTRIES[:count]) for count in range(least, most)]


def rebuilt(name: bytes, contents: Mapping[bytes, bytes], deltas: Mapping[bytes, Delta]) -> tuple[bytes, int]:
    """Return a tree built as a reader builds it, and the length of its chain."""
    if name not in deltas:
        return contents[name], 0
    base, length = rebuilt(deltas[name].base, contents, deltas)
    return b"".join(apply_delta(base, deltas[name].instructions)), length + 1


def test_states_of_a_folder_become_short_differences_and_the_newest_stays_whole() -> None:
    found = trees(growing(100, 250))
    contents, deltas = dict(found), tree_deltas(found)
    assert set(contents) - set(deltas) == {found[-1][0]}
    built = [rebuilt(name, contents, deltas) for name, _ in found]
    assert [content for content, _ in built] == [content for _, content in found]
    assert max(length for _, length in built) == LONGEST_CHAIN
    assert max(len(each.instructions) for each in deltas.values()) < 30


@given(st.lists(st.lists(st.integers(0, 40), min_size=1, max_size=40, unique=True), max_size=12), st.randoms())
def test_whatever_is_chosen_gives_the_same_trees(chosen: list[list[int]], shuffled: random.Random) -> None:
    found = trees([b"".join(ENTRIES[each] for each in sorted(numbers)) for numbers in chosen])
    found = list(dict(found).items())
    shuffled.shuffle(found)
    contents, deltas = dict(found), tree_deltas(found)
    for name, content in found:
        assert rebuilt(name, contents, deltas)[0] == content
        assert name not in deltas or 2 * len(deltas[name].instructions) < len(content)


def test_a_copy_of_more_than_64_kib_and_a_long_piece_of_something_new_are_told_in_parts() -> None:
    found = trees([b"".join(ENTRIES[:2_400] + ENTRIES[2_500:2_520]), b"".join(ENTRIES[:2_450] + ENTRIES[2_600:2_605])])
    deltas = tree_deltas(found)
    assert set(deltas) == {found[0][0]}
    assert rebuilt(found[0][0], dict(found), deltas)[0] == found[0][1]


@pytest.mark.parametrize("content", [b"", b"no tree", RANDOM.randbytes(200_000), b"100644 a\0cut short"])
def test_what_has_nothing_in_common_or_is_no_tree_stays_whole(content: bytes) -> None:
    assert tree_deltas(trees([content, *growing(50, 51), RANDOM.randbytes(200_000)])) == {}
    assert tree_deltas(trees([content, content])) == {}


@pytest.mark.parametrize("junk", [b"7", b"7 ", b"7 7"])
def test_a_tree_that_was_made_to_be_searched_for_long_takes_no_longer_than_any_other(junk: bytes) -> None:
    """Found by reading: whoever may write to the mailbox could stop every push and fetch for minutes."""
    began = time.process_time()
    assert tree_deltas(trees([ENTRIES[0] + junk * (200_000 // len(junk)) + bytes([each]) for each in range(4)])) == {}
    assert time.process_time() - began < 2
