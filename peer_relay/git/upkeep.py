"""Put a push into a mailbox at a path, and keep it small for everybody: what `git receive-pack` does for a remote.

1. It never fails a push, and never makes one late: what it cannot do it leaves, and then leaves it for a while.
2. What the owner of the repository said to git holds here too: nothing is packed where `gc.auto` is 0 or
   `receive.autogc` is false in the repository's own configuration.
3. A large push is one pack, which takes three fsyncs where each object as a file of its own takes two. A small one is
   not: it would save some fsyncs here, and cost every reader a look into many packs. Nor is one where packs would pile
   up, because nothing is packed (2) or that failed.
"""

from __future__ import annotations

import os
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING

from peer_relay.git.newpack import packed, pushed_pack
from peer_relay.git.packfile import DAMAGE
from peer_relay.git.packing import is_due, sweep, tend
from peer_relay.git.packs import write_loose

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from dulwich.config import ConfigFile
    from dulwich.objects import ShaFile
    from dulwich.repo import Repo

    from peer_relay.deadline import Deadline
    from peer_relay.git.opening import Parts

_UNABLE: tuple[type[Exception], ...] = (*DAMAGE, OSError)
_NEEDED_S = 1.0
# From how many objects on a push is a pack: some six records. git's own limit is 100 (`receive.unpackLimit`), but git
# forces no object of its own to the disk.
_WORTH_A_PACK = 32
# How many pushes a process makes until it looks what else there is to pack.
_TURN = 8
_PAUSE_S = 600.0
_SETTLED_S = 10.0
_LEFT_BEHIND_S = 3_600.0


class Upkeep:
    """Packs what there is too much of, a little after each push.

    Args:
        monotonic: a clock that never runs backwards, in seconds.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._paused_until = float("-inf")
        self._pushes = 0

    def put(self, repo: Parts | Repo, objects: Sequence[ShaFile]) -> AbstractContextManager[None]:
        """Return a context in which the objects are on the disk, in no danger of being dropped.

        Raises:
            OSError: the store cannot be written.
        """
        unique = {each.id: each for each in objects}.values()
        if len(unique) >= _WORTH_A_PACK and self._takes_packs(repo):
            entries = [packed(each.sha().digest(), each.type_num, each.as_raw_string()) for each in unique]
            return pushed_pack(repo.object_store, entries)
        write_loose(repo.object_store, unique, durable=True)
        return nullcontext()

    def _takes_packs(self, repo: Parts | Repo) -> bool:
        if self._monotonic() < self._paused_until:
            return False
        try:
            return os.access(repo.object_store.pack_dir, os.W_OK) and _is_wanted(repo.get_config())
        except _UNABLE:
            return False

    def after_push(self, repo: Parts | Repo, deadline: Deadline) -> None:
        """Do one small act if one is due.

        Args:
            repo: the mailbox.
            deadline: that of the push; too little time left is a reason to leave it to the next one.
        """
        is_turn = self._pushes % _TURN == 0
        self._pushes += 1
        if not is_turn or deadline.remaining_s() < _NEEDED_S or self._monotonic() < self._paused_until:
            return
        try:
            if is_due(repo.object_store) and _is_wanted(repo.get_config()):
                sweep(repo.object_store, _LEFT_BEHIND_S)
                if not tend(repo.object_store, durable=True, settled_s=_SETTLED_S):
                    self._pause(_SETTLED_S)
        except _UNABLE:
            self._pause(_PAUSE_S)

    def _pause(self, seconds: float) -> None:
        self._paused_until = self._monotonic() + seconds


def _is_wanted(config: ConfigFile) -> bool:
    """Return whether the owner of a repository lets it be packed by whoever pushes."""
    try:
        automatic = int(config.get(b"gc", b"auto"))
    except (KeyError, ValueError):
        automatic = 1
    return automatic > 0 and config.get_boolean((b"receive",), b"autogc", default=True) is True
