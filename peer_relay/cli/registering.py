"""Telling the agents of this machine of the server, after `init` and `join`.

1. Nothing is run that was not shown, and nothing without a yes: at the prompt, or by `--register`.
2. The room is there already, so nothing that happens here makes the command fail.
3. An agent that knows the server is left alone. If it uses another room, the sentence says how to change that.
4. Hooks stand among those of others, so they are nobody's but the user's to write: the last words say what shows them.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from peer_relay.agents.clients import CLIENTS
from peer_relay.agents.hooks import HOOKS
from peer_relay.agents.registered import registrations
from peer_relay.cli.command import manners
from peer_relay.cli.launching import home_folder, launch_for, search_path, working_folder
from peer_relay.cli.output import say, warn
from peer_relay.cli.progress import working
from peer_relay.cli.prompts import agree, can_ask, folded, remark
from peer_relay.cli.terminal import printable
from peer_relay.errors import in_quotes
from peer_relay.git import process
from peer_relay.git.words import clean, last_lines
from peer_relay.settings import surroundings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from peer_relay.agents.clients import Client
    from peer_relay.agents.launch import Launch
    from peer_relay.agents.registered import Registration
    from peer_relay.git.remote import Remote
    from peer_relay.settings import Settings

_LIMIT_S = 60.0
_SHOWN_LINES, _SHOWN_LENGTH = 3, 300
register_option = click.option(
    "--register/--no-register",
    default=None,
    help="Register the server with the agents of this machine, or do not; by default you are asked on a terminal.",
)


@dataclass(frozen=True)
class _Scene:
    """What was found on this machine.

    Attributes:
        launch: how the server is to be started.
        environ: the environment.
        known: where the server is registered.
        saved_as: the name of the room that was just opened or entered.
        is_only: whether no other room is saved.
    """

    launch: Launch
    environ: Mapping[str, str]
    known: Sequence[Registration]
    saved_as: str
    is_only: bool

    def has(self, client: Client) -> bool:
        """Say whether an agent's program is on this machine."""
        return client.program is not None and shutil.which(client.program, path=search_path(self.environ)) is not None

    def fits(self, registration: Registration) -> bool:
        """Say whether an agent uses the room that was just opened or entered. How it starts the server is its own."""
        room, home = (registration.env.get(name) for name in ("PEER_RELAY_ROOM", "PEER_RELAY_HOME"))
        same_room = room == self.saved_as or (room is None and self.is_only)
        return same_room and home == self.launch.env.get("PEER_RELAY_HOME")


def offer(settings: Settings, saved_as: str, remote: Remote, *, register: bool | None) -> None:
    """Register the server with the agents that are found, ask about it, or say how it is done.

    Args:
        settings: with the saved rooms.
        saved_as: the name of the room.
        remote: its mailbox.
        register: True to register without asking, False to say nothing, None to ask if somebody is there.
    """
    if register is False or (register is None and manners().as_json):
        return
    is_only = len(settings.rooms.names()) == 1
    environ = surroundings()
    launch = launch_for(settings, None if is_only else saved_as, remote)
    scene = _Scene(launch, environ, registrations(home_folder(), working_folder(), environ), saved_as, is_only)
    found = [client for client in CLIENTS.values() if scene.has(client)]
    missing = [client for client in found if not _is_known(client, scene)]
    if not found and not any(scene.fits(each) for each in scene.known):
        _advise([CLIENTS["claude"]], scene)
        _lead_to_hooks([CLIENTS["claude"]], scene)
        others = "|".join(each for each in CLIENTS if each != "claude")
        _tell(f"For another agent: peer-relay config --client {others}")
    elif register is None and not can_ask():
        _advise(missing, scene)
        _lead_to_hooks(missing, scene)
    else:
        _lead_to_hooks([each for each in missing if _register(each, scene, ask_first=register is None)], scene)


# ---------------------------------------------------------------------------------------------------------------------
# One agent


def _is_known(client: Client, scene: _Scene) -> bool:
    """Say whether an agent has the server already, and tell so."""
    known = [each for each in scene.known if each.client == client.name]
    if not known:
        return False
    fitting = next((each for each in known if scene.fits(each)), None)
    if fitting is not None:
        _tell(f"{client.title} has the server already ({fitting.path}).")
        return True
    lacks_room = "PEER_RELAY_ROOM" not in known[0].env and not scene.is_only
    why = "but now that several rooms are saved, it has to name one" if lacks_room else "but for another room"
    _tell(
        f"{client.title} has the server already ({known[0].path}), {why}. To have this one there:",
        *_change(client, known[0], scene),
    )
    return True


def _change(client: Client, registration: Registration, scene: _Scene) -> list[str]:
    """Return the commands that make an agent use another room."""
    if registration.scope != "user":
        return [f"peer-relay config --client {client.name} --room {scene.saved_as} --write"]
    first = [shlex.join([*client.remove, registration.scope])] if client.remove else []
    return [*first, shlex.join(client.add(scene.launch))]


def _advise(clients: Iterable[Client], scene: _Scene) -> None:
    """Say how agents are told of the server."""
    for client in clients:
        what = f"Your agent needs the MCP server `peer-relay serve`. This tells {client.title} of it:"
        _tell(what, shlex.join(client.add(scene.launch)))


def _lead_to_hooks(clients: Iterable[Client], scene: _Scene) -> None:
    """Say what shows the hooks of agents that did not have the server before."""
    room = () if scene.is_only else ("--room", scene.saved_as)
    commands = [
        shlex.join(["peer-relay", "config", "--client", client.name, "--hooks", *room])
        for client in clients
        if client.name in HOOKS
    ]
    if commands:
        _tell("So that an agent notices a question by itself, give it the hooks too. This shows them:", *commands)


def _register(client: Client, scene: _Scene, *, ask_first: bool) -> bool:
    """Tell an agent of the server, if need be after asking, and say whether it has it now."""
    words = client.add(scene.launch)
    if ask_first:
        remark(f"\n{client.title} is told of the server by\n\n    {shlex.join(words)}\n")
        if not agree("Run this?", default=True):
            return False
    else:
        _tell(f"{client.title} is told of the server:", shlex.join(words))
    with working(f"Telling {client.title}"):
        problem = _run(words, scene.environ)
    if problem is not None:
        warn(f"{client.title} does not know the server yet: {problem} By hand: {shlex.join(words)}")
        return False
    _tell(f"{client.title} has the server now; a session that is open has to be started again.")
    if client.name == "codex" and scene.launch.handed_on:
        names = ", ".join(f'"{name}"' for name in scene.launch.handed_on)
        warn(
            f"Codex keeps some variables from its servers. If its tools say that the login was refused, put the line "
            f"env_vars = [{names}] below [mcp_servers.peer-relay] in its config.toml."
        )
    return True


def _run(words: Sequence[str], environ: Mapping[str, str]) -> str | None:
    """Run a command to its end and return None, or a sentence about what went wrong."""
    program = shutil.which(words[0], path=search_path(environ)) or words[0]
    try:
        child = process.start([program, *words[1:]], environ, stderr=subprocess.STDOUT)
    except OSError as error:
        return f"the command cannot be run ({error.strerror})."
    try:
        said, _ = child.communicate(timeout=_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill(child)
        return f"the command did not end within {_LIMIT_S:g} seconds."
    finally:
        process.end(child, 0)
    if child.returncode == 0:
        return None
    words_of_it = clean(last_lines(said, _SHOWN_LINES), limit=_SHOWN_LENGTH)
    return f"the command failed and says: {in_quotes(words_of_it)}."


def _tell(text: str, *commands: str) -> None:
    """Tell something that is no result of the command's own, and commands that can be typed as they are.

    With `--json` it is a note.
    """
    if manners().as_json:
        warn(" ".join([text, "; ".join(commands)]).rstrip())
        return
    say(folded(f"\n{printable(text)}", sys.stdout))
    if commands:
        say("\n" + "\n".join(f"    {printable(each)}" for each in commands))
