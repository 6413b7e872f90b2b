"""Whether an agent on this machine knows the server, and could start it."""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from peer_relay.agents.clients import CLIENTS
from peer_relay.agents.launch import Launch, Running, server_command
from peer_relay.doctor.findings import listed, ok, warning
from peer_relay.git.words import clean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from peer_relay.agents.registered import Registration
    from peer_relay.doctor.findings import Finding

_KEPT_VARIABLES = ("PEER_RELAY_HOME", "PEER_RELAY_ROOM")


def check_agents(found: Sequence[Registration], environ: Mapping[str, str], running: Running) -> Finding:
    """Check that the server is registered in an agent, with a command that exists.

    Args:
        found: where it is registered.
        environ: the environment without the variables that only look set.
        running: how this process was started.
    """
    folders = environ.get("PATH", os.defpath)
    if not found:
        what = "No agent on this machine knows the server, as far as their files tell."
        return warning(what, fix=_add(environ, running))
    broken = [each for each in found if not _exists(each, folders)]
    if broken:
        first = broken[0]
        program = clean(first.command[0]) if first.command else "nothing"
        what = f"{_where(first)} would start {program}, which is not there."
        return warning(what, fix=f"${{EDITOR:-vi}} {shlex.quote(str(first.path))}")
    return ok(f"{listed(list(dict.fromkeys(map(_where, found))))}.")


def _where(found: Registration) -> str:
    client = CLIENTS.get(found.client)
    return f"{client.title if client else clean(found.client)} ({found.scope}, {found.path})"


def _exists(found: Registration, folders: str) -> bool:
    return bool(found.command) and shutil.which(str(Path(found.command[0]).expanduser()), path=folders) is not None


def _add(environ: Mapping[str, str], running: Running) -> str:
    """Return the command that tells an agent of the server: the first one that is here, or the first of all."""
    folders = environ.get("PATH", os.defpath)
    env = {name: environ[name] for name in _KEPT_VARIABLES if environ.get(name)}
    launch = Launch(server_command(folders, running), env)
    commands = [words for each in CLIENTS.values() if (words := each.add(launch))]
    here = (command for command in commands if shutil.which(command[0], path=folders) is not None)
    return shlex.join(next(here, commands[0]))
