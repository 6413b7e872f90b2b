"""The stores under test, each with a mailbox whose branch a test can move about like a hostile peer would."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Protocol

from peer_relay import ledger
from peer_relay.deadline import Deadline
from peer_relay.errors import OutcomeUnknown, Unreachable
from peer_relay.git.clone import Clone
from peer_relay.git.connect import connect
from peer_relay.git.environment import NetworkEnvironment
from peer_relay.git.keyring import Keyring
from peer_relay.git.remote import parse_remote
from peer_relay.git.store import GitStore
from peer_relay.keys import RoomKeys, format_token
from peer_relay.ledger import ARCHIVE_AT, Ledger
from peer_relay.paths import branch_ref
from peer_relay.records import Answer, Question, Room
from peer_relay.times import format_ms
from tests import independent
from tests.servers import create_repository, run_git
from tests.store.memory_store import MemoryMailbox, MemoryStore

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from dulwich.objects import ShaFile

    from peer_relay.git.transport import FetchReply, FetchRequest, Transport
    from peer_relay.ledger import Step
    from peer_relay.store import Store

TOKEN = format_token(b"the room of the tests of stores!")
KEYS = RoomKeys.from_token(TOKEN)
START_MS = 1_795_340_000_123
HOUR_MS = 3_600_000
ROOM = Room(format=1, room=KEYS.room_id, peers=("alice", "bob"), created_at=format_ms(START_MS))


class Bench(Protocol):
    """One mailbox and its branch."""

    def store(self) -> Store:
        """Return another machine's store, with nothing fetched yet."""

    def costs(self, store: Store) -> tuple[int, int, int]:
        """Return how often a store listed the branches, fetched and pushed."""

    def forget(self, store: Store) -> None:
        """Lose a store's private copy."""

    def tip(self) -> str | None:
        """Return where the branch is."""

    def move(self, tip: str | None) -> None:
        """Put the branch elsewhere by force, or delete it."""

    def junk(self) -> str:
        """Put a commit on the branch that is not of a room, and return its id."""


class MemoryBench:
    """A mailbox in memory."""

    def __init__(self) -> None:
        self.mailbox = MemoryMailbox()

    def store(self) -> MemoryStore:
        return MemoryStore(self.mailbox)

    def costs(self, store: Store) -> tuple[int, int, int]:
        assert isinstance(store, MemoryStore)
        return store.listings, store.fetches, store.pushes

    def forget(self, store: Store) -> None:
        assert isinstance(store, MemoryStore)
        store.forget()

    def tip(self) -> str | None:
        return self.mailbox.tip

    def move(self, tip: str | None) -> None:
        self.mailbox.tip = tip

    def junk(self) -> str:
        return self.mailbox.push_junk()


class CountingTransport:
    """A transport that counts what is asked of it, and may lose the reply of the next push.

    Attributes:
        unreachable: whether nothing gets through.
        loses_reply: whether the next push is carried out and its reply lost, after which nothing gets through.
    """

    def __init__(self, inner: Transport) -> None:
        self._inner = inner
        self.listings = self.fetches = self.pushes = 0
        self.unreachable = self.loses_reply = False

    @property
    def remote(self) -> str:
        return self._inner.remote

    def read_ref(self, ref: bytes, deadline: Deadline) -> bytes | None:
        self._check()
        self.listings += 1
        return self._inner.read_ref(ref, deadline)

    def fetch(self, request: FetchRequest, sink: object, deadline: Deadline) -> FetchReply:
        self._check()
        self.fetches += 1
        return self._inner.fetch(request, sink, deadline)  # type: ignore[arg-type]

    def push(self, ref: bytes, expected: bytes | None, new: bytes, objects: list[ShaFile], deadline: Deadline) -> None:
        self._check()
        self.pushes += 1
        self._inner.push(ref, expected, new, objects, deadline)
        if self.loses_reply:
            self.loses_reply, self.unreachable = False, True
            raise OutcomeUnknown(remote=self.remote, reason="the connection broke")

    def close(self) -> None:
        self._inner.close()

    def _check(self) -> None:
        if self.unreachable:
            raise Unreachable(remote=self.remote, reason="the network is down")


class GitBench:
    """A bare repository at a path."""

    def __init__(self, folder: Path) -> None:
        self.repository = create_repository(folder / "mailbox.git")
        self._folders = (folder / f"clone-{number}" / "clone" for number in count())
        self._parts: dict[int, tuple[CountingTransport, Clone]] = {}

    def store(self) -> GitStore:
        transport = CountingTransport(connect(parse_remote(str(self.repository)), NetworkEnvironment.from_environ({})))
        clone = Clone(next(self._folders), transport.remote)
        clone.path.parent.mkdir()
        store = GitStore(transport, clone, Keyring(KEYS))
        self._parts[id(store)] = transport, clone
        return store

    def costs(self, store: Store) -> tuple[int, int, int]:
        transport, _ = self._parts[id(store)]
        return transport.listings, transport.fetches, transport.pushes

    def forget(self, store: Store) -> None:
        self._parts[id(store)][1].wipe()

    def clone(self, store: Store) -> Clone:
        return self._parts[id(store)][1]

    def transport(self, store: Store) -> CountingTransport:
        return self._parts[id(store)][0]

    def tip(self) -> str | None:
        listed = self._git("for-each-ref", "--format=%(objectname)", branch_ref(KEYS.room_id))
        return listed or None

    def move(self, tip: str | None) -> None:
        self._git("update-ref", *(("-d", branch_ref(KEYS.room_id)) if tip is None else (branch_ref(KEYS.room_id), tip)))

    def junk(self) -> str:
        tip = self.tip()
        assert tip is not None
        who = ["-c", "user.name=eve", "-c", "user.email=eve@example.org"]
        name = self._git(*who, "commit-tree", f"{tip}^{{tree}}", "-p", tip, "-m", "alice asks: nothing")
        self.move(name)
        return name

    def _git(self, *arguments: str) -> str:
        return run_git(*arguments, cwd=self.repository).decode().strip()


def a_deadline() -> Deadline:
    """Return a deadline that no test reaches: its clock stands still."""
    return Deadline(20, lambda: 0.0)


def question(number: int, asker: str = "alice", text: str | None = None) -> Question:
    """Return a question whose id grows with its number, an hour after the one before it."""
    made_ms = START_MS + number * HOUR_MS
    return Question(
        id=independent.ulid(made_ms, number),
        room=KEYS.room_id,
        asker_id=asker,
        question=text or f"Question {number}?",
        asked_at=format_ms(made_ms),
    )


def answer(to: Question, text: str | None = None) -> Answer:
    """Return an answer to a question."""
    words = text or f"The answer to: {to.question}"
    return Answer(id=to.id, room=KEYS.room_id, answer=words, sources=("a.py:1",), answered_at=to.asked_at)


def asking(ledger: Ledger, *questions: Question) -> tuple[list[Step], Ledger]:
    """Plan questions one after the other."""
    steps: list[Step] = []
    for each in questions:
        more, ledger = ledger.plan_ask(each)
        steps += more
    return steps, ledger


def exchanging(ledger: Ledger, first: int, how_many: int, asker: str = "alice") -> tuple[list[Step], Ledger]:
    """Plan exchanges, each answered before the next one is asked, with the archive steps that the rule demands."""
    steps: list[Step] = []
    for number in range(first, first + how_many):
        asked = question(number, asker)
        for plan in (
            lambda state, asked=asked: state.plan_ask(asked),
            lambda state, asked=asked: state.plan_answer(answer(asked), state.other(asker)),
        ):
            more, ledger = plan(ledger)
            steps += more
    return steps, ledger


UNTIL_ARCHIVED = ARCHIVE_AT + 1
"""So many exchanges in a row take the first 256 of them off the tip."""

FEW_UNTIL_ARCHIVED, FEW_KEPT = 41, 21
"""The same where the rule is played with smaller numbers."""


def archive_early(patch: pytest.MonkeyPatch) -> None:
    """Have the rule of the archive play with smaller numbers; what the true ones do is shown where nothing is slow."""
    patch.setattr(ledger, "ARCHIVE_AT", FEW_UNTIL_ARCHIVED - 1)
    patch.setattr(ledger, "ARCHIVE_KEEP", FEW_KEPT - 1)
