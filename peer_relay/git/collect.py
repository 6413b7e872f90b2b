"""Find out which objects of a repository a clone lacks, and write them as one pack.

This is what `git upload-pack` does for a remote, for a repository whose files are at hand. The repository may be
written to by anybody who shares it, so it is not trusted to be small or well formed.

1. Commits are followed through all parents: an honest room is one line, a hostile branch need not be.
2. No object is built before its size is known from its header, and that of every base of a delta from theirs.
3. The memory needed follows the number of new objects, by their names alone, and that is bounded by what the request
   allows. So is the number of commits that are looked at, and the size of their folders by the number of commits.
4. What stands whole in a pack is copied as it stands there; it is checked where it is taken in.
"""

from __future__ import annotations

import hashlib
import os
import re
from functools import lru_cache
from typing import TYPE_CHECKING, BinaryIO

from dulwich.object_store import DiskObjectStore
from dulwich.objects import ObjectID
from dulwich.pack import pack_header_chunks

from peer_relay import disk
from peer_relay.errors import MalformedPack, TooLarge
from peer_relay.git.limits import FOLDER_BYTES, FOLDER_BYTES_OF_A_COMMIT, MAX_STORED_BYTES
from peer_relay.git.newpack import packed
from peer_relay.git.objects import ID_BYTES, Objects
from peer_relay.git.walk import commits_since, commits_to_depth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Self

    from dulwich.repo import Repo

    from peer_relay.git.transport import FetchRequest

# One byte of header and the shortest zlib stream.
_SMALLEST_ENTRY_BYTES = 9
# More than the folders on the way to a file, of a commit and of the one before it.
_REMEMBERED = 8
# As far as the new commits go back, the known ones are followed, too.
_BOTH_SIDES = 2
# The pack goes no further than to this machine's own disk.
_COMPRESSION = 1
_COMMIT, _TREE = 1, 2
_DEEPEST_ALTERNATE = 5
_COMMIT_FORM = re.compile(rb"tree ([0-9a-f]{40})\n((?:parent [0-9a-f]{40}\n)*)")
_ENTRY = re.compile(rb"[0-7]+ [^\0]*\0.{20}", re.DOTALL)
# Matched before entries are searched for, because searching what is no tree takes quadratic time.
_ENTRIES = re.compile(rb"(?:[0-7]++ [^\0]*+\0.{20})*+", re.DOTALL)
_FOLDER = re.compile(rb"0?40000 ")
_OTHER_REPOSITORY = b"160000 "


class Collector:
    """The objects that one fetch sends; a context manager that closes what it opened.

    Args:
        repo: the repository to read, opened for this fetch.
        remote: its address, as errors name it.
        tick: called before each object is read; it raises when the time is over.
    """

    def __init__(self, repo: Repo, remote: str, tick: Callable[[], None]) -> None:
        self._objects = Objects(object_folders(repo.object_store), remote, MAX_STORED_BYTES)
        self._boundary = repo.get_shallow()
        self._remote = remote
        self._tick = tick
        self._most = self._followed = self._folder_bytes = 0
        # In the order in which they are sent.
        self._names: dict[bytes, None] = {}
        # In a line each commit is looked at twice in a row: for itself, and as the base of the one after it.
        self._commit = lru_cache(_REMEMBERED)(self._read_commit)
        self._entries = lru_cache(_REMEMBERED)(self._read_entries)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._objects.close()

    def collect(self, tip: ObjectID, request: FetchRequest) -> frozenset[bytes]:
        """Decide what to send for a branch at `tip`.

        Returns:
            The commits that are sent although their parents are neither sent nor known.

        Raises:
            TooLarge: it cannot fit into the largest acceptable pack.
            Any of `packfile.DAMAGE`, OSError: an object is missing or damaged.
        """
        self._most = min(request.max_objects, request.max_bytes // _SMALLEST_ENTRY_BYTES)
        known: set[ObjectID] = set()
        if request.have is not None and self._objects.contains(bytes.fromhex(request.have.decode("ascii"))):
            new, known = commits_since(tip, ObjectID(request.have), self._parents, request.shallow)
        else:
            new = commits_to_depth(tip, request.depth, self._parents)
        self._folder_bytes = FOLDER_BYTES + FOLDER_BYTES_OF_A_COMMIT * len(new)
        there, boundary = known.union(new), set[bytes]()
        complete = set(known)
        # Oldest first: a folder that comes back as it once was is skipped, and then all that is in it must be sent.
        for name in reversed(new):
            tree, parents = self._commit(name)
            self._add(bytes.fromhex(name.decode("ascii")))
            if not there.issuperset(parents):
                boundary.add(name)
            base = parents[0] if parents and parents[0] in complete else None
            self._add_tree(tree, self._commit(base)[0] if base else None)
            complete.add(name)
        return frozenset(boundary)

    def are_all_there(self) -> bool:
        """Return whether the repository has everything that is to be sent."""
        return all(map(self._objects.contains, self._names))

    def write(self, sink: BinaryIO, max_bytes: int) -> None:
        """Write the pack, or nothing if there is nothing to send.

        Raises:
            TooLarge: the pack grows past `max_bytes`.
            StateUnusable: the sink cannot be written.
        """
        if not self._names:
            return
        digest, length = hashlib.sha1(usedforsecurity=False), 0
        for chunk in self._chunks():
            length += len(chunk)
            if length > max_bytes:
                raise TooLarge(remote=self._remote, reason=f"a pack of more than {max_bytes} bytes")
            digest.update(chunk)
            _write(sink, chunk)
        _write(sink, digest.digest())

    def _chunks(self) -> Iterator[bytes]:
        """Give the pack without its checksum."""
        yield b"".join(pack_header_chunks(len(self._names)))
        for name in self._names:
            self._tick()
            kind, content, _, spelt = self._objects.whole(name)
            yield spelt or packed(name, kind, content, level=_COMPRESSION).data

    # -----------------------------------------------------------------------------------------------------------------
    # Commits

    def _parents(self, name: ObjectID) -> list[ObjectID]:
        self._followed += 1
        if self._followed > _BOTH_SIDES * self._most:
            raise TooLarge(remote=self._remote, reason=f"{self._followed} commits or more")
        return [] if name in self._boundary else self._commit(name)[1]

    # -----------------------------------------------------------------------------------------------------------------
    # Objects

    def _add(self, name: bytes) -> None:
        self._names[name] = None
        if len(self._names) > self._most:
            raise TooLarge(remote=self._remote, reason=f"{len(self._names)} objects or more")

    def _add_tree(self, name: bytes, base: bytes | None) -> None:
        """Add a tree and all in it that neither was added before nor is at the same place of the base."""
        pending = [(name, base)]
        while pending:
            tree, old = pending.pop()
            if tree == old or tree in self._names:
                continue
            self._add(tree)
            here, there = self._entries(tree), self._entries(old) if old is not None else {}
            replaced = {_path(each): each for each in there if each not in here}
            for each in here:
                if each in there:
                    continue
                below = each[-ID_BYTES:]
                if _FOLDER.match(each):
                    before = replaced.get(_path(each), b"")
                    pending.append((below, before[-ID_BYTES:] if _FOLDER.match(before) else None))
                elif below not in self._names and not each.startswith(_OTHER_REPOSITORY):
                    self._add(below)

    def _read_entries(self, name: bytes) -> dict[bytes, None]:
        """Return the entries of a tree as they are spelt in it, in their order."""
        kind, content = self._object(name)
        if kind != _TREE:
            raise MalformedPack(remote=self._remote, reason="an object stands where a folder has to be")
        self._folder_bytes -= len(content)
        if self._folder_bytes < 0:
            raise TooLarge(remote=self._remote, reason="folders that are far too large together")
        if _ENTRIES.fullmatch(content) is None:
            raise ValueError("a folder cannot be read")
        return dict.fromkeys(_ENTRY.findall(content))

    def _read_commit(self, name: ObjectID) -> tuple[bytes, list[ObjectID]]:
        """Return a commit's tree and its parents."""
        kind, content = self._object(bytes.fromhex(name.decode("ascii")))
        if kind != _COMMIT:
            raise MalformedPack(remote=self._remote, reason="an object stands where a commit has to be")
        found = _COMMIT_FORM.match(content)
        if found is None:
            raise ValueError("a commit cannot be read")
        parents = [ObjectID(line.removeprefix(b"parent ")) for line in found[2].splitlines()]
        return bytes.fromhex(found[1].decode("ascii")), parents

    def _object(self, name: bytes) -> tuple[int, bytes]:
        self._tick()
        return self._objects.read(name)


def object_folders(store: DiskObjectStore, depth: int = 0) -> Iterator[str]:
    """Yield the folders that a repository has its objects in: its own, and those that it borrows from."""
    yield os.fspath(store.path)
    for each in store.alternates if depth < _DEEPEST_ALTERNATE else ():
        if isinstance(each, DiskObjectStore):
            yield from object_folders(each, depth + 1)


def _path(entry: bytes) -> bytes:
    """Return the name in an entry of a tree."""
    return entry[entry.index(b" ") + 1 : entry.index(b"\0")]


def _write(sink: BinaryIO, chunk: bytes) -> None:
    try:
        sink.write(chunk)
    except OSError as error:
        raise disk.unusable(sink, error) from error
