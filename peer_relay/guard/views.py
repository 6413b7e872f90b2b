"""The ways in which a text is read when secrets are looked for: as it is, unfolded, and what is base64 in it.

1. Every view knows from which line of the text each of its characters comes.
2. A view takes time in proportion to the text's length, and the usual text has but one.
3. What is invisible or only looks like a letter or digit of ASCII is a fixed list, never a Unicode property: those
   change with the version of Python.

Whoever hides a secret on purpose finds a way. These views undo what happens by itself: to lines that a terminal, a mail
program or a person wrapped, to texts that were copied from a web page, to values that a configuration holds in base64.
"""

from __future__ import annotations

import base64
import binascii
import functools
import re
import unicodedata
from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_INVISIBLE = (
    *((0x00AD, 0x00AD), (0x034F, 0x034F), (0x061C, 0x061C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F)),
    *((0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF)),
    *((0xFFA0, 0xFFA0), (0xE0000, 0xE0FFF)),
)
_LOOKALIKES = ((0xFF01, 0xFF5E), (0x1D400, 0x1D7FF))
"""Full-width forms and mathematical alphabets."""
_HYPHENS = (0x2010, 0x2015)

_ESCAPED = re.compile(r"(?:\\u00|\\x|%)([2-7][0-9A-Fa-f])")
_JOINED_STRINGS = re.compile(r"(?<=[A-Za-z0-9_./+:-])([\"'])[ \t]*+(?:[+.&][ \t]*+)?\1(?=[A-Za-z0-9_./+:-])")
_OF_TOKENS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.+/=~:$"
_INDENTATION = " \t>#*|"
_BASE64 = re.compile(
    r"(?<![A-Za-z0-9+/_-])(?:(?:[A-Za-z0-9+/]{60,}+\r?\n[ \t]*+)++[A-Za-z0-9+/]*+|[A-Za-z0-9+/_-]{24,}+)={0,2}"
)
_SOFT_BREAK = re.compile(r"[\\=]\r?\n")


class View(NamedTuple):
    """One reading.

    Attributes:
        text: what is read.
        starts: where in it each line of the original begins, in characters, in order.
        first: the number of the first of those lines.
    """

    text: str
    starts: Sequence[int]
    first: int = 1

    def line_of(self, position: int) -> int:
        """Return from which line of the original, counted from 1, a character comes."""
        return self.first - 1 + bisect_right(self.starts, position)


def plain(text: str) -> View:
    """Return the view of a text as it is."""
    return View(text, _starts_of(text.split("\n")))


def clean(text: str) -> str:
    """Return a text without what is invisible, and with plain characters for those that look like them; by lines."""
    if not text.isascii():
        text = text.translate(_plain_characters())
    text = _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text)
    return _JOINED_STRINGS.sub("", text)


def unfold(cleaned: str, anchors: Sequence[str]) -> View:
    """Return the view of a text whose broken words are whole.

    Args:
        cleaned: the text, after `clean`.
        anchors: with what a secret begins that may be in it. Two lines are taken for one broken word where the upper
            one ends with a word that has one of these in it.
    """
    if not anchors and _SOFT_BREAK.search(cleaned) is None:
        return plain(cleaned)
    pieces: list[str] = []
    starts: list[int] = []
    length, joins = 0, False
    for line in cleaned.split("\n"):
        piece = line.rstrip("\r")
        piece = piece.lstrip(_INDENTATION) if joins else piece
        is_whole_word = joins and not piece.rstrip(_OF_TOKENS)
        starts.append(length)
        if piece.endswith(("\\", "=")) and len(piece) > 1:
            piece, joins = piece[:-1], True
        else:
            word = piece[len(piece.rstrip(_OF_TOKENS)) :]
            joins = bool(word) and (is_whole_word or any(anchor in word for anchor in anchors))
        pieces.append(piece if joins else f"{piece}\n")
        length += len(pieces[-1])
    return View("".join(pieces).removesuffix("\n"), starts)


def squeezed(text: str) -> View:
    """Return the view of a text without any white space."""
    lines = ["".join(line.split()) for line in clean(text).split("\n")]
    return View("".join(lines), _starts_of(lines, 0))


def _starts_of(lines: Sequence[str], between: int = 1) -> list[int]:
    starts, length = [], 0
    for line in lines:
        starts.append(length)
        length += len(line) + between
    return starts


def decoded(view: View) -> Iterator[View]:
    """Yield what stands in base64 in a view, each piece on the line where it begins."""
    for match in _BASE64.finditer(view.text):
        run = "".join(match[0].split()).rstrip("=").translate(_STANDARD)
        try:
            text = base64.b64decode(run + "=" * (-len(run) % 4)).decode("ascii")
        except (binascii.Error, ValueError):
            continue
        yield View(text, (0,), view.line_of(match.start()))


_STANDARD = str.maketrans("-_", "+/")


@functools.cache
def _plain_characters() -> dict[int, str | None]:
    """Return by code point what stands for it: nothing for what is invisible."""
    table: dict[int, str | None] = {
        code: unicodedata.normalize("NFKC", chr(code)) for first, last in _LOOKALIKES for code in range(first, last + 1)
    }
    table.update(dict.fromkeys(range(_HYPHENS[0], _HYPHENS[1] + 1), "-"))
    table.update(dict.fromkeys((code for first, last in _INVISIBLE for code in range(first, last + 1)), None))
    return table
