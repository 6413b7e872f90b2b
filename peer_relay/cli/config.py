"""`config`: what an agent's own files need so that it starts the server and calls the hook, shown or put there."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click

from peer_relay.agents.clients import CLIENTS, Machine
from peer_relay.agents.hooks import HOOKS
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
        "peer-relay config --client claude --hooks  # shows the hooks by which it notices a question",
    ],
    prints_data=True,
    enters_room=True,
)
@click.option("--client", "name", type=click.Choice(list(CLIENTS)), required=True, help="The agent.")
@click.option("--hooks", is_flag=True, help="Show the hooks by which it notices a question, and not the server.")
@click.option("--write", is_flag=True, help="Put it into the agent's file.")
def config(*, name: str, hooks: bool, write: bool) -> None:
    """Show what an agent's file needs: the server, or the hooks.

    With --write it is put there: into the file of the project in this folder, or, for Claude Desktop, Windsurf and Zed,
    into the one file that they have. Whatever else is in a file stays; one that is changed is kept beside itself, with
    .bak at its name. For Codex use the command that is named.

    With --hooks it is the hooks of Claude Code, Codex, Gemini CLI or VS Code. A person puts them where they belong.
    """
    settings, client = read_settings(), CLIENTS[name]
    if hooks and name not in HOOKS:
        raise _no_hooks(client)
    room = _room(settings, manners().room or settings.room)
    launch = launch_for(settings, room, _remote(settings, room), whole_path=client.from_desktop)
    machine = Machine(home_folder(), surroundings())
    if hooks:
        _show_hooks(client, launch, HOOKS[name].path(machine, working_folder()), write=write)
        return
    path = client.path(machine, working_folder())
    if write and _has_a_command(client):
        raise Failure(
            f"{path} is one file for all projects, so --write leaves it. {_how(client, launch)}", kind="NotWritten"
        )
    done = _write(client, path, launch) if write else None
    if manners().as_json:
        emit(_data(client, path, client.snippet(launch), _command(client, launch), done))
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
            emit(_data(client, path, client.snippet(launch), _command(client, launch)))
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


def _command(client: Client, launch: Launch) -> str | None:
    """Return the command that puts the server into an agent's file, if the agent has one."""
    return shlex.join(client.add(launch)) if client.program else None


def _data(
    client: Client, path: Path, snippet: str, command: str | None, done: Merged | None = None
) -> dict[str, str | bool | None]:
    """Return what is printed with `--json`."""
    backup = None if done is None else done.backup
    return {
        "client": client.name,
        "path": str(path if done is None else done.path),
        "snippet": snippet,
        "command": command,
        "changed": done is not None and done.changed,
        "backup": None if backup is None else str(backup),
    }


# ---------------------------------------------------------------------------------------------------------------------
# Hooks


def _show_hooks(client: Client, launch: Launch, path: Path, *, write: bool) -> None:
    """Show the hooks, and say where they belong.

    Raises:
        Failure: they were to be written. They are lists among those of others, in which no name says which are ours.
    """
    hooks = HOOKS[client.name]
    if write:
        raise Failure(
            f"{path} may hold hooks of others, so --write leaves it. Put there by hand what --hooks alone prints.",
            kind="NotWritten",
        )
    if manners().as_json:
        emit(_data(client, path, hooks.snippet(launch), None))
        return
    say(printable(hooks.snippet(launch)).rstrip("\n"))
    home = "PEER_RELAY_HOME has to be set where it is started" if "PEER_RELAY_HOME" in launch.env else ""
    warn(
        "; ".join(each for each in (f"this belongs into {path}, beside what is there", hooks.remark, home) if each)
        + "."
    )


def _no_hooks(client: Client) -> Failure:
    advice = "Put this line into its instructions: At the start of a task, call check_questions and tell me what waits."
    return Failure(f"{client.title} has no hooks that peer-relay could use. {advice}", kind="NoHooks")
