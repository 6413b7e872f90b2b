"""The checkpoint: read back as it was written, or counted as lost."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from peer_relay import checkpoint, sealed
from peer_relay.checkpoint import Checkpoint
from peer_relay.errors import BranchDeleted, BranchSetBack, HistoryRewritten, MailboxError, RefusedCommit
from peer_relay.ledger import Ledger
from peer_relay.store import Refusal, Snapshot
from peer_relay.times import MAX_MS
from tests.store.benches import ROOM, START_MS, asking, exchanging, question

if TYPE_CHECKING:
    from pathlib import Path

TIP, OTHER = "ab" * 20, "cd" * 20
LATEST_ULID = "7" + 25 * "Z"
LEDGER = asking(exchanging(Ledger(ROOM), 1, 2)[1], question(3, "bob"))[1]


def saved(path: Path, refusal: Refusal | None = None, contact_ms: int = START_MS) -> Checkpoint:
    known = Checkpoint(Snapshot(TIP, LEDGER), refusal, contact_ms)
    checkpoint.save(path, known)
    return known


def rewrite(path: Path, changes: dict[str, Any]) -> None:
    """Change what a file says, and seal it again."""
    content = json.loads(sealed.unseal(path.name, path.read_bytes()))
    for name, value in changes.items():
        content[name] = content[name] | value if name == "refusal" else value
    path.write_bytes(sealed.seal(path.name, json.dumps(content).encode()))


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "state" / "checkpoint.json"
    known = saved(path)
    assert checkpoint.load(path) == known


@pytest.mark.parametrize(
    "error",
    [
        RefusedCommit(commit=OTHER, reason="it is a merge"),
        RefusedCommit(commit=OTHER, reason="it is odd", advice=RefusedCommit.BY_A_HOLDER),
        HistoryRewritten(commit=TIP),
        BranchSetBack(commit=TIP, found=OTHER),
        BranchDeleted(commit=TIP),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_refusal_is_loaded_as_it_was_said(tmp_path: Path, error: MailboxError) -> None:
    path = tmp_path / "checkpoint.json"
    saved(path, Refusal(None if isinstance(error, BranchDeleted) else OTHER, error))
    loaded = checkpoint.load(path)
    assert loaded is not None
    assert loaded.refusal is not None
    assert (loaded.refusal.tip, type(loaded.refusal.error), str(loaded.refusal.error)) == (
        None if isinstance(error, BranchDeleted) else OTHER,
        type(error),
        str(error),
    )


@pytest.mark.parametrize("by", ["0.0.1", None])
def test_what_another_version_refused_is_to_be_looked_at_again(tmp_path: Path, by: str | None) -> None:
    path = tmp_path / "checkpoint.json"
    known = saved(path, Refusal(OTHER, RefusedCommit(commit=OTHER, reason="it is odd")))
    rewrite(path, {"refusal": {"by": by}})
    loaded = checkpoint.load(path)
    assert loaded is not None
    assert (loaded.snapshot, loaded.refusal) == (known.snapshot, None)


def test_the_time_of_contact_changes_without_a_new_file(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.json"
    known = saved(path)
    inode = path.stat().st_ino
    checkpoint.note_contact(path, START_MS + 1)
    assert checkpoint.load(path) == Checkpoint(known.snapshot, None, START_MS + 1)
    assert path.stat().st_ino == inode


@pytest.mark.parametrize("contact_ms", [0, MAX_MS])
def test_a_clock_that_is_far_off_does_no_harm(tmp_path: Path, contact_ms: int) -> None:
    path = tmp_path / "checkpoint.json"
    known = saved(path, contact_ms=contact_ms)
    loaded = checkpoint.load(path)
    assert loaded is not None
    assert loaded.snapshot == known.snapshot


def test_noting_contact_without_a_file_does_nothing(tmp_path: Path) -> None:
    checkpoint.note_contact(tmp_path / "checkpoint.json", START_MS)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_not_there_counts_as_lost(tmp_path: Path) -> None:
    assert checkpoint.load(tmp_path / "checkpoint.json") is None


@pytest.mark.parametrize(
    "changes",
    [
        {"tip": "HEAD"},
        {"tip": TIP + "\n"},
        {"tip": None},
        {"room": {}},
        {"open": {"x": "alice"}},
        {"answered": {question(1).id: "A"}},
        {"answered": {question(1).id + "\n": "alice"}},
        {"answered": {question(1).id: "alice", LATEST_ULID: "bob"}},
        {"more": 1},
        {"refusal": {"kind": "Unreachable"}},
        {"refusal": {"fields": {"commit": OTHER}}},
        {"refusal": {"tip": "x"}},
    ],
    ids=str,
)
def test_a_file_that_says_something_impossible_counts_as_lost(tmp_path: Path, changes: dict[str, Any]) -> None:
    path = tmp_path / "checkpoint.json"
    saved(path, Refusal(OTHER, RefusedCommit(commit=OTHER, reason="it is a merge")))
    rewrite(path, {})
    assert checkpoint.load(path) is not None
    rewrite(path, changes)
    assert checkpoint.load(path) is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe\x00", b"null"])
def test_a_file_that_is_no_checkpoint_counts_as_lost(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "checkpoint.json"
    path.write_bytes(content)
    assert checkpoint.load(path) is None


def test_what_did_not_change_is_not_checked_again(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.json"
    known = saved(path)
    first, second = checkpoint.load(path), checkpoint.load(path)
    assert first is not None
    assert second is not None
    assert first.snapshot is second.snapshot
    checkpoint.save(path, Checkpoint(Snapshot(OTHER, LEDGER), None, START_MS))
    changed = checkpoint.load(path)
    assert changed is not None
    assert (changed.snapshot.tip, changed.snapshot.ledger) == (OTHER, known.snapshot.ledger)
