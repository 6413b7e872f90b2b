"""Whatever happens in whatever order, the run that it was keeps every promise: the rules of `tests.chaos`, in memory.

Hypothesis plays the nemesis, and finds the shortest story that breaks a rule, if there is one.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from peer_relay.errors import PeerRelayError
from peer_relay.outbox import Status
from peer_relay.records import Answer
from tests.chaos import history
from tests.chaos.checker import Left, Stored, check
from tests.chaos.history import Event
from tests.claims import claim
from tests.relay.support import Crash, FakeTime, Machine, texts
from tests.store.benches import HOUR_MS, ROOM, START_MS, a_deadline
from tests.store.memory_store import UNREACHABLE, MemoryMailbox, MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from peer_relay.records import Question
    from peer_relay.reports import Listing, Sent

PEERS = ("alice", "alice", "bob", "bob")
CLOCKS_MS = (START_MS, START_MS + 24 * HOUR_MS, START_MS - 24 * HOUR_MS, 0, START_MS + 73 * 365 * 24 * HOUR_MS)
machines = st.integers(0, len(PEERS) - 1)


class Player:
    """One machine of a peer, the session on it, and what that session tells a recorder."""

    def __init__(self, number: int, mailbox: MemoryMailbox, folder: Path, events: list[Event]) -> None:
        self.peer, self.name = PEERS[number], f"{PEERS[number]}/{number}"
        self.time = FakeTime()
        self.machine = Machine(self.peer, MemoryStore(mailbox), folder / str(number), self.time)
        self._events = events
        self._sessions = 0
        self._shown: list[str] = []

    def restart(self) -> None:
        """Lose everything that is not on the disk. What was shown and not proved to have arrived is unread."""
        self.machine.restart()
        self._sessions += 1
        self._shown = []

    def write(self, kind: str, act: Callable[[str], Sent], question_id: str | None = None) -> None:
        """Ask or answer with a text of its own, and record what was told."""
        text = f"Text {len(self._events)}"
        self._request(kind, lambda: self._told(act(text)), text=text, question_id=question_id)

    def check_answers(self) -> None:
        """Look for answers, as a session does; what it is shown is read with its next request (I7)."""

        def act() -> dict[str, Any]:
            found = self.machine.relay.answers()
            self._shown = [each.question_id for each in found.items]
            self.machine.relay.mark_shown(self._shown)
            shown = tuple((each.question_id, each.answer) for each in found.items)
            return {"shown": shown, "stale": self._is_old(found)}

        self._request(history.CHECK_ANSWERS, act)

    def check_questions(self) -> list[str]:
        """Look for questions, and return their ids."""
        shown: list[tuple[str, str]] = []

        def act() -> dict[str, Any]:
            found = self.machine.relay.questions()
            shown.extend((each.question_id, each.question) for each in found.items)
            return {"shown": tuple(shown), "stale": self._is_old(found)}

        self._request(history.CHECK_QUESTIONS, act)
        return [question_id for question_id, _ in shown]

    def log(self, *, behind: bool = False) -> None:
        """Look at everything, at a mailbox that may be behind what was delivered."""

        def act() -> dict[str, Any]:
            found = self.machine.relay.exchanges()
            view = tuple((each.question.id, each.answer is not None) for each in found.items)
            is_whole = not any("cannot be read now" in note for note in found.notes)
            return {"view": view if is_whole else None, "stale": behind or self._is_old(found)}

        self._request(history.LOG, act)

    def calm_down(self) -> None:
        """Undo every fault of this machine."""
        store = self.machine.store
        store.unreachable = None
        store.lost_replies.clear()
        store._before.clear()
        store._after.clear()

    def left(self) -> Left:
        """Return what is left on the machine."""
        entries = self.machine.state.outbox.entries()
        by_status = {status: frozenset(texts([e.record for e in entries if e.status is status])) for status in Status}
        unread = frozenset(self.machine.state.asked.ids())
        return Left(by_status[Status.QUEUED], by_status[Status.REFUSED], unread)

    def _is_old(self, found: Listing[Any]) -> bool:
        """Return whether a result says that it is from before."""
        known = self.machine.state.load()
        return found.stale is not None or known is None or known.refusal is not None

    def _told(self, sent: Sent) -> dict[str, Any]:
        return {"phase": history.DELIVERED if sent.delivered else history.QUEUED, "question_id": sent.question_id}

    def _request(self, kind: str, act: Callable[[], dict[str, Any]], **asked: Any) -> None:
        """Make a call, and record it with its outcome. A request proves that the last result arrived."""
        self.machine.relay.mark_read(self._shown)
        self._shown = []
        call = len(self._events)
        self._record(kind, call, phase=history.INVOKED, **asked)
        try:
            told = {"phase": history.RETURNED, **act()}
        except Crash:
            self._record(kind, call, phase=history.LOST)
            self.restart()
        except PeerRelayError as error:
            self._record(kind, call, phase=history.REFUSED, reason=str(error))
        else:
            self._record(kind, call, **told)

    def _record(self, kind: str, call: int, *, phase: str, **more: Any) -> None:
        n, session = len(self._events), f"{self.name}#{self._sessions}"
        self._events.append(Event(n, n, kind, phase, session, self.name, self.peer, call, **more))


class AnyOrder(RuleBasedStateMachine):
    """Two machines of each peer, which lose networks, replies, copies, processes, clocks and the branch itself."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(os, "fsync", lambda _: None)
        self.folder = tempfile.TemporaryDirectory()
        self.mailbox, self.events, self.gone = MemoryMailbox(), list[Event](), None
        self.overtaken: set[int] = set()
        MemoryStore(self.mailbox).create(ROOM, a_deadline())
        folder = Path(self.folder.name)
        self.players = [Player(number, self.mailbox, folder, self.events) for number in range(len(PEERS))]
        for player in self.players:
            player.check_questions()

    def teardown(self) -> None:
        """Calm everything down, and judge the run."""
        try:
            if self.gone is not None:
                self.delete_the_branch_or_put_it_back()
            for player in self.players * 2:
                player.calm_down()
                assert player.machine.relay.deliver() is True
            for player in self.players:
                player.check_answers()
                player.log()
            stored = [self._stored(record) for record in self.mailbox.records()]
            assert check(self.events, stored, {player.name: player.left() for player in self.players}) == []
        finally:
            self.patch.undo()
            self.folder.cleanup()

    def _stored(self, record: Question | Answer) -> Stored:
        if isinstance(record, Answer):
            asker = next(each.asker_id for each in self.mailbox.records() if each.id == record.id)
            return Stored(True, record.id, "bob" if asker == "alice" else "alice", record.answer)
        return Stored(False, record.id, record.asker_id, record.question)

    # -- what people do -----------------------------------------------------------------------------------------------

    @rule(which=machines)
    def ask(self, which: int) -> None:
        player = self.players[which]
        player.write(history.ASK, player.machine.relay.ask)

    @rule(which=machines, choice=st.integers(0, 99))
    def answer(self, which: int, choice: int) -> None:
        player = self.players[which]
        waiting = player.check_questions()
        if waiting:
            chosen = waiting[choice % len(waiting)]
            player.write(history.ANSWER, lambda text: player.machine.relay.answer(chosen, text), chosen)

    @rule(which=machines)
    def check_answers(self, which: int) -> None:
        self.players[which].check_answers()

    @rule(which=machines)
    def look_at_everything(self, which: int) -> None:
        self.players[which].log()

    @rule(which=machines)
    def deliver(self, which: int) -> None:
        try:
            self.players[which].machine.relay.deliver()
        except Crash:
            self.players[which].restart()

    # -- what the nemesis does ----------------------------------------------------------------------------------------

    @rule(which=machines)
    def restart(self, which: int) -> None:
        self.players[which].restart()

    @rule(which=machines, online=st.booleans())
    def change_the_network(self, which: int, online: bool) -> None:
        self.players[which].machine.store.unreachable = None if online else UNREACHABLE

    @rule(which=machines, applied=st.booleans(), then=st.sampled_from(["nothing", "offline", "crash"]))
    def lose_the_next_reply(self, which: int, applied: bool, then: str) -> None:
        store = self.players[which].machine.store
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
            self.players[which].machine.store.before_publish(lambda: self.overtake(which, other))

    def overtake(self, which: int, other: int) -> None:
        if other in self.overtaken:  # it is in the middle of a call itself, and holds its lock
            return
        self.overtaken.add(which)
        try:
            self.deliver(other)
        finally:
            self.overtaken.discard(which)

    @rule(which=machines, checkpoint=st.booleans())
    def lose_what_is_disposable(self, which: int, checkpoint: bool) -> None:
        player = self.players[which]
        player.machine.store.forget()
        if checkpoint:
            (player.machine.folder / "checkpoint.json").unlink(missing_ok=True)
        player.restart()

    @rule(which=machines, ms=st.sampled_from(CLOCKS_MS))
    def move_the_clock(self, which: int, ms: int) -> None:
        self.players[which].time.ms = ms

    @rule()
    def delete_the_branch_or_put_it_back(self) -> None:
        self.gone, self.mailbox.tip = self.mailbox.tip, self.gone

    @precondition(lambda self: self.gone is None)
    @rule(which=machines, how_many=st.integers(1, 3))
    def be_shown_an_older_branch_for_a_while(self, which: int, how_many: int) -> None:
        """As from a replica that lags behind. Nothing is written meanwhile.

        Who lost its checkpoint believes what it is shown: the design says so, and nobody could do better.
        """
        if self.players[which].machine.state.load() is None:
            return
        newest = self.mailbox.tip
        older = [name for name, _ in self.mailbox.line(newest)][: how_many + 1]
        self.mailbox.tip, self.mailbox.read_only = older[-1], True
        self.players[which].log(behind=True)
        self.mailbox.tip, self.mailbox.read_only = newest, False


@claim("I3", "I4", "I5", "I6", "first-answer-wins")
class TestAnyOrder(AnyOrder.TestCase):  # type: ignore[misc, name-defined]
    settings = settings(stateful_step_count=40, max_examples=25)
