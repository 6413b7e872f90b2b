"""The MCP Inspector's command line against the server, in both eras of the protocol."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.clients.people import Pair
    from tests.clients.programs import Program


def test_its_lint_finds_no_error_in_the_tools(inspector: Program, people: Pair) -> None:
    listed = inspector("peer-relay", "serve", "--method", "tools/list", "--strict", home=people.alice.home)
    names = [tool["name"] for tool in json.loads(listed.output)["tools"]]
    assert (listed.code, names) == (0, ["ask_peer", "check_questions", "answer_question", "check_answers"])
