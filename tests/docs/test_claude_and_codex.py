"""The pages for Claude Code and Codex: what they say to copy is what the program, the plugin and the tools have."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from typing import Any

import click
import pytest

from peer_relay.agents.clients import CLIENTS
from peer_relay.agents.launch import SERVER, Launch
from peer_relay.cli import commands
from peer_relay.server.prompts import PROMPTS
from peer_relay.server.tools import FACES, INSTRUCTIONS, schema_of
from tests.docs.pages import DOCS

PLUGIN = DOCS.parent / "examples" / "claude-code-plugin"
CLAUDE, CODEX = (DOCS.joinpath(f"{name}.md").read_text(encoding="utf-8") for name in ("claude-code", "codex"))
LAUNCH = Launch((SERVER, "serve"))


def blocks(page: str, language: str) -> list[Any]:
    """Return what the blocks of a page hold, each of which has to be well formed."""
    read = {"json": json.loads, "toml": tomllib.loads}[language]
    return [read(text) for text in re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)]


def lines(page: str) -> list[str]:
    return re.findall(r"^ {4}(\S.*)$", page, re.MULTILINE)


def hooks(block: Any) -> list[tuple[str, Any]]:
    return [(event, hook) for event, groups in block["hooks"].items() for group in groups for hook in group["hooks"]]


def cost(what: str) -> int:
    """Return the tokens that the page for Claude Code names in the row that begins so."""
    found = re.search(rf"^\| {re.escape(what)}.*\| (\d+) \|$", CLAUDE, re.MULTILINE)
    assert found is not None, what
    return int(found[1])


@pytest.mark.parametrize(("page", "client"), [(CLAUDE, "claude"), (CODEX, "codex")], ids=["claude", "codex"])
def test_the_server_is_added_by_the_command_and_the_lines_that_the_program_names(page: str, client: str) -> None:
    assert shlex.join(CLIENTS[client].add(LAUNCH)) in lines(page)
    assert CLIENTS[client].snippet(LAUNCH) in page


def test_what_wakes_is_a_hook_that_runs_in_the_background() -> None:
    waking = blocks(CLAUDE, "json")[2]
    wait = {"command": "peer-relay", "args": ["wait", "--rewake"], "asyncRewake": True, "timeout": 86400}
    assert hooks(waking) == [(event, {"type": "command", **wait}) for event in ("SessionStart", "Stop")]


def started() -> list[str]:
    """Return the command lines of the program on both pages: in the text, in the blocks, in the lines to type."""
    text = re.findall(r"`(peer-relay [a-z][^`]*)`", CLAUDE + CODEX)
    hooked = [hook for block in blocks(CLAUDE, "json") if "hooks" in block for _, hook in hooks(block)]
    typed = [line.partition(" -- ")[2] for line in lines(CLAUDE + CODEX) if " -- peer-relay" in line]
    return sorted({*text, *(" ".join([hook["command"], *hook.get("args", [])]) for hook in hooked), *typed})


@pytest.mark.parametrize("line", started())
def test_whatever_is_to_be_started_is_a_command_with_options_that_it_has(line: str) -> None:
    _, name, *rest = shlex.split(line)
    command = commands.get_command(click.Context(commands), name)
    assert command is not None
    assert {word for word in rest if word.startswith("-")} <= {
        option for each in command.params for option in each.opts
    }


def test_what_may_be_allowed_without_asking_only_looks() -> None:
    looking = [face.name for face in FACES if face.read_only]
    assert blocks(CLAUDE, "json")[3] == {"permissions": {"allow": [f"mcp__{SERVER}__{name}" for name in looking]}}
    _, handed_on, required, approved = blocks(CODEX, "toml")
    assert (handed_on, required) == ({"env_vars": ["SSH_AUTH_SOCK"]}, {"required": True})
    (name,) = approved["mcp_servers"][SERVER]["tools"]
    assert name in {face.name for face in FACES} - set(looking)


def test_the_commands_and_the_prompts_are_those_that_there_are() -> None:
    assert set(re.findall(r"`/peer-relay:(\w+)", CLAUDE)) == set(PROMPTS)
    assert re.findall(r"`/mcp__peer-relay__(\w+)", CLAUDE) == list(PROMPTS)


def test_what_it_costs_is_about_what_is_sent() -> None:
    prefix = "mcp__plugin_peer-relay_peer-relay__"
    names = sum(len(prefix + face.name) for face in FACES)
    tools = sum(len(face.description) + len(json.dumps(schema_of(face.arguments))) for face in FACES) + names
    skill = PLUGIN.joinpath("skills", "peer-relay", "SKILL.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"^description: (.*)$", skill, re.MULTILINE)
    sent = {
        "the server's instructions": len(INSTRUCTIONS) + names,
        "the skill's line": len(line),
        "the four tools in full": tools,
        "the skill |": len(skill),
    }
    assert {what: abs(cost(what) - size / 4) < 0.15 * size / 4 for what, size in sent.items()} == dict.fromkeys(
        sent, True
    )
