"""What this machine keeps for one peer of one room, and the one lock that serialises this machine's processes.

The lock guards the clone and the checkpoint, and the act of taking the outbox to the mailbox. It is held for one
operation at a time and never while sleeping. Correctness towards other machines rests on the compare-and-swap alone.

    outbox/          records on their way                never disposable
    asked/           answers that are waited for         never disposable
    checkpoint.json  the newest verified commit          losing it loses rewrite detection, nothing else
    pushes           when this machine pushed         disposable
    clone/           a private copy of the branch        disposable; put aside if it keeps a tip that was lost
    lock
"""

from __future__ import annotations

import contextlib
import threading
from itertools import chain
from typing import TYPE_CHECKING

from peer_relay import checkpoint, disk
from peer_relay.asked import Asked
from peer_relay.errors import Busy
from peer_relay.outbox import Outbox
from peer_relay.pacing import Pushes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from peer_relay.checkpoint import Checkpoint
    from peer_relay.deadline import Deadline

_LOCK_POLL_S = 0.01


class LocalState:
    """The folder of one peer of one room.

    Args:
        folder: made when it is first needed, for its owner alone.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.outbox = Outbox(folder / "outbox")
        self.asked = Asked(folder / "asked")
        self.clone_folder = folder / "clone"
        self._checkpoint = folder / "checkpoint.json"
        self._pushes = folder / "pushes"
        self._closed = threading.Event()

    @contextlib.contextmanager
    def locked(self, deadline: Deadline, gives_up: Callable[[], bool] = lambda: False) -> Iterator[None]:
        """Hold the lock.

        Args:
            deadline: how long to wait for it.
            gives_up: asked while somebody else holds it; true when it is no longer wanted.

        Raises:
            Busy: somebody else held it until the deadline, or until `gives_up`, or `close` was called.
            StateUnusable: the folder cannot be used.
        """
        disk.make_folder(self.folder)
        closed = self._closed.is_set

        def waits_no_longer() -> bool:
            return closed() or gives_up()

        with disk.lock_file(self.folder / "lock", deadline.remaining_s(), _LOCK_POLL_S, waits_no_longer) as got:
            if not got or closed():
                raise Busy
            yield

    def close(self) -> None:
        """Begin nothing more under the lock: who waits for it in another thread waits no longer."""
        self._closed.set()

    def load(self) -> Checkpoint | None:
        """Return the checkpoint, or None if there is none. Needs no lock: the file is replaced whole."""
        return checkpoint.load(self._checkpoint)

    def save(self, new: Checkpoint) -> None:
        """Put a checkpoint in place, and sweep out what killed processes left; only under the lock.

        Records are accepted without the lock, so only what is old is swept.
        """
        checkpoint.save(self._checkpoint, new)
        folders = (self.folder, self.folder / "outbox", self.folder / "asked")
        unfinished = chain.from_iterable(map(disk.unfinished_in, folders))
        disk.remove_old(chain(unfinished, self.asked.useless()), self.folder / "lock")

    def note_contact(self, contact_ms: int) -> None:
        """Remember when the mailbox was last reached."""
        checkpoint.note_contact(self._checkpoint, contact_ms)

    def pushes(self) -> Pushes:
        """Return what is remembered of this machine's pushes. Needs no lock: the file is replaced whole."""
        return Pushes.parse(disk.read_if_there(self._pushes) or b"")

    def note_pushes(self, pushes: Pushes) -> None:
        """Remember pushes; only under the lock."""
        disk.write_atomically(self._pushes, pushes.to_bytes(), durable=False)
