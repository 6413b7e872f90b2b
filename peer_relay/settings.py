"""Where settings come from: the `PEER_RELAY_` variables, and the saved room that they leave open.

1. A variable that is set wins over the saved room; with exactly one saved room no variable is needed. A room that is
   named on the command line is taken from its file alone, whatever the variables say.
2. A variable that is empty, or that arrives as the literal text `${NAME}`, is not set. Agents pass that text on when
   a variable is missing where they were started.
3. No secret is in an error or a `repr`: neither the token nor the address, which may hold a password.
4. What an agent passes on may come from a project that somebody else wrote. So the folder for everything is a whole
   path, which no project can lay into itself, and none into which everybody or another user can put a room.

Folders: the state (clone, outbox) is where platformdirs puts a program's state, and the saved rooms are in
`saved-rooms` where it puts its configuration. `PEER_RELAY_HOME` replaces both, so that it holds all of one person.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from peer_relay import disk
from peer_relay.config import RelayConfig
from peer_relay.errors import InvalidSetting, InvalidToken
from peer_relay.keys import RoomKeys
from peer_relay.rooms import Rooms

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Self

    from peer_relay.signing import Signing

_APP = "peer-relay"
_PREFIX = "PEER_RELAY_"
_ROOMS = "saved-rooms"
SESSION = "CLAUDE_CODE_SESSION_ID"
"""The variable in which Claude Code names its session to what it starts, as it does to hooks on standard input."""
_UNEXPANDED = re.compile(r"\$\{[^}]*\}")

DEFAULT_TIMEOUT_S = 20.0
SHORTEST_TIMEOUT_S, LONGEST_TIMEOUT_S = 1, 600
MOST_PUSHES = 600


@dataclass(frozen=True)
class Settings:
    """The variables as they are set, each named as here behind `PEER_RELAY_`.

    Attributes:
        remote: the mailbox's address, `~` expanded; it may hold a password.
        room_token: the room token.
        peer_id: the id of the peer that this machine's user is.
        home: the folder for everything, absolute; None for the platform's own folders.
        timeout: how long one operation may take, in seconds.
        pushes_per_minute: how often this machine may push to the mailbox, 0 for no limit; None to go by where that is.
        room: the name of a saved room.
    """

    remote: str | None = field(default=None, repr=False)
    room_token: str | None = field(default=None, repr=False)
    peer_id: str | None = None
    home: Path | None = None
    timeout: float = DEFAULT_TIMEOUT_S
    pushes_per_minute: int | None = None
    room: str | None = None

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """Read the variables.

        Raises:
            InvalidSetting: one of them has a value that it cannot have.
        """
        given = {each.name: environ.get(_variable(each.name), "").strip() for each in fields(cls)}
        is_set = {name: value for name, value in given.items() if not is_unset(value)}
        remote, home, timeout = is_set.get("remote"), is_set.get("home"), is_set.get("timeout")
        pushes = is_set.get("pushes_per_minute")
        return cls(
            remote=None if remote is None else _expanded("remote", remote),
            room_token=is_set.get("room_token"),
            peer_id=is_set.get("peer_id"),
            home=None if home is None else _whole_path("home", home),
            timeout=DEFAULT_TIMEOUT_S if timeout is None else _seconds("timeout", timeout),
            pushes_per_minute=None if pushes is None else _how_often("pushes_per_minute", pushes),
            room=is_set.get("room"),
        )

    @property
    def state_folder(self) -> Path:
        """The folder for the clone, the outbox and everything else that this machine keeps."""
        return self.home or _system_folder("state")

    @property
    def rooms(self) -> Rooms:
        """The saved rooms."""
        return Rooms((self.home or _system_folder("config")) / _ROOMS)

    def config(self, remote: str, token: str, peer_id: str, signing: Signing | None = None) -> RelayConfig:
        """Return how to enter one room, with this machine's folder and time limit."""
        return RelayConfig(
            remote=remote,
            token=token,
            peer_id=peer_id,
            home=self.state_folder,
            timeout_s=self.timeout,
            pushes_per_minute=self.pushes_per_minute,
            signing=signing,
        )


class Chosen(NamedTuple):
    """The room to use.

    Attributes:
        config: how to enter it.
        saved_as: the name of the saved room that something was taken from, or None.
        origins: where the address, the token and the peer id came from, by `remote`, `token` and `peer_id`: the name
            of a variable, or `saved room NAME`.
    """

    config: RelayConfig
    saved_as: str | None
    origins: Mapping[str, str]


def is_unset(value: object) -> bool:
    """Say whether a variable's value means that it is not set."""
    return isinstance(value, str) and (not value.strip() or _UNEXPANDED.fullmatch(value.strip()) is not None)


def expand_home(address: str) -> str:
    """Return an address with a `~` at its beginning expanded; every other address as it is.

    Raises:
        ValueError: the `~` names a user that does not exist.
    """
    if not address.startswith("~"):
        return address
    try:
        return str(Path(address).expanduser())
    except RuntimeError:
        raise ValueError("begins with the home folder of a user that does not exist") from None


def read_settings() -> Settings:
    """Read the variables of this process.

    Raises:
        InvalidSetting: one of them has a value that it cannot have.
    """
    return Settings.from_environ(os.environ)


def surroundings() -> dict[str, str]:
    """Return the process's environment without the variables that only look set."""
    return {name: value for name, value in os.environ.items() if _UNEXPANDED.fullmatch(value.strip()) is None}


def agent_session() -> str:
    """Return the name of the agent's session in which this process was started; empty if there is none."""
    return surroundings().get(SESSION, "")


def load_config(warn: Callable[[str], None], room: str | None = None) -> RelayConfig:
    """Return the room to use, as `choose_room` says."""
    return choose_room(warn, room).config


def choose_room(warn: Callable[[str], None], room: str | None = None) -> Chosen:
    """Return the room to use, by the variables and the saved rooms.

    Args:
        warn: told a sentence about what should be put right but does not stand in the way.
        room: the name of a saved room that is to be used whatever the variables say; None to go by them.

    Raises:
        InvalidSetting: it is not clear which room, or a value is wrong.
        StateUnusable: a saved room cannot be read, or somebody else could have put it there.
    """
    settings = read_settings()
    disk.refuse_planted(settings.state_folder)
    settings.rooms.refuse_planted()
    own = {"remote": settings.remote, "token": settings.room_token, "peer_id": settings.peer_id}
    given = {} if room is not None else {name: value for name, value in own.items() if value}
    origins = {name: _variable("room_token" if name == "token" else name) for name in given}
    name = room or settings.room
    if name is None and len(given) == len(own):
        return Chosen(settings.config(**given, signing=_signing(settings, given)), None, origins)
    name = name or _only_name(settings)
    saved = settings.rooms.load(name) if room is None else settings.rooms.load(name, "--room")
    if (exposure := settings.rooms.exposure(name)) is not None:
        warn(exposure)
    kept = {"remote": expand_home(saved.remote), "token": saved.token, "peer_id": saved.peer_id}
    entered = {**kept, **given}
    is_saved = all(entered[each] == kept[each] for each in ("token", "peer_id"))
    signing = saved.signing if is_saved else _signing(settings, entered)
    config = settings.config(**entered, signing=signing)
    return Chosen(config, name, {**dict.fromkeys(kept, f"saved room {name}"), **origins})


def _signing(settings: Settings, entered: Mapping[str, str]) -> Signing | None:
    """Return what is pinned for a room that variables lead to: they do not lead around what a person pinned."""
    try:
        room_id = RoomKeys.from_token(entered["token"]).room_id
    except InvalidToken:
        return None  # which is told where the token is used
    return settings.rooms.signing_of((room_id, entered["peer_id"]))


def _only_name(settings: Settings) -> str:
    names = settings.rooms.names()
    if len(names) > 1:
        raise InvalidSetting(
            name="PEER_RELAY_ROOM",
            reason=f"is not set, and several rooms are saved: {', '.join(names)}",
            advice="Set it to one of these names, or add `--room NAME`.",
        )
    if not names:
        raise _nothing_set(settings)
    return names[0]


def _nothing_set(settings: Settings) -> InvalidSetting:
    """Say what is missing, and which variables an agent passed on without their values."""
    missing = [_variable(name) for name in ("remote", "room_token", "peer_id") if not getattr(settings, name)]
    literal = [name for name in missing if _UNEXPANDED.fullmatch(os.environ.get(name, "").strip())]
    passed_on = (
        f" ({_listing(literal)} arrived as the literal text ${{...}}: what it stands for is not set where the agent "
        "was started)"
    )
    verb, them = ("is", "it") if len(missing) == 1 else ("are", "them")
    return InvalidSetting(
        name=_listing(missing),
        reason=f"{verb} not set{passed_on if literal else ''}, and no room is saved in {settings.rooms.folder}",
        advice=f"Run `peer-relay join` with your peer's invite, or `peer-relay init` to open a room, or set {them}.",
    )


def _listing(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _variable(name: str) -> str:
    return f"{_PREFIX}{name.upper()}"


def _expanded(name: str, value: str) -> str:
    try:
        return expand_home(value)
    except ValueError as error:
        raise InvalidSetting(name=_variable(name), reason=str(error), advice="Write the whole path.") from None


def _whole_path(name: str, value: str) -> Path:
    path = Path(_expanded(name, value))
    reason = None
    if not path.is_absolute():
        reason = "is a path that means another folder wherever peer-relay is started"
    elif not str(path).isprintable():
        reason = "is a path with a character that cannot be printed"
    if reason is not None:
        raise InvalidSetting(name=_variable(name), reason=reason, advice="Write the whole path, or begin it with ~/.")
    return path


def _seconds(name: str, value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
    if not SHORTEST_TIMEOUT_S <= seconds <= LONGEST_TIMEOUT_S:
        rule = f"must be a number of seconds from {SHORTEST_TIMEOUT_S} to {LONGEST_TIMEOUT_S}"
        advice = f"Correct it, or unset it for {DEFAULT_TIMEOUT_S:g} seconds."
        raise InvalidSetting(name=_variable(name), reason=rule, advice=advice)
    return seconds


def _how_often(name: str, value: str) -> int:
    if re.fullmatch(r"[0-9]{1,3}", value) is None or int(value) > MOST_PUSHES:
        rule = f"must be a whole number from 0 to {MOST_PUSHES}"
        raise InvalidSetting(name=_variable(name), reason=rule, advice="Correct it, or unset it for what suits a host.")
    return int(value)


def _system_folder(kind: str) -> Path:
    import platformdirs  # noqa: PLC0415 - whoever sets PEER_RELAY_HOME does not need it

    locate = platformdirs.user_state_path if kind == "state" else platformdirs.user_config_path
    return locate(_APP, appauthor=False)
