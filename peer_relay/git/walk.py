"""Which commits to send: walks over a graph of commits that is only known through a function from commit to parents.

1. A commit is given once, whatever the graph looks like.
2. The cost of `commits_since` follows the distance between the two commits, not the length of the history.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from dulwich.objects import ObjectID


def commits_to_depth(
    tip: ObjectID, depth: int | None, parents: Callable[[ObjectID], Sequence[ObjectID]]
) -> list[ObjectID]:
    """Return the tip and what is behind it, `depth` commits deep; everything if `depth` is None."""
    found, level, steps = {tip: None}, [tip], 1
    while level and (depth is None or steps < depth):
        behind = dict.fromkeys(parent for name in level for parent in parents(name))
        level = [name for name in behind if name not in found]
        found.update(dict.fromkeys(level))
        steps += 1
    return list(found)


def commits_since(
    tip: ObjectID,
    have: ObjectID,
    parents: Callable[[ObjectID], Sequence[ObjectID]],
    shallow: Collection[bytes] = (),
) -> tuple[list[ObjectID], set[ObjectID]]:
    """Return the commits that the tip reaches and `have` does not.

    Both sides are walked in turns, which also ends soon when the branch was moved back or rewritten. Where `have` is on
    the way from the tip, a line of commits gives exactly the missing ones; otherwise some that both reach may be among
    the result, because the walk ended first.

    Args:
        tip: where to begin.
        have: a commit that is known.
        parents: gives the parents of a commit that exists.
        shallow: commits whose parents are not known although they are.

    Returns:
        The commits to send, and the known ones that were met; every parent of the first is among both.
    """
    found, frontier = {tip: None}, deque([tip])
    known = _Known(found, parents, shallow)
    known.add(have)
    while frontier:
        name = frontier.popleft()
        if name in known.names:
            continue
        new = [parent for parent in parents(name) if parent not in found]
        found.update(dict.fromkeys(new))
        frontier.extend(dict.fromkeys(new))
        known.step()
    return [name for name in found if name not in known.names], known.names


class _Known:
    """The known side of the walk."""

    def __init__(
        self,
        found: Collection[ObjectID],
        parents: Callable[[ObjectID], Sequence[ObjectID]],
        shallow: Collection[bytes],
    ) -> None:
        self._found = found
        self._parents = parents
        self._shallow = shallow
        self._edge: deque[ObjectID] = deque()
        self.names: set[ObjectID] = set()

    def step(self) -> None:
        """Go one commit back, if there is one."""
        if self._edge:
            self._add_parents(self._edge.popleft())

    def add(self, name: ObjectID) -> None:
        """Take in a commit and at once everything behind it that the other side has found already."""
        pending = [name]
        while pending:
            each = pending.pop()
            if each in self.names:
                continue
            self.names.add(each)
            if each not in self._found:
                self._edge.append(each)
            elif each not in self._shallow:
                pending.extend(self._parents(each))

    def _add_parents(self, name: ObjectID) -> None:
        if name not in self._shallow:
            for parent in self._parents(name):
                self.add(parent)
