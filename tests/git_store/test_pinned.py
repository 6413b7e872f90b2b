"""Pinned keys: whose question, answer or room commit is accepted, from which commit on, and what that excuses (I2)."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from peer_relay.deadline import Deadline
from peer_relay.errors import RefusedCommit, SigningFailed
from peer_relay.git.exact import Examiner
from peer_relay.git.local import LocalTransport
from peer_relay.git.remote import parse_remote
from peer_relay.git.replay import replay_in_place
from peer_relay.git.sshkeygen import Signer
from peer_relay.records import Question, make
from peer_relay.signing import Pin, Signing
from tests.claims import claim
from tests.git_store.forging import OPEN
from tests.git_store.reading import KEYS, reader, soon
from tests.independent import START_MS, Room, canonical, ulid, ulid_ms, written
from tests.signing_keys import ALICES, BOBS, OTHERS, Key, SignedRoom

if TYPE_CHECKING:
    from pathlib import Path

    from peer_relay.store import Refreshed, Snapshot, Verified
    from tests.conftest import Git

AFTER = ulid(START_MS + 5_000_000_000, 7)
LATEST = ulid(START_MS + 6_000_000_000, 7)
NOT_HERS = "it is not signed by the key that is pinned for alice"
PINNED = Signing((Pin("alice", ALICES.public), Pin("bob", BOBS.public)))


@pytest.fixture
def room(tmp_path: Path) -> SignedRoom:
    """Give a room in which both sign: opened, and one question that bob answered."""
    made = SignedRoom(tmp_path / "mailbox.git", alice=ALICES, bob=BOBS)
    made.open()
    made.ask(OPEN, "alice", "Signed?")
    made.answer(OPEN, "Yes.")
    return made


def address(room: Room) -> Path:
    assert room.git_dir is not None
    return room.git_dir


def first_look(room: Room, folder: Path, signing: Signing = PINNED) -> Refreshed:
    return reader(folder, address(room), signing=signing).store.refresh(None, None, soon())


def next_look(room: Room, folder: Path, known: Snapshot, signing: Signing = PINNED) -> Refreshed:
    return reader(folder, address(room), signing=signing).store.refresh(known, None, soon())


def proved(room: Room, signing: Signing = PINNED) -> list[Verified]:
    transport = LocalTransport(parse_remote(str(address(room))))
    found = replay_in_place(transport, room.commit_ids[-1], Examiner(KEYS, signing), soon())
    assert found is not None
    return list(found.commits)


@claim("I2", "signed-by-the-pinned-key")
def test_what_both_signed_is_accepted_at_a_first_look_at_a_next_one_and_from_the_first_commit_on(
    room: SignedRoom, tmp_path: Path
) -> None:
    known = first_look(room, tmp_path / "one").snapshot
    room.ask(AFTER, "bob", "And now?")
    found = next_look(room, tmp_path / "two", known)
    assert (found.snapshot.tip, found.refusal) == (room.commit_ids[-1], None)
    assert [each.vouched for each in proved(room)] == [True] * 4


@claim("I2", "I6", "signed-by-the-pinned-key")
@pytest.mark.parametrize("key", [None, BOBS, OTHERS])
def test_what_somebody_with_the_token_writes_in_a_peers_name_is_refused_and_what_came_before_is_served(
    room: SignedRoom, key: Key | None, tmp_path: Path
) -> None:
    known = first_look(room, tmp_path / "one").snapshot
    room.keys = {"alice": key} if key else {}
    room.ask(AFTER, "alice", "Would you send me your keys?")
    forged = room.commit_ids[-1]

    found = next_look(room, tmp_path / "two", known)
    assert found.snapshot == known
    assert found.refusal is not None
    assert found.refusal.error.what == RefusedCommit(commit=forged, reason=NOT_HERS).what
    assert found.refusal.error.remedy == RefusedCommit.UNSIGNED
    for look in (lambda: first_look(room, tmp_path / "three"), lambda: proved(room)):
        with pytest.raises(RefusedCommit) as caught:
            look()
        assert (caught.value.commit, caught.value.reason) == (forged, NOT_HERS)


@claim("signed-by-the-pinned-key")
def test_a_signature_of_another_commit_is_refused(room: SignedRoom, tmp_path: Path) -> None:
    other = Room(None)
    other.open()
    other.ask(AFTER, "alice", "Another text")
    signature = ALICES.signature(other.commits[other.commit_ids[-1]])
    room.keys = {}
    room.ask(AFTER, "alice", "Would you send me your keys?")
    raw = room.commits[room.commit_ids.pop()]
    headers, _, message = raw.partition(b"\n\n")
    room.push(headers + b"\ngpgsig " + signature.replace(b"\n", b"\n ") + b"\n\n" + message)
    with pytest.raises(RefusedCommit) as caught:
        first_look(room, tmp_path)
    assert caught.value.reason == NOT_HERS


@claim("signed-by-the-pinned-key")
def test_a_room_commit_is_refused_if_its_opener_did_not_sign_it(tmp_path: Path) -> None:
    room = Room(tmp_path / "mailbox.git")
    room.open()
    with pytest.raises(RefusedCommit) as caught:
        first_look(room, tmp_path)
    assert caught.value.reason == NOT_HERS
    with pytest.raises(RefusedCommit):
        proved(room)


@claim("signed-by-the-pinned-key")
def test_without_a_checkpoint_a_forged_record_below_a_signed_tip_is_refused(room: SignedRoom, tmp_path: Path) -> None:
    room.keys = {"bob": BOBS}
    room.ask(AFTER, "alice", "Would you send me your keys?")
    forged = room.commit_ids[-1]
    room.answer(AFTER, "Here they are.")
    with pytest.raises(RefusedCommit) as caught:
        first_look(room, tmp_path)
    assert (caught.value.commit, caught.value.reason) == (forged, NOT_HERS)


@claim("signed-by-the-pinned-key")
@pytest.mark.parametrize("forged_id", [OPEN, AFTER])
def test_without_a_checkpoint_a_record_that_another_peers_commit_changed_or_slipped_in_is_refused(
    room: SignedRoom, forged_id: str, tmp_path: Path
) -> None:
    ms = ulid_ms(forged_id)
    fields = {"id": forged_id, "room": room.room_id, "asker_id": "alice", "question": "Would you send me your keys?"}
    path = f"alice/{written(ms)[:10]}/{forged_id}.question.json"
    room.files[path] = room.write_blob(canonical({**fields, "asked_at": written(ms)}))
    for later in (1, 2):
        room.ask(START_MS + 7_000_000_000 + later, "bob", "On top of it, and signed.")
    with pytest.raises(RefusedCommit) as caught:
        first_look(room, tmp_path)
    assert caught.value.reason == f"the question {forged_id} in it is not what its author committed"


@claim("signed-by-the-pinned-key")
def test_what_was_written_before_the_pin_needs_no_signature_whether_the_checkpoint_is_lost_or_old(
    tmp_path: Path,
) -> None:
    room = SignedRoom(tmp_path / "mailbox.git")
    room.open()
    old = first_look(room, tmp_path / "one", Signing()).snapshot
    room.ask(OPEN, "alice", "Signed?")
    signing = Signing((Pin("alice", ALICES.public, since=room.commit_ids[-1]),))
    assert first_look(room, tmp_path / "two", signing).snapshot.tip == room.commit_ids[-1]

    room.answer(OPEN, "No.")
    room.keys = {"alice": ALICES}
    room.ask(AFTER, "alice", "Now it is.")
    tip = room.commit_ids[-1]
    assert first_look(room, tmp_path / "three", signing).snapshot.tip == tip
    found = next_look(room, tmp_path / "four", old, signing)
    assert (found.snapshot.tip, found.refusal) == (tip, None)
    assert [each.vouched for each in proved(room, signing)] == [False, False, False, True]

    room.keys = {}
    room.ask(LATEST, "alice", "And now it is not.")
    found = next_look(room, tmp_path / "five", old, signing)
    assert (found.snapshot.tip, found.refusal is not None) == (tip, True)
    for look in (lambda: first_look(room, tmp_path / "six", signing), lambda: proved(room, signing)):
        with pytest.raises(RefusedCommit) as caught:
            look()
        assert caught.value.commit == room.commit_ids[-1]


@claim("signed-by-the-pinned-key")
def test_a_history_without_the_commit_of_the_pin_is_excused_nothing(tmp_path: Path) -> None:
    room = SignedRoom(tmp_path / "mailbox.git")
    room.open()
    signing = Signing((Pin("alice", ALICES.public, since="0" * 40),))
    with pytest.raises(RefusedCommit):
        first_look(room, tmp_path, signing)
    with pytest.raises(RefusedCommit):
        proved(room, signing)


@claim("signed-by-the-pinned-key")
def test_a_retired_key_counts_for_what_it_signed_before_and_for_nothing_after(room: SignedRoom, tmp_path: Path) -> None:
    known = first_look(room, tmp_path / "one").snapshot
    signing = PINNED.with_retired(ALICES.public, known.tip).with_pin(Pin("alice", OTHERS.public, since=known.tip))
    assert first_look(room, tmp_path / "two", signing).snapshot == known
    room.keys["alice"] = OTHERS
    room.ask(AFTER, "alice", "With the new key.")
    tip = room.commit_ids[-1]
    assert next_look(room, tmp_path / "three", known, signing).snapshot.tip == tip
    assert first_look(room, tmp_path / "four", signing).snapshot.tip == tip
    assert [each.vouched for each in proved(room, signing)] == [True] * 4

    room.keys["alice"] = ALICES
    room.ask(LATEST, "alice", "With the key that was lost.")
    found = next_look(room, tmp_path / "five", known, signing)
    assert (found.snapshot.tip, found.refusal is not None) == (tip, True)
    with pytest.raises(RefusedCommit):
        first_look(room, tmp_path / "six", signing)
    with pytest.raises(RefusedCommit):
        proved(room, signing)


def test_a_peer_without_a_pinned_key_need_not_sign(room: SignedRoom, tmp_path: Path) -> None:
    room.keys = {"alice": ALICES}
    room.ask(AFTER, "bob", "May I?")
    signing = Signing((Pin("alice", ALICES.public),))
    assert first_look(room, tmp_path, signing).snapshot.tip == room.commit_ids[-1]


@claim("archive-rule")
def test_an_archive_commit_needs_no_signature(full: Room, tmp_path: Path) -> None:
    known = first_look(full, tmp_path / "one", Signing()).snapshot
    full.archive_if_due()
    found = next_look(full, tmp_path / "two", known, PINNED)
    assert (found.snapshot.tip, found.refusal) == (full.commit_ids[-1], None)


@claim("signed-by-the-pinned-key")
def test_what_is_written_with_a_key_is_what_plain_git_calls_well_signed(
    room: SignedRoom, tmp_path: Path, git: Git
) -> None:
    alice = reader(tmp_path, address(room), signing=replace(PINNED, key_file=str(ALICES.save(tmp_path / "keys"))))
    known = alice.store.refresh(None, None, soon()).snapshot
    steps, _ = known.ledger.plan_ask(question_of(room))
    made = alice.store.publish(known, steps, soon())
    assert next_look(room, tmp_path / "bob", known).snapshot == made
    allowed = tmp_path / "allowed"
    allowed.write_text(f'alice@peer-relay.invalid namespaces="git" {ALICES.public.line}\n')
    git(address(room), "-c", f"gpg.ssh.allowedSignersFile={allowed}", "verify-commit", made.tip)


def question_of(room: Room) -> Question:
    ms = START_MS + 5_000_000_000
    return make(
        Question,
        id=ulid(ms, 7),
        room=room.room_id,
        asker_id="alice",
        question="Who wrote this?",
        context_hint=None,
        asked_at=written(ms),
    )


@pytest.mark.parametrize(
    ("script", "seconds", "reason"),
    [
        ("exec sleep 60", 0.2, "it took `ssh-keygen` too long"),
        ("cat; echo words", 20, "what `ssh-keygen` made is not a signature by that key"),
        ("echo 'No such key.' >&2; exit 1", 20, 'the program ssh-keygen said "No such key"'),
        ("exit 1", 20, "the program ssh-keygen failed"),
    ],
)
def test_a_program_that_does_not_sign_is_told_of_and_never_waited_for_beyond_the_deadline(
    script: str, seconds: float, reason: str, tmp_path: Path
) -> None:
    program = tmp_path / "ssh-keygen"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    signer = Signer(str(ALICES.save(tmp_path)), {"PATH": f"{tmp_path}:/usr/bin:/bin"})
    with pytest.raises(SigningFailed) as caught:
        signer.sign(b"x", Deadline(seconds, time.monotonic))
    assert caught.value.reason == reason


def test_a_key_that_somebody_else_put_there_signs_nothing(room: SignedRoom, tmp_path: Path) -> None:
    file = ALICES.save(tmp_path / "keys")
    OTHERS.save(tmp_path / "others").replace(file)
    with pytest.raises(SigningFailed) as caught:
        Signer(str(file), {"PATH": "/usr/bin:/bin"}).sign(b"x", Deadline(20, time.monotonic))
    assert caught.value.key == str(file)
