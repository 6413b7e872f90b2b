"""Errors of what is stored in the mailbox, and of this machine."""

from __future__ import annotations

import io
import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING
from unittest.mock import patch

from peer_relay import app, disk
from peer_relay.clock import Clock
from peer_relay.deadline import Deadline
from peer_relay.errors import (
    BranchDeleted,
    BranchSetBack,
    HistoryRewritten,
    MalformedPack,
    PeerRelayError,
    RefusedCommit,
)
from peer_relay.git.clone import Clone
from peer_relay.git.exact import _clause
from peer_relay.git.keyring import Keyring
from peer_relay.git.restoring import Copy, pack_up
from peer_relay.git.sshkeygen import Signer
from peer_relay.keys import RoomKeys
from peer_relay.ledger import Ledger
from peer_relay.local_state import LocalState
from peer_relay.pacing import HOSTED_PER_MINUTE, Pushes, PushRate
from peer_relay.pinned import pinned
from peer_relay.records import Question, Room, make, parse
from peer_relay.signing import Pin, Signing
from peer_relay.turns import Turns
from tests.catalogue.entry import COMMIT, HOST, OTHER_TOKEN, TOKEN, Entry, config
from tests.pure.samples import ROOM
from tests.signing_keys import ALICES, OTHERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

PINNED = Signing((Pin("alice", ALICES.public),))


def _found(folder: Path, peer_id: str = "alice", token: str = TOKEN) -> object:
    app.create_room(config(folder), "bob", {})
    return app.inspect_room(config(folder, peer_id, token), {})


def _opened_twice(folder: Path) -> object:
    app.create_room(config(folder), "bob", {})
    return app.create_room(config(folder), "carol", {})


def _unacceptable(make_record: Callable[[], object]) -> RefusedCommit:
    """Return the refusal of a commit whose record is not acceptable, in the words of the store."""
    try:
        make_record()
    except PeerRelayError as error:
        return RefusedCommit(commit=COMMIT, reason=_clause(error))
    raise AssertionError("the record is acceptable")


def mailbox() -> Iterator[Entry]:
    """Yield what is wrong with what is stored."""
    odd = make(Room, **ROOM), ["secret.txt"]
    yield Entry("a room of another token", lambda folder: _found(folder, token=OTHER_TOKEN))
    yield Entry("a third peer", lambda folder: _found(folder, peer_id="carol"))
    yield Entry("a room of others", _opened_twice)
    yield Entry("a newer room", lambda _: parse(Room, b'{"format": 2, "key": "secret"}'))
    yield Entry("an older room", lambda _: parse(Room, b'{"format": 0, "key": "secret"}'))
    yield Entry("no room", lambda _: parse(Room, b'{"format": "secret"}'))
    yield Entry("an odd file", lambda _: Ledger.from_paths(*odd))
    yield Entry("an odd file in a commit", lambda _: _unacceptable(lambda: Ledger.from_paths(*odd)))
    extra = b'{\n  "id": "x",\n  "secret": 1\n}\n'
    yield Entry("an odd record in a commit", lambda _: _unacceptable(lambda: parse(Question, extra)))
    for reason in ("its Room-Mac is wrong", "it does not follow the commit before it"):
        yield Entry(reason, lambda _, reason=reason: RefusedCommit(commit=COMMIT, reason=reason))
    huge = MalformedPack(remote=HOST, reason="its checksum does not fit").what.removesuffix(".")
    yield Entry("a commit with a bad pack", lambda _: RefusedCommit(commit=COMMIT, reason=f"with it, {huge}"))
    yield Entry("a new history", lambda _: HistoryRewritten(commit=COMMIT))
    yield Entry("an older state", lambda _: BranchSetBack(commit=COMMIT, found=COMMIT[::-1]))
    yield Entry("no branch", lambda _: BranchDeleted(commit=COMMIT))
    reason, by_a_holder = "it is none of the commits that a room consists of", RefusedCommit.BY_A_HOLDER
    yield Entry("a peer's odd commit", lambda _: RefusedCommit(commit=COMMIT, reason=reason, advice=by_a_holder))
    forged, unsigned = "it is not signed by the key that is pinned for alice", RefusedCommit.UNSIGNED
    yield Entry("a forged commit", lambda _: RefusedCommit(commit=COMMIT, reason=forged, advice=unsigned))


def _fails(folder: Path, number: int) -> None:
    with disk.reported(folder / "outbox"):
        raise OSError(number, os.strerror(number))


def _busy(folder: Path) -> object:
    state = LocalState(folder)
    with state.locked(Deadline(0, time.monotonic)), state.locked(Deadline(0, time.monotonic)):
        return None


def _empty_copy(_folder: Path) -> object:
    return pack_up(Copy([]), COMMIT, None, lambda: None)


def _bare_clone(folder: Path) -> object:
    with Clone(folder / "clone", HOST).opened() as clone:
        return clone.raw("commit", COMMIT)


def _signed_with(folder: Path, public_key: str, environ: Mapping[str, str]) -> object:
    (folder / "key.pub").write_text(public_key + "\n")
    return Signer(str(folder / "key.pub"), environ).sign(b"", Deadline(20, time.monotonic))


def _signed_by(folder: Path, signing: Signing) -> object:
    (folder / "key.pub").write_text(OTHERS.public.line + "\n")
    return Keyring(RoomKeys.from_token(TOKEN)).signs("alice", signing, Deadline(20, time.monotonic))


def _lost_room(folder: Path) -> object:
    with patch.dict(os.environ, {"PEER_RELAY_HOME": str(folder)}):
        return pinned(replace(config(folder), signing=PINNED))()


def _held_back(folder: Path) -> object:
    state, clock = LocalState(folder), Clock()
    state.note_pushes(Pushes(full_ms=clock.now_ms() + 60_000))
    return Turns(state, clock, PushRate.of(HOSTED_PER_MINUTE)).check(HOST)


def machine() -> Iterator[Entry]:
    """Yield what stands in the way on this machine."""
    for number in (13, 28, 30):
        yield Entry(os.strerror(number), lambda folder, number=number: _fails(folder, number))
    yield Entry("a file without a name", lambda _: disk.unusable(io.BytesIO(), OSError()))
    yield Entry("a clock of 1970", lambda _: Clock(lambda: 0).now_ms())
    yield Entry("a clock of nowhere", lambda _: Clock(lambda: 1 << 60).now_ms())
    yield Entry("a lock of another process", _busy)
    yield Entry("a push too many", _held_back)
    yield Entry("a damaged clone", _bare_clone)
    yield Entry("a copy without the commit", _empty_copy)
    yield Entry("no key", lambda folder: Signer(str(folder / "key"), {}).public_key())
    yield Entry("no program", lambda folder: _signed_with(folder, ALICES.public.line, {"PATH": str(folder)}))
    yield Entry("an old kind of key", lambda folder: _signed_with(folder, "ssh-dss AAAA", {}))
    yield Entry("half a key", lambda folder: _signed_with(folder, "ssh-ed25519 AAAA", {}))
    yield Entry("no key for what has to be signed", lambda folder: _signed_by(folder, PINNED))
    other = "a key that nobody pinned"
    yield Entry(other, lambda folder: _signed_by(folder, replace(PINNED, key_file=str(folder / "key.pub"))))
    yield Entry("a saved room that is lost, and its keys", _lost_room)
    yield Entry("a key that needs somebody", lambda folder: _signed_with(folder, ALICES.public.line, os.environ))
