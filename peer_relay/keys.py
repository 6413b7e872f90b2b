"""Room tokens, and the two things that are derived from one: the room's public id and its MAC key.

1. A token is always generated: `prt1-`, 52 characters of lower-case base32 (256 bits), 4 characters of checksum.
   Anything else is refused before any contact, so a typo is found here, and nothing can be guessed from a room id.
2. The token itself never enters the repository, a log or an error (I10).

The derivation is HKDF-SHA256 (RFC 5869) of the 32 bytes with an empty salt and one block of output.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass, field

from peer_relay.errors import InvalidToken

TOKEN_BYTES = 32
_PREFIX = "prt1-"
_FORM = re.compile(r"prt1-[a-z2-7]{56}")
_CHECKSUM = 4


def base32(data: bytes) -> str:
    """Return lower-case base32 without padding."""
    return base64.b32encode(data).decode("ascii").rstrip("=").lower()


def checksum(text: str, length: int) -> str:
    """Return the first `length` base32 characters (5 bits each) of the SHA-256 of an ASCII text."""
    return base32(hashlib.sha256(text.encode("ascii")).digest())[:length]


def format_token(secret: bytes) -> str:
    """Return the token of 32 random bytes.

    Args:
        secret: `TOKEN_BYTES` bytes from the operating system's generator; this module makes no randomness.
    """
    body = _PREFIX + base32(secret)
    return body + checksum(body, _CHECKSUM)


def parse_token(token: str) -> bytes:
    """Return the 32 bytes of a token.

    Raises:
        InvalidToken: it is not in the generated form; the token is not repeated.
    """
    if _FORM.fullmatch(token) is None:
        raise InvalidToken(reason="it must be prt1- and 56 characters a-z and 2-7")
    secret = base64.b32decode(token[len(_PREFIX) : -_CHECKSUM].upper() + "====")
    if format_token(secret) != token:
        raise InvalidToken(reason="its checksum is wrong, so a character is missing or mistyped")
    return secret


def _derive(secret: bytes, info: bytes, length: int) -> bytes:
    """HKDF-SHA256 with an empty salt (a block of zeros by RFC 5869, 2.2), for at most one block of output."""
    extracted = hmac.digest(bytes(32), secret, "sha256")
    return hmac.digest(extracted, info + b"\x01", "sha256")[:length]


@dataclass(frozen=True)
class RoomKeys:
    """What a token determines.

    Attributes:
        room_id: 16 characters of lower-case base32; public, part of the branch's name.
        mac_key: 32 bytes, the key of every `Room-Mac`; as secret as the token, and never shown.
    """

    room_id: str
    mac_key: bytes = field(repr=False)

    @classmethod
    def from_token(cls, token: str) -> RoomKeys:
        """Derive both.

        Raises:
            InvalidToken: the token is not in the generated form.
        """
        secret = parse_token(token)
        return cls(
            room_id=base32(_derive(secret, b"peer-relay/1/room-id", 10)),
            mac_key=_derive(secret, b"peer-relay/1/mac", 32),
        )
