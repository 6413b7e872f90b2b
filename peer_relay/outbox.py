"""Records that were accepted on this machine and are not yet known to be in the mailbox: one file for each.

1. *Must*: an entry is on the disk before the caller hears `queued` or anything is pushed (I4), and is removed only when
   the record is known to be in the mailbox, to have come second, or a person dropped it.
2. *Must*: `base` is on the disk before the record's first push (I3). It is a commit that the mailbox was verified to
   contain before that push, so whoever looks through every commit since then finds the record if it is there.
3. Entries are in the order of acceptance: a number that grows while the outbox is not empty, then the id.
4. Accepting needs no lock: each file has a name of its own, with a random part in it, and is put in place whole. Two
   processes that accept an answer to one question at the same time make two entries, and the first one goes out first.
5. *Must*: a file is sealed, so what goes out is what was accepted, and what `base` says is what was noted. A damaged
   file is left where it is, is named, never goes out and stops nothing else. So is a file whose name was damaged: no
   name is passed over but those that begin with a dot, which are unfinished files or another program's.
"""

from __future__ import annotations

import contextlib
import json
import secrets
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from peer_relay import disk, sealed
from peer_relay.crash_points import CrashPoint, reached
from peer_relay.errors import InvalidRecord, StateUnusable, UnknownQuestion
from peer_relay.paths import Place, entry_name, parse_entry_name
from peer_relay.records import Answer, PeerId, Question, canonical_bytes, parse_exchange_record

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class Status(Enum):
    """What is to become of an entry."""

    QUEUED = "queued"
    REFUSED = "refused"
    SECOND = "second"


class _File(BaseModel):
    """What an entry's file holds; the place is in its name."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    record: str
    author: PeerId
    base: str | None
    status: str
    words: str


@dataclass(frozen=True)
class OutboxEntry:
    """One accepted record.

    Attributes:
        number: grows with the order of acceptance.
        place: where the record belongs in the room.
        record: the record itself.
        author: the peer that writes it.
        base: a verified commit from before the first push; None until one is known.
        status: queued; refused (set aside until a person retries or drops it); second (another answer won, which is
            to be reported once).
        words: why it was refused, in the remote's words.
        tag: 8 random hex digits that make the name of its file unique.
    """

    number: int
    place: Place
    record: Question | Answer
    author: str
    base: str | None = None
    status: Status = Status.QUEUED
    words: str = ""
    tag: str = "00000000"

    @property
    def name(self) -> str:
        """The name of its file, which is this entry's and no other's."""
        return entry_name(self.number, self.place, self.tag)


@dataclass(frozen=True)
class DamagedFile:
    """A file of the outbox that is not what was written there.

    Attributes:
        name: its name.
        path: where it is.
        text: what can be made out of it: the record's text, or whatever is there as far as it is UTF-8. Unchecked.
    """

    name: str
    path: Path
    text: str


class Outbox:
    """The folder of these files.

    Args:
        folder: made when it is first needed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[str, tuple[bytes, OutboxEntry]] = {}

    def entries(self) -> list[OutboxEntry]:
        """Return all readable entries in the order of acceptance."""
        names = disk.names_in(self._folder)
        for gone in self._read.keys() - set(names):
            self._read.pop(gone, None)
        loaded = (self._load(name) for name in names)
        return [entry for entry in loaded if entry is not None]

    def is_empty(self) -> bool:
        """Return whether nothing is there, readable or not."""
        return not disk.names_in(self._folder)

    def holds(self, entry: OutboxEntry) -> bool:
        """Return whether an entry was not taken out yet, in whatever state its file is."""
        return disk.is_there(self._path(entry))

    def waiting(self) -> tuple[OutboxEntry, ...]:
        """Return the entries that are queued or set aside, in the order of acceptance."""
        return tuple(entry for entry in self.entries() if entry.status is not Status.SECOND)

    def set_aside(self, question_id: str) -> OutboxEntry:
        """Return the entry of an exchange that was set aside.

        Raises:
            UnknownQuestion: there is none.
        """
        for entry in self.entries():
            if entry.place.question_id == question_id and entry.status is Status.REFUSED:
                return entry
        raise UnknownQuestion(question_id=question_id)

    def damaged(self) -> list[str]:
        """Return the names of damaged files; they stay where they are for a person to look at."""
        unread = [name for name in disk.names_in(self._folder) if name[0] != "." and self._load(name) is None]
        # One that was taken out between the listing and the reading is not damaged.
        return [name for name in unread if disk.is_there(self._folder / name)]

    def damaged_places(self, names: Iterable[str] | None = None) -> list[Place]:
        """Return where the records in damaged files belong, as far as their names tell.

        Args:
            names: which files; by default all that are damaged.
        """
        found = map(parse_entry_name, self.damaged() if names is None else names)
        return [named[1] for named in found if named]

    def look_at(self, name: str) -> DamagedFile:
        """Return what can be made out of a damaged file."""
        path = self._folder / name
        try:
            data = disk.read_if_there(path) or b""
        except StateUnusable:
            data = b""
        return DamagedFile(name, path, _made_out(sealed.content_of(data)))

    def drop_damaged(self, name: str) -> bool:
        """Remove a damaged file, or the empty folder in its place, and return whether there was one of that name.

        Raises:
            StateUnusable: it cannot be removed.
        """
        if name not in self.damaged():
            return False
        disk.remove_whatever(self._folder / name)
        return True

    def accept(self, place: Place, record: Question | Answer, author: str, base: str | None) -> OutboxEntry:
        """Take a record in; on return it is on the disk.

        Raises:
            StateUnusable: it is not in the outbox.
        """
        numbers = [named[0] for name in disk.names_in(self._folder) if (named := parse_entry_name(name))]
        entry = OutboxEntry(max(numbers, default=0) + 1, place, record, author, base, tag=secrets.token_hex(4))
        try:
            self.save(entry)
        except StateUnusable:
            # It may be in place and only not known to be on the disk: what is reported as not accepted never goes out,
            # so what is there and cannot be taken back is on its way.
            if self.take_back(entry) or self._load(entry.name) != entry:
                raise
        reached(CrashPoint.ACCEPTED)
        return entry

    def save(self, entry: OutboxEntry) -> None:
        """Put an entry's present state on the disk."""
        content = _File(
            record=canonical_bytes(entry.record).decode(),
            author=entry.author,
            base=entry.base,
            status=entry.status.value,
            words=entry.words,
        )
        data = sealed.seal(entry.name, content.model_dump_json().encode())
        disk.write_atomically(self._path(entry), data)
        self._read[entry.name] = data, entry

    def current(self, entry: OutboxEntry) -> OutboxEntry | None:
        """Return an entry's present state, or None if it was taken out. A damaged file counts as unchanged."""
        if not disk.is_there(self._path(entry)):
            return None
        return self._load(entry.name) or entry

    def remove(self, entry: OutboxEntry) -> None:
        """Take an entry out."""
        disk.remove(self._path(entry))

    def take_back(self, entry: OutboxEntry) -> bool:
        """Take an entry out that nobody was told of yet, and return whether that could be done."""
        with contextlib.suppress(StateUnusable):
            self.remove(entry)
            return True
        return False

    def _path(self, entry: OutboxEntry) -> Path:
        return self._folder / entry.name

    def _load(self, name: str) -> OutboxEntry | None:
        """Return the entry in a file, taken apart only if it does not hold what it held before."""
        try:
            data = disk.read_if_there(self._folder / name)
        except StateUnusable:
            return None
        before = self._read.get(name)
        if data is None or (before and before[0] == data):
            return before[1] if data and before else None
        entry = _parsed(name, data)
        if entry is not None:
            self._read[name] = data, entry
        return entry


def _parsed(name: str, data: bytes) -> OutboxEntry | None:
    named = parse_entry_name(name)
    if named is None:
        return None
    number, place, tag = named
    try:
        content = _File.model_validate_json(sealed.unseal(name, data))
        record = parse_exchange_record(place.kind, content.record.encode())
        status = Status(content.status)
    except (ValidationError, InvalidRecord, ValueError):
        return None
    if record.id != place.question_id or (isinstance(record, Question) and record.asker_id != place.asker):
        return None
    return OutboxEntry(number, place, record, content.author, content.base, status, content.words, tag)


def _made_out(content: bytes) -> str:
    """Return the text of the record in a damaged file, or all that is there if none can be made out."""
    try:
        record = json.loads(json.loads(content)["record"])
        return str(record.get("question") or record["answer"])
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return content.decode("utf-8", "replace")
