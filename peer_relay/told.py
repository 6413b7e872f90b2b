"""What a session of an agent was told of, so that it is told of nothing twice: one small file for each session.

1. It is for not repeating. Losing a file makes a session hear of something once more, and nothing else.
2. A file holds the ids of what waited when its session was told last, and of what a tool has shown it since. What waits
   no longer never waits again, so nothing else has to be kept.
3. Sessions have names of their agent's making. A file is called by the hash of one, whatever is in it.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from typing import TYPE_CHECKING

from peer_relay import disk
from peer_relay.clock import system_ms
from peer_relay.errors import StateUnusable
from peer_relay.ids import ULID_PATTERN

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_FOLDER = "told"
_KEPT_MS = 7 * 86_400_000
_MAX_BYTES = 1 << 20


class Told:
    """What one session was told of.

    Args:
        folder: what this machine keeps for the peer of the room; a folder in it is made when it is first needed.
        session: the agent's name for the session.
    """

    def __init__(self, folder: Path, session: str) -> None:
        self.path = folder / _FOLDER / hashlib.sha256(session.encode(errors="replace")).hexdigest()[:32]

    def ids(self) -> frozenset[str]:
        """Return the ids of what waited when the session was told last; none if that is not known."""
        with contextlib.suppress(StateUnusable, OSError):
            if self.path.stat().st_size <= _MAX_BYTES:
                text = (disk.read_if_there(self.path) or b"").decode("ascii", "replace")
                return frozenset(re.findall(rf"^{ULID_PATTERN}$", text, re.MULTILINE))
        return frozenset()

    def remember(self, ids: Iterable[str]) -> None:
        """Remember what waits now that the session is told. It is not forced to the disk.

        With each session that is new here, those that were told nothing for a week are forgotten.

        Raises:
            StateUnusable: it cannot be written, so the session will hear of it again.
        """
        if not disk.is_there(self.path):
            _remove_old(self.path.parent)
        disk.write_atomically(self.path, "".join(f"{each}\n" for each in sorted(ids)).encode(), durable=False)

    def add(self, ids: Iterable[str]) -> None:
        """Remember something more that the session knows.

        Raises:
            StateUnusable: as for `remember`.
        """
        known = self.ids()
        if new := frozenset(ids) - known:
            self.remember(known | new)


def _remove_old(folder: Path) -> None:
    """Remove the files that were not written for a week, unfinished ones too. Whatever stands in the way is left."""
    old_ms = system_ms() - _KEPT_MS
    with contextlib.suppress(StateUnusable, OSError):
        for path in (*(folder / name for name in disk.names_in(folder)), *disk.unfinished_in(folder)):
            if disk.modified_ms(path) < old_ms:
                disk.remove(path)
