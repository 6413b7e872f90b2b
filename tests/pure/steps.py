"""What the tests of the ledger share: states and steps by number, and refusals that were seen to change nothing."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from peer_relay.errors import IllegalStep, PeerRelayError
from peer_relay.ledger import Add, Ledger, Step
from peer_relay.paths import Kind, Place
from peer_relay.times import format_ms
from tests.independent import START_MS, ulid, ulid_ms
from tests.pure.samples import ID, a_question, a_room, an_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from peer_relay.records import Answer, Question

ROOM = a_room()
OTHER = {"alice": "bob", "bob": "alice"}
OTHER_ID = ulid(START_MS + 86_400_000)


def id_at(number: int) -> str:
    return ulid(START_MS + number * 1_000)


def question(question_id: str = ID, asker: str = "alice", **changes: Any) -> Question:
    return a_question(id=question_id, asker_id=asker, asked_at=format_ms(ulid_ms(question_id)), **changes)


def answer(question_id: str = ID, **changes: Any) -> Answer:
    return an_answer(id=question_id, **changes)


def asking(question_id: str = ID, asker: str = "alice") -> Add:
    return Add(Place(question_id, asker, Kind.QUESTION), question(question_id, asker), asker)


def answering(question_id: str = ID, asker: str = "alice") -> Add:
    return Add(Place(question_id, asker, Kind.ANSWER), answer(question_id), OTHER[asker])


def step(kind: Kind, question_id: str = ID, asker: str = "alice") -> Add:
    return (asking if kind is Kind.QUESTION else answering)(question_id, asker)


def a_ledger(answered: Iterable[int] = (), open_: Iterable[int] = ()) -> Ledger:
    """Return a state with exchanges by number; alice asked the even ones and bob the odd ones."""

    def asked_by(numbers: Iterable[int]) -> dict[str, str]:
        return {id_at(number): "bob" if number % 2 else "alice" for number in numbers}

    return Ledger(ROOM, open=asked_by(open_), answered=asked_by(answered))


def refusal(ledger: Ledger, illegal: Step) -> str:
    """Return the reason of a refusal, having seen that it changed nothing."""
    before = copy.deepcopy(ledger)
    with pytest.raises(IllegalStep) as caught:
        ledger.apply(illegal)
    assert ledger == before
    return caught.value.reason


def error_of(act: Callable[[], object]) -> PeerRelayError:
    with pytest.raises(PeerRelayError) as caught:
        act()
    return caught.value
