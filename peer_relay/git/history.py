"""The line of commits in a clone, read from the headers alone: nothing here is proof of anything."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

from peer_relay.git.trees import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Mapping

_PARENT = re.compile(rb"parent ([0-9a-f]{40})")
_MOST_PARENTS = 16
_ID_BYTES = 20


class Commits(Source, Protocol):
    """Where commits are: a clone, or several."""

    def has(self, commit: str) -> bool:
        """Return whether a commit is here."""


class Line:
    """A line of commits, oldest first, in 20 bytes each.

    Args:
        newest_first: their ids one after the other, without anything in between.
    """

    def __init__(self, newest_first: bytes | bytearray) -> None:
        self._ids = newest_first

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._ids) // _ID_BYTES

    def __iter__(self) -> Iterator[str]:
        """Yield the ids, of 40 hex digits each."""
        for end in range(len(self._ids), 0, -_ID_BYTES):
            yield self._ids[end - _ID_BYTES : end].hex()


def parents_of(clone: Commits, commit: str) -> list[str]:
    """Return the parents that a commit's headers name, at most 16 of them; none if it is not here or no commit."""
    if not clone.has(commit):
        return []
    try:
        raw = clone.raw("commit", commit)
    except ValueError:
        return []
    headers = raw.split(b"\n\n", 1)[0].split(b"\n")[1 : _MOST_PARENTS + 1]
    return [match[1].decode("ascii") for line in headers if (match := _PARENT.fullmatch(line))]


def line_between(clone: Commits, known: str, tip: str) -> list[str] | None:
    """Return the commits after `known` up to `tip`, oldest first, or None if `tip` does not descend from it.

    A merge is followed to all sides, its first parent first, so that it is the merge that is refused, and neither what
    came before it nor a rewritten history.
    """
    child_of, _ = _walk_back(clone, tip, known)
    return _after(known, child_of) if known in child_of else None


def whole_line(clone: Commits, tip: str, is_first: Callable[[str], bool]) -> Line:
    """Return the line of commits up to `tip`, oldest first, from the beginning of its history.

    Merges lead to several beginnings. Then the line is the one from a beginning that is a room's first commit, so that
    it is the merge that is refused; and if there is no such beginning, the one along the first parents. A commit whose
    parent is not here is no beginning, but that parent is.

    A line without a merge, as every room is, costs 20 bytes of memory a commit.

    Args:
        clone: where the commits are.
        tip: the newest.
        is_first: says of a commit, which may not be here, whether a room begins with it.
    """
    ids, commit = bytearray(), tip
    while True:
        ids += bytes.fromhex(commit)
        parents = parents_of(clone, commit)
        if len(parents) != 1:
            break
        (commit,) = parents
    if not parents:
        return Line(ids)
    child_of, beginnings = _walk_back(clone, tip, None)
    beginning = next(filter(is_first, beginnings), beginnings[0])
    return Line(b"".join(map(bytes.fromhex, [*reversed(_after(beginning, child_of)), beginning])))


def ancestry(clone: Commits, tip: str, without: Container[str] = (), most: int | None = None) -> dict[str, list[str]]:
    """Return the parents of a commit and of every commit before it, by its id, as far as they are here.

    Args:
        clone: where the commits are.
        tip: the newest.
        without: commits at which to stop, themselves left out.
        most: how many to return at most; there may be more.
    """
    found: dict[str, list[str]] = {}
    waiting = [tip]
    while waiting and (most is None or len(found) < most):
        commit = waiting.pop()
        if commit not in found and commit not in without and clone.has(commit):
            found[commit] = parents_of(clone, commit)
            waiting += found[commit]
    return found


def _walk_back(clone: Commits, tip: str, known: str | None) -> tuple[dict[str, str | None], list[str]]:
    """Walk back from a commit to a known one, or to all beginnings.

    Returns:
        For each commit that was met, the next one towards `tip`; and the commits without a parent.
    """
    child_of: dict[str, str | None] = {}
    beginnings: list[str] = []
    aside: set[str] = set()
    waiting: list[tuple[str, str | None]] = [(tip, None)]
    while waiting and known not in child_of:
        commit, child = waiting.pop()
        if commit not in child_of:
            child_of[commit] = child
            parents = parents_of(clone, commit)
            # Each commit waits once at most as another parent than the first, however many merges name it.
            others = [each for each in dict.fromkeys(parents[1:]) if each not in aside and each not in child_of]
            aside.update(others)
            waiting += [(parent, commit) for parent in reversed([*parents[:1], *others])]
            if not parents:
                beginnings.append(commit)
    return child_of, beginnings


def _after(commit: str, child_of: Mapping[str, str | None]) -> list[str]:
    line, after = [], child_of[commit]
    while after is not None:
        line.append(after)
        after = child_of[after]
    return line
