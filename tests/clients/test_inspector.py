"""The MCP Inspector's command line against the server, in both eras of the protocol."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.clients.people import Pair, Person
    from tests.clients.programs import Program

RETURNED_AN_ERROR = 5
UNKNOWN = """\
There is no open question 01KAN3X1Y00000000000000000 in this room. Use an id exactly as a tool returned it, or as \
`peer-relay log` shows it."""


def call(inspector: Program, person: Person, era: str, tool: str, code: int = 0, /, **given: object) -> Any:
    """Call a tool in a session of its own and return the result as it came."""
    options = ("--method", "tools/call", "--tool-name", tool, "--tool-args-json", json.dumps(given), "--format", "json")
    where = [f"{name}={value}" for name, value in person.variables.items()]
    done = inspector("-e", *where, "peer-relay", "serve", "--protocol-era", era, *options, home=person.home)
    assert done.code == code, done
    return json.loads(done.output)["result"]


def test_its_lint_finds_no_error_in_the_tools(inspector: Program, people: Pair) -> None:
    listed = inspector("peer-relay", "serve", "--method", "tools/list", "--strict", home=people.alice.home)
    names = [tool["name"] for tool in json.loads(listed.output)["tools"]]
    assert (listed.code, names) == (0, ["ask_peer", "check_questions", "answer_question", "check_answers"])
    # "string" or "null": either way to write it is foreign to some client, and this one has one type of schema less.
    hint = "outputSchema.properties.questions.items.properties.context_hint"
    assert ("0 errors, 1 warning " in listed.errors, hint in listed.errors) == (True, True)


@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_a_question_is_asked_and_answered(inspector: Program, people: Pair, era: str) -> None:
    alice, bob = people.alice, people.bob
    asked = call(inspector, alice, era, "ask_peer", question="Why is the limit 72?")["structuredContent"]
    (waiting,) = call(inspector, bob, era, "check_questions")["structuredContent"]["questions"]
    assert (asked["status"], waiting["question_id"]) == ("delivered", asked["question_id"])
    assert (waiting["question"], waiting["context_hint"]) == ("Why is the limit 72?", None)

    given = {"question_id": asked["question_id"], "answer": "A terminal is 80 wide.", "sources": ["docs/cut.md:3"]}
    assert call(inspector, bob, era, "answer_question", **given)["structuredContent"]["ok"]
    (read,) = call(inspector, alice, era, "check_answers")["structuredContent"]["answers"]
    assert {name: read[name] for name in given} == given


@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_what_cannot_be_done_is_an_error_in_one_sentence(inspector: Program, people: Pair, era: str) -> None:
    unknown = {"question_id": "01KAN3X1Y00000000000000000", "answer": "Because."}
    result = call(inspector, people.alice, era, "answer_question", RETURNED_AN_ERROR, **unknown)
    assert (result["isError"], result["content"]) == (True, [{"type": "text", "text": UNKNOWN}])
