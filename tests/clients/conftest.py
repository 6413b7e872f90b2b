"""Programs of real clients, as fixtures.

A program that is missing skips the test, or fails it if `PEER_RELAY_REQUIRE_CLIENTS=1`, so that a build server cannot
pass by testing nothing. `make programs` installs all of them.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.clients.people import Pair, pair
from tests.clients.programs import INSTALLED, Program

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def claude() -> Program:
    """Give Claude Code. Only the package for this platform is installed, and it holds the whole program."""
    return Program((str(_installed("node_modules/@anthropic-ai/claude-code-*/claude")),))


@pytest.fixture(scope="session")
def codex() -> Program:
    """Give Codex. Only the package for this platform is installed, and it holds the whole program."""
    return Program((str(_installed("node_modules/@openai/codex-*/vendor/*/bin/codex")),))


@pytest.fixture(scope="session")
def gemini() -> Program:
    """Give Gemini CLI."""
    return Program((str(_installed("node_modules/.bin/gemini")),))


@pytest.fixture(scope="session")
def node() -> Program:
    """Give Node, started where a script from its standard input finds the installed packages."""
    return Program((str(_installed("bin/node")), "--input-type=module", "-"), cwd=INSTALLED)


@pytest.fixture(scope="session")
def inspector() -> Program:
    """Give the command line of the MCP Inspector."""
    return Program((str(_installed("node_modules/.bin/mcp-inspector")), "--cli"))


@pytest.fixture(scope="session")
def mcpb() -> Program:
    """Give the program that checks and packs bundles for Claude Desktop."""
    return Program((str(_installed("node_modules/.bin/mcpb")),))


@pytest.fixture(scope="session")
def fastmcp() -> Program:
    """Give the command line of fastmcp."""
    return Program((str(_installed("bin/fastmcp")),))


@pytest.fixture(scope="session")
def uv() -> Program:
    """Give uv. It reaches a package registry only if a test gives it the variables for that."""
    return Program((str(_installed("bin/uv")),))


@pytest.fixture(scope="session")
def pipx() -> Program:
    """Give pipx, of which the same is true."""
    return Program((str(_installed("bin/pipx")),))


@pytest.fixture
def people(tmp_path: Path) -> Pair:
    """Give two people who share a room."""
    return pair(tmp_path)


def _installed(pattern: str) -> Path:
    found = sorted(INSTALLED.glob(pattern))
    if not found:
        reason = f"{pattern.rpartition('/')[2]} is not installed: run `make programs`"
        if os.environ.get("PEER_RELAY_REQUIRE_CLIENTS") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return found[0]
