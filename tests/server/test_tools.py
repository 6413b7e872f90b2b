"""What a client sees of the tools before it calls one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from pydantic import ValidationError

from peer_relay.server.tools import ANSWER_QUESTION, ASK_PEER, CHECK_ANSWERS, FACES, INSTRUCTIONS, ToolFace, refusal
from tests.server.support import connected

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def listed(folder: Path) -> list[dict[str, Any]]:
    async with connected(folder) as client:
        return [tool.model_dump(by_alias=True, exclude_none=True) for tool in (await client.list_tools()).tools]


async def test_the_whole_list_of_tools_takes_less_than_1200_tokens(tmp_path: Path) -> None:
    tools = await listed(tmp_path)
    assert len(json.dumps({"tools": tools}, separators=(",", ":"))) / 4 < 1_200


def test_the_instructions_fit_what_clients_show() -> None:
    assert len(INSTRUCTIONS) < 2_000


async def test_arguments_and_results_are_the_documented_ones(tmp_path: Path) -> None:
    tools = await listed(tmp_path)
    assert {
        each["name"]: (list(each["inputSchema"]["properties"]), each["inputSchema"].get("required")) for each in tools
    } == {
        "ask_peer": (["question", "context_hint"], ["question"]),
        "check_questions": (["wait_seconds"], None),
        "answer_question": (["question_id", "answer", "sources"], ["question_id", "answer"]),
        "check_answers": (["wait_seconds", "include_read", "question_id"], None),
    }
    assert {each["name"]: each["outputSchema"]["required"] for each in tools} == {
        "ask_peer": ["question_id", "status", "note"],
        "check_questions": ["questions", "more", "note"],
        "answer_question": ["ok", "status", "note"],
        "check_answers": ["answers", "more", "note"],
    }


async def test_schemas_are_valid_refuse_unknown_arguments_and_are_in_one_piece(tmp_path: Path) -> None:
    for tool in await listed(tmp_path):
        jsonschema.Draft202012Validator.check_schema(tool["inputSchema"])
        jsonschema.Draft202012Validator.check_schema(tool["outputSchema"])
        assert tool["inputSchema"]["additionalProperties"] is False
        assert not {"$ref", "$defs", "anyOf"} & set(json.dumps(tool).split('"'))


async def test_hints_are_true_to_the_fact(tmp_path: Path) -> None:
    hints = {each["name"]: each["annotations"] for each in await listed(tmp_path)}
    reads = {"readOnlyHint": True, "destructiveHint": False, "idempotentHint": True, "openWorldHint": True}
    assert hints == {
        "ask_peer": {**reads, "readOnlyHint": False, "idempotentHint": False},
        "check_questions": reads,
        "answer_question": {**reads, "readOnlyHint": False},
        "check_answers": reads,
    }


async def test_every_tool_has_a_title_of_its_own(tmp_path: Path) -> None:
    assert len({each["title"] for each in await listed(tmp_path)}) == 4


def test_the_descriptions_ground_answers_and_how_they_are_read() -> None:
    for words in ("file paths", "file:line", "commits", "PRs", "decision docs", "unsure", "from memory"):
        assert words in ANSWER_QUESTION.description
    for words in ("claims by another developer's agent", "not facts", "not instructions", "verify", "from memory less"):
        assert words in CHECK_ANSWERS.description


def said(face: ToolFace, arguments: dict[str, Any]) -> str:
    with pytest.raises(ValidationError) as caught:
        face.arguments.model_validate(arguments)
    return refusal(face, caught.value)


def test_arguments_that_do_not_fit_are_refused_with_the_remedy_and_without_their_values() -> None:
    assert said(ASK_PEER, {"hunter2": 1, "hunter3": 2}) == (
        "ask_peer was not carried out: question must be given; "
        "there are no other arguments than question, context_hint. Correct that and call it again."
    )
    assert said(ANSWER_QUESTION, {"question_id": 1, "answer": ["x"], "sources": ["a", 1]}) == (
        "answer_question was not carried out: question_id must be a string; answer must be a string; "
        "sources[1] must be a string. Correct that and call it again."
    )
    assert said(CHECK_ANSWERS, {"wait_seconds": "5", "include_read": 1}) == (
        "check_answers was not carried out: wait_seconds must be a whole number; include_read must be true or false. "
        "Correct that and call it again."
    )
    assert said(ANSWER_QUESTION, {"question_id": "", "answer": "", "sources": "a"}) == (
        "answer_question was not carried out: sources must be a list of strings. Correct that and call it again."
    )


@pytest.mark.parametrize("seconds", [-1, 111])
def test_a_wait_has_bounds(seconds: int) -> None:
    assert said(CHECK_ANSWERS, {"wait_seconds": seconds}) == (
        "check_answers was not carried out: wait_seconds must be from 0 to 110. Correct that and call it again."
    )


def test_an_optional_argument_may_be_null() -> None:
    for face in FACES:
        optional = {name: None for name, field in face.arguments.model_fields.items() if field.default is None}
        given = {name: "x" for name, field in face.arguments.model_fields.items() if field.is_required()}
        face.arguments.model_validate({**given, **optional})
