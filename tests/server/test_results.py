"""Results stay below their limit, whatever is put into them."""

from __future__ import annotations

import json

import pytest

from peer_relay.records import MAX_ANSWER, MAX_CONTEXT_HINT, MAX_QUESTION, MAX_SOURCES, MAX_SOURCES_TOGETHER
from peer_relay.reports import Listing, ReceivedAnswer, Sent, WaitingQuestion
from peer_relay.server import results
from tests.server.fake_relay import ANSWERED_AT, ASKED_AT, numbered

LONG_NOTES = ('"' * 10_000,)
ESCAPED = "\n"


def largest_answer(number: int) -> ReceivedAnswer:
    """Return an answer at every limit, in the spelling that takes the most room."""
    source = '"' * (MAX_SOURCES_TOGETHER // MAX_SOURCES // 2)
    return ReceivedAnswer(
        question_id=numbered(number),
        question=ESCAPED * (MAX_QUESTION // 2),
        answer=ESCAPED * (MAX_ANSWER // 2),
        sources=(source,) * MAX_SOURCES,
        answered_at=ANSWERED_AT,
        shown_before=True,
    )


def question(number: int, length: int = MAX_QUESTION) -> WaitingQuestion:
    return WaitingQuestion(numbered(number), "é" * length, "h" * MAX_CONTEXT_HINT, ASKED_AT)


def length_of(result: results.Answers | results.Questions) -> int:
    return len(json.dumps(result.model_dump(), ensure_ascii=False, separators=(",", ":")))


def test_the_json_of_a_result_is_compact_and_not_escaped() -> None:
    result = results.questions(Listing((question(1, 5),), ()))
    assert results.to_json(result) == json.dumps(result.model_dump(), ensure_ascii=False, separators=(",", ":"))


@pytest.mark.parametrize("notes", [(), LONG_NOTES])
def test_one_answer_at_every_limit_always_fits(notes: tuple[str, ...]) -> None:
    result = results.answers(Listing(tuple(map(largest_answer, range(1, 8))), notes), asked_for_one=False)
    assert [each.question_id for each in result.answers] == [numbered(1)]
    assert result.more == 6
    assert result.answers[0].answer == ESCAPED * (MAX_ANSWER // 2)
    assert length_of(result) < results.MAX_CHARACTERS


@pytest.mark.parametrize("notes", [(), LONG_NOTES])
def test_questions_are_filled_in_from_the_oldest_on(notes: tuple[str, ...]) -> None:
    result = results.questions(Listing(tuple(map(question, range(1, 101))), notes))
    count = len(result.questions)
    assert [each.question_id for each in result.questions] == [numbered(i) for i in range(1, count + 1)]
    assert result.more == 100 - count
    assert length_of(result) < results.MAX_CHARACTERS
    assert result.note.endswith(f"{100 - count} more did not fit here and follow when these are answered.")


def test_a_small_item_does_not_overtake_a_large_one() -> None:
    listing = Listing((question(1), question(2), question(3), question(4), question(5, 1)), ())
    result = results.questions(listing)
    assert [each.question_id for each in result.questions] == [numbered(1), numbered(2), numbered(3)]
    assert result.more == 2


def test_many_small_items_fill_a_result_to_just_below_the_limit() -> None:
    result = results.questions(Listing(tuple(question(i, 100) for i in range(1, 200)), ()))
    assert results.MAX_CHARACTERS - 1_500 < length_of(result) < results.MAX_CHARACTERS


def test_the_echo_of_a_question_is_cut_and_the_answer_is_not() -> None:
    item = ReceivedAnswer(numbered(1), "q" * 501, "a" * 501, (), ANSWERED_AT, shown_before=False)
    (shown,) = results.answers(Listing((item,), ()), asked_for_one=False).answers
    assert (shown.question, shown.answer) == ("q" * 499 + "…", "a" * 501)


def test_a_note_is_cut_at_its_end() -> None:
    note = results.sending(Sent(numbered(1), True, LONG_NOTES)).note
    assert len(note) == results.MAX_NOTE
    assert note.startswith("The answer comes later")
    assert note.endswith('"…')


def test_the_note_counts_the_answers_that_may_have_been_shown_before() -> None:
    items = [ReceivedAnswer(numbered(i), "Why?", "So.", (), ANSWERED_AT, shown_before=i > 1) for i in (1, 2, 3)]
    note = results.answers(Listing(tuple(items), ()), asked_for_one=False).note
    assert note.endswith(" Of these, 2 may have been shown to you before.")
