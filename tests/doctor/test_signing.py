"""Whether this machine can sign: with a real key, with one that is gone, and where nothing has to be signed."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from peer_relay.deadline import Deadline
from peer_relay.doctor.findings import State, ok
from peer_relay.doctor.signing import check_signing
from peer_relay.git.keyring import Keyring
from peer_relay.signing import Pin, Signing
from tests.signing_keys import ALICES, BOBS
from tests.store.benches import KEYS

if TYPE_CHECKING:
    from pathlib import Path

    from peer_relay.doctor.findings import Finding

PINNED = Signing((Pin("alice", ALICES.public),))


def look(signing: Signing, me: str = "alice") -> Finding:
    return check_signing(Keyring(KEYS, lambda: signing, os.environ), me, Deadline(20, time.monotonic))


def test_a_room_in_which_nobody_signs_and_a_peer_that_need_not_are_well() -> None:
    for signing, me in ((Signing(), "alice"), (PINNED, "bob")):
        assert look(signing, me) == ok("This machine does not sign what it writes, and need not.")


def test_a_key_that_signs_is_named(tmp_path: Path) -> None:
    file = ALICES.save(tmp_path)
    assert look(replace(PINNED, key_file=str(file))) == ok(f"What is written here is signed with {file}.")


def test_a_key_that_cannot_sign_or_does_not_count_stands_in_the_way(tmp_path: Path) -> None:
    file = ALICES.save(tmp_path / "alice")
    others = BOBS.save(tmp_path / "bob")
    file.unlink()
    for signing, why in (
        (replace(PINNED, key_file=str(file)), f"Nothing can be signed with {file}: the program ssh-keygen "),
        (replace(PINNED, key_file=str(tmp_path / "none")), "there is no public key in it or beside it."),
        (replace(PINNED, key_file=str(others)), "it is not a key that is pinned for alice."),
        (PINNED, "there is none, and what alice writes has to be signed."),
    ):
        found = look(signing)
        assert (found.state, why in found.what) == (State.FAILED, True)
        assert "peer-relay keys --sign FILE" in (found.advice or "")
