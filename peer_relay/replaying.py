"""The part of the composition root that puts together the proof of a whole room.

1. A mailbox at a path is read where it is. Of any other one it works in a new clone of its own in a temporary folder,
   which is removed however it ends, Ctrl-C included. What a killed process leaves there, the next one removes a day
   later.
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
from peer_relay.errors import RoomNotFound
from peer_relay.git.clone import Clone
from peer_relay.git.local import LocalTransport
from peer_relay.git.replay import replay_in_place
from peer_relay.git.store import GitStore
from peer_relay.paths import branch_ref
from peer_relay.verification import Verification

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from peer_relay.config import RelayConfig
    from peer_relay.git.observed import Observer
    from peer_relay.store import Replay

_FETCH_S = 600.0
"""How long the fetch of a whole history may take, where one operation may take less."""

_PREFIX = "verification-"
_ABANDONED_MS = 24 * 3_600_000


@contextlib.contextmanager
def open_verification(
    config: RelayConfig, environ: Mapping[str, str], observer: Observer | None = None
) -> Iterator[Verification]:
    """Have the whole history of a room at hand, and give what proves it.

    Args:
        config: which room, and who.
        environ: the environment, for credentials, proxies and ssh.
        observer: follows the git operations.

    Raises:
        RoomNotFound: the mailbox has no such room.
        RefusedCommit: the mailbox does not send what its branch is made of.
        InvalidSetting, InvalidToken, InvalidRemote, TransportError, LocalError: the history could not be fetched.
            A `TransportError` is also raised by the proof, if a mailbox at a path cannot be read on.
    """
    parts = app.assemble(config, environ, observer)
    known = parts.state.load()  # before the fetch, which then has to bring it
    contact = Deadline(config.timeout_s, parts.clock.monotonic)
    fetched = Deadline(max(config.timeout_s, _FETCH_S), parts.clock.monotonic)
    with contextlib.closing(parts.store), _temporary_folder(parts.state.folder, parts.clock.observed_ms()) as folder:
        replay = _in_place(parts, contact, fetched)
        if replay is None:
            clone = Clone(folder / "clone", parts.transport.remote)
            store = GitStore(parts.transport, clone, parts.keyring)
            replay = store.replay(contact, fetched)
        with contextlib.closing(replay.commits):
            yield Verification(replay, None if known is None else known.snapshot.tip, parts.keyring.pinned().peers)


def _in_place(parts: app.Parts, contact: Deadline, read: Deadline) -> Replay | None:
    """Return the replay of a mailbox at a path, or None if it has to be fetched."""
    if parts.remote.kind != "local":
        return None
    tip = parts.transport.read_ref(branch_ref(parts.keys.room_id).encode("ascii"), contact)
    if tip is None:
        raise RoomNotFound(remote=parts.transport.remote)
    return replay_in_place(LocalTransport(parts.remote), tip.decode("ascii"), parts.keyring.examiner(), read)


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
