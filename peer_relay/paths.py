"""Names in storage: where a record is in a room's branch and in the outbox; nothing else builds or reads such names.

1. `path_for` and `parse_path` are inverses: `parse_path(path_for(p)) == p`, and whatever `parse_path` accepts is
   spelt in exactly one way. The same holds for `entry_name` and `parse_entry_name`.
2. Names alone tell the state of a room: a `.question.json` without its `.answer.json` is open.
"""

from __future__ import annotations

import re
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

from peer_relay.ids import PEER_PATTERN, ULID_PATTERN, ulid_ms
from peer_relay.times import MAX_MS, format_date

ROOM_FILE = "room.json"

_PATH = re.compile(rf"({PEER_PATTERN})/(\d{{4}}-\d\d-\d\d)/({ULID_PATTERN})\.(question|answer)\.json", re.ASCII)
_ENTRY = re.compile(rf"(\d{{8}})-({ULID_PATTERN})-({PEER_PATTERN})-(question|answer)-([0-9a-f]{{8}})\.json", re.ASCII)


class Kind(Enum):
    """The two kinds of record in an exchange, by the word in their file name."""

    QUESTION = "question"
    ANSWER = "answer"


class Place(NamedTuple):
    """Where a record of an exchange is stored.

    Attributes:
        question_id: the id of the exchange (a ULID).
        asker: the peer that asked; its id is the first folder, for the answer too.
        kind: question or answer.
    """

    question_id: str
    asker: str
    kind: Kind


def branch_ref(room_id: str) -> str:
    """Return the full name of a room's branch."""
    return f"refs/heads/peer-relay/{room_id}"


def path_for(place: Place) -> str:
    """Return the path of a record's file, with `/` between its three parts."""
    date = format_date(ulid_ms(place.question_id))
    return f"{place.asker}/{date}/{place.question_id}.{place.kind.value}.json"


@lru_cache(maxsize=2048)
def parse_path(path: str) -> Place:
    """Return the place that a path names.

    Raises:
        ValueError: no record of a room is ever stored under this path.
    """
    match = _PATH.fullmatch(path)
    if match is None or (ms := ulid_ms(match[3])) > MAX_MS or format_date(ms) != match[2]:
        raise ValueError("not the path of a record")
    return Place(question_id=match[3], asker=match[1], kind=Kind(match[4]))


def entry_name(number: int, place: Place, tag: str) -> str:
    """Return the name of an outbox file.

    Args:
        number: grows with the order of acceptance, at most 8 digits.
        place: where the record belongs in the room.
        tag: 8 random hex digits.
    """
    return f"{number:08}-{place.question_id}-{place.asker}-{place.kind.value}-{tag}.json"


def parse_entry_name(name: str) -> tuple[int, Place, str] | None:
    """Return the number, the place and the tag in the name of an outbox file, or None if it is none."""
    match = _ENTRY.fullmatch(name)
    return match and (int(match[1]), Place(match[2], match[3], Kind(match[4])), match[5])
