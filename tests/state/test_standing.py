"""How things stand, read from the files that the real classes write: the same as the relay says, and never an error."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from peer_relay import sealed
from peer_relay.checkpoint import Checkpoint
from peer_relay.errors import AlreadyAnswered, AlreadyQueued, BranchDeleted, HistoryRewritten, StateUnusable
from peer_relay.ledger import Ledger
from peer_relay.local_state import LocalState
from peer_relay.outbox import Status
from peer_relay.paths import Kind, Place
from peer_relay.standing import STATUSES, OnTheWay, Standing, folder_of, read_standing
from peer_relay.store import Refusal, Snapshot
from tests.relay.support import FakeTime, Machine
from tests.store.benches import ROOM, START_MS, a_deadline, answer, question
from tests.store.memory_store import UNREACHABLE, MemoryMailbox, MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from peer_relay.outbox import OutboxEntry
    from peer_relay.records import Answer, Question

TIP = "ab" * 20
MINE, ANOTHER = question(1), question(2)
THEIRS, OTHERS = question(3, "bob"), question(4, "bob")


@pytest.fixture
def state(tmp_path: Path) -> LocalState:
    return LocalState(tmp_path)


def stands(state: LocalState) -> Standing:
    return read_standing(state.folder, "alice")


def known(*open_questions: Question, refusal: Refusal | None = None) -> Checkpoint:
    """Return a checkpoint with these questions open."""
    ledger = Ledger(ROOM, {each.id: each.asker_id for each in open_questions})
    return Checkpoint(Snapshot(TIP, ledger), refusal, START_MS + 7)


def accept(state: LocalState, record: Question | Answer, kind: Kind, **changes: Any) -> OutboxEntry:
    place = Place(record.id, "alice" if kind is Kind.QUESTION else "bob", kind)
    entry = replace(state.outbox.accept(place, record, "alice", TIP), **changes)
    state.outbox.save(entry)
    return entry


def test_where_nothing_is_kept_nothing_is_known_and_nothing_is_made(state: LocalState) -> None:
    assert stands(LocalState(state.folder / "alice")) == Standing("alice")
    assert list(state.folder.iterdir()) == []


def test_the_folder_is_that_of_the_room_and_the_peer(tmp_path: Path) -> None:
    assert folder_of(tmp_path, "room", "alice") == tmp_path / "rooms" / "room" / "alice"


def test_who_waits_for_whom_is_told_oldest_first(state: LocalState) -> None:
    state.save(known(ANOTHER, OTHERS, MINE, THEIRS))
    assert stands(state) == Standing(
        "alice", "bob", START_MS + 7, unanswered=(MINE.id, ANOTHER.id), waiting=(THEIRS.id, OTHERS.id)
    )


def test_an_answer_that_is_waited_for_is_unread_when_its_question_is_no_longer_open(state: LocalState) -> None:
    state.save(known(MINE))
    for each in (MINE, ANOTHER):
        state.asked.add(each.id)
    state.asked.mark_shown([ANOTHER.id])
    assert stands(state) == Standing("alice", "bob", START_MS + 7, unanswered=(MINE.id,), unread=(ANOTHER.id,))


def test_without_a_checkpoint_no_answer_counts_as_there(state: LocalState) -> None:
    state.asked.add(MINE.id)
    assert stands(state) == Standing("alice")


def test_a_question_on_its_way_waits_for_an_answer_and_is_not_unread(state: LocalState) -> None:
    state.save(known())
    accept(state, MINE, Kind.QUESTION)
    state.asked.add(MINE.id)
    on_its_way = OnTheWay(Place(MINE.id, "alice", Kind.QUESTION), "queued", "")
    expected = Standing("alice", "bob", START_MS + 7, unanswered=(MINE.id,), outbox=(on_its_way,))
    assert (stands(state), stands(state).queued) == (expected, (on_its_way,))


@pytest.mark.parametrize(("status", "waits"), [(Status.QUEUED, False), (Status.REFUSED, False), (Status.SECOND, True)])
def test_a_question_waits_no_longer_once_an_answer_to_it_is_on_its_way(
    state: LocalState, status: Status, waits: bool
) -> None:
    state.save(known(THEIRS))
    accept(state, answer(THEIRS), Kind.ANSWER, status=status, words="no")
    found = stands(state)
    assert found.waiting == ((THEIRS.id,) if waits else ())
    assert found.outbox == (OnTheWay(Place(THEIRS.id, "bob", Kind.ANSWER), status.value, "no"),)
    assert found.queued == (found.outbox if status is Status.QUEUED else ())


def test_the_outbox_is_told_in_the_order_of_acceptance(state: LocalState) -> None:
    for each in (ANOTHER, MINE):
        accept(state, each, Kind.QUESTION)
    assert [each.place.question_id for each in stands(state).outbox] == [ANOTHER.id, MINE.id]


@pytest.mark.parametrize("error", [HistoryRewritten(commit=TIP), BranchDeleted(commit=TIP)])
def test_a_branch_that_is_refused_is_told_in_the_sentence_of_the_refusal(
    state: LocalState, error: HistoryRewritten | BranchDeleted
) -> None:
    state.save(known(MINE, refusal=Refusal("cd" * 20 if isinstance(error, HistoryRewritten) else None, error)))
    assert stands(state) == Standing("alice", "bob", START_MS + 7, unanswered=(MINE.id,), refusal=str(error))


# ---------------------------------------------------------------------------------------------------------------------
# Damaged files


def spoil(state: LocalState, change: Callable[[dict[str, Any]], object]) -> None:
    """Write a checkpoint and change what is in it."""
    state.save(known(MINE, refusal=Refusal("cd" * 20, HistoryRewritten(commit=TIP))))
    path = state.folder / "checkpoint.json"
    content = json.loads(sealed.unseal(path.name, path.read_bytes()))
    change(content)
    path.write_bytes(sealed.seal(path.name, json.dumps(content).encode()))


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000])
def test_a_checkpoint_that_is_none_counts_as_not_there(state: LocalState, content: bytes) -> None:
    (state.folder / "checkpoint.json").write_bytes(content)
    state.asked.add(MINE.id)
    assert stands(state) == Standing("alice")


@pytest.mark.parametrize("room", [None, [], {}, {"peers": ["alice"]}, {"peers": ["alice", "\x1b[2J"]}, {"peers": "ab"}])
def test_a_checkpoint_without_two_peers_counts_as_not_there(state: LocalState, room: object) -> None:
    spoil(state, lambda content: content.update(room=room))
    assert stands(state) == Standing("alice")


@pytest.mark.parametrize(
    "refusal",
    [
        "no",
        {},
        {"kind": "HistoryRewritten"},
        {"kind": "HistoryRewritten", "fields": None},
        {"kind": "HistoryRewritten", "fields": {}},
        {"kind": "HistoryRewritten", "fields": {"commit": TIP, "more": 1}},
        {"kind": "Unreachable", "fields": {"remote": "x", "reason": "y"}},
        {"kind": "annotations", "fields": {}},
        {"kind": 7, "fields": {}},
    ],
    ids=str,
)
def test_a_refusal_that_is_none_counts_as_not_there(state: LocalState, refusal: object) -> None:
    spoil(state, lambda content: content.update(refusal=refusal))
    assert stands(state).refusal is None
    assert stands(state).unanswered == (MINE.id,)


@pytest.mark.parametrize("opened", [None, [], {"x": "alice"}, {MINE.id: 7}, {MINE.id: "\x1b[2J"}], ids=str)
def test_an_open_question_that_is_none_is_left_out(state: LocalState, opened: object) -> None:
    spoil(state, lambda content: content.update(open=opened))
    assert (stands(state).unanswered, stands(state).waiting, stands(state).other) == ((), (), "bob")


def test_a_checkpoint_that_goes_away_while_it_is_read_counts_as_not_there(
    state: LocalState, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(path: Path) -> int:
        raise StateUnusable(path=str(path), reason="No such file or directory")

    state.save(known(MINE))
    monkeypatch.setattr("peer_relay.disk.modified_ms", gone)
    assert stands(state) == Standing("alice")


@pytest.mark.parametrize(
    "change",
    [
        lambda _: b"[]",
        lambda data: data.replace(b'"status":"queued"', b'"status":"odd"'),
        lambda data: data.replace(b'"status":"queued"', b'"status":[]'),
        lambda data: data.replace(b'"words":""', b'"words":null'),
        lambda data: data.replace(b'"record":"{', b'"record":"'),
        lambda data: data.replace(b'"record"', b'"nothing"'),
        lambda data: data.replace(MINE.id.encode(), ANOTHER.id.encode()),
    ],
)
def test_an_outbox_file_that_cannot_be_read_is_named(state: LocalState, change: Callable[[bytes], bytes]) -> None:
    entry = accept(state, MINE, Kind.QUESTION)
    path = state.folder / "outbox" / entry.name
    before = sealed.unseal(entry.name, path.read_bytes())
    path.write_bytes(sealed.seal(entry.name, change(before)))
    assert sealed.unseal(entry.name, path.read_bytes()) != before
    (state.folder / "outbox" / "notes.json").write_bytes(b"{}")
    (state.folder / "outbox" / ".DS_Store").write_bytes(b"{}")
    assert stands(state) == Standing("alice", damaged=(entry.name, "notes.json"))


def test_a_folder_in_the_place_of_a_file_is_no_such_file(state: LocalState) -> None:
    entry = accept(state, MINE, Kind.QUESTION)
    path = state.folder / "outbox" / entry.name
    path.unlink()
    for each in (path, state.folder / "checkpoint.json"):
        each.mkdir()
    assert stands(state) == Standing("alice", damaged=(entry.name,))


def test_an_outbox_file_that_goes_away_while_the_folder_is_read_is_not_damaged(
    state: LocalState, monkeypatch: pytest.MonkeyPatch
) -> None:
    state.save(known())
    monkeypatch.setattr("peer_relay.disk.names_in", lambda _: ["gone.json"])
    assert stands(state) == Standing("alice", "bob", START_MS + 7)


def test_the_names_of_what_may_become_of_a_record_are_those_of_the_outbox() -> None:
    assert tuple(status.value for status in Status) == STATUSES


def test_a_folder_that_cannot_be_listed_is_named(state: LocalState) -> None:
    (state.folder / "outbox").write_bytes(b"")
    with pytest.raises(StateUnusable) as refused:
        stands(state)
    assert refused.value.path == str(state.folder / "outbox")


# ---------------------------------------------------------------------------------------------------------------------
# The same as the relay says

PEERS = ("alice", "alice", "bob", "bob")
machines = st.integers(0, len(PEERS) - 1)


class AsTheRelaySays(RuleBasedStateMachine):
    """Two machines of each peer, some without a network, and a mailbox that refuses some records."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(os, "fsync", lambda _: None)
        self.folder = tempfile.TemporaryDirectory()
        self.mailbox, time = MemoryMailbox(), FakeTime()
        MemoryStore(self.mailbox).create(ROOM, a_deadline())
        self.mailbox.refuses = lambda record: "no" if "refused" in str(record) else None
        self.machines = [
            Machine(peer, MemoryStore(self.mailbox), Path(self.folder.name) / str(number), time)
            for number, peer in enumerate(PEERS)
        ]
        for machine in self.machines:
            machine.relay.reach()
        self.touched = self.machines[0]

    def teardown(self) -> None:
        self.patch.undo()
        self.folder.cleanup()

    @rule(which=machines, text=st.sampled_from(["asked", "refused"]))
    def ask(self, which: int, text: str) -> None:
        self.touched = self.machines[which]
        self.touched.relay.ask(text)

    @rule(which=machines, text=st.sampled_from(["answered", "refused"]))
    def answer_the_oldest(self, which: int, text: str) -> None:
        self.touched = self.machines[which]
        for question_id in self.touched.relay.standing().waiting[:1]:
            with contextlib.suppress(AlreadyAnswered, AlreadyQueued):
                self.touched.relay.answer(question_id, text)

    @rule(which=machines)
    def read_answers(self, which: int) -> None:
        self.touched = self.machines[which]
        self.touched.relay.mark_read([each.question_id for each in self.touched.relay.answers().items])

    @rule(which=machines)
    def drop_what_was_refused(self, which: int) -> None:
        self.touched = self.machines[which]
        for entry in self.touched.relay.outbox():
            if entry.status is Status.REFUSED:
                self.touched.relay.drop(entry.place.question_id)

    @rule(which=machines, online=st.booleans())
    def change_the_network(self, which: int, online: bool) -> None:
        self.touched = self.machines[which]
        self.touched.store.unreachable = None if online else UNREACHABLE

    @rule(which=machines)
    def look(self, which: int) -> None:
        self.touched = self.machines[which]
        self.touched.relay.reach()

    @invariant()
    def the_relay_says_the_same(self) -> None:
        relay = self.touched.relay
        relay.reach()
        waiting = tuple(each.question_id for each in relay.questions().items)
        unread = tuple(each.question_id for each in relay.answers().items)
        outbox = tuple(OnTheWay(each.place, each.status.value, each.words) for each in relay.outbox())
        found, checkpoint = relay.standing(), self.touched.state.load()
        assert checkpoint is not None
        assert (found.waiting, found.unread, found.outbox) == (waiting, unread, outbox)
        asking = {each.place.question_id for each in outbox if each.place.kind is Kind.QUESTION}
        assert set(found.unanswered) == asking.union(checkpoint.snapshot.ledger.open_of(self.touched.peer))
        assert (found.me, found.other) == (self.touched.peer, "bob" if self.touched.peer == "alice" else "alice")


class TestAsTheRelaySays(AsTheRelaySays.TestCase):  # type: ignore[misc, name-defined]
    settings = settings(stateful_step_count=12)
