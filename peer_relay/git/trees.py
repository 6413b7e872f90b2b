"""Trees of a room as raw git objects: how they are read, and how the tree after a step is built.

1. A tree is read only if it is spelt exactly as git spells it: sorted, no name twice, modes `100644` and `40000`, no
   empty folder, no name that is empty or holds a `/`. Anything else raises `ValueError` with a clause that says what.
2. A tree after a step is a function of the tree before and the step; whoever builds it gets the same object id.

Object ids are 40 hex digits as `str`. A `Source` returns the raw content of an object of a given type; what it raises
when it has no such object passes through.
"""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from peer_relay.errors import DamagedClone

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

T = TypeVar("T")

FILE_MODE = b"100644"
FOLDER_MODE = b"40000"
MAX_DEPTH = 3
MAX_FILES = 4_096
"""More files than any legitimate tip holds (512 answered exchanges and 2,000 open questions make 3,025)."""

# Two commits of each peer change half as many, if neither writes on two days at once.
_REMEMBERED = 16
_ID_BYTES = 20
_KINDS = {1: "commit", 2: "tree", 3: "blob", 4: "tag"}
# A name with a slash would show another tree under the same paths.
_ENTRY = re.compile(rb"(([0-7]+) ([^/\0]+)\0.{20})", re.DOTALL)
# Matched before entries are searched for, because searching what is no tree takes quadratic time.
_TREE = re.compile(rb"(?:[0-7]++ [^/\0]++\0.{20})*+", re.DOTALL)

Entries = Mapping[bytes, tuple[bytes, str]]
"""The entries of one tree: mode and object id by name."""


class Source(Protocol):
    """Where objects come from."""

    def raw(self, kind: str, object_id: str) -> bytes:
        """Return the content of an object of this kind (`blob`, `tree` or `commit`).

        Raises:
            ValueError: it is of another kind.
        """


def object_id(kind: str, content: bytes) -> str:
    """Return the id of an object."""
    return hashlib.sha1(b"%s %d\0" % (kind.encode(), len(content)) + content, usedforsecurity=False).hexdigest()


def checked(kind: str, name: str, number: int, content: bytes) -> bytes:
    """Return what was read of an object, if it is the object that was asked for.

    Args:
        kind: of which it has to be.
        name: its id.
        number: its kind as the pack format numbers it.
        content: what was read.

    Raises:
        DamagedClone: it is not what its id says.
        ValueError: it is of another kind.
    """
    found = _KINDS.get(number, "thing of no known kind")  # which no id names
    if object_id(found, content) != name:
        raise DamagedClone(reason=f"{kind} {name[:12]} is not what its id says")
    if found != kind:
        raise ValueError(f"a {found} is where a {kind} must be")
    return content


class Folder(NamedTuple):
    """One tree, in a form that is cheap to change in one place. What is in it is not to be changed.

    Attributes:
        keys: its names in git's order; that of a folder ends in a slash.
        spelt: the bytes of each entry, in the same order.
        raw: the content of the object.
    """

    keys: Sequence[bytes]
    spelt: Sequence[bytes]
    raw: bytes

    def find(self, key: bytes) -> str | None:
        """Return the id of the object under a name, or None."""
        place = bisect_left(self.keys, key)
        return self.spelt[place][-_ID_BYTES:].hex() if key in self.keys[place : place + 1] else None

    def with_entry(self, key: bytes, object_id: str) -> Folder:
        """Return the same with an object under a name, instead of what is there."""
        mode = FOLDER_MODE if key.endswith(b"/") else FILE_MODE
        keys, spelt, place = list(self.keys), list(self.spelt), bisect_left(self.keys, key)
        end = place + (key in self.keys[place : place + 1])
        keys[place:end] = [key]
        spelt[place:end] = [b"%s %s\0%s" % (mode, key.removesuffix(b"/"), bytes.fromhex(object_id))]
        return Folder(keys, spelt, b"".join(spelt))

    def without(self, keys: set[bytes]) -> Folder:
        """Return the same without some of its names."""
        left = [(key, each) for key, each in zip(self.keys, self.spelt, strict=True) if key not in keys]
        return Folder([key for key, _ in left], [each for _, each in left], b"".join(each for _, each in left))


_EMPTY = Folder((), (), b"")


@dataclass
class Draft:
    """Objects that are built on top of a source and are not in it yet.

    Attributes:
        base: where everything else comes from.
        objects: kind and content by id, in the order in which they were added: each after all it refers to.
    """

    base: Source
    objects: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    _folders: dict[str, Folder] = field(default_factory=dict)
    _commits: dict[str, bytes] = field(default_factory=dict)
    _peeked: dict[bytes, str] = field(default_factory=dict)

    def raw(self, kind: str, object_id: str) -> bytes:
        """Return an object of the draft, or of the source below it; commits are read once."""
        if object_id in self.objects:
            return self.objects[object_id][1]
        if kind != "commit":
            return self.base.raw(kind, object_id)
        if object_id not in self._commits:
            self._commits[object_id] = self.base.raw(kind, object_id)
        return self._commits[object_id]

    def add(self, kind: str, content: bytes) -> str:
        """Add an object and return its id."""
        name = object_id(kind, content)
        self.objects[name] = (kind, content)
        return name

    def add_folder(self, folder: Folder) -> str:
        """Add a tree and return its id; one that was read lately is not hashed again."""
        name = self._peeked.get(folder.raw)
        for known, each in islice(reversed(self._folders.items()), _REMEMBERED):
            if name is None and each.raw == folder.raw:
                name = known
        if name is None:
            name = self.add("tree", folder.raw)
        self.objects[name] = ("tree", folder.raw)
        self._folders[name] = folder
        return name

    def renewed(self) -> Draft:
        """Return an empty draft on the same source that still knows the trees and commits that were read last."""
        return Draft(self.base, {}, _newest(self._folders), _newest(self._commits))

    def folder(self, tree: str) -> Folder:
        """Return one tree, read once.

        Raises:
            ValueError: it is not spelt as a room's trees are.
        """
        if tree not in self._folders:
            self._folders[tree] = _read_folder(self.raw("tree", tree))
        return self._folders[tree]

    def peek(self, tree: str) -> bytes:
        """Return the content of a tree, whatever it is, to be compared with one that is built."""
        if tree in self._folders:
            return self._folders[tree].raw
        raw = self.raw("tree", tree)
        self._peeked[raw] = tree
        return raw

    def entries(self, tree: str) -> Entries:
        """Return the entries of one tree.

        Raises:
            ValueError: it is not spelt as a room's trees are.
        """
        folder = self.folder(tree)
        return {
            key.removesuffix(b"/"): (FOLDER_MODE if key.endswith(b"/") else FILE_MODE, each[-_ID_BYTES:].hex())
            for key, each in zip(folder.keys, folder.spelt, strict=True)
        }


def _newest(remembered: dict[str, T]) -> dict[str, T]:
    return dict(list(remembered.items())[-_REMEMBERED:])


def _read_folder(raw: bytes) -> Folder:
    if _TREE.fullmatch(raw) is None:
        raise ValueError("a folder in it cannot be read")
    found = _ENTRY.findall(raw)
    if not found:
        raise ValueError("a folder in it is empty")
    if any(mode not in (FILE_MODE, FOLDER_MODE) for _, mode, _ in found):
        raise ValueError("it holds something else than plain files and folders")
    keys = [name + b"/" if mode == FOLDER_MODE else name for _, mode, name in found]
    if keys != sorted(keys) or len({name for _, _, name in found}) < len(found):
        raise ValueError("a folder in it is not spelt as git spells it")
    return Folder(keys, [each for each, _, _ in found], raw)


def files_of(source: Draft, tree: str) -> dict[str, str]:
    """Return the blob id of every file below a tree, by path.

    Raises:
        ValueError: a tree is not spelt as a room's trees are, there are more than `MAX_FILES` files or `MAX_DEPTH`
            levels, or a name is not ASCII.
    """
    files: dict[str, str] = {}
    for path, blob in _walk(source, tree, ""):
        if len(files) >= MAX_FILES:
            raise ValueError(f"it holds more than {MAX_FILES:,} files")
        files[path] = blob
    return files


def find_file(source: Draft, tree: str, path: str) -> str | None:
    """Return the id of the blob at a path, or None if no plain file is there.

    Raises:
        ValueError: a tree on the way is not spelt as a room's trees are.
    """
    *folders, name = path.encode("ascii").split(b"/")
    for each in folders:
        below = source.folder(tree).find(each + b"/")
        if below is None:
            return None
        tree = below
    return source.folder(tree).find(name)


def peek_file(source: Draft, tree: str, path: str) -> str | None:
    """Return the id of what seems to be the blob at a path, or None.

    Nothing is checked on the way, and it takes a fraction of the time. It is good for who builds that tree anew and
    compares: whatever else was there, the trees differ.
    """
    *folders, name = path.encode("ascii").split(b"/")
    for each in folders:
        below = _peeked(source.peek(tree), b"%s %s\0" % (FOLDER_MODE, each))
        if below is None:
            return None
        tree = below
    return _peeked(source.peek(tree), b"%s %s\0" % (FILE_MODE, name))


def _peeked(raw: bytes, head: bytes) -> str | None:
    start = raw.find(head) + len(head)
    found = raw[start : start + _ID_BYTES] if start >= len(head) else b""
    return found.hex() if len(found) == _ID_BYTES else None


def with_file(draft: Draft, tree: str | None, path: str, blob: str) -> str:
    """Return the tree after one file was put at a path.

    Args:
        draft: gets the new trees.
        tree: the tree before, None for the empty one.
        path: with `/` between its parts.
        blob: id of the file's content.

    Raises:
        ValueError: a file stands where a folder must be, or a folder where a file must be.
    """
    folder = draft.folder(tree) if tree else _EMPTY
    first, slash, rest = path.partition("/")
    key, other = (first + slash).encode(), first.encode() if slash else first.encode() + b"/"
    if folder.find(other) is not None:
        raise ValueError("a file is where a folder must be" if slash else "a folder is where a file must be")
    below = with_file(draft, folder.find(key), rest, blob) if slash else blob
    return draft.add_folder(folder.with_entry(key, below))


def without_files(draft: Draft, tree: str, paths: Iterable[str]) -> str | None:
    """Return the tree after some files were taken off, or None if nothing is left.

    Args:
        draft: gets the new trees.
        tree: the tree before.
        paths: files that are all there.
    """
    below: dict[bytes, list[str]] = {}
    gone: set[bytes] = set()
    folder = draft.folder(tree)
    for path in paths:
        first, slash, rest = path.partition("/")
        if slash:
            below.setdefault((first + slash).encode(), []).append(rest)
        else:
            gone.add(first.encode())
    for key, rests in below.items():
        smaller = without_files(draft, folder.find(key) or "", rests)
        if smaller is None:
            gone.add(key)
        else:
            folder = folder.with_entry(key, smaller)
    folder = folder.without(gone)
    return draft.add_folder(folder) if folder.keys else None


def _walk(source: Draft, tree: str, folder: str) -> Iterator[tuple[str, str]]:
    """Yield the path of each file and the id of its blob; `folder` is empty or ends in a slash."""
    keys, spelt, _ = source.folder(tree)
    for key, each in zip(keys, spelt, strict=True):
        if not key.isascii():
            raise ValueError("it holds a name that is not ASCII")
        path = folder + key.decode("ascii")
        if not path.endswith("/"):
            yield path, each[-_ID_BYTES:].hex()
        elif path.count("/") >= MAX_DEPTH:
            raise ValueError("its folders are too deep")
        else:
            yield from _walk(source, each[-_ID_BYTES:].hex(), path)
