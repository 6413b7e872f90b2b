"""Whether all of a commit's history and files are in a repository, before a branch there is pointed at it.

A server of git finds that out by itself. For a repository whose files are at hand it is done here, so that no branch
ever leads into nothing.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from dulwich.objects import Commit, ObjectID

from peer_relay.errors import MalformedPack, TooLarge
from peer_relay.git.collect import Collector
from peer_relay.git.packfile import DAMAGE
from peer_relay.git.transport import FetchRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dulwich.objects import ShaFile
    from dulwich.repo import Repo

_LOOKED_AT = 512
_NO_LIMIT = 1 << 62


def are_in_line(objects: Sequence[ShaFile], start: bytes | None, end: bytes) -> bool:
    """Return whether the newest objects are the whole line of commits from one commit to another.

    Then the line is complete without any look at the repository, because whoever made it had the start.

    Args:
        objects: each after all it refers to. No more than the last 512 are looked at.
        start: the commit on which they were built; None for a line with a beginning of its own.
        end: the newest commit.
    """
    wanted: bytes | None = end
    for index in range(len(objects) - 1, max(-1, len(objects) - 1 - _LOOKED_AT), -1):
        each = objects[index]
        if isinstance(each, Commit) and each.id == wanted:
            wanted = each.parents[0] if each.parents else None
            if wanted == start:
                return True
    return False


def is_complete(repo: Repo, tip: bytes, known: bytes | None, remote: str, tick: Callable[[], None]) -> bool:
    """Return whether a repository holds all that a commit leads to.

    Args:
        repo: the repository.
        tip: the commit.
        known: what is taken to be complete there, or None. Where a branch is put back it is what somebody pointed it
            at, so it may be anything: if it is of no use, everything is looked at.
        remote: the repository, as errors name it.
        tick: called often; what it raises ends the search.

    Raises:
        TooLarge, MalformedPack: an object there is none of a room.
    """
    if known is not None:
        with suppress(TooLarge, MalformedPack, *DAMAGE):
            if _is_there_since(repo, known, tip, remote, tick):
                return True
    try:
        return _is_there_since(repo, None, tip, remote, tick)
    except KeyError:
        return False


def _is_there_since(repo: Repo, start: bytes | None, tip: bytes, remote: str, tick: Callable[[], None]) -> bool:
    with Collector(repo, remote, tick) as collector:
        collector.collect(ObjectID(tip), FetchRequest(b"", have=start, max_bytes=_NO_LIMIT))
        return collector.are_all_there()
