"""`config`: what an agent's own file needs so that it starts the server, shown or put there."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click

from peer_relay.agents.clients import CLIENTS, Machine
from peer_relay.agents.merging import merge
from peer_relay.cli.command import command, manners
from peer_relay.cli.ending import Failure
from peer_relay.cli.launching import home_folder, launch_for, working_folder
from peer_relay.cli.output import emit, say, warn
from peer_relay.cli.terminal import printable
from peer_relay.errors import InvalidSetting, PeerRelayError
from peer_relay.git.remote import parse_remote
from peer_relay.settings import Settings, expand_home, read_settings, surroundings

if TYPE_CHECKING:
    from pathlib import Path

    from peer_relay.agents.clients import Client
    from peer_relay.agents.launch import Launch
    from peer_relay.agents.merging import Merged
    from peer_relay.git.remote import Remote


@command(
    examples=[
        "peer-relay config --client cursor  # shows what .cursor/mcp.json needs",
        "peer-relay config --client vscode --write  # puts it there, in this folder",
        "peer-relay config --client claude-desktop --write  # puts it into the one file that it has",
        "peer-relay config --client claude --room alice-carol --write  # lets this project use that room",
    ],
    prints_data=True,
    enters_room=True,
)
@click.option("--client", "name", type=click.Choice(list(CLIENTS)), required=True, help="The agent.")
@click.option("--write", is_flag=True, help="Put it into the agent's file.")
def config(*, name: str, write: bool) -> None:
    """Show what an agent's file needs to start the server.

    With --write it is put there: into the file of the project in this folder, or, for Claude Desktop, Windsurf and Zed,
    into the one file that they have. Whatever else is in a file stays; one that is changed is kept beside itself, with
    .bak at its name. For Codex use the command that is named.
    """
    settings, client = read_settings(), CLIENTS[name]
    room = _room(settings, manners().room or settings.room)
    launch = launch_for(settings, room, _remote(settings, room), whole_path=client.from_desktop)
    path = client.path(Machine(home_folder(), surroundings()), working_folder())
    if write and _has_a_command(client):
        raise Failure(
            f"{path} is one file for all projects, so --write leaves it. {_how(client, launch)}", kind="NotWritten"
        )
    done = _write(client, path, launch) if write else None
    if manners().as_json:
        emit(_data(client, path, launch, done))
    elif done is None:
        say(printable(client.snippet(launch)).rstrip("\n"))
        warn(f"this belongs into {path}; {_how(client, launch)}")
    else:
        say(printable(_told(done)))


def _room(settings: Settings, asked_for: str | None) -> str | None:
    """Return the room that the server has to be told, or None if it finds the only one by itself.

    Raises:
        InvalidSetting: there are several, and none was named; or the one that was is not there.
    """
    names = settings.rooms.names()
    if asked_for is not None:
        settings.rooms.load(asked_for, "--room" if manners().room else "PEER_RELAY_ROOM")
        return asked_for
    if len(names) > 1:
        advice = "Say --room with one of these names."
        raise InvalidSetting(name="The room", reason=f"is not clear: saved are {', '.join(names)}", advice=advice)
    return None


def _remote(settings: Settings, room: str | None) -> Remote | None:
    """Return the address of the mailbox that the server will use, as far as that can be told."""
    try:
        saved = settings.rooms.load(room) if room else next((each for _, each in settings.rooms.readable()), None)
        return parse_remote(expand_home(saved.remote)) if saved else None
    except (PeerRelayError, ValueError):
        return None


def _write(client: Client, path: Path, launch: Launch) -> Merged:
    """Merge the server into an agent's file.

    Raises:
        Failure: it cannot be merged into; with what to put there by hand.
    """
    try:
        return merge(path, client.table, client.entry(launch))
    except ValueError as error:
        if manners().as_json:
            emit(_data(client, path, launch, None))
        else:
            say(printable(client.snippet(launch)).rstrip("\n"))
        raise Failure(
            f"{path} {error}, so it was not touched. Put the lines that were printed there by hand.", kind="NotWritten"
        ) from None


def _has_a_command(client: Client) -> bool:
    """Say whether an agent's file is left to a command of its own, which knows how the file is written."""
    return client.in_home and client.program is not None


def _how(client: Client, launch: Launch) -> str:
    """Say how the lines get into the file."""
    if _has_a_command(client):
        return f"`{shlex.join(client.add(launch))}` puts it there."
    return "--write puts it there."


def _told(done: Merged) -> str:
    if not done.changed:
        return f"{done.path} has the server already; nothing was changed."
    before = "" if done.backup is None else f" The file from before is {done.backup}."
    return f"The server is in {done.path} now.{before}"


def _data(client: Client, path: Path, launch: Launch, done: Merged | None) -> dict[str, str | bool | None]:
    """Return what is printed with `--json`."""
    backup = None if done is None else done.backup
    return {
        "client": client.name,
        "path": str(path if done is None else done.path),
        "snippet": client.snippet(launch),
        "command": shlex.join(client.add(launch)) if client.program else None,
        "changed": done is not None and done.changed,
        "backup": None if backup is None else str(backup),
    }
