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
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from dulwich.file import adjust_shared_perm
from dulwich.object_format import DEFAULT_OBJECT_FORMAT
from dulwich.pack import (
    OFS_DELTA,
    REF_DELTA,
    DeltaChainIterator,
    PackData,
    UnpackedObject,
    UnresolvedDeltas,
    extend_pack,
    write_pack_index,
)

from peer_relay.crash_points import CrashPoint, reached
from peer_relay.disk import reason_of, sync_folder, write_all
from peer_relay.errors import DamagedClone, MalformedPack, StateUnusable
from peer_relay.git.limits import MAX_HELD_BYTES
from peer_relay.git.newpack import NEW_FILE, OBJECT_MODE, create, put_in_place, temporary_in
from peer_relay.git.packfile import DAMAGE, HASH_BYTES, PackReader, Seen, scan_pack
from peer_relay.git.packing import OUR_LOOSE_PREFIX, sweep, tend

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Self

    from dulwich.file import SharedPerm
    from dulwich.object_store import DiskObjectStore
    from dulwich.objects import ObjectID, RawObjectID, ShaFile
    from dulwich.repo import Repo

    from peer_relay.git.limits import PackLimits
    from peer_relay.git.packfile import Keep

_KINDS = {1: b"commit", 2: b"tree", 3: b"blob"}
_ACCEPTED = {*_KINDS, OFS_DELTA, REF_DELTA}
_LOOSE_LIMIT = 500
_LOOSE_COMPRESSION = 1  # what git itself uses by default
_MAX_PACKS = 32
_TIMES = 3


def ingest(
    repo: Repo, file: BinaryIO, *, remote: str, limits: PackLimits, keep: Keep = lambda *_: None, fresh: bool = True
) -> int:
    """Take a pack into the clone.

    Args:
        repo: the private clone, under its lock.
        file: what `Transport.fetch` wrote, readable and seekable; it may be empty. Thin with respect to the clone.
        remote: where it came from, as errors name it.
        limits: the most that it may hold.
        keep: gets the 20-byte name, the kind as the pack format numbers it and the content of each object but the
            longest, while it is looked at: before it is known whether the pack is taken in.
        fresh: whether all that is in the clone came since it was made, so that what the pack builds on and is not here
            was not sent. Otherwise it was lost.

    Returns:
        The number of objects taken in; 0 for an empty file.

    Raises:
        TooLarge: it holds more than the limits allow.
        MalformedPack: it or one of its objects is damaged or not allowed. Nothing was written.
        DamagedClone: an object that the pack builds on cannot be read, or is not here any more.
        StateUnusable: the clone's folder cannot be written.
    """
    file.flush()
    if file.seek(0, 2) == 0:
        return 0
    seen = scan_pack(file, limits, remote=remote, keep=keep)
    count = len(seen.offsets)
    if count == 0:
        return 0
    if not _ACCEPTED.issuperset(seen.kinds):
        raise MalformedPack(remote=remote, reason="it holds something else than blobs, trees and commits")
    try:
        file.seek(0)
        with closing(PackData.from_file(file, DEFAULT_OBJECT_FORMAT)) as data:
            resolved = _Resolved.of(repo.object_store, data, seen, remote)
            names = dict[int, bytes]()
            for each in resolved:
                if each.offset in seen.deltas:
                    names[each.offset] = each.name
                    keep(each.name, each.kind, each.content)
            if count <= _LOOSE_LIMIT:
                built = _Resolved.of(repo.object_store, data, seen, remote) if seen.deltas else ()
                objects = chain(_whole(file, seen, remote), ((_KINDS[each.kind], each.content) for each in built))
                _write_loose(repo.object_store, objects, durable=False)
        if count > _LOOSE_LIMIT:
            _add_pack(repo.object_store, file, seen, names, resolved.ext_refs())
    except DAMAGE as error:
        raise _fault(error, remote, fresh=fresh) from error
    except OSError as error:
        raise _unusable(repo, error) from error
    return count


def _fault(error: Exception, remote: str, *, fresh: bool) -> MalformedPack | DamagedClone:
    """Say whose fault it is that a pack cannot be taken in."""
    if isinstance(error, UnresolvedDeltas) and not fresh:
        return DamagedClone(reason="an object that others build on is not there")
    return MalformedPack(remote=remote, reason="an object cannot be decoded")


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


def _whole(file: BinaryIO, seen: Seen, remote: str) -> Iterator[tuple[bytes, bytes]]:
    """Give the kind and the content of each object of a pack that is not a delta."""
    reader = PackReader(file, file.seek(0, 2) - HASH_BYTES, remote)
    for offset, kind, _ in seen.whole():
        reader.seek(offset)
        yield _KINDS[kind], reader.content(reader.entry())


class _Built(NamedTuple):
    """An object that was built: where it begins, its 20-byte name, its kind and its content."""

    offset: int
    name: bytes
    kind: int
    content: bytes


class _Resolved(DeltaChainIterator[_Built]):
    """Builds the deltas of a pack, and gives them and what they are built on, as far as that is in the pack."""

    _remote = ""

    @classmethod
    def of(cls, store: DiskObjectStore, data: PackData, seen: Seen, remote: str) -> Self:
        """Prepare to build what a scan has seen."""
        found = cls(None, data.object_format.hash_func, resolve_ext_ref=_resolver(store))
        found._remote = remote
        found.set_pack_data(data)
        bases = set(seen.deltas.values())
        for offset, kind, name in seen.whole() if bases else ():
            if offset in bases or name in bases:
                found.record(UnpackedObject(kind, offset=offset))
        for offset, base in seen.deltas.items():
            if isinstance(base, int):
                found.record(UnpackedObject(OFS_DELTA, offset=offset, delta_base=offset - base))
            else:
                found.record(UnpackedObject(REF_DELTA, offset=offset, delta_base=base))
        return found

    def _follow_chain(
        self, offset: int, obj_type_num: int, base_chunks: bytes | list[bytes] | None
    ) -> Iterator[_Built]:
        """Give an object and what is built on it, the newest branch first.

        dulwich's own keeps what others are still to be built on without a bound: a pack of 1 MB made it take 4.7 GB.
        """
        waiting = [(base_chunks, 0, [offset])]
        held = 0
        while waiting:
            base, size, offsets = waiting[-1]
            unpacked = self._resolve_object(offsets.pop(), obj_type_num, base)
            if not offsets:
                waiting.pop()
                held -= size
            built = self._result(unpacked)
            yield built
            below = [*self._pending_ofs.pop(built.offset, ()), *self._pending_ref.pop(unpacked.sha(), ())]
            if below:
                waiting.append((unpacked.obj_chunks, len(built.content), below))
                held += len(built.content)
            if held > MAX_HELD_BYTES:
                raise MalformedPack(remote=self._remote, reason="too many of its objects are built on one another")

    def _result(self, unpacked: UnpackedObject) -> _Built:
        content = b"".join(unpacked.obj_chunks or ())
        return _Built(unpacked.offset or 0, unpacked.sha(), unpacked.obj_type_num or 0, content)


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


def _add_pack(
    store: DiskObjectStore, file: BinaryIO, seen: Seen, names: Mapping[int, bytes], missing: Iterable[RawObjectID]
) -> None:
    """Put a pack in place, completed by the bases that it lacks.

    dulwich's own way of doing that parses each object.
    """
    with ExitStack() as leftovers:
        pack, index = (temporary_in(store, suffix, leftovers) for suffix in (".pack", ".idx"))
        checksum, entries = _complete(store, file, pack, set(missing))
        ends = chain(islice(seen.offsets, 1, None), [file.seek(0, 2) - HASH_BYTES])
        file.seek(seen.offsets[0])
        for place, (offset, end) in enumerate(zip(seen.offsets, ends, strict=True)):
            entries.append((names.get(offset) or seen.name(place), offset, zlib.crc32(file.read(end - offset))))
        with create(index) as index_file:
            write_pack_index(index_file, sorted(entries), checksum, version=2)
        put_in_place(store, {".pack": pack, ".idx": index}, f"pack-{checksum.hex()}", durable=False)


def _complete(
    store: DiskObjectStore, file: BinaryIO, path: Path, missing: set[RawObjectID]
) -> tuple[bytes, list[tuple[bytes, int, int]]]:
    """Copy a pack and append the bases that it lacks; return its checksum, and the entries of what was appended."""
    with create(path) as pack:
        file.seek(0)
        shutil.copyfileobj(file, pack)
        if missing:
            checksum, added = extend_pack(pack, missing, get_raw=store.get_raw, object_format=DEFAULT_OBJECT_FORMAT)
            return checksum, [*added]
        pack.seek(-HASH_BYTES, os.SEEK_END)
        return pack.read(HASH_BYTES), []


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
        _put(temporary, folder, name, shared)
    except BaseException as error:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        # Somebody's read-only file on Windows. The content under a name is always the same.
        if not (isinstance(error, PermissionError) and os.path.exists(f"{folder}/{name}")):
            raise


def _put(temporary: str, folder: str, name: str, shared: SharedPerm | None) -> None:
    """Give a file its name in a folder, which git may remove at any time once it has packed all that was in it."""
    for _ in range(_TIMES):
        with suppress(FileNotFoundError):
            os.replace(temporary, f"{folder}/{name}")
            return
        _make_folder(folder, shared)
    os.replace(temporary, f"{folder}/{name}")


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
