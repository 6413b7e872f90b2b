"""How the server is started on this machine, and where the agents that start it keep their files."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from peer_relay.agents.launch import Launch, Running, server_command
from peer_relay.settings import surroundings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from peer_relay.git.remote import Remote
    from peer_relay.settings import Settings

# What a login or a connection may need, by the kind of address; agents keep some of these from their servers.
_NEEDED = {
    "local": (),
    "ssh": ("SSH_AUTH_SOCK", "GIT_SSH_COMMAND"),
    "http": ("PEER_RELAY_GIT_USERNAME", "PEER_RELAY_GIT_PASSWORD"),
}
_NEEDED_AT = {("http", "github.com"): ("GITHUB_TOKEN", "GH_TOKEN")}


def launch_for(settings: Settings, room: str | None, remote: Remote | None, *, whole_path: bool = False) -> Launch:
    """Return how an agent is to start the server.

    Args:
        settings: whose home folder the server has to be told, if it is not the usual one.
        room: the saved room that it has to be told, or None.
        remote: the mailbox, for what its login may need; None if it is not known.
        whole_path: whether the program is to be named by its whole path, whatever the search path finds.
    """
    environ = surroundings()
    running = Running(sys.argv[0], sys.executable, None if sys.prefix == sys.base_prefix else sys.prefix)
    given = {"PEER_RELAY_HOME": None if settings.home is None else str(settings.home), "PEER_RELAY_ROOM": room}
    needed = () if remote is None else (*_NEEDED[remote.kind], *_NEEDED_AT.get((remote.kind, remote.host.lower()), ()))
    return Launch(
        command=server_command(search_path(environ), running, whole_path=whole_path),
        env={name: value for name, value in given.items() if value is not None},
        handed_on=tuple(name for name in needed if environ.get(name)),
    )


def search_path(environ: Mapping[str, str]) -> str:
    """Return where programs are looked for."""
    return environ.get("PATH", os.defpath)


def home_folder() -> Path:
    """Return the user's home folder, or the root if there is none."""
    with suppress(RuntimeError):
        return Path.home()
    return Path("/")


def working_folder() -> Path:
    """Return the folder that the program was started in, or the home folder if it is gone."""
    with suppress(OSError):
        return Path.cwd()
    return home_folder()
