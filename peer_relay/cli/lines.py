"""A peer's text as lines of a certain width, so that whoever prints them can put a margin before each.

1. No line is wider than it may be, on any terminal: every character counts for at least one cell, also one that joins
   others or stands on them. So no terminal breaks a line by itself, and nothing appears without its margin.
2. No text makes more than three lines out of nothing: a longer row of empty lines is counted instead of shown.
3. Nothing else is lost but white space where a line ends.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from peer_relay.cli.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_TAB = 4
_EMPTY_LINES = 3


def lines_of(text: str, width: int) -> Iterator[str]:
    """Yield the printable lines of a text.

    Args:
        text: as a record holds it.
        width: how many cells a line may take, at least 2.
    """
    lines = (line.expandtabs(_TAB).rstrip() for line in printable(text).split("\n"))
    for empty, group in groupby(lines, lambda line: not line):
        for line in _few(len(list(group))) if empty else group:
            yield from _wrapped(line, width)


def _few(count: int) -> Iterable[str]:
    return [""] * count if count <= _EMPTY_LINES else ["", f"<{count:,} empty lines>", ""]


def _wrapped(line: str, width: int) -> Iterator[str]:
    """Yield a line in pieces, broken behind a space where there is one."""
    if len(line) * 2 <= width or (len(line) <= width and line.isascii()):
        yield line
        return
    begin = taken = 0
    behind_word = taken_there = 0
    for position, (character, cells) in enumerate(zip(line, _cells(line), strict=True)):
        while taken + cells > width and character != " ":
            end, taken_by = (behind_word, taken_there) if behind_word > begin else (position, taken)
            yield line[begin:end].rstrip()
            begin, taken = end, taken - taken_by
        taken += cells
        if character == " " and line[begin:position].strip():
            behind_word, taken_there = position + 1, taken
    yield line[begin:]


def _cells(line: str) -> Iterable[int]:
    """Return how many cells each character may take."""
    if line.isascii():
        return [1] * len(line)
    from rich.cells import get_character_cell_size  # noqa: PLC0415 - only other scripts than ours need it

    return [max(1, get_character_cell_size(character)) for character in line]
