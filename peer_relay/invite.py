"""The invite: one line that carries all that the other side needs to enter a room.

1. An invite holds the room token and is a secret. No password of the remote belongs in it: who writes one passes the
   remote without.
2. A character that is missing, doubled or mistyped is found before anything is contacted.
3. What was read is fit to be shown (I9), the token apart; whether the remote may be used is decided elsewhere.

Form: `pr1-`, the lower-case base32 of a JSON array of three strings (remote, token, invited peer), and 8 characters
of checksum over all that precedes. In a room with pinned keys, one more string for each of those that go along
(`signing.format_pin`); programs that know nothing of them then say that they have to be upgraded.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass, field

from peer_relay.errors import InvalidInvite, InvalidToken
from peer_relay.ids import PEER_PATTERN
from peer_relay.keys import base32, checksum, parse_token
from peer_relay.signing import Pin, format_pin, parse_pin
from peer_relay.text import is_one_line

_PREFIX = "pr1-"
_CHECKSUM = 8
_MAX_LENGTH = 8_192
_FORM = re.compile(r"pr1-[a-z2-7]{16,}")


@dataclass(frozen=True)
class Invite:
    """What an invite says.

    Attributes:
        remote: the mailbox's address, without a password.
        token: the room token (secret).
        peer_id: the id of the peer that is invited.
        pins: the keys that whoever made the invite vouches for.
    """

    remote: str
    token: str = field(repr=False)
    peer_id: str
    pins: tuple[Pin, ...] = field(default=(), repr=False)


def format_invite(invite: Invite) -> str:
    """Return the invite as one line of a-z, 2-7 and `-`."""
    fields = [invite.remote, invite.token, invite.peer_id, *map(format_pin, invite.pins)]
    content = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
    body = _PREFIX + base32(content.encode())
    return body + checksum(body, _CHECKSUM)


def parse_invite(line: str) -> Invite:
    """Return what an invite says. White space around it is ignored; everything else must be exact.

    Raises:
        InvalidInvite: cut, mistyped, doubled, or not an invite at all; nothing of it is repeated.
    """
    text = line.strip()
    if len(text) > _MAX_LENGTH or not text.startswith(_PREFIX):
        raise InvalidInvite(reason="it must be one line that begins with pr1-")
    body, check = text[:-_CHECKSUM], text[-_CHECKSUM:]
    if _FORM.fullmatch(text) is None or checksum(body, _CHECKSUM) != check:
        raise InvalidInvite(reason="its checksum is wrong, so a character is missing or mistyped")
    invite = Invite(*_decode(body.removeprefix(_PREFIX)))
    if format_invite(invite) != text:
        raise InvalidInvite(reason="it was not written by peer-relay")
    return invite


def _decode(payload: str) -> tuple[str, str, str, tuple[Pin, ...]]:
    try:
        remote, token, peer_id, *lines = json.loads(base64.b32decode(payload.upper() + "=" * (-len(payload) % 8)))
        parse_token(token)
        pins = tuple(map(parse_pin, lines))
        known = isinstance(remote, str) and is_one_line(remote) and bool(re.fullmatch(PEER_PATTERN, peer_id))
    except (binascii.Error, ValueError, TypeError, RecursionError, InvalidToken):
        known, pins = False, ()
    if not known:
        advice = "Upgrade peer-relay on both machines, then ask for a new invite."
        raise InvalidInvite(reason="it was written by another version of peer-relay", advice=advice)
    return remote, token, peer_id, pins
