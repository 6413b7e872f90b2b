"""`peer-relay wait --rewake`: it wakes a session by what that does not know, once, and disturbs it by nothing else."""

from __future__ import annotations

import json
import os
from itertools import count
from typing import TYPE_CHECKING

import pytest

from peer_relay import attempts, disk
from peer_relay.cli import waking
from peer_relay.errors import InvalidSetting, StateUnusable, Unreachable
from peer_relay.standing import Standing
from peer_relay.told import Told
from tests.claims import claim
from tests.cli.scene import Scene
from tests.cli.support import FIRST_ID, run

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

SECOND_ID = f"{FIRST_ID[:-1]}1"
QUESTION = Standing("alice", "bob", waiting=(FIRST_ID,))
BOTH = Standing("alice", "bob", waiting=(FIRST_ID,), unread=(SECOND_ID,))
ASKED = "1 question from bob is waiting in peer-relay (for 3 hours).\n"
STOP = json.dumps({"session_id": "one", "hook_event_name": "Stop", "last_assistant_message": "Done."})
UNSET = InvalidSetting(name="PEER_RELAY_ROOM", reason="is not set", advice="Set it.")


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """Give a machine that has just reached its mailbox and found nothing."""
    return Scene(tmp_path, monkeypatch)


def wait(*arguments: str, given: str = STOP) -> Result:
    return run("wait", "--rewake", *arguments, given=given)


def is_woken(shown: Result, facts: str) -> bool:
    return (shown.exit_code, shown.stdout, shown.stderr) == (2, "", facts)


def is_left_alone(shown: Result) -> bool:
    return (shown.exit_code, shown.stdout, shown.stderr) == (0, "", "")


@claim("hook-is-silent")
def test_what_arrives_wakes_the_session_with_the_facts(scene: Scene) -> None:
    scene.later(50, stands=BOTH)
    assert is_woken(wait(), f"{ASKED}1 answer from bob to your question {SECOND_ID} has arrived in peer-relay.\n")
    assert Told(scene.known().folder, "one").ids() == {FIRST_ID, SECOND_ID}
    assert scene.looks == [15, 30, 45, 60]


@claim("hook-is-silent")
def test_the_same_does_not_wake_the_session_twice(scene: Scene) -> None:
    scene.stands = QUESTION
    assert is_woken(wait(), ASKED)
    assert is_left_alone(wait("--timeout", "600"))
    assert is_woken(wait(given=STOP.replace("one", "two")), ASKED)
    scene.later(scene.time.seconds + 300, stands=BOTH)
    assert is_woken(wait(), f"{ASKED}1 answer from bob to your question {SECOND_ID} has arrived in peer-relay.\n")


def test_a_hook_that_speaks_at_the_same_event_is_heard_first(scene: Scene) -> None:
    scene.stands = QUESTION
    scene.learn()
    scene.events[1] = lambda: Told(scene.known().folder, "one").remember({FIRST_ID})
    assert is_left_alone(wait("--timeout", "60"))


def test_only_what_is_waited_for_wakes_and_the_rest_is_still_news(scene: Scene) -> None:
    scene.stands = BOTH
    assert is_woken(wait("--for", "questions"), ASKED)
    assert Told(scene.known().folder, "one").ids() == {FIRST_ID}


def test_the_end_of_the_time_is_silent(scene: Scene) -> None:
    assert is_left_alone(wait("--timeout", "20"))
    assert scene.time.seconds == 22


def test_a_mailbox_that_cannot_be_reached_is_waited_for_in_silence(scene: Scene) -> None:
    scene.outcome = Unreachable(remote="git.example", reason="the network is down")
    scene.later(100, outcome=None, stands=QUESTION, problem=UNSET)
    scene.later(110, problem=None)
    assert is_woken(wait(), ASKED)


def test_a_session_has_one_that_waits_for_it(scene: Scene) -> None:
    scene.stands = QUESTION
    scene.learn()
    path = Told(scene.known().folder, "one").path
    disk.make_folder(path.parent)
    with disk.lock_file(path.with_suffix(".lock"), 0) as got:
        assert got
        assert is_left_alone(wait())
    assert is_woken(wait(), ASKED)


def test_where_no_person_is_nobody_is_waited_for(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(waking.ATTENDED, "0")
    scene.stands = QUESTION
    assert is_left_alone(wait())
    monkeypatch.setenv(waking.ATTENDED, "1")
    assert is_woken(wait(), ASKED)


def test_it_ends_when_the_agent_is_gone(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    pids = count(100)
    with monkeypatch.context() as patch:
        patch.setattr(os, "getppid", lambda: next(pids))
        assert is_left_alone(wait())
    monkeypatch.setattr(waking, "is_read", lambda _: scene.time.seconds < 30)
    assert is_left_alone(wait())
    assert scene.time.seconds == 30


@claim("hook-is-silent")
@pytest.mark.parametrize(
    ("arguments", "given", "sentence"),
    [
        ((), "soon", "standard input does not say in JSON which session this is."),
        (("--timeout", "nan"), STOP, "must be a number of seconds."),
        (("--no-such-option",), STOP, "No such option"),
    ],
)
def test_a_wrong_call_is_silent_and_the_doctor_hears_of_it(
    scene: Scene, arguments: tuple[str, ...], given: str, sentence: str
) -> None:
    assert is_left_alone(wait(*arguments, given=given))
    failure = attempts.at_telling(scene.home).failure()
    assert failure is not None
    assert sentence in failure.what


@claim("hook-is-silent")
def test_a_room_that_is_not_there_is_silent_and_the_doctor_hears_of_it(scene: Scene) -> None:
    scene.problem = UNSET
    assert is_left_alone(wait())
    failure = attempts.at_telling(scene.home).failure()
    assert failure is not None
    assert (failure.during, failure.what) == ("wait --rewake", UNSET.what)
    scene.problem, scene.stands = None, QUESTION
    assert is_woken(wait(), ASKED)
    assert attempts.at_telling(scene.home).failure() is None


def test_who_cannot_remember_wakes_nobody_because_it_would_do_so_for_ever(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise StateUnusable(path="/state/told", reason="No space left on device")

    monkeypatch.setattr(Told, "remember", fail)
    scene.stands = QUESTION
    assert is_left_alone(wait())
