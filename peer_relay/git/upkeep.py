"""Keep a mailbox at a path small, for everybody who uses it: what `git receive-pack` does for a remote.

1. It never fails a push, and never makes one late: what it cannot do it leaves, and then leaves it for a while.
2. What the owner of the repository said to git holds here too: nothing is packed where `gc.auto` is 0 or
   `receive.autogc` is false in the repository's own configuration.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from peer_relay.git.packfile import DAMAGE
from peer_relay.git.packing import is_due, sweep, tend

if TYPE_CHECKING:
    from collections.abc import Callable

    from dulwich.config import ConfigFile
    from dulwich.repo import Repo

    from peer_relay.deadline import Deadline
    from peer_relay.git.opening import Parts

_UNABLE: tuple[type[Exception], ...] = (*DAMAGE, OSError)
_NEEDED_S = 1.0
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

    def after_push(self, repo: Parts | Repo, deadline: Deadline) -> None:
        """Do one small act if one is due.

        Args:
            repo: the mailbox.
            deadline: that of the push; too little time left is a reason to leave it to the next one.
        """
        if deadline.remaining_s() < _NEEDED_S or self._monotonic() < self._paused_until:
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
