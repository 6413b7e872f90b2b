"""The pages of the clients: what they tell people to put into a file is what the program prints or understands."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path

import click
import pytest

from peer_relay.agents.clients import CLIENTS
from peer_relay.agents.hooks import HOOKS
from peer_relay.cli import commands
from tests.cli.support import run
from tests.docs.pages import DOCS

PAGES = {
    "claude-desktop": "claude-desktop.md",
    "gemini": "gemini.md",
    "cursor": "cursor.md",
    "vscode": "vs-code.md",
    "windsurf": "windsurf.md",
    "zed": "zed.md",
}
ALL_PAGES = {**PAGES, "claude": "claude-code.md", "codex": "codex.md"}
SECTIONS = [
    "Tell it of the server",
    "See that it works",
    "Let it notice questions",
    "Allow the tools",
    "Limits",
    "When something is amiss",
    "What was tried",
]
WHOLE_PATH = "/home/alice/.local/bin/peer-relay"
every_page = pytest.mark.parametrize("client", PAGES)


def text(client: str) -> str:
    return DOCS.joinpath(ALL_PAGES[client]).read_text(encoding="utf-8")


def blocks(client: str) -> list[str]:
    return re.findall(r"^```json\n(.*?)^```$", text(client), re.MULTILINE | re.DOTALL)


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install peer-relay for all to find, and give the link by which it is found."""
    link = tmp_path / "programs" / "peer-relay"
    link.parent.mkdir()
    link.symlink_to(Path(sys.executable).with_name("peer-relay"))
    monkeypatch.setenv("PATH", str(link.parent))
    monkeypatch.setattr(sys, "argv", [str(link)])
    monkeypatch.chdir(tmp_path)
    return link


@every_page
def test_the_lines_of_a_file_are_those_that_the_program_prints(client: str, program: Path) -> None:
    printed = run("config", "--client", client).stdout
    assert blocks(client)[0] == printed.replace(str(program), WHOLE_PATH)
    assert f"peer-relay config --client {client} --write" in " ".join(text(client).split())


@every_page
def test_a_page_has_the_sections_of_the_others_and_every_page_is_in_the_list(client: str) -> None:
    own = {"Or by a bundle"} if client == "claude-desktop" else set()
    found = re.findall(r"^## (.+)$", text(client), re.MULTILINE)
    assert [name for name in found if name not in own] == SECTIONS
    assert f"]({PAGES[client]})" in DOCS.joinpath("README.md").read_text(encoding="utf-8")
    assert f"](docs/{PAGES[client]})" in DOCS.parent.joinpath("README.md").read_text(encoding="utf-8")


@pytest.mark.usefixtures("program")
@pytest.mark.parametrize("client", HOOKS)
def test_the_hooks_are_those_that_the_program_prints_and_the_page_names_the_command(client: str) -> None:
    assert run("config", "--client", client, "--hooks").stdout in blocks(client)
    assert f"`peer-relay config --client {client} --hooks`" in " ".join(text(client).split())


@every_page
def test_every_command_on_a_page_is_one_of_the_program(client: str) -> None:
    named = {words.split()[0] for words in re.findall(r"peer-relay ([a-z]+[^`\n]*)`", text(client))}
    context = click.Context(commands)
    assert [name for name in named if commands.get_command(context, name) is None] == []


def test_the_command_of_vs_code_adds_what_its_file_would_hold() -> None:
    (line,) = re.findall(r"^    (code --add-mcp .*)$", text("vscode"), re.MULTILINE)
    entry = json.loads(blocks("vscode")[0])["servers"]["peer-relay"]
    assert json.loads(shlex.split(line)[2]) == {"name": "peer-relay", **entry}


def test_there_is_a_page_for_every_client() -> None:
    assert set(CLIENTS) == set(ALL_PAGES)
    assert [name for name in ALL_PAGES.values() if not DOCS.joinpath(name).exists()] == []
