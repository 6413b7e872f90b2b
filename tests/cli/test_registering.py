"""After `init` and `join` the agents of a machine are told of the server: shown first, asked for, never in the way.

The agents here are small programs that write down how they were called and do what the real ones were seen to do.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from peer_relay.cli import launching, registering
from peer_relay.git.remote import parse_remote
from peer_relay.rooms import SavedRoom
from peer_relay.settings import read_settings
from tests.cli.people import init
from tests.cli.support import TOKEN, run

if TYPE_CHECKING:
    from click.testing import Result

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the agents are shell scripts")

RECORD = 'for word in "$@"; do printf "%s\\n" "$word"; done >> "$HOME/NAME.argv"\n'
ENTRY = '{"mcpServers": {"peer-relay": {"command": "peer-relay", "args": ["serve"], "env": {}}}}'
DOES = {
    "claude": (
        '[ -e "$HOME/.claude.json" ] && { echo "MCP server peer-relay already exists in user config" >&2; exit 1; }\n'
        f"echo '{ENTRY}' > \"$HOME/.claude.json\"\n"
        "echo 'Added stdio MCP server peer-relay with command: peer-relay serve to user config'\n"
    ),
    "codex": "echo \"Added global MCP server 'peer-relay'.\"\n",
    "gemini": "echo 'MCP server \"peer-relay\" added to user settings. (stdio)' >&2\n",
}
ADDED = {
    "claude": ["mcp", "add", "peer-relay", "-s", "user", "--", "peer-relay", "serve"],
    "codex": ["mcp", "add", "peer-relay", "--", "peer-relay", "serve"],
    "gemini": ["mcp", "add", "-s", "user", "peer-relay", "peer-relay", "serve"],
}
COMMANDS = {name: " ".join([name, *words]) for name, words in ADDED.items()}
TITLES = {"claude": "Claude Code", "codex": "Codex", "gemini": "Gemini CLI"}
NOW = "has the server now; a session that is open has to be started again."
HOOKS = "So that an agent notices a question by itself, give it the hooks too. This shows them:"


class Machine:
    """A machine on which some agents are installed, and nothing else."""

    def __init__(self, home: Path, programs: Path) -> None:
        self.home = home
        self._programs = programs

    def install(self, name: str, script: str | None = None) -> None:
        """Install an agent; a script of one's own begins as it has to."""
        program = self._programs / name
        text = f"#!/bin/sh\n{RECORD.replace('NAME', name)}{DOES[name]}" if script is None else script
        program.write_text(text, encoding="utf-8")
        program.chmod(0o755)

    def calls(self, name: str) -> list[str]:
        """Return the words with which an agent was called."""
        record = self.home / f"{name}.argv"
        return record.read_text().splitlines() if record.exists() else []


@pytest.fixture
def machine(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Give a machine without any agent, on which peer-relay is installed for all to find."""
    programs, project = tmp_path / "programs", tmp_path / "project"
    programs.mkdir()
    project.mkdir()
    (programs / "peer-relay").symlink_to(Path(sys.executable).with_name("peer-relay"))
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.chdir(project)
    return Machine(home, programs)


def open_room(mailbox: Path, *more: str, peer: str = "bob", given: str | None = None) -> Result:
    return run("init", str(mailbox), "--me", "alice", "--peer", peer, *more, given=given)


def told(result: Result) -> str:
    """Return what was said after the invite."""
    assert result.exit_code == 0
    return result.stdout.partition("    peer-relay join\n")[2]


def hooks_for(*names: str, room: str = "") -> str:
    """Return the last words to somebody whose agents did not have the server before."""
    return f"\n{HOOKS}\n\n" + "".join(f"    peer-relay config --client {each} --hooks{room}\n" for each in names)


def test_with_register_every_agent_that_is_there_is_told_in_its_own_way(machine: Machine, mailbox: Path) -> None:
    for name in ("claude", "codex", "gemini"):
        machine.install(name)
    shown = open_room(mailbox, "--register")
    assert {name: machine.calls(name) for name in ADDED} == ADDED
    assert (told(shown), shown.stderr) == (
        "".join(
            f"\n{TITLES[name]} is told of the server:\n\n    {COMMANDS[name]}\n\n{TITLES[name]} {NOW}\n"
            for name in ADDED
        )
        + hooks_for(*ADDED),
        "",
    )
    assert not (machine.home / ".claude" / "settings.json").exists()


def test_an_agent_that_has_the_server_is_left_alone(machine: Machine, mailbox: Path) -> None:
    machine.install("claude")
    open_room(mailbox, "--register")
    assert told(open_room(mailbox, "--register")) == (
        f"\nClaude Code has the server already ({machine.home / '.claude.json'}).\n"
    )
    assert machine.calls("claude") == ADDED["claude"]


@pytest.mark.parametrize(("reply", "called"), [("", True), ("y", True), ("n", False)])
def test_on_a_terminal_the_command_is_shown_and_asked_about(
    machine: Machine, mailbox: Path, monkeypatch: pytest.MonkeyPatch, reply: str, called: bool
) -> None:
    machine.install("codex")
    monkeypatch.setattr(registering, "can_ask", lambda: True)
    shown = open_room(mailbox, given=f"{reply}\n")
    assert shown.stderr.startswith(f"\nCodex is told of the server by\n\n    {COMMANDS['codex']}\n\nRun this? [Y/n]: ")
    done = (ADDED["codex"], f"\nCodex {NOW}\n{hooks_for('codex')}")
    assert (machine.calls("codex"), told(shown)) == (done if called else ([], ""))


def test_join_asks_as_init_does(machine: Machine, mailbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    invite = init(mailbox, "--no-register")
    monkeypatch.setenv("PEER_RELAY_HOME", str(machine.home / "bob"))
    machine.install("gemini")
    shown = run("join", "--register", given=invite)
    words = ["mcp", "add", "-s", "user", "-e", f"PEER_RELAY_HOME={machine.home / 'bob'}", "peer-relay", "peer-relay"]
    assert (shown.exit_code, machine.calls("gemini")) == (0, [*words, "serve"])


def test_without_a_terminal_the_commands_are_advice_and_nothing_is_run(machine: Machine, mailbox: Path) -> None:
    machine.install("codex")
    machine.install("gemini")
    needs = "\nYour agent needs the MCP server `peer-relay serve`."
    assert told(open_room(mailbox)) == "".join(
        f"{needs} This tells {TITLES[name]} of it:\n\n    {COMMANDS[name]}\n" for name in ("codex", "gemini")
    ) + hooks_for("codex", "gemini")
    assert [machine.calls(name) for name in ADDED] == [[], [], []]


def test_where_no_agent_is_found_the_way_of_one_is_told_and_where_the_others_are(
    machine: Machine, mailbox: Path
) -> None:
    assert told(open_room(mailbox)) == (
        "\nYour agent needs the MCP server `peer-relay serve`. This tells Claude Code of it:\n\n"
        f"    {COMMANDS['claude']}\n{hooks_for('claude')}\n"
        "For another agent: peer-relay config --client claude-desktop|codex|gemini|cursor|vscode|windsurf|zed\n"
    )
    (machine.home / ".cursor").mkdir()
    (machine.home / ".cursor" / "mcp.json").write_text(ENTRY)
    assert told(open_room(mailbox)) == ""


@pytest.mark.usefixtures("machine")
def test_with_no_register_nothing_is_said(mailbox: Path) -> None:
    assert told(open_room(mailbox, "--no-register")) == ""


def test_with_json_the_object_stands_alone(machine: Machine, mailbox: Path) -> None:
    machine.install("claude")
    quiet, loud = open_room(mailbox, "--json"), open_room(mailbox, "--json", "--register")
    assert (quiet.stderr, quiet.stdout) == ("", loud.stdout)
    assert json.loads(loud.stdout)["saved_as"] == "alice-bob"
    assert [json.loads(line)["note"] for line in loud.stderr.splitlines()] == [
        f"Claude Code is told of the server: {COMMANDS['claude']}",
        f"Claude Code {NOW}",
        f"{HOOKS} peer-relay config --client claude --hooks",
    ]


# ---------------------------------------------------------------------------------------------------------------------
# What goes wrong


FAILURES = {
    "#!/bin/sh\necho secret\necho; echo 'see \x1b[31mthis' >&2; exit 3\n": (
        'the command failed and says: "secret see this".'
    ),
    "#!/bin/sh\nexec sleep 60\n": "the command did not end within 0.3 seconds.",
    "\x7fELF nonsense": "the command cannot be run (Exec format error).",
}


@pytest.mark.parametrize("script", FAILURES)
def test_an_agent_that_fails_is_a_note_and_the_room_is_open(
    machine: Machine, mailbox: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    monkeypatch.setattr(registering, "_LIMIT_S", 0.3)
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:/usr/bin:/bin")
    machine.install("codex", script)
    shown = open_room(mailbox, "--register")
    problem = FAILURES[script]
    assert told(shown) == f"\nCodex is told of the server:\n\n    {COMMANDS['codex']}\n"
    assert f"note: Codex does not know the server yet: {problem} By hand: {COMMANDS['codex']}\n" in shown.stderr


# ---------------------------------------------------------------------------------------------------------------------
# Several rooms


def test_with_several_rooms_the_server_is_told_which_one(
    machine: Machine, mailbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PEER_RELAY_HOME", str(machine.home / "a b"))
    machine.install("codex")
    open_room(mailbox, "--register")
    shown = told(open_room(mailbox, "--register", peer="carol"))
    assert shown.endswith(hooks_for("codex", room=" --room alice-carol"))
    home = ["--env", f"PEER_RELAY_HOME={machine.home / 'a b'}"]
    start, end = ADDED["codex"][:3], ADDED["codex"][3:]
    room = ["--env", "PEER_RELAY_ROOM=alice-carol"]
    assert machine.calls("codex") == [*start, *home, *end, *start, *home, *room, *end]


def test_an_agent_that_uses_another_room_is_left_alone_and_the_way_to_change_it_is_told(
    machine: Machine, mailbox: Path
) -> None:
    machine.install("claude")
    open_room(mailbox, "--register")
    known, change = "\nClaude Code has the server already", "To have this one there:\n\n"
    several = "but now that several rooms are saved, it has to name one"
    assert told(open_room(mailbox, "--register", peer="carol")) == (
        f"{known} ({machine.home / '.claude.json'}), {several}. {change}"
        "    claude mcp remove peer-relay -s user\n"
        "    claude mcp add peer-relay -s user -e PEER_RELAY_ROOM=alice-carol -- peer-relay serve\n"
    )
    Path(".mcp.json").write_text(ENTRY.replace("{}", '{"PEER_RELAY_ROOM": "alice-bob"}'))
    (machine.home / ".claude.json").unlink()
    assert told(open_room(mailbox, "--register", peer="carol")) == (
        f"{known} ({Path.cwd() / '.mcp.json'}), but for another room. {change}"
        "    peer-relay config --client claude --room alice-carol --write\n"
    )
    Path(".mcp.json").write_text(ENTRY.replace("{}", '{"PEER_RELAY_ROOM": "alice-carol"}'))
    assert told(open_room(mailbox, "--register", peer="carol")) == (f"{known} ({Path.cwd() / '.mcp.json'}).\n")
    assert machine.calls("claude") == ADDED["claude"]


# ---------------------------------------------------------------------------------------------------------------------
# What a login needs


def test_an_agent_that_keeps_variables_from_its_servers_is_told_to_hand_them_on(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.install("codex")
    machine.install("gemini")
    monkeypatch.setenv("SSH_AUTH_SOCK", "/run/agent.sock")
    settings = read_settings()
    settings.rooms.save(SavedRoom(remote="x", token=TOKEN, peer_id="alice", other_peer="bob"))
    registering.offer(settings, "alice-bob", parse_remote("git@github.com:alice/mailbox.git"), register=True)
    words = ADDED["gemini"]
    assert machine.calls("gemini") == [*words[:4], "-e", "SSH_AUTH_SOCK=${SSH_AUTH_SOCK}", *words[4:]]
    assert capsys.readouterr().err == (
        "note: Codex keeps some variables from its servers. If its tools say that the login was refused, put the line "
        'env_vars = ["SSH_AUTH_SOCK"] below [mcp_servers.peer-relay] in its config.toml.\n'
    )


SET = {
    "SSH_AUTH_SOCK": "s",
    "GITHUB_TOKEN": "secret",
    "PEER_RELAY_GIT_USERNAME": "me",
    "PEER_RELAY_GIT_PASSWORD": "secret",
    "GH_TOKEN": "",
}
NEEDED = {
    "/srv/mailbox.git": (),
    "git@github.com:alice/mailbox.git": ("SSH_AUTH_SOCK",),
    "https://github.com/a/b.git": ("PEER_RELAY_GIT_USERNAME", "PEER_RELAY_GIT_PASSWORD", "GITHUB_TOKEN"),
    "https://git.example/a/b.git": ("PEER_RELAY_GIT_USERNAME", "PEER_RELAY_GIT_PASSWORD"),
}


@pytest.mark.parametrize("address", NEEDED)
def test_only_what_the_address_needs_is_handed_on_and_only_its_name(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in SET.items():
        monkeypatch.setenv(name, value)
    launch = launching.launch_for(read_settings(), None, parse_remote(address))
    assert (launch.handed_on, dict(launch.env)) == (NEEDED[address], {})
    assert launching.launch_for(read_settings(), None, None).handed_on == ()


def test_a_folder_that_is_gone_and_a_missing_home_stand_in_nobody_s_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert launching.working_folder() == Path.home()

    def refuse() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", refuse)
    assert launching.working_folder() == Path("/")
