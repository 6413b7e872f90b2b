"""What is known of each agent: its program, the command that tells it of a server, and the form of its files.

1. A command is the words of a command line; no shell is involved.
2. No secret is in a command or in an entry: what is one is handed on by its name.

The commands and forms are those of Claude Code 2.1, Codex 0.169 and Gemini CLI 0.61, which were run to find out, and of
the documentation of Claude Desktop, Cursor, VS Code, Windsurf and Zed.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from peer_relay.agents.launch import SERVER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from peer_relay.agents.launch import Launch


@dataclass(frozen=True)
class Machine:
    """Where a machine keeps the files of its user.

    Attributes:
        home: the user's home folder.
        environ: the environment, for the variables with which such files are moved elsewhere.
        platform: the operating system, as in `sys.platform`.
    """

    home: Path
    environ: Mapping[str, str]
    platform: str = sys.platform

    def roaming(self) -> Path:
        """Return the folder for programs' settings of Windows."""
        return Path(self.environ.get("APPDATA") or self.home / "AppData" / "Roaming")

    def xdg_config(self) -> Path:
        """Return the folder for programs' settings of Linux (XDG Base Directory Specification)."""
        return Path(self.environ.get("XDG_CONFIG_HOME") or self.home / ".config")

    def application_data(self) -> Path:
        """Return the folder in which Electron programs keep theirs: the one that the system means for settings."""
        if self.platform == "darwin":
            return self.home / "Library" / "Application Support"
        return self.roaming() if self.platform == "win32" else self.xdg_config()


@dataclass(frozen=True)
class Client:
    """One agent.

    Attributes:
        name: what it is called on the command line.
        title: what people call it.
        file: the file in which it looks for servers: relative to a project, or to the folder `above` if `in_home`.
        table: the name of the table of servers in that file.
        entry: makes what stands in that table for a server.
        in_home: whether that file is one for all projects.
        above: finds the folder of the user under which that file is.
        from_desktop: whether it is opened from a desktop and its file is this machine's alone. What is opened from a
            desktop need not have a shell's `PATH` (on macOS it has not), so the program is named by its whole path.
        program: its program, by which it is found on a machine, or None if it has no command for this.
        add: makes the command that tells it of a server for all projects; empty if it has no program.
        remove: the command, up to the scope, without which `add` refuses a server that is there; empty where `add`
            replaces it.
    """

    name: str
    title: str
    file: str
    table: str
    entry: Callable[[Launch], dict[str, Any]]
    in_home: bool = False
    above: Callable[[Machine], Path] = lambda machine: machine.home
    from_desktop: bool = False
    program: str | None = None
    add: Callable[[Launch], tuple[str, ...]] = lambda _launch: ()
    remove: tuple[str, ...] = ()

    def path(self, machine: Machine, project: Path) -> Path:
        """Return where its file is, for somebody who works in the folder of a project."""
        return (self.above(machine) if self.in_home else project) / self.file

    def snippet(self, launch: Launch) -> str:
        """Return the lines that its file needs, in the form of that file, ended by a newline."""
        entry = self.entry(launch)
        if self.file.endswith(".toml"):
            return _toml(f"{self.table}.{SERVER}", entry)
        return json.dumps({self.table: {SERVER: entry}}, indent=2, ensure_ascii=False) + "\n"


# ---------------------------------------------------------------------------------------------------------------------
# Commands


def _add_to_claude(launch: Launch) -> tuple[str, ...]:
    return ("claude", "mcp", "add", SERVER, "-s", "user", *_options("-e", launch.env), "--", *launch.command)


def _add_to_codex(launch: Launch) -> tuple[str, ...]:
    return ("codex", "mcp", "add", SERVER, *_options("--env", launch.env), "--", *launch.command)


def _add_to_gemini(launch: Launch) -> tuple[str, ...]:
    """Gemini takes no `--` here, and keeps from its servers every variable whose name looks like a secret's."""
    return ("gemini", "mcp", "add", "-s", "user", *_options("-e", _with_references(launch)), SERVER, *launch.command)


def _options(option: str, env: Mapping[str, str]) -> list[str]:
    return [word for name, value in env.items() for word in (option, f"{name}={value}")]


def _with_references(launch: Launch) -> dict[str, str]:
    """Return the variables, and those that are handed on as references that the agent fills in."""
    return {**launch.env, **{name: f"${{{name}}}" for name in launch.handed_on}}


# ---------------------------------------------------------------------------------------------------------------------
# Entries


def _plain_entry(launch: Launch) -> dict[str, Any]:
    entry: dict[str, Any] = {"command": launch.command[0], "args": list(launch.command[1:])}
    return {**entry, "env": dict(launch.env)} if launch.env else entry


def _stdio_entry(launch: Launch) -> dict[str, Any]:
    return {"type": "stdio", **_plain_entry(launch)}


def _gemini_entry(launch: Launch) -> dict[str, Any]:
    env = _with_references(launch)
    return {**_plain_entry(launch), **({"env": env} if env else {})}


def _codex_entry(launch: Launch) -> dict[str, Any]:
    """Codex hands only a few variables on, and others by name."""
    entry = _plain_entry(launch)
    env = entry.pop("env", None)
    handed_on = {"env_vars": list(launch.handed_on)} if launch.handed_on else {}
    return {**entry, **handed_on, **({"env": env} if env else {})}


def _toml(table: str, entry: dict[str, Any]) -> str:
    """Return a table of strings, lists of strings and one level of tables, these last, as TOML."""
    plain = [f"{name} = {_toml_value(value)}\n" for name, value in entry.items() if not isinstance(value, dict)]
    tables = [_toml(f"{table}.{name}", value) for name, value in entry.items() if isinstance(value, dict)]
    return "\n".join([f"[{table}]\n{''.join(plain)}", *tables])


def _toml_value(value: str | list[str]) -> str:
    """Return a value in TOML, whose basic strings and lists of them are written as in JSON, but for DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


# ---------------------------------------------------------------------------------------------------------------------
# Places


def _above_zed(machine: Machine) -> Path:
    """Zed has `.config` on macOS as on Linux, and no variable moves it there."""
    if machine.platform == "darwin":
        return machine.home / ".config"
    return machine.roaming() if machine.platform == "win32" else machine.xdg_config()


CLIENTS = {
    each.name: each
    for each in (
        Client(
            name="claude",
            title="Claude Code",
            file=".mcp.json",
            table="mcpServers",
            entry=_stdio_entry,
            program="claude",
            add=_add_to_claude,
            remove=("claude", "mcp", "remove", SERVER, "-s"),
        ),
        Client(
            name="claude-desktop",
            title="Claude Desktop",
            file="Claude/claude_desktop_config.json",
            table="mcpServers",
            entry=_plain_entry,
            in_home=True,
            above=Machine.application_data,
            from_desktop=True,
        ),
        Client(
            name="codex",
            title="Codex",
            file=".codex/config.toml",
            table="mcp_servers",
            entry=_codex_entry,
            in_home=True,
            program="codex",
            add=_add_to_codex,
        ),
        Client(
            name="gemini",
            title="Gemini CLI",
            file=".gemini/settings.json",
            table="mcpServers",
            entry=_gemini_entry,
            program="gemini",
            add=_add_to_gemini,
        ),
        Client("cursor", "Cursor", ".cursor/mcp.json", "mcpServers", _plain_entry),
        Client("vscode", "VS Code", ".vscode/mcp.json", "servers", _stdio_entry),
        Client(
            name="windsurf",
            title="Windsurf",
            file=".codeium/windsurf/mcp_config.json",
            table="mcpServers",
            entry=_plain_entry,
            in_home=True,
            from_desktop=True,
        ),
        Client(
            name="zed",
            title="Zed",
            file="zed/settings.json",
            table="context_servers",
            entry=_plain_entry,
            in_home=True,
            above=_above_zed,
            from_desktop=True,
        ),
    )
}
"""The agents by name."""
