"""The files around the package: present, in agreement with each other, and without anything private."""

from __future__ import annotations

import importlib.metadata
import json
import re
from pathlib import Path

import pytest

import peer_relay

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
VARIABLES = {
    *("PEER_RELAY_REMOTE", "PEER_RELAY_ROOM_TOKEN", "PEER_RELAY_PEER_ID", "PEER_RELAY_HOME", "PEER_RELAY_TIMEOUT"),
    "PEER_RELAY_PUSHES_PER_MINUTE",
    *("PEER_RELAY_ROOM", "PEER_RELAY_GIT_USERNAME", "PEER_RELAY_GIT_PASSWORD", "GITHUB_TOKEN", "GIT_SSH_COMMAND"),
}


def read(*parts: str) -> str:
    return ROOT.joinpath(*parts).read_text(encoding="utf-8")


def prose() -> list[Path]:
    """Return what people read and copy from: the documents and the examples."""
    return [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(path for path in EXAMPLES.rglob("*") if path.is_file() and path.suffix != ".png"),
    ]


@pytest.mark.parametrize("name", ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "examples/.env.example"])
def test_a_document_is_there(name: str) -> None:
    assert read(name).strip() != ""


def test_the_version_is_the_same_everywhere() -> None:
    newest = re.search(r"^## (\d+\.\d+\.\d+)", read("CHANGELOG.md"), re.MULTILINE)
    assert newest is not None
    assert (importlib.metadata.version("peer-relay"), newest[1]) == (peer_relay.__version__, peer_relay.__version__)


@pytest.mark.parametrize("path", prose(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_document_holds_no_token_and_no_path_of_the_machine_it_was_written_on(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert re.findall(r"prt1-[a-z2-7]{56}|gh[pousr]_\w{20,}|github_pat_\w{20,}", text) == []
    assert str(ROOT) not in text


@pytest.mark.parametrize(("name", "peer"), [("dev-a.mcp.json", "alice"), ("dev-b.mcp.json", "bob")])
def test_an_example_starts_the_server_with_nothing_secret_in_it(name: str, peer: str) -> None:
    assert json.loads(read("examples", name)) == {
        "mcpServers": {
            "peer-relay": {
                "type": "stdio",
                "command": "peer-relay",
                "args": ["serve"],
                "env": {
                    "PEER_RELAY_REMOTE": "${PEER_RELAY_REMOTE}",
                    "PEER_RELAY_ROOM_TOKEN": "${PEER_RELAY_ROOM_TOKEN}",
                    "PEER_RELAY_PEER_ID": peer,
                },
            }
        }
    }


def test_the_example_environment_names_every_variable_and_no_secret() -> None:
    assignments = dict(re.findall(r"^(?:# )?([A-Z_]+)=(.*)$", read("examples", ".env.example"), re.MULTILINE))
    secrets = ("PEER_RELAY_ROOM_TOKEN", "PEER_RELAY_GIT_PASSWORD", "GITHUB_TOKEN")
    assert set(assignments) == VARIABLES
    assert [assignments[name] for name in secrets] == ["", "", ""]


def test_every_variable_that_the_package_names_is_in_the_example_environment() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in Path(peer_relay.__path__[0]).rglob("*.py"))
    assert set(re.findall(r"\bPEER_RELAY_[A-Z]+(?:_[A-Z]+)*\b", source)) <= VARIABLES
