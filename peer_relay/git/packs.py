"""Take packs of unverified objects into the private clone, write loose objects, and keep their number small.

1. All or nothing: every object of a pack is decoded before the first one is written.
2. Only blobs, trees and commits come in, and none of them is parsed: what is malformed is refused by name where it is
   read, and does not keep out the good commits that came with it.
3. The memory needed follows the largest object, not the pack.
4. Small packs become loose objects, because an open pack costs file descriptors for as long as the clone is open;
   `maintain` packs them together, a little each time (`packing`).
5. The caller holds the clone's lock, so a temporary file that is found here was left by a process that is gone.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import zlib
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from dulwich.file import adjust_shared_perm
from dulwich.object_format import DEFAULT_OBJECT_FORMAT
from dulwich.pack import (
    DeltaChainIterator,
    PackData,
    PackIndexer,
    UnpackedObject,
    extend_pack,
    write_pack_index,
)

from peer_relay.crash_points import CrashPoint, reached
from peer_relay.disk import reason_of, sync_folder, write_all
from peer_relay.errors import DamagedClone, MalformedPack, StateUnusable
from peer_relay.git.newpack import NEW_FILE, OBJECT_MODE, create, put_in_place, temporary_in
from peer_relay.git.packfile import DAMAGE, PackLimits, scan_pack
from peer_relay.git.packing import OUR_LOOSE_PREFIX, sweep, tend

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dulwich.file import SharedPerm
    from dulwich.object_store import DiskObjectStore
    from dulwich.objects import ObjectID, RawObjectID, ShaFile
    from dulwich.repo import Repo

__all__ = ["FIRST_FETCH", "PackLimits", "ingest", "maintain", "needs_refetch", "write_loose"]

# A record's file is at most 256 KiB; a little more lets the rule about records name the file instead.
FIRST_FETCH = PackLimits(max_objects=20_000, max_object_bytes=(256 << 10) + 4096, max_total_bytes=256 << 20)

_KINDS = {1: b"commit", 2: b"tree", 3: b"blob"}
_LOOSE_LIMIT = 500
_LOOSE_COMPRESSION = 1  # what git itself uses by default
_MAX_PACKS = 32


def ingest(repo: Repo, file: BinaryIO, *, remote: str, limits: PackLimits) -> int:
    """Take a pack into the clone.

    Args:
        repo: the private clone, under its lock.
        file: what `Transport.fetch` wrote, readable and seekable; it may be empty. Thin with respect to the clone.
        remote: where it came from, as errors name it.
        limits: the most that it may hold.

    Returns:
        The number of objects taken in; 0 for an empty file.

    Raises:
        TooLarge: it holds more than the limits allow.
        MalformedPack: it or one of its objects is damaged or not allowed. Nothing was written.
        DamagedClone: an object here that the pack builds on cannot be read.
        StateUnusable: the clone's folder cannot be written.
    """
    file.flush()
    if file.seek(0, 2) == 0:
        return 0
    count = scan_pack(file, limits, remote=remote)
    if count == 0:
        return 0
    try:
        file.seek(0)
        with closing(PackData.from_file(file, DEFAULT_OBJECT_FORMAT)) as data:
            for kind, _ in _unpack(repo.object_store, data):
                if kind not in _KINDS:
                    raise MalformedPack(remote=remote, reason="it holds something else than blobs, trees and commits")
            if count <= _LOOSE_LIMIT:
                objects = ((_KINDS[kind], content) for kind, content in _unpack(repo.object_store, data))
                _write_loose(repo.object_store, objects, durable=False)
        if count > _LOOSE_LIMIT:
            _add_pack(repo.object_store, file)
    except DAMAGE as error:
        raise MalformedPack(remote=remote, reason="an object cannot be decoded") from error
    except OSError as error:
        raise _unusable(repo, error) from error
    return count


def write_loose(store: DiskObjectStore, objects: Iterable[ShaFile], *, durable: bool = False) -> None:
    """Write objects as files of their own, replacing what is there under their names.

    Replacing heals a file that a crash left empty. dulwich's own writer takes a lock file per object instead, which
    after a kill blocks that very object for ever.

    Args:
        store: an object store on disk; its `core.sharedRepository` is honoured.
        objects: what to write, in this order.
        durable: return only after everything would survive a loss of power.

    Raises:
        OSError: the store cannot be written. Some of the objects may be there.
    """
    _write_loose(store, ((each.type_name, each.as_raw_string()) for each in objects), durable=durable)


def _write_loose(store: DiskObjectStore, objects: Iterable[tuple[bytes, bytes]], *, durable: bool) -> None:
    root = str(store.path)
    folders = {root}
    for kind, content in objects:
        data = b"%s %d\0" % (kind, len(content)) + content
        name = hashlib.sha1(data, usedforsecurity=False).hexdigest()
        folder = f"{root}/{name[:2]}"
        _replace(root, folder, name[2:], zlib.compress(data, _LOOSE_COMPRESSION), store.shared_perm, durable=durable)
        folders.add(folder)
    if durable:
        for folder in sorted(folders):
            with suppress(FileNotFoundError):  # git removes a folder once it has packed all that was in it
                sync_folder(folder)


def maintain(repo: Repo) -> None:
    """Remove what killed processes left behind, and pack a little if there is much.

    Raises:
        DamagedClone: a pack cannot be read.
        StateUnusable: the clone's folder cannot be written.
    """
    try:
        _sweep(repo.object_store)
        tend(repo.object_store, durable=False)
    except DAMAGE as error:
        raise DamagedClone(reason="a pack cannot be read") from error
    except OSError as error:
        raise _unusable(repo, error) from error


def needs_refetch(repo: Repo) -> bool:
    """Whether there are so many packs that a new clone is the cheapest way to get rid of them.

    It takes 32 fetches of more than 500 objects each: packs that were made here are merged, those that came are not.
    """
    with suppress(OSError):
        return sum(path.suffix == ".pack" for path in Path(repo.object_store.pack_dir).iterdir()) > _MAX_PACKS
    return False


class _Unpacker(DeltaChainIterator[tuple[int, bytes]]):
    """Gives the kind and the content of each object of a pack."""

    def _result(self, unpacked: UnpackedObject) -> tuple[int, bytes]:
        return unpacked.obj_type_num or 0, b"".join(unpacked.obj_chunks or ())


def _unpack(store: DiskObjectStore, data: PackData) -> Iterable[tuple[int, bytes]]:
    return _Unpacker.for_pack_data(data, resolve_ext_ref=_resolver(store))


def _resolver(store: DiskObjectStore) -> Callable[[RawObjectID | ObjectID], tuple[int, bytes | list[bytes]]]:
    """Return a look-up of delta bases that tells a damaged clone from a damaged pack."""

    def resolve(name: RawObjectID | ObjectID) -> tuple[int, bytes | list[bytes]]:
        try:
            return store.get_raw(name)
        except KeyError:
            raise
        except DAMAGE as error:
            raise DamagedClone(reason="an object cannot be read") from error

    return resolve


def _add_pack(store: DiskObjectStore, file: BinaryIO) -> None:
    """Put a pack in place, completed by the bases that it lacks.

    dulwich's own way of doing that parses each object.
    """
    with ExitStack() as leftovers:
        pack, index = (temporary_in(store, suffix, leftovers) for suffix in (".pack", ".idx"))
        checksum, entries = _complete(store, file, pack)
        with create(index) as index_file:
            write_pack_index(index_file, entries, checksum, version=2)
        put_in_place(store, {".pack": pack, ".idx": index}, f"pack-{checksum.hex()}", durable=False)


def _complete(store: DiskObjectStore, file: BinaryIO, path: Path) -> tuple[bytes, list[tuple[bytes, int, int | None]]]:
    """Copy a pack and append the bases that it lacks; return its checksum and the entries of its index."""
    with create(path) as pack:
        file.seek(0)
        shutil.copyfileobj(file, pack)
        pack.seek(0)
        # Closed before the file is written to, which Windows does not allow while it is mapped.
        with closing(PackData(path, file=pack, object_format=DEFAULT_OBJECT_FORMAT)) as data:
            indexer = PackIndexer.for_pack_data(data, resolve_ext_ref=_resolver(store))
            entries = list(indexer)
        missing = set(indexer.ext_refs())
        checksum, added = extend_pack(pack, missing, get_raw=store.get_raw, object_format=DEFAULT_OBJECT_FORMAT)
    return checksum, sorted([*entries, *added])


def _replace(root: str, folder: str, name: str, data: bytes, shared: SharedPerm | None, *, durable: bool) -> None:
    """Put one file into a folder, which is made if it is not there, over what was there."""
    temporary = f"{root}/{OUR_LOOSE_PREFIX}{os.urandom(8).hex()}"
    handle = os.open(temporary, NEW_FILE, OBJECT_MODE)
    try:
        try:
            write_all(handle, data)
            if durable:
                os.fsync(handle)
        finally:
            os.close(handle)
        adjust_shared_perm(temporary, shared)
        reached(CrashPoint.OBJECT_WRITTEN)
        path = f"{folder}/{name}"
        try:
            os.replace(temporary, path)
        except FileNotFoundError:  # also because git removes a folder once it has packed all that was in it
            _make_folder(folder, shared)
            os.replace(temporary, path)
    except BaseException as error:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        # Somebody's read-only file on Windows. The content under a name is always the same.
        if not (isinstance(error, PermissionError) and os.path.exists(f"{folder}/{name}")):
            raise


def _make_folder(folder: str, shared: SharedPerm | None) -> None:
    with suppress(FileExistsError):
        os.mkdir(folder)
        adjust_shared_perm(folder, shared)


def _sweep(store: DiskObjectStore) -> None:
    """Remove temporary files and locks of processes that were killed (5)."""
    folder = str(store.pack_dir)
    left = [f"{store.path}/{name}" for name in os.listdir(store.path) if name.startswith("tmp_")]
    with suppress(FileNotFoundError):
        names = os.listdir(folder)
        left += [f"{folder}/{name}" for name in names if name.startswith("tmp") or name.endswith(".lock")]
    for path in left:
        with suppress(FileNotFoundError):
            os.unlink(path)
    sweep(store, 0.0)


def _unusable(repo: Repo, error: OSError) -> StateUnusable | DamagedClone:
    if isinstance(error, (IsADirectoryError, NotADirectoryError)):
        return DamagedClone(reason="a folder stands where a file must be, or a file where a folder must be")
    return StateUnusable(path=repo.path, reason=reason_of(error))
