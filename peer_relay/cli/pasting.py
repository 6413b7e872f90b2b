"""What people paste when they are asked for an invite, and what it lacks if it is none.

A chat program may have wrapped the line, put marks around it, or words before and behind it. That is taken away as far
as the checksum then fits; everything else is refused with a sentence of its own, and nothing of it is repeated (I10).
"""

from __future__ import annotations

import base64
import re
from codecs import getincrementaldecoder
from typing import TYPE_CHECKING

from peer_relay.errors import InvalidInvite
from peer_relay.invite import parse_invite

if TYPE_CHECKING:
    from collections.abc import Iterator

    from peer_relay.invite import Invite

_PREFIX, _TOKEN_PREFIX = "pr1-", "prt1-"
_BEGIN, _END, _CHECKSUM = '["', b'"]', 8
_ALPHABET = re.compile(r"pr1-[a-z2-7]*")
_LINE = re.compile(r"pr1-[a-z2-7]+")
# White space, and what programs put where a line may be broken: zero width, soft hyphen, byte order mark.
_GAPS = re.compile("[\\s\u00ad\u200b-\u200d\u2060\ufeff]+")
_MARKS = "\"'`<>()[]*_.,;:|\u2018\u2019\u201c\u201d\u201e\u00ab\u00bb"  # the last are typographic quotes


def understand(text: str) -> Invite:
    """Return the invite that is in a text.

    Raises:
        InvalidInvite: there is none, or not a whole one, or more than one.
    """
    squeezed = _squeezed(text)
    if not squeezed:
        raise InvalidInvite(reason="nothing was pasted", advice="Copy the whole line that begins with pr1-.")
    if squeezed.count(_PREFIX) > 1:
        raise InvalidInvite(reason="it was pasted twice, or there are two of them", advice="Paste one of them, once.")
    if _TOKEN_PREFIX in squeezed:
        advice = "Ask your peer for the line that begins with pr1-; `peer-relay invite` prints it again."
        raise InvalidInvite(reason="this is a room token, and no invite", advice=advice)
    *others, last = _readings(text, squeezed)
    for reading in others:
        try:
            return parse_invite(reading)
        except InvalidInvite:
            continue
    if is_cut(last):
        raise InvalidInvite(reason="its end is missing")
    return parse_invite(last)


def is_cut(text: str) -> bool:
    """Say whether a text begins like an invite and ends too early.

    The content of an invite is a JSON array, which ends with `"]`, and the checksum follows. A character that is
    missing in the middle makes what comes after it unreadable, so this is told apart.
    """
    squeezed = _squeezed(text)
    if _ALPHABET.fullmatch(squeezed) is None:
        return False
    payload = squeezed.removeprefix(_PREFIX)
    content = base64.b32decode(payload[: len(payload) // 8 * 8].upper())
    end = content.find(_END)
    if end < 0:
        return _is_readable(content)
    return len(payload) < -(-8 * (end + len(_END)) // 5) + _CHECKSUM


def _is_readable(beginning: bytes) -> bool:
    try:
        text = getincrementaldecoder("utf-8")().decode(beginning)
    except UnicodeDecodeError:
        return False
    return text.isprintable() and text.startswith(_BEGIN[: len(text)])


def _squeezed(text: str) -> str:
    return _GAPS.sub("", text).strip(_MARKS)


def _readings(text: str, squeezed: str) -> Iterator[str]:
    """Yield what may be the invite, the most likely one last: about that one the sentence is."""
    yield from _LINE.findall(text)
    yield squeezed
