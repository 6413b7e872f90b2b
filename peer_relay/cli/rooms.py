"""`rooms`, `invite` and `leave`: the rooms that are saved on this machine.

1. Nothing here contacts anybody.
2. `leave` takes away what can be had again, by the invite and by fetching, and nothing else.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from peer_relay.cli.command import command, manners
from peer_relay.cli.ending import Failure
from peer_relay.cli.moments import ago, counted
from peer_relay.cli.offline import look_at_disk
from peer_relay.cli.output import console, emit, say, warn
from peer_relay.cli.prompts import agree, can_ask
from peer_relay.cli.signing import pins_for
from peer_relay.cli.terminal import printable
from peer_relay.clock import system_ms
from peer_relay.errors import Busy, PeerRelayError, StateUnusable
from peer_relay.git.remote import parse_remote
from peer_relay.invite import Invite, format_invite
from peer_relay.settings import choose_room, expand_home, read_settings
from peer_relay.signing import Signing
from peer_relay.standing import folder_of, read_standing
from peer_relay.times import MAX_MS, format_ms

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from peer_relay.rooms import SavedRoom
    from peer_relay.settings import Settings
    from peer_relay.standing import Standing

_BACK = "Coming back needs an invite."


@dataclass(frozen=True)
class Shown:
    """A saved room as it is listed.

    Attributes:
        saved_as: its name.
        room: what its file holds, None if that is damaged.
        standing: how things stand in it, as far as this machine knows.
        is_used: whether commands use it when no room is named.
        problem: what is wrong with its file, or None.
    """

    saved_as: str
    room: SavedRoom | None
    standing: Standing | None
    is_used: bool
    problem: str | None

    @property
    def set_aside(self) -> int:
        """How many records the mailbox refused."""
        return 0 if self.standing is None else sum(each.status == "refused" for each in self.standing.outbox)


# ---------------------------------------------------------------------------------------------------------------------
# rooms


@command(examples=["peer-relay rooms", "peer-relay rooms --json"], prints_data=True)
def rooms() -> None:
    """List the rooms that are saved on this machine.

    What is said about each is what this machine knows; nothing is contacted.
    """
    settings = read_settings()
    listed = list(_list(settings))
    if manners().as_json:
        for each in listed:
            emit(as_object(each))
        return
    if not listed:
        warn(f"no room is saved in {settings.rooms.folder}. `peer-relay init` opens one, `peer-relay join` enters one.")
    for each in listed:
        _show(list(_lines(each)))
    if len(listed) > 1 and not any(each.is_used for each in listed):
        warn("none of them is used unless --room or PEER_RELAY_ROOM names it.")


def as_object(shown: Shown) -> dict[str, Any]:
    """Return a saved room with stable field names; what is not known is None."""
    room, standing = shown.room, shown.standing
    contact_ms = None if standing is None else standing.contact_ms
    return {
        "saved_as": shown.saved_as,
        "room_id": None if room is None else room.identity[0],
        "me": None if room is None else room.peer_id,
        "peer": None if room is None else room.other_peer,
        "remote": None if room is None else _address(room),
        "contact_at": None if contact_ms is None else format_ms(min(max(contact_ms, 0), MAX_MS)),
        "waiting": None if standing is None else len(standing.waiting),
        "unread": None if standing is None else len(standing.unread),
        "queued": None if standing is None else len(standing.queued),
        "set_aside": None if standing is None else shown.set_aside,
        "is_used": shown.is_used,
        "problem": shown.problem,
    }


def _list(settings: Settings) -> Iterator[Shown]:
    used = _used()
    for name in settings.rooms.names():
        try:
            room = settings.rooms.load(name)
            standing = read_standing(_folder(settings, room), room.peer_id)
        except PeerRelayError as error:
            yield Shown(name, None, None, is_used=name == used, problem=str(error))
        else:
            problem = settings.rooms.exposure(name) or _unusable_address(room)
            yield Shown(name, room, standing, is_used=name == used, problem=problem)


def _used() -> str | None:
    """Return the room that commands use when none is named, if it is a saved one."""
    with contextlib.suppress(PeerRelayError):
        return choose_room(lambda _: None).saved_as
    return None


def _lines(shown: Shown) -> Iterator[str]:
    """Yield the lines about a saved room, the one with its name first."""
    yield f"{shown.saved_as}{'  (used without --room)' if shown.is_used else ''}"
    if shown.room is not None and shown.standing is not None:
        yield f"    {shown.room.peer_id} (you) and {shown.room.other_peer} in {_place(shown.room)}"
        yield f"    room {shown.room.identity[0]}, {_contact(shown.standing)}"
        news = [*_news(shown, shown.standing)]
        if news:
            yield f"    {', '.join(news)}"
    if shown.problem is not None:
        yield f"    {shown.problem}"


def _contact(standing: Standing) -> str:
    if standing.contact_ms is None:
        return "no contact since it was saved"
    return f"last contact {ago(standing.contact_ms, system_ms())}"


def _news(shown: Shown, standing: Standing) -> Iterator[str]:
    """Yield what somebody may want to do something about."""
    if standing.waiting:
        yield f"{counted(len(standing.waiting), 'question')} for you to answer"
    if standing.unread:
        yield counted(len(standing.unread), "unread answer")
    if standing.queued:
        yield f"{len(standing.queued)} queued"
    if shown.set_aside:
        yield f"{shown.set_aside} set aside"


def _show(lines: Sequence[str]) -> None:
    """Print a block of lines; on a terminal the first one stands out."""
    out = console()
    if out is None:
        say("\n".join(map(printable, lines)))
        return
    from rich.text import Text  # noqa: PLC0415 - only a terminal needs it

    out.print(Text(printable(lines[0]), style="bold"))
    for line in lines[1:]:
        out.print(Text(printable(line)), soft_wrap=True)


def _address(room: SavedRoom) -> str | None:
    """Return a room's address as it may be shown, None if it cannot be used."""
    with contextlib.suppress(PeerRelayError, ValueError):
        return parse_remote(expand_home(room.remote)).display
    return None


def _place(room: SavedRoom) -> str:
    return _address(room) or "an address that cannot be used"


def _unusable_address(room: SavedRoom) -> str | None:
    """Return what is wrong with a room's address, None if it can be used."""
    try:
        parse_remote(expand_home(room.remote))
    except (PeerRelayError, ValueError) as error:
        return str(error)
    return None


def _folder(settings: Settings, room: SavedRoom) -> Path:
    return folder_of(settings.state_folder, *room.identity)


# ---------------------------------------------------------------------------------------------------------------------
# invite


@command(
    examples=[
        "peer-relay invite  # for the other peer",
        "peer-relay invite --for-me  # for another machine of yours",
        "peer-relay invite --room alice-carol --json",
    ],
    prints_data=True,
    enters_room=True,
)
@click.option("--for-me", is_flag=True, help="Print one for yourself, for another machine of yours.")
def invite(*, for_me: bool) -> None:
    """Print the invite of a room again.

    The invite is a secret: whoever has it can read and write in the room, if the repository lets them.
    """
    known = look_at_disk(warn, manners().room)
    me, config = known.standing.me, known.chosen.config
    invited = me if for_me else known.standing.other or _saved_other(known.chosen.saved_as)
    if invited is None:
        raise Failure("It is not known here whom this room pairs you with. `peer-relay status` finds out.")
    remote = parse_remote(config.remote)
    pins = (config.signing or Signing()).pins if for_me else pins_for(config.signing, me)
    line = format_invite(Invite(remote.invite_form, config.token, invited, pins))
    if manners().as_json:
        emit({"remote": remote.display, "room_id": known.room_id, "peer": invited, "invite": line})
        return
    whom = "you on another machine" if for_me else f"{invited}, in private"
    warn(f"this is for {whom}. It is pasted at `peer-relay join`; whoever has it can read and write in the room.")
    say(line)


def _saved_other(saved_as: str | None) -> str | None:
    return None if saved_as is None else read_settings().rooms.load(saved_as).other_peer


# ---------------------------------------------------------------------------------------------------------------------
# leave


def _complete(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    return [name for name in read_settings().rooms.names() if name.startswith(begun)]


@command(
    examples=["peer-relay leave alice-bob", "peer-relay leave alice-bob --yes --json"],
    prints_data=True,
)
@click.argument("name", required=False, shell_complete=_complete)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--even-with-undelivered", is_flag=True, help="Leave although something is not delivered; it stays.")
def leave(*, name: str | None, yes: bool, even_with_undelivered: bool) -> None:
    """Take a saved room off this machine.

    NAME is one that `peer-relay rooms` lists; it can be left out if there is only one. The room's token and what can be
    fetched again are removed. The mailbox is not touched, and questions and answers that are not delivered stay on this
    machine. To come back you need an invite.
    """
    settings = read_settings()
    name = name or _only(settings)
    room = settings.rooms.load(name, "NAME")
    _check_outbox(settings, room, confirmed=even_with_undelivered)
    _confirm(room, confirmed=yes)
    kept = _take_away(settings, name, room)
    if manners().as_json:
        emit({"saved_as": name, "room_id": room.identity[0], "kept": [str(each) for each in kept]})
        return
    say(f"You have left the room of {room.peer_id} and {room.other_peer}. {_BACK}")
    for each in kept:
        say(f"This stays here, because it is nowhere else: {each}")
    if room.signing is None:  # with keys, it reads them anew each time, and stops without them
        warn("an agent that is running keeps the room until it is started again.")


def _only(settings: Settings) -> str:
    """Return the name of the one room that is saved."""
    names = settings.rooms.names()
    if not names:
        raise Failure(f"No room is saved in {settings.rooms.folder}, so there is none to leave.", kind="NoRoom")
    if len(names) > 1:
        raise click.UsageError(f"NAME is missing; saved are: {', '.join(names)}.")
    return names[0]


def _check_outbox(settings: Settings, room: SavedRoom, *, confirmed: bool) -> None:
    """Let nobody leave by an oversight while something is not delivered."""
    folder = _folder(settings, room)
    standing = read_standing(folder, room.peer_id)
    number = sum(each.status != "second" for each in standing.outbox) + len(standing.damaged)
    if number and not confirmed:
        raise Failure(
            f"{counted(number, 'record')} of this room would never be delivered. Look at `peer-relay outbox`, or say "
            f"--even-with-undelivered, and they stay in {folder / 'outbox'}.",
            kind="Undelivered",
        )


def _confirm(room: SavedRoom, *, confirmed: bool) -> None:
    if confirmed:
        return
    if not can_ask():
        raise click.UsageError("leave needs --yes where nobody can be asked.")
    question = f"Leave the room of {room.peer_id} and {room.other_peer} in {_place(room)}? {_BACK}"
    if not agree(question, default=False):
        raise Failure("Nothing was changed.")


def _take_away(settings: Settings, name: str, room: SavedRoom) -> list[Path]:
    """Remove what is kept for a room; the token goes last, so that the same command again finishes it.

    What looks out for news, such as `watch`, may have fetched all of it again in between, and does so no more.
    """
    from peer_relay import leaving  # noqa: PLC0415 - it loads git, which listing rooms does not need

    state = leaving.state_of(settings.state_folder, *room.identity)
    kept = leaving.discard(state, settings.timeout)
    settings.rooms.forget(name)
    with contextlib.suppress(Busy, StateUnusable):
        kept = leaving.discard(state, settings.timeout)
    return kept
