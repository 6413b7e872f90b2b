"""The plugin for Claude Code: its files are well formed, and in agreement with the program and with each other.

That Claude Code takes it is shown by `tests/clients`, which runs it.
"""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest

import peer_relay
from peer_relay.agents.clients import CLIENTS
from peer_relay.agents.hooks import HOOKS
from peer_relay.agents.launch import SERVER, Launch
from peer_relay.cli import commands
from peer_relay.server.prompts import ABOUT, PROMPTS, STATUS
from peer_relay.server.tools import CHECK_ANSWERS, CHECK_QUESTIONS, FACES

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
PLUGIN = ROOT / "examples" / "claude-code-plugin"
LOOK = "peer-relay status --offline"


def data(*parts: str) -> Any:
    return json.loads(PLUGIN.joinpath(*parts).read_text(encoding="utf-8"))


def page(*parts: str) -> tuple[dict[str, str], str]:
    """Return the fields at the head of a page, each of them one line, and its text."""
    text = PLUGIN.joinpath(*parts).read_text(encoding="utf-8")
    head, body = re.fullmatch(r"---\n(.*?)^---\n\n(.*)", text, re.DOTALL | re.MULTILINE).groups()  # type: ignore[union-attr]
    return dict(line.split(": ", 1) for line in head.splitlines()), body


def hooks() -> Iterator[tuple[str, dict[str, Any]]]:
    for event, groups in data("hooks", "hooks.json")["hooks"].items():
        yield from ((event, hook) for group in groups for hook in group["hooks"])


def started() -> list[list[str]]:
    """Return all command lines of the plugin."""
    server = data(".mcp.json")["mcpServers"][SERVER]
    return [
        [server["command"], *server["args"]],
        next(shlex.split(hook["command"]) for _, hook in hooks()),
        *(shlex.split(each["command"]) for each in data("monitors", "monitors.json")),
        *(shlex.split(line) for line in re.findall(r"^!`(.*)`$", page("commands", "status.md")[1], re.MULTILINE)),
    ]


def test_the_catalogue_leads_to_the_plugin_and_calls_both_by_one_name() -> None:
    catalogue = json.loads(ROOT.joinpath(".claude-plugin", "marketplace.json").read_text(encoding="utf-8"))
    (entry,) = catalogue["plugins"]
    manifest = data(".claude-plugin", "plugin.json")
    assert (ROOT / entry["source"]).resolve() == PLUGIN.resolve()
    assert (catalogue["name"], entry["name"], manifest["name"]) == (SERVER, SERVER, SERVER)
    assert entry["description"] == manifest["description"]
    assert "version" not in entry  # said once, by the plugin itself


def test_the_plugin_has_the_version_and_the_licence_of_the_program() -> None:
    manifest = data(".claude-plugin", "plugin.json")
    assert (manifest["version"], manifest["license"]) == (peer_relay.__version__, "MIT")
    assert PLUGIN.joinpath("LICENSE").read_bytes() == ROOT.joinpath("LICENSE").read_bytes()


def test_the_plugin_starts_the_server_as_config_tells_it() -> None:
    assert data(".mcp.json") == json.loads(CLIENTS["claude"].snippet(Launch((SERVER, "serve"))))


def test_the_plugin_has_the_hooks_as_config_tells_them() -> None:
    assert data("hooks", "hooks.json")["hooks"] == HOOKS["claude"].table(Launch((SERVER, "serve")))["hooks"]


@pytest.mark.parametrize("words", started(), ids=shlex.join)
def test_whatever_the_plugin_starts_is_a_command_with_options_that_it_has(words: list[str]) -> None:
    program, name, *options = words
    command = commands.get_command(click.Context(commands), name)
    assert command is not None
    assert (program, command.name) == ("peer-relay", name)
    assert command.make_context(name, list(options), resilient_parsing=True).args == []
    assert set(options) <= {option for each in command.params for option in each.opts}


@pytest.mark.parametrize("name", PROMPTS)
def test_a_command_says_what_the_prompt_of_its_name_says(name: str) -> None:
    head, body = page("commands", f"{name}.md")
    last = {"ask": f"\n{ABOUT} $ARGUMENTS\n", STATUS.name: f"\n!`{LOOK}`\n"}.get(name, "")
    assert body == PROMPTS[name].text + last
    assert head["description"] == PROMPTS[name].description
    # A person's words: the model neither sees them listed, which would cost tokens, nor begins with them by itself.
    assert head["disable-model-invocation"] == "true"


def test_there_is_a_command_for_each_prompt_and_no_other() -> None:
    assert {path.stem for path in PLUGIN.joinpath("commands").iterdir()} == set(PROMPTS)


def test_commands_allow_what_only_looks_and_never_what_sends() -> None:
    allowed = {name: page("commands", f"{name}.md")[0].get("allowed-tools") for name in PROMPTS}
    servers = (f"plugin_{SERVER}_{SERVER}", SERVER)  # as the plugin's, and as a person's own of the same name
    looks = [f"mcp__{each}__{face.name}" for each in servers for face in (CHECK_QUESTIONS, CHECK_ANSWERS)]
    assert allowed == {"ask": None, "check": ", ".join(looks), "status": f"Bash({LOOK})"}


def test_the_skill_has_a_name_and_says_in_one_line_when_it_is_for() -> None:
    (folder,) = PLUGIN.joinpath("skills").iterdir()
    head, body = page("skills", folder.name, "SKILL.md")
    assert set(head) == {"name", "description"}
    assert head["name"] == folder.name == SERVER
    assert len(head["description"]) < 300  # it is in every conversation
    assert [face.name for face in FACES if face.name in head["description"]] == ["ask_peer", "answer_question"]
    headings = re.findall(r"^## (.*)$", body, re.MULTILINE)
    assert headings == ["Ask well", "Answer well", "Never send", "What arrives is data"]


def test_nothing_in_the_plugin_is_bound_to_one_machine() -> None:
    texts = [path.read_text(encoding="utf-8") for path in PLUGIN.rglob("*") if path.suffix in {".json", ".md"}]
    assert len(texts) == 9
    own = re.compile(r"(?<![\w.:/`])/\w+/|~/|[A-Z]:\\")
    assert [found[0] for text in texts for found in own.finditer(text)] == []
