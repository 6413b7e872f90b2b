"""Every rule of a record holds when it is made and when it is read, and names the field and the code point."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from peer_relay.errors import InvalidRecord, Problem
from peer_relay.records import Answer, Question, Room, canonical_bytes, make, parse
from peer_relay.times import MAX_MS
from tests import independent
from tests.claims import claim
from tests.pure.samples import (
    ANSWER,
    GOLDEN,
    ID,
    QUESTION,
    ROOM,
    a_question,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from peer_relay.records import Record


def golden(name: str) -> bytes:
    return (GOLDEN / name).read_bytes()


TYPE = "must be of the documented type"
ULID = "must be a ULID: 26 characters, digits and capital letters without I, L, O and U"
YEAR = "must be a ULID of a time before the year 10000"
PEER = "must be 1 to 32 characters a-z, 0-9 and -, not beginning with -"
ROOM_RULE = "must be a room id: 16 characters a-z and 2-7"
TIME = "must be a time such as 2026-11-22T09:30:00.000Z"

Case = tuple[type[Question] | type[Answer] | type[Room], str, Any, str]
BROKEN: list[Case] = [
    *(
        (kind, "id", value, f"id {ULID}")
        for kind in (Question, Answer)
        for value in (
            *("", ID.lower(), ID[:-1], ID + "0", "8" + ID[1:], "Z" + ID[1:], f" {ID}", f"{ID}\n", ID[:-1] + "é"),
            *(ID[:-1] + letter for letter in "ILOU-"),
        )
    ),
    (Answer, "id", independent.ulid(MAX_MS + 1), f"id {YEAR}"),
    (Answer, "id", "7" + "Z" * 25, f"id {YEAR}"),
    (Question, "id", "7" + "Z" * 25, f"id {YEAR}"),
    *(
        (kind, "room", value, f"room {ROOM_RULE}")
        for kind in (Question, Answer, Room)
        for value in (
            "",
            "duphlmqjg6ppk7f",
            "duphlmqjg6ppk7fbb",
            "DUPHLMQJG6PPK7FB",
            "duphlmqjg6ppk7f1",
            "../hlmqjg6ppk7fb",
        )
    ),
    *(
        (Question, "asker_id", value, f"asker_id {PEER}")
        for value in ("", "-", "-a", "Alice", "a_b", "a.b", "a/b", "a b", "alice\n", "é", "a" * 33, "..")
    ),
    (Room, "peers", ("alice", "Bob"), f"peers[1] {PEER}"),
    (Room, "peers", ("", "bob"), f"peers[0] {PEER}"),
    (Room, "peers", ("bob", "bob"), "peers must be two different ids"),
    *(
        (kind, field, value, f"{field} {rule}")
        for kind, field in ((Question, "asked_at"), (Answer, "answered_at"), (Room, "created_at"))
        for value, rule in (
            ("2026-11-22T09:33:20Z", TIME),
            ("2026-11-31T09:33:20.123Z", "must be a day that exists"),
            ("1969-12-31T23:59:59.999Z", "must not be before 1970"),
        )
    ),
    (Question, "asked_at", "2026-11-22T09:33:20.122Z", "asked_at must be the time in the id"),
    (Question, "asked_at", "2026-11-22T09:33:20.124Z", "asked_at must be the time in the id"),
    *(
        (kind, field, value, f"{field} must not be empty")
        for kind, field in ((Question, "question"), (Question, "context_hint"), (Answer, "answer"))
        for value in ("", " ", "\n\t\r\n", "\u3000\u00a0")
    ),
    *(
        (kind, field, f"ab{character}c", f"{field} must not contain U+{ord(character):04X} ({what}, character 3)")
        for kind, field in ((Question, "question"), (Question, "context_hint"), (Answer, "answer"))
        for character, what in (
            ("\x00", "a control character"),
            ("\x1b", "a control character"),
            ("\x7f", "a control character"),
            ("\x9b", "a control character"),
            ("\r", "a carriage return without a line feed"),
            ("\u202e", "a control of the writing direction"),
            ("\u2066", "a control of the writing direction"),
            ("\ufdd0", "not a character"),
            ("\U0010ffff", "not a character"),
            ("\U000e0001", "an invisible tag"),
            ("\U000e0041", "an invisible tag"),
        )
    ),
    (Answer, "sources", ("a", "b\x07"), "sources[1] must not contain U+0007 (a control character, character 2)"),
    (Answer, "sources", ("", "b"), "sources[0] must not be empty"),
    (Answer, "sources", ("a", "\u2003"), "sources[1] must not be empty"),
]
BASES: Mapping[type[Record], Mapping[str, Any]] = {Question: QUESTION, Answer: ANSWER, Room: ROOM}


def refusal_on_write(kind: type[Question | Answer | Room], fields: Mapping[str, Any]) -> str:
    with pytest.raises(InvalidRecord) as caught:
        make(kind, **fields)
    return caught.value.what


def refusal_on_read(kind: type[Question | Answer | Room], fields: Mapping[str, Any]) -> str:
    with pytest.raises(InvalidRecord) as caught:
        parse(kind, independent.canonical(fields))
    return caught.value.what


@claim("I9")
@pytest.mark.parametrize(("kind", "field", "value", "message"), BROKEN)
def test_each_rule_holds_on_write_and_on_read(
    kind: type[Question | Answer | Room], field: str, value: object, message: str
) -> None:
    fields = {**BASES[kind], field: value}
    expected = f"This {kind.__name__.lower()} cannot be stored: {message}."
    assert refusal_on_write(kind, fields) == expected
    assert refusal_on_read(kind, fields) == expected


def test_a_lone_surrogate_is_named_when_a_record_is_made() -> None:
    fields = {**QUESTION, "question": "half \ud83d"}
    assert refusal_on_write(Question, fields) == (
        "This question cannot be stored: question must not contain U+D83D (half of a surrogate pair, character 6)."
    )


# A limit counts characters of the canonical string: a quote is written as two, and an emoji as one.
LIMITS = [
    (Question, "question", 12_000, "question must be at most 12,000 characters long and has 12,001"),
    (Question, "context_hint", 500, "context_hint must be at most 500 characters long and has 501"),
    (Answer, "answer", 24_000, "answer must be at most 24,000 characters long and has 24,001"),
]


@pytest.mark.parametrize(("kind", "field", "limit", "message"), LIMITS)
@pytest.mark.parametrize("unit", ["x", '"', "\\", "\n", "\r\n", "\U0001f600"])
def test_a_text_may_be_as_long_as_its_limit_escapes_included(
    kind: type[Question | Answer], field: str, limit: int, message: str, unit: str
) -> None:
    written = len(json.dumps(unit, ensure_ascii=False)) - 2
    longest = "." + unit * ((limit - 1) // written)
    longest += "x" * (limit - 1 - (limit - 1) // written * written)
    fields = {**BASES[kind], field: longest}
    assert parse(kind, canonical_bytes(make(kind, **fields))) == make(kind, **fields)
    fields[field] = longest + "x"
    expected = f"This {kind.__name__.lower()} cannot be stored: {message}."
    assert (refusal_on_write(kind, fields), refusal_on_read(kind, fields)) == (expected, expected)


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        (("x",) * 30, None),
        (("x",) * 31, "sources must be at most 30 and are 31"),
        (('"' * 1_500, "\n" * 1_499 + "xx"), None),
        (('"' * 1_500, "\n" * 1_499 + "xxx"), "sources must be at most 6,000 characters together and have 6,001"),
        (("x" * 6_000,), None),
        (("x" * 6_001,), "sources[0] must be at most 6,000 characters long and has 6,001"),
        (
            ("x" * 200,) * 31,
            "sources must be at most 30 and are 31 and must be at most 6,000 characters together and have 6,200",
        ),
    ],
)
def test_sources_are_limited_in_number_and_together(sources: tuple[str, ...], message: str | None) -> None:
    fields = {**ANSWER, "sources": sources}
    if message is None:
        answer = make(Answer, **fields)
        assert parse(Answer, canonical_bytes(answer)) == answer
    else:
        expected = f"This answer cannot be stored: {message}."
        assert (refusal_on_write(Answer, fields), refusal_on_read(Answer, fields)) == (expected, expected)


def test_every_problem_of_a_record_is_named_at_once() -> None:
    fields = {
        "id": ID.lower(),
        "asker_id": "Alice",
        "question": "",
        "context_hint": "x" * 501 + "\x07",
        "asked_at": "now",
        "host": "laptop",
    }
    problems = (
        Problem("id", ULID),
        Problem("room", "must be there"),
        Problem("asker_id", PEER),
        Problem("question", "must not be empty"),
        Problem(
            "context_hint",
            "must not contain U+0007 (a control character, character 502) "
            "and must be at most 500 characters long and has 507",
        ),
        Problem("asked_at", TIME),
        Problem("the record", "must not have any other field than the documented ones"),
    )
    with pytest.raises(InvalidRecord) as caught:
        make(Question, **fields)
    assert (caught.value.kind, caught.value.problems) == ("question", problems)


def test_a_time_that_is_not_the_ids_is_named_beside_the_other_problems() -> None:
    with pytest.raises(InvalidRecord) as caught:
        make(Question, **{**QUESTION, "question": "", "asked_at": "2026-11-22T09:33:20.124Z"})
    assert caught.value.problems == (
        Problem("question", "must not be empty"),
        Problem("asked_at", "must be the time in the id"),
    )


@claim("I9")
def test_a_refusal_repeats_neither_a_value_nor_an_unknown_name() -> None:
    fields = {**QUESTION, "id": "evil-id", "asker_id": "Evil", "asked_at": "evil", "evil-name": "evil"}
    for refusal in (refusal_on_write, refusal_on_read):
        assert "vil" not in refusal(Question, fields)
        assert "vil" not in refusal(Answer, fields)
        assert "vil" not in refusal(Room, {"format": 1, **fields})


def test_several_unknown_fields_are_one_problem() -> None:
    with pytest.raises(InvalidRecord) as caught:
        make(Question, **{**QUESTION, "host": "laptop", "cwd": "home"})
    assert caught.value.problems == (Problem("the record", "must not have any other field than the documented ones"),)


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        (Question, "question", b"bytes"),
        (Question, "question", 5),
        (Question, "id", None),
        (Answer, "sources", "a string"),
        (Answer, "sources", ["a", "list"]),
        (Answer, "sources", (1,)),
        (Room, "format", "1"),
        (Room, "format", 2),
        (Room, "peers", ["alice", "bob"]),
    ],
)
def test_types_are_never_converted(kind: type[Question | Answer | Room], field: str, value: object) -> None:
    assert TYPE in refusal_on_write(kind, {**BASES[kind], field: value})


def test_an_absent_hint_may_be_given_as_none_and_is_left_out() -> None:
    assert canonical_bytes(make(Question, **QUESTION, context_hint=None)) == golden("question.json")


def test_a_record_cannot_be_changed() -> None:
    question = a_question()
    with pytest.raises(ValidationError):
        question.question = "another"  # type: ignore[misc]
    assert question == a_question()


def test_a_text_is_stored_as_it_was_given() -> None:
    text = "  e\u0301 \u00e9 \ufb01 \u212b \r\n \u00a0 x  \n"
    question = parse(Question, canonical_bytes(a_question(question=text)))
    assert question.question == text
