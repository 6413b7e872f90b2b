"""What may be printed: nothing of it can act on a terminal (I9), and nothing of it is invisible.

1. A character that no record may hold is shown as U+FFFD.
2. A character that a record may hold and that nobody would see, or that would move its neighbours, is shown by its
   number, such as `<U+200F>`: an instruction to a model must not hide from the person who reads along.
3. The lists are fixed numbers, as those of `text` are. What people write every day stays as it is: emoji, joined or
   with a variation selector, three flags of regions, joiners in the scripts that need them, accents.
"""

from __future__ import annotations

import functools
import re
import sys

from peer_relay.text import refused_in

_INDENT = "    "

_HIDDEN = (
    "\u00ad\u034f\u061c"  # soft hyphen, grapheme joiner, Arabic letter mark
    "\u115f\u1160\u3164\uffa0\u17b4\u17b5"  # fillers and vowels that leave a blank or nothing
    "\u180b-\u180f"  # Mongolian selectors and separator
    "\u200b-\u200f\u2028\u2029\u2060-\u206f"  # zero width, direction marks, line separators, invisible operators
    "\ufe00-\ufe0f\U000e0100-\U000e01ef"  # variation selectors, of which a row can spell any text
    "\ufeff\ufff0-\ufffb"  # byte order mark, annotations
    "\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"  # controls of hieroglyphs, shorthand, music
    "\U000e0000-\U000e0fff"  # tags, and what is reserved for more of the kind
)
"""What nobody sees, as the inside of a regular expression's `[...]`."""

_EMOJI = (
    "\u00a9\u00ae\u203c\u2049\u2122\u2139\u2190-\u21ff\u2300-\u23ff\u24c2\u25a0-\u27bf\u2934\u2935\u2b00-\u2bff"
    "\u3030\u303d\u3297\u3299\U0001f000-\U0001faff"
)
_JOINED = "\u0620-\u08ff\u0900-\u0dff\u1000-\u109f\u1780-\u17b3\u17b6-\u17ff\u1820-\u18af"
"""Arabic, the scripts of India, Burmese, Khmer and Mongolian, whose spelling needs joiners and non-joiners."""

_MARKS = (
    "\u0300-\u034e\u0350-\u036f\u0483-\u0489\u0591-\u05bd\u064b-\u065f\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u1ab0-\u1aff"
    "\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
)
"""Accents, of which more than four on one letter would run over the lines around it."""

_ENGLAND, _SCOTLAND, _WALES = ("".join(chr(0xE0000 + ord(each)) for each in name) for name in ("eng", "sct", "wls"))
_KEPT = (
    f"\U0001f3f4\U000e0067\U000e0062(?:{_ENGLAND}|{_SCOTLAND}|{_WALES})\U000e007f",
    f"(?<=[{_EMOJI}])[\ufe0e\ufe0f]",
    "(?<=[#*0-9])\ufe0f(?=\u20e3)",
    f"(?<=[{_EMOJI}\ufe0f])\u200d(?=[{_EMOJI}])",
    f"(?<=[{_JOINED}])[\u200c\u200d]",
    "(?<=[\u1820-\u18af])[\u180b-\u180f]",
)


@functools.cache
def _scanner() -> re.Pattern[str]:
    """Return what finds the hidden; made when it is needed, because that takes longer than a short command's work."""
    return re.compile(f"{'|'.join(_KEPT)}|(?P<hidden>[{_HIDDEN}]|(?<=[{_MARKS}]{{4}})[{_MARKS}])")


def printable(text: str) -> str:
    """Return a text as it may be shown: line ends and tabs are the only controls that are left in it.

    Every character that a record may not hold becomes U+FFFD, what would not be seen its number, and CR LF an LF. The
    texts of records were checked when they were read; this holds for whatever else a message quotes, too.
    """
    if text.isascii() and text.isprintable():
        return text
    refused = {position for position, _, _ in refused_in(text)}
    if refused:
        text = "".join("\ufffd" if position in refused else each for position, each in enumerate(text, 1))
    return _scanner().sub(_numbered, text.replace("\r\n", "\n"))


def _numbered(match: re.Match[str]) -> str:
    return match[0] if match["hidden"] is None else f"<U+{ord(match[0]):04X}>"


def indented(text: str) -> str:
    """Return a printable text with every line of it moved to the right."""
    return "\n".join(_INDENT + line if line else "" for line in printable(text).split("\n"))


def on_terminal() -> bool:
    """Say whether a person sits at standard input and can be asked."""
    return sys.stdin is not None and sys.stdin.isatty()
