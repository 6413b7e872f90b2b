"""Read objects from a repository's own files, loose ones and packed ones, in bounded memory.

dulwich's store builds whatever a file says. This reader looks at sizes first, so it is also good for a repository to
which others write.

1. No object is built before its size is known from its header, and that of every base of a delta from theirs.
2. Nothing is hashed here: whether a content gives its name, the caller has to see to.
3. Somebody may pack the repository at any moment. What is in none of the known places is looked for once more.
"""

from __future__ import annotations

import zlib
from collections import OrderedDict
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from dulwich.pack import OFS_DELTA, REF_DELTA, apply_delta

from peer_relay.disk import without_waiting
from peer_relay.errors import MalformedPack, TooLarge
from peer_relay.git.packfile import result_size
from peer_relay.git.packindex import PackIndex

if TYPE_CHECKING:
    from collections.abc import Iterable

ID_BYTES = 20
# git itself builds no longer chains of deltas than 4,095.
_LONGEST_CHAIN = 4_096
_LONGEST_CHAIN_BYTES = 16 << 20
# Read at once, which is enough for nearly every object with its header, and then as often as it takes.
_FIRST_BYTES = 4 << 10
_MORE_BYTES = 64 << 10
_HEADER_BYTES = 64
_REMEMBERED_BYTES = 8 << 20
# The records of a full tip, of an ordinary length.
_KEPT_BYTES = 2 << 20
_KINDS = {b"commit": 1, b"tree": 2, b"blob": 3, b"tag": 4}
_LARGEST_SIZE_BITS = 60


class Entry(NamedTuple):
    """An object of a pack, or a difference to another one, as it stands there.

    Attributes:
        kind: the pack format's number: 1 commit, 2 tree, 3 blob, 4 tag, 6 and 7 deltas.
        content: what it inflates to: the object, or the delta.
        base: for a delta the offset of its base, else None.
        spelt: its bytes in the pack, header and compressed content.
    """

    kind: int
    content: bytes
    base: int | None
    spelt: bytes


class Objects:
    """The objects of one repository. To be closed.

    Args:
        folders: where they are: the repository's `objects`, and those of its alternates.
        remote: the repository, as errors name it.
        most: the largest object or delta that may be built, in bytes.
    """

    def __init__(self, folders: Iterable[str], remote: str, most: int) -> None:
        self._folders = [*folders]
        self._remote = remote
        self._most = most
        self._packs: list[_Pack] = []
        self._listed = False
        # What follows an object is mostly where that was, and to look in vain takes as long as to read.
        self._ways = self._read_loose, self._read_packed
        self._kept: dict[bytes, tuple[int, bytes]] = {}
        self._kept_bytes = 0

    def close(self) -> None:
        """Close the packs that were opened."""
        for pack in self._packs:
            pack.close()
        self._packs, self._listed = [], False

    def keep(self, name: bytes, kind: int, content: bytes) -> None:
        """Keep what was just put there for those who read it next, as far as it is little in all."""
        if self._kept_bytes + len(content) <= _KEPT_BYTES:
            self._kept_bytes += len(content)
            self._kept[name] = kind, content

    def read(self, name: bytes) -> tuple[int, bytes]:
        """Return an object's kind, as the pack format numbers it, and its content.

        Args:
            name: of 20 bytes.

        Raises:
            KeyError: it is not there.
            TooLarge: it, or something that it is built on, is larger than may be built.
            MalformedPack: it is built on too many others.
            Any of `packfile.DAMAGE`, OSError: it is damaged or cannot be read.
        """
        if (kept := self._kept.get(name)) is not None:
            return kept
        first, second = self._ways
        found = first(name)
        if found is None:
            found = second(name)
            self._ways = second, first
        if found is None and self._list_packs():
            found = self._read_packed(name)
        if found is None:
            raise KeyError(name.hex())
        return found

    def whole(self, name: bytes) -> Entry:
        """Return an object, with its bytes in a pack if it stands whole in one, and else without any.

        Raises:
            As `read` says.
        """
        found = self._place(name)
        if found is None:
            return Entry(*self.read(name), None, b"")
        pack, offset = found
        entry = pack.entry(offset)
        return entry if entry.base is None else Entry(*pack.read(offset, entry), None, b"")

    def contains(self, name: bytes) -> bool:
        """Return whether an object is there, whatever state it is in.

        Raises:
            Any of `packfile.DAMAGE`, OSError: an index cannot be read.
        """
        loose = f"{name[:1].hex()}/{name[1:].hex()}"
        return self.packs_contain(name) or any(Path(folder, loose).exists() for folder in self._folders)

    def packs_contain(self, name: bytes) -> bool:
        """Return whether an object is in a pack.

        Raises:
            Any of `packfile.DAMAGE`, OSError: an index cannot be read.
        """
        return self._place(name) is not None or (self._list_packs() and self._place(name) is not None)

    def _place(self, name: bytes) -> tuple[_Pack, int] | None:
        """Return the pack that holds an object, and where in it. The last one that was of use is asked first."""
        if not self._listed:
            self._list_packs()
        for number, pack in enumerate(self._packs):
            offset = pack.find(name)
            if offset is not None:
                if number:
                    self._packs.insert(0, self._packs.pop(number))
                return pack, offset
        return None

    def _list_packs(self) -> bool:
        """Open the packs that are not open yet, and return whether there are any."""
        known = {pack.path for pack in self._packs}
        before = len(known)
        for folder in self._folders:
            for path in sorted(Path(folder, "pack").glob("*.idx")):
                if path not in known:
                    with suppress(FileNotFoundError):
                        self._packs.append(_Pack(path, self._remote, self._most))
        self._listed = True
        return len(self._packs) > before

    def _read_packed(self, name: bytes) -> tuple[int, bytes] | None:
        found = self._place(name)
        return None if found is None else found[0].read(found[1])

    def _read_loose(self, name: bytes) -> tuple[int, bytes] | None:
        hexadecimal = name.hex()
        for folder in self._folders:
            with suppress(FileNotFoundError, NotADirectoryError):
                return self._unpack(f"{folder}/{hexadecimal[:2]}/{hexadecimal[2:]}")
        return None

    def _unpack(self, path: str) -> tuple[int, bytes]:
        with open(path, "rb", opener=without_waiting) as file:
            data = file.read(self._most + _MORE_BYTES)
        unpacker = zlib.decompressobj()
        header, _, content = unpacker.decompress(data, _HEADER_BYTES).partition(b"\0")
        kind, _, size = header.partition(b" ")
        check_size(max(int(size), len(data)), self._most, self._remote)
        if (left := int(size) + 1 - len(content)) > 0:  # 0 would be no limit
            content += unpacker.decompress(unpacker.unconsumed_tail, left)
        if len(content) != int(size) or not unpacker.eof:
            raise ValueError("a file of an object is cut, or longer than it says")
        return _KINDS[kind], content


class _Pack:
    """One pack with its index."""

    def __init__(self, index: Path, remote: str, most: int) -> None:
        self.path = index
        self._remote = remote
        self._most = most
        self._file = FileIO(index.with_suffix(".pack"), "rb", opener=without_waiting)
        try:
            self._index = PackIndex(index)
        except BaseException:
            self._file.close()
            raise
        self._built: OrderedDict[int, tuple[int, bytes]] = OrderedDict()
        self._built_bytes = 0

    def close(self) -> None:
        self._file.close()
        self._index.close()

    def find(self, name: bytes) -> int | None:
        """Return where an object begins, or None."""
        return self._index.find(name)

    def read(self, offset: int, entry: Entry | None = None) -> tuple[int, bytes]:
        """Return the kind and the content of the object at an offset, where `entry` is what stands there if given."""
        deltas: list[tuple[int, bytes]] = []
        held = 0
        while (built := self._built.get(offset)) is None:
            kind, content, base, _ = entry or self.entry(offset)
            entry = None
            if base is None:
                built = kind, content
                break
            check_size(result_size(content), self._most, self._remote)
            deltas.append((offset, content))
            held += len(content)
            if len(deltas) > _LONGEST_CHAIN or held > _LONGEST_CHAIN_BYTES:
                raise MalformedPack(remote=self._remote, reason="a delta has too many bases")
            offset = base
        if deltas:
            self._remember(offset, built)
        for each, delta in reversed(deltas):
            built = built[0], b"".join(apply_delta(built[1], delta))
            self._remember(each, built)
        return built

    def entry(self, offset: int) -> Entry:
        """Return what stands at an offset."""
        self._file.seek(offset)
        head = self._file.read(_FIRST_BYTES)
        byte, position = head[0], 1
        kind, size, shift = byte >> 4 & 7, byte & 15, 4
        while byte & 0x80:
            byte = head[position]
            position += 1
            size |= (byte & 0x7F) << shift
            shift += 7
            if shift > _LARGEST_SIZE_BITS:
                raise ValueError("an object's size is not a number")
        check_size(size, self._most, self._remote)
        base = None
        if kind == OFS_DELTA:
            distance, position = _distance(head, position)
            if not 0 < distance < offset:
                raise ValueError("a delta's base does not come before it")
            base = offset - distance
        elif kind == REF_DELTA:
            base = self.find(head[position : position + ID_BYTES])
            if base is None:
                raise KeyError("a delta's base is not in its pack")
            position += ID_BYTES
        content, spelt = self._inflate(head, position, size)
        return Entry(kind, content, base, spelt)

    def _inflate(self, head: bytes, position: int, size: int) -> tuple[bytes, bytes]:
        """Return what a compressed stream holds, and the whole entry; more is read from where `head` ended."""
        unpacker = zlib.decompressobj()
        content = unpacker.decompress(head[position:], size + 1)
        while not unpacker.eof and len(content) <= size:
            more = self._file.read(_MORE_BYTES)
            if not more:
                raise ValueError("the pack is cut short")
            head += more
            content += unpacker.decompress(unpacker.unconsumed_tail + more, size + 1 - len(content))
        if len(content) != size or not unpacker.eof:
            raise ValueError("an object does not have the size that it declares")
        return content, head[: len(head) - len(unpacker.unused_data)]

    def _remember(self, offset: int, built: tuple[int, bytes]) -> None:
        """Remember what others may be built on, and forget what was remembered first."""
        if offset not in self._built:
            self._built[offset] = built
            self._built_bytes += len(built[1])
            while self._built_bytes > _REMEMBERED_BYTES:
                _, (_, content) = self._built.popitem(last=False)
                self._built_bytes -= len(content)


def check_size(size: int, most: int, remote: str) -> None:
    """Raise TooLarge if an object is larger than may be built."""
    if size > most:
        raise TooLarge(remote=remote, reason=f"an object of {size} bytes")


def _distance(head: bytes, position: int) -> tuple[int, int]:
    """Return how far before a delta its base begins, and where the number ends."""
    byte = head[position]
    distance = byte & 0x7F
    while byte & 0x80 and distance < 1 << _LARGEST_SIZE_BITS:
        position += 1
        byte = head[position]
        distance = (distance + 1) << 7 | byte & 0x7F
    return distance, position + 1
