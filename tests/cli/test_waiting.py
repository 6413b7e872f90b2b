"""`peer-relay wait`: it looks until there is something, says so in facts alone, and marks nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from peer_relay import app
from peer_relay.cli import waiting
from peer_relay.cli.waiting import Waiter
from peer_relay.errors import AccessDenied, PeerNotInRoom, PeerRelayError, Unreachable
from peer_relay.ids import ulid_ms
from peer_relay.news import ANSWERS, KINDS, QUESTIONS
from peer_relay.pacing import LONGEST_PAUSE_S, pauses_s
from peer_relay.reports import Reached
from peer_relay.standing import Standing
from tests.cli.support import FIRST_ID, exchange, run
from tests.relay.support import FakeTime

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.support import FakeRelay

NOTHING = Standing("alice", "bob", 7)
QUESTION = Standing("alice", "bob", 7, waiting=(FIRST_ID,))
ANSWER = Standing("alice", "bob", 7, unread=(FIRST_ID,))
GONE = Unreachable(remote="git.example", reason="the network is down")
DENIED = AccessDenied(remote="git.example", act="read", reason="403")
HOUR_MS = 3_600_000

Step = tuple[PeerRelayError | Reached, Standing]


def stale(error: PeerRelayError, *notes: str) -> Reached:
    return Reached((f"{error} This result is what was known at noon.", *notes), error)


@dataclass
class Looks:
    """A relay that finds one thing after another with each look, and then the last one for ever."""

    steps: list[Step]
    looks: int = 0
    near: bool = False
    now: Standing = field(default_factory=lambda: NOTHING)

    def reach(self) -> Reached:
        outcome, self.now = self.steps[min(self.looks, len(self.steps) - 1)]
        self.looks += 1
        if isinstance(outcome, PeerRelayError):
            raise outcome
        return outcome

    def standing(self) -> Standing:
        return self.now

    def close(self) -> None: ...


@pytest.fixture
def time() -> FakeTime:
    return FakeTime()


@pytest.fixture
def waiter(time: FakeTime) -> Callable[..., Waiter]:
    """Give a waiter for things that come one after another."""

    def make(*steps: Step, kinds: tuple[str, ...] = KINDS) -> Waiter:
        return Waiter(Looks(list(steps)), kinds, time.monotonic, time.sleep)  # type: ignore[arg-type]

    return make


CALM = Reached(())


def test_what_is_there_ends_the_wait_without_a_pause(waiter: Callable[..., Waiter], time: FakeTime) -> None:
    assert waiter((CALM, QUESTION)).wait(60) is QUESTION
    assert time.pauses == []


def test_it_looks_again_less_and_less_often_until_there_is_something(
    waiter: Callable[..., Waiter], time: FakeTime
) -> None:
    assert waiter(*[(CALM, NOTHING)] * 6, (CALM, ANSWER)).wait(None) is ANSWER
    assert time.pauses == [1, 1.5, 2.25, 3.375, 5, 5]


def test_pauses_never_become_shorter_and_never_longer_than_the_longest() -> None:
    every = [pause for pause, _ in zip(pauses_s(), range(50), strict=False)]
    assert [(one, other) for one, other in pairwise(every) if other < one] == []
    assert (every[0], max(every)) == (1, LONGEST_PAUSE_S)


def test_when_the_time_is_over_it_looks_once_more_and_ends(waiter: Callable[..., Waiter], time: FakeTime) -> None:
    one = waiter((CALM, NOTHING))
    assert one.wait(2) is NOTHING
    assert (time.pauses, one.relay.looks) == ([1, 1], 3)  # type: ignore[attr-defined]


def test_with_no_time_it_looks_once(waiter: Callable[..., Waiter], time: FakeTime) -> None:
    one = waiter((CALM, NOTHING))
    assert one.wait(0) is NOTHING
    assert (time.pauses, one.relay.looks) == ([], 1)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("kind", "other"), [(QUESTIONS, ANSWER), (ANSWERS, QUESTION)])
def test_only_what_is_waited_for_ends_it(waiter: Callable[..., Waiter], kind: str, other: Standing) -> None:
    wanted = QUESTION if other is ANSWER else ANSWER
    assert waiter((CALM, other), (CALM, wanted), kinds=(kind,)).wait(60) is wanted


def test_a_mailbox_that_cannot_be_reached_is_told_once_and_waited_for(
    waiter: Callable[..., Waiter], capsys: pytest.CaptureFixture[str]
) -> None:
    assert waiter((GONE, NOTHING), *[(stale(GONE), NOTHING)] * 3, (CALM, ANSWER)).wait(60) is ANSWER
    assert capsys.readouterr().err == f"note: {GONE} Waiting goes on.\n"


def test_a_mailbox_that_is_lost_again_is_told_again(
    waiter: Callable[..., Waiter], capsys: pytest.CaptureFixture[str]
) -> None:
    lost = (stale(GONE), NOTHING)
    waiter(lost, (CALM, NOTHING), lost, lost, (CALM, ANSWER)).wait(60)
    assert capsys.readouterr().err == f"note: {GONE} Waiting goes on.\n" * 2


def test_what_else_there_is_to_say_is_said_once(
    waiter: Callable[..., Waiter], capsys: pytest.CaptureFixture[str]
) -> None:
    queued = Reached(("1 record is queued.",))
    waiter((queued, NOTHING), (stale(GONE, "1 record is queued.", "Another."), NOTHING), (queued, ANSWER)).wait(60)
    assert capsys.readouterr().err == f"note: 1 record is queued.\nnote: Another.\nnote: {GONE} Waiting goes on.\n"


@pytest.mark.parametrize("outcome", [GONE, stale(GONE)])
def test_that_the_mailbox_cannot_be_reached_is_the_end_when_the_time_is_over(
    waiter: Callable[..., Waiter], outcome: PeerRelayError | Reached
) -> None:
    with pytest.raises(Unreachable):
        waiter((outcome, NOTHING)).wait(3)


@pytest.mark.parametrize("outcome", [DENIED, stale(DENIED), PeerNotInRoom(peer_id="carol", peers=("alice", "bob"))])
def test_what_somebody_has_to_put_right_is_not_waited_for(
    waiter: Callable[..., Waiter], time: FakeTime, outcome: PeerRelayError | Reached
) -> None:
    with pytest.raises(PeerRelayError) as ended:
        waiter((outcome, NOTHING)).wait(60)
    assert (ended.value, time.pauses) == (outcome if isinstance(outcome, PeerRelayError) else DENIED, [])


def test_what_is_known_from_before_counts_with_a_note(
    waiter: Callable[..., Waiter], capsys: pytest.CaptureFixture[str]
) -> None:
    assert waiter((stale(DENIED), QUESTION)).wait(60) is QUESTION
    assert capsys.readouterr().err == f"note: {DENIED} This is what was known before.\n"


def test_a_person_at_a_terminal_is_told_that_it_waits(
    waiter: Callable[..., Waiter], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "shows_progress", lambda: True)
    waiter((CALM, NOTHING), (CALM, NOTHING), (CALM, ANSWER)).wait(60)
    assert capsys.readouterr().err == "note: nothing is there yet; waiting for bob. Ctrl-C ends it.\n"


# ---------------------------------------------------------------------------------------------------------------------
# The command


@pytest.fixture
def room(relay: FakeRelay, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let the command find one thing after another in a configured room, three hours after the first id."""

    def put(*steps: Step) -> None:
        monkeypatch.setattr(app, "open_relay", lambda *_, **__: Looks(list(steps)))
        monkeypatch.setattr(waiting, "system_ms", lambda: ulid_ms(FIRST_ID) + 3 * HOUR_MS)

    return put


def ids(how_many: int) -> tuple[str, ...]:
    return tuple(exchange(number).question.id for number in range(how_many))


def test_what_is_there_is_a_line_of_facts_for_each_kind(room: Callable[..., None]) -> None:
    room((CALM, Standing("alice", "bob", waiting=ids(1), unread=ids(1))))
    shown = run("wait")
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert shown.stdout.splitlines() == [
        "1 question from bob is waiting in peer-relay (for 3 hours).",
        f"1 answer from bob to your question {FIRST_ID} has arrived in peer-relay.",
    ]


def test_a_program_gets_the_ids_of_both_kinds(room: Callable[..., None]) -> None:
    room((CALM, Standing("alice", "bob", waiting=ids(2), unread=ids(1))))
    shown = run("wait", "--json")
    assert (shown.exit_code, json.loads(shown.stdout)) == (0, {"questions": list(ids(2)), "answers": list(ids(1))})


def test_a_program_gets_null_for_what_was_not_waited_for(room: Callable[..., None]) -> None:
    room((CALM, Standing("alice", "bob", waiting=ids(2), unread=ids(1))))
    shown = run("wait", "--for", "answers", "--json")
    assert (shown.exit_code, json.loads(shown.stdout)) == (0, {"questions": None, "answers": list(ids(1))})


def test_nothing_in_time_ends_with_status_four(room: Callable[..., None]) -> None:
    room((CALM, NOTHING))
    assert (run("wait", "--timeout", "0").exit_code, run("wait", "--timeout", "0").output) == (4, "")
    shown = run("wait", "--timeout", "0", "--json")
    assert (shown.exit_code, json.loads(shown.stdout)) == (4, {"questions": [], "answers": []})


def test_a_mailbox_that_cannot_be_reached_in_time_ends_with_status_five(room: Callable[..., None]) -> None:
    room((stale(GONE), NOTHING))
    shown = run("wait", "--timeout", "0")
    assert (shown.exit_code, shown.stdout, shown.stderr) == (5, "", f"error: {GONE}\n")


@pytest.mark.parametrize("timeout", ["-1", "soon", "nan"])
def test_a_time_that_is_none_is_wrong_usage(room: Callable[..., None], timeout: str) -> None:
    room((CALM, NOTHING))
    assert run("wait", "--timeout", timeout).exit_code == 2
