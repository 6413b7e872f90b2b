"""What the MCP registry and Claude Desktop are told of the package, against the package.

Both formats have a published schema. What it demands of what is used here is written down as the tests' own; both files
were held against the schemas themselves when they were written, and `make clients` lets the packer of bundles look.
"""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

import peer_relay
from peer_relay.server.tools import FACES
from peer_relay.settings import DEFAULT_TIMEOUT_S, Settings
from tests.source import sources

ROOT = Path(__file__).parents[1]
NAME = "io.github.peer-relay/peer-relay"
ADDRESS = "https://github.com/peer-relay/peer-relay"


def read(*parts: str) -> Any:
    return json.loads(ROOT.joinpath(*parts).read_text(encoding="utf-8"))


LISTING, BUNDLE = read("server.json"), read("examples", "mcpb", "manifest.json")
PACKAGE = LISTING["packages"][0]
PROJECT = tomllib.loads(ROOT.joinpath("pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_every_file_that_names_the_version_names_this_one() -> None:
    bundled = tomllib.loads(ROOT.joinpath("examples", "mcpb", "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = {
        "server.json": LISTING["version"],
        "its package": PACKAGE["version"],
        "the bundle": BUNDLE["version"],
        "what the bundle installs": bundled["dependencies"][0].removeprefix("peer-relay=="),
        "its project": bundled["version"],
        "the plugin": read("examples", "claude-code-plugin", ".claude-plugin", "plugin.json")["version"],
    }
    assert named == dict.fromkeys(named, peer_relay.__version__)
    assert bundled["requires-python"] == PROJECT["requires-python"] == BUNDLE["compatibility"]["runtimes"]["python"]


def test_every_file_that_says_what_it_is_says_the_same() -> None:
    said = {each["description"] for each in (LISTING, BUNDLE, PROJECT)}
    assert len(said) == 1
    assert len(said.pop()) <= 100
    assert {LISTING["repository"]["url"], LISTING["websiteUrl"], BUNDLE["repository"]["url"]} == {ADDRESS}


# ---------------------------------------------------------------------------------------------------------------------
# The MCP registry


def test_the_listing_has_the_form_of_its_schema() -> None:
    assert LISTING["$schema"] == "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json"
    assert set(LISTING) == {*("$schema", "name", "title", "description", "version"), *("websiteUrl", "repository")} | {
        "packages"
    }
    assert LISTING["repository"]["source"] == "github"
    assert {name: value for name, value in PACKAGE.items() if name not in ("version", "environmentVariables")} == {
        "registryType": "pypi",
        "identifier": PROJECT["name"],
        "runtimeHint": "uvx",
        "transport": {"type": "stdio"},
        "packageArguments": [{"type": "positional", "value": "serve"}],
    }
    for variable in PACKAGE["environmentVariables"]:
        assert set(variable) <= {"name", "description", "isRequired", "isSecret", "format", "default"}
        assert variable.get("format", "string") in ("string", "number", "boolean", "filepath")


def test_the_readme_proves_that_the_package_and_the_listing_are_of_the_same_people() -> None:
    assert re.fullmatch(r"[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+", NAME)
    assert LISTING["name"] == NAME
    assert f"<!-- mcp-name: {NAME} -->" in ROOT.joinpath("README.md").read_text(encoding="utf-8")


def test_the_listing_names_the_variables_of_the_program() -> None:
    variables = {each["name"]: each for each in PACKAGE["environmentVariables"]}
    own = {f"PEER_RELAY_{name.upper()}" for name in Settings.__dataclass_fields__}
    logins = {"PEER_RELAY_GIT_USERNAME", "PEER_RELAY_GIT_PASSWORD", "GITHUB_TOKEN"}
    assert set(variables) == own | logins
    source = "".join(sources().values())
    assert [name for name in logins if name not in source] == []
    assert {name for name, each in variables.items() if each.get("isSecret")} == {
        *("PEER_RELAY_ROOM_TOKEN", "PEER_RELAY_GIT_PASSWORD", "GITHUB_TOKEN")
    }
    assert [each["isRequired"] for each in variables.values()] == [False] * len(variables)
    assert variables["PEER_RELAY_TIMEOUT"]["default"] == f"{DEFAULT_TIMEOUT_S:g}"


# ---------------------------------------------------------------------------------------------------------------------
# The bundle for Claude Desktop


def test_the_bundle_starts_what_is_in_it() -> None:
    server = BUNDLE["server"]
    assert BUNDLE["manifest_version"] == "0.4"
    assert (server["type"], server["mcp_config"]["command"]) == ("uv", "uv")
    assert server["mcp_config"]["args"] == ["run", "--directory", "${__dirname}", server["entry_point"]]
    assert (ROOT / "examples" / "mcpb" / server["entry_point"]).is_file()


def test_the_bundle_asks_for_what_it_passes_on_and_a_saved_room_needs_none_of_it() -> None:
    asked, passed = BUNDLE["user_config"], BUNDLE["server"]["mcp_config"]["env"]
    assert passed == {f"PEER_RELAY_{name.upper()}": f"${{user_config.{name}}}" for name in asked}
    assert set(asked) <= set(Settings.__dataclass_fields__)
    assert [name for name, field in asked.items() if field.get("sensitive")] == ["room_token"]
    assert [field["required"] for field in asked.values()] == [False] * len(asked)
    assert Settings.from_environ(passed) == Settings()


def test_the_bundle_names_the_tools() -> None:
    assert [tool["name"] for tool in BUNDLE["tools"]] == [face.name for face in FACES]


@pytest.mark.parametrize("name", ["manifest.json", "pyproject.toml", "server.py", "wheels/README.md", ".mcpbignore"])
def test_the_bundle_is_whole(name: str) -> None:
    assert (ROOT / "examples" / "mcpb" / name).is_file()
