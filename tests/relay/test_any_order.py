"""Whatever happens in whatever order: a record is in the mailbox once, and what the callers were told is true."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from peer_relay.errors import AlreadyAnswered, AlreadyQueued, Unreachable
from peer_relay.outbox import Status
from tests.claims import claim
from tests.relay.support import Crash, FakeTime, Machine, texts
from tests.store.benches import ROOM, a_deadline
from tests.store.memory_store import UNREACHABLE, MemoryMailbox, MemoryStore

PEERS = ("alice", "alice", "bob", "bob")
machines = st.integers(0, len(PEERS) - 1)


class AnyOrder(RuleBasedStateMachine):
    """Two machines of each peer, which lose their network, their replies, their private copies and their processes."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(os, "fsync", lambda _: None)
        self.folder = tempfile.TemporaryDirectory()
        self.mailbox, time = MemoryMailbox(), FakeTime()
        MemoryStore(self.mailbox).create(ROOM, a_deadline())
        self.machines = [
            Machine(peer, MemoryStore(self.mailbox), Path(self.folder.name) / str(number), time)
            for number, peer in enumerate(PEERS)
        ]
        for machine in self.machines:
            machine.relay.questions()
        self.delivered: set[str] = set()
        self.accepted: set[str] = set()
        self.second: set[str] = set()
        self.written = 0

    def teardown(self) -> None:
        self.patch.undo()
        self.folder.cleanup()

    def text(self) -> str:
        self.written += 1
        return f"Text {self.written}"

    @rule(which=machines)
    def ask(self, which: int) -> None:
        text = self.text()
        try:
            sent = self.machines[which].relay.ask(text)
        except Crash:
            self.machines[which].restart()
            sent = None
        self.accepted.add(text)
        if sent is not None and sent.delivered:
            self.delivered.add(text)

    @rule(which=machines, any_of=st.randoms(use_true_random=False))
    def answer(self, which: int, any_of: object) -> None:
        machine = self.machines[which]
        try:
            waiting = machine.relay.questions().items
            if not waiting:
                return
            text, asked = self.text(), any_of.choice(waiting)  # type: ignore[attr-defined]
            sent = machine.relay.answer(asked.question_id, text)
        except (AlreadyAnswered, AlreadyQueued):
            self.second.add(f"Text {self.written}")
        except Unreachable:
            pass  # nothing is known of the room, or what became of the answer could not be read
        except Crash:
            machine.restart()
        else:
            if sent.delivered:
                self.delivered.add(text)

    @rule(which=machines)
    def deliver(self, which: int) -> None:
        try:
            self.machines[which].relay.deliver()
        except Crash:
            self.machines[which].restart()

    @rule(which=machines, online=st.booleans())
    def change_the_network(self, which: int, online: bool) -> None:
        self.machines[which].store.unreachable = None if online else UNREACHABLE

    @rule(which=machines, applied=st.booleans(), then=st.sampled_from(["nothing", "offline", "crash"]))
    def lose_the_next_reply(self, which: int, applied: bool, then: str) -> None:
        store = self.machines[which].store
        store.lost_replies.append(applied)
        if then == "offline":
            store.after_publish(lambda: setattr(store, "unreachable", UNREACHABLE))
        elif then == "crash":
            store.after_publish(self.crash)

    def crash(self) -> None:
        raise Crash

    @rule(which=machines, other=machines)
    def be_overtaken(self, which: int, other: int) -> None:
        if which != other:
            self.machines[which].store.before_publish(lambda: self.deliver(other))

    @rule(which=machines, checkpoint=st.booleans())
    def lose_what_is_disposable(self, which: int, checkpoint: bool) -> None:
        machine = self.machines[which]
        machine.store.forget()
        if checkpoint:
            (machine.folder / "checkpoint.json").unlink(missing_ok=True)
        machine.restart()

    @invariant()
    def nothing_is_stored_twice(self) -> None:
        stored = texts(self.mailbox.records())
        assert len(stored) == len(set(stored))
        answers = [record.id for record in self.mailbox.records() if hasattr(record, "answer")]
        assert len(answers) == len(set(answers))

    @invariant()
    def what_was_told_is_true(self) -> None:
        stored = set(texts(self.mailbox.records()))
        assert self.delivered <= stored
        assert not self.second & stored
        waiting = {text for machine in self.machines for text in texts([e.record for e in machine.relay.outbox()])}
        assert self.accepted <= stored | waiting

    @rule()
    def everything_calms_down(self) -> None:
        for machine in self.machines:
            machine.store.unreachable = None
            machine.store.lost_replies.clear()
            machine.store._before.clear()
            machine.store._after.clear()
            assert machine.relay.deliver() is True
            assert [e for e in machine.state.outbox.entries() if e.status is not Status.SECOND] == []
        assert self.accepted <= set(texts(self.mailbox.records()))


@claim("I3", "I4", "I5", "first-answer-wins")
class TestAnyOrder(AnyOrder.TestCase):  # type: ignore[misc, name-defined]
    settings = settings(stateful_step_count=30)
