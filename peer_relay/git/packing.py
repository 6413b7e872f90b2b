"""Keep the number of a repository's files in bounds: loose objects go into packs, and packs into larger ones.

One call of `tend` does one small act or none, and it is meant to be called after every push and fetch.

1. An object is never without a copy that can be read: its file goes only when the object is in a pack that is whole and
   in place. A kill at any point loses nothing, and nothing goes wrong if several programs do the same, or git's own
   collection runs, at the same time.
2. An act is bounded in objects and in bytes (`SLICE_OBJECTS`, `SLICE_BYTES`, and `merging` for the packs), and stops
   early on a slow disk.
3. What cannot be read, does not hash to its name, is large, or is in a folder that this user may not write to stays
   where it is. So do packs that were not made here.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
import zlib
from contextlib import ExitStack, closing, suppress
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from dulwich.object_format import DEFAULT_OBJECT_FORMAT
from dulwich.objects import ObjectID
from dulwich.pack import load_pack_index

from peer_relay.deadline import Deadline
from peer_relay.git.deltas import tree_deltas
from peer_relay.git.merging import merge, mergeable
from peer_relay.git.newpack import OUR_KEEP, OUR_PACK, OUR_TEMPORARY, packed, write_pack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dulwich.object_store import DiskObjectStore
    from dulwich.pack import PackIndex

OUR_LOOSE_PREFIX = "tmp_obj_"
"""How temporary files of objects begin, which git's own cleaning knows, too."""
CROWDED = 1_024
"""From how many loose objects on they are packed."""
SLICE_OBJECTS = 128
SLICE_BYTES = 2 << 20
"""The most that goes into one pack at a time, of objects as they are built."""

# Twice what a record's file may have, and more than the largest tree that a room can have.
_LARGEST_OBJECT = 512 << 10
_LISTED = 2_048
# After so long a slice ends, if it has as many objects as several records: each push has to take more than it brings.
_SLICE_S = 0.04
_LEAST_OBJECTS = 32
# Object names are evenly distributed, so a few of the 256 folders tell how full all of them are.
_SAMPLE = ("17", "4e", "a3", "d8")
_FOLDER = re.compile(r"[0-9a-f]{2}")
_REST_OF_NAME = re.compile(r"[0-9a-f]{38}")
_OUR_LOOSE = re.compile(rf"{OUR_LOOSE_PREFIX}[0-9a-f]{{16}}")
_KINDS = {b"commit": 1, b"tree": 2, b"blob": 3, b"tag": 4}
_TREE = _KINDS[b"tree"]


class _File(NamedTuple):
    """The file of a loose object; ordered by its age."""

    modified_ns: int
    path: Path

    @property
    def name(self) -> ObjectID:
        return ObjectID((self.path.parent.name + self.path.name).encode("ascii"))


class _Loose(NamedTuple):
    name: bytes
    kind: int
    content: bytes


def is_due(store: DiskObjectStore) -> bool:
    """Return whether `tend` would find something to do."""
    return bool(mergeable(store)) or is_crowded(store)


def tend(store: DiskObjectStore, *, durable: bool, settled_s: float | None = None) -> bool:
    """Merge some packs, or else pack some loose objects, if there are too many of either.

    Args:
        store: an object store on disk.
        durable: whether what is packed has to survive a loss of power.
        settled_s: how many seconds ago a loose object has to have been written. What is younger may belong to a push
            that is under way, and git's `repack -a -d` drops what no branch needs, but only from packs.

    Returns:
        Whether it found anything to do.

    Raises:
        OSError: the store cannot be read or written. Everything in it can still be read.
    """
    if merge(store, mergeable(store), durable=durable):
        return True
    before_s = inf if settled_s is None else _now_s(store) - settled_s
    return is_crowded(store) and _pack_slice(store, durable=durable, before_s=before_s)


def is_crowded(store: DiskObjectStore) -> bool:
    """Return whether there are many loose objects, as far as a sample shows."""
    found = 0
    for name in _SAMPLE:
        with suppress(FileNotFoundError):
            found += len(os.listdir(f"{store.path}/{name}"))
    return found * 256 > CROWDED * len(_SAMPLE)


def sweep(store: DiskObjectStore, older_than_s: float) -> None:
    """Remove what killed processes of ours left behind; nobody else's.

    Args:
        store: an object store on disk.
        older_than_s: the age at which a file is taken for left behind, in seconds.

    Raises:
        OSError: the store cannot be read or written.
    """
    folder = Path(store.pack_dir)
    left = [Path(store.path, name) for name in os.listdir(store.path) if _OUR_LOOSE.fullmatch(name)]
    left += [folder / name for name in os.listdir(folder) if OUR_TEMPORARY.fullmatch(name) or OUR_KEEP.fullmatch(name)]
    # Of a pack the index comes last and goes first, so a pack that has none is not one yet, or not one any more.
    left += [
        path
        for path in folder.glob("*.pack")
        if OUR_PACK.fullmatch(path.stem) and not path.with_suffix(".idx").exists()
    ]
    before_s = _now_s(store) - older_than_s
    for path in left:
        with suppress(FileNotFoundError):
            if path.stat().st_mtime <= before_s:
                path.unlink()


def _now_s(store: DiskObjectStore) -> float:
    """Return when something was last written, by the clock that the files have their times from.

    On a shared disk that is another one than this machine's.
    """
    return max(Path(folder).stat().st_mtime for folder in (store.path, store.pack_dir))


# ---------------------------------------------------------------------------------------------------------------------
# Loose objects


def _pack_slice(store: DiskObjectStore, *, durable: bool, before_s: float) -> bool:
    """Put the oldest loose objects into a pack, and remove their files (1); return whether there were any."""
    until = Deadline(_SLICE_S, time.monotonic)
    taken: list[_Loose] = []
    useless: list[Path] = []
    size = 0
    with ExitStack() as opened:
        indexes = [opened.enter_context(closing(each)) for each in _indexes(Path(store.pack_dir))]
        for file in _oldest(store, before_s):
            is_late = until.expired and len(useless) >= _LEAST_OBJECTS
            if len(useless) == SLICE_OBJECTS or size >= SLICE_BYTES or is_late:
                break
            if not any(_is_in(each, file.name) for each in indexes):
                if (found := _read(file)) is None:
                    continue
                taken.append(found)
                size += len(found.content)
            useless.append(file.path)
    if taken:
        deltas = tree_deltas([(each.name, each.content) for each in taken if each.kind == _TREE])
        write_pack(store, [packed(*each, deltas.get(each.name)) for each in taken], durable=durable)
    for path in useless:
        path.unlink(missing_ok=True)
    return bool(useless)


def _indexes(folder: Path) -> Iterator[PackIndex]:
    """Open the indexes of the packs that are in place; dulwich's store may name some that are gone by now."""
    for path in folder.glob("*.idx"):
        with suppress(FileNotFoundError):
            if path.with_suffix(".pack").exists():
                yield load_pack_index(path, DEFAULT_OBJECT_FORMAT)


def _is_in(index: PackIndex, name: ObjectID) -> bool:
    with suppress(KeyError):
        index.object_offset(name)
        return True
    return False


def _oldest(store: DiskObjectStore, before_s: float) -> list[_File]:
    """Return the files of loose objects, oldest first; not of all of them if there are thousands."""
    found: list[_File] = []
    for folder in sorted(Path(store.path).iterdir()):
        if len(found) >= _LISTED:
            break
        if _FOLDER.fullmatch(folder.name) and os.access(folder, os.W_OK):
            found += _settled(folder, before_s)
    return sorted(found)


def _settled(folder: Path, before_s: float) -> Iterator[_File]:
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                status = entry.stat(follow_symlinks=False)
                fits = status.st_size <= _LARGEST_OBJECT and status.st_mtime <= before_s
                if fits and _REST_OF_NAME.fullmatch(entry.name):
                    yield _File(status.st_mtime_ns, folder / entry.name)


def _read(file: _File) -> _Loose | None:
    """Return a loose object, or None if it is not what its name says or too large (3)."""
    try:
        data = zlib.decompressobj().decompress(file.path.read_bytes(), _LARGEST_OBJECT)
    except (OSError, zlib.error):
        return None
    header, _, content = data.partition(b"\0")
    kind = header.partition(b" ")[0]
    name = hashlib.sha1(data, usedforsecurity=False)
    if name.hexdigest().encode("ascii") != file.name or kind not in _KINDS or header != b"%s %d" % (kind, len(content)):
        return None
    return _Loose(name.digest(), _KINDS[kind], content)
