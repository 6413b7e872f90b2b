"""A trial sees it when a promise is broken: each test builds one lie in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from peer_relay.relay import Relay
from peer_relay.reports import Listing, Sent
from tests.faults.catalogue import CATALOGUE, Place, Way
from tests.faults.trial import Trial, Verdict, run
from tests.faults.web import WebRemote

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.faults.scene import Scene

    Try = Callable[[str, Place], Verdict]

ask, answers = Relay.ask, Relay.answers


@pytest.fixture
def verdict_on(scene: Scene, tmp_path: Path) -> Try:
    """Give a function that tries a fault over http at a place."""

    def try_it(name: str, place: Place) -> Verdict:
        (fault,) = (each for each in CATALOGUE if each.name == name)
        return run(Trial(fault, Way.HTTP, place), scene, tmp_path)

    return try_it


def test_a_record_that_is_called_delivered_and_is_not_there_is_lost(
    verdict_on: Try, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lie(relay: Relay, text: str) -> Sent:
        sent = ask(relay, text)
        relay._state.outbox.remove(relay.outbox()[0])
        return Sent(sent.question_id, delivered=True, notes=())

    monkeypatch.setattr(Relay, "ask", lie)
    verdict = verdict_on("502", Place.PUSH)
    assert verdict.broken[:2] == ["what was delivered is not there", "a record was lost"]
    assert verdict.lost == 2


def test_a_record_that_is_called_queued_and_is_nowhere_is_lost(
    verdict_on: Try, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forget(relay: Relay, text: str) -> Sent:
        sent = ask(relay, text)
        relay._state.outbox.remove(relay.outbox()[0])
        return sent

    monkeypatch.setattr(Relay, "ask", forget)
    verdict = verdict_on("502", Place.PUSH_LISTING)
    assert verdict.broken[:2] == ["what was queued is not in the outbox", "a record was lost"]
    assert verdict.lost == 2


def test_a_record_that_is_written_twice_is_counted(verdict_on: Try, monkeypatch: pytest.MonkeyPatch) -> None:
    def stammer(relay: Relay, text: str) -> Sent:
        ask(relay, text)
        return ask(relay, text)

    monkeypatch.setattr(Relay, "ask", stammer)
    verdict = verdict_on("dropped", Place.APPLIED)
    assert verdict.duplicated == 1
    assert any(each.startswith("there is too much") for each in verdict.broken)


def test_an_outbox_that_does_not_empty_is_stuck(verdict_on: Try, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Relay, "questions", lambda _: Listing((), ()))
    verdict = verdict_on("404", Place.PUSH)
    assert (verdict.stuck, verdict.lost) == (1, 1)


def test_what_is_known_and_not_served_is_noticed(verdict_on: Try, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Relay, "questions", answers)
    assert "what was known is not served" in verdict_on("404", Place.LISTING).broken


def test_a_secret_that_is_said_is_noticed(verdict_on: Try, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WebRemote, "secrets", ("broke off",))
    assert verdict_on("dropped", Place.LISTING).broken == ["a secret was said"]


def test_a_call_that_takes_too_long_or_asks_too_often_is_noticed(
    verdict_on: Try, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.faults.trial.AT_ONCE_S", 0.0)
    monkeypatch.setattr(WebRemote, "count", lambda _: 9)
    verdict = verdict_on("dropped", Place.LISTING)
    assert [each.partition(" took")[0] for each in verdict.broken] == ["the call", "the call made 9 requests"]
    assert verdict.stuck == 1
