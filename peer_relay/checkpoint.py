"""The newest verified commit of a room, with the lists derived from it, in one file.

1. Losing it loses the detection of a rewritten history up to the next fetch, and nothing else.
2. It is written after the mailbox and never before (write order of the design), whole or not at all.
3. It is sealed: a file that is not what was written counts as lost, so no wrong list and no false alarm comes of it.
4. What one version of peer-relay refused, another one looks at again.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from peer_relay import __version__, disk, sealed
from peer_relay.errors import (
    BranchDeleted,
    BranchSetBack,
    HistoryRewritten,
    InvalidRecord,
    MailboxError,
    RefusedCommit,
)
from peer_relay.ids import PEER_PATTERN, ULID_PATTERN, ulid_ms
from peer_relay.ledger import Ledger
from peer_relay.records import Room
from peer_relay.store import Refusal, Snapshot
from peer_relay.times import MAX_MS

if TYPE_CHECKING:
    from pathlib import Path

_REFUSALS: dict[str, type[MailboxError]] = {
    kind.__name__: kind for kind in (RefusedCommit, HistoryRewritten, BranchSetBack, BranchDeleted)
}


def _check_times(askers: dict[str, str]) -> dict[str, str]:
    if askers and ulid_ms(max(askers)) > MAX_MS:  # ids sort as their times do
        raise ValueError("must be ids of times before the year 10000")
    return askers


_CommitId = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
_Ulid = Annotated[str, Field(pattern=f"^{ULID_PATTERN}$")]
_PeerId = Annotated[str, Field(pattern=f"^{PEER_PATTERN}$")]
_Askers = Annotated[dict[_Ulid, _PeerId], AfterValidator(_check_times)]
"""Asker by id. The rules are those of a record's own fields, as patterns: there are hundreds, at every look."""


class _SavedRefusal(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    tip: _CommitId | None
    kind: str
    fields: dict[str, str]
    by: str | None = None


class _File(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    tip: _CommitId
    room: Room
    open: _Askers
    answered: _Askers
    refusal: _SavedRefusal | None


@dataclass(frozen=True)
class Checkpoint:
    """What is known of a room.

    Attributes:
        snapshot: the newest verified commit and the room's state at it.
        refusal: what the last look refused, if it did.
        contact_ms: when the mailbox was last reached, in milliseconds since 1970; for display.
    """

    snapshot: Snapshot
    refusal: Refusal | None
    contact_ms: int


def load(path: Path) -> Checkpoint | None:
    """Return the saved checkpoint, or None if there is none that can be read."""
    data = disk.read_if_there(path)
    if data is None:
        return None
    try:
        snapshot, saved = _parse(path.name, data)
        # Another version may accept what this one refused, or the other way round, so it looks itself.
        refusal = _refusal(saved) if saved and saved.by == __version__ else None
    except (ValidationError, InvalidRecord, KeyError, TypeError, sealed.Broken):
        return None
    return Checkpoint(snapshot, refusal, disk.modified_ms(path))


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Put a checkpoint in place. It is not forced to the disk: an older one is as good after a crash."""
    ledger, refusal = checkpoint.snapshot.ledger, checkpoint.refusal
    saved = _File.model_construct(  # unchecked: it was verified, and it is checked again when it is read
        tip=checkpoint.snapshot.tip,
        room=ledger.room,
        open=dict(ledger.open),
        answered=dict(ledger.answered),
        refusal=None if refusal is None else _saved_refusal(refusal),
    )
    disk.write_atomically(path, sealed.seal(path.name, saved.model_dump_json().encode()), durable=False)
    note_contact(path, checkpoint.contact_ms)


def note_contact(path: Path, contact_ms: int) -> None:
    """Remember when the mailbox was last reached: the file's time of modification, so that a poll writes nothing."""
    disk.set_modified_ms(path, contact_ms)


@functools.lru_cache(maxsize=2)
def _parse(name: str, data: bytes) -> tuple[Snapshot, _SavedRefusal | None]:
    """Return what a file says; the same bytes, which most looks find, are not checked again."""
    saved = _File.model_validate_json(sealed.unseal(name, data))
    return Snapshot(saved.tip, Ledger(saved.room, saved.open, saved.answered)), saved.refusal


def _saved_refusal(refusal: Refusal) -> _SavedRefusal:
    values = {each.name: getattr(refusal.error, each.name) for each in fields(refusal.error)}
    return _SavedRefusal(tip=refusal.tip, kind=type(refusal.error).__name__, fields=values, by=__version__)


def _refusal(saved: _SavedRefusal) -> Refusal:
    return Refusal(saved.tip, _REFUSALS[saved.kind](**saved.fields))
