r"""The records that a room consists of, as strict models and as canonical bytes.

1. These fields exist and no others; widening the list takes a visible change of this file and of the schemas.
2. A record and its canonical bytes determine each other: `parse(type(r), canonical_bytes(r)) == r`, and every other
   spelling of the same JSON is refused (duplicate keys, odd escapes, other white space, another order).
3. Every rule is checked when a record is made and again when it is read.
4. Every broken rule is named, not just the first; a rule about two fields or about a whole list is looked at once its
   parts are good. A name or a value that a peer chose is never repeated (I9).

Canonical bytes: UTF-8, two-space indent, the fields in the order of the model, one LF at the end; the escapes are
exactly `\"`, `\\`, `\t`, `\n` and `\r`; an absent `context_hint` is left out, `sources` is always there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    FailFast,
    Field,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)
from pydantic_core import core_schema, from_json

from peer_relay.errors import InvalidRecord, Problem, UnsupportedFormat
from peer_relay.ids import PEER_PATTERN, ROOM_PATTERN, ULID_PATTERN, ulid_ms
from peer_relay.paths import Kind
from peer_relay.text import NOT_BLANK_PATTERN, TEXT_PATTERN, canonical_length, canonical_string, check_text
from peer_relay.times import MAX_MS, TIME_PATTERN, format_ms, parse_ms

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue

FORMAT = 1
"""The format of rooms that this program reads and writes."""

MAX_RECORD_BYTES = 256 * 1024
MAX_QUESTION = 12_000
MAX_CONTEXT_HINT = 500
MAX_ANSWER = 24_000
MAX_SOURCES = 30
MAX_SOURCES_TOGETHER = 6_000

_ULID, _PEER, _ROOM = map(re.compile, (ULID_PATTERN, PEER_PATTERN, ROOM_PATTERN))


def _check_ulid(value: str) -> str:
    if _ULID.fullmatch(value) is None:
        raise ValueError("must be a ULID: 26 characters, digits and capital letters without I, L, O and U")
    if ulid_ms(value) > MAX_MS:
        raise ValueError("must be a ULID of a time before the year 10000")
    return value


def _check_time(value: str) -> str:
    parse_ms(value)
    return value


def _check_peer(value: str) -> str:
    if _PEER.fullmatch(value) is None:
        raise ValueError("must be 1 to 32 characters a-z, 0-9 and -, not beginning with -")
    return value


def _check_room(value: str) -> str:
    if _ROOM.fullmatch(value) is None:
        raise ValueError("must be a room id: 16 characters a-z and 2-7")
    return value


@dataclass(frozen=True)
class _Text:
    """The rules of a text of at most `limit` characters, as a check and as a JSON Schema."""

    limit: int

    def _check(self, value: object) -> object:
        if isinstance(value, str):
            check_text(value, self.limit)
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:  # noqa: ANN401 - pydantic's signature
        """Check before pydantic does, which cannot name a lone surrogate."""
        return core_schema.no_info_before_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, _: core_schema.CoreSchema, __: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Say what JSON Schema can; it counts an escape as one character, so its limit is the looser one."""
        return {
            "type": "string",
            "minLength": 1,
            "maxLength": self.limit,
            "allOf": [{"pattern": TEXT_PATTERN}, {"pattern": NOT_BLANK_PATTERN}],
        }


def _check_sources(value: tuple[str, ...]) -> tuple[str, ...]:
    broken = []
    if len(value) > MAX_SOURCES:
        broken.append(f"must be at most {MAX_SOURCES} and are {len(value)}")
    total = sum(map(canonical_length, value))
    if total > MAX_SOURCES_TOGETHER:
        broken.append(f"must be at most {MAX_SOURCES_TOGETHER:,} characters together and have {total:,}")
    if broken:
        raise ValueError(" and ".join(broken))
    return value


def _check_peers(value: tuple[str, str]) -> tuple[str, str]:
    if value[0] == value[1]:
        raise ValueError("must be two different ids")
    return value


def _spelt(pattern: str) -> WithJsonSchema:
    """Return the JSON Schema of a string that is one pattern from end to end; in Python, `$` allows a newline more."""
    return WithJsonSchema({"type": "string", "pattern": rf"^{pattern}(?!\n)$"})


Ulid = Annotated[str, AfterValidator(_check_ulid), _spelt(ULID_PATTERN)]
PeerId = Annotated[str, AfterValidator(_check_peer), _spelt(PEER_PATTERN)]
RoomId = Annotated[str, AfterValidator(_check_room), _spelt(ROOM_PATTERN)]
Time = Annotated[str, AfterValidator(_check_time), _spelt(TIME_PATTERN)]
Source = Annotated[str, _Text(MAX_SOURCES_TOGETHER)]


class _Record(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class Question(_Record):
    """A question, stored as `<asker_id>/<date of the id in UTC>/<id>.question.json`."""

    id: Ulid = Field(description="The exchange's ULID, of a time before the year 10000.")
    room: RoomId = Field(description="The room's public id, the same in each of its records.")
    asker_id: PeerId = Field(description="The peer that asks: one of the room's two.")
    question: Annotated[str, _Text(MAX_QUESTION)] = Field(description="What is asked, as it was given.")
    context_hint: Annotated[str, _Text(MAX_CONTEXT_HINT)] | None = Field(
        default=None, description="A few words about what the asker works on. Left out if there is none."
    )
    asked_at: Time = Field(description="The time in the id, in UTC, to the millisecond.")

    @field_validator("asked_at")
    @classmethod
    def _is_the_time_of_the_id(cls, value: str, info: ValidationInfo) -> str:
        if "id" in info.data and value != format_ms(ulid_ms(info.data["id"])):
            raise ValueError("must be the time in the id")
        return value


class Answer(_Record):
    """An answer, stored as `<asker_id>/<date of the id in UTC>/<id>.answer.json`, beside its question."""

    id: Ulid = Field(description="The id of the question.")
    room: RoomId = Field(description="The room's public id, the same in each of its records.")
    answer: Annotated[str, _Text(MAX_ANSWER)] = Field(description="The answer of the peer that did not ask.")
    sources: Annotated[
        tuple[Source, ...],
        FailFast(),  # a hostile file has room for 80,000 of them, which took 180 MB
        AfterValidator(_check_sources),
        Field(json_schema_extra={"maxItems": MAX_SOURCES}),
    ] = Field(description="What the answer rests on: file paths, commits, documents. Always there, [] if none.")
    answered_at: Time = Field(description="When it was answered, in UTC, by the answerer's clock.")


class Room(_Record):
    """A room's own first record, stored as `room.json`."""

    format: Literal[1] = Field(description="The format of the room.")
    room: RoomId = Field(description="The room's public id, derived from its token.")
    peers: Annotated[
        tuple[PeerId, PeerId], AfterValidator(_check_peers), Field(json_schema_extra={"uniqueItems": True})
    ] = Field(description="The peer that opened the room, and the other one.")
    created_at: Time = Field(description="When the room was opened, in UTC, by the opener's clock.")


Record = Question | Answer | Room
RecordT = TypeVar("RecordT", bound=_Record)


def make(kind: type[RecordT], **fields: Any) -> RecordT:  # noqa: ANN401 - the model checks each value itself
    """Make a record from its fields.

    Raises:
        InvalidRecord: with every rule that is broken, by field; of the sources, the first.
    """
    try:
        return kind(**fields)
    except ValidationError as error:
        raise InvalidRecord(kind=_label(kind), problems=_problems(error)) from None


def canonical_bytes(record: _Record) -> bytes:
    """Return the one spelling of a record: UTF-8 JSON, one object, one trailing newline."""
    fields = [f'  "{name}": {_spelt_value(value)}' for name, value in vars(record).items() if value is not None]
    return ("{\n" + ",\n".join(fields) + "\n}\n").encode()


def _spelt_value(value: object) -> str:
    """Return a value as `json.dumps` with `indent=2` spells it in a record, at a fifth of the time."""
    if isinstance(value, str):
        return canonical_string(value)
    if isinstance(value, tuple):
        return "[\n    " + ",\n    ".join(map(canonical_string, value)) + "\n  ]" if value else "[]"
    return str(value)


def parse(kind: type[RecordT], data: bytes) -> RecordT:
    """Return the record that canonical bytes say.

    Args:
        kind: which record is expected, known from the path.
        data: the whole file.

    Raises:
        InvalidRecord: the file is too large, not JSON, breaks a rule, or is not in canonical form.
        UnsupportedFormat: a `room.json` of another format; found before anything else of it is looked at.
    """
    if len(data) > MAX_RECORD_BYTES:
        raise _unreadable(kind, f"must be at most {MAX_RECORD_BYTES:,} bytes and has {len(data):,}")
    if kind is Room:
        _check_format(data)
    try:
        record = kind.model_validate_json(data)
    except ValidationError as error:
        raise InvalidRecord(kind=_label(kind), problems=_problems(error)) from None
    if canonical_bytes(record) != data:
        raise _unreadable(kind, "must be in the canonical form, byte for byte")
    return record


def _check_format(data: bytes) -> None:
    """Refuse another format before decoding what it may have changed."""
    try:
        content = from_json(data)
    except ValueError:
        raise _unreadable(Room, "must be JSON") from None
    found = content.get("format") if isinstance(content, dict) else None
    if type(found) is not int:
        raise UnsupportedFormat(found="not a number", newer=False)
    if found != FORMAT:
        raise UnsupportedFormat(found=str(found)[:20], newer=found > FORMAT, older=found < FORMAT)


def _label(kind: type[_Record]) -> str:
    return kind.__name__.lower()


def _unreadable(kind: type[_Record], rule: str) -> InvalidRecord:
    return InvalidRecord(kind=_label(kind), problems=(Problem("the file", rule),))


def _problems(error: ValidationError) -> tuple[Problem, ...]:
    found = map(_problem, error.errors(include_url=False, include_input=False))
    return tuple(dict.fromkeys(found))


def _problem(detail: Any) -> Problem:  # noqa: ANN401 - pydantic's ErrorDetails
    """Put one finding of pydantic into a clause."""
    kind, where = detail["type"], detail["loc"]
    field = str(where[0]) if where else "the record"
    if len(where) > 1 and isinstance(where[1], int):
        field += f"[{where[1]}]"
    if kind == "value_error":
        return Problem(field, str(detail["ctx"]["error"]))
    if kind == "extra_forbidden":
        return Problem("the record", "must not have any other field than the documented ones")
    if kind == "missing":
        return Problem(field, "must be there")
    if kind == "json_invalid":
        return Problem("the file", "must be JSON")
    return Problem(field, "must be of the documented type")


def parse_exchange_record(kind: Kind, data: bytes) -> Question | Answer:
    """Return the record that a file of this kind holds.

    Raises:
        InvalidRecord: as `parse` says.
    """
    return parse(Question, data) if kind is Kind.QUESTION else parse(Answer, data)
