"""What is known of the coding agents: their commands and files are those that the real programs took and wrote.

Claude Code 2.1.197, Codex 0.169.0 and Gemini CLI 0.61.0 were run with these very words in an empty home folder; what
stands in `WRITTEN` of them is what they left there. The files of the others are those of their documentation.
"""

from __future__ import annotations

import json
import os
import stat
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from peer_relay.agents import merging
from peer_relay.agents.clients import CLIENTS, Machine
from peer_relay.agents.launch import Launch, Running, server_command
from peer_relay.agents.merging import Merged, merge
from peer_relay.agents.registered import Registration, registrations
from peer_relay.disk import names_in
from peer_relay.errors import StateUnusable

PLAIN = Launch(("peer-relay", "serve"))
FULL = Launch(
    ("/opt/a b/peer-relay", "serve"),
    {"PEER_RELAY_HOME": "/srv/a b", "PEER_RELAY_ROOM": "alice-bob"},
    ("SSH_AUTH_SOCK", "GITHUB_TOKEN"),
)


# ---------------------------------------------------------------------------------------------------------------------
# How the server is started


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """Give the folder of programs of an installation."""
    folder = tmp_path / "venv" / "bin"
    return executable(folder / "peer-relay").parent


def executable(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def running(installed: Path, started_as: str = "") -> Running:
    return Running(started_as or str(installed / "peer-relay"), str(installed / "python"), str(installed.parent))


def test_the_bare_name_is_used_where_it_finds_this_very_program(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "peer-relay").symlink_to(installed / "peer-relay")
    path = f"/nowhere{os.pathsep}{tmp_path / 'bin'}"
    assert server_command(path, running(installed)) == ("peer-relay", "serve")
    assert server_command(path, running(installed, "/x/__main__.py")) == ("peer-relay", "serve")


def test_the_whole_path_is_used_where_the_bare_name_finds_nothing_or_something_else(
    installed: Path, tmp_path: Path
) -> None:
    executable(tmp_path / "bin" / "peer-relay")
    whole = (str(installed / "peer-relay"), "serve")
    assert server_command("/nowhere", running(installed)) == whole
    assert server_command(str(tmp_path / "bin"), running(installed)) == whole


def test_the_whole_path_is_used_where_only_an_activated_environment_finds_it(installed: Path) -> None:
    assert server_command(str(installed), running(installed)) == (str(installed / "peer-relay"), "serve")


def test_an_agent_with_another_search_path_is_given_the_whole_path(installed: Path, tmp_path: Path) -> None:
    link = tmp_path / "bin" / "peer-relay"
    link.parent.mkdir()
    link.symlink_to(installed / "peer-relay")
    found = server_command(str(link.parent), running(installed, str(link)), whole_path=True)
    assert found == (str(link), "serve")


def test_without_a_program_the_interpreter_starts_the_server(tmp_path: Path) -> None:
    module = Running("/x/peer_relay/__main__.py", str(tmp_path / "python"))
    assert server_command("/nowhere", module) == (str(tmp_path / "python"), "-m", "peer_relay", "serve")


# ---------------------------------------------------------------------------------------------------------------------
# Commands and snippets


def test_the_commands_are_those_that_the_real_programs_take() -> None:
    assert {name: client.add(PLAIN) for name, client in CLIENTS.items() if client.program} == {
        "claude": ("claude", "mcp", "add", "peer-relay", "-s", "user", "--", "peer-relay", "serve"),
        "codex": ("codex", "mcp", "add", "peer-relay", "--", "peer-relay", "serve"),
        "gemini": ("gemini", "mcp", "add", "-s", "user", "peer-relay", "peer-relay", "serve"),
    }
    others = {name: client.add(PLAIN) for name, client in CLIENTS.items() if not client.program}
    assert others == dict.fromkeys(("claude-desktop", "cursor", "vscode", "windsurf", "zed"), ())


def test_variables_are_passed_as_each_program_wants_them_and_no_secret_is_written_down() -> None:
    home, room, server = "PEER_RELAY_HOME=/srv/a b", "PEER_RELAY_ROOM=alice-bob", ("/opt/a b/peer-relay", "serve")
    handed_on = ("-e", "SSH_AUTH_SOCK=${SSH_AUTH_SOCK}", "-e", "GITHUB_TOKEN=${GITHUB_TOKEN}")
    assert [CLIENTS[name].add(FULL) for name in ("claude", "codex", "gemini")] == [
        ("claude", "mcp", "add", "peer-relay", "-s", "user", "-e", home, "-e", room, "--", *server),
        ("codex", "mcp", "add", "peer-relay", "--env", home, "--env", room, "--", *server),
        ("gemini", "mcp", "add", "-s", "user", "-e", home, "-e", room, *handed_on, "peer-relay", *server),
    ]


def test_snippets_are_what_the_files_need() -> None:
    plain = {"command": "/opt/a b/peer-relay", "args": ["serve"], "env": dict(FULL.env)}
    stdio = {"type": "stdio", **plain}
    references = {"SSH_AUTH_SOCK": "${SSH_AUTH_SOCK}", "GITHUB_TOKEN": "${GITHUB_TOKEN}"}
    snippets = {name: client.snippet(FULL) for name, client in CLIENTS.items()}
    assert tomllib.loads(snippets.pop("codex")) == {
        "mcp_servers": {"peer-relay": {**plain, "env_vars": ["SSH_AUTH_SOCK", "GITHUB_TOKEN"]}}
    }
    assert {name: json.loads(text) for name, text in snippets.items()} == {
        "claude": {"mcpServers": {"peer-relay": stdio}},
        "claude-desktop": {"mcpServers": {"peer-relay": plain}},
        "gemini": {"mcpServers": {"peer-relay": {**plain, "env": {**FULL.env, **references}}}},
        "cursor": {"mcpServers": {"peer-relay": plain}},
        "vscode": {"servers": {"peer-relay": stdio}},
        "windsurf": {"mcpServers": {"peer-relay": plain}},
        "zed": {"context_servers": {"peer-relay": plain}},
    }


@pytest.mark.parametrize(
    ("platform", "environ", "desktop", "zed"),
    [
        ("darwin", {"XDG_CONFIG_HOME": "/x"}, "/me/Library/Application Support/Claude", "/me/.config/zed"),
        ("linux", {}, "/me/.config/Claude", "/me/.config/zed"),
        ("linux", {"XDG_CONFIG_HOME": "/x", "APPDATA": "/y"}, "/x/Claude", "/x/zed"),
        ("win32", {"XDG_CONFIG_HOME": "/x", "APPDATA": "/y"}, "/y/Claude", "/y/zed"),
        ("win32", {}, "/me/AppData/Roaming/Claude", "/me/AppData/Roaming/zed"),
    ],
)
def test_a_file_is_where_the_system_keeps_such_files(
    platform: str, environ: dict[str, str], desktop: str, zed: str
) -> None:
    machine, project = Machine(Path("/me"), environ, platform), Path("/project")
    assert {name: client.path(machine, project).as_posix() for name, client in CLIENTS.items()} == {
        "claude": "/project/.mcp.json",
        "claude-desktop": f"{desktop}/claude_desktop_config.json",
        "codex": "/me/.codex/config.toml",
        "gemini": "/project/.gemini/settings.json",
        "cursor": "/project/.cursor/mcp.json",
        "vscode": "/project/.vscode/mcp.json",
        "windsurf": "/me/.codeium/windsurf/mcp_config.json",
        "zed": f"{zed}/settings.json",
    }


def test_a_snippet_without_variables_has_none() -> None:
    assert CLIENTS["codex"].snippet(PLAIN) == '[mcp_servers.peer-relay]\ncommand = "peer-relay"\nargs = ["serve"]\n'
    assert json.loads(CLIENTS["gemini"].snippet(PLAIN)) == {
        "mcpServers": {"peer-relay": {"command": "peer-relay", "args": ["serve"]}}
    }


def test_a_path_with_any_character_survives_toml() -> None:
    launch = Launch(('C:\\Users\\é "x"\x7f\\peer-relay.exe', "serve"))
    written = tomllib.loads(CLIENTS["codex"].snippet(launch))["mcp_servers"]["peer-relay"]
    assert (written["command"], *written["args"]) == launch.command


# ---------------------------------------------------------------------------------------------------------------------
# What is registered


def server(*command: str, **env: str) -> dict[str, Any]:
    return {"type": "stdio", "command": command[0], "args": list(command[1:]), "env": env}


SERVE = ("peer-relay", "serve")
WRITTEN = {
    ".claude.json": json.dumps(
        {
            "firstStartTime": "2026-11-25T10:45:19.800Z",
            "mcpServers": {"peer-relay": server(*SERVE, PEER_RELAY_ROOM="x"), "other": server("npx", "thing")},
            "projects": {
                "PROJECT": {"mcpServers": {"questions": server("/usr/bin/python3", "-m", "peer_relay", "serve")}},
                "/somewhere/else": {"mcpServers": {"peer-relay": server(*SERVE)}},
            },
        }
    ),
    ".codex/config.toml": (
        '[mcp_servers.peer-relay]\ncommand = "peer-relay"\nargs = ["serve"]\n\n'
        '[mcp_servers.peer-relay.env]\nPEER_RELAY_HOME = "/srv/a b"\n'
    ),
    ".cursor/mcp.json": json.dumps({"mcpServers": {"relay": {"command": "uvx", "args": ["peer-relay", "serve"]}}}),
    ".gemini/settings.json": json.dumps(
        {"mcpServers": {"peer-relay": {"command": "C:\\bin\\peer-relay.exe", "args": ["serve"]}}}
    ),
    ".config/Claude/claude_desktop_config.json": json.dumps({"mcpServers": {"peer-relay": {"command": "/opt/relay"}}}),
    ".config/Code/User/mcp.json": (
        '// mine\n{"servers": {"peer-relay": {"command": "peer-relay", "args": ["serve"],},}}'
    ),
    ".codeium/windsurf/mcp_config.json": json.dumps({"mcpServers": {"peer-relay": server(*SERVE)}}),
    ".config/zed/settings.json": (
        "// Zed settings\n/* two, } */ {\n"
        '  "terminal": {"shell": "/* not // a comment, }"},\n'
        '  "context_servers": {"peer-relay": {"command": "peer-relay", "args": ["serve",]}, /* last */ },\n}\n'
    ),
    "work/project/.mcp.json": json.dumps({"mcpServers": {"peer-relay": server(*SERVE)}}),
    "work/project/.vscode/mcp.json": json.dumps({"servers": {"peer-relay": {"url": "https://relay.example"}}}),
}


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


@pytest.mark.skipif(sys.platform != "linux", reason="the files are where Linux has them")
def test_registrations_are_found_in_the_files_of_every_agent(tmp_path: Path) -> None:
    project = tmp_path / "work" / "project"
    write(tmp_path, {name: text.replace("PROJECT", project.as_posix()) for name, text in WRITTEN.items()})
    claude = tmp_path / ".claude.json"
    python = ("/usr/bin/python3", "-m", "peer_relay", "serve")
    found = registrations(tmp_path, project)
    assert found == [
        Registration("claude", claude, SERVE, "user", env={"PEER_RELAY_ROOM": "x"}),
        Registration("claude", claude, python, "local", "questions"),
        Registration("claude", project / ".mcp.json", SERVE, "project"),
        Registration("claude-desktop", tmp_path / ".config/Claude/claude_desktop_config.json", ("/opt/relay",), "user"),
        Registration("codex", tmp_path / ".codex/config.toml", SERVE, "user", env={"PEER_RELAY_HOME": "/srv/a b"}),
        Registration("gemini", tmp_path / ".gemini/settings.json", ("C:\\bin\\peer-relay.exe", "serve"), "user"),
        Registration("cursor", tmp_path / ".cursor/mcp.json", ("uvx", *SERVE), "user", "relay"),
        Registration("vscode", tmp_path / ".config/Code/User/mcp.json", SERVE, "user"),
        Registration("windsurf", tmp_path / ".codeium/windsurf/mcp_config.json", SERVE, "user"),
        Registration("zed", tmp_path / ".config/zed/settings.json", SERVE, "user"),
        Registration("vscode", project / ".vscode/mcp.json", (), "project"),
    ]
    assert "/srv/a b" not in repr(found)


def test_a_project_is_known_in_the_folders_below_it_as_claude_code_does(tmp_path: Path) -> None:
    project, below = tmp_path / "project", tmp_path / "project" / "src" / "deep"
    write(tmp_path, {"project/.mcp.json": WRITTEN["work/project/.mcp.json"]})
    write(tmp_path, {".claude.json": WRITTEN[".claude.json"].replace("PROJECT", project.as_posix())})
    assert [each.scope for each in registrations(tmp_path, below)] == ["user", "local", "project"]


def test_a_plugin_of_claude_code_that_is_in_use_brings_the_server_along(tmp_path: Path) -> None:
    used = json.dumps({"enabledPlugins": {"peer-relay@peer-relay": True, "other@peer-relay": True}})
    unused = json.dumps({"enabledPlugins": {"peer-relay@peer-relay": False, "peer-relay@mine": "yes"}})
    own = {".claude/settings.json": used, "project/.claude/settings.json": unused}
    write(tmp_path, {**own, "project/.claude/settings.local.json": used, "elsewhere/settings.json": used})
    of_user, of_project = (Path(".claude/settings.json"), Path("project/.claude/settings.local.json"))
    expected = [Registration("claude", tmp_path / path, SERVE, "plugin") for path in (of_user, of_project)]
    assert registrations(tmp_path, tmp_path / "project") == expected
    (moved,) = registrations(tmp_path, tmp_path, {"CLAUDE_CONFIG_DIR": str(tmp_path / "elsewhere")})
    assert moved.path == tmp_path / "elsewhere" / "settings.json"


def test_an_agent_whose_files_are_elsewhere_is_looked_up_there(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "claude/.claude.json": WRITTEN[".claude.json"],
            "codex/config.toml": WRITTEN[".codex/config.toml"],
            "gemini/.gemini/settings.json": WRITTEN[".gemini/settings.json"],
        },
    )
    moved = {"CLAUDE_CONFIG_DIR": "claude", "CODEX_HOME": "codex", "GEMINI_CLI_HOME": "gemini"}
    environ = {name: str(tmp_path / folder) for name, folder in moved.items()}
    assert [each.client for each in registrations(tmp_path, tmp_path, environ)] == ["claude", "codex", "gemini"]
    assert registrations(tmp_path, tmp_path) == []


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        '"text"',
        "[" * 100_000,
        "\udcff",
        '{"mcpServers": []}',
        '{"mcpServers": {"other": 7, "another": {"command": 1}}}',
        '{"projects": {"PROJECT": 3}}',
        '{"mcpServers": {"other": {"command": "peer-relay", "args": [1]}}}',
        '// {"mcpServers": {"peer-relay": {}}}',
        '{} /* {"mcpServers": {"peer-relay": {}}}',
    ],
)
def test_a_file_that_is_damaged_or_holds_other_things_registers_nothing(tmp_path: Path, content: str) -> None:
    for name in WRITTEN:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode("utf-8", "surrogateescape"))
    assert registrations(tmp_path, tmp_path / "work" / "project") == []


def test_a_file_that_is_too_large_or_no_file_registers_nothing(tmp_path: Path) -> None:
    (tmp_path / ".codex" / "config.toml").mkdir(parents=True)
    with (tmp_path / ".claude.json").open("wb") as file:
        file.write(WRITTEN[".claude.json"].encode())
        file.truncate(40 << 20)
    assert registrations(tmp_path, tmp_path) == []


# ---------------------------------------------------------------------------------------------------------------------
# Merging

ENTRY = {"command": "peer-relay", "args": ["serve"]}


def test_a_file_that_is_not_there_is_made_with_its_folder(tmp_path: Path) -> None:
    path = tmp_path / ".vscode" / "mcp.json"
    assert merge(path, "servers", ENTRY) == Merged(path, changed=True, backup=None)
    assert path.read_text() == json.dumps({"servers": {"peer-relay": ENTRY}}, indent=2) + "\n"
    assert names_in(path.parent) == ["mcp.json"]


def test_whatever_else_is_in_a_file_survives_and_the_file_is_kept_beside_it(tmp_path: Path) -> None:
    path = tmp_path / ".mcp.json"
    before = '{\n    "inputs": [1.5, null],\n    "mcpServers": {"other": {"url": "https://ü"}, "peer-relay": {}}\n}'
    path.write_text(before, encoding="utf-8")
    path.chmod(0o640)
    backup = tmp_path / ".mcp.json.bak"
    assert merge(path, "mcpServers", ENTRY) == Merged(path, changed=True, backup=backup)
    content = {"inputs": [1.5, None], "mcpServers": {"other": {"url": "https://ü"}, "peer-relay": ENTRY}}
    assert path.read_text(encoding="utf-8") == json.dumps(content, indent=4, ensure_ascii=False) + "\n"
    assert backup.read_text(encoding="utf-8") == before
    assert [stat.S_IMODE(each.stat().st_mode) for each in (path, backup)] == [0o640, 0o640]


def test_what_a_person_added_to_the_entry_stays_in_it(tmp_path: Path) -> None:
    path = tmp_path / ".mcp.json"
    old = {"command": "old", "timeout": 5, "env": {"SSH_AUTH_SOCK": "/x", "PEER_RELAY_ROOM": "old"}}
    path.write_text(json.dumps({"mcpServers": {"peer-relay": old}}))
    assert merge(path, "mcpServers", {"command": "new", "env": {"PEER_RELAY_HOME": "/h"}}).changed
    env = {"SSH_AUTH_SOCK": "/x", "PEER_RELAY_HOME": "/h"}
    new = {"command": "new", "timeout": 5, "env": env}
    assert json.loads(path.read_text()) == {"mcpServers": {"peer-relay": new}}
    assert merge(path, "mcpServers", {"command": "new", "env": {"PEER_RELAY_HOME": "/h"}}).changed is False


def test_the_same_again_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / ".mcp.json"
    path.write_text(json.dumps({"mcpServers": {"peer-relay": ENTRY}}))
    before = path.read_bytes()
    assert merge(path, "mcpServers", ENTRY) == Merged(path, changed=False, backup=None)
    assert (path.read_bytes(), names_in(tmp_path)) == (before, [".mcp.json"])


def test_an_older_backup_is_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / ".mcp.json"
    path.write_text("{}")
    for number in range(3):
        merge(path, "mcpServers", {"number": number})
    names = names_in(tmp_path)
    assert names == [".mcp.json", ".mcp.json.bak", ".mcp.json.bak2", ".mcp.json.bak3"]
    kept = [json.loads((tmp_path / name).read_text()) for name in names[1:]]
    assert kept == [{}, *({"mcpServers": {"peer-relay": {"number": number}}} for number in range(2))]


@pytest.mark.parametrize(("before", "after"), [("", "{\n"), ('{\r\n\t"a": 1\r\n}', '{\r\n\t"a": 1,\r\n\t"servers": {')])
def test_an_empty_file_is_filled_and_line_ends_and_tabs_stay(tmp_path: Path, before: str, after: str) -> None:
    path = tmp_path / "mcp.json"
    path.write_bytes(before.encode())
    merge(path, "servers", ENTRY)
    assert path.read_bytes().decode().startswith(after)


def test_half_of_a_surrogate_pair_stays_the_escape_that_it_was(tmp_path: Path) -> None:
    path = tmp_path / "mcp.json"
    path.write_text('{"a": "\\ud800"}')
    merge(path, "servers", ENTRY)
    assert json.loads(path.read_text(encoding="utf-8"))["a"] == "\ud800"


def test_a_link_stays_a_link_and_the_file_behind_it_is_changed(tmp_path: Path) -> None:
    (tmp_path / "dotfiles").mkdir()
    real, link = tmp_path / "dotfiles" / "mcp.json", tmp_path / "mcp.json"
    real.write_text("{}")
    link.symlink_to(real)
    assert merge(link, "servers", ENTRY) == Merged(real, changed=True, backup=real.with_name("mcp.json.bak"))
    assert (link.is_symlink(), json.loads(real.read_text())) == (True, {"servers": {"peer-relay": ENTRY}})


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{\n  // mine\n  "servers": {}\n}', "holds comments, or is not JSON"),
        (b'{"servers": {},}', "holds comments, or is not JSON"),
        (b'{"a": 1, "a": 2}', "holds comments, or is not JSON"),
        (b'{"a": NaN}', "holds comments, or is not JSON"),
        (b"[" * 100_000, "holds comments, or is not JSON"),
        (b'{"a": 1e400}', "holds a number that would be spelt in another way"),
        (b'{"a": 0.12345678901234567890123}', "holds a number that would be spelt in another way"),
        (b'{"a": -0}', "holds a number that would be spelt in another way"),
        (b"[]", "has no table where servers should be"),
        (b'{"servers": []}', "has no table where servers should be"),
        (b'{"a": "\xff"}', "is not UTF-8"),
    ],
)
def test_a_file_that_cannot_be_merged_into_is_not_touched(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "mcp.json"
    path.write_bytes(content)
    with pytest.raises(ValueError) as refused:
        merge(path, "servers", ENTRY)
    assert (str(refused.value), path.read_bytes(), names_in(tmp_path)) == (reason, content, ["mcp.json"])


def test_what_is_no_file_or_too_large_is_not_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, large, loop = tmp_path / "folder", tmp_path / "large", tmp_path / "loop"
    folder.mkdir()
    large.write_text("{}   ")
    loop.symlink_to(loop)
    monkeypatch.setattr(merging, "_MAX_BYTES", 4)
    for path, reason in {
        folder: "is no file, or too large for one",
        large: "is no file, or too large for one",
        loop: "is a link that leads nowhere",
    }.items():
        with pytest.raises(ValueError) as refused:
            merge(path, "servers", ENTRY)
        assert str(refused.value) == reason
    assert loop.is_symlink()


def test_without_a_backup_nothing_is_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    really = os.open

    def refuse(name: str | Path, flags: int, *more: int) -> int:
        if flags & os.O_CREAT:
            raise OSError(28, "No space left on device")
        return really(name, flags, *more)

    path = tmp_path / "mcp.json"
    path.write_text("{}")
    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(StateUnusable, match=r"mcp\.json\.bak cannot be used: No space left on device\."):
        merge(path, "servers", ENTRY)
    assert path.read_text() == "{}"
