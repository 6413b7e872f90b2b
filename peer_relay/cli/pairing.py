"""`init`, `join` and `token`: how two people come to share a room.

1. The invite and the token are read from a prompt or standard input and never from the command line, where every user
   of the machine could see them (I10).
2. A new room's token is on the disk before the room is: whatever happens in between, the same `init` again finishes it.
"""

from __future__ import annotations

import contextlib
import re
import shlex
import sys
from typing import TYPE_CHECKING

import click

from peer_relay import app
from peer_relay.cli.terminal import on_terminal
from peer_relay.errors import InvalidSetting, OutcomeUnknown, PeerRelayError
from peer_relay.git.remote import Remote, parse_remote
from peer_relay.ids import PEER_PATTERN
from peer_relay.invite import Invite, format_invite, parse_invite
from peer_relay.keys import parse_token
from peer_relay.paths import branch_ref
from peer_relay.rooms import Rooms, SavedRoom, check_name
from peer_relay.settings import Settings, expand_home, read_settings, surroundings

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAX_INPUT_BYTES = 64 * 1024


def _check_peer(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    if re.fullmatch(PEER_PATTERN, value) is None:
        raise click.BadParameter("must be 1 to 32 characters a-z, 0-9 and -, not beginning with -.")
    return value


def _check_name(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    try:
        if value is not None:
            check_name(value)
    except ValueError as error:
        raise click.BadParameter(f"{error}.") from None
    return value


_name_option = click.option(
    "--name", callback=_check_name, help="What to call the saved room; by default by the two names, such as alice-bob."
)


# ---------------------------------------------------------------------------------------------------------------------
# init


@click.command
@click.argument("remote")
@click.option("--me", required=True, callback=_check_peer, help="Your own name in the room, such as alice.")
@click.option("--peer", required=True, callback=_check_peer, help="The other peer's name, such as bob.")
@_name_option
def init(remote: str, me: str, peer: str, name: str | None) -> None:
    """Open a room for two and print the invite for the other peer.

    REMOTE is a git repository that both of you can read and write: user@host:path, ssh://, https:// or a path. A bare
    repository at a path is made if it is not there; any other has to be there already, and may be empty.

    It is safe to repeat: the same command again finds the same room and prints the same invite. A token in
    PEER_RELAY_ROOM_TOKEN is used for the room if there is one.
    """
    if me == peer:
        raise click.BadParameter("must be another name than that of --me.", param_hint="'--peer'")
    settings, (address, parsed) = read_settings(), _address(remote)
    room = SavedRoom(remote=address, token=_token(settings, parsed, me, peer, name), peer_id=me, other_peer=peer)
    with _kept(settings.rooms, room, name):
        app.create_room(settings.config(room.remote, room.token, me), peer, surroundings())
    saved_as = settings.rooms.save(room, name)
    invite = format_invite(Invite(remote=parsed.invite_form, token=room.token, peer_id=peer))
    branch = branch_ref(room.identity[0]).removeprefix("refs/heads/")
    click.echo(f"The room of {me} and {peer} is open in {parsed.display} (branch {branch}). It is saved as {saved_as}.")
    click.echo(f"\nSend this invite to {peer} in private; whoever has it can read and write in the room:")
    click.echo(f"\n{invite}\n")
    click.echo(f"{peer} needs access to the repository too, runs `peer-relay join` and pastes the invite there.")
    click.echo(_next_step(settings, saved_as))


def _token(settings: Settings, remote: Remote, me: str, peer: str, name: str | None) -> str:
    """Return the token of the variable, else of the same room if it is saved, else a new one."""
    if settings.room_token is not None:
        parse_token(settings.room_token)
        return settings.room_token
    for saved_as, room in settings.rooms.readable():
        same_people = (room.peer_id, room.other_peer) == (me, peer)
        if same_people and name in (None, saved_as) and _shown(room.remote) == remote.invite_form:
            return room.token
    return app.new_token()


def _shown(address: str) -> str | None:
    with contextlib.suppress(PeerRelayError):
        return parse_remote(address).invite_form
    return None


@contextlib.contextmanager
def _kept(rooms: Rooms, room: SavedRoom, name: str | None) -> Iterator[None]:
    """Keep a new room's token while the room is made, and do not keep it when certainly none was made."""
    if any(saved.identity == room.identity for _, saved in rooms.readable()):
        yield
        return
    saved_as = rooms.save(room, name)
    try:
        yield
    except OutcomeUnknown:
        raise
    except PeerRelayError:
        rooms.forget(saved_as)
        raise


# ---------------------------------------------------------------------------------------------------------------------
# join


@click.command
@click.option("--remote", help="Your own address of the same repository, such as https:// instead of ssh.")
@_name_option
def join(remote: str | None, name: str | None) -> None:
    """Enter the room that an invite leads to.

    The invite is asked for (what you paste is not shown), or read from standard input if that is not a terminal. It is
    never an argument, because other users of a machine can see those.
    """
    settings, invite = read_settings(), _read_invite()
    address, parsed = _address(remote or invite.remote)
    config = settings.config(address, invite.token, invite.peer_id)
    peers = app.inspect_room(config, surroundings()).peers
    other = peers[1] if peers[0] == invite.peer_id else peers[0]
    room = SavedRoom(remote=address, token=invite.token, peer_id=invite.peer_id, other_peer=other)
    saved_as = settings.rooms.save(room, name)
    click.echo(f"You are {invite.peer_id}, paired with {other} in {parsed.display}. The room is saved as {saved_as}.")
    click.echo(_next_step(settings, saved_as))


def _read_invite() -> Invite:
    """Read the invite without showing it.

    Raises:
        InvalidInvite: what was read is not one.
    """
    if on_terminal():
        return parse_invite(click.prompt("Paste the invite (it is not shown)", hide_input=True, err=True))
    return parse_invite(sys.stdin.buffer.read(_MAX_INPUT_BYTES).decode(errors="replace"))


# ---------------------------------------------------------------------------------------------------------------------
# token


@click.command("token")
def token() -> None:
    """Print a new room token.

    It is only needed to choose a room's token before the room is opened: `init` makes one by itself.
    """
    click.echo(app.new_token())


# ---------------------------------------------------------------------------------------------------------------------
# Parts of both


def _address(text: str) -> tuple[str, Remote]:
    """Return an address as it is to be saved, which is the same from every folder, and taken apart."""
    try:
        expanded = expand_home(text)
    except ValueError as error:
        advice = "Write the whole path."
        raise InvalidSetting(name="The address of the mailbox", reason=str(error), advice=advice) from None
    parsed = parse_remote(expanded)
    return parsed.path if parsed.kind == "local" else expanded, parsed


def _next_step(settings: Settings, saved_as: str) -> str:
    """Say how an agent gets the server, with the variables that it cannot do without."""
    variables = {"PEER_RELAY_HOME": str(settings.home)} if settings.home else {}
    if len(settings.rooms.names()) > 1:
        variables["PEER_RELAY_ROOM"] = saved_as
    options = "".join(f"-e {shlex.quote(f'{name}={value}')} " for name, value in variables.items())
    return (
        "Your agent needs the MCP server `peer-relay serve`. For Claude Code:\n\n"
        f"    claude mcp add peer-relay {options}-- peer-relay serve"
    )
