"""How the attempts at something went that nobody watches: when one was made, and when, where and why one failed.

1. It is for the doctor, and for not trying again too soon. Losing it costs a look more, and nothing else.
2. Whoever notes a failure gives sentences without a secret, and without the text of an exception that nobody foresaw.
"""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, NamedTuple

from peer_relay import disk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FIELDS = ("during", "what", "remedy")


class FailedAttempt(NamedTuple):
    """Why an attempt failed.

    Attributes:
        at_ms: when it did, in milliseconds since 1970.
        during: what was being done, such as the name of an event; empty if that is not known.
        what: what happened, in a sentence.
        remedy: what to do about it, in a sentence.
    """

    at_ms: int
    during: str
    what: str
    remedy: str


class Attempts:
    """The attempts at one thing.

    Args:
        folder: where they are noted; made when it is first needed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._made = folder / "made"
        self._failed = folder / "failed.json"

    def note(self) -> None:
        """Note that an attempt is made now, or was made and went well, and forget the failure of an earlier one.

        It is not forced to the disk.

        Raises:
            StateUnusable: it cannot be noted.
        """
        if not disk.touch(self._made):
            disk.write_atomically(self._made, b"", durable=False)
        disk.remove(self._failed)

    @contextlib.contextmanager
    def made_alone(self) -> Iterator[bool]:
        """Note an attempt, and say whether nobody else of this machine is at one. Nobody is meanwhile.

        Raises:
            StateUnusable: it cannot be noted.
        """
        self.note()
        with disk.lock_file(self.folder / "lock", 0) as got:
            yield got

    def is_recent(self, within_s: float, done_ms: int | None, now_ms: int) -> bool:
        """Say whether one was made a short time ago, or that done which it is for.

        Args:
            within_s: what is a short time, in seconds.
            done_ms: when it was last done, by whomever, in milliseconds since 1970; None if that is not known.
            now_ms: the time.

        Raises:
            StateUnusable: that cannot be found out.
        """
        # A time to come is one of a clock that was wrong.
        return any(0 <= now_ms - ms < within_s * 1000 for ms in (done_ms, self.noted_ms()) if ms is not None)

    def note_failure(self, during: str, what: str, remedy: str) -> None:
        """Note why an attempt failed.

        Args:
            during: what was being done; may be empty.
            what: what happened, in a sentence.
            remedy: what to do about it, in a sentence.

        Raises:
            StateUnusable: it cannot be noted.
        """
        said = dict(zip(_FIELDS, (during, what, remedy), strict=True))
        disk.write_atomically(self._failed, json.dumps(said).encode(), durable=False)

    def noted_ms(self) -> int | None:
        """Return when `note` was last called, in milliseconds since 1970, or None if it never was.

        Raises:
            StateUnusable: that cannot be found out.
        """
        return disk.modified_ms(self._made) if disk.is_there(self._made) else None

    def failure(self) -> FailedAttempt | None:
        """Return the newest failure, or None if there was none, or another attempt was noted since.

        Raises:
            StateUnusable: that cannot be found out.
        """
        data = disk.read_if_there(self._failed)
        if data is None:
            return None
        return FailedAttempt(disk.modified_ms(self._failed), *_sentences(data))


def at_telling(home: Path) -> Attempts:
    """Return the attempts at telling agents what is new.

    Args:
        home: the state folder.
    """
    return Attempts(home / "hook")


def at_refreshing(folder: Path) -> Attempts:
    """Return the attempts at refreshing what is known of a room behind an agent's back.

    Args:
        folder: what this machine keeps for the peer of the room.
    """
    return Attempts(folder / "refresh")


def _sentences(data: bytes) -> tuple[str, str, str]:
    """Return what a file says; of a damaged one only that there was a failure is known."""
    try:
        said = json.loads(data)
        during, what, remedy = (str(said[name]) for name in _FIELDS)
    except (ValueError, TypeError, KeyError, RecursionError):
        return "", "It is not known any more why.", "Nothing has to be done, unless it fails again."
    return during, what, remedy
