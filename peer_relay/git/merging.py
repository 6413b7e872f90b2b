"""Merge the packs that were made here, so that their number stays small, by copying what stands in them.

1. A pack goes only when all that it held is in another one that is whole and in place. So a kill at any point loses
   nothing, and nothing goes wrong if several programs do the same at once.
2. None is touched that somebody put another file beside, as git does to keep one (`.keep`), or that an index across
   packs names (git's `multi-pack-index`).
3. A merge is bounded (`MERGE_OBJECTS`, `MERGE_BYTES`), and so is what it unpacks, whoever made the packs. So the number
   of packs grows with the logarithm of the number of objects up to there, and after that by at most one for each half
   of it.
"""

from __future__ import annotations

import os
import zlib
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from dulwich.midx import load_midx
from dulwich.object_format import DEFAULT_OBJECT_FORMAT
from dulwich.pack import REF_DELTA, load_pack_index

from peer_relay.git.deltas import tree_deltas
from peer_relay.git.newpack import OUR_PACK, Packed, packed, write_pack
from peer_relay.git.packfile import DAMAGE, HASH_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from collections.abc import Set as AbstractSet

    from dulwich.object_store import DiskObjectStore

MERGED = 4
"""How many packs of about one size become one."""
MERGE_OBJECTS = 8_192
MERGE_BYTES = 16 << 20
"""The largest pack that packs are merged into, of objects as they stand in it."""

_SMALLEST_LEVEL = 128
_TREE = 2
_OUR_KINDS = (1, _TREE, 3, 4, REF_DELTA)
# A tree that takes so much in a pack is worth a look when it comes together with other states of its folder.
_LARGE_TREE = 1 << 10
# More than any tree of a room has, unpacked.
_LARGEST_TREE = 512 << 10
# Of an index of version 2: its header, its table of first bytes and its two checksums, and one object.
_INDEX_BYTES, _INDEX_ENTRY_BYTES = 8 + 1024 + 40, 28


class Pack(NamedTuple):
    """A pack that was made here, its path without an ending; ordered by the number of its objects."""

    objects: int
    bytes: int
    stem: Path

    @property
    def level(self) -> int:
        """How large it is; packs of one level are merged."""
        level, most = 0, _SMALLEST_LEVEL * MERGED
        while self.objects >= most:
            level, most = level + 1, most * MERGED
        return level


def mergeable(store: DiskObjectStore) -> Sequence[Pack]:
    """Return some packs of about one size, the smallest first, if there are enough of them (2)."""
    folder = Path(store.pack_dir)
    try:
        names = set(os.listdir(folder))  # noqa: PTH208 - as quick as it gets, after every push
    except FileNotFoundError:
        return ()
    levels: dict[int, list[Pack]] = {}
    for pack in sorted(_ours(folder, names)):
        levels.setdefault(pack.level, []).append(pack)
    full = (found for level, found in sorted(levels.items()) if len(found) >= MERGED)
    chosen = next((chosen for found in full if len(chosen := _fitting(found)) > 1), ())
    return chosen if os.access(folder, os.W_OK) else ()


def _ours(folder: Path, names: AbstractSet[str]) -> Iterator[Pack]:
    if "multi-pack-index.d" in names:
        return
    named = _named_across(folder) if "multi-pack-index" in names else set()
    endings: dict[str, set[str]] = {}
    for name in names:
        stem, _, ending = name.partition(".")
        endings.setdefault(stem, set()).add(ending)
    for stem, found in endings.items():
        if stem not in named and found == {"pack", "idx"} and OUR_PACK.fullmatch(stem):
            with suppress(FileNotFoundError):
                objects = ((folder / f"{stem}.idx").stat().st_size - _INDEX_BYTES) // _INDEX_ENTRY_BYTES
                yield Pack(objects, (folder / f"{stem}.pack").stat().st_size, folder / stem)


def _named_across(folder: Path) -> set[str]:
    with suppress(FileNotFoundError), closing(load_midx(folder / "multi-pack-index")) as index:
        return {name.partition(".")[0] for name in index.pack_names}
    return set()


def _fitting(packs: Iterable[Pack]) -> Sequence[Pack]:
    """Return the first packs of some, as many as one merged pack may hold."""
    chosen: list[Pack] = []
    objects = size = 0
    for pack in packs:
        objects, size = objects + pack.objects, size + pack.bytes
        if objects > MERGE_OBJECTS or size > MERGE_BYTES:
            break
        chosen.append(pack)
    return chosen


def merge(store: DiskObjectStore, packs: Iterable[Pack], *, durable: bool) -> bool:
    """Make one pack of several, and remove them (1); return whether that was done.

    One that is damaged, or that somebody else merged in the meantime, is left out.
    """
    entries: dict[bytes, Packed] = {}
    copied: list[Path] = []
    for pack in packs:
        with suppress(*DAMAGE, FileNotFoundError):
            # An object that is in two packs is taken from the first of them. No circle of differences can arise: what
            # is taken from a pack builds on what is taken from this pack or from those before it.
            for entry in list(_entries(pack)):
                entries.setdefault(entry.name, entry)
            copied.append(pack.stem)
    if len(copied) < 2:
        return False
    made = write_pack(store, _with_smaller_trees(list(entries.values())), durable=durable)
    for stem in copied:
        if stem.name != made:
            for ending in (".idx", ".pack"):  # in this order, because a reader looks for a pack where its index is
                stem.with_suffix(ending).unlink(missing_ok=True)
    return True


def _entries(pack: Pack) -> Iterator[Packed]:
    """Give what a pack holds, as it stands in it.

    Raises:
        Any of `packfile.DAMAGE`: it is damaged, or not as packs are that were made here.
    """
    with closing(load_pack_index(pack.stem.with_suffix(".idx"), DEFAULT_OBJECT_FORMAT)) as index:
        rows = sorted((offset, bytes(name), checksum) for name, offset, checksum in index.iterentries())
    data = pack.stem.with_suffix(".pack").read_bytes()
    ends = [*(offset for offset, _, _ in rows[1:]), len(data) - HASH_BYTES]
    for (offset, name, checksum), end in zip(rows, ends, strict=True):
        entry = data[offset:end]
        if zlib.crc32(entry) != checksum or _kind(entry) not in _OUR_KINDS:
            raise ValueError("an object of a pack is damaged, or of a kind that is not written here")
        yield Packed(name, entry)


def _with_smaller_trees(entries: Sequence[Packed]) -> list[Packed]:
    """Store trees as differences that are whole, and large, because each pack began with one of its own."""
    contents: dict[bytes, bytes] = {}
    size = 0
    for each in entries:
        if size >= MERGE_BYTES:
            break
        if _kind(each.data) == _TREE and len(each.data) > _LARGE_TREE:
            content = _unpacked(each.data)
            if content is not None:
                contents[each.name] = content
                size += len(content)
    deltas = tree_deltas(list(contents.items()))
    return [packed(each.name, _TREE, b"", deltas[each.name]) if each.name in deltas else each for each in entries]


def _kind(entry: bytes) -> int:
    return entry[0] >> 4 & 7


def _unpacked(entry: bytes) -> bytes | None:
    """Return the content of an object that stands whole in a pack, or None if it is damaged or too large for a tree."""
    position = next((place for place, byte in enumerate(entry) if not byte & 0x80), len(entry)) + 1
    unpacker = zlib.decompressobj()
    with suppress(zlib.error):
        content = unpacker.decompress(entry[position:], _LARGEST_TREE)
        if unpacker.eof:
            return content
    return None
