"""Signed commits: the one thing that the records do not determine, and where it may stand (I2)."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from peer_relay.errors import RefusedCommit
from tests.claims import claim
from tests.git_store.conftest import FULL_IDS
from tests.git_store.forging import OPEN
from tests.git_store.reading import reader, soon
from tests.independent import START_MS, Room, ulid

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Git

AFTER = ulid(START_MS + 5_000_000_000, 7)


def sign(raw: bytes, key: Path, namespace: str = "git") -> bytes:
    """Return a commit with the signature that `git commit -S` would put into it."""
    command = ["ssh-keygen", "-q", "-Y", "sign", "-f", str(key), "-n", namespace]
    armoured = subprocess.run(command, input=raw, check=True, capture_output=True, timeout=30).stdout
    headers, _, message = raw.partition(b"\n\n")
    return headers + b"\ngpgsig " + armoured.strip().replace(b"\n", b"\n ") + b"\n\n" + message


def sign_tip(room: Room, key: Path, namespace: str = "git") -> None:
    """Replace the tip by the same commit with a signature."""
    tip = room.commit_ids.pop()
    room.push(sign(room.commits[tip], key, namespace))


def opens(room: Room) -> None:
    room.open()


def asks(room: Room) -> None:
    room.open()
    room.ask(OPEN, "alice", "Signed?")


def answers(room: Room) -> None:
    asks(room)
    room.answer(OPEN, "Yes.")


@claim("I2")
@pytest.mark.parametrize("write", [opens, asks, answers])
def test_a_signed_commit_of_a_record_is_accepted_as_a_tip_and_as_a_step(
    write: Callable[[Room], None], key: Path, tmp_path: Path, git: Git
) -> None:
    room = Room(tmp_path / "mailbox.git")
    write(room)
    bob = reader(tmp_path, tmp_path / "mailbox.git")
    before = room.commit_ids[-2:-1]
    if before:
        room.set_branch(before[0])
        known = bob.store.refresh(None, None, soon()).snapshot
    sign_tip(room, key)
    signers = tmp_path / "signers"
    signers.write_text(f'* namespaces="git" {key.with_suffix(".pub").read_text()}')
    git(tmp_path / "mailbox.git", "-c", f"gpg.ssh.allowedSignersFile={signers}", "verify-commit", room.commit_ids[-1])

    first = reader(tmp_path / "first", tmp_path / "mailbox.git").store.refresh(None, None, soon())
    assert (first.snapshot.tip, first.refusal) == (room.commit_ids[-1], None)
    if before:
        assert bob.store.refresh(known, None, soon()).snapshot == first.snapshot
    room.ask(AFTER, "bob", "On top of a signed one?")
    found = bob.store.refresh(first.snapshot, None, soon())
    assert (found.snapshot.tip, found.refusal) == (room.commit_ids[-1], None)


@claim("I2")
def test_a_signed_archive_commit_is_refused(full: Room, key: Path, tmp_path: Path) -> None:
    bob = reader(tmp_path, tmp_path / "mailbox.git")
    known = bob.store.refresh(None, None, soon()).snapshot
    full.archive_if_due()
    exact = full.commit_ids[-1]
    sign_tip(full, key)
    error = RefusedCommit(commit=full.commit_ids[-1], reason="it is signed and adds no record")

    found = bob.store.refresh(known, None, soon())
    assert (found.snapshot, found.refusal and found.refusal.error.what) == (known, error.what)
    with pytest.raises(RefusedCommit) as caught:
        reader(tmp_path / "first", tmp_path / "mailbox.git").store.refresh(None, None, soon())
    assert caught.value.what == error.what

    full.set_branch(exact)
    assert bob.store.refresh(known, found.refusal, soon()).snapshot.ledger.answered.keys() == set(FULL_IDS[257:])


def test_a_signature_for_something_else_than_git_is_refused(key: Path, tmp_path: Path) -> None:
    room = Room(tmp_path / "mailbox.git")
    asks(room)
    sign_tip(room, key, "file")
    with pytest.raises(RefusedCommit) as caught:
        reader(tmp_path, tmp_path / "mailbox.git").store.refresh(None, None, soon())
    assert caught.value.reason == "its signature is not an SSH signature for git in its one spelling"


@claim("archive-rule")
def test_after_a_signed_record_the_archive_commit_is_written_and_accepted(
    full: Room, key: Path, tmp_path: Path
) -> None:
    sign_tip(full, key)
    bob = reader(tmp_path, tmp_path / "mailbox.git")
    known = bob.store.refresh(None, None, soon()).snapshot
    full.archive_if_due()
    found = bob.store.refresh(known, None, soon())
    assert (found.snapshot.tip, found.refusal) == (full.commit_ids[-1], None)
