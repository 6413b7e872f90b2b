"""Claude Code is told of the server in each of the documented ways, and finds it healthy."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from tests.clients.people import PEER_RELAY
from tests.clients.programs import Program, surroundings

if TYPE_CHECKING:
    from tests.clients.people import Pair, Person


def with_claude(person: Person, claude: Program) -> dict[str, str]:
    """Return a person's variables, with `claude` on the search path."""
    folder = Path(claude.command[0]).parent
    return {**person.variables, "PATH": os.pathsep.join((str(folder), surroundings(person.home)["PATH"]))}


def test_it_connects_to_a_server_that_was_added_by_hand(claude: Program, people: Pair) -> None:
    bob = people.bob

    def run(*arguments: str) -> str:
        done = claude("mcp", *arguments, home=bob.home, variables=bob.variables)
        assert done.code == 0, done
        return done.output

    run("add", "peer-relay", "-s", "user", "--", "peer-relay", "serve")
    assert "\npeer-relay: peer-relay serve - ✔ Connected" in run("list")
    assert "  Status: ✔ Connected" in run("get", "peer-relay")


def test_it_connects_to_a_server_that_was_added_by_the_printed_command(claude: Program, people: Pair) -> None:
    alice = people.alice
    printed = alice.run("init", str(people.mailbox), "--me", "alice", "--peer", "bob").output
    (command,) = [line.strip() for line in printed.splitlines() if line.startswith("    claude mcp add ")]
    shell, variables = Program(("sh", "-c")), with_claude(alice, claude)
    added = shell(command, home=alice.home, variables={"PATH": variables["PATH"]})
    assert added.code == 0, added
    # The command names the home of the room itself: nothing else leads there.
    assert "✔ Connected" in claude("mcp", "list", home=alice.home).output


def test_it_connects_to_a_server_that_init_has_registered(claude: Program, people: Pair) -> None:
    alice = people.alice
    arguments = ("init", str(people.mailbox), "--me", "alice", "--peer", "bob", "--register")
    done = PEER_RELAY(*arguments, home=alice.home, variables=with_claude(alice, claude))
    assert done.code == 0, done
    assert "✔ Connected" in claude("mcp", "get", "peer-relay", home=alice.home).output


def test_it_asks_before_it_starts_the_server_of_a_project(claude: Program, people: Pair, tmp_path: Path) -> None:
    bob, project = people.bob, tmp_path / "project"
    project.mkdir()
    written = PEER_RELAY(
        *("config", "--client", "claude", "--write"), home=bob.home, variables=bob.variables, cwd=project
    )
    assert (written.code, [*json.loads((project / ".mcp.json").read_text())["mcpServers"]]) == (0, ["peer-relay"])
    listed = claude("mcp", "list", home=bob.home, cwd=project).output
    assert ("peer-relay: " in listed, "Pending approval" in listed) == (True, True), listed
