"""The part of the composition root that puts together the proof of a whole room.

1. It works in a new clone of its own in a temporary folder, which is removed however it ends, Ctrl-C included. What a
   killed process leaves there, the next one removes a day later.
2. It takes no lock and touches neither this machine's clone nor its checkpoint, so nothing has to wait for it.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from peer_relay import app, disk
from peer_relay.deadline import Deadline
from peer_relay.git.clone import Clone
from peer_relay.git.store import GitStore
from peer_relay.verification import Verification

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from peer_relay.config import RelayConfig
    from peer_relay.git.observed import Observer

_FETCH_S = 600.0
"""How long the fetch of a whole history may take, where one operation may take less."""

_PREFIX = "verification-"
_ABANDONED_MS = 24 * 3_600_000


@contextlib.contextmanager
def open_verification(
    config: RelayConfig, environ: Mapping[str, str], observer: Observer | None = None
) -> Iterator[Verification]:
    """Fetch the whole history of a room, and give what proves it.

    Args:
        config: which room, and who.
        environ: the environment, for credentials, proxies and ssh.
        observer: follows the git operations.

    Raises:
        RoomNotFound: the mailbox has no such room.
        RefusedCommit: the mailbox does not send what its branch is made of.
        InvalidSetting, InvalidToken, InvalidRemote, TransportError, LocalError: the history could not be fetched.
    """
    parts = app.assemble(config, environ, observer)
    known = parts.state.load()  # before the fetch, which then has to bring it
    contact = Deadline(config.timeout_s, parts.clock.monotonic)
    fetched = Deadline(max(config.timeout_s, _FETCH_S), parts.clock.monotonic)
    with contextlib.closing(parts.store), _temporary_folder(parts.state.folder, parts.clock.observed_ms()) as folder:
        store = GitStore(parts.transport, Clone(folder / "clone", parts.transport.remote), parts.keys)
        replay = store.replay(contact, fetched)
        with contextlib.closing(replay.commits):
            yield Verification(replay, None if known is None else known.snapshot.tip)


@contextlib.contextmanager
def _temporary_folder(parent: Path, now_ms: int) -> Iterator[Path]:
    disk.make_folder(parent)
    with disk.reported(parent):
        for left in parent.glob(f"{_PREFIX}*"):
            if now_ms - disk.modified_ms(left) > _ABANDONED_MS:
                shutil.rmtree(left, ignore_errors=True)
        folder = tempfile.TemporaryDirectory(prefix=_PREFIX, dir=parent, ignore_cleanup_errors=True)
    with folder as name:
        yield Path(name)
