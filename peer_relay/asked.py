"""The answers that somebody on this machine still waits for: one small file for each question.

1. *Must*: the file is on the disk before the caller learns the question's id, and is removed only when the answer was
   shown and the showing is proved (I7). So no unread answer is forgotten, whatever happens to clone and checkpoint.
2. A file is also made when an answer arrives to a question that another machine of ours asked: answers that arrive
   are unread on every machine of the peer.
3. Whether an answer may have been shown before is a hint for the reader; losing it loses nothing else.
4. The name says it all: whatever stands under it, damaged or not, means the same and stops nothing.
"""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING

from peer_relay import disk
from peer_relay.crash_points import CrashPoint, reached
from peer_relay.errors import StateUnusable
from peer_relay.ids import ULID_PATTERN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_SHOWN_SUFFIX = ".shown"


class Asked:
    """The folder of these files.

    Args:
        folder: made when it is first needed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def ids(self) -> list[str]:
        """Return the ids of all questions whose answer is waited for, oldest first."""
        return [name for name in disk.names_in(self._folder) if re.fullmatch(ULID_PATTERN, name)]

    def add(self, question_id: str) -> None:
        """Wait for an answer; on return that is on the disk."""
        path = self._folder / question_id
        if not disk.is_there(path):
            try:
                disk.write_atomically(path, b"")
            except StateUnusable:
                # It may be in place and only not known to be on the disk. A question that is taken back for this
                # would be looked for in vain for ever.
                with contextlib.suppress(StateUnusable):
                    disk.remove(path)
                raise

    def remove(self, question_ids: Iterable[str]) -> None:
        """Wait no longer."""
        for question_id in question_ids:
            disk.remove_whatever(self._folder / question_id)
            reached(CrashPoint.READ)
            disk.remove_whatever(self._shown(question_id))

    def was_shown(self, question_id: str) -> bool:
        """Return whether the answer was handed out before, without proof that it arrived."""
        return disk.is_there(self._shown(question_id))

    def mark_shown(self, question_ids: Iterable[str]) -> None:
        """Remember that the answers are being handed out.

        A file of its own, so that a session that marks cannot bring back what another one just removed.
        """
        for question_id in question_ids:
            if not self.was_shown(question_id):
                disk.write_atomically(self._shown(question_id), b"", durable=False)
            reached(CrashPoint.SHOWN)

    def useless(self) -> Iterator[Path]:
        """Yield the marks of answers that are waited for no longer: of processes that were killed, or were too late."""
        return (path for path in self._folder.glob(f"*{_SHOWN_SUFFIX}") if not path.with_suffix("").exists())

    def _shown(self, question_id: str) -> Path:
        return self._folder / (question_id + _SHOWN_SUFFIX)
