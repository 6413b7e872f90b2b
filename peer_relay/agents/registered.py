"""In which agents the server is registered, by what stands in their own files.

1. Reading changes nothing and starts nothing. A file that is missing, damaged, too large or no file counts as empty.
   Comments and a comma too many are no damage: VS Code and Zed allow both.
2. What an agent's file says is another program's text: it is compared, and shown only where a face made it printable.
"""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from peer_relay.agents.clients import CLIENTS, Machine
from peer_relay.agents.launch import SERVER

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PLUGINS = ("enabledPlugins",)
"""Where Claude Code keeps which plugins are in use: `name@marketplace`, true or false. Ours brings the server along."""
_OF_THE_PLUGIN = (SERVER, "serve")
_MAX_BYTES = 32 << 20  # Claude Code keeps its history of prompts in the same file

# A text in quotes, which stays, or a comment. What is not closed goes to the end: then no place is looked at twice.
_COMMENT = re.compile(r'("(?:[^"\\]|\\.)*+(?:"|\\?\Z))|//[^\n]*|/\*(?:.*?\*/|.*)', re.DOTALL)
_COMMA_TOO_MANY = re.compile(r'("(?:[^"\\]|\\.)*+(?:"|\\?\Z))|,(?=\s*[}\]])', re.DOTALL)


@dataclass(frozen=True)
class Registration:
    """One server of an agent that is peer-relay.

    Attributes:
        client: the agent's name, as in `CLIENTS`.
        path: the file in which it stands.
        command: the words that start it; empty if the file does not say.
        scope: `user` for all projects, `project` for those who share the folder, `local` for one project of the user;
            `plugin` where a plugin brings the server along.
        name: the server's name there.
        env: the variables that it is given. They may be secret.
    """

    client: str
    path: Path
    command: tuple[str, ...]
    scope: str
    name: str = SERVER
    env: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class _Place:
    """A table of servers in some file."""

    client: str
    path: Path
    scope: str
    keys: tuple[str, ...]


def registrations(home: Path, cwd: Path, environ: Mapping[str, str] | None = None) -> list[Registration]:
    """Return where peer-relay is registered, for all projects and for the one of a folder.

    Args:
        home: the user's home folder.
        cwd: a folder of a project.
        environ: the environment, for the variables with which an agent moves its files elsewhere.
    """
    places = list(_places(home, cwd, environ or {}))
    contents = {path: _content(path) for path in {place.path for place in places}}
    return [each for place in places for each in _found(place, contents[place.path])]


def _places(home: Path, cwd: Path, environ: Mapping[str, str]) -> Iterator[_Place]:
    """Yield the tables in the order in which the agents are listed, those for all projects first."""
    machine = Machine(home, environ)
    claude = Path(environ.get("CLAUDE_CONFIG_DIR") or home) / ".claude.json"
    yield _Place("claude", claude, "user", ("mcpServers",))
    settings = Path(environ.get("CLAUDE_CONFIG_DIR") or home / ".claude")
    yield _Place("claude", settings / "settings.json", "plugin", _PLUGINS)
    for folder in (cwd, *cwd.parents):  # Claude Code keeps a project under the root of its repository
        yield _Place("claude", claude, "local", ("projects", folder.as_posix(), "mcpServers"))
        yield _Place("claude", folder / ".mcp.json", "project", ("mcpServers",))
        for name in ("settings.json", "settings.local.json") if folder != home else ():
            yield _Place("claude", folder / ".claude" / name, "plugin", _PLUGINS)
    yield _of_user("claude-desktop", CLIENTS["claude-desktop"].path(machine, cwd))
    yield _of_user("codex", Path(environ.get("CODEX_HOME") or home / ".codex") / "config.toml")
    yield _of_user("gemini", Path(environ.get("GEMINI_CLI_HOME") or home) / CLIENTS["gemini"].file)
    yield _of_user("cursor", home / CLIENTS["cursor"].file)
    yield _of_user("vscode", machine.application_data() / "Code" / "User" / "mcp.json")
    for name in ("windsurf", "zed"):
        yield _of_user(name, CLIENTS[name].path(machine, cwd))
    for name in ("gemini", "cursor", "vscode"):
        if cwd != home:
            yield _Place(name, cwd / CLIENTS[name].file, "project", (CLIENTS[name].table,))


def _of_user(name: str, path: Path) -> _Place:
    return _Place(name, path, "user", (CLIENTS[name].table,))


def _found(place: _Place, content: object) -> Iterator[Registration]:
    """Yield the servers of a table that are peer-relay, by their name, by their command line, or as the plugin's."""
    table: Any = content
    for key in place.keys:
        table = table.get(key) if isinstance(table, dict) else None
    for name, entry in table.items() if isinstance(table, dict) else ():
        if place.keys == _PLUGINS:
            if entry is True and name.startswith(f"{SERVER}@"):
                yield Registration(place.client, place.path, _OF_THE_PLUGIN, place.scope)
            continue
        words, env = _words(entry), _variables(entry)
        if name == SERVER or any(re.fullmatch(r"(.*[\\/])?peer[-_]relay(\.exe)?", word) for word in words):
            yield Registration(place.client, place.path, words, place.scope, name, env)


def _words(entry: object) -> tuple[str, ...]:
    """Return the command line of an entry, or nothing if it has none."""
    if not isinstance(entry, dict):
        return ()
    arguments = entry.get("args")
    words = [entry.get("command"), *(arguments if isinstance(arguments, list) else [])]
    return tuple(words) if all(isinstance(word, str) for word in words) else ()


def _variables(entry: object) -> dict[str, str]:
    env = entry.get("env") if isinstance(entry, dict) else None
    return {name: value for name, value in env.items() if isinstance(value, str)} if isinstance(env, dict) else {}


def _content(path: Path) -> object:
    """Return what a file of JSON or TOML holds, or None."""
    try:
        if not path.is_file() or path.stat().st_size > _MAX_BYTES:
            return None
        text = path.read_text(encoding="utf-8-sig")
        return tomllib.loads(text) if path.suffix == ".toml" else _json(text)
    except (OSError, ValueError, RecursionError):
        return None


def _json(text: str) -> object:
    """Read JSON, with comments if need be."""
    try:
        return json.loads(text)
    except ValueError:
        plain = _COMMENT.sub(lambda found: found[1] or " ", text)
        return json.loads(_COMMA_TOO_MANY.sub(lambda found: found[1] or "", plain))
