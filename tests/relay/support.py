"""What the tests of the relay share: machines with a peer each, a clock that a test moves, and a room in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from peer_relay.clock import Clock
from peer_relay.delivery import Delivery
from peer_relay.local_state import LocalState
from peer_relay.paths import Kind, Place
from peer_relay.relay import Relay
from tests.store.benches import KEYS, START_MS, a_deadline, exchanging
from tests.store.memory_store import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from peer_relay.delivery import OnWait
    from peer_relay.guard.known import KnownSecret
    from peer_relay.ledger import Ledger, Step
    from peer_relay.pacing import PushRate
    from peer_relay.records import Answer, Question
    from peer_relay.store import Store
    from tests.store.memory_store import MemoryMailbox

TIMEOUT_S = 20.0
StoreT = TypeVar("StoreT", bound="Store")


class Crash(BaseException):
    """Ends a call like the end of the process does: nothing after it is carried out."""


@dataclass
class FakeTime:
    """A clock that stands still but for what a test and the pauses of the code add to it.

    Attributes:
        ms: the time of day; it goes on by one millisecond with each look, so that ids differ.
        seconds: the monotonic clock.
        pauses: every pause that was made.
    """

    ms: int = START_MS
    seconds: float = 0.0
    pauses: list[float] = field(default_factory=list)

    def now_ms(self) -> int:
        self.ms += 1
        return self.ms

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.seconds += seconds
        self.ms += round(seconds * 1000)

    def clock(self) -> Clock:
        return Clock(self.now_ms, self.monotonic, self.sleep)


class Machine(Generic[StoreT]):
    """One machine of one peer, with what it keeps on its disk.

    Attributes:
        store: its way to the mailbox.
        folder: where it keeps its state.
        relay: the process that runs now; `restart` replaces it.
    """

    def __init__(
        self,
        peer: str,
        store: StoreT,
        folder: Path,
        time: FakeTime,
        known_secrets: Callable[[], Iterable[KnownSecret]] = tuple,
    ) -> None:
        self.peer = peer
        self.store = store
        self.folder = folder
        self.time = time
        self.rate: PushRate | None = None
        self.on_wait: OnWait | None = None
        self.known_secrets = known_secrets
        self.relay = self.another()

    def another(self) -> Relay:
        """Return one more process on this machine."""
        clock, state = self.time.clock(), LocalState(self.folder)
        return Relay(
            me=self.peer,
            room_id=KEYS.room_id,
            store=self.store,
            state=state,
            delivery=Delivery(self.store, state, self.peer, clock, self.rate),
            clock=clock,
            timeout_s=TIMEOUT_S,
            on_wait=self.on_wait,
            known_secrets=self.known_secrets,
        )

    def restart(self) -> None:
        """Lose everything that is not on the disk."""
        self.relay = self.another()

    @property
    def state(self) -> LocalState:
        return LocalState(self.folder)

    def kept(self) -> list[str]:
        """Return every file that is never disposable, by its path."""
        return sorted(
            str(path.relative_to(self.folder))
            for name in ("outbox", "asked")
            for path in (self.folder / name).glob("*")
        )


MemoryMachine = Machine[MemoryStore]


def publish(mailbox: MemoryMailbox, steps: list[Step]) -> None:
    """Put steps on the branch, past any relay."""
    store = MemoryStore(mailbox)
    store.publish(store.refresh(None, None, a_deadline()).snapshot, steps, a_deadline())


def ledger_of(mailbox: MemoryMailbox) -> Ledger:
    """Return what the branch holds."""
    return MemoryStore(mailbox).refresh(None, None, a_deadline()).snapshot.ledger


def fill(mailbox: MemoryMailbox, how_many: int, first: int = 1, asker: str = "bob") -> None:
    """Put exchanges on the branch that are younger than what the relays write in their first hour."""
    publish(mailbox, exchanging(ledger_of(mailbox), first, how_many, asker)[0])


def place_of(asked: Question, kind: Kind = Kind.QUESTION) -> Place:
    """Return where a record of an exchange is stored."""
    return Place(asked.id, asked.asker_id, kind)


def texts(records: list[Question | Answer]) -> list[str]:
    """Return what records say."""
    return [getattr(record, "question", None) or record.answer for record in records]


def came_second(question_id: str) -> str:
    """Return the sentence about a queued answer that another one was faster than."""
    return (
        f"Your queued answer to question {question_id} came second: another answer was there first, so yours was not "
        "stored."
    )
