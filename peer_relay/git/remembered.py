"""What a remote said of itself, remembered for a while, so that it is not asked the same in each operation.

1. What is remembered names no branch: the capabilities of a server of protocol version 2, and those of its side of a
   push. Where a branch is comes from the remote each time, or from the caller, who has just read it or expects it.
2. It is remembered for `REMEMBERED_S` seconds at most, and only until an operation that used it fails.
3. It is used with the server that said it and with no other, so nobody gains by it who could not have said it anew.
"""

from __future__ import annotations

import io
import time
from typing import TYPE_CHECKING, Final

from dulwich.errors import GitProtocolError
from dulwich.protocol import Protocol, pkt_line

if TYPE_CHECKING:
    from collections.abc import Callable

REMEMBERED_S: Final = 600.0
MAX_BYTES: Final = 16 << 10
"""What is longer is not remembered; git's own take less than 300."""

_FLUSH = b"0000"


class Remembered:
    """The announcements of one remote.

    Args:
        monotonic: a clock that never runs backwards, in seconds.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._fetching: tuple[float, bytes] | None = None
        self._pushing: tuple[float, bytes] | None = None

    def forget(self) -> None:
        """Forget everything."""
        self._fetching = self._pushing = None

    def keep_fetching(self, announced: bytes) -> None:
        """Remember how a server of protocol version 2 begins, up to and with the flush packet."""
        if len(announced) <= MAX_BYTES:
            self._fetching = (self._monotonic(), announced)

    def keep_pushing(self, announced: bytes) -> None:
        """Remember what a server can do with a push, from the beginning of its list of branches."""
        reader = Protocol(io.BytesIO(announced).read, lambda _: None)
        try:
            list(reader.read_pkt_seq())  # which service it is
            first = reader.read_pkt_line() or b""
        except GitProtocolError:  # it is longer than what was kept of it
            return
        _, found, capabilities = first.partition(b"\0")
        if found:
            self._pushing = (self._monotonic(), capabilities)

    @property
    def fetching(self) -> bytes | None:
        """How the server begins, as `keep_fetching` was told; None if that has to be asked."""
        return self._fresh(self._fetching)

    def pushing(self, ref: bytes, commit: bytes) -> bytes | None:
        """Return the list with which the server would begin if a branch were the only one and at a commit.

        None if what it can do has to be asked.
        """
        capabilities = self._fresh(self._pushing)
        if capabilities is None:
            return None
        branch = pkt_line(commit + b" " + ref + b"\0" + capabilities)
        return pkt_line(b"# service=git-receive-pack\n") + _FLUSH + branch + _FLUSH

    def _fresh(self, kept: tuple[float, bytes] | None) -> bytes | None:
        return kept[1] if kept is not None and self._monotonic() - kept[0] <= REMEMBERED_S else None


def listing(ref: bytes, commit: bytes) -> bytes:
    """Return a list of branches as a server of protocol version 2 sends it, with one branch at a commit."""
    return pkt_line(commit + b" " + ref + b"\n") + _FLUSH
