"""Find out which objects of a repository a clone lacks, and write them as one pack.

This is what `git upload-pack` does for a remote, for a repository whose files are at hand. The repository may be
written to by anybody who shares it, so it is not trusted to be small or well formed.

1. Commits are followed through all parents: an honest room is one line, a hostile branch need not be.
2. No object is built before its size is known from its header, and that of every base of a delta from theirs.
3. The memory needed follows the number of new objects, and that is bounded by the largest acceptable pack.
"""

from __future__ import annotations

import stat
import zlib
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from dulwich.object_format import DEFAULT_OBJECT_FORMAT
from dulwich.object_store import DiskObjectStore
from dulwich.objects import Commit, ObjectID, RawObjectID, ShaFile, Tree
from dulwich.pack import PackChunkGenerator, PackFileDisappeared, full_unpacked_object

from peer_relay import disk
from peer_relay.errors import MalformedPack, TooLarge
from peer_relay.git.packfile import HASH_BYTES, PackReader
from peer_relay.git.walk import commits_since, commits_to_depth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Self

    from dulwich.pack import Pack
    from dulwich.repo import Repo

    from peer_relay.git.transport import FetchRequest

# Four times what a record's file may have: enough for every honest object, little enough to build at once.
MAX_OBJECT_BYTES = 1 << 20
# Somebody may pack the repository at any moment: then what was in one file is in another one.
_MOVED_TIMES = 3
# One byte of header and the shortest zlib stream.
_SMALLEST_ENTRY_BYTES = 9
# git itself builds no longer chains of deltas than 4,095.
_LONGEST_CHAIN = 4_096
_LOOSE_PEEK_BYTES = 256
# More than the folders on the way to a file, of a commit and of the one before it.
_REMEMBERED = 8
# The pack goes no further than to this machine's own disk.
_COMPRESSION = 1


class Collector:
    """The objects that one fetch sends; a context manager that closes what it opened.

    Args:
        repo: the repository to read, opened for this fetch.
        remote: its address, as errors name it.
        tick: called before each object is read; it raises when the time is over.
    """

    def __init__(self, repo: Repo, remote: str, tick: Callable[[], None]) -> None:
        self._store = repo.object_store
        self._boundary = repo.get_shallow()
        self._remote = remote
        self._tick = tick
        self._sizes = _Sizes(repo.object_store, remote)
        self._most = 0
        self._seen: set[bytes] = set()
        self._names: list[ObjectID] = []
        # In a line each commit is looked at twice in a row: for itself, and as the base of the one after it.
        self._commit = lru_cache(_REMEMBERED)(self._read_commit)
        self._entries = lru_cache(_REMEMBERED)(self._read_entries)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._sizes.close()

    def collect(self, tip: ObjectID, request: FetchRequest) -> frozenset[bytes]:
        """Decide what to send for a branch at `tip`.

        Returns:
            The commits that are sent although their parents are neither sent nor known.

        Raises:
            TooLarge: it cannot fit into the largest acceptable pack.
            Any of `packfile.DAMAGE`, OSError: an object is missing or damaged.
        """
        self._most = request.max_bytes // _SMALLEST_ENTRY_BYTES
        known: set[ObjectID] = set()
        if request.have is not None and (have := ObjectID(request.have)) in self._store:
            new, known = commits_since(tip, have, self._parents, request.shallow)
        else:
            new = commits_to_depth(tip, request.depth, self._parents)
        there, boundary = known.union(new), set[bytes]()
        complete = set(known)
        # Oldest first: a folder that comes back as it once was is skipped, and then all that is in it must be sent.
        for name in reversed(new):
            commit = self._commit(name)
            self._add(name)
            if not there.issuperset(commit.parents):
                boundary.add(name)
            base = commit.parents[0] if commit.parents and commit.parents[0] in complete else None
            self._add_tree(commit.tree, self._commit(base).tree if base else None)
            complete.add(name)
        return frozenset(boundary)

    @property
    def names(self) -> Sequence[ObjectID]:
        """What is to be sent."""
        return self._names

    def write(self, sink: BinaryIO, max_bytes: int) -> None:
        """Write the pack, or nothing if there is nothing to send.

        Raises:
            TooLarge: the pack grows past `max_bytes`.
            StateUnusable: the sink cannot be written.
        """
        if not self._names:
            return
        records = (full_unpacked_object(self._object(name)) for name in self._names)
        length = 0
        for chunk in PackChunkGenerator(
            num_records=len(self._names),
            records=records,
            compression_level=_COMPRESSION,
            object_format=DEFAULT_OBJECT_FORMAT,
        ):
            length += len(chunk)
            if length > max_bytes:
                raise TooLarge(remote=self._remote, reason=f"a pack of more than {max_bytes} bytes")
            _write(sink, chunk)

    # -----------------------------------------------------------------------------------------------------------------
    # Commits

    def _parents(self, name: ObjectID) -> list[ObjectID]:
        return [] if name in self._boundary else self._commit(name).parents

    # -----------------------------------------------------------------------------------------------------------------
    # Objects

    def _add(self, name: ObjectID) -> None:
        self._seen.add(name)
        self._names.append(name)
        if len(self._names) > self._most:
            raise TooLarge(remote=self._remote, reason=f"{len(self._names)} objects or more")

    def _add_tree(self, name: ObjectID, base: ObjectID | None) -> None:
        """Add a tree and all in it that neither was added before nor is at the same place of the base."""
        pending = [(name, base)]
        while pending:
            tree, old = pending.pop()
            if tree == old or tree in self._seen:
                continue
            self._add(tree)
            there = self._entries(old) if old is not None else {}
            for path, (is_folder, each) in self._entries(tree).items():
                was_folder, before = there.get(path, (False, None))
                if is_folder:
                    pending.append((each, before if was_folder else None))
                elif each != before and each not in self._seen:
                    self._add(each)

    def _read_entries(self, name: ObjectID) -> dict[bytes, tuple[bool, ObjectID]]:
        """Return what a tree names in this repository: by path, whether it is a folder, and the object's name."""
        tree = self._object(name)
        if not isinstance(tree, Tree):
            raise MalformedPack(remote=self._remote, reason="an object stands where a folder has to be")
        return {
            entry.path: (stat.S_ISDIR(entry.mode), entry.sha)
            for entry in tree.items()
            if stat.S_IFMT(entry.mode) != 0o160000  # a commit of another repository
        }

    def _read_commit(self, name: ObjectID) -> Commit:
        commit = self._object(name)
        if not isinstance(commit, Commit):
            raise MalformedPack(remote=self._remote, reason="an object stands where a commit has to be")
        return commit

    def _object(self, name: ObjectID) -> ShaFile:
        self._tick()
        for _ in range(_MOVED_TIMES):
            with suppress(KeyError, PackFileDisappeared, FileNotFoundError):
                return self._built(name)
        return self._built(name)

    def _built(self, name: ObjectID) -> ShaFile:
        self._sizes.check(name)
        return self._store[name]


class _Sizes:
    """Knows how much memory an object of a store needs, before it is built."""

    def __init__(self, store: DiskObjectStore, remote: str) -> None:
        self._stores = [store, *(each for each in store.alternates if isinstance(each, DiskObjectStore))]
        self._remote = remote
        self._readers: dict[str, tuple[BinaryIO, PackReader]] = {}
        self._largest: dict[tuple[str, int], int] = {}

    def close(self) -> None:
        """Close the packs that were opened."""
        for file, _ in self._readers.values():
            file.close()

    def check(self, name: ObjectID) -> None:
        """Raise TooLarge if the object is too large to build; one that is not there is left to who reads it."""
        for size in self._all_sizes(name):
            if size > MAX_OBJECT_BYTES:
                raise TooLarge(remote=self._remote, reason=f"an object of {size} bytes")

    def _all_sizes(self, name: ObjectID) -> Iterator[int]:
        """Give the size of every copy, because it does not show which of them will be read."""
        for store in self._stores:
            yield from _loose_size(Path(store.path, name[:2].decode("ascii"), name[2:].decode("ascii")))
            for pack in store.packs:
                if name in pack:
                    yield self._packed_size(pack, pack.index.object_offset(name))

    def _packed_size(self, pack: Pack, offset: int) -> int:
        """Return the size of the largest object or delta that has to be built for the one at an offset."""
        path, largest = str(pack.data.path), 0
        chain: list[tuple[tuple[str, int], int]] = []
        while (path, offset) not in self._largest:
            reader = self._reader(path)
            reader.seek(offset)
            entry = reader.entry()
            chain.append(((path, offset), max(entry.size, reader.built_size(entry, skip_rest=True))))
            if entry.base is None:
                break
            if len(chain) > _LONGEST_CHAIN:
                raise MalformedPack(remote=self._remote, reason="a delta has too many bases")
            offset = entry.base if isinstance(entry.base, int) else pack.index.object_offset(RawObjectID(entry.base))
        else:
            largest = self._largest[path, offset]
        for key, size in reversed(chain):
            self._largest[key] = largest = max(largest, size)
        return largest

    def _reader(self, path: str) -> PackReader:
        if path not in self._readers:
            file = Path(path).open("rb")  # noqa: SIM115 - kept for the next objects, and closed by close()
            self._readers[path] = file, PackReader(file, file.seek(0, 2) - HASH_BYTES, self._remote)
        return self._readers[path][1]


def _loose_size(path: Path) -> Iterable[int]:
    """Return the size in bytes that a loose object declares and that of its file, or nothing if there is none."""
    try:
        with path.open("rb") as file:
            header, _, _ = zlib.decompressobj().decompress(file.read(_LOOSE_PEEK_BYTES), 64).partition(b"\0")
            return [int(header.rpartition(b" ")[2]), path.stat().st_size]
    except FileNotFoundError:
        return []


def _write(sink: BinaryIO, chunk: bytes) -> None:
    try:
        sink.write(chunk)
    except OSError as error:
        raise disk.unusable(sink, error) from error
