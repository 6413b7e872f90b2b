"""Write a new pack into a repository and put it in place.

1. A pack is whole before anybody can see it: a reader finds it by its index, and the index comes last.
2. Every difference names its base instead of saying how far away it is. So what stands in a pack of ours can be copied
   into another one in any order and in any choice, as long as the bases come along.
3. Packs made here have names that git and its relatives take for any pack's, and that end in `MARK`: what does not is
   somebody else's, and is never touched.
4. Two packs of the same name have the same content.
5. A pack that a push brings has a `.keep` file beside it until the branch points to it, as those of git have: `git
   repack -a -d` drops what no branch needs, but only from packs that nobody keeps.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import zlib
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from dulwich.file import adjust_shared_perm
from dulwich.object_format import DEFAULT_OBJECT_FORMAT
from dulwich.pack import REF_DELTA, pack_header_chunks, pack_object_header, write_pack_index

from peer_relay.crash_points import CrashPoint, reached
from peer_relay.disk import sync_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dulwich.object_store import DiskObjectStore

    from peer_relay.git.deltas import Delta

MARK = b"peer".hex()
OUR_PACK = re.compile(rf"pack-[0-9a-f]{{32}}{MARK}")
OUR_KEEP = re.compile(rf"{OUR_PACK.pattern}\.keep")
OUR_TEMPORARY = re.compile(r"tmp_pack_[0-9a-f]{16}\.(pack|idx)")

# Windows neither replaces nor removes a read-only file.
OBJECT_MODE = 0o666 if os.name == "nt" else 0o444
NEW_FILE = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


class Packed(NamedTuple):
    """An object as it stands in a pack: its 20-byte name, and header, name of its base and compressed bytes."""

    name: bytes
    data: bytes


def packed(name: bytes, kind: int, content: bytes, delta: Delta | None = None, level: int = -1) -> Packed:
    """Return how an object stands in a pack, whole or as a difference.

    Args:
        name: the object's, of 20 bytes.
        kind: the pack format's number of its type.
        content: the object's.
        delta: stands for the content if it is not None.
        level: how hard to compress, 1 to 9; -1 is zlib's own choice.
    """
    if delta is None:
        header = pack_object_header(kind, None, len(content), DEFAULT_OBJECT_FORMAT)
        return Packed(name, bytes(header) + zlib.compress(content, level))
    header = pack_object_header(REF_DELTA, delta.base, len(delta.instructions), DEFAULT_OBJECT_FORMAT)
    return Packed(name, bytes(header) + zlib.compress(delta.instructions, level))


def write_pack(store: DiskObjectStore, entries: Sequence[Packed], *, durable: bool) -> str:
    """Make a pack.

    Args:
        store: the object store to put it into; its `core.sharedRepository` is honoured.
        entries: what it holds, no object twice, and each difference with its base.
        durable: whether it would survive a loss of power on return.

    Returns:
        Its name, without an ending.

    Raises:
        OSError: the store cannot be written. Nothing is left behind.
    """
    spelt = _spell(entries)
    _write(store, spelt, durable=durable)
    return spelt.name


@contextmanager
def pushed_pack(store: DiskObjectStore, entries: Sequence[Packed]) -> Iterator[None]:
    """Make a durable pack that no repacking drops before the context ends (5).

    Args:
        store: as for `write_pack`.
        entries: the same.

    Raises:
        OSError: the store cannot be written. Nothing is left behind.
    """
    spelt = _spell(entries)
    keep = f"{store.pack_dir}/{spelt.name}.keep"
    os.close(os.open(keep, os.O_WRONLY | os.O_CREAT, 0o600))
    try:
        adjust_shared_perm(keep, store.shared_perm)
        _write(store, spelt, durable=True)
        yield
    finally:
        with suppress(OSError):
            os.unlink(keep)


class _Spelt(NamedTuple):
    """A pack: its bytes but for the checksum, that checksum, and the rows of its index."""

    body: bytes
    checksum: bytes
    rows: list[tuple[bytes, int, int | None]]

    @property
    def name(self) -> str:
        return f"pack-{self.checksum.hex()[: -len(MARK)]}{MARK}"


def _spell(entries: Sequence[Packed]) -> _Spelt:
    header = b"".join(pack_header_chunks(len(entries)))
    position, rows = len(header), list[tuple[bytes, int, int | None]]()
    for each in entries:
        rows.append((each.name, position, zlib.crc32(each.data)))
        position += len(each.data)
    body = b"".join([header, *(each.data for each in entries)])
    return _Spelt(body, hashlib.sha1(body, usedforsecurity=False).digest(), sorted(rows))


def _write(store: DiskObjectStore, spelt: _Spelt, *, durable: bool) -> None:
    with ExitStack() as leftovers:
        pack, index = (temporary_in(store, suffix, leftovers) for suffix in (".pack", ".idx"))
        with create(pack) as file:
            file.write(spelt.body + spelt.checksum)
        reached(CrashPoint.OBJECT_WRITTEN)
        with create(index) as file:
            write_pack_index(file, spelt.rows, spelt.checksum, version=2)
        put_in_place(store, {".pack": pack, ".idx": index}, spelt.name, durable=durable)


def temporary_in(store: DiskObjectStore, suffix: str, leftovers: ExitStack) -> Path:
    """Return the path of a new file beside the packs, which is removed in the end if it is still there."""
    path = Path(store.pack_dir, f"tmp_pack_{secrets.token_hex(8)}{suffix}")
    leftovers.callback(path.unlink, missing_ok=True)
    return path


def create(path: Path) -> BinaryIO:
    """Open a new file for writing and reading, which nobody may write to once it is closed."""
    return os.fdopen(os.open(path, NEW_FILE, OBJECT_MODE), "w+b")


def put_in_place(store: DiskObjectStore, files: Mapping[str, Path], name: str, *, durable: bool) -> None:
    """Give a finished pack its name.

    Args:
        store: where it belongs to.
        files: the temporary files by ending, the index last (1).
        name: its name, without an ending.
        durable: whether it would survive a loss of power on return.

    Raises:
        OSError: the store cannot be written.
    """
    for path in files.values():
        adjust_shared_perm(path, store.shared_perm)
        if durable:
            _sync(path)
    for suffix, path in files.items():
        path.replace(Path(store.pack_dir, name + suffix))
    if durable:
        sync_folder(Path(store.pack_dir))


def _sync(path: Path) -> None:
    # Windows flushes only what may be written.
    handle = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
