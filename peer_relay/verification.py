"""The proof of a whole room: every commit of its history, verified from the first one on.

1. Nothing is believed that was known before. The checkpoint of this machine is compared with what is found, and neither
   it nor anything else on this machine is changed.
2. What acceptance cannot see, because it knows the tip alone, the whole history shows: an id that was asked again after
   its exchange had been archived.
3. The memory that is needed follows the number of commits, by the bytes of their ids alone (43 a commit, the line of
   them included), and not what is in them.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from peer_relay.amounts import counted
from peer_relay.commits import ARCHIVED_PER_COMMIT
from peer_relay.errors import HistoryRewritten, RefusedCommit
from peer_relay.paths import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from peer_relay.store import Replay, Verified

_SHOWN_DIGITS = 12
_BUCKETS = 4096
_ULID_CHARACTERS = 26
_COMMIT_BYTES = 20


class Outcome(Enum):
    """What came out of one check."""

    PROVED = "proved"
    REFUTED = "refuted"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Proof:
    """One thing that was checked.

    Attributes:
        name: a word for it that does not change.
        outcome: what came out.
        sentence: the same for a person, with its numbers.
    """

    name: str
    outcome: Outcome
    sentence: str


@dataclass(frozen=True)
class Tally:
    """How many commits are exact, by what they do; those that bear a signature are among them.

    Of these, `vouched` bear one by a key that is pinned on this machine for their author.
    """

    commits: int = 0
    questions: int = 0
    answers: int = 0
    archives: int = 0
    signed: int = 0
    vouched: int = 0


@dataclass(frozen=True)
class ReusedId:
    """An id that more than one question bears.

    Attributes:
        question_id: the id.
        commits: those that asked with it, oldest first.
    """

    question_id: str
    commits: tuple[str, ...]


@dataclass(frozen=True)
class Verdict:
    """What the whole history shows.

    Attributes:
        tip: the branch's commit.
        total: how many commits lead to it, itself included.
        tally: those that are exact: all, or all before the one that is not.
        peers: the room's two; None if not even the first commit is exact.
        first: the room's first commit; None likewise.
        last: the last one that is exact; None likewise.
        refused: the first commit that is not exact, and why.
        reused: ids that were asked with more than once, among the exact commits.
        checkpoint: the newest commit that this machine had verified before; None if there is none.
        contained: whether the checkpoint is among the exact commits; None if there is none, or if it is not known
            because a commit was refused before it was met.
        pinned: the peers for whom a key is pinned on this machine.
    """

    tip: str
    total: int
    tally: Tally
    peers: tuple[str, str] | None
    first: str | None
    last: str | None
    refused: RefusedCommit | None
    reused: tuple[ReusedId, ...]
    checkpoint: str | None
    contained: bool | None
    pinned: tuple[str, ...] = ()

    @property
    def problems(self) -> tuple[str, ...]:
        """Whole sentences about what is not as it has to be; none if the room is proved."""
        return tuple(_problems(self))

    @property
    def proofs(self) -> tuple[Proof, ...]:
        """What was proved of the exact commits, and what was not; nothing if not even the first is exact."""
        return tuple(_proofs(self)) if self.tally.commits else ()


class Verification:
    """A room's whole history, which was fetched and waits to be proved.

    Args:
        replay: what was fetched.
        checkpoint: the newest commit that this machine had verified before, or None.
        pinned: the peers for whom a key is pinned, in whose commits the replay looks for it.
    """

    def __init__(self, replay: Replay, checkpoint: str | None, pinned: tuple[str, ...] = ()) -> None:
        self._replay = replay
        self._checkpoint = checkpoint
        self._pinned = pinned

    def run(self, on_progress: Callable[[int, int], None]) -> Verdict:
        """Verify every commit, up to the first that is not exact. To be called once.

        Args:
            on_progress: called with the number of commits that are exact so far, and of all.

        Raises:
            UnsupportedFormat: the room is of another format.
        """
        found, total, refused = _Found(), self._replay.total, None
        on_progress(0, total)
        with contextlib.closing(self._replay.commits) as commits:
            try:
                for commit in commits:
                    found.add(commit, self._checkpoint)
                    on_progress(found.commits, total)
            except RefusedCommit as error:
                refused = error
        return self._verdict(found, refused)

    def _verdict(self, found: _Found, refused: RefusedCommit | None) -> Verdict:
        is_known = self._checkpoint is not None and (found.met_checkpoint or refused is None)
        return Verdict(
            tip=self._replay.tip,
            total=self._replay.total,
            tally=Tally(found.commits, found.questions, found.answers, found.archives, found.signed, found.vouched),
            peers=found.peers,
            first=found.first,
            last=found.last,
            refused=refused,
            reused=tuple(ReusedId(question_id, tuple(commits)) for question_id, commits in found.reused.items()),
            checkpoint=self._checkpoint,
            contained=found.met_checkpoint if is_known else None,
            pinned=self._pinned,
        )


class _Asked:
    """The commit that first asked with each id, in 46 bytes for each; a dictionary needs six times as many."""

    def __init__(self) -> None:
        self._buckets = [bytearray() for _ in range(_BUCKETS)]

    def put(self, question_id: str, commit: str) -> str | None:
        """Note who asks with an id, or return the commit that did so before."""
        key = question_id.encode("ascii")
        bucket = self._buckets[hash(key) % _BUCKETS]
        place = bucket.find(key)
        while place >= 0 and place % (_ULID_CHARACTERS + _COMMIT_BYTES):
            place = bucket.find(key, place + 1)
        if place < 0:
            bucket += key + bytes.fromhex(commit)
            return None
        begin = place + _ULID_CHARACTERS
        return bucket[begin : begin + _COMMIT_BYTES].hex()


@dataclass
class _Found:
    """What the commits so far have shown."""

    commits: int = 0
    questions: int = 0
    answers: int = 0
    archives: int = 0
    signed: int = 0
    vouched: int = 0
    peers: tuple[str, str] | None = None
    first: str | None = None
    last: str | None = None
    met_checkpoint: bool = False
    asked: _Asked = field(default_factory=_Asked)
    reused: dict[str, list[str]] = field(default_factory=dict)

    def add(self, verified: Verified, checkpoint: str | None) -> None:
        """Take in the next exact commit."""
        commit, arrival = verified.snapshot.tip, verified.arrival
        if self.first is None:
            self.first, self.peers = commit, verified.snapshot.ledger.room.peers
        elif arrival is None:
            self.archives += 1
        elif arrival.place.kind is Kind.ANSWER:
            self.answers += 1
        else:
            self.questions += 1
            self._ask(arrival.place.question_id, commit)
        self.commits += 1
        self.signed += verified.signed
        self.vouched += verified.vouched
        self.last = commit
        self.met_checkpoint |= commit == checkpoint

    def _ask(self, question_id: str, commit: str) -> None:
        before = self.asked.put(question_id, commit)
        if before is not None:
            self.reused.setdefault(question_id, [before]).append(commit)


# ---------------------------------------------------------------------------------------------------------------------
# Sentences


def _problems(verdict: Verdict) -> Iterator[str]:
    tally, refused = verdict.tally, verdict.refused
    if refused is not None:
        before = (
            f"{tally.commits:,} of {counted(verdict.total, 'commit')} {'is' if tally.commits == 1 else 'are'} exact"
        )
        yield f"{before}; commit {refused.commit} is not: {refused.reason}. {refused.remedy}"
    for each in verdict.reused:
        yield f"{_reused(each)} Ask your peer who did that: peer-relay never asks with the same id again."
    if verdict.contained is False:
        yield str(HistoryRewritten(commit=verdict.checkpoint or ""))


def _proofs(verdict: Verdict) -> Iterator[Proof]:
    tally = verdict.tally
    for name, sentence in (
        ("commits", _commits(verdict)),
        ("records", _records(tally)),
        ("files", _files(tally)),
        ("bytes", "Each commit is byte for byte the one that its record demands: author, time, subject and trailers."),
        ("macs", f"Every Room-Mac is right: each commit was made by a holder of the room token.{_signatures(verdict)}"),
        ("authors", f"Nobody but {' and '.join(verdict.peers or ())} wrote; who asked did not answer."),
        ("order", "Every answer follows its question, and no question has a second one."),
    ):
        yield Proof(name, Outcome.PROVED, sentence)
    if verdict.pinned:
        yield Proof("signatures", Outcome.PROVED, _vouched(verdict))
    if verdict.reused:
        yield Proof("ids", Outcome.REFUTED, " ".join(map(_reused, verdict.reused)))
    else:
        yield Proof("ids", Outcome.PROVED, "No id was used twice.")
    yield _checkpoint(verdict)


def _commits(verdict: Verdict) -> str:
    tally = verdict.tally
    number = counted(verdict.total, "commit")
    if tally.commits < verdict.total:
        number = f"{tally.commits:,} of {number}"
    if tally.commits == 1:
        return f"{number} is exact: {_short(verdict.first)}, with which the room begins."
    span = f"from {_short(verdict.first)}, with which the room begins, to {_short(verdict.last)}"
    return f"{number} are one line {span}: no merge, no gap."


def _records(tally: Tally) -> str:
    written = f"{counted(tally.questions, 'question')} and {counted(tally.answers, 'answer')}"
    return f"The room's record, {written} are in canonical form, byte for byte, and within the limits."


def _files(tally: Tally) -> str:
    added = "Each commit adds one file and changes no other"
    if not tally.archives:
        return f"{added}."
    which = "the archive commit" if tally.archives == 1 else f"each of the {tally.archives:,} archive commits"
    return (
        f"{added}; {which} takes {ARCHIVED_PER_COMMIT} answered exchanges off the tip, by the rule, and does nothing "
        "else."
    )


def _signatures(verdict: Verdict) -> str:
    unpinned = "" if verdict.pinned else " No key is pinned here, so nothing shows which of the two."
    unknown = verdict.tally.signed - verdict.tally.vouched
    if not unknown:
        return unpinned
    if unknown == 1:
        return f"{unpinned} 1 commit bears a signature, whose owner is not checked here."
    return f"{unpinned} {unknown:,} commits bear signatures, whose owners are not checked here."


def _vouched(verdict: Verdict) -> str:
    number = counted(verdict.tally.vouched, "commit")
    signed = f"{number} {'is' if verdict.tally.vouched == 1 else 'are'} signed by the keys that are pinned"
    who = " and ".join(verdict.pinned)
    return f"{signed}: all that {who} wrote since then."


def _checkpoint(verdict: Verdict) -> Proof:
    name = "checkpoint"
    if verdict.checkpoint is None:
        return Proof(name, Outcome.UNKNOWN, "This machine has verified nothing of the room before, to compare with.")
    commit = _short(verdict.checkpoint)
    if verdict.contained is None:
        sentence = f"Commit {commit}, which this machine had verified, was not met before the one that is not exact."
        return Proof(name, Outcome.UNKNOWN, sentence)
    if verdict.contained:
        sentence = f"Nothing was rewritten since this machine's checkpoint: commit {commit} is among them."
        return Proof(name, Outcome.PROVED, sentence)
    return Proof(name, Outcome.REFUTED, HistoryRewritten(commit=verdict.checkpoint).what)


def _reused(reused: ReusedId) -> str:
    commits = " and then in ".join(reused.commits)
    return f"The id {reused.question_id} was asked with again after its exchange was archived: in commit {commits}."


def _short(commit: str | None) -> str:
    return (commit or "")[:_SHOWN_DIGITS]
