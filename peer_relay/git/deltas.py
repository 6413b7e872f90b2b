"""Say which trees to store as differences to others: successive states of a folder differ in an entry or two.

A room's folder of one day is written anew, whole, with every record: 35 KB for 500 of them. dulwich's way of finding
differences compares bytes, in a time that grows with their square: seconds for two trees that have little in common.

1. The time is linear in the size of the trees, whatever is in them.
2. A difference is taken only if it is less than half as long as the tree.
3. The newest state of a folder is stored whole and older ones as differences to newer ones, as git does it, because the
   newest are read most. No chain of differences is longer than `LONGEST_CHAIN`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

LONGEST_CHAIN = 50
"""As git chooses it."""

_ENTRY = re.compile(rb"[0-7]+ [^\0]+\0.{20}", re.DOTALL)
# The name of its base stands before it.
_NAME_BYTES = 20
_MOST_COPIED = 0xFFFF
_MOST_INSERTED = 0x7F


@dataclass(frozen=True, slots=True)
class Delta:
    """A tree as a difference: 20-byte name of the tree that it builds on, and git's instructions."""

    base: bytes
    instructions: bytes


def tree_deltas(trees: Sequence[tuple[bytes, bytes]]) -> dict[bytes, Delta]:
    """Choose which trees to store as differences to which.

    Args:
        trees: 20-byte name and content of each, oldest first.

    Returns:
        The differences by name of the tree; all other trees are to be stored whole.
    """
    newest_first = reversed(trees)
    # States of one folder begin with the same entry, and the one with more entries is the newer one.
    alike = sorted(newest_first, key=lambda tree: (tree[1].partition(b"\0")[0], -len(tree[1])))
    found: dict[bytes, Delta] = {}
    for _, group in groupby(alike, key=lambda tree: tree[1].partition(b"\0")[0]):
        found.update(_chain(group))
    return found


def _chain(trees: Iterator[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, Delta]]:
    whole: tuple[bytes, bytes] | None = None
    previous, length = whole, 0
    for name, content in trees:
        # At the end of a chain the next one begins, at the same whole tree.
        if length == LONGEST_CHAIN:
            previous, length = whole, 0
        delta = None if previous is None else _delta(previous[1], content)
        if previous is not None and delta is not None:
            yield name, Delta(previous[0], delta)
            length += 1
        else:
            whole, length = (name, content), 0
        previous = name, content


def _delta(base: bytes, target: bytes) -> bytes | None:
    """Return the instructions that make one tree of another, or None if they are not worth it."""
    if target == base:
        return None
    where = _places(base)
    made = bytearray(_size(len(base)) + _size(len(target)))
    for start, piece in _runs(where, target):
        made += _insert(piece) if start is None else _copy(start, len(piece))
    return bytes(made) if 2 * (_NAME_BYTES + len(made)) < len(target) else None


def _places(tree: bytes) -> dict[bytes, int]:
    """Return where each entry of a tree begins, up to the first thing that is none: looking on takes quadratic time."""
    where: dict[bytes, int] = {}
    position = 0
    while found := _ENTRY.match(tree, position):
        where[found.group()] = position
        position = found.end()
    return where


def _runs(where: Mapping[bytes, int], target: bytes) -> Iterator[tuple[int | None, bytes]]:
    """Cut a tree into pieces, each with its place in the base, or None for what is not there in one piece."""
    begin, position, start = 0, 0, where.get(b"")
    while position < len(target):
        found = _ENTRY.match(target, position)
        end = found.end() if found else len(target)
        place = where.get(target[position:end])
        expected = None if start is None else start + position - begin
        if place != expected:
            if position > begin:
                yield start, target[begin:position]
            begin, start = position, place
        position = end
    yield start, target[begin:]


def _size(number: int) -> bytes:
    made = bytearray()
    while number > 0x7F:
        made.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*made, number])


def _insert(piece: bytes) -> bytes:
    parts = (piece[at : at + _MOST_INSERTED] for at in range(0, len(piece), _MOST_INSERTED))
    return b"".join(bytes([len(part)]) + part for part in parts)


def _copy(start: int, length: int) -> bytes:
    made = bytearray()
    for at in range(start, start + length, _MOST_COPIED):
        numbers = at.to_bytes(4, "little") + min(_MOST_COPIED, start + length - at).to_bytes(2, "little")
        made.append(0x80 | sum(1 << place for place, byte in enumerate(numbers) if byte))
        made += bytes(byte for byte in numbers if byte)
    return bytes(made)
