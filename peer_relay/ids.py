"""What the ids of a room look like, and the time that a question's id carries.

Pure, and free of every library, so that what only needs a name does not load the models of the records.
"""

from __future__ import annotations

import re

from peer_relay.errors import InvalidRecord, InvalidSetting, Problem

ULID_PATTERN = "[0-7][0-9A-HJKMNP-TV-Z]{25}"
PEER_PATTERN = "[a-z0-9][a-z0-9-]{0,31}"
ROOM_PATTERN = "[a-z2-7]{16}"

# From Crockford's digits to Python's, which stop at base 36.
_DIGITS = str.maketrans("0123456789ABCDEFGHJKMNPQRSTVWXYZ", "0123456789ABCDEFGHIJKLMNOPQRSTUV")


def ulid_ms(ulid: str) -> int:
    """Return the 48-bit time of a well-formed ULID in milliseconds since 1970, without checking its range."""
    return int(ulid[:10].translate(_DIGITS), 32)


def check_question_id(question_id: str) -> None:
    """Check a question's id that somebody gave.

    Raises:
        InvalidRecord: it is out of form.
    """
    if re.fullmatch(ULID_PATTERN, question_id) is None:
        problem = Problem("question_id", "must be an id as a tool returned it, 26 capital letters and digits")
        raise InvalidRecord(kind="request", problems=(problem,))


def check_peer_id(peer_id: str) -> None:
    """Check the peer id that was set for this machine's user.

    Raises:
        InvalidSetting: it is out of form.
    """
    if re.fullmatch(PEER_PATTERN, peer_id) is None:
        raise InvalidSetting(
            name="The peer id",
            reason="must be 1 to 32 characters a-z, 0-9 and -, and must not begin with -",
            advice="Set PEER_RELAY_PEER_ID to your own name in the room.",
        )
