"""A room of several archivings, looked at with plain git and replayed by the package, byte for byte."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest

from peer_relay.ledger import Step
from peer_relay.paths import ROOM_FILE
from peer_relay.records import Question
from peer_relay.store import Snapshot
from tests.claims import claim
from tests.git_store.reading import reader, soon
from tests.independent import START_MS, Room
from tests.servers import create_repository

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Git

EXCHANGES = 790
REPLAYED = 1_100
"""The commits of the first archiving are among them."""

ARCHIVED = "archives 256 exchanges"


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Room:
    """Give a room that was archived twice, with questions and answers in a random order."""
    room, random = Room(tmp_path_factory.mktemp("grown") / "mailbox.git"), Random(11)  # noqa: S311 - a test's data
    waiting: list[str] = []
    with room.in_bulk():
        room.open()
        for number in range(EXCHANGES):
            asker = random.choice(room.peers)
            hint = "a hint" if number % 5 == 0 else None
            waiting.append(room.ask(START_MS + number * 1_234_567, asker, f" \tQuestion {number}?\nMore.", hint))
            while len(waiting) > random.randrange(1, 9):
                chosen = waiting.pop(random.randrange(len(waiting)))
                room.answer(chosen, f"Answer {number}. " * 9, ["a.py:1"] * (number % 3))
    return room


@claim("trust-model", "I1")
def test_the_four_commands_of_an_audit_print_what_they_should(grown: Room, git: Git) -> None:
    mailbox, branch = grown.git_dir, grown.branch
    assert mailbox is not None
    assert git(mailbox, "rev-list", "--min-parents=2", branch) == ""
    assert git(mailbox, "log", "-m", "--first-parent", "--no-renames", "--diff-filter=CMRTUX", branch) == ""
    added = git(mailbox, "log", "--no-renames", "--diff-filter=A", "--name-only", "--format=", branch).splitlines()
    assert len(added) == len(set(added)) == len(grown.commit_ids) - 2
    deleting = git(mailbox, "log", "--diff-filter=D", "--format=%s", branch).splitlines()
    assert [subject.partition(" ")[2] for subject in deleting] == [ARCHIVED] * 2


@claim("trust-model", "archive-rule")
def test_git_finds_nothing_wrong_and_one_added_file_in_each_commit(grown: Room, git: Git) -> None:
    assert grown.git_dir is not None
    assert git(grown.git_dir, "fsck", "--strict", "--no-dangling") == ""
    form = "--format=%x00%H %an %ae %ad %cn %ce %cd %s"
    log = git(grown.git_dir, "log", "--reverse", "--no-renames", "--name-status", "--date=raw", form, grown.branch)
    commits = log.split("\0")[1:]
    assert [each[:40] for each in commits] == grown.commit_ids
    stamp = ""
    for each in commits:
        head, *changes = [line for line in each.splitlines() if line]
        who, *rest = head[41:].split(" ", 8)
        author, committer, subject = [who, *rest[:3]], rest[3:7], rest[7]
        assert author == committer == [who, f"{who}@peer-relay.invalid", rest[1], "+0000"]
        assert subject.split(" ")[0] == who
        if subject == f"{who} {ARCHIVED}":
            assert (len(changes), {line[0] for line in changes}) == (512, {"D"})
            assert stamp == " ".join(author)
        else:
            assert [line[:2] for line in changes] == ["A\t"]
            assert changes[0][2:] == ROOM_FILE or who in {changes[0][2:].split("/")[0], *grown.peers}
        stamp = " ".join(author)


@claim("I2", "archive-rule")
def test_what_a_replay_reads_and_the_package_writes_again_has_the_same_commit_ids(
    grown: Room, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.fsync", bool)  # a thousand objects; that they are durable is shown elsewhere
    bob = reader(tmp_path / "read", grown.git_dir or "")
    found = list(bob.store.replay(soon(), soon()).commits)
    assert [each.snapshot.tip for each in found] == grown.commit_ids
    assert sum(each.arrival is None for each in found) == 1 + 2
    known = found[REPLAYED].snapshot
    arrivals = [each.arrival for each in found[: REPLAYED + 1] if each.arrival]
    assert len(arrivals) == REPLAYED - 1
    create_repository(tmp_path / "again.git")
    alice = reader(tmp_path / "write", tmp_path / "again.git").store
    base = alice.create(known.ledger.room, soon())
    ledger, steps = base.ledger, list[Step]()
    for arrival, record in zip(arrivals, bob.store.read(arrivals, soon()), strict=True):
        if isinstance(record, Question):
            more, ledger = ledger.plan_ask(record)
        else:
            more, ledger = ledger.plan_answer(record, ledger.other(arrival.place.asker))
        steps += more
        if len(steps) >= 200 or arrival == arrivals[-1]:
            base = alice.publish(base, steps, soon())
            assert base == Snapshot(arrival.commit, ledger)  # which is the name of all commits up to there
            steps = []
    assert base == known
