"""The hooks by which an agent calls `peer-relay hook`: at which events, in which file, in which form.

1. What is wrong here fails in silence at the user's: the pages and the plugin are held against this table.
2. The command is one line for a shell. Who runs the hooks of Claude Code too and does not know its `args` would start
   `peer-relay` alone, whose status 2 blocks a prompt.

The forms are those that Claude Code 2.1, Codex 0.169 and Gemini CLI 0.61 took when they were run, and that of the
documentation of VS Code.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from peer_relay.agents.clients import Machine
    from peer_relay.agents.launch import Launch


@dataclass(frozen=True)
class Hooks:
    """The hooks of one agent.

    Attributes:
        file: the file in which they stand, relative to `above`, or else to a project.
        events: the agent's names of the events.
        above: finds the folder of the user under which the file is; None if it is a file of the project.
        timeout: how long a hook may take, in the agent's own unit.
        in_groups: whether an event has groups of hooks, rather than hooks.
        remark: what else somebody has to know who puts them there, as a clause.
    """

    file: str
    events: tuple[str, ...]
    above: Callable[[Machine], Path] | None = None
    timeout: int = 5
    in_groups: bool = True
    remark: str = ""

    def path(self, machine: Machine, project: Path) -> Path:
        """Return where the file is, for somebody who works in the folder of a project."""
        return (project if self.above is None else self.above(machine)) / self.file

    def table(self, launch: Launch) -> dict[str, Any]:
        """Return what the file holds of them, where the server is started in a certain way."""
        hook = {"type": "command", "command": _line(launch), "timeout": self.timeout}
        return {"hooks": {event: [{"hooks": [hook]} if self.in_groups else hook] for event in self.events}}

    def snippet(self, launch: Launch) -> str:
        """Return the same in the form of the file, ended by a newline."""
        return json.dumps(self.table(launch), indent=2, ensure_ascii=False) + "\n"


def _line(launch: Launch) -> str:
    """Return the command of a hook. A room that the server is told by a variable is told to it by an option."""
    *program, _serve = launch.command
    room = launch.env.get("PEER_RELAY_ROOM")
    return shlex.join([*program, "hook", *(("--room", room) if room else ())])


HOOKS = {
    "claude": Hooks(
        file="settings.json",
        events=("SessionStart", "UserPromptSubmit", "Stop"),
        above=lambda machine: Path(machine.environ.get("CLAUDE_CONFIG_DIR") or machine.home / ".claude"),
        remark="leave it out if you have the plugin, which brings the same",
    ),
    "codex": Hooks(
        file="hooks.json",
        events=("SessionStart", "UserPromptSubmit", "Stop"),
        above=lambda machine: Path(machine.environ.get("CODEX_HOME") or machine.home / ".codex"),
        remark="the next session asks whether you trust it",
    ),
    "gemini": Hooks(
        file=".gemini/settings.json",
        events=("SessionStart", "BeforeAgent"),
        above=lambda machine: Path(machine.environ.get("GEMINI_CLI_HOME") or machine.home),
        timeout=5000,  # milliseconds
    ),
    "vscode": Hooks(
        file=".github/hooks/peer-relay.json",
        events=("SessionStart",),
        in_groups=False,
        remark="leave it out if ~/.claude/settings.json has the hooks, which VS Code runs too",
    ),
}
"""The agents that have hooks, by name."""
