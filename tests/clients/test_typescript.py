"""A client by the official TypeScript SDK, of both generations, against the server: `talk.mjs` is its half."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from peer_relay.server.tools import INSTRUCTIONS

if TYPE_CHECKING:
    from tests.clients.people import Pair
    from tests.clients.programs import Program

TALK = (Path(__file__).parent / "talk.mjs").read_text(encoding="utf-8")
# What the SDK does to a server that does not end by itself leaves no code.
NOTING_ITS_END = ("sh", "-c", 'peer-relay serve; echo "$?" >"$HOME/ended"')


ASKED = "The answer comes later, through check_answers."
UNKNOWN = """\
There is no open question 01KAN3X1Y00000000000000000 in this room. Use an id exactly as a tool returned it, or as \
`peer-relay log` shows it."""
REFUSED = """\
ask_peer was not carried out: there are no other arguments than question, context_hint. Correct that and \
call it again."""


def shown(**structured: object) -> dict[str, Any]:
    """Return a result as a client gets it: as data, and once more as text."""
    return {"structured": structured, "text": [json.dumps(structured, separators=(",", ":"))], "isError": False}


@pytest.mark.parametrize(
    ("generation", "mode"),
    [("1", "legacy"), ("2", "legacy"), ("2", "auto"), ("2", {"pin": "2026-07-28"})],
    ids=["1", "2-handshake", "2-auto", "2-modern"],
)
def test_a_session_goes_as_documented_to_its_end(node: Program, people: Pair, generation: str, mode: object) -> None:
    alice = people.alice
    said = node(generation, json.dumps(mode), *NOTING_ITS_END, home=alice.home, variables=alice.variables, data=TALK)
    assert (said.code, said.errors) == (0, ""), said
    asked = alice.read("log")
    assert json.loads(said.output) == {
        "server": "peer-relay",
        "instructions": INSTRUCTIONS,
        "tools": ["ask_peer", "check_questions", "answer_question", "check_answers"],
        "asked": shown(question_id=asked["question_id"], status="delivered", note=ASKED),
        "questions": shown(questions=[], more=0, note="No question waits for an answer."),
        "unknown": {"text": [UNKNOWN], "isError": True},
        "refused": {"text": [REFUSED], "isError": True},
        "prompts": ["ask", "check", "status"],
        "prompt": 1,
        "waiting": "McpError" if generation == "1" else "SdkError",
        "answers": shown(answers=[], more=0, note="There is no new answer."),
    }
    assert (alice.home / "ended").read_text(encoding="utf-8") == "0\n"
