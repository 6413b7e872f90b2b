"""What the tests of the pure core share: legal records, and texts that hypothesis makes up."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from peer_relay.records import Answer, Question, Room
from peer_relay.times import MAX_MS, format_ms
from tests import independent

if TYPE_CHECKING:
    from collections.abc import Mapping

GOLDEN = Path(__file__).parents[1] / "golden"

ID = "01M819MPVV04HMASW9NF6YY093"
ID_MS = 1_795_340_000_123
ROOM_ID = "duphlmqjg6ppk7fb"
MAC_KEY = bytes.fromhex("3eb7bd81f86cf477fdef73e1ff3e7275916811b2e3d092ece152e601d68ecc63")

QUESTION: Mapping[str, Any] = {
    "id": ID,
    "room": ROOM_ID,
    "asker_id": "alice",
    "question": "Why does the session token expire after 15 minutes?",
    "asked_at": "2026-11-22T09:33:20.123Z",
}
ANSWER: Mapping[str, Any] = {
    "id": ID,
    "room": ROOM_ID,
    "answer": "The auditors asked for it.",
    "sources": (),
    "answered_at": "2026-11-22T09:34:20.000Z",
}
ROOM: Mapping[str, Any] = {
    "format": 1,
    "room": ROOM_ID,
    "peers": ("alice", "bob"),
    "created_at": "2026-11-22T09:33:20.123Z",
}

# The list of the format's description, once more; a carriage return is legal only before a line feed.
REFUSED = frozenset(
    code
    for first, last in [
        *((0x00, 0x08), (0x0B, 0x0C), (0x0E, 0x1F), (0x7F, 0x9F), (0xD800, 0xDFFF), (0x202A, 0x202E)),
        *((0x2066, 0x2069), (0xFDD0, 0xFDEF), (0xE0001, 0xE0001), (0xE0020, 0xE007F)),
        *((end - 1, end) for end in range(0xFFFF, 0x110000, 0x10000)),
    ]
    for code in range(first, last + 1)
)
SCOTLAND = "\U0001f3f4" + "".join(chr(0xE0000 + ord(letter)) for letter in "gbsct") + "\U000e007f"
WHITE_SPACE = "\t\n\r \u00a0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"

any_character = st.characters(exclude_categories=["Cs"])
"""What UTF-8 can encode, in words that spare Hypothesis the two seconds in which it would find that out anew."""

_characters = st.characters(exclude_categories=["Cs"], exclude_characters=[chr(c) for c in REFUSED - {0xD800}] + ["\r"])
_pieces = st.sampled_from(['"', "\\", "\t", "\n", "\r\n", "/", "\u2028", "e\u0301", "\U0001f600", SCOTLAND, "\ufeff"])


def texts(longest: int = 60) -> st.SearchStrategy[str]:
    """Legal texts that are not blank, in pieces that like to break parsers."""
    pieces = st.lists(st.one_of(_characters, _pieces), min_size=1, max_size=longest)
    return pieces.map("".join).filter(lambda text: text.strip(WHITE_SPACE))


times = st.integers(0, MAX_MS)
ids = st.builds(independent.ulid, times, st.integers(0, 2**80 - 1))
peers = st.from_regex("[a-z0-9][a-z0-9-]{0,31}", fullmatch=True, alphabet=any_character)


@st.composite
def questions(draw: st.DrawFn) -> Question:
    question_id = draw(ids)
    return Question(
        id=question_id,
        room=ROOM_ID,
        asker_id=draw(peers),
        question=draw(texts()),
        context_hint=draw(st.none() | texts(20)),
        asked_at=format_ms(independent.ulid_ms(question_id)),
    )


def answers() -> st.SearchStrategy[Answer]:
    sources = st.lists(texts(10), max_size=30).map(tuple)
    return st.builds(
        Answer, id=ids, room=st.just(ROOM_ID), answer=texts(), sources=sources, answered_at=times.map(format_ms)
    )


def rooms() -> st.SearchStrategy[Room]:
    pairs = st.lists(peers, min_size=2, max_size=2, unique=True).map(tuple)
    return st.builds(Room, format=st.just(1), room=st.just(ROOM_ID), peers=pairs, created_at=times.map(format_ms))


def a_question(**changes: Any) -> Question:
    return Question(**{**QUESTION, **changes})


def an_answer(**changes: Any) -> Answer:
    return Answer(**{**ANSWER, **changes})


def a_room(**changes: Any) -> Room:
    return Room(**{**ROOM, **changes})
