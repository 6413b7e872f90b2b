"""The contract of a store: the room as one line of verified commits, wherever it is kept.

The relay decides what to do and when; a store carries it out on one branch of one mailbox and never guesses. The same
suite, `tests/store/test_store_contract.py`, runs against the git store and against the one in memory.

1. What a store returns has been verified: a `Snapshot` stands for commits that passed I2, each of them.
2. `publish` is a compare-and-swap against the snapshot that the steps were planned on (I5). On return the records
   *are* in the mailbox; `Moved` and every definite refusal mean that nothing was changed; after `OutcomeUnknown` only
   a look at the branch tells.
3. Nothing is ever merged, forced or deleted. Reading never writes to the mailbox (I8). `restore` alone moves a branch
   back, from exactly the tip that was refused (I6), and only a person asks for that.
4. Every method ends by its deadline. A store is used by one thread at a time, under the relay's lock.
5. Only errors of `peer_relay.errors` leave it. A damaged local copy is healed by fetching again, not reported, as long
   as the mailbox can be reached.
6. `replay` alone looks at a whole history, and it believes nothing that was known before: not the private copy, and not
   what a first look took at its word.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from peer_relay.deadline import Deadline
    from peer_relay.errors import MailboxError
    from peer_relay.ledger import Ledger, Step
    from peer_relay.paths import Place
    from peer_relay.records import Answer, Question, Room


@dataclass(frozen=True)
class Snapshot:
    """A verified commit and what the room holds there.

    Attributes:
        tip: the commit's id, 40 hex digits.
        ledger: the room's state at it.
    """

    tip: str
    ledger: Ledger


@dataclass(frozen=True)
class Arrival:
    """One record as history shows it.

    Attributes:
        commit: the commit that added it.
        place: where it was stored.
    """

    commit: str
    place: Place


@dataclass(frozen=True)
class Refusal:
    """A tip that was looked at and refused, so that it is polled and not fetched again (I6).

    Attributes:
        tip: the branch's commit that was refused; None if the branch is gone.
        error: why, as it is told to everybody who asks.
    """

    tip: str | None
    error: MailboxError


@dataclass(frozen=True)
class Refreshed:
    """What a look at the mailbox found.

    Attributes:
        snapshot: the newest verified commit, the known one if there is nothing new.
        arrivals: the records between the known snapshot and this one, in the order of their commits; empty on a
            first look, which has no order to tell.
        refusal: set while the branch holds something that is not accepted; what came before it is in `snapshot`.
        unfinished: whether the time was over before all that is new was verified; the next look goes on from there.
    """

    snapshot: Snapshot
    arrivals: tuple[Arrival, ...] = ()
    refusal: Refusal | None = None
    unfinished: bool = False


@dataclass(frozen=True)
class Verified:
    """A commit that is exactly the one that may follow the commit before it (I2).

    Attributes:
        snapshot: the commit, and what the room holds there.
        arrival: the record that it added; None for the room's first commit and for an archive commit.
        signed: whether it bears a signature, the one thing that the records do not determine. Its form was checked;
            whose it is, was not.
        vouched: whether it bears a signature by a key that is pinned on this machine for its author.
    """

    snapshot: Snapshot
    arrival: Arrival | None
    signed: bool
    vouched: bool = False


@dataclass(frozen=True)
class Replay:
    """The whole history of a room, which is here and waits to be verified.

    Attributes:
        tip: the branch's commit.
        total: how many commits lead to it, itself included.
        commits: verifies one commit each time it is asked for the next, from the room's first on. Raises
            `RefusedCommit`, or `UnsupportedFormat` at the first one, where a commit is not exact, and then is at its
            end. To be closed by whoever does not go on to there. It takes the caller's time, and no deadline ends it.
    """

    tip: str
    total: int
    commits: Generator[Verified]


@dataclass(frozen=True)
class Beyond:
    """What a refused tip holds and the newest verified commit does not: it leaves the branch when that is put back.

    Attributes:
        commits: how many commits there are, at least if it is not `complete`.
        records: those that holders of the room token wrote in them, by their `Room-Mac`, in the order of the commits.
        complete: whether all of it was looked at.
    """

    commits: int = 0
    records: tuple[Arrival, ...] = ()
    complete: bool = True


class Store(Protocol):
    """One room in one mailbox."""

    @property
    def remote(self) -> str:
        """The mailbox's address as it may be shown."""

    def refresh(self, known: Snapshot | None, refusal: Refusal | None, deadline: Deadline) -> Refreshed:
        """Look at the branch and verify everything that is new.

        Costs one ref listing and nothing else if the branch is at the known snapshot or at the refused tip.

        Args:
            known: the newest verified snapshot, from the checkpoint; None for a first look.
            refusal: what the last look refused, if it did.
            deadline: by when to return.

        Raises:
            RoomNotFound: there is no such branch, and none is known.
            RefusedCommit, UnsupportedFormat: a first look is refused as a whole (I2).
            TransportError: the mailbox was not reached.
        """

    def publish(self, known: Snapshot, steps: Sequence[Step], deadline: Deadline) -> Snapshot:
        """Add one commit for each step, in one push, on top of the known snapshot.

        Args:
            known: what the steps were planned on.
            steps: as the ledger planned them; an archive step is never the last.
            deadline: by when to return.

        Returns:
            The snapshot of the newest new commit, which is in the mailbox.

        Raises:
            Moved: the branch is elsewhere.
            PushRefused: the remote declined, in its own words.
            OutcomeUnknown: the reply was lost.
            TransportError: nothing was sent.
        """

    def create(self, room: Room, deadline: Deadline) -> Snapshot:
        """Create the branch with the room's first commit.

        Raises:
            Moved: the branch exists already.
            OutcomeUnknown, PushRefused, TransportError: as for `publish`.
        """

    def read(self, wanted: Sequence[Arrival], deadline: Deadline) -> list[Question | Answer]:
        """Return records, each from the tree of a verified commit that holds it, in the order in which they are wanted.

        Raises:
            RefusedCommit: a commit's tree holds no such record, or not in canonical form.
            TransportError: the local copy lacks it and the mailbox was not reached.
        """

    def walk(self, snapshot: Snapshot, deadline: Deadline, since: str | None = None) -> Iterator[Arrival]:
        """Yield every record that history added, newest first, fetching older history as it is needed.

        Args:
            snapshot: where to begin.
            deadline: by when to end, all iterations together.
            since: a commit to stop at, itself not included; None goes on to the room's first commit. If the history
                does not contain it, the walk goes on to the first commit as well.

        Raises:
            RefusedCommit: a commit of the history is not in the form of a room's commits.
            TransportError: older history was needed and could not be fetched.
        """

    def replay(self, contact: Deadline, fetched: Deadline) -> Replay:
        """Fetch the whole history of the branch as it is in the mailbox now, to verify it from the first commit on.

        The private copy is thrown away before, and is as large as the history afterwards.

        Args:
            contact: by when the mailbox has to have answered.
            fetched: by when to return, with the history here; later, because that may be long.

        Raises:
            RoomNotFound: there is no such branch.
            RefusedCommit: the mailbox does not send what its branch is made of.
            TransportError: the mailbox was not reached.
        """

    def beyond(self, known: Snapshot, refusal: Refusal, deadline: Deadline) -> Beyond:
        """Tell what a refused tip holds that this machine has not verified; see `restore`.

        Args:
            known: the newest verified snapshot.
            refusal: what the last look refused.
            deadline: by when to return, with what was looked at until then.

        Raises:
            Moved: the branch is no longer at the refused tip.
            CopyIncomplete: this machine's copy cannot be read.
            TransportError: it had to be fetched, and could not be.
        """

    def restore(self, known: Snapshot, refusal: Refusal, deadline: Deadline) -> None:
        """Put the branch back to the known snapshot, from this machine's copy, if it is at exactly the refused tip.

        Args:
            known: the newest verified snapshot.
            refusal: what the last look refused.
            deadline: by when to return.

        Raises:
            Moved: the branch is elsewhere by now; nothing was changed.
            CopyIncomplete: the mailbox lacks something that this machine's copy lacks, too.
            PushRefused: the remote declined, in its own words.
            OutcomeUnknown: the reply was lost.
            TransportError: nothing was sent.
        """

    def close(self) -> None:
        """Give back connections and processes; may be called from another thread, and again."""
