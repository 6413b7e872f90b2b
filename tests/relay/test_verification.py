"""What the driver makes of a replay: numbers, proofs, and what it cannot prove."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from peer_relay.errors import HistoryRewritten, RefusedCommit, UnsupportedFormat
from peer_relay.ledger import Ledger
from peer_relay.paths import Kind, Place
from peer_relay.store import Arrival, Replay, Snapshot, Verified
from peer_relay.verification import Outcome, ReusedId, Tally, Verdict, Verification
from tests.claims import claim
from tests.store.benches import ROOM, UNTIL_ARCHIVED, MemoryBench, a_deadline, asking, exchanging, question

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from peer_relay.errors import PeerRelayError

LEDGER = Ledger(ROOM)
ID = question(1).id
BAD = "b" * 40
REFUSED = RefusedCommit(commit=BAD, reason="its Room-Mac is wrong")


def commit(number: int) -> str:
    return f"{number:02}" * 20


def verified(number: int, arrival: Kind | None = None, question_id: str = ID, *, signed: bool = False) -> Verified:
    """Return an exact commit, by its number: one that adds a record, or the first, or an archive commit."""
    place = None if arrival is None else Arrival(commit(number), Place(question_id, "alice", arrival))
    return Verified(Snapshot(commit(number), LEDGER), place, signed=signed)


OPENED = verified(1)
EXCHANGE = (OPENED, verified(2, Kind.QUESTION), verified(3, Kind.ANSWER))


class Replayed:
    """A replay of given commits, which may end with an error; it remembers whether it was closed."""

    def __init__(self, commits: Sequence[Verified], error: PeerRelayError | None = None) -> None:
        self.closed = False
        self.replay = Replay("f" * 40, len(commits) + (2 if error else 0), self._each(commits, error))

    def _each(self, commits: Sequence[Verified], error: PeerRelayError | None) -> Generator[Verified]:
        try:
            yield from commits
            if error is not None:
                raise error
        finally:
            self.closed = True

    def run(self, checkpoint: str | None = None) -> Verdict:
        return Verification(self.replay, checkpoint).run(lambda _done, _total: None)


def sentences(verdict: Verdict) -> dict[str, str]:
    return {each.name: each.sentence for each in verdict.proofs}


def outcomes(verdict: Verdict) -> dict[str, Outcome]:
    return {each.name: each.outcome for each in verdict.proofs}


def test_a_room_that_is_exact_is_proved_thing_by_thing() -> None:
    verdict = Replayed(EXCHANGE).run()
    assert verdict == Verdict(
        tip="f" * 40,
        total=3,
        tally=Tally(commits=3, questions=1, answers=1),
        peers=("alice", "bob"),
        first=commit(1),
        last=commit(3),
        refused=None,
        reused=(),
        checkpoint=None,
        contained=None,
    )
    assert (verdict.problems, {*outcomes(verdict).values()}) == ((), {Outcome.PROVED, Outcome.UNKNOWN})
    assert sentences(verdict) == {
        "commits": "3 commits are one line from 010101010101, with which the room begins, to 030303030303: no merge, "
        "no gap.",
        "records": "The room's record, 1 question and 1 answer are in canonical form, byte for byte, and within the "
        "limits.",
        "files": "Each commit adds one file and changes no other.",
        "bytes": "Each commit is byte for byte the one that its record demands: author, time, subject and trailers.",
        "macs": "Every Room-Mac is right: each commit was made by a holder of the room token."
        " No key is pinned here, so nothing shows which of the two.",
        "authors": "Nobody but alice and bob wrote; who asked did not answer.",
        "order": "Every answer follows its question, and no question has a second one.",
        "ids": "No id was used twice.",
        "checkpoint": "This machine has verified nothing of the room before, to compare with.",
    }


def test_a_room_without_a_question_is_proved_too() -> None:
    verdict = Replayed([OPENED]).run(commit(1))
    assert (verdict.problems, verdict.contained) == ((), True)
    assert sentences(verdict)["commits"] == "1 commit is exact: 010101010101, with which the room begins."


@pytest.mark.parametrize(
    ("archives", "signed", "files", "macs"),
    [
        (
            1,
            1,
            "the archive commit takes",
            (
                " No key is pinned here, so nothing shows which of the two."
                " 1 commit bears a signature, whose owner is not checked here."
            ),
        ),
        (
            2,
            3,
            "each of the 2 archive commits takes",
            (
                " No key is pinned here, so nothing shows which of the two."
                " 3 commits bear signatures, whose owners are not checked here."
            ),
        ),
    ],
)
def test_archive_commits_and_signatures_are_counted(archives: int, signed: int, files: str, macs: str) -> None:
    commits = [OPENED, *(verified(number) for number in range(2, 2 + archives))]
    commits += [verified(90 + number, Kind.QUESTION, question(number).id, signed=True) for number in range(signed)]
    verdict = Replayed(commits).run()
    assert verdict.tally == Tally(1 + archives + signed, questions=signed, archives=archives, signed=signed)
    rest = " 256 answered exchanges off the tip, by the rule, and does nothing else."
    assert sentences(verdict)["files"].partition("; ")[2] == files + rest
    assert sentences(verdict)["macs"].partition(".")[2] == macs


@claim("I2")
def test_what_was_exact_before_the_first_that_is_not_is_said_with_its_number() -> None:
    verdict = Replayed(EXCHANGE, REFUSED).run()
    assert (verdict.refused, verdict.tally.commits, verdict.total) == (REFUSED, 3, 5)
    assert verdict.problems == (
        f"3 of 5 commits are exact; commit {BAD} is not: its Room-Mac is wrong. {REFUSED.remedy}",
    )
    assert sentences(verdict)["commits"].startswith("3 of 5 commits are one line from ")


def test_nothing_is_proved_of_a_history_that_does_not_begin_with_the_room() -> None:
    verdict = Replayed([], REFUSED).run(commit(1))
    assert (verdict.proofs, verdict.peers, verdict.first, verdict.last, verdict.contained) == (
        (),
        None,
        None,
        None,
        None,
    )
    assert verdict.problems[0].startswith(f"0 of 2 commits are exact; commit {BAD} is not: ")


def test_a_room_of_another_format_is_no_verdict() -> None:
    replayed = Replayed([], UnsupportedFormat(found="2", newer=True))
    with pytest.raises(UnsupportedFormat):
        replayed.run()
    assert replayed.closed


@claim("I6")
def test_a_history_that_lost_the_checkpoint_was_rewritten() -> None:
    verdict = Replayed(EXCHANGE).run(BAD)
    assert (verdict.contained, outcomes(verdict)["checkpoint"]) == (False, Outcome.REFUTED)
    assert verdict.problems == (str(HistoryRewritten(commit=BAD)),)
    assert sentences(verdict)["checkpoint"] == HistoryRewritten(commit=BAD).what


@pytest.mark.parametrize(("number", "contained"), [(2, True), (9, None)])
def test_a_checkpoint_is_judged_as_far_as_the_history_is_exact(number: int, *, contained: bool | None) -> None:
    verdict = Replayed(EXCHANGE, REFUSED).run(commit(number))
    assert (verdict.contained, len(verdict.problems)) == (contained, 1)
    expected = Outcome.PROVED if contained else Outcome.UNKNOWN
    assert outcomes(verdict)["checkpoint"] is expected


def test_an_id_that_is_asked_with_again_after_its_archiving_is_told_with_all_its_commits() -> None:
    bench = MemoryBench()
    alice = bench.store()
    known = alice.create(ROOM, a_deadline())
    steps, _ = exchanging(known.ledger, 1, UNTIL_ARCHIVED)
    known = alice.publish(known, steps, a_deadline())
    first = alice.replay(a_deadline(), a_deadline())
    once = next(each for each in first.commits if each.arrival and each.arrival.place.question_id == ID)
    steps, _ = asking(known.ledger, question(1, "bob"))
    alice.publish(known, steps, a_deadline())
    replay = bench.store().replay(a_deadline(), a_deadline())
    verdict = Verification(replay, known.tip).run(lambda _done, _total: None)
    assert (verdict.tally, verdict.contained) == (Tally(replay.total, 514, 513, 1), True)
    assert verdict.reused == (ReusedId(ID, (once.snapshot.tip, replay.tip)),)
    told = (
        f"The id {ID} was asked with again after its exchange was archived: in commit {once.snapshot.tip} and then in "
    )
    assert sentences(verdict)["ids"] == f"{told}{replay.tip}."
    assert verdict.problems[0].startswith(told)
    assert outcomes(verdict)["ids"] is Outcome.REFUTED


def test_progress_is_told_from_nothing_to_all() -> None:
    told = []
    replayed = Replayed(EXCHANGE)
    Verification(replayed.replay, None).run(lambda done, total: told.append((done, total)))
    assert (told, replayed.closed) == ([(0, 3), (1, 3), (2, 3), (3, 3)], True)


def test_a_verification_that_is_broken_off_closes_the_replay() -> None:
    replayed = Replayed(EXCHANGE)

    def interrupt(done: int, _total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Verification(replayed.replay, None).run(interrupt)
    assert replayed.closed
