"""A stand-in for the model behind Claude Code: it plays a script over the Messages API on loopback.

1. It is played from what a request holds: step n of the script comes where n tools have answered. A request that is
   sent again gets the same reply again.
2. A tool that was not offered is looked up first, as often as it takes until its server is there. Claude Code names the
   tools of a server, and offers what is looked up.
3. It keeps everything that it is sent.
4. What it does not know it refuses, and remembers, so that a test can say that there was nothing else.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.clients.loopback import serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Step = Callable[[list[str]], dict[str, Any]]
    """Makes a block of the model's reply from the texts of the tools' results so far."""

_STEP, _LOOKUP = "toolu_step", "toolu_lookup"
_PATIENCE = 20


def use(tool: str, **arguments: Any) -> Step:
    """Return the step of using a tool. An argument that is a function gets the results so far."""
    return lambda results: {
        "type": "tool_use",
        "name": tool,
        "input": {name: value(results) if callable(value) else value for name, value in arguments.items()},
    }


def say(text: str) -> Step:
    """Return the step of saying something, which ends a turn."""
    return lambda _results: {"type": "text", "text": text}


@dataclass
class Model:
    """A running stand-in.

    Attributes:
        script: its steps.
        url: where it listens.
        requests: the bodies of what was asked of it, in order.
        refused: what it did not know, as one line each.
    """

    script: Sequence[Step]
    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def reply(self, request: dict[str, Any]) -> dict[str, Any] | None:
        """Return the block that answers a request, or None if there is none in the script."""
        results, lookups = tool_results(request), len(_results(request, of=_LOOKUP))
        if len(results) >= len(self.script) or lookups > _PATIENCE:
            return None
        block = self.script[len(results)](results)
        if block["type"] == "text":
            return block
        if block["name"] in {tool["name"] for tool in request.get("tools", ())}:
            return {**block, "id": f"{_STEP}{len(results):04}"}
        lookup = {"query": f"select:{block['name']}", "max_results": 5}
        return {"type": "tool_use", "name": "ToolSearch", "input": lookup, "id": f"{_LOOKUP}{lookups:04}"}


def tool_results(request: dict[str, Any]) -> list[str]:
    """Return the texts of the results of the script's tools in a request, oldest first."""
    return _results(request, of=_STEP)


def _results(request: dict[str, Any], *, of: str) -> list[str]:
    return [
        text_of(block["content"])
        for message in request["messages"]
        if isinstance(message["content"], list)
        for block in message["content"]
        if block["type"] == "tool_result" and block["tool_use_id"].startswith(of)
    ]


def text_of(content: Any) -> str:
    """Return the text of a message's or a result's content."""
    return content if isinstance(content, str) else "\n".join(block.get("text", "") for block in content)


@contextmanager
def playing(*script: Step) -> Iterator[Model]:
    """Run a stand-in for as long as the block lasts."""
    model = Model(script)

    def answer(path: str, body: str) -> str | None:
        if path != "/v1/messages":
            return None
        request = json.loads(body)
        model.requests.append(request)
        block = model.reply(request)
        return None if block is None else "".join(_events(block))

    with serving(answer) as served:
        model.url, model.refused = served.url, served.refused
        yield model


def _events(block: dict[str, Any]) -> Iterator[str]:
    uses_tool = block["type"] == "tool_use"
    message = {"id": "msg_0001", "type": "message", "role": "assistant", "model": "stand-in", "content": []}
    ending = {"stop_reason": None, "stop_sequence": None}
    usage = {"input_tokens": 1, "output_tokens": 1}
    if uses_tool:
        begun, delta = {**block, "input": {}}, {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
    else:
        begun, delta = {"type": "text", "text": ""}, {"type": "text_delta", "text": block["text"]}
    for event in (
        {"type": "message_start", "message": {**message, **ending, "usage": usage}},
        {"type": "content_block_start", "index": 0, "content_block": begun},
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {**ending, "stop_reason": "tool_use" if uses_tool else "end_turn"},
            "usage": usage,
        },
        {"type": "message_stop"},
    ):
        yield f"event: {event['type']}\ndata: {json.dumps(event)}\n\n"
