"""How things stand in a room, as far as this machine knows: who waits for whom, what is unread, what is on its way.

1. Reading it contacts nobody, takes no lock and changes nothing.
2. It is for display and for waking somebody. Nothing is decided by it: the relay reads the same files strictly.
3. It loads neither the models of the records nor git, so a command or a hook that only wants to know is quick.

The files are those of `LocalState`; one that is not what was written counts as not there.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from peer_relay import disk, errors, sealed
from peer_relay.errors import MailboxError, StateUnusable
from peer_relay.ids import PEER_PATTERN, ULID_PATTERN
from peer_relay.paths import Kind, Place, parse_entry_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

STATUSES = ("queued", "refused", "second")
"""What may become of a record in the outbox, by the names that `outbox.Status` has for it."""


class OnTheWay(NamedTuple):
    """One record in the outbox.

    Attributes:
        place: where it belongs in the room.
        status: `queued`, `refused` (set aside) or `second` (another answer won).
        words: why it was set aside, in the remote's words.
    """

    place: Place
    status: str
    words: str


class Standing(NamedTuple):
    """How things stand.

    Attributes:
        me: this side's peer id.
        other: the other peer's, None until the room was reached from this machine.
        contact_ms: when the mailbox was last reached, in milliseconds since 1970, or None.
        unanswered: ids of this side's questions without an answer, oldest first, those on their way too.
        waiting: ids of the other side's questions that wait for an answer from here, oldest first.
        unread: ids of this side's questions whose answer may be there and was not read yet, oldest first.
        outbox: what is on its way, in the order of acceptance.
        damaged: names of damaged outbox files.
        refusal: the sentence about a branch that is not accepted, or None.
    """

    me: str
    other: str | None = None
    contact_ms: int | None = None
    unanswered: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    outbox: tuple[OnTheWay, ...] = ()
    damaged: tuple[str, ...] = ()
    refusal: str | None = None

    @property
    def queued(self) -> tuple[OnTheWay, ...]:
        """What goes out by itself."""
        return tuple(each for each in self.outbox if each.status == "queued")


def folder_of(home: Path, room_id: str, peer_id: str) -> Path:
    """Return the folder in which a machine keeps what it keeps for one peer of one room.

    Args:
        home: the state folder.
        room_id: the room's id.
        peer_id: the peer's.
    """
    return home / "rooms" / room_id / peer_id


def read_standing(folder: Path, me: str) -> Standing:
    """Return how things stand.

    Args:
        folder: what this machine keeps for the peer of the room.
        me: that peer's id.

    Raises:
        StateUnusable: a folder cannot be listed.
    """
    outbox, damaged = _outbox(folder / "outbox")
    known = _checkpoint(folder / "checkpoint.json")
    going = {each.place.question_id for each in outbox if each.place.kind is Kind.ANSWER and each.status != "second"}
    asking = {each.place.question_id for each in outbox if each.place.kind is Kind.QUESTION}
    opened: Mapping[str, str] = known["open"] if known else {}
    mine = {question_id for question_id, asker in opened.items() if asker == me} | asking
    asked = [name for name in disk.names_in(folder / "asked") if re.fullmatch(ULID_PATTERN, name)]
    lost = _questions_in([*damaged, *disk.names_in(folder / "outbox-damaged")])
    return Standing(
        me=me,
        other=None if known is None else _other(known["peers"], me),
        contact_ms=None if known is None else known["contact_ms"],
        unanswered=tuple(sorted(mine)),
        waiting=tuple(sorted(i for i, asker in opened.items() if asker != me and i not in going)),
        # Without a checkpoint nothing says that an answer came, and a question that was damaged here hardly got one.
        unread=tuple(i for i in asked if i not in mine and (i not in lost or i in known["answered"])) if known else (),
        outbox=tuple(outbox),
        damaged=tuple(damaged),
        refusal=None if known is None else known["refusal"],
    )


def _questions_in(names: Iterable[str]) -> set[str]:
    """Return the ids of the questions that names of outbox files are about."""
    places = [named[1] for name in names if (named := parse_entry_name(name))]
    return {place.question_id for place in places if place.kind is Kind.QUESTION}


def _outbox(folder: Path) -> tuple[list[OnTheWay], list[str]]:
    entries, damaged = [], []
    for name in disk.names_in(folder):
        if (entry := _entry(folder, name)) is not None:
            entries.append(entry)
        elif name[0] != "." and disk.is_there(folder / name):
            damaged.append(name)
    return entries, damaged


def _entry(folder: Path, name: str) -> OnTheWay | None:
    """Return what an outbox file says, or None if it is none or is about another record than its name."""
    named, content = parse_entry_name(name), _file(folder / name)
    status, words, record = (content.get(each) for each in ("status", "words", "record"))
    if named is None or status not in STATUSES or not isinstance(words, str) or not isinstance(record, str):
        return None
    if _object(record).get("id") != named[1].question_id:
        return None
    return OnTheWay(named[1], status, words)


def _checkpoint(path: Path) -> dict[str, Any] | None:
    """Return the parts of a checkpoint that are looked at, or None if there is none that can be read."""
    content = _file(path)
    room = content.get("room")
    peers = room.get("peers") if isinstance(room, dict) else None
    opened = dict(_pairs(content.get("open")))
    if not isinstance(peers, list) or len(peers) != 2 or not all(map(_is_peer, peers)):
        return None
    try:
        contact_ms = disk.modified_ms(path)
    except StateUnusable:
        return None
    answered, refusal = content.get("answered"), _refusal(content.get("refusal"))
    names = answered if isinstance(answered, dict) else {}  # only looked up in, so these hundreds are not checked
    return {"peers": peers, "open": opened, "answered": names, "contact_ms": contact_ms, "refusal": refusal}


def _pairs(value: object) -> Iterator[tuple[str, str]]:
    for question_id, asker in value.items() if isinstance(value, dict) else ():
        if re.fullmatch(ULID_PATTERN, question_id) and _is_peer(asker):
            yield question_id, asker


def _is_peer(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(PEER_PATTERN, value) is not None


def _refusal(saved: object) -> str | None:
    """Return the sentence of a saved refusal."""
    if not isinstance(saved, dict):
        return None
    kind = getattr(errors, str(saved.get("kind")), None)
    if not (isinstance(kind, type) and issubclass(kind, MailboxError)):
        return None
    try:
        return str(kind(**saved["fields"]))
    except (KeyError, TypeError):
        return None


def _other(peers: list[str], me: str) -> str:
    return peers[1] if peers[0] == me else peers[0]


def _file(path: Path) -> dict[str, Any]:
    """Return the object in a file, or an empty one if there is none or it is not what was written."""
    try:
        return _object(sealed.unseal(path.name, disk.read_if_there(path) or b""))
    except (StateUnusable, ValueError):
        return {}


def _object(text: str | bytes) -> dict[str, Any]:
    """Return the object that a text spells, or an empty one if it spells none."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
