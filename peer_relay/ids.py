"""What the ids of a room look like, and the time that a question's id carries.

Pure, and free of every library, so that what only needs a name does not load the models of the records.
"""

from __future__ import annotations

ULID_PATTERN = "[0-7][0-9A-HJKMNP-TV-Z]{25}"
PEER_PATTERN = "[a-z0-9][a-z0-9-]{0,31}"
ROOM_PATTERN = "[a-z2-7]{16}"

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def ulid_ms(ulid: str) -> int:
    """Return the 48-bit time of a well-formed ULID in milliseconds since 1970, without checking its range."""
    ms = 0
    for digit in ulid[:10]:
        ms = ms * 32 + _CROCKFORD.index(digit)
    return ms
