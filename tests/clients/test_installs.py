"""The ways in which people install it: the wheel as it is built, with whatever PyPI has of what it needs.

The installers reach PyPI as this machine's own would; everything else is as for the other programs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import peer_relay
from tests.clients.programs import ROOT, Program, running, surroundings

if TYPE_CHECKING:
    from collections.abc import Mapping

# Read before the fixtures take it from the tests: how this machine reaches a package registry.
_REACH = {
    name: value
    for name, value in os.environ.items()
    if name.startswith(("PIP_", "UV_", "SSL_CERT_")) or name == "REQUESTS_CA_BUNDLE"
} | {name: os.environ.get(name, os.environ.get(name.lower(), "")) for name in ("HTTP_PROXY", "HTTPS_PROXY")}
VERSION = f"peer-relay {peer_relay.__version__}\n"
LIMIT_S = 55
HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, timeout=LIMIT_S)
    (built,) = folder.iterdir()
    return built


def answer_of(command: list[str], home: Path, variables: Mapping[str, str]) -> dict[str, object]:
    """Start a server, say hello to it, and return who it says that it is."""
    with running(command, surroundings(home, variables), home) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(HELLO) + "\n")
        process.stdin.flush()
        answer = process.stdout.readline()
        rest = process.communicate(timeout=LIMIT_S)
    assert (process.returncode, rest) == (0, ("", ""))
    about: dict[str, object] = json.loads(answer)["result"]["serverInfo"]
    return about


@pytest.mark.timeout(120)
def test_uvx_runs_it_from_anywhere_and_the_server_answers(uv: Program, wheel: Path, tmp_path: Path) -> None:
    variables = _REACH | {
        "UV_FIND_LINKS": str(wheel.parent),
        "UV_PYTHON": sys.executable,
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_CACHE_DIR": str(tmp_path / "cache"),
    }
    uvx = str(Path(uv.command[0]).with_name("uvx"))
    done = Program((uvx,))("peer-relay", "--version", home=tmp_path, variables=variables, limit_s=LIMIT_S)
    assert (done.code, done.output) == (0, VERSION), done.errors
    about = answer_of([uvx, "peer-relay", "serve"], tmp_path, variables | {"UV_OFFLINE": "1"})
    assert (about["name"], about["version"]) == ("peer-relay", peer_relay.__version__)


@pytest.mark.timeout(120)
def test_pipx_installs_the_wheel_and_the_server_answers(pipx: Program, wheel: Path, tmp_path: Path) -> None:
    variables = _REACH | {"PIPX_HOME": str(tmp_path / "pipx"), "PIPX_BIN_DIR": str(tmp_path / "bin")}
    done = pipx("install", "--python", sys.executable, wheel, home=tmp_path, variables=variables, limit_s=LIMIT_S)
    assert done.code == 0, done.errors
    installed = str(tmp_path / "bin" / "peer-relay")
    assert Program((installed,))("--version", home=tmp_path).output == VERSION
    about = answer_of([installed, "serve"], tmp_path, {})
    assert (about["name"], about["version"]) == ("peer-relay", peer_relay.__version__)
