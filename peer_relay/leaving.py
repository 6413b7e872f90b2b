"""Taking a room off this machine: what can be fetched again goes, and what cannot stays where it is.

1. *Must*: `outbox/` and `asked/` are never emptied. A clone that keeps a tip which the branch lost (I6) is put aside.
2. The mailbox is not touched.
"""

from __future__ import annotations

import contextlib
import shutil
from typing import TYPE_CHECKING

from peer_relay import disk
from peer_relay.clock import Clock
from peer_relay.deadline import Deadline
from peer_relay.git.clone import Clone
from peer_relay.local_state import LocalState
from peer_relay.standing import folder_of

if TYPE_CHECKING:
    from pathlib import Path


def state_of(home: Path, room_id: str, peer_id: str) -> LocalState:
    """Return what a machine keeps for one peer of one room; see `folder_of`."""
    return LocalState(folder_of(home, room_id, peer_id))


def discard(state: LocalState, timeout_s: float) -> list[Path]:
    """Remove the clone, the checkpoint, what agents were told, and every folder that is empty then.

    Args:
        state: what the machine keeps for a peer of a room.
        timeout_s: how long to wait for another process that is at work in it, in seconds.

    Returns:
        The folders that stay because there is something in them.

    Raises:
        Busy: another process did not end its work in time; nothing was removed.
        StateUnusable: something cannot be removed.
    """
    if not state.folder.exists():
        return []
    with state.locked(Deadline(timeout_s, Clock().monotonic)):
        Clone(state.clone_folder, "").wipe()
        for name in ("checkpoint.json", "pushes"):
            disk.remove(state.folder / name)
    for name in ("told", "refresh"):
        shutil.rmtree(state.folder / name, ignore_errors=True)
    disk.remove(state.folder / "lock")
    with disk.reported(state.folder):
        kept = [each for each in sorted(state.folder.iterdir()) if not _removed(each)]
    for folder in (state.folder, state.folder.parent, state.folder.parent.parent):
        _removed(folder)
    return kept


def _removed(folder: Path) -> bool:
    """Remove a folder if nothing is in it, and say whether it is gone."""
    with contextlib.suppress(OSError):
        folder.rmdir()
    return not folder.exists()
