"""Records are their canonical bytes and nothing else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given

from peer_relay.errors import InvalidRecord, Problem, UnsupportedFormat
from peer_relay.ids import ulid_ms
from peer_relay.records import MAX_RECORD_BYTES, Answer, Question, Room, canonical_bytes, parse
from peer_relay.times import MAX_MS, format_ms
from tests import independent
from tests.claims import claim
from tests.pure.samples import (
    GOLDEN,
    ID_MS,
    SCOTLAND,
    a_question,
    a_room,
    an_answer,
    answers,
    ids,
    questions,
    rooms,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from peer_relay.records import Record

ESCAPES = a_question(
    question='quote " backslash \\ slash / tab \t line\nline\r\nend',
    context_hint=f"é e\u0301 \u00a0 \u2028 \u2029 \u200d \ufeff \ufffd \U0001f600 {SCOTLAND} \U0010fffd",
)
GOLDEN_RECORDS: list[tuple[str, Record]] = [
    ("question.json", a_question()),
    ("question_with_hint.json", a_question(context_hint="Moving the login to the new gateway.")),
    ("question_escapes.json", ESCAPES),
    ("answer.json", an_answer()),
    (
        "answer_with_sources.json",
        an_answer(sources=("auth/session.py:41", "docs/decisions/0007-session-length.md", "commit 1d1e75b")),
    ),
    ("room.json", a_room()),
]


def golden(name: str) -> bytes:
    return (GOLDEN / name).read_bytes()


# ----------------------------------------------------------------------------------------------------------------------
# Bytes


@claim("trust-model")
@pytest.mark.parametrize(("name", "record"), GOLDEN_RECORDS)
def test_a_record_is_written_and_read_as_its_golden_file(name: str, record: Record) -> None:
    assert canonical_bytes(record) == golden(name)
    assert parse(type(record), golden(name)) == record


@given(questions() | answers() | rooms())
def test_whatever_is_made_is_read_back_equal(record: Record) -> None:
    data = canonical_bytes(record)
    assert parse(type(record), data) == record
    fields = {name: value for name, value in record.model_dump().items() if value is not None}
    assert data == independent.canonical(fields)
    assert json.loads(data) == json.loads(json.dumps(fields))


def swap(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    def change(data: bytes) -> bytes:
        assert data.count(old) == 1
        return data.replace(old, new)

    return change


CANONICAL = "the file must be in the canonical form, byte for byte"
JSON = "the file must be JSON"
EXTRA = "the record must not have any other field than the documented ones"
TYPE = "must be of the documented type"

REFUSED_BYTES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "duplicate key, same value": (swap(b"{\n", b'{\n  "room": "duphlmqjg6ppk7fb",\n'), CANONICAL),
    "duplicate key, other value": (swap(b"{\n", b'{\n  "room": "aaaaaaaaaaaaaaaa",\n'), CANONICAL),
    "escaped letter": (swap(b"Why", b"\\u0057hy"), CANONICAL),
    "escaped letter in a key": (swap(b'"room"', b'"\\u0072oom"'), CANONICAL),
    "escaped letter beyond ASCII": (swap(b"Why", b"\\u00e9"), CANONICAL),
    "escaped surrogate pair": (swap(b"Why", b"\\ud83d\\ude00"), CANONICAL),
    "escaped slash": (swap(b"15 minutes", b"15\\/minutes"), CANONICAL),
    "long escape of a line feed": (swap(b"Why", b"Why\\u000a"), CANONICAL),
    "long escape of a quote": (swap(b"Why", b"Why\\u0022"), CANONICAL),
    "other indent": (lambda data: data.replace(b"\n  ", b"\n    "), CANONICAL),
    "tabs": (lambda data: data.replace(b"\n  ", b"\n\t"), CANONICAL),
    "no white space": (lambda data: json.dumps(json.loads(data), separators=(",", ":")).encode() + b"\n", CANONICAL),
    "one line": (lambda data: json.dumps(json.loads(data)).encode() + b"\n", CANONICAL),
    "space before a colon": (swap(b'"room":', b'"room" :'), CANONICAL),
    "two spaces after a colon": (swap(b'"room": ', b'"room":  '), CANONICAL),
    "space at the end of a line": (swap(b'"alice",\n', b'"alice", \n'), CANONICAL),
    "space at the end of the file": (lambda data: data + b" ", CANONICAL),
    "space at the beginning": (lambda data: b" " + data, CANONICAL),
    "line feed at the beginning": (lambda data: b"\n" + data, CANONICAL),
    "no line feed at the end": (lambda data: data[:-1], CANONICAL),
    "two line feeds at the end": (lambda data: data + b"\n", CANONICAL),
    "line ends of Windows": (lambda data: data.replace(b"\n", b"\r\n"), CANONICAL),
    "other order": (lambda data: independent.canonical(dict(reversed(json.loads(data).items()))), CANONICAL),
    "null hint": (swap(b'  "asked_at"', b'  "context_hint": null,\n  "asked_at"'), CANONICAL),
    "byte order mark": (lambda data: b"\xef\xbb\xbf" + data, JSON),
    "UTF-16": (lambda data: data.decode().encode("utf-16"), JSON),
    "comma at the end": (swap(b'Z"\n', b'Z",\n'), JSON),
    "comment": (swap(b"{\n", b"{ // a question\n"), JSON),
    "single quotes": (swap(b'"alice"', b"'alice'"), JSON),
    "raw line feed in a string": (swap(b"Why", b"Why\n"), JSON),
    "raw tab in a string": (swap(b"Why", b"Why\t"), JSON),
    "lone leading surrogate": (swap(b"Why", b"\\ud800"), JSON),
    "lone trailing surrogate": (swap(b"Why", b"\\udc00"), JSON),
    "surrogates in the wrong order": (swap(b"Why", b"\\udc00\\ud800"), JSON),
    "surrogate in UTF-8": (swap(b"Why", b"\xed\xa0\x80"), JSON),
    "stray byte": (swap(b"Why", b"\xff"), JSON),
    "overlong UTF-8": (swap(b"Why", b"\xc0\xaf"), JSON),
    "cut in the middle": (lambda data: data[:100], JSON),
    "empty": (lambda _: b"", JSON),
    "two objects": (lambda data: data + data, JSON),
    "deep nesting": (lambda _: b"[" * 100_000, JSON),
    "deep nesting in a field": (swap(b'"alice"', b"[" * 5_000 + b"]" * 5_000), JSON),
    "NaN": (swap(b'"alice"', b"NaN"), f"asker_id {TYPE}"),
    "infinity": (swap(b'"alice"', b"-Infinity"), f"asker_id {TYPE}"),
    "number": (swap(b'"alice"', b"1"), f"asker_id {TYPE}"),
    "number of 4,000 digits": (swap(b'"alice"', b"9" * 4_000), f"asker_id {TYPE}"),
    "number of 50,000 digits": (swap(b'"alice"', b"9" * 50_000), JSON),
    "true": (swap(b'"alice"', b"true"), f"asker_id {TYPE}"),
    "null": (swap(b'"alice"', b"null"), f"asker_id {TYPE}"),
    "list": (swap(b'"alice"', b'["alice"]'), f"asker_id {TYPE}"),
    "object": (swap(b'"alice"', b'{"id": "alice"}'), f"asker_id {TYPE}"),
    "a list as a whole": (lambda data: b"[" + data + b"]", f"the record {TYPE}"),
    "a string as a whole": (lambda _: b'"question"\n', f"the record {TYPE}"),
    "null as a whole": (lambda _: b"null\n", f"the record {TYPE}"),
    "extra field": (swap(b'  "asked_at"', b'  "host": "laptop",\n  "asked_at"'), EXTRA),
    "two extra fields": (swap(b'  "asked_at"', b'  "host": "laptop",\n  "\x1b[2J": 1,\n  "asked_at"'), JSON),
    "field of another case": (swap(b'"room"', b'"Room"'), f"room must be there; {EXTRA}"),
    "missing field": (swap(b'  "asker_id": "alice",\n', b""), "asker_id must be there"),
    "no field": (
        lambda _: b"{}\n",
        "id must be there; room must be there; asker_id must be there; question must be there; asked_at must be there",
    ),
}


@claim("trust-model")
@pytest.mark.parametrize("case", REFUSED_BYTES)
def test_a_file_that_is_not_a_canonical_question_is_refused(case: str) -> None:
    change, message = REFUSED_BYTES[case]
    with pytest.raises(InvalidRecord) as caught:
        parse(Question, change(golden("question.json")))
    assert caught.value.what == f"This question cannot be stored: {message}."


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (swap(b"[]", b"[ ]"), CANONICAL),
        (swap(b"[]", b"[\n  ]"), CANONICAL),
        (swap(b'  "sources": [],\n', b""), "sources must be there"),
        (swap(b"[]", b"null"), f"sources {TYPE}"),
        (swap(b"[]", b"{}"), f"sources {TYPE}"),
        (swap(b"[]", b'"a"'), f"sources {TYPE}"),
        (swap(b"[]", b'[\n    "a",\n    1\n  ]'), f"sources[1] {TYPE}"),
        (swap(b"[]", b'["a"]'), CANONICAL),
        (swap(b"[]", b"[" + b'"",' * 80_000 + b'""]'), "sources[0] must not be empty"),
        (swap(b"[]", b'[\n    "a",\n    ""\n  ]'), "sources[1] must not be empty"),
        (swap(b'  "answered_at"', b'  "asker_id": "alice",\n  "answered_at"'), EXTRA),
    ],
)
def test_a_file_that_is_not_a_canonical_answer_is_refused(change: Callable[[bytes], bytes], message: str) -> None:
    with pytest.raises(InvalidRecord) as caught:
        parse(Answer, change(golden("answer.json")))
    assert caught.value.what == f"This answer cannot be stored: {message}."


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (swap(b'    "bob"\n', b'    "alice"\n'), "peers must be two different ids"),
        (swap(b'    "alice",\n', b""), "peers[1] must be there"),
        (swap(b'    "bob"\n', b'    "bob",\n    "carol"\n'), f"peers {TYPE}"),
        (swap(b'"bob"', b"1"), f"peers[1] {TYPE}"),
        (swap(b"1,", b"1.0,"), None),
        (swap(b"1,", b"1e0,"), None),
        (swap(b"1,", b"true,"), None),
        (swap(b"1,", b'"1",'), None),
        (lambda data: b"[" + data + b"]", None),
        (swap(b"1,", b"01,"), JSON),
        (swap(b'  "format": 1,\n', b'  "format": 1,\n  "host": 1,\n'), EXTRA),
        (lambda data: data.replace(b"\n", b"\r\n"), CANONICAL),
    ],
)
def test_a_file_that_is_not_a_canonical_room_is_refused(change: Callable[[bytes], bytes], message: str | None) -> None:
    with pytest.raises(UnsupportedFormat if message is None else InvalidRecord) as caught:
        parse(Room, change(golden("room.json")))
    if message is not None:
        assert caught.value.what == f"This room cannot be stored: {message}."


@pytest.mark.parametrize(
    ("found", "newer"),
    [("2", True), ("999", True), ("0", False), ("-1", False), ("9" * 4_300, True), ("-" + "9" * 4_299, False)],
)
def test_another_format_is_told_before_anything_else_is_looked_at(found: str, newer: bool) -> None:
    with pytest.raises(UnsupportedFormat) as caught:
        parse(Room, f'{{"format": {found}, "metadata": {{}}}}'.encode())
    assert (caught.value.found, caught.value.newer, caught.value.older) == (found[:20], newer, not newer)


@pytest.mark.parametrize(
    ("found", "remedy"),
    [
        ("2", "Upgrade peer-relay on this machine."),
        ("0", "Ask your peer to upgrade peer-relay, and open a new room with `peer-relay init`."),
        ('"1"', "Ask your peer which repository is meant: this is not a room of peer-relay."),
        ("true", "Ask your peer which repository is meant: this is not a room of peer-relay."),
    ],
)
def test_a_newer_an_older_and_no_format_at_all_have_remedies_of_their_own(found: str, remedy: str) -> None:
    with pytest.raises(UnsupportedFormat) as caught:
        parse(Room, f'{{"format": {found}}}'.encode())
    assert caught.value.remedy == remedy


def test_a_format_with_too_many_digits_is_no_json() -> None:
    with pytest.raises(InvalidRecord) as caught:
        parse(Room, b'{"format": ' + b"9" * 5_000 + b"}")
    assert caught.value.problems == (Problem("the file", "must be JSON"),)


@pytest.mark.parametrize(("kind", "name"), [(Question, "question.json"), (Answer, "answer.json"), (Room, "room.json")])
def test_a_file_over_256_kib_is_refused_before_it_is_decoded(kind: type[Question], name: str) -> None:
    at_limit = golden(name).ljust(MAX_RECORD_BYTES, b" ")
    with pytest.raises(InvalidRecord) as caught:
        parse(kind, at_limit)
    assert caught.value.problems == (Problem("the file", "must be in the canonical form, byte for byte"),)
    with pytest.raises(InvalidRecord) as caught:
        parse(kind, at_limit + b" ")
    assert caught.value.problems == (Problem("the file", "must be at most 262,144 bytes and has 262,145"),)


def test_the_largest_legal_records_are_read_back() -> None:
    wide = "\U0001f600"
    answer = an_answer(answer=wide * 24_000, sources=(wide * 200,) * 30)
    question = a_question(question=wide * 12_000, context_hint=wide * 500)
    for record in (answer, question):
        assert len(canonical_bytes(record)) < MAX_RECORD_BYTES
        assert parse(type(record), canonical_bytes(record)) == record


# ----------------------------------------------------------------------------------------------------------------------
# Ids


@given(ids)
def test_the_time_of_an_id_is_its_first_48_bits(ulid: str) -> None:
    from ulid import ULID as Ulid  # noqa: PLC0415, N811 - the library that mints ids, as the judge of reading them

    assert ulid_ms(ulid) == independent.ulid_ms(ulid) == int.from_bytes(Ulid.from_str(ulid).bytes[:6])


def test_no_well_formed_id_has_a_time_that_crashes() -> None:
    assert ulid_ms("7" + "Z" * 25) == 2**48 - 1
    assert ulid_ms("0" * 26) == 0


@pytest.mark.parametrize("ms", [0, 1, ID_MS, MAX_MS])
def test_a_question_may_be_asked_at_any_time_that_can_be_written(ms: int) -> None:
    question = a_question(id=independent.ulid(ms), asked_at=format_ms(ms))
    assert parse(Question, canonical_bytes(question)) == question


def test_an_answer_may_be_older_than_its_question_because_clocks_run_backwards() -> None:
    answer = an_answer(answered_at="1970-01-01T00:00:00.000Z")
    assert parse(Answer, canonical_bytes(answer)) == answer
