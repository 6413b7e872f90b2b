"""Saved rooms: what `init` and `join` keep, so that a person does not have to set variables.

1. One JSON file for each room and peer, `<name>.json`. It holds the room token, so only its owner may read it; saving
   it again sets the permissions right.
2. A room and a peer have one file: saving them again replaces it, and a file of another room is never replaced.
3. A damaged file hides no other room: only what is asked for by name is read strictly.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from typing import TYPE_CHECKING, Annotated

from filelock import FileLock, Timeout
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from peer_relay import disk
from peer_relay.errors import InvalidSetting, InvalidToken, StateUnusable
from peer_relay.keys import RoomKeys, parse_token
from peer_relay.records import PeerId

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME_PATTERN = "[a-z0-9][a-z0-9-]{0,99}"
_SUFFIX = ".json"
_LOCK = ".lock"
_LOCK_LIMIT_S = 10.0


def _check_token(value: str) -> str:
    try:
        parse_token(value)
    except InvalidToken as error:
        raise ValueError(error.reason) from None
    return value


class SavedRoom(BaseModel):
    """What is needed to enter a room as one of its peers.

    Attributes:
        remote: the mailbox's address; it may hold a password.
        token: the room token.
        peer_id: the peer that this machine's user is.
        other_peer: the other of the two.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    remote: Annotated[str, Field(min_length=1, repr=False)]
    token: Annotated[str, AfterValidator(_check_token), Field(repr=False)]
    peer_id: PeerId
    other_peer: PeerId

    @property
    def identity(self) -> tuple[str, str]:
        """The room id and the peer id: two saved rooms with the same are the same."""
        return RoomKeys.from_token(self.token).room_id, self.peer_id


def check_name(name: str) -> None:
    """Check the name of a saved room.

    Raises:
        ValueError: with the rule, as a clause that follows what was named.
    """
    if re.fullmatch(NAME_PATTERN, name) is None:
        raise ValueError("must be 1 to 100 characters a-z, 0-9 and -, not beginning with -")


class Rooms:
    """The folder of saved rooms.

    Args:
        folder: made when it is first needed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def names(self) -> list[str]:
        """Return the names of all saved rooms, damaged ones too, sorted."""
        found = (name.removesuffix(_SUFFIX) for name in disk.names_in(self.folder) if name.endswith(_SUFFIX))
        return [name for name in found if re.fullmatch(NAME_PATTERN, name)]

    def load(self, name: str) -> SavedRoom:
        """Return a saved room.

        Raises:
            InvalidSetting: there is none of that name, or its file is damaged; nothing of the file is repeated.
            StateUnusable: its file cannot be read.
        """
        path = self._path(name)
        data = disk.read_if_there(path) if name in self.names() else None
        if data is None:
            raise InvalidSetting(name="PEER_RELAY_ROOM", reason=f"names no saved room; {self._listed()}")
        try:
            return SavedRoom.model_validate_json(data)
        except ValidationError as error:
            raise InvalidSetting(
                name=str(path),
                reason=f"is not a saved room ({_first_problem(error)}). Mend it, or delete it and run "
                "`peer-relay join` or `peer-relay init` again",
            ) from None

    def readable(self) -> Iterator[tuple[str, SavedRoom]]:
        """Yield the name and the content of every saved room that can be read."""
        for name in self.names():
            with contextlib.suppress(InvalidSetting, StateUnusable):
                yield name, self.load(name)

    def exposure(self, name: str) -> str | None:
        """Return a sentence if others than the owner may read a saved room's file, None if all is well."""
        if os.name == "nt":
            return None  # permissions there are not in the mode; the user's profile is private
        path = self._path(name)
        with disk.reported(path):
            mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077 == 0:
            return None
        return f"{path} holds the room token and can be read by others (mode {mode:04o}). Run `chmod 600` on it."

    def save(self, room: SavedRoom, name: str | None = None) -> str:
        """Keep a room, in the file that it already has or in a new one; on return it is on the disk.

        Args:
            room: what to keep.
            name: the name to keep it under; by default the one that it has, or one made of the two peers' ids.

        Returns:
            The name.

        Raises:
            InvalidSetting: `name` is that of another room.
            StateUnusable: it was not saved.
        """
        with self._locked():
            known = next((each for each, saved in self.readable() if saved.identity == room.identity), None)
            chosen = self._choose(room, name, known)
            disk.write_atomically(self._path(chosen), (room.model_dump_json(indent=2) + "\n").encode())
            if known not in (None, chosen):
                disk.remove(self._path(str(known)))
        return chosen

    def forget(self, name: str) -> None:
        """Remove a saved room."""
        with self._locked():
            disk.remove(self._path(name))

    def _choose(self, room: SavedRoom, name: str | None, known: str | None) -> str:
        taken = set(self.names()) - {known}
        if name is not None:
            if name in taken:
                raise InvalidSetting(name="The name", reason=f"{name} is that of another saved room; choose another")
            return name
        plain = f"{room.peer_id}-{room.other_peer}"
        return known or (plain if plain not in taken else f"{plain}-{room.identity[0]}")

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other processes from choosing the same name for another room."""
        disk.make_folder(self.folder)
        path = self.folder / _LOCK
        lock = FileLock(path, timeout=_LOCK_LIMIT_S, mode=disk.PRIVATE_FILE)
        with disk.reported(path):
            try:
                lock.acquire()
            except Timeout:
                raise StateUnusable(path=str(path), reason="another peer-relay process holds it") from None
        try:
            yield
        finally:
            lock.release()

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}{_SUFFIX}"

    def _listed(self) -> str:
        names = self.names()
        return f"saved are: {', '.join(names)}" if names else f"none is saved in {self.folder}"


def _first_problem(error: ValidationError) -> str:
    """Return what is wrong with a file, in words that repeat nothing of it."""
    detail = error.errors(include_url=False, include_input=False)[0]
    if not detail["loc"]:
        return "it is not a JSON object"
    field = str(detail["loc"][0])
    if field not in SavedRoom.model_fields:
        return "it has a field that is not known"
    return f"its {field} is missing" if detail["type"] == "missing" else f"its {field} is not valid"
