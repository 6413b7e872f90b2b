"""The line of commits in a clone, read from the headers alone: nothing here is proof of anything."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from peer_relay.errors import DamagedClone

if TYPE_CHECKING:
    from peer_relay.git.clone import OpenClone

_PARENT = re.compile(rb"parent ([0-9a-f]{40})")


def parents_of(clone: OpenClone, commit: str) -> list[str]:
    """Return the parents that a commit's headers name, at most 16 of them."""
    headers = clone.raw("commit", commit).split(b"\n\n", 1)[0].split(b"\n")[1:17]
    return [match[1].decode("ascii") for line in headers if (match := _PARENT.fullmatch(line))]


def line_between(clone: OpenClone, known: str, tip: str) -> list[str] | None:
    """Return the commits after `known` up to `tip`, oldest first, or None if `tip` does not descend from it.

    A merge is followed to all sides, so that it is the merge that is refused, and not a rewritten history.
    """
    child_of: dict[str, str] = {}
    waiting = [tip]
    while waiting and known not in child_of:
        commit = waiting.pop()
        for parent in parents_of(clone, commit) if commit == tip or clone.has(commit) else ():
            if parent not in child_of:
                child_of[parent] = commit
                waiting.append(parent)
    if known not in child_of:
        return None
    line, commit = [], known
    while commit != tip:
        commit = child_of[commit]
        line.append(commit)
    return line


def reaches_the_first(clone: OpenClone, tip: str) -> bool:
    """Return whether every commit from a tip down to one without parents is here."""
    commit = tip
    while True:
        try:
            parents = parents_of(clone, commit)
        except DamagedClone:
            return False
        if not parents:
            return True
        commit = parents[0]
