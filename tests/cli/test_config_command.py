"""`config`: the lines that an agent's file needs, shown or put there without harm to what stands there."""

from __future__ import annotations

import json
import os
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from peer_relay.agents.clients import CLIENTS
from peer_relay.agents.hooks import HOOKS
from peer_relay.agents.launch import Launch
from peer_relay.cli import hook
from peer_relay.keys import format_token
from peer_relay.rooms import SavedRoom
from peer_relay.settings import read_settings
from tests.cli.support import TOKEN, run

if TYPE_CHECKING:
    from click.testing import Result

FILES = {
    "claude": (".mcp.json", "mcpServers"),
    "cursor": (".cursor/mcp.json", "mcpServers"),
    "vscode": (".vscode/mcp.json", "servers"),
    "gemini": (".gemini/settings.json", "mcpServers"),
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Go to the folder of a project, on a machine on which peer-relay is installed for all to find."""
    programs, folder = tmp_path / "programs", tmp_path / "project"
    programs.mkdir()
    folder.mkdir()
    (programs / "peer-relay").symlink_to(Path(sys.executable).with_name("peer-relay"))
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.chdir(folder)
    return folder


def save(name: str, number: int = 1, remote: str = "git@github.com:alice/mailbox.git") -> None:
    room = SavedRoom(remote=remote, token=format_token(bytes([number]) * 32), peer_id="alice", other_peer="bob")
    read_settings().rooms.save(room, name)


def config(client: str, *more: str) -> Result:
    return run("config", "--client", client, *more)


@pytest.mark.parametrize("client", FILES)
def test_the_snippet_is_printed_alone_and_where_it_belongs_is_a_note(project: Path, client: str) -> None:
    shown, (name, table) = config(client), FILES[client]
    entry = json.loads(shown.stdout)[table]["peer-relay"]
    assert (shown.exit_code, entry["command"], entry["args"], "env" in entry) == (0, "peer-relay", ["serve"], False)
    assert shown.stderr == f"note: this belongs into {project / name}; --write puts it there.\n"
    assert list(project.iterdir()) == []


@pytest.mark.usefixtures("project")
def test_for_codex_the_command_is_named_that_writes_its_one_file(home: Path) -> None:
    shown = config("codex")
    assert tomllib.loads(shown.stdout) == {"mcp_servers": {"peer-relay": {"command": "peer-relay", "args": ["serve"]}}}
    assert shown.exit_code == 0
    assert shown.stderr == (
        f"note: this belongs into {home / '.codex' / 'config.toml'}; `codex mcp add peer-relay -- peer-relay serve` "
        "puts it there.\n"
    )
    refused = config("codex", "--write")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr == (
        f"error: {home / '.codex' / 'config.toml'} is one file for all projects, so --write leaves it. `codex mcp add "
        "peer-relay -- peer-relay serve` puts it there.\n"
    )
    assert not (home / ".codex").exists()


ONE_FILE = {
    "claude-desktop": (".config/Claude/claude_desktop_config.json", "mcpServers"),
    "windsurf": (".codeium/windsurf/mcp_config.json", "mcpServers"),
    "zed": (".config/zed/settings.json", "context_servers"),
}


@pytest.mark.skipif(sys.platform != "linux", reason="the files are where Linux has them")
@pytest.mark.parametrize("client", ONE_FILE)
def test_what_is_opened_from_a_desktop_gets_the_whole_path_into_its_one_file(
    project: Path, home: Path, client: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    name, table = ONE_FILE[client]
    path, shown = home / name, config(client)
    entry = json.loads(shown.stdout)[table]["peer-relay"]
    assert (Path(entry["command"]).name, Path(entry["command"]).is_file(), entry["args"]) == (
        "peer-relay",
        True,
        ["serve"],
    )
    assert shown.stderr == f"note: this belongs into {path}; --write puts it there.\n"
    assert config(client, "--write").stdout == f"The server is in {path} now.\n"
    assert json.loads(path.read_text()) == json.loads(shown.stdout)
    path.write_text("// mine\n{}\n")
    refused = config(client, "--write")
    assert (refused.exit_code, refused.stdout, path.read_text()) == (1, shown.stdout, "// mine\n{}\n")
    assert list(project.iterdir()) == []


@pytest.mark.parametrize("client", FILES)
def test_write_puts_it_into_the_project_s_file_and_the_same_again_changes_nothing(project: Path, client: str) -> None:
    path = project / FILES[client][0]
    shown = [config(client, "--write").stdout for _ in range(2)]
    assert shown == [
        f"The server is in {path} now.\n",
        f"{path} has the server already; nothing was changed.\n",
    ]
    assert json.loads(path.read_text()) == json.loads(config(client).stdout)


def test_a_file_that_is_changed_keeps_everything_else_and_is_kept_beside_itself(project: Path) -> None:
    path = project / ".mcp.json"
    path.write_text('{"mcpServers": {"other": {}}, "more": 1}')
    shown = config("claude", "--write", "--json")
    assert json.loads(shown.stdout) == {
        "client": "claude",
        "path": str(path),
        "snippet": config("claude").stdout,
        "command": "claude mcp add peer-relay -s user -- peer-relay serve",
        "changed": True,
        "backup": f"{path}.bak",
    }
    content = json.loads(path.read_text())
    assert (content["more"], list(content["mcpServers"])) == (1, ["other", "peer-relay"])


def test_a_file_with_comments_is_not_touched_and_the_snippet_is_there_to_be_pasted(project: Path) -> None:
    path = project / ".vscode" / "mcp.json"
    path.parent.mkdir()
    path.write_text("{\n  // mine\n}\n")
    shown = config("vscode", "--write")
    assert (shown.exit_code, path.read_text()) == (1, "{\n  // mine\n}\n")
    assert shown.stdout == config("vscode").stdout
    assert shown.stderr == (
        f"error: {path} holds comments, or is not JSON, so it was not touched. Put the lines that were printed there "
        "by hand.\n"
    )
    as_json = config("vscode", "--write", "--json")
    told = json.loads(as_json.stderr)["error"]
    assert (told["type"], f"error: {told['message']}\n") == ("NotWritten", shown.stderr)
    assert (json.loads(as_json.stdout)["changed"], json.loads(as_json.stdout)["snippet"]) == (False, shown.stdout)


@pytest.mark.usefixtures("project")
def test_a_file_that_cannot_be_written_is_a_sentence() -> None:
    Path(".vscode").write_text("a file in the place of a folder")
    shown = config("vscode", "--write")
    assert (shown.exit_code, shown.stdout) == (1, "")
    assert shown.stderr.startswith(f"error: {Path.cwd() / '.vscode'}")
    assert "Traceback" not in shown.stderr


@pytest.mark.usefixtures("project")
def test_of_several_rooms_one_has_to_be_named_and_is_passed_on(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEER_RELAY_HOME", str(home / "relay"))
    save("first", 1)
    assert env_of(config("cursor")) == {"PEER_RELAY_HOME": str(home / "relay")}
    save("second", 2)
    shown = config("cursor")
    assert (shown.exit_code, shown.stderr) == (
        1,
        "error: The room is not clear: saved are first, second. Say --room with one of these names.\n",
    )
    named = {"PEER_RELAY_HOME": str(home / "relay"), "PEER_RELAY_ROOM": "second"}
    assert env_of(config("cursor", "--room", "second")) == named
    monkeypatch.setenv("PEER_RELAY_ROOM", "second")
    assert env_of(config("cursor")) == named
    assert config("cursor", "--room", "third").exit_code == 1


def env_of(shown: Result) -> dict[str, str]:
    found: dict[str, str] = json.loads(shown.stdout)["mcpServers"]["peer-relay"]["env"]
    return found


@pytest.mark.usefixtures("project")
def test_what_the_login_needs_is_handed_on_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", "/run/agent.sock")
    save("alice-bob")
    server = tomllib.loads(config("codex").stdout)["mcp_servers"]["peer-relay"]
    assert server["env_vars"] == ["SSH_AUTH_SOCK"]
    assert env_of(config("gemini")) == {"SSH_AUTH_SOCK": "${SSH_AUTH_SOCK}"}
    save("alice-bob", remote="~nobody-of-that-name/x")
    assert "env_vars" not in config("codex").stdout
    assert TOKEN not in config("codex").stdout


def test_a_client_that_is_not_known_is_wrong_usage() -> None:
    shown = config("emacs")
    assert (shown.exit_code, shown.stdout) == (2, "")
    names = "'claude', 'claude-desktop', 'codex', 'gemini', 'cursor', 'vscode', 'windsurf', 'zed'"
    assert f"'emacs' is not one of {names}." in shown.stderr


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
def test_a_link_is_written_through(project: Path) -> None:
    real = project / "dotfiles.json"
    real.write_text("{}")
    (project / ".mcp.json").symlink_to(real)
    shown = config("claude", "--write")
    assert shown.stdout == f"The server is in {real} now. The file from before is {real}.bak.\n"
    assert (project / ".mcp.json").is_symlink()


# ---------------------------------------------------------------------------------------------------------------------
# Hooks


BELONG = {
    "claude": ".claude/settings.json, beside what is there; leave it out if you have the plugin, which brings the same",
    "codex": ".codex/hooks.json, beside what is there; the next session asks whether you trust it",
    "gemini": ".gemini/settings.json, beside what is there",
    "vscode": ".github/hooks/peer-relay.json, beside what is there; leave it out if ~/.claude/settings.json has the "
    "hooks, which VS Code runs too",
}
LINE = "At the start of a task, call check_questions and tell me what waits."


@pytest.mark.parametrize("client", HOOKS)
def test_the_hooks_are_printed_alone_and_never_written(project: Path, home: Path, client: str) -> None:
    shown, refused = config(client, "--hooks"), config(client, "--hooks", "--write")
    where = f"{project if client == 'vscode' else home}/{BELONG[client]}"
    path = where.partition(",")[0]
    assert (shown.exit_code, shown.stderr) == (0, f"note: this belongs into {where}.\n")
    assert shown.stdout == HOOKS[client].snippet(Launch(("peer-relay", "serve")))
    assert (refused.exit_code, refused.stdout, list(project.iterdir())) == (1, "", [])
    assert refused.stderr == (
        f"error: {path} may hold hooks of others, so --write leaves it. Put there by hand what --hooks alone prints.\n"
    )
    assert json.loads(config(client, "--hooks", "--json").stdout) == {
        "client": client,
        "path": path,
        "snippet": shown.stdout,
        "command": None,
        "changed": False,
        "backup": None,
    }


@pytest.mark.parametrize("client", [name for name in CLIENTS if name not in HOOKS])
def test_for_a_client_without_hooks_it_says_what_to_do_instead(client: str) -> None:
    shown = config(client, "--hooks", "--write")
    assert (shown.exit_code, shown.stdout) == (1, "")
    assert shown.stderr == (
        f"error: {CLIENTS[client].title} has no hooks that peer-relay could use. Put this line into its instructions: "
        f"{LINE}\n"
    )


def test_a_hook_is_one_line_for_a_shell_at_an_event_that_the_hook_knows() -> None:
    launch = Launch(("/opt/a b/peer-relay", "serve"), {"PEER_RELAY_HOME": "/x", "PEER_RELAY_ROOM": "alice-carol"})
    line = "'/opt/a b/peer-relay' hook --room alice-carol"
    hook_of = {name: {"type": "command", "command": line, "timeout": 5} for name in HOOKS}
    hook_of["gemini"]["timeout"] = 5000
    assert {name: hooks.table(launch) for name, hooks in HOOKS.items()} == {
        name: {"hooks": {each: [hook_of[name] if name == "vscode" else {"hooks": [hook_of[name]]}] for each in events}}
        for name, events in ((name, hooks.events) for name, hooks in HOOKS.items())
    }
    assert {event for hooks in HOOKS.values() for event in hooks.events} == set(hook._BEGINS)


@pytest.mark.usefixtures("project")
def test_the_hooks_name_one_of_several_rooms_and_are_found_where_an_agent_was_moved_to(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, name in enumerate(("first", "second"), start=1):
        save(name, number)
    assert config("gemini", "--hooks").exit_code == 1
    assert '"command": "peer-relay hook --room second"' in config("gemini", "--hooks", "--room", "second").stdout
    moved = {"claude": "CLAUDE_CONFIG_DIR", "codex": "CODEX_HOME", "gemini": "GEMINI_CLI_HOME"}
    for client, variable in moved.items():
        monkeypatch.setenv(variable, str(home / "elsewhere"))
        shown = json.loads(config(client, "--hooks", "--room", "second", "--json").stdout)
        assert Path(shown["path"]) == home / "elsewhere" / HOOKS[client].file


@pytest.mark.usefixtures("project")
def test_a_folder_of_its_own_is_nothing_that_a_hook_can_be_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEER_RELAY_HOME", str(home / "relay"))
    assert config("gemini", "--hooks").stderr.endswith("; PEER_RELAY_HOME has to be set where it is started.\n")
