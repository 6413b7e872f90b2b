"""Whether an agent could start the server, by what stands in the agents' own files."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from peer_relay.agents.launch import Launch
from peer_relay.agents.registered import Registration, registrations
from peer_relay.doctor.findings import ok, warning
from peer_relay.doctor.registered import check_agents

LAUNCH = Launch(("/opt/peer-relay", "serve"), {"PEER_RELAY_ROOM": "work"})


def registered(*command: str, client: str = "claude", scope: str = "user") -> Registration:
    return Registration(client, Path("/home/me/my file.json"), command, scope)


def test_where_it_is_registered_is_told() -> None:
    found = check_agents([registered(sys.executable), registered("${X}/y", client="codex")], "", LAUNCH)
    assert found == ok("Claude Code (user, /home/me/my file.json) and Codex (user, /home/me/my file.json).")


@pytest.mark.parametrize(("command", "program"), [(("gone", "serve"), "gone"), ((), "nothing")])
def test_a_command_that_is_not_there_is_named_with_the_file_to_mend(command: tuple[str, ...], program: str) -> None:
    found = check_agents([registered(sys.executable), registered(*command, scope="project")], "", LAUNCH)
    assert found == warning(
        f"Claude Code (project, /home/me/my file.json) would start {program}, which is not there.",
        fix="${EDITOR:-vi} '/home/me/my file.json'",
    )


def test_a_plugin_whose_program_is_not_found_sends_nobody_to_a_file() -> None:
    found = check_agents([registered("peer-relay", "serve", scope="plugin")], "", LAUNCH)
    assert found.what.endswith(" would start peer-relay, which is not there.")
    assert (found.fix, found.advice is not None and "PATH" in found.advice) == (None, True)


@pytest.mark.parametrize(("here", "agent"), [((), "claude"), (("gemini", "codex"), "codex")])
def test_without_any_the_command_tells_the_agent_that_is_here(
    tmp_path: Path, here: tuple[str, ...], agent: str
) -> None:
    for name in here:
        (tmp_path / name).touch(mode=0o755)
    found = check_agents([], str(tmp_path), LAUNCH)
    assert found.what == "No agent on this machine knows the server, as far as their files tell."
    assert found.fix is not None
    words = shlex.split(found.fix)
    assert (words[:3], words[-2:]) == ([agent, "mcp", "add"], ["/opt/peer-relay", "serve"])
    assert "PEER_RELAY_ROOM=work" in words


def test_a_real_file_of_an_agent_is_understood(tmp_path: Path) -> None:
    (tmp_path / ".mcp.json").write_text('{"mcpServers": {"peer-relay": {"command": "gone", "args": ["serve"]}}}')
    found = check_agents(registrations(tmp_path / "home", tmp_path), "", LAUNCH)
    assert found.what == f"Claude Code (project, {tmp_path / '.mcp.json'}) would start gone, which is not there."
