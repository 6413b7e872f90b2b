"""The relay on a real repository: what the tests in memory show, once more where it is for real."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from peer_relay.app import open_relay
from peer_relay.config import RelayConfig
from peer_relay.errors import RefusedCommit
from peer_relay.paths import branch_ref
from tests.claims import claim
from tests.relay.support import FakeTime, Machine
from tests.store.benches import FEW_UNTIL_ARCHIVED, KEYS, ROOM, TOKEN, GitBench, a_deadline, archive_early, exchanging

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Git

GitMachine = Machine["GitStore"]
BRANCH = branch_ref(KEYS.room_id)


@pytest.fixture
def bench(tmp_path: Path) -> GitBench:
    bench = GitBench(tmp_path)
    bench.store().create(ROOM, a_deadline())
    return bench


@pytest.fixture
def alice(bench: GitBench, tmp_path: Path) -> GitMachine:
    return Machine("alice", bench.store(), tmp_path / "alice", FakeTime())


@pytest.fixture
def bob(bench: GitBench, tmp_path: Path) -> GitMachine:
    return Machine("bob", bench.store(), tmp_path / "bob", FakeTime())


def subjects(git: Git, bench: GitBench) -> list[str]:
    return git(bench.repository, "log", "--reverse", "--format=%s", BRANCH).split("\n")


@claim("I1", "I4")
def test_an_exchange_is_three_commits_that_plain_git_finds_in_order(
    git: Git, bench: GitBench, alice: GitMachine, bob: GitMachine
) -> None:
    asked = alice.relay.ask("Why?")
    (waiting,) = bob.relay.questions().items
    assert (waiting.question_id, waiting.question) == (asked.question_id, "Why?")
    assert bob.relay.answer(asked.question_id, "Because.").delivered
    assert [(each.question_id, each.answer) for each in alice.relay.answers().items] == [
        (asked.question_id, "Because.")
    ]
    assert subjects(git, bench) == ["alice opens the room with bob", "alice asks: Why?", "bob answers: Because."]
    assert git(bench.repository, "fsck", "--strict") == ""


@claim("I3")
@pytest.mark.parametrize("lost", ["nothing", "clone", "checkpoint", "both"])
def test_a_lost_reply_does_not_duplicate_the_question(git: Git, bench: GitBench, alice: GitMachine, lost: str) -> None:
    alice.relay.questions()
    transport = bench.transport(alice.store)
    transport.loses_reply = True
    assert not alice.relay.ask("Why?").delivered
    transport.unreachable = False
    if lost in ("clone", "both"):
        bench.forget(alice.store)
    if lost in ("checkpoint", "both"):
        (alice.folder / "checkpoint.json").unlink()
    alice.restart()
    assert alice.relay.deliver() is True
    assert alice.relay.ask("And?").delivered
    assert subjects(git, bench)[1:] == ["alice asks: Why?", "alice asks: And?"]


@claim("I3", "I7")
def test_a_question_whose_reply_was_lost_and_that_was_archived_is_not_asked_twice(
    git: Git, bench: GitBench, alice: GitMachine, bob: GitMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive_early(monkeypatch)
    alice.relay.questions()
    transport = bench.transport(alice.store)
    transport.loses_reply = True
    asked = alice.relay.ask("Why?")
    bob.relay.answer(asked.question_id, "Because.")
    known = bob.state.load()
    assert known is not None
    steps, _ = exchanging(known.snapshot.ledger, 1, FEW_UNTIL_ARCHIVED, "bob")
    bob.store.publish(known.snapshot, steps, a_deadline())

    transport.unreachable = False
    bench.forget(alice.store)
    alice.restart()
    assert alice.relay.deliver() is True
    assert subjects(git, bench).count("alice asks: Why?") == 1
    assert [(each.question, each.answer) for each in alice.relay.answers().items] == [("Why?", "Because.")]


@claim("I6")
def test_a_junk_commit_is_named_and_everything_before_it_is_served_until_the_branch_is_valid_again(
    git: Git, bench: GitBench, alice: GitMachine, bob: GitMachine
) -> None:
    alice.relay.ask("Before?")
    good = bench.tip()
    junk = bench.junk()
    asked = alice.relay.ask("Why?")
    assert not asked.delivered
    listing = alice.relay.exchanges()
    assert [each.question.question for each in listing.items] == ["Before?"]
    assert [junk in note for note in listing.notes] == [True, False]
    with pytest.raises(RefusedCommit):
        bob.relay.questions()
    bench.move(good)
    assert alice.relay.deliver() is True
    assert alice.relay.questions().notes == ()
    assert subjects(git, bench)[1:] == ["alice asks: Before?", "alice asks: Why?"]


def test_a_damaged_clone_is_fetched_again_without_anybody_noticing(
    bench: GitBench, alice: GitMachine, bob: GitMachine
) -> None:
    asked = alice.relay.ask("Why?")
    bob.relay.answer(asked.question_id, "Because.")
    for path in bench.clone(alice.store).path.rglob("objects/*/*"):
        path.chmod(0o600)
        path.write_bytes(b"")
    listing = alice.relay.answers()
    assert ([each.answer for each in listing.items], listing.notes) == (["Because."], ())
    assert alice.relay.ask("And?").delivered


def test_offline_everything_known_is_served_from_the_clone(bench: GitBench, alice: GitMachine, bob: GitMachine) -> None:
    asked = alice.relay.ask("Why?")
    bob.relay.answer(asked.question_id, "Because.")
    alice.relay.answers()
    bench.transport(alice.store).unreachable = True
    listing = alice.relay.answers()
    assert [each.answer for each in listing.items] == ["Because."]
    assert [note.split(":")[0].endswith("cannot be reached") for note in listing.notes] == [True]


# -- several at once, with the clock of the machine -------------------------------------------------------------------


@claim("I3", "I5")
def test_threads_of_one_process_lose_and_double_nothing(git: Git, bench: GitBench, tmp_path: Path) -> None:
    config = RelayConfig(remote=str(bench.repository), token=TOKEN, peer_id="alice", home=tmp_path / "home")
    relay = open_relay(config, {})
    wanted = [f"Question {number}?" for number in range(12)]
    with ThreadPoolExecutor(4) as pool:
        sent = list(pool.map(relay.ask, wanted))
    assert relay.deliver() is True
    relay.close()
    assert [each.delivered for each in sent] == [True] * 12
    assert sorted(subjects(git, bench)[1:]) == sorted(f"alice asks: {text}" for text in wanted)


@pytest.mark.usefixtures("unmeasured_processes")
@claim("I3", "I4", "I5", "first-answer-wins")
def test_processes_of_both_peers_some_on_one_home_lose_and_double_nothing(
    git: Git, bench: GitBench, tmp_path: Path
) -> None:
    team = [
        ("alice", "a1", "one"),
        ("alice", "a1", "two"),
        ("bob", "b1", "three"),
        ("bob", "b1", "four"),
        ("bob", "b2", "five"),
    ]
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.relay.worker", TOKEN, bench.repository, tmp_path / home, peer, name, "2"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for peer, home, name in team
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    results = [json.loads(process.communicate("go\n", timeout=50)[0]) for process in processes]
    assert [process.returncode for process in processes] == [0] * len(team)
    assert [result["done"] for result in results] == [True] * len(team)

    told = {text: delivered for result in results for text, delivered in result["told"].items()}
    questions = [text for text in told if text.startswith("Question")]
    log = subjects(git, bench)[1:]
    asked = [subject.split(": ", 1)[1] for subject in log if " asks: " in subject]
    answered = [subject.split(": ", 1)[1] for subject in log if " answers: " in subject]
    assert sorted(asked) == sorted(questions)
    assert len(questions) == 2 * len(team)
    answers = told.keys() - set(questions)
    assert {text for text in answers if told[text]} <= set(answered) <= answers
    assert answered
    assert len({text.split(" to ")[1] for text in answered}) == len(answered)
    assert git(bench.repository, "fsck", "--strict") == ""
