"""Where settings come from: the `PEER_RELAY_` variables, and the saved room that they leave open.

1. A variable that is set wins over the saved room; with exactly one saved room no variable is needed.
2. A variable that is empty, or that arrives as the literal text `${NAME}`, is not set. Agents pass that text on when
   a variable is missing where they were started.
3. No secret is in an error or a `repr`: neither the token nor the address, which may hold a password.

Folders: the state (clone, outbox) is where platformdirs puts a program's state, and the saved rooms are in
`saved-rooms` where it puts its configuration. `PEER_RELAY_HOME` replaces both, so that it holds all of one person.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs
from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from peer_relay.config import RelayConfig
from peer_relay.errors import InvalidSetting
from peer_relay.rooms import Rooms, SavedRoom

if TYPE_CHECKING:
    from collections.abc import Callable

_APP = "peer-relay"
_PREFIX = "PEER_RELAY_"
_ROOMS = "saved-rooms"
_UNEXPANDED = re.compile(r"\$\{[^}]*\}")
_TIMEOUT_RULE = "must be a number of seconds from 1 to 600"


class Settings(BaseSettings):
    """The variables as they are set, each named as here behind `PEER_RELAY_`.

    Attributes:
        remote: the mailbox's address, `~` expanded; it may hold a password.
        room_token: the room token.
        peer_id: the id of the peer that this machine's user is.
        home: the folder for everything, absolute; None for the platform's own folders.
        timeout: how long one operation may take, in seconds.
        room: the name of a saved room.
    """

    model_config = SettingsConfigDict(env_prefix=_PREFIX, extra="ignore")

    remote: str | None = Field(default=None, repr=False)
    room_token: SecretStr | None = None
    peer_id: str | None = None
    home: Path | None = None
    timeout: float = Field(default=20.0, ge=1, le=600)
    room: str | None = None

    @field_validator("*", mode="before")
    @classmethod
    def _unset_means_the_default(cls, value: Any, info: ValidationInfo) -> Any:  # noqa: ANN401 - of any field
        stripped = value.strip() if isinstance(value, str) else value
        if is_unset(stripped):
            return cls.model_fields[str(info.field_name)].default
        return stripped

    @field_validator("remote")
    @classmethod
    def _expand_remote(cls, value: str | None) -> str | None:
        return value and expand_home(value)

    @field_validator("home")
    @classmethod
    def _make_home_absolute(cls, value: Path | None) -> Path | None:
        return value and Path(expand_home(str(value))).absolute()

    @property
    def state_folder(self) -> Path:
        """The folder for the clone, the outbox and everything else that this machine keeps."""
        return self.home or platformdirs.user_state_path(_APP, appauthor=False)

    @property
    def rooms(self) -> Rooms:
        """The saved rooms."""
        return Rooms((self.home or platformdirs.user_config_path(_APP, appauthor=False)) / _ROOMS)

    def config(self, remote: str, token: str, peer_id: str) -> RelayConfig:
        """Return how to enter one room, with this machine's folder and time limit."""
        return RelayConfig(remote=remote, token=token, peer_id=peer_id, home=self.state_folder, timeout_s=self.timeout)


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
    """Read the variables.

    Raises:
        InvalidSetting: one of them has a value that it cannot have.
    """
    try:
        return Settings()
    except ValidationError as error:
        detail = error.errors(include_url=False, include_input=False)[0]
        reason = str(detail["ctx"]["error"]) if detail["type"] == "value_error" else _TIMEOUT_RULE
        raise InvalidSetting(name=_variable(str(detail["loc"][0])), reason=reason) from None


def surroundings() -> dict[str, str]:
    """Return the process's environment without the variables that only look set."""
    return {name: value for name, value in os.environ.items() if _UNEXPANDED.fullmatch(value.strip()) is None}


def load_config(warn: Callable[[str], None]) -> RelayConfig:
    """Return the room to use, by the variables and the saved rooms.

    Args:
        warn: told a sentence about what should be put right but does not stand in the way.

    Raises:
        InvalidSetting: it is not clear which room, or a value is wrong.
        StateUnusable: a saved room cannot be read.
    """
    settings = read_settings()
    if settings.room is None and settings.remote and settings.room_token and settings.peer_id:
        return settings.config(settings.remote, settings.room_token.get_secret_value(), settings.peer_id)
    room = _saved_room(settings, warn)
    return settings.config(
        settings.remote or expand_home(room.remote),
        settings.room_token.get_secret_value() if settings.room_token else room.token,
        settings.peer_id or room.peer_id,
    )


def _saved_room(settings: Settings, warn: Callable[[str], None]) -> SavedRoom:
    rooms = settings.rooms
    name = settings.room or _only_name(settings)
    room = rooms.load(name)
    if (exposure := rooms.exposure(name)) is not None:
        warn(exposure)
    return room


def _only_name(settings: Settings) -> str:
    names = settings.rooms.names()
    if len(names) > 1:
        raise InvalidSetting(
            name="PEER_RELAY_ROOM",
            reason=f"is not set, and several rooms are saved: {', '.join(names)}. Set it to one of these names",
        )
    if not names:
        raise _nothing_set(settings)
    return names[0]


def _nothing_set(settings: Settings) -> InvalidSetting:
    """Say what is missing, and which variables an agent passed on without their values."""
    missing = [_variable(field) for field in ("remote", "room_token", "peer_id") if not getattr(settings, field)]
    literal = [name for name in missing if _UNEXPANDED.fullmatch(os.environ.get(name, "").strip())]
    passed_on = (
        f" ({_listing(literal)} arrived as the literal text ${{...}}: what it stands for is not set where the agent "
        "was started)"
    )
    verb, them = ("is", "it") if len(missing) == 1 else ("are", "them")
    return InvalidSetting(
        name=_listing(missing),
        reason=f"{verb} not set{passed_on if literal else ''}, and no room is saved in {settings.rooms.folder}. Run "
        f"`peer-relay join` with your peer's invite, or `peer-relay init` to open a room, or set {them}",
    )


def _listing(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _variable(field: str) -> str:
    return f"{_PREFIX}{field.upper()}"
