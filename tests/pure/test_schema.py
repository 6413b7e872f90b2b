"""The published schemas are current, and an independent validator agrees with the models as far as JSON Schema can."""

from __future__ import annotations

import json
from importlib import resources
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from jsonschema import Draft202012Validator

from peer_relay.errors import PeerRelayError
from peer_relay.records import Answer, Question, Room, canonical_bytes, parse
from peer_relay.schema import schema_text, schemas
from tests import independent
from tests.claims import claim
from tests.pure.samples import ANSWER, GOLDEN, ID, QUESTION, ROOM, SCOTLAND, answers, questions, rooms

if TYPE_CHECKING:
    from collections.abc import Mapping

    from peer_relay.records import Record

MODELS: Mapping[str, Any] = {"question": Question, "answer": Answer, "room": Room}
BASES = {"question": QUESTION, "answer": {**ANSWER, "sources": []}, "room": {**ROOM, "peers": ["alice", "bob"]}}
VALIDATORS = {name: Draft202012Validator(schema) for name, schema in schemas().items()}


def accepted_by_model(name: str, data: bytes) -> bool:
    try:
        parse(MODELS[name], data)
    except PeerRelayError:
        return False
    return True


def accepted_by_schema(name: str, data: bytes) -> bool:
    return VALIDATORS[name].is_valid(json.loads(data))


@pytest.mark.parametrize("name", MODELS)
def test_the_published_schema_is_current(name: str) -> None:
    published = resources.files("peer_relay") / "schemas" / f"{name}.schema.json"
    assert published.read_text(encoding="utf-8") == schema_text(name), "run: python -m tests.write_schemas"


@pytest.mark.parametrize("name", MODELS)
def test_a_schema_is_one_of_the_dialect_that_it_names(name: str) -> None:
    schema = schemas()[name]
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == f"https://peer-relay.invalid/format/1/{name}.schema.json"
    Draft202012Validator.check_schema(schema)
    assert schema_text(name).isascii()


@claim("trust-model")
def test_the_schemas_name_exactly_the_stored_fields() -> None:
    listed = {name: ([*schema["properties"]], schema["required"]) for name, schema in schemas().items()}
    assert listed == {
        "question": (
            ["id", "room", "asker_id", "question", "context_hint", "asked_at"],
            ["id", "room", "asker_id", "question", "asked_at"],
        ),
        "answer": (
            ["id", "room", "answer", "sources", "answered_at"],
            ["id", "room", "answer", "sources", "answered_at"],
        ),
        "room": (["format", "room", "peers", "created_at"], ["format", "room", "peers", "created_at"]),
    }
    for schema in schemas().values():
        assert schema["additionalProperties"] is False
        assert all(field["description"] for field in schema["properties"].values())


def test_the_golden_files_are_valid() -> None:
    for path in GOLDEN.glob("*.json"):
        name = path.name.partition(".")[0].partition("_")[0]
        assert accepted_by_schema(name, path.read_bytes())


@given(questions() | answers() | rooms())
def test_whatever_the_models_accept_is_valid(record: Record) -> None:
    assert accepted_by_schema(type(record).__name__.lower(), canonical_bytes(record))


GONE = object()
BOTH_ACCEPT = [
    ("question", "question", "x" * 12_000),
    ("question", "question", "a\r\nb\tc"),
    ("question", "question", SCOTLAND),
    ("question", "question", "\u200b"),
    ("question", "question", "x\n"),
    ("question", "asker_id", "a" * 32),
    ("question", "asker_id", "0"),
    ("answer", "answer", "x" * 24_000),
    ("answer", "sources", ["x"] * 30),
    ("answer", "sources", ["x" * 6_000]),
    ("answer", "sources", ["same", "same"]),
    ("answer", "answered_at", "1970-01-01T00:00:00.000Z"),
    ("answer", "answered_at", "9999-12-31T23:59:59.999Z"),
    ("room", "peers", ["bob", "alice"]),
]
BOTH_REFUSE = [
    *((name, "id", value) for name in ("question", "answer") for value in (GONE, None, 1, "", ID.lower(), ID + "\n")),
    *(("question", "id", value) for value in (ID[:-1], ID + "0", "8" + ID[1:], ID[:-1] + "I", ID[:-1] + "U")),
    *((name, "room", value) for name in MODELS for value in (GONE, "", "a" * 15, "a" * 17, "A" * 16, "1" * 16)),
    *(("question", "asker_id", value) for value in (GONE, "", "-a", "Alice", "a" * 33, "alice\n", "a/b", 7)),
    *((name, name, value) for name in ("question", "answer") for value in (GONE, None, "", " ", "\n\u3000", ["x"], 7)),
    *((name, name, f"a{bad}b") for name in ("question", "answer") for bad in ("\x00", "\x1b", "\x7f", "\x85", "\r")),
    *(("question", "question", f"a{bad}b") for bad in ("\u202e", "\u2066", "\ufdd0", "\uffff", "\U0002fffe")),
    *(("question", "question", f"a{bad}b") for bad in ("\U000e0001", "\U000e0041", "\U0001f3f4\U000e0041")),
    ("question", "question", "x" * 12_001),
    ("answer", "answer", "x" * 24_001),
    *(("question", "context_hint", value) for value in (None, "", " ", "x" * 501, "a\x00b", 7)),
    *(("answer", "sources", value) for value in (GONE, None, "x", {}, [""], [" "], ["a", 1], ["x"] * 31, ["\x07"])),
    ("answer", "sources", ["x" * 6_001]),
    *(
        (name, field, value)
        for name, field in (("question", "asked_at"), ("answer", "answered_at"), ("room", "created_at"))
        for value in (GONE, 0, "", "2026-11-22", "2026-11-22T09:33:20Z", "2026-13-22T09:33:20.123Z")
    ),
    *(("room", "created_at", f"2026-11-22T{time}") for time in ("24:00:00.000Z", "09:33:60.000Z", "09:33:20.123Z\n")),
    ("room", "created_at", "1969-12-31T23:59:59.999Z"),
    *(("room", "format", value) for value in (GONE, 0, 2, "1", None, True)),
    *(
        ("room", "peers", value)
        for value in (GONE, [], ["alice"], ["a", "b", "c"], ["a", "a"], ["a", "B"], "ab", [1, 2])
    ),
    *((name, "metadata", {}) for name in MODELS),
    *((name, "Room", "a" * 16) for name in MODELS),
]
ONLY_THE_MODEL_REFUSES = [
    ("question", "question", '"' * 6_001),
    ("question", "context_hint", "\n" * 250 + "x"),
    ("answer", "sources", ["x" * 3_001] * 2),
    ("question", "asked_at", "2026-11-22T09:33:20.124Z"),
    ("answer", "id", "7" + "Z" * 25),
    ("answer", "answered_at", "2026-02-30T00:00:00.000Z"),
]


def changed(name: str, field: str, value: object) -> bytes:
    fields = {**BASES[name], field: value}
    if name == "question" and field == "context_hint":
        fields["asked_at"] = fields.pop("asked_at")
    return independent.canonical({key: value for key, value in fields.items() if value is not GONE})


@pytest.mark.parametrize(("name", "field", "value"), BOTH_ACCEPT)
def test_both_accept(name: str, field: str, value: object) -> None:
    data = changed(name, field, value)
    assert (accepted_by_model(name, data), accepted_by_schema(name, data)) == (True, True)


@pytest.mark.parametrize(("name", "field", "value"), BOTH_REFUSE)
def test_both_refuse(name: str, field: str, value: object) -> None:
    data = changed(name, field, value)
    assert (accepted_by_model(name, data), accepted_by_schema(name, data)) == (False, False)


@pytest.mark.parametrize(("name", "field", "value"), ONLY_THE_MODEL_REFUSES)
def test_what_a_schema_cannot_say_is_refused_by_the_model_alone(name: str, field: str, value: object) -> None:
    data = changed(name, field, value)
    assert (accepted_by_model(name, data), accepted_by_schema(name, data)) == (False, True)
    assert schemas()[name]["$comment"]


def test_a_list_or_a_string_is_no_record() -> None:
    for name in MODELS:
        for data in (b"[]", b'"x"', b"null", b"1"):
            assert (accepted_by_model(name, data), accepted_by_schema(name, data)) == (False, False)
