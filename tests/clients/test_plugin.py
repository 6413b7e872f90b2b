"""The plugin in Claude Code: it takes it, installs it from a repository's address, and uses all that is in it."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.clients.model import playing, say
from tests.clients.programs import ROOT
from tests.clients.sessions import PROMPT, on_terminal, session

if TYPE_CHECKING:
    from pathlib import Path

    from tests.clients.people import Pair
    from tests.clients.programs import Program

PLUGIN = "examples/claude-code-plugin"
WITH_PLUGIN = ("--plugin-dir", ROOT / PLUGIN)
# Git asks the host's side of itself on this machine, by the last word that it gives to ssh.
SSH = '#!/bin/sh\nfor last; do :; done\neval "exec $last"\n'


@pytest.mark.parametrize("arguments", [(ROOT,), (ROOT / PLUGIN, "--profile", "directory")], ids=["catalogue", "plugin"])
def test_claude_code_finds_no_fault_in_it(claude: Program, tmp_path: Path, arguments: tuple[str | Path, ...]) -> None:
    done = claude("plugin", "validate", "--strict", *arguments, home=tmp_path)
    assert (done.code, "Validation passed" in done.output) == (0, True), done


def test_the_address_of_a_repository_installs_it_and_its_server_connects(
    claude: Program, people: Pair, tmp_path: Path
) -> None:
    bob = people.bob
    address, ssh = repository(tmp_path)
    variables = {**bob.variables, "GIT_SSH_COMMAND": str(ssh)}

    def run(*arguments: str) -> str:
        done = claude(*arguments, home=bob.home, variables=variables)
        assert done.code == 0, done
        return done.output

    run("plugin", "marketplace", "add", address)
    run("plugin", "install", "peer-relay@peer-relay")
    installed = {each["id"]: each["enabled"] for each in json.loads(run("plugin", "list", "--json"))}
    assert installed["peer-relay@peer-relay"] is True
    assert "plugin:peer-relay:peer-relay: peer-relay serve - ✔ Connected" in run("mcp", "list")
    agents = next(check for check in bob.read("doctor")["checks"] if check["id"] == "agents")
    assert (agents["state"], "Claude Code (plugin, " in agents["what"]) == ("ok", True)

    # With a server of one's own that is started in the same way, Claude Code leaves the plugin's out.
    run("mcp", "add", "peer-relay", "-s", "user", "--", "peer-relay", "serve")
    listed = run("mcp", "list")
    assert ("\npeer-relay: peer-relay serve - ✔ Connected" in listed, "plugin:" in listed) == (True, False)


def repository(folder: Path) -> tuple[str, Path]:
    """Return the ssh address of a repository with the plugin in it, and the program that reaches it."""
    source = folder / "source"
    for name in (".claude-plugin", PLUGIN):
        shutil.copytree(ROOT / name, source / name)
    author = ("-c", "user.name=maintainer", "-c", "user.email=maintainer@peer-relay.invalid")
    for command in (("init", "--quiet"), ("add", "--all"), (*author, "commit", "--quiet", "--message", "all")):
        subprocess.run(["git", *command], cwd=source, check=True)
    ssh = folder / "ssh"
    ssh.write_text(SSH)
    ssh.chmod(0o700)
    return f"git@git.example:{source}", ssh


def test_a_command_brings_the_facts_and_the_model_sees_the_skill_alone(claude: Program, people: Pair) -> None:
    people.alice.run("ask", "Why is a subject cut at 72 characters?")
    people.bob.run("wait", "--timeout", "30")
    (request,) = session(
        claude, people.bob, say("So be it."), options=WITH_PLUGIN, prompt="/peer-relay:status"
    ).requests
    sent = json.dumps(request)
    assert "Tell me in two or three sentences how things stand" in sent
    assert "1 question from alice waits for your answer" in sent
    assert ("- peer-relay:peer-relay: How to ask" in sent, "- peer-relay:status" in sent) == (True, False)


def test_the_monitor_wakes_an_idle_session_once(claude: Program, people: Pair) -> None:
    bob = people.bob
    with playing(say("Good morning.")) as model, on_terminal(claude, bob, model.url, *WITH_PLUGIN) as terminal:
        terminal.wait_for(lambda screen: PROMPT in screen)
        terminal.type("Good morning.\r")
        terminal.wait_for(lambda _: len(model.requests) == 1)
        people.alice.run("ask", "Why is a subject cut at 72 characters?")
        terminal.wait_for(lambda _: len(model.requests) == 2)
    woken = json.dumps(model.requests[1])
    assert ("<task-notification>" in woken, "72 characters" in woken, model.refused) == (True, False, [])
    assert woken.count("1 question from alice is waiting in peer-relay (for ") == 1
