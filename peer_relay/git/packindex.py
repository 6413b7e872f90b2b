"""Where each object of a pack begins, from the pack's index file, which is read in small pieces.

dulwich maps an index into memory, and the system then keeps 64 KB of it there for each place that was looked at: 22 MB
of an old room's, for a look at its newest thousand objects. The names in an index are evenly distributed, so one read
of 4 KB nearly always has the one that is looked for.
"""

from __future__ import annotations

import os
import struct
from io import FileIO
from typing import TYPE_CHECKING

from peer_relay.disk import without_waiting

if TYPE_CHECKING:
    from pathlib import Path

_BEGINNING = b"\377tOc\0\0\0\2"
_COUNTS = struct.Struct(">256L")
_NAME_BYTES = 20
_CHECKSUM_BYTES = 4
_OFFSET_BYTES = 4
_LARGE_BYTES = 8
# Of so many names on each side of where one should be it is nearly always one: three standard deviations in a million.
_AROUND = 96
_LARGE = 0x8000_0000


class PackIndex:
    """An index file, opened. To be closed.

    Args:
        path: the file, of version 2 or 1, which has no more than an offset before each name.

    Raises:
        ValueError: it is too short for what it says.
        OSError: it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._file = FileIO(path, "rb", opener=without_waiting)
        try:
            self._read_head()
        except BaseException:
            self._file.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def find(self, name: bytes) -> int | None:
        """Return where the object of a 20-byte name begins in the pack, or None if it is not there.

        Raises:
            ValueError: the file was cut since it was opened.
            OSError: it cannot be read.
        """
        low, high = self._ends[name[0] - 1] if name[0] else 0, self._ends[name[0]]
        place = low + ((high - low) * int.from_bytes(name[1:5]) >> 32)
        while low < high:
            start, stop = max(low, place - _AROUND), min(high, place + _AROUND)
            entries = self._read(self._entries_at + start * self._entry_bytes, (stop - start) * self._entry_bytes)
            if name < entries[self._before : self._entry_bytes]:
                high = start
            elif name > entries[-_NAME_BYTES:]:
                low = stop
            else:
                return self._find_in(entries, name, start)
            place = (low + high) // 2
        return None

    def _read_head(self) -> None:
        head = self._read(0, len(_BEGINNING) + _COUNTS.size)
        is_first = not head.startswith(_BEGINNING)
        counts_at = 0 if is_first else len(_BEGINNING)
        self._ends = _COUNTS.unpack_from(head, counts_at)
        self._before = _OFFSET_BYTES if is_first else 0
        self._entry_bytes = self._before + _NAME_BYTES
        self._entries_at = counts_at + _COUNTS.size
        entries_end = self._entries_at + self._ends[-1] * self._entry_bytes
        self._offsets_at = None if is_first else entries_end + self._ends[-1] * _CHECKSUM_BYTES
        self._large_at = entries_end if is_first else entries_end + self._ends[-1] * (_CHECKSUM_BYTES + _OFFSET_BYTES)
        if self._file.seek(0, os.SEEK_END) < self._large_at:
            raise ValueError("an index is shorter than it says")

    def _find_in(self, entries: bytes, name: bytes, start: int) -> int | None:
        """Return the offset that belongs to a name among some entries, of which the first is the `start`-th."""
        position = entries.find(name)
        while position >= 0 and (position - self._before) % self._entry_bytes:
            position = entries.find(name, position + 1)
        if position < 0:
            return None
        if self._offsets_at is None:
            return int.from_bytes(entries[position - _OFFSET_BYTES : position])
        place = start + position // self._entry_bytes
        offset = int.from_bytes(self._read(self._offsets_at + place * _OFFSET_BYTES, _OFFSET_BYTES))
        if offset < _LARGE:
            return offset
        # Beyond 2 GiB it is the place of a larger number.
        return int.from_bytes(self._read(self._large_at + (offset - _LARGE) * _LARGE_BYTES, _LARGE_BYTES))

    def _read(self, position: int, length: int) -> bytes:
        self._file.seek(position)
        data = self._file.read(length)
        if len(data) != length:
            raise ValueError("an index is cut short")
        return data
