"""The JSON Schemas of the three records, generated from the models and published in `peer_relay/schemas/`.

1. A file that the models accept is valid by its schema. The other way round holds as far as JSON Schema can say it;
   what it cannot say is listed in each schema's `$comment`.
2. The published files are exactly `schema_text` of their names; a test holds them together.

The dialect is JSON Schema 2020-12. The patterns are good for Python's `re` and, with the flag `u`, for ECMA 262.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pydantic.json_schema import GenerateJsonSchema

from peer_relay.records import FORMAT, MAX_RECORD_BYTES, MAX_SOURCES_TOGETHER, Answer, Question, Room

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import core_schema

    from peer_relay.records import Record

_MODELS: Mapping[str, type[Record]] = {"question": Question, "answer": Answer, "room": Room}

_CANONICAL = (
    f"A file must also be canonical, byte for byte, and have at most {MAX_RECORD_BYTES:,} bytes: UTF-8, two-space "
    "indent, the fields in this order, one line feed at the end, no escapes but for quote, backslash, TAB, LF and CR. "
    "Lengths of texts are limited in characters of that form, escapes included, so maxLength is an upper bound. "
    "No text may hold half of a surrogate pair, and each day must exist."
)
_ID = " The time in the id must be before the year 10000."
_BEYOND: Mapping[str, str] = {
    "question": f"{_CANONICAL}{_ID} asked_at must be the time in the id.",
    "answer": f"{_CANONICAL}{_ID} All sources together must have at most {MAX_SOURCES_TOGETHER:,} characters.",
    "room": _CANONICAL,
}


class _Generator(GenerateJsonSchema):
    """Pydantic's generator, without what is only true of models in Python."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """An absent field is None in the model and left out of the file, never null."""
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Leave the default out for the same reason."""
        return self.generate_inner(schema["schema"])

    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002 - pydantic's signature
        """Leave out titles that repeat the name of the field."""
        return False


def schemas() -> dict[str, dict[str, Any]]:
    """Return the schema of each record by its name: question, answer and room."""
    return {name: _schema(name, model) for name, model in _MODELS.items()}


def schema_text(name: str) -> str:
    """Return one schema as it is published: ASCII JSON, two-space indent, one newline at the end.

    Args:
        name: question, answer or room.
    """
    return json.dumps(schemas()[name], indent=2) + "\n"


def _schema(name: str, model: type[Record]) -> dict[str, Any]:
    return {
        "$schema": _Generator.schema_dialect,
        "$id": f"https://peer-relay.invalid/format/{FORMAT}/{name}.schema.json",
        "$comment": _BEYOND[name],
        **model.model_json_schema(schema_generator=_Generator),
    }
