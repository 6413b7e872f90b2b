"""`join`: the other of two people enters the room with the invite.

1. A typo is found by the invite's checksum, before any contact.
2. Nothing is used up: whatever fails, the same invite can be used again.
"""

from __future__ import annotations

import contextlib
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from peer_relay import app
from peer_relay.cli.command import command, manners
from peer_relay.cli.ending import Failure, status_of
from peer_relay.cli.output import emit, say, warn
from peer_relay.cli.pairing import find_place, is_public, name_option, nothing_left
from peer_relay.cli.pasting import is_cut, understand
from peer_relay.cli.progress import Watcher, working
from peer_relay.cli.prompts import agree, can_ask, complain, folded, read_hidden, remark
from peer_relay.cli.registering import offer, register_option
from peer_relay.cli.signing import as_objects, chosen_key, pin_command, sign_option, told_of, with_own_key
from peer_relay.cli.terminal import on_terminal
from peer_relay.errors import InvalidInvite, LocalError, PeerRelayError, TransportError
from peer_relay.keys import RoomKeys
from peer_relay.rooms import Rooms, SavedRoom
from peer_relay.settings import Settings, read_settings, surroundings
from peer_relay.signing import Signing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from peer_relay.cli.pairing import Place
    from peer_relay.config import RelayConfig
    from peer_relay.invite import Invite
    from peer_relay.signing import Pin
    from peer_relay.sshkeys import PublicKey

_MAX_INPUT_BYTES = 64 * 1024


@command(
    examples=[
        "peer-relay join  # asks for the invite",
        "peer-relay join --remote https://github.com/alice/mailbox.git",
        "pbpaste | peer-relay join --json",
        "peer-relay join --sign  # and sign what you write with your usual ssh key",
    ],
    prints_data=True,
)
@click.option("--remote", help="Your own address of the same repository, such as https:// instead of ssh.")
@name_option
@click.option("--yes", is_flag=True, help="Become the other peer, too, by an invite that you made yourself.")
@sign_option
@register_option
def join(*, remote: str | None, name: str | None, yes: bool, key_file: str | None, register: bool | None) -> None:
    """Enter the room that an invite leads to.

    The invite is asked for (what you paste is not shown), or read from standard input if that is not a terminal. It is
    never an argument, because other users of a machine can see those.
    """
    settings, invite = read_settings(), _read_invite()
    _check_whose_it_is(settings.rooms, invite, confirmed=yes)
    place = find_place(remote or invite.remote)
    with _reusable():
        key = None if key_file is None else chosen_key(settings, key_file)
        room, saved_as = _enter(settings, invite, place, name, key)
    if manners().as_json:
        told = {"remote": place.remote.display, "room_id": room.identity[0], "me": room.peer_id}
        signs = {} if room.signing is None else {"keys": list(as_objects(room.signing))}
        emit({**told, "peer": room.other_peer, "saved_as": saved_as, **signs})
    else:
        who = f"You are {room.peer_id}, paired with {room.other_peer} in {place.remote.display}."
        say(folded(f"{who} The room is saved as {saved_as}.", sys.stdout))
        _tell_of_keys(room, key, invite)
    offer(settings, saved_as, place.remote, register=register)


def _tell_of_keys(room: SavedRoom, key: tuple[str, PublicKey] | None, invite: Invite) -> None:
    for sentence in told_of(room, key[1] if key else None):
        say(folded(sentence, sys.stdout))
    if room.signing is None or key is None or _is_pinned(key[1], invite.peer_id, invite.pins):
        return
    pin = next(pin for pin in room.signing.pins if (pin.peer, pin.key) == (room.peer_id, key[1]))
    who = f"{room.other_peer} runs this, and so do you on each other machine of yours:"
    say(folded(f"\nFor your signatures to count, {who}", sys.stdout))
    say(f"\n    {pin_command(pin)}")


def _signing(settings: Settings, invite: Invite, key: tuple[str, PublicKey] | None) -> Signing | None:
    """Return what is pinned for the room already, together with what the invite brings.

    Raises:
        Failure: others ask for signatures of this peer, and this machine would not sign, or with another key; or the
            invite, which whoever has the token could have written, brings a further key of a peer that has one.
    """
    identity = RoomKeys.from_token(invite.token).room_id, invite.peer_id
    signing = settings.rooms.signing_of(identity) or Signing()
    known = {(pin.peer, pin.key) for pin in signing.pins}
    new = tuple(pin for pin in invite.pins if (pin.peer, pin.key) not in known)
    if other := next((pin for pin in new if pin.peer in signing.peers), None):
        raise Failure(
            f"This invite brings another key of {other.peer} than the one that is pinned here. Compare its words with "
            f"{other.peer}, which are {other.key.words}, and then pin it with `peer-relay keys --pin`.",
            kind="OtherKey",
        )
    signing = replace(signing, pins=(*signing.pins, *new))
    if key is not None:
        _check_accepted(key[1], invite.peer_id, signing)
        return replace(signing, key_file=key[0])
    if signing.key_file is None and signing.is_bound(invite.peer_id):
        raise Failure(
            f"{invite.peer_id} signs in this room, so what this machine writes would be refused. Add --sign.",
            kind="NotSigned",
        )
    return signing if signing.pins or signing.key_file else None


def _check_accepted(key: PublicKey, me: str, signing: Signing) -> None:
    """Let no machine begin with a key that nobody else knows of, where its peer signs already: it would stop the room.

    Raises:
        Failure: keys of this peer are pinned, and this is none of them.
    """
    if not signing.is_bound(me) or key in signing.keys_of(me):
        return
    if signing.key_file is not None:
        advice = "`peer-relay keys --sign FILE` takes another key where a room is saved."
    else:
        advice = (
            "Let your peer pin it, and pin it on your other machine; then make a new invite there: "
            f"peer-relay keys --of {me} --pin '{key.line}'"
        )
    what = f"{me} signs in this room, and not with this key, which in words is {key.words}."
    raise Failure(f"{what} {advice}", kind="OtherKey")


def _is_pinned(key: PublicKey, peer: str, pins: tuple[Pin, ...]) -> bool:
    return any((pin.peer, pin.key) == (peer, key) for pin in pins)


def _enter(
    settings: Settings, invite: Invite, place: Place, name: str | None, key: tuple[str, PublicKey] | None
) -> tuple[SavedRoom, str]:
    """Check the mailbox, verify the room and save it; return it and the name that it is saved under."""
    signing = _signing(settings, invite, key)
    config = settings.config(place.address, invite.token, invite.peer_id, signing)
    with nothing_left(settings, invite.token, invite.peer_id):
        if is_public(settings, place, RoomKeys.from_token(invite.token).room_id):
            warn(place.public_sentence)
        with working("Reading the room"):
            peers = app.inspect_room(config, surroundings(), Watcher()).peers
        other = peers[1] if peers[0] == invite.peer_id else peers[0]
        with with_own_key(config, key, signing) as pinned:
            room = SavedRoom(place.address, invite.token, invite.peer_id, other, pinned)
            saved_as = settings.rooms.save(room, name)
    if room.signing is not None:
        _look_again(settings.config(room.remote, room.token, room.peer_id, room.signing))
    return room, saved_as


def _look_again(config: RelayConfig) -> None:
    """Look once more at what was refused on this machine for want of a key that the invite brought."""
    from peer_relay import pinning  # noqa: PLC0415 - only who signs needs it

    with contextlib.suppress(PeerRelayError):
        pinning.look_afresh(config, surroundings(), Watcher())


@contextlib.contextmanager
def _reusable() -> Iterator[None]:
    """Say of what stands in the way of the mailbox, or on this machine, that it did not use the invite up."""
    try:
        yield
    except (TransportError, LocalError) as error:
        raise Failure(
            f"{error} Nothing was saved, and the invite can be used again.",
            status_of(error),
            kind=type(error).__name__,
            retryable=error.retryable,
        ) from error


# ---------------------------------------------------------------------------------------------------------------------
# The invite


def _read_invite() -> Invite:
    """Read the invite without showing it.

    Raises:
        InvalidInvite: what was read is not one, and nobody can be asked again.
    """
    while on_terminal():
        try:
            more = "The rest of it, please; or Enter to begin again"
            return understand(read_hidden("Paste the invite (it is not shown)", is_cut, more))
        except InvalidInvite as problem:
            if not can_ask():
                raise
            complain(problem)
    if sys.stdin is None:
        raise Failure("There is no standard input to read the invite from. Pass it in by a pipe or a file.")
    return understand(sys.stdin.buffer.read(_MAX_INPUT_BYTES).decode(errors="replace"))


def _check_whose_it_is(rooms: Rooms, invite: Invite, *, confirmed: bool) -> None:
    """Let nobody become both peers of a room by an oversight.

    Raises:
        Failure: the invite was made on this machine for somebody else, and nobody said that this is meant.
    """
    room_id = RoomKeys.from_token(invite.token).room_id
    saved = (room for _, room in rooms.readable() if room.identity[0] == room_id)
    mine = next((room.peer_id for room in saved if room.other_peer == invite.peer_id), None)
    both = any(room.identity == (room_id, invite.peer_id) for _, room in rooms.readable())
    if mine is None or both or confirmed:
        return
    what = f"This invite is for {invite.peer_id}, and on this machine you are {mine} in that room."
    if not can_ask():
        raise Failure(f"{what} Send it to {invite.peer_id}, or say --yes to be {invite.peer_id} here, too.")
    remark(what)
    if not agree(f"Be {invite.peer_id} here, too?", default=False):
        raise Failure(f"Nothing was saved. Send the invite to {invite.peer_id}.")
