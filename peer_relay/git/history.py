"""The line of commits in a clone, read from the headers alone: nothing here is proof of anything."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from peer_relay.git.clone import OpenClone

_PARENT = re.compile(rb"parent ([0-9a-f]{40})")
_MOST_PARENTS = 16


def parents_of(clone: OpenClone, commit: str) -> list[str]:
    """Return the parents that a commit's headers name, at most 16 of them; none if it is not here or no commit."""
    if not clone.has(commit):
        return []
    try:
        raw = clone.raw("commit", commit)
    except ValueError:
        return []
    headers = raw.split(b"\n\n", 1)[0].split(b"\n")[1 : _MOST_PARENTS + 1]
    return [match[1].decode("ascii") for line in headers if (match := _PARENT.fullmatch(line))]


def line_between(clone: OpenClone, known: str, tip: str) -> list[str] | None:
    """Return the commits after `known` up to `tip`, oldest first, or None if `tip` does not descend from it.

    A merge is followed to all sides, its first parent first, so that it is the merge that is refused, and neither what
    came before it nor a rewritten history.
    """
    child_of: dict[str, str | None] = {}
    waiting: list[tuple[str, str | None]] = [(tip, None)]
    while waiting and known not in child_of:
        commit, child = waiting.pop()
        if commit not in child_of:
            child_of[commit] = child
            waiting += [(parent, commit) for parent in reversed(parents_of(clone, commit))]
    line, after = [], child_of.get(known)
    while after is not None:
        line.append(after)
        after = child_of[after]
    return line if known in child_of else None
