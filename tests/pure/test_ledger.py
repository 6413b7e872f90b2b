"""The rules of a room: every legal step arrives, every other is refused and changes nothing."""

from __future__ import annotations

import copy
import itertools

import pytest

from peer_relay import ledger as ledger_module
from peer_relay.errors import (
    AlreadyAnswered,
    AlreadyAsked,
    IllegalStep,
    OwnQuestion,
    PeerRelayError,
    TooManyOpen,
    UnknownQuestion,
)
from peer_relay.ledger import TRANSITIONS, Add, Ledger, State
from peer_relay.paths import ROOM_FILE, Kind, Place, path_for
from tests.claims import claim
from tests.pure.samples import ID
from tests.pure.steps import (
    OTHER_ID,
    ROOM,
    a_ledger,
    answer,
    answering,
    asking,
    error_of,
    id_at,
    question,
    refusal,
    step,
)

# ----------------------------------------------------------------------------------------------------------------------
# Transitions

IN_STATE = {
    State.ABSENT: Ledger(ROOM, open={OTHER_ID: "bob"}),
    State.OPEN: Ledger(ROOM, open={OTHER_ID: "bob", ID: "alice"}),
    State.ANSWERED: Ledger(ROOM, open={OTHER_ID: "bob"}, answered={ID: "alice"}),
}
REASONS = {
    (State.OPEN, Kind.QUESTION): "it adds a question whose id is at the tip already",
    (State.ANSWERED, Kind.QUESTION): "it adds a question whose id is at the tip already",
    (State.ABSENT, Kind.ANSWER): "it answers a question that is not open",
    (State.ANSWERED, Kind.ANSWER): "it answers a question that is answered already",
}


@claim("I1", "first-answer-wins")
@pytest.mark.parametrize(("state", "kind"), [*itertools.product(State, Kind)])
def test_each_pair_of_state_and_record_arrives_or_is_refused(state: State, kind: Kind) -> None:
    before = IN_STATE[state]
    assert before.state_of(ID) is state
    if (state, kind) in TRANSITIONS:
        untouched = copy.deepcopy(before)
        after = before.apply(step(kind))
        assert after == IN_STATE[TRANSITIONS[state, kind]]
        assert before == untouched
    else:
        assert refusal(before, step(kind)) == REASONS[state, kind]


def test_the_table_in_the_documentation_is_the_one_in_the_code() -> None:
    lines = (ledger_module.__doc__ or "").split("at the tip   question   answer\n")[1].splitlines()
    rows = [line.split() for line in lines[: len(State)]]
    documented = {
        (State(row[0]), kind): State(word)
        for row in rows
        for kind, word in zip(Kind, row[1:], strict=True)
        if word != "refused"
    }
    assert [State(row[0]) for row in rows] == list(State)
    assert documented == TRANSITIONS


# ----------------------------------------------------------------------------------------------------------------------
# A record belongs where it is stored


@claim("I1", "I2", "isolation")
@pytest.mark.parametrize(
    ("illegal", "reason"),
    [
        (
            Add(Place(ID, "carol", Kind.QUESTION), question(ID, "carol"), "carol"),
            "it is stored under a peer that is not of this room",
        ),
        (
            Add(Place(ID, "alice", Kind.QUESTION), question(ID, "bob"), "alice"),
            "its question was asked by another peer than its folder says",
        ),
        (
            Add(Place(ID, "alice", Kind.QUESTION), question(ID, "carol"), "alice"),
            "its question was asked by another peer than its folder says",
        ),
        (
            Add(Place(ID, "alice", Kind.QUESTION), question(), "bob"),
            "its author is not the peer whose record it adds",
        ),
        (
            Add(Place(ID, "alice", Kind.QUESTION), question(), "carol"),
            "its author is not the peer whose record it adds",
        ),
        (
            Add(Place(ID, "alice", Kind.QUESTION), question(OTHER_ID), "alice"),
            "its record is another one than its file name says",
        ),
        (
            Add(Place(ID, "alice", Kind.QUESTION), answer(), "alice"),
            "its record is another one than its file name says",
        ),
        (
            Add(Place(ID, "alice", Kind.QUESTION), question(room="a" * 16), "alice"),
            "its record belongs to another room",
        ),
    ],
)
def test_a_question_that_is_not_where_it_belongs_is_refused(illegal: Add, reason: str) -> None:
    assert refusal(Ledger(ROOM), illegal) == reason


@claim("I1", "I2", "isolation")
@pytest.mark.parametrize(
    ("illegal", "reason"),
    [
        (Add(Place(ID, "alice", Kind.ANSWER), answer(), "alice"), "its author is not the peer whose record it adds"),
        (Add(Place(ID, "alice", Kind.ANSWER), answer(), "carol"), "its author is not the peer whose record it adds"),
        (
            Add(Place(ID, "bob", Kind.ANSWER), answer(), "alice"),
            "it stores an answer elsewhere than beside its question",
        ),
        (
            Add(Place(ID, "alice", Kind.ANSWER), answer(OTHER_ID), "bob"),
            "its record is another one than its file name says",
        ),
        (
            Add(Place(ID, "alice", Kind.ANSWER), question(), "bob"),
            "its record is another one than its file name says",
        ),
        (
            Add(Place(ID, "alice", Kind.ANSWER), answer(room="a" * 16), "bob"),
            "its record belongs to another room",
        ),
    ],
)
def test_an_answer_that_is_not_where_it_belongs_is_refused(illegal: Add, reason: str) -> None:
    assert refusal(IN_STATE[State.OPEN], illegal) == reason


# ----------------------------------------------------------------------------------------------------------------------
# A first look

QUESTION_PATH = path_for(Place(ID, "alice", Kind.QUESTION))
ANSWER_PATH = path_for(Place(ID, "alice", Kind.ANSWER))


def test_names_alone_tell_the_state() -> None:
    other = path_for(Place(OTHER_ID, "bob", Kind.QUESTION))
    assert Ledger.from_paths(ROOM, []) == Ledger(ROOM)
    assert Ledger.from_paths(ROOM, [ROOM_FILE]) == Ledger(ROOM)
    assert Ledger.from_paths(ROOM, [other, QUESTION_PATH, ROOM_FILE]) == IN_STATE[State.OPEN]
    assert Ledger.from_paths(ROOM, [ANSWER_PATH, other, QUESTION_PATH]) == IN_STATE[State.ANSWERED]


@claim("I2")
@pytest.mark.parametrize(
    ("paths", "reason"),
    [
        ([ANSWER_PATH], "its tip holds an answer without its question"),
        ([QUESTION_PATH.replace("alice", "bob"), ANSWER_PATH], "its tip holds an answer without its question"),
        ([QUESTION_PATH, QUESTION_PATH.replace("alice", "bob")], "its tip holds one id twice"),
        ([QUESTION_PATH, ANSWER_PATH, ANSWER_PATH.replace("alice", "bob")], "its tip holds one id twice"),
        ([QUESTION_PATH, QUESTION_PATH], "its tip holds one id twice"),
        (["README.md"], "its tip holds a file that is no record"),
        (["rooms.json"], "its tip holds a file that is no record"),
        ([QUESTION_PATH + ".orig"], "its tip holds a file that is no record"),
        ([QUESTION_PATH.replace("alice", "carol")], "its tip holds a file of a peer that is not of this room"),
    ],
)
def test_a_tip_that_no_room_shows_is_refused(paths: list[str], reason: str) -> None:
    with pytest.raises(IllegalStep) as caught:
        Ledger.from_paths(ROOM, [ROOM_FILE, *paths])
    assert caught.value.reason == reason


def paths_of(ledger: Ledger) -> set[str]:
    questions = {**ledger.open, **ledger.answered}
    return {
        ROOM_FILE,
        *(path_for(Place(i, asker, Kind.QUESTION)) for i, asker in questions.items()),
        *(path_for(Place(i, asker, Kind.ANSWER)) for i, asker in ledger.answered.items()),
    }


@claim("I2", "archive-rule")
def test_a_tip_may_show_512_answered_exchanges_and_no_more() -> None:
    full = a_ledger(answered=range(512), open_=[600])
    assert Ledger.from_paths(ROOM, paths_of(full)) == full
    with pytest.raises(IllegalStep) as caught:
        Ledger.from_paths(ROOM, paths_of(a_ledger(answered=range(513))))
    assert caught.value.reason == "its tip holds more than 512 answered exchanges"


def test_a_tip_may_show_1000_open_questions_of_one_peer_and_no_more() -> None:
    full = a_ledger(open_=range(2_000))
    assert Ledger.from_paths(ROOM, paths_of(full)) == full
    with pytest.raises(IllegalStep) as caught:
        Ledger.from_paths(ROOM, paths_of(a_ledger(open_=range(2_001))))
    assert caught.value.reason == "alice has more than 1,000 open questions"


# ----------------------------------------------------------------------------------------------------------------------
# Planning


def test_a_question_is_planned_as_one_step() -> None:
    assert Ledger(ROOM).plan_ask(question()) == ((asking(),), Ledger(ROOM, open={ID: "alice"}))


def test_an_answer_is_planned_as_one_step() -> None:
    assert IN_STATE[State.OPEN].plan_answer(answer(), "bob") == ((answering(),), IN_STATE[State.ANSWERED])


@claim("I3", "first-answer-wins")
@pytest.mark.parametrize(
    ("state", "answerer", "expected"),
    [
        (State.ABSENT, "bob", UnknownQuestion),
        (State.ABSENT, "alice", UnknownQuestion),
        (State.OPEN, "alice", OwnQuestion),
        (State.ANSWERED, "alice", OwnQuestion),
        (State.ANSWERED, "bob", AlreadyAnswered),
        (State.OPEN, "carol", IllegalStep),
    ],
)
def test_an_answer_that_may_not_be_given_is_not_planned(
    state: State, answerer: str, expected: type[PeerRelayError]
) -> None:
    before = copy.deepcopy(IN_STATE[state])
    error = error_of(lambda: IN_STATE[state].plan_answer(answer(), answerer))
    assert type(error) is expected
    assert getattr(error, "question_id", ID) == ID
    assert IN_STATE[state] == before


@claim("I3")
@pytest.mark.parametrize("state", [State.OPEN, State.ANSWERED])
@pytest.mark.parametrize("asker", ["alice", "bob"])
def test_a_question_whose_id_is_at_the_tip_is_not_planned(state: State, asker: str) -> None:
    error = error_of(lambda: IN_STATE[state].plan_ask(question(ID, asker)))
    assert (type(error), vars(error)) == (AlreadyAsked, {"question_id": ID})


def test_a_question_of_a_third_peer_or_of_another_room_is_not_planned() -> None:
    assert type(error_of(lambda: Ledger(ROOM).plan_ask(question(ID, "carol")))) is IllegalStep
    assert type(error_of(lambda: Ledger(ROOM).plan_ask(question(room="a" * 16)))) is IllegalStep


def test_100_open_questions_of_one_peer_are_planned_and_1000_are_accepted() -> None:
    ledger = a_ledger(open_=range(0, 198, 2))
    _, ledger = ledger.plan_ask(question())
    assert len(ledger.open_of("alice")) == 100
    error = error_of(lambda: ledger.plan_ask(question(OTHER_ID)))
    assert (type(error), vars(error)) == (TooManyOpen, {"limit": 100})
    _, with_bobs = ledger.plan_ask(question(OTHER_ID, "bob"))
    assert with_bobs.open_of("bob") == [OTHER_ID]

    crowded = a_ledger(open_=range(0, 1_998, 2)).apply(asking())
    assert len(crowded.open_of("alice")) == 1_000
    assert refusal(crowded, asking(OTHER_ID)) == "alice has more than 1,000 open questions"
    assert crowded.apply(asking(OTHER_ID, "bob")).open_of("bob") == [OTHER_ID]


def test_an_answer_makes_room_for_a_question() -> None:
    ledger = a_ledger(open_=range(0, 200, 2))
    assert type(error_of(lambda: ledger.plan_ask(question()))) is TooManyOpen
    _, ledger = ledger.plan_answer(answer(id_at(0)), "bob")
    _, ledger = ledger.plan_ask(question())
    assert len(ledger.open_of("alice")) == 100


def test_open_questions_are_listed_by_peer_and_oldest_first() -> None:
    ledger = a_ledger(open_=[6, 3, 2, 5, 4])
    assert ledger.open_of("alice") == [id_at(2), id_at(4), id_at(6)]
    assert ledger.open_of("bob") == [id_at(3), id_at(5)]
    assert ledger.asker_of(id_at(3)) == "bob"
    assert ledger.asker_of(ID) is None
