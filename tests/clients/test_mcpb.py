"""The bundle for Claude Desktop: its packer takes it, and what it would be started with is a server that answers.

Claude Desktop itself needs a screen and does not run here. How it starts a bundle is what the manifest says.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

from tests.clients.programs import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.clients.people import Pair
    from tests.clients.programs import Program

BUNDLE = ROOT / "examples" / "mcpb"
_LEADS_THERE = ("UV_", "SSL_CERT_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
# Read while the tests are collected: a running test sees nothing of this machine's environment.
REGISTRY = {name: value for name, value in os.environ.items() if name.upper().startswith(_LEADS_THERE)}
OPEN = {"HTTP_PROXY": "", "HTTPS_PROXY": "", **REGISTRY}
"""What leads to the package registry, as this machine does it."""


def test_the_packer_takes_the_bundle_as_it_is(mcpb: Program, tmp_path: Path) -> None:
    assert mcpb("validate", BUNDLE / "manifest.json", home=tmp_path).code == 0
    packed = tmp_path / "peer-relay.mcpb"
    assert mcpb("pack", BUNDLE, packed, home=tmp_path).code == 0
    with zipfile.ZipFile(packed) as archive:
        assert set(archive.namelist()) == {"manifest.json", "pyproject.toml", "server.py", "wheels/README.md"}


def test_a_bundle_with_a_wheel_in_it_starts_a_server_that_knows_the_saved_room(
    mcpb: Program, uv: Program, inspector: Program, people: Pair, tmp_path: Path
) -> None:
    source, packed, installed = (tmp_path / name for name in ("source", "peer-relay.mcpb", "installed"))
    shutil.copytree(BUNDLE, source, ignore=shutil.ignore_patterns(".venv", "uv.lock"))
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", source / "wheels", ROOT]
    subprocess.run(build, check=True, capture_output=True)
    assert mcpb("pack", source, packed, home=tmp_path).code == 0
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(installed)
    cache = {"UV_CACHE_DIR": str(tmp_path / "cache"), "UV_PYTHON": sys.executable}
    synced = uv("sync", "--directory", installed, home=tmp_path, variables={**OPEN, **cache})
    assert synced.code == 0, synced
    started = json.loads((installed / "manifest.json").read_text(encoding="utf-8"))["server"]["mcp_config"]
    words = [word.replace("${__dirname}", str(installed)) for word in (started["command"], *started["args"])]
    given = {**started["env"], **people.bob.variables, **cache}
    options = [word for name, value in given.items() for word in ("-e", f"{name}={value}")]
    people.alice.run("ask", "Why 15 minutes?")
    call = ("--method", "tools/call", "--tool-name", "check_questions")
    asked = inspector(*options, *words, *call, home=people.bob.home)
    assert asked.code == 0, asked
    questions = json.loads(asked.output)["structuredContent"]["questions"]
    assert [each["question"] for each in questions] == ["Why 15 minutes?"]
