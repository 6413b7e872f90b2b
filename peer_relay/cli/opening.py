"""`init`: one of two people opens a room and gets the invite for the other.

1. A new room's token is on the disk before the room is: whatever happens in between, the same `init` again finishes it.
2. The invite is shown only when the room is there and saved, and before anything else is asked.
"""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import click

from peer_relay import app
from peer_relay.cli.command import command, manners
from peer_relay.cli.ending import Failure
from peer_relay.cli.output import emit, say, warn
from peer_relay.cli.pairing import (
    PEER_RULE,
    Place,
    check_peer,
    find_place,
    is_peer_id,
    is_public,
    name_option,
    nothing_left,
)
from peer_relay.cli.progress import Watcher, working
from peer_relay.cli.prompts import ask, can_ask, folded, remark
from peer_relay.cli.registering import offer, register_option
from peer_relay.cli.signing import as_objects, chosen_key, pins_for, sign_option, told_of, with_own_key
from peer_relay.errors import OutcomeUnknown, PeerRelayError
from peer_relay.git.remote import parse_remote
from peer_relay.invite import Invite, format_invite
from peer_relay.keys import parse_token
from peer_relay.paths import branch_ref
from peer_relay.rooms import Rooms, SavedRoom
from peer_relay.settings import Settings, read_settings, surroundings
from peer_relay.signing import Signing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from peer_relay.sshkeys import PublicKey

_WHAT_A_MAILBOX_IS = """\
The room lives in a private git repository that both of you can read and write. It may be empty. Such as:

    git@github.com:alice/mailbox.git
    https://github.com/alice/mailbox.git
    ~/mailbox.git
"""


@dataclass(frozen=True)
class _Wanted:
    """The room that is to be opened: where, whether anybody can read there, and for whom."""

    place: Place
    public: bool | None
    me: str
    peer: str


@command(
    examples=[
        "peer-relay init  # asks for what it needs",
        "peer-relay init git@github.com:alice/mailbox.git --me alice --peer bob",
        "peer-relay init ~/mailbox.git --me alice --peer bob --name trial",
        "peer-relay init ~/mailbox.git --me alice --peer bob --json",
        "peer-relay init ~/mailbox.git --me alice --peer bob --sign  # with your usual ssh key",
    ],
    prints_data=True,
)
@click.argument("remote", required=False)
@click.option("--me", callback=check_peer, help="Your own name in the room, such as alice.")
@click.option("--peer", callback=check_peer, help="The other peer's name, such as bob.")
@name_option
@click.option("--public-ok", is_flag=True, help="Use a repository that anybody can read.")
@sign_option
@register_option
def init(
    *,
    remote: str | None,
    me: str | None,
    peer: str | None,
    name: str | None,
    public_ok: bool,
    key_file: str | None,
    register: bool | None,
) -> None:
    """Open a room for two and print the invite for the other peer.

    REMOTE is a git repository that both of you can read and write: user@host:path, ssh://, https:// or a path. A bare
    repository at a path is made if it is not there; any other has to be there already, and may be empty. On a terminal
    you are asked for what you leave out.

    It is safe to repeat: the same command again finds the same room and prints the same invite. A token in
    PEER_RELAY_ROOM_TOKEN is used for the room if there is one.
    """
    settings = read_settings()
    key = None if key_file is None else chosen_key(settings, key_file)
    wanted = _wanted(settings, remote, me, peer, public_ok=public_ok)
    room = SavedRoom(
        remote=wanted.place.address,
        token=_token(settings, wanted, name),
        peer_id=wanted.me,
        other_peer=wanted.peer,
    )
    with nothing_left(settings, room.token, room.peer_id), _kept(settings.rooms, room, name), working("Opening it"):
        room, saved_as = _open(settings, room, name, key)
    _tell(wanted, room, saved_as)
    offer(settings, saved_as, wanted.place.remote, register=register)


def _open(
    settings: Settings, room: SavedRoom, name: str | None, key: tuple[str, PublicKey] | None
) -> tuple[SavedRoom, str]:
    """Open the room, signed if there is a key, and save it with what is pinned; return it and its name."""
    signing = settings.rooms.signing_of(room.identity)
    if key is not None:
        signing = replace(signing or Signing(), key_file=key[0])
    config = settings.config(room.remote, room.token, room.peer_id, signing)
    app.create_room(config, room.other_peer, surroundings(), Watcher())
    with with_own_key(config, key, signing) as pinned:
        room = replace(room, signing=pinned)
        return room, settings.rooms.save(room, name)


# ---------------------------------------------------------------------------------------------------------------------
# What is wanted


def _wanted(settings: Settings, remote: str | None, me: str | None, peer: str | None, *, public_ok: bool) -> _Wanted:
    """Return what was given, and what a person answers where it was not."""
    given = {"REMOTE": remote, "--me": me, "--peer": peer}
    missing = [name for name, value in given.items() if value is None]
    if missing and not can_ask():
        listed = " and ".join([", ".join(missing[:-1]), missing[-1]] if len(missing) > 1 else missing)
        verb = "is" if len(missing) == 1 else "are"
        raise click.UsageError(f"{listed} {verb} missing. On a terminal, `peer-relay init` asks for what is missing.")
    if me is not None and me == peer:
        raise click.BadParameter("must be another name than that of --me.", param_hint="'--peer'")
    if remote is None:
        remark(_WHAT_A_MAILBOX_IS)
        place, public = ask("Address", lambda answer: _checked(settings, answer, public_ok=public_ok))
        if place.is_to_be_made:
            remark(f"Nothing is at {place.remote.display} yet, so a repository will be made there.")
    else:
        place, public = _checked(settings, remote, public_ok=public_ok)
    me = me or ask("Your own name in the room, such as alice", lambda answer: _name(answer, peer))
    peer = peer or ask("The name of the other one, such as bob", lambda answer: _name(answer, me))
    if missing:
        remark("")
    return _Wanted(place, public, me, peer)


def _checked(settings: Settings, address: str, *, public_ok: bool) -> tuple[Place, bool | None]:
    """Return where an address leads, once it is known that it can be used.

    Raises:
        PeerRelayError: it cannot be used from here.
        Failure: anybody can read it, and nobody said that this is meant.
    """
    place = find_place(address)
    if place.is_to_be_made:
        return place, None
    public = is_public(settings, place)
    if public and not public_ok:
        raise Failure(
            f"{place.public_sentence} Make the repository private, or say --public-ok if that is meant.",
            kind="PublicMailbox",
        )
    if public:
        warn(place.public_sentence)
    return place, public


def _name(answer: str, taken: str | None) -> str:
    if not is_peer_id(answer):
        raise Failure(f"A name {PEER_RULE}")
    if answer == taken:
        raise Failure("The two of you need two different names.")
    return answer


# ---------------------------------------------------------------------------------------------------------------------
# The token


def _token(settings: Settings, wanted: _Wanted, name: str | None) -> str:
    """Return the token of the variable, else of the same room if it is saved, else a new one."""
    if settings.room_token is not None:
        parse_token(settings.room_token)
        return settings.room_token
    for saved_as, room in settings.rooms.readable():
        same_people = (room.peer_id, room.other_peer) == (wanted.me, wanted.peer)
        if same_people and name in (None, saved_as) and _shown(room.remote) == wanted.place.remote.invite_form:
            return room.token
    usual = name or f"{wanted.me}-{wanted.peer}"
    if usual in settings.rooms.names():
        settings.rooms.load(usual)  # raises if its file is damaged: the room that it held must not become a second one
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
# What is told


def _tell(wanted: _Wanted, room: SavedRoom, saved_as: str) -> None:
    remote, peer = wanted.place.remote, room.other_peer
    invite = format_invite(Invite(remote.invite_form, room.token, peer, pins_for(room.signing, room.peer_id)))
    room_id = room.identity[0]
    branch = branch_ref(room_id).removeprefix("refs/heads/")
    if manners().as_json:
        emit(
            {
                "remote": remote.display,
                "branch": branch,
                "room_id": room_id,
                "me": room.peer_id,
                "peer": peer,
                "saved_as": saved_as,
                "invite": invite,
                "public": wanted.public,
                **({} if room.signing is None else {"keys": list(as_objects(room.signing))}),
            }
        )
        return
    opened = f"The room of {room.peer_id} and {peer} is open in {remote.display} (branch {branch})."
    say(folded(f"{opened} It is saved as {saved_as}.", sys.stdout))
    for sentence in told_of(room):
        say(folded(sentence, sys.stdout))
    send = f"Send this invite to {peer} in private; whoever has it can read and write in the room:"
    say(folded(f"\n{send}\n", sys.stdout))
    say(invite)
    enter = f"{peer} needs access to the repository too, runs this, and pastes the invite there:"
    say(folded(f"\n{enter}\n\n    peer-relay join", sys.stdout))
