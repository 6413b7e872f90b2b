"""Whether an agent on this machine knows the server, and could start it."""

from __future__ import annotations

import shlex
import shutil
from typing import TYPE_CHECKING

from peer_relay.agents.clients import CLIENTS
from peer_relay.doctor.findings import listed, ok, warning
from peer_relay.git.words import clean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from peer_relay.agents.launch import Launch
    from peer_relay.agents.registered import Registration
    from peer_relay.doctor.findings import Finding

_FINDABLE = "Install peer-relay with `pipx install`, or add its folder to the PATH with which the agent is started."


def check_agents(found: Sequence[Registration], search_path: str, launch: Launch) -> Finding:
    """Check that the server is registered in an agent, with a command that exists.

    Args:
        found: where it is registered.
        search_path: the folders in which programs are looked for, as in `PATH`.
        launch: how an agent is to start the server.
    """
    if not found:
        what = "No agent on this machine knows the server, as far as their files tell."
        return warning(what, fix=_add(search_path, launch))
    broken = next((each for each in found if not _exists(each, search_path)), None)
    if broken is not None:
        program = clean(broken.command[0]) if broken.command else "nothing"
        what = f"{_where(broken)} would start {program}, which is not there."
        if broken.scope == "plugin":  # its files are none that a person edits
            return warning(what, advice=_FINDABLE)
        return warning(what, fix=f"${{EDITOR:-vi}} {shlex.quote(str(broken.path))}")
    return ok(f"{listed(list(dict.fromkeys(map(_where, found))))}.")


def _where(found: Registration) -> str:
    return f"{CLIENTS[found.client].title} ({found.scope}, {found.path})"


def _exists(found: Registration, search_path: str) -> bool:
    """Say whether what an agent would start is there; what the agent itself fills in first cannot be told."""
    program = found.command[0] if found.command else ""
    return "$" in program or shutil.which(program, path=search_path) is not None


def _add(search_path: str, launch: Launch) -> str:
    """Return the command that tells an agent of the server: the first one that is here, or the first of all."""
    commands = [words for each in CLIENTS.values() if (words := each.add(launch))]
    here = (command for command in commands if shutil.which(command[0], path=search_path) is not None)
    return shlex.join(next(here, commands[0]))
