"""The command line of fastmcp against the server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.clients.people import Pair
    from tests.clients.programs import Program


def test_it_lists_calls_and_says_what_is_wrong(fastmcp: Program, people: Pair) -> None:
    alice = people.alice
    entry = {"type": "stdio", "command": "peer-relay", "args": ["serve"], "env": alice.variables}
    (alice.home / "one.json").write_text(json.dumps({"mcpServers": {"peer-relay": entry}}), encoding="utf-8")

    listed = fastmcp("list", "one.json", "--prompts", "--json", home=alice.home)
    assert listed.code == 0, listed
    names = {kind: [each["name"] for each in some] for kind, some in json.loads(listed.output).items()}
    assert names == {
        "tools": ["ask_peer", "check_questions", "answer_question", "check_answers"],
        "prompts": ["ask", "check", "status"],
    }

    called = fastmcp("call", "one.json", "ask_peer", "question=Why is the limit 72?", "--json", home=alice.home)
    assert called.code == 0, called
    asked = alice.read("log")
    assert json.loads(called.output)["structured_content"]["question_id"] == asked["question_id"]

    refused = fastmcp("call", "one.json", "answer_question", "question_id=x", "answer=y", home=alice.home)
    assert (refused.code, "id must be a ULID" in refused.output) == (1, True), refused
