"""What `init` and `join` share: names, addresses, the check of a mailbox, and `token`.

1. The invite and the token are read from a prompt or standard input and never from the command line, where every user
   of the machine could see them (I10).
2. A mailbox is read and asked whether it could be written before anything is created or saved.
3. What fails leaves nothing behind on this machine that was not there before.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from peer_relay import app, disk, leaving
from peer_relay.access import check_access
from peer_relay.cli.command import command
from peer_relay.cli.output import say
from peer_relay.cli.progress import Watcher, working
from peer_relay.errors import InvalidSetting, OutcomeUnknown, PeerRelayError
from peer_relay.git.remote import parse_remote
from peer_relay.ids import PEER_PATTERN
from peer_relay.keys import RoomKeys
from peer_relay.rooms import check_name
from peer_relay.settings import expand_home, surroundings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from peer_relay.git.remote import Remote
    from peer_relay.settings import Settings

PEER_RULE = "must be 1 to 32 characters a-z, 0-9 and -, not beginning with -."


@dataclass(frozen=True)
class Place:
    """Where a mailbox is.

    Attributes:
        address: the address as it is to be saved, which means the same from every folder.
        remote: the same, taken apart.
    """

    address: str
    remote: Remote

    @property
    def is_to_be_made(self) -> bool:
        """Whether it is a path at which nothing is yet, so that a repository can be made there."""
        path = Path(self.remote.path)
        with disk.reported(path):
            return self.remote.kind == "local" and not (path.exists() and (path.is_file() or any(path.iterdir())))

    @property
    def public_sentence(self) -> str:
        """What it means that anybody can read it."""
        return (
            f"{self.remote.display} can be read by anybody, without a login, so everything that you two write there is "
            "public."
        )


def is_peer_id(text: str) -> bool:
    """Say whether a text can be a peer's name."""
    return re.fullmatch(PEER_PATTERN, text) is not None


def check_peer(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    """Refuse what cannot be a peer's name as wrong usage."""
    if value is not None and not is_peer_id(value):
        raise click.BadParameter(PEER_RULE)
    return value


def _check_name(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    try:
        if value is not None:
            check_name(value)
    except ValueError as error:
        raise click.BadParameter(f"{error}.") from None
    return value


name_option = click.option(
    "--name", callback=_check_name, help="What to call the saved room; by default by the two names, such as alice-bob."
)


def find_place(text: str) -> Place:
    """Take an address apart, with a `~` at its beginning expanded.

    Raises:
        InvalidRemote, InvalidSetting: it cannot be the address of a mailbox.
    """
    try:
        expanded = expand_home(text)
    except ValueError as error:
        advice = "Write the whole path."
        raise InvalidSetting(name="The address of the mailbox", reason=str(error), advice=advice) from None
    remote = parse_remote(expanded)
    return Place(remote.path if remote.kind == "local" else expanded, remote)


def is_public(settings: Settings, place: Place, room_id: str | None = None) -> bool | None:
    """Check that a mailbox can be read and written, and say whether anybody can read it.

    Args:
        settings: with the time limit.
        place: where it is.
        room_id: the room that is meant, if there is one already.

    Returns:
        None if it cannot be told, as for a path.

    Raises:
        TransportError: what stands against it.
    """
    with working(f"Checking that {place.remote.display} can be read and written"):
        access = check_access(place.address, surroundings(), settings.timeout, room_id=room_id, observer=Watcher())
    return access.public


@contextlib.contextmanager
def nothing_left(settings: Settings, token: str, peer_id: str) -> Iterator[None]:
    """Take away what this machine began to keep for a room, if it was not there before and something fails."""
    state = leaving.state_of(settings.state_folder, RoomKeys.from_token(token).room_id, peer_id)
    was_there = state.folder.exists()
    try:
        yield
    except OutcomeUnknown:
        raise
    except (PeerRelayError, KeyboardInterrupt):
        if not was_there:
            with contextlib.suppress(PeerRelayError):
                leaving.discard(state, settings.timeout)
        raise


@command(
    examples=[
        "peer-relay token",
        "PEER_RELAY_ROOM_TOKEN=$(peer-relay token) peer-relay init ~/mailbox.git --me alice --peer bob",
    ]
)
def token() -> None:
    """Print a new room token.

    It is only needed to choose a room's token before the room is opened: `init` makes one by itself.
    """
    say(app.new_token())
