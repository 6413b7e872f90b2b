"""Which text may cross: a fixed list of refused code points, what counts as empty, and how length is counted.

1. Text is stored as it was given or refused, never altered.
2. The lists are fixed numbers, never a Unicode property: those change with the version of Python.
3. Length is counted in characters of the canonical JSON string between its quotes, escapes included, so that what
   fits here also fits into one tool result.
"""

from __future__ import annotations

import functools
import re
from json.encoder import encode_basestring
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

REFUSED_RANGES: tuple[tuple[int, int, str], ...] = (
    (0x0000, 0x0008, "a control character"),
    (0x000B, 0x000C, "a control character"),
    (0x000E, 0x001F, "a control character"),
    (0x007F, 0x009F, "a control character"),
    (0xD800, 0xDFFF, "half of a surrogate pair"),
    (0x202A, 0x202E, "a control of the writing direction"),
    (0x2066, 0x2069, "a control of the writing direction"),
    (0xFDD0, 0xFDEF, "not a character"),
    *((plane + 0xFFFE, plane + 0xFFFF, "not a character") for plane in range(0, 0x110000, 0x10000)),
    (0xE0001, 0xE0001, "an invisible tag"),
)
"""Code points that no field may hold: first, last, and what they are."""

TAG_RANGE = (0xE0020, 0xE007F)

FLAG_SEQUENCE = "\U0001f3f4[\U000e0020-\U000e007e]+\U000e007f"
"""A regular expression of the one place where tag characters may stand: the flag of a region (UTS #51, ED-14a)."""

_SPACES = [
    *((0x09, 0x0A), (0x0D, 0x0D), (0x20, 0x20), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x2028, 0x2029)),
    *((0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000)),
]
WHITE_SPACE = "".join(chr(code) for first, last in _SPACES for code in range(first, last + 1))
"""The characters of which a text may not consist alone."""


_CR = ord("\r")


def _class(ranges: Iterable[tuple[int, int]]) -> str:
    """Return ranges as the inside of a regular expression's `[...]`, good for Python and, with `u`, for ECMA 262."""
    return "".join(_spelt(first) + (f"-{_spelt(last)}" if first < last else "") for first, last in ranges)


def _spelt(code: int) -> str:
    """Escape what both know an escape for; a character beyond the first plane stands for itself."""
    return f"\\u{code:04x}" if code < 0x10000 else chr(code)


_REFUSED = [(first, last) for first, last, _ in REFUSED_RANGES]


@functools.cache
def _scanner() -> re.Pattern[str]:
    """Return what finds refused code points; it is made when a text is looked through, because that takes a while."""
    return re.compile(f"{FLAG_SEQUENCE}|(?P<refused>[{_class([*_REFUSED, TAG_RANGE])}]|\\r(?!\\n))")


@functools.cache
def _suspects() -> re.Pattern[str]:
    """Return what finds a character that the scanner has to judge; beyond the first plane that is each, to be quick."""
    first_plane = [(first, last) for first, last in _REFUSED if last < 0x10000]
    return re.compile(f"[{_class([*first_plane, (_CR, _CR), (0x10000, 0x10FFFF)])}]")


_SURROGATES = (0xD800, 0xDFFF)
_NOT_ALONE = [*(pair for pair in _REFUSED if pair != _SURROGATES), TAG_RANGE, (_CR, _CR)]
TEXT_PATTERN = f"^(?:[^{_class(_NOT_ALONE)}]|\\r(?=\\n)|{FLAG_SEQUENCE})*$"
"""Text without a refused code point, for the JSON Schemas. Surrogates are not in it: a JSON file cannot spell them."""

NOT_BLANK_PATTERN = f"[^{_class(_SPACES)}]"
"""Something else than white space, for the JSON Schemas."""


def _name(code: int) -> str:
    if code == _CR:
        return "a carriage return without a line feed"
    return next((what for first, last, what in REFUSED_RANGES if first <= code <= last), "an invisible tag")


def refused_in(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield every refused code point: its position in characters from 1, its number, and what it is."""
    if _suspects().search(text) is None:
        return
    for match in _scanner().finditer(text):
        if match["refused"] is not None:
            code = ord(match["refused"])
            yield match.start() + 1, code, _name(code)


def is_blank(text: str) -> bool:
    """Return whether a text is empty or consists only of white space."""
    return not text.strip(WHITE_SPACE)


def is_one_line(text: str) -> bool:
    """Return whether a text is not blank and can be shown on one line: no TAB, no line end, nothing refused."""
    return not is_blank(text) and re.search("[\t\n\r\u2028\u2029]", text) is None and not any(refused_in(text))


def canonical_string(text: str) -> str:
    """Return the JSON string of a text, with its quotes."""
    return encode_basestring(text)


def canonical_length(text: str) -> int:
    """Return the characters of the canonical JSON string of a text, escapes included and quotes not."""
    return len(canonical_string(text)) - 2


def check_text(text: str, limit: int) -> None:
    """Check one text field.

    Args:
        text: the field's value.
        limit: the largest canonical length.

    Raises:
        ValueError: with every broken rule, as clauses that follow the field's name.
    """
    broken = []
    if is_blank(text):
        broken.append("must not be empty")
    refused = list(refused_in(text))
    if refused:
        position, code, what = refused[0]
        more = f" and {len(refused) - 1} more of the kind" if len(refused) > 1 else ""
        broken.append(f"must not contain U+{code:04X} ({what}, character {position}{more})")
    length = canonical_length(text)
    if length > limit:
        broken.append(f"must be at most {limit:,} characters long and has {length:,}")
    if broken:
        raise ValueError(" and ".join(broken))
