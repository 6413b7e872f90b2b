"""What a client sends, cut into lines: none is kept that is longer than any message for this server could be.

1. A line that grows past `MAX_LINE_BYTES` is dropped while it comes, so a client cannot fill the memory.
2. Looking for the end of a line costs the same for each byte, however long the line is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from peer_relay.server.stderr import say

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_LINE_BYTES = 4 << 20
"""The longest legal call takes less than a tenth of it, each character escaped."""


class Lines:
    """The end of what was read that is not a whole line yet."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._began = 0
        self._dropped = False

    def feed(self, chunk: bytes, moment: int) -> Iterator[tuple[bytes, int]]:
        """Take in what was read, and yield each line that it completes.

        Args:
            chunk: at least one byte.
            moment: kept for each line of which the first byte is in this chunk.

        Yields:
            A line without its newline, and its moment.
        """
        first, *others = chunk.split(b"\n")
        self._add(first, moment)
        for piece in others:
            if self._dropped:
                say(f"a line of more than {MAX_LINE_BYTES:,} bytes from the client was dropped.")
            else:
                yield bytes(self._rest), self._began
            self._rest, self._dropped = bytearray(), False
            self._add(piece, moment)

    def _add(self, piece: bytes, moment: int) -> None:
        if not self._rest:
            self._began = moment
        if len(self._rest) + len(piece) > MAX_LINE_BYTES:
            self._rest, self._dropped = bytearray(), True
        if not self._dropped:
            self._rest += piece
