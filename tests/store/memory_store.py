"""A store in memory that keeps the contract of `peer_relay.store`, with switches for everything that can go wrong.

A `MemoryMailbox` stands for the remote, each `MemoryStore` for one machine's way to it. The contract suite holds it to
the same behaviour as the git store, so what the relay does on it, it does on git.
"""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from peer_relay.errors import (
    AccessDenied,
    BranchDeleted,
    BranchSetBack,
    DeadlineExceeded,
    HistoryRewritten,
    IllegalStep,
    Moved,
    OutcomeUnknown,
    PeerRelayError,
    PushRefused,
    RefusedCommit,
    RoomNotFound,
    Unreachable,
)
from peer_relay.ledger import Add, Archive, Ledger
from peer_relay.paths import ROOM_FILE, Place, path_for
from peer_relay.records import Answer, Question, Room, canonical_bytes
from peer_relay.store import Arrival, Beyond, Refreshed, Refusal, Replay, Snapshot, Verified

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from peer_relay.deadline import Deadline
    from peer_relay.ledger import Step

REMOTE = "memory:mailbox"
UNREACHABLE = Unreachable(remote=REMOTE, reason="the network is down")
JUNK_REASON = "it is not in the form of a room's commits"


@dataclass(frozen=True)
class _Commit:
    """One commit: what it does, or None for one that no honest writer makes."""

    parent: str | None
    step: Room | Step | None


@dataclass
class MemoryMailbox:
    """The remote with one branch.

    Attributes:
        tip: where the branch is; None if there is none. Tests may set it to any commit.
        read_only: whether pushes are denied.
        refuses: returns the words with which a record is refused, or None.
    """

    tip: str | None = None
    read_only: bool = False
    refuses: Callable[[Question | Answer], str | None] = lambda _: None
    commits: dict[str, _Commit] = field(default_factory=dict)

    def add(self, parent: str | None, step: Room | Step | None) -> str:
        """Keep a commit and return its id, which its parent and its content determine."""
        name = hashlib.sha1(f"{parent} {_spelt(step)}".encode(), usedforsecurity=False).hexdigest()
        self.commits[name] = _Commit(parent, step)
        return name

    def push_junk(self) -> str:
        """Put a commit on the branch that nobody accepts."""
        self.tip = self.add(self.tip, None)
        return self.tip

    def line(self, tip: str) -> Iterator[tuple[str, _Commit]]:
        """Yield a commit and everything before it, newest first."""
        name: str | None = tip
        while name is not None:
            commit = self.commits[name]
            yield name, commit
            name = commit.parent

    def records(self) -> list[Question | Answer]:
        """Return every record of the branch's history, oldest first."""
        if self.tip is None:
            return []
        steps = [commit.step for _, commit in self.line(self.tip)]
        return [step.record for step in reversed(steps) if isinstance(step, Add)]


class MemoryStore:
    """One machine's way to a mailbox.

    Attributes:
        unreachable: raised by every contact, if set.
        lost_replies: for the pushes to come, whether each is applied before its reply is lost.
        listings, fetches, pushes: how often the mailbox was contacted, and for what.
    """

    def __init__(self, mailbox: MemoryMailbox) -> None:
        self.mailbox = mailbox
        self.unreachable: PeerRelayError | None = None
        self.lost_replies: deque[bool] = deque()
        self.listings = self.fetches = self.pushes = 0
        self.closed = False
        self._before: deque[Callable[[], object]] = deque()
        self._after: deque[Callable[[], object]] = deque()
        self._here: set[str] = set()

    @property
    def remote(self) -> str:
        return REMOTE

    def before_publish(self, act: Callable[[], object]) -> None:
        """Do something once, when the next push has been built and the branch was not yet compared."""
        self._before.append(act)

    def after_publish(self, act: Callable[[], object]) -> None:
        """Do something once, when the next push was carried out and its reply is still on its way."""
        self._after.append(act)

    def forget(self) -> None:
        """Lose the private copy."""
        self._here.clear()

    # -- the contract -------------------------------------------------------------------------------------------------

    def refresh(self, known: Snapshot | None, refusal: Refusal | None, deadline: Deadline) -> Refreshed:
        self._contact(deadline)
        self.listings += 1
        tip = self.mailbox.tip
        if known is None:
            if tip is None:
                raise RoomNotFound(remote=REMOTE)
            return Refreshed(self._first_look(tip))
        if tip == known.tip:
            return Refreshed(known)
        if refusal is not None and tip == refusal.tip:
            return Refreshed(known, refusal=refusal)
        if tip is None:
            return Refreshed(known, refusal=Refusal(None, BranchDeleted(commit=known.tip)))
        self.fetches += 1
        return self._catch_up(known, tip)

    def publish(self, known: Snapshot, steps: Sequence[Step], deadline: Deadline) -> Snapshot:
        tip, ledger = known.tip, known.ledger
        for step in steps:
            tip, ledger = self.mailbox.add(tip, step), ledger.apply(step)
        self._push(known.tip, tip, [step.record for step in steps if isinstance(step, Add)], deadline)
        return Snapshot(tip, ledger)

    def create(self, room: Room, deadline: Deadline) -> Snapshot:
        tip = self.mailbox.add(None, room)
        self._push(None, tip, [], deadline)
        return Snapshot(tip, Ledger(room))

    def read(self, wanted: Sequence[Arrival], deadline: Deadline) -> list[Question | Answer]:
        for each in wanted:
            self._bring(each.commit, deadline)
        return [self._record(each) for each in wanted]

    def walk(self, snapshot: Snapshot, deadline: Deadline, since: str | None = None) -> Iterator[Arrival]:
        for name, commit in self.mailbox.line(snapshot.tip):
            if name == since:
                return
            self._bring(name, deadline)
            if commit.step is None:
                raise RefusedCommit(commit=name, reason=JUNK_REASON)
            if isinstance(commit.step, Add):
                yield Arrival(name, commit.step.place)

    def replay(self, contact: Deadline, fetched: Deadline) -> Replay:
        self._contact(contact)
        self.listings += 1
        if self.mailbox.tip is None:
            raise RoomNotFound(remote=REMOTE)
        self._contact(fetched)
        self.fetches += 1
        line = list(self.mailbox.line(self.mailbox.tip))[::-1]
        self._here = {name for name, _ in line}
        return Replay(self.mailbox.tip, len(line), self._verified(line))

    def beyond(self, known: Snapshot, refusal: Refusal, deadline: Deadline) -> Beyond:
        self._contact(deadline)
        if refusal.tip is None:
            return Beyond()
        if self.mailbox.tip != refusal.tip:
            raise Moved(remote=REMOTE)
        ours = {name for name, _ in self.mailbox.line(known.tip)}
        _, here = self._tree(known.tip)
        theirs = [(name, commit) for name, commit in self.mailbox.line(refusal.tip) if name not in ours]
        steps = [(name, commit.step) for name, commit in reversed(theirs)]
        added = [(name, step) for name, step in steps if isinstance(step, Add)]
        return Beyond(
            len(theirs),
            tuple(Arrival(name, step.place) for name, step in added if here.get(step.place) != step.record),
        )

    def restore(self, known: Snapshot, refusal: Refusal, deadline: Deadline) -> None:
        self._push(refusal.tip, known.tip, [], deadline)

    def close(self) -> None:
        self.closed = True

    # -- parts --------------------------------------------------------------------------------------------------------

    def _contact(self, deadline: Deadline) -> None:
        if self.unreachable is not None:
            raise self.unreachable
        if deadline.expired:
            raise DeadlineExceeded(remote=REMOTE, seconds=deadline.seconds)

    def _bring(self, name: str, deadline: Deadline) -> None:
        if name not in self._here:
            self._contact(deadline)
            self.fetches += 1
            self._here.update(each for each, _ in self.mailbox.line(name))

    def _first_look(self, tip: str) -> Snapshot:
        self.fetches += 1
        if self.mailbox.commits[tip].step is None:
            raise RefusedCommit(commit=tip, reason=JUNK_REASON)
        self._here.add(tip)
        room, places = self._tree(tip)
        return Snapshot(tip, Ledger.from_paths(room, [ROOM_FILE, *map(path_for, places)]))

    def _catch_up(self, known: Snapshot, tip: str) -> Refreshed:
        line: list[tuple[str, _Commit]] = []
        for name, commit in self.mailbox.line(tip):
            if name == known.tip:
                break
            line.append((name, commit))
        else:
            ours = {name for name, _ in self.mailbox.line(known.tip)}
            back, lost = BranchSetBack(commit=known.tip, found=tip), HistoryRewritten(commit=known.tip)
            return Refreshed(known, refusal=Refusal(tip, back if tip in ours else lost))
        snapshot, arrivals = known, list[Arrival]()
        for name, commit in reversed(line):
            try:
                snapshot = self._next(snapshot, name, commit)
            except RefusedCommit as error:
                return Refreshed(snapshot, tuple(arrivals), Refusal(tip, error))
            self._here.add(name)
            if isinstance(commit.step, Add):
                arrivals.append(Arrival(name, commit.step.place))
        return Refreshed(snapshot, tuple(arrivals))

    def _next(self, snapshot: Snapshot, name: str, commit: _Commit) -> Snapshot:
        if commit.step is None or isinstance(commit.step, Room):
            raise RefusedCommit(commit=name, reason=JUNK_REASON)
        try:
            return Snapshot(name, snapshot.ledger.apply(commit.step))
        except IllegalStep as error:
            raise RefusedCommit(commit=name, reason=error.reason) from error

    def _verified(self, line: Sequence[tuple[str, _Commit]]) -> Generator[Verified]:
        snapshot: Snapshot | None = None
        for name, commit in line:
            if snapshot is not None:
                snapshot = self._next(snapshot, name, commit)
            elif isinstance(commit.step, Room):
                snapshot = Snapshot(name, Ledger(commit.step))
            else:
                raise RefusedCommit(commit=name, reason=JUNK_REASON)
            arrival = Arrival(name, commit.step.place) if isinstance(commit.step, Add) else None
            yield Verified(snapshot, arrival, signed=False)

    def _tree(self, tip: str) -> tuple[Room, dict[Place, Question | Answer]]:
        """Return what the tree of a commit holds."""
        gone: set[Place] = set()
        files: dict[Place, Question | Answer] = {}
        for _, commit in self.mailbox.line(tip):
            if isinstance(commit.step, Archive):
                gone.update(commit.step.places)
            elif isinstance(commit.step, Add) and commit.step.place not in gone:
                files[commit.step.place] = commit.step.record
            elif isinstance(commit.step, Room):
                return commit.step, files
        raise AssertionError("a line of commits begins with the room")

    def _record(self, wanted: Arrival) -> Question | Answer:
        for _, commit in self.mailbox.line(wanted.commit):
            if isinstance(commit.step, Archive) and wanted.place in commit.step.places:
                break
            if isinstance(commit.step, Add) and commit.step.place == wanted.place:
                return commit.step.record
        reason = f"it does not hold the {wanted.place.kind.value} that it names"
        raise RefusedCommit(commit=wanted.commit, reason=reason)

    def _push(self, expected: str | None, new: str, records: Sequence[Question | Answer], deadline: Deadline) -> None:
        if self._before:
            self._before.popleft()()
        self._contact(deadline)
        self.pushes += 1
        self._check_push(expected, new, records)
        lost, applied = bool(self.lost_replies), self.lost_replies.popleft() if self.lost_replies else True
        if applied:
            self.mailbox.tip = new
        if self._after:
            self._after.popleft()()
        if lost:
            raise OutcomeUnknown(remote=REMOTE, reason="the connection broke")
        self._here.add(new)

    def _check_push(self, expected: str | None, new: str, records: Sequence[Question | Answer]) -> None:
        if self.mailbox.read_only:
            raise AccessDenied(remote=REMOTE, act="write", reason="read-only")
        if self.mailbox.tip not in (expected, new):
            raise Moved(remote=REMOTE)
        words = next((words for record in records if (words := self.mailbox.refuses(record))), None)
        if words is not None:
            raise PushRefused(remote=REMOTE, words=words)


def _spelt(step: Room | Step | None) -> str:
    if isinstance(step, Add):
        return f"{step.author} {path_for(step.place)} {canonical_bytes(step.record).decode()}"
    if isinstance(step, Archive):
        return " ".join(map(path_for, step.places))
    return "junk" if step is None else canonical_bytes(step).decode()
