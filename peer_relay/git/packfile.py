"""Look at a pack that came from elsewhere before anything in it is believed, in bounded memory.

A pack of 1,259 bytes can ask for 750 MB, so sizes are read from the headers, where a decoder also takes them from, and
compared with the limits first.

1. No more than a few chunks of the pack and of one object are in memory at any time.
2. Every size is known before the object is built: that of a whole object from its header, that of a delta's result
   from the delta's own header, and the result cannot be larger than that.
3. A pack that passes has an intact checksum, exactly as many objects as it says, nothing behind them, and no delta
   whose base offset is not the beginning of an earlier object. Whether named bases exist shows when it is taken in.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from array import array
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

from dulwich.errors import ApplyDeltaError, ChecksumMismatch, FileFormatException, ObjectMissing, WrongObjectException
from dulwich.object_store import MaxTreeDepthExceeded
from dulwich.pack import PackFileDisappeared, UnresolvedDeltas

from peer_relay.errors import MalformedPack, TooLarge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from peer_relay.git.limits import PackLimits

    Keep = Callable[[bytes, int, bytes], None]

# What decoding untrusted objects raises besides operating system errors. The built-in ones are part of it: a truncated
# tree is an IndexError, a strange time in a commit a ValueError or OverflowError.
DAMAGE: tuple[type[Exception], ...] = (
    ApplyDeltaError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    ChecksumMismatch,
    EOFError,
    FileFormatException,
    LookupError,
    MaxTreeDepthExceeded,
    ObjectMissing,
    PackFileDisappeared,
    TypeError,
    UnresolvedDeltas,
    ValueError,
    WrongObjectException,
    struct.error,
    zlib.error,
)

HASH_BYTES = 20
_HEADER_BYTES = 12
_CHUNK_BYTES = 16 << 10
# Enough for the two sizes at the beginning of a delta, of ten bytes each at most.
_HEAD_BYTES = 20
# More than an entry's two numbers, or its size and the name of its base.
_LONGEST_HEADER = 32
_WORDS = {1: b"commit", 2: b"tree", 3: b"blob", 4: b"tag"}
# By how much what cannot be compressed grows, of a small object.
_OVERHEAD_BYTES = 64
_OFFSET_DELTA = 6
_NAMED_DELTA = 7


@dataclass(frozen=True, slots=True)
class Entry:
    """The header of one object of a pack.

    Attributes:
        offset: where the entry begins.
        kind: the pack format's number: 1 commit, 2 tree, 3 blob, 4 tag, 6 and 7 deltas.
        size: the number of bytes that inflating gives: the object, or the delta.
        base: for a delta the base's offset (kind 6) or 20-byte name (kind 7), else None.
    """

    offset: int
    kind: int
    size: int
    base: int | bytes | None


@dataclass(frozen=True, slots=True)
class Seen:
    """What a pack holds, in the order in which it stands there; a whole history, so it is kept small.

    Attributes:
        offsets: where each entry begins.
        kinds: the number of each one's kind, as `Entry.kind` gives it.
        names: 20 bytes for each: the name of an object, and nothing but zeros for a delta.
        deltas: the base of each delta, as `Entry.base` gives it, by where the delta begins.
    """

    offsets: array[int] = field(default_factory=lambda: array("Q"))
    kinds: bytearray = field(default_factory=bytearray)
    names: bytearray = field(default_factory=bytearray)
    deltas: dict[int, int | bytes] = field(default_factory=dict)

    def whole(self) -> Iterator[tuple[int, int, bytes]]:
        """Yield where each object that is no delta begins, its kind and its name."""
        for place, (offset, kind) in enumerate(zip(self.offsets, self.kinds, strict=True)):
            if kind in _WORDS:
                yield offset, kind, self.name(place)

    def name(self, place: int) -> bytes:
        """Return the name of the object that is the `place`-th of the pack, from 0."""
        return bytes(self.names[place * HASH_BYTES : (place + 1) * HASH_BYTES])


class PackReader:
    """Reads entries of a pack one after the other.

    Args:
        file: the pack, readable and seekable.
        end: the offset behind the last entry, which is where the checksum begins.
        remote: where the pack came from, as errors name it.
    """

    def __init__(self, file: BinaryIO, end: int, remote: str) -> None:
        self._file = file
        self._end = end
        self._remote = remote
        self.seek(_HEADER_BYTES)

    def seek(self, offset: int) -> None:
        """Go to the beginning of an entry."""
        self._file.seek(offset)
        self._buffer = b""
        self._position = 0
        self._read_to = offset

    @property
    def offset(self) -> int:
        """Where the next byte comes from."""
        return self._read_to - len(self._buffer) + self._position

    def entry(self) -> Entry:
        """Read the next entry's header.

        Raises:
            MalformedPack: it is cut short, or of no known kind, or its base does not come before it.
        """
        offset = self.offset
        self._have(_LONGEST_HEADER)
        byte = self._byte()
        kind, size, shift = byte >> 4 & 7, byte & 15, 4
        while byte & 0x80:
            byte = self._byte()
            size |= (byte & 0x7F) << shift
            shift += 7
            if shift > 60:
                raise self._damaged("an object's size is not a number")
        if kind == _OFFSET_DELTA:
            return Entry(offset, kind, size, self._base_offset(offset))
        if kind == _NAMED_DELTA:
            return Entry(offset, kind, size, self._bytes(HASH_BYTES))
        if kind not in _WORDS:
            raise self._damaged("an object is of no known kind")
        return Entry(offset, kind, size, None)

    def built(self, entry: Entry) -> tuple[int, bytes, bytes | None]:
        """Read on from behind an entry's header, and return what can be said of the object that it builds.

        Args:
            entry: what `entry` just returned.

        Returns:
            Its size in bytes; its 20-byte name, which is not known of a delta and then all zeros; and its content if it
            is a short object and no delta.

        Raises:
            MalformedPack: the entry does not inflate to the size in its header.
        """
        head, length, piece = b"", 0, b""
        kind = _WORDS.get(entry.kind, b"")
        digest = hashlib.sha1(b"%s %d\0" % (kind, entry.size), usedforsecurity=False)
        for piece in self._inflate(entry.size):
            if len(head) < _HEAD_BYTES:
                head += piece[: _HEAD_BYTES - len(head)]
            digest.update(piece)
            length += len(piece)
            if length > entry.size:
                break
        if length != entry.size:
            raise self._damaged("an object does not have the size that it declares")
        if entry.base is not None:
            try:
                return result_size(head), bytes(HASH_BYTES), None
            except ValueError as error:
                raise self._damaged("a delta does not say the size of its result") from error
        return entry.size, digest.digest(), piece if len(piece) == length else None

    def content(self, entry: Entry) -> bytes:
        """Read on from behind an entry's header, and return what it inflates to; for one that `built` has seen."""
        return b"".join(self._inflate(entry.size))

    def _inflate(self, size: int) -> Iterator[bytes]:
        """Give the inflated bytes in small pieces, and leave the position behind the compressed ones.

        Args:
            size: how many there should be, which tells how much to offer at once: it is copied.
        """
        inflater, offered = zlib.decompressobj(), size + _OVERHEAD_BYTES
        while True:
            taken = self._buffer[self._position : self._position + offered]
            try:
                piece = inflater.decompress(taken, _CHUNK_BYTES)
            except zlib.error as error:
                raise self._damaged("an object cannot be inflated") from error
            # What is left over is in one of the two, and at the end of the stream sometimes in both.
            self._position += len(taken) - max(len(inflater.unconsumed_tail), len(inflater.unused_data))
            if piece:
                yield piece
            if inflater.eof:
                return
            if not piece and self._position == len(self._buffer):
                self._fill()

    def _base_offset(self, offset: int) -> int:
        byte = self._byte()
        distance = byte & 0x7F
        while byte & 0x80 and distance < offset:
            byte = self._byte()
            distance = (distance + 1) << 7 | byte & 0x7F
        if not 0 < distance <= offset - _HEADER_BYTES:
            raise self._damaged("a delta's base does not come before it")
        return offset - distance

    def _have(self, count: int) -> None:
        """See to it that so many bytes of what comes next are in the buffer, or all that there are."""
        if len(self._buffer) - self._position < count and self._read_to < self._end:
            left = self._buffer[self._position :]
            self._fill()
            self._buffer = left + self._buffer

    def _byte(self) -> int:
        if self._position == len(self._buffer):
            raise self._damaged("the pack is cut short")
        self._position += 1
        return self._buffer[self._position - 1]

    def _bytes(self, count: int) -> bytes:
        """Return the next bytes, which `_have` has made sure of."""
        found = self._buffer[self._position : self._position + count]
        if len(found) < count:
            raise self._damaged("the pack is cut short")
        self._position += count
        return found

    def _fill(self) -> None:
        self._buffer = self._file.read(min(_CHUNK_BYTES, self._end - self._read_to))
        if not self._buffer:
            raise self._damaged("the pack is cut short")
        self._position = 0
        self._read_to += len(self._buffer)

    def _damaged(self, reason: str) -> MalformedPack:
        return MalformedPack(remote=self._remote, reason=reason)


def scan_pack(file: BinaryIO, limits: PackLimits, *, remote: str, keep: Keep = lambda *_: None) -> Seen:
    """Check a pack's form and its objects' sizes without building any of them.

    Args:
        file: the pack from its first byte to its last, readable and seekable.
        limits: the most that it may hold.
        remote: where it came from, as errors name it.
        keep: gets the 20-byte name, the kind as the pack format numbers it and the content of each short object that
            stands whole in it.

    Returns:
        What it holds.

    Raises:
        TooLarge: it holds more than the limits allow.
        MalformedPack: it is damaged.
    """
    end = file.seek(0, 2) - HASH_BYTES
    count = _read_count(file, end, remote)
    if count > limits.max_objects:
        raise TooLarge(remote=remote, reason=f"{count} objects, and {limits.max_objects} are allowed")
    _check_checksum(file, end, remote)
    reader, seen, total, most = PackReader(file, end, remote), Seen(), 0, limits.total_of(end)
    for _ in range(count):
        entry = reader.entry()
        if isinstance(entry.base, int) and not _contains(seen.offsets, entry.base):
            raise MalformedPack(remote=remote, reason="a delta's base is not an object")
        _check_size(entry.size, limits, remote)
        size, name, content = reader.built(entry)
        seen.offsets.append(entry.offset)
        seen.kinds.append(entry.kind)
        seen.names.extend(name)
        if entry.base is not None:
            seen.deltas[entry.offset] = entry.base
        _check_size(size, limits, remote)
        if content is not None:
            keep(name, entry.kind, content)
        total += max(size, entry.size)
        if total > most:
            raise TooLarge(remote=remote, reason=f"more than {most} bytes in all")
    if reader.offset != end:
        raise MalformedPack(remote=remote, reason="there is something behind its last object")
    return seen


def result_size(delta: bytes) -> int:
    """Return the size of the object that a delta builds, by its first bytes.

    Raises:
        ValueError: they do not say it.
    """
    sizes, size, shift = [], 0, 0
    for byte in delta[:_HEAD_BYTES]:
        size |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            sizes.append(size)
            size = shift = 0
            if len(sizes) == 2:
                return sizes[1]
    raise ValueError("a delta does not say the size of its result")


def _read_count(file: BinaryIO, end: int, remote: str) -> int:
    file.seek(0)
    header = file.read(_HEADER_BYTES)
    if end < _HEADER_BYTES or header[:4] != b"PACK":
        raise MalformedPack(remote=remote, reason="it is not a pack")
    version, count = struct.unpack(">LL", header[4:])
    if version != 2:
        raise MalformedPack(remote=remote, reason=f"its format is version {version}")
    return int(count)


def _check_checksum(file: BinaryIO, end: int, remote: str) -> None:
    file.seek(0)
    digest, left = hashlib.sha1(usedforsecurity=False), end
    while left and (chunk := file.read(min(_CHUNK_BYTES, left))):
        digest.update(chunk)
        left -= len(chunk)
    if file.read(HASH_BYTES) != digest.digest():
        raise MalformedPack(remote=remote, reason="its checksum does not fit")


def _check_size(size: int, limits: PackLimits, remote: str) -> None:
    if size > limits.max_object_bytes:
        reason = f"an object of {size} bytes, and {limits.max_object_bytes} are allowed"
        raise TooLarge(remote=remote, reason=reason)


def _contains(offsets: array[int], offset: int) -> bool:
    place = bisect_left(offsets, offset)
    return place < len(offsets) and offsets[place] == offset
