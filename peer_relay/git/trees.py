"""Trees of a room as raw git objects: how they are read, and how the tree after a step is built.

1. A tree is read only if it is spelt exactly as git spells it: sorted, no name twice, modes `100644` and `40000`, no
   empty folder, no name that is empty or holds a `/`. Anything else raises `ValueError` with a clause that says what.
2. A tree after a step is a function of the tree before and the step; whoever builds it gets the same object id.

Object ids are 40 hex digits as `str`. A `Source` returns the raw content of an object of a given type; what it raises
when it has no such object passes through.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

T = TypeVar("T")

FILE_MODE = b"100644"
FOLDER_MODE = b"40000"
MAX_DEPTH = 3
MAX_FILES = 4_096
"""More files than any legitimate tip holds (512 answered exchanges and 2,000 open questions make 3,025)."""

_REMEMBERED = 8
# A name with a slash would show another tree under the same paths.
_ENTRY = re.compile(rb"([0-7]+) ([^/\0]+)\0(.{20})", re.DOTALL)
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


@dataclass
class Draft:
    """Objects that are built on top of a source and are not in it yet.

    Attributes:
        base: where everything else comes from.
        objects: kind and content by id, in the order in which they were added: each after all it refers to.
    """

    base: Source
    objects: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    _trees: dict[str, tuple[Entries, bytes]] = field(default_factory=dict)
    _commits: dict[str, bytes] = field(default_factory=dict)

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

    def add_tree(self, entries: Entries) -> str:
        """Add a tree and return its id; one that was read lately is not spelt again."""
        for name, (known, raw) in islice(reversed(self._trees.items()), _REMEMBERED):
            if known == entries:
                self.objects[name] = ("tree", raw)
                return name
        raw = _spell(entries)
        name = self.add("tree", raw)
        self._trees[name] = (entries, raw)
        return name

    def renewed(self) -> Draft:
        """Return an empty draft on the same source that still knows the trees and commits that were read last."""
        return Draft(self.base, {}, _newest(self._trees), _newest(self._commits))

    def entries(self, tree: str) -> Entries:
        """Return the entries of one tree, read once and not to be changed.

        Raises:
            ValueError: it is not spelt as a room's trees are.
        """
        if tree not in self._trees:
            raw = self.raw("tree", tree)
            self._trees[tree] = (_read_entries(raw), raw)
        return self._trees[tree][0]


def _newest(remembered: dict[str, T]) -> dict[str, T]:
    return dict(list(remembered.items())[-_REMEMBERED:])


def _read_entries(raw: bytes) -> Entries:
    if _TREE.fullmatch(raw) is None:
        raise ValueError("a folder in it cannot be read")
    found = _ENTRY.findall(raw)
    if not found:
        raise ValueError("a folder in it is empty")
    if any(mode not in (FILE_MODE, FOLDER_MODE) for mode, _, _ in found):
        raise ValueError("it holds something else than plain files and folders")
    entries = {name: (mode, sha.hex()) for mode, name, sha in found}
    if _spell(entries) != raw:
        raise ValueError("a folder in it is not spelt as git spells it")
    return entries


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
    """Return the id of the blob at a path, or None if no plain file is there."""
    *folders, name = path.encode("ascii").split(b"/")
    for folder in folders:
        mode, tree = source.entries(tree).get(folder, (b"", ""))
        if mode != FOLDER_MODE:
            return None
    mode, blob = source.entries(tree).get(name, (b"", ""))
    return blob if mode == FILE_MODE else None


def with_file(draft: Draft, tree: str | None, path: str, blob: str) -> str:
    """Return the tree after one file was put at a path.

    Args:
        draft: gets the new trees.
        tree: the tree before, None for the empty one.
        path: with `/` between its parts.
        blob: id of the file's content.

    Raises:
        ValueError: a file stands where a folder must be.
    """
    name, _, rest = path.partition("/")
    entries = dict(draft.entries(tree)) if tree else {}
    if rest:
        mode, below = entries.get(name.encode(), (FOLDER_MODE, None))
        if mode != FOLDER_MODE:
            raise ValueError("a file is where a folder must be")
        entries[name.encode()] = (FOLDER_MODE, with_file(draft, below, rest, blob))
    else:
        entries[name.encode()] = (FILE_MODE, blob)
    return draft.add_tree(entries)


def without_files(draft: Draft, tree: str, paths: Iterable[str]) -> str | None:
    """Return the tree after some files were taken off, or None if nothing is left.

    Args:
        draft: gets the new trees.
        tree: the tree before.
        paths: files that are all there.
    """
    below: dict[str, list[str]] = {}
    entries = dict(draft.entries(tree))
    for path in paths:
        name, _, rest = path.partition("/")
        if rest:
            below.setdefault(name, []).append(rest)
        else:
            del entries[name.encode()]
    for name, rests in below.items():
        smaller = without_files(draft, entries[name.encode()][1], rests)
        if smaller is None:
            del entries[name.encode()]
        else:
            entries[name.encode()] = (FOLDER_MODE, smaller)
    return draft.add_tree(entries) if entries else None


def _walk(source: Draft, tree: str, folder: str) -> Iterator[tuple[str, str]]:
    for name, (mode, below) in source.entries(tree).items():
        if not name.isascii():
            raise ValueError("it holds a name that is not ASCII")
        path = posixpath.join(folder, name.decode("ascii"))
        if mode == FILE_MODE:
            yield path, below
        elif path.count("/") + 1 >= MAX_DEPTH:
            raise ValueError("its folders are too deep")
        else:
            yield from _walk(source, below, path)


def _spell(entries: Entries) -> bytes:
    """Return a tree's content in git's order: a folder sorts as if its name ended in a slash."""
    ordered = sorted((name + b"/" if mode == FOLDER_MODE else name, name) for name, (mode, _) in entries.items())
    return b"".join(b"%s %s\0%s" % (entries[name][0], name, bytes.fromhex(entries[name][1])) for _, name in ordered)
