"""Where each object of a pack begins: the pack's index file, which is read in small pieces.

dulwich maps an index into memory, and the system then keeps 64 KB of it there for each place that was looked at: 22 MB
of an old room's, for a look at its newest thousand objects. The names in an index are evenly distributed, so one read
of 4 KB nearly always has the one that is looked for.
"""

from __future__ import annotations

import hashlib
import os
import struct
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from io import FileIO
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


def spelt_index(rows: Sequence[tuple[bytes, int, int]], checksum: bytes) -> bytes:
    """Return the bytes of an index of version 2, of a pack of less than 2 GiB.

    dulwich writes each of the 256 counts by itself, which takes longer than all the rest of a small pack.

    Args:
        rows: an object's 20-byte name, where it begins and the CRC-32 of its bytes in the pack, sorted.
        checksum: the pack's own, of 20 bytes.
    """
    begun = [0] * 256
    for name, _, _ in rows:
        begun[name[0]] += 1
    numbers = struct.Struct(f">{len(rows)}L")
    names, offsets, checksums = zip(*rows, strict=True) if rows else ((), (), ())
    columns = numbers.pack(*checksums), numbers.pack(*offsets)
    body = b"".join([_BEGINNING, _COUNTS.pack(*accumulate(begun)), *names, *columns, checksum])
    return body + hashlib.sha1(body, usedforsecurity=False).digest()


def index_rows(data: bytes) -> list[tuple[int, bytes, int]]:
    """Return what an index of version 2 says, of a pack of less than 2 GiB, in the order of the pack.

    Returns:
        Where each object begins, its 20-byte name and the CRC-32 of its bytes in the pack.

    Raises:
        ValueError, struct.error: it is of another form, or cut.
    """
    if not data.startswith(_BEGINNING):
        raise ValueError("an index is not as those that are written here")
    begin = len(_BEGINNING) + _COUNTS.size
    numbers = struct.Struct(f">{_COUNTS.unpack_from(data, len(_BEGINNING))[-1]}L")
    checksums_at = begin + numbers.size // _OFFSET_BYTES * _NAME_BYTES
    offsets = numbers.unpack_from(data, checksums_at + numbers.size)
    names = (data[at : at + _NAME_BYTES] for at in range(begin, checksums_at, _NAME_BYTES))
    return sorted(zip(offsets, names, numbers.unpack_from(data, checksums_at), strict=True))


class PackIndex:
    """An index file, opened. To be closed.

    Args:
        path: the file, of version 2 or 1, which has no more than an offset before each name.

    Raises:
        ValueError: it is too short for what it says.
        OSError: it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._file: FileIO = path.open("rb", buffering=0)
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
