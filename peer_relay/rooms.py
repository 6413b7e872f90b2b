"""Saved rooms: what `init` and `join` keep, so that a person does not have to set variables.

1. One JSON file for each room and peer, `<name>.json`. It holds the room token, so only its owner may read it; saving
   it again sets the permissions right.
2. A room and a peer have one file: saving them again replaces it, and a file of another room is never replaced.
3. A damaged file hides no other room: only what is asked for by name is read strictly.
4. What is pinned for a room is not lost by saving it again without: only `sign` changes that.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from peer_relay import disk
from peer_relay.errors import InvalidSetting, InvalidToken, StateUnusable
from peer_relay.ids import PEER_PATTERN
from peer_relay.keys import RoomKeys, parse_token
from peer_relay.signing import Signing, format_pin, parse_pin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NAME_PATTERN = "[a-z0-9][a-z0-9-]{0,99}"
_VARIABLE = "PEER_RELAY_ROOM"
_SUFFIX = ".json"
_TEXTS = ("remote", "token", "peer_id", "other_peer")
_SIGNING = "signing"
_LOCK = ".lock"
_LOCK_LIMIT_S = 10.0


class _UnknownField(ValueError):
    """A file has everything that a saved room has, and more."""


@dataclass(frozen=True)
class SavedRoom:
    """What is needed to enter a room as one of its peers.

    Attributes:
        remote: the mailbox's address; it may hold a password.
        token: the room token.
        peer_id: the peer that this machine's user is.
        other_peer: the other of the two.
        signing: the keys that are pinned, and with which one this machine signs; None if there are none.
    """

    remote: str = field(repr=False)
    token: str = field(repr=False)
    peer_id: str
    other_peer: str
    signing: Signing | None = field(default=None, repr=False)

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

    def load(self, name: str, named_by: str = _VARIABLE) -> SavedRoom:
        """Return a saved room.

        Args:
            name: its name.
            named_by: what the name came from, as an error calls it: a variable, an option or an argument.

        Raises:
            InvalidSetting: there is none of that name, or its file is damaged; nothing of the file is repeated.
            StateUnusable: its file cannot be read.
        """
        path = self._path(name)
        data = disk.read_if_there(path) if name in self.names() else None
        if data is None:
            raise self._unknown(named_by)
        try:
            return _parse(data)
        except _UnknownField as error:
            advice = "Upgrade peer-relay: a newer one may have written it."
            raise InvalidSetting(name=str(path), reason=f"is not understood ({error})", advice=advice) from None
        except ValueError as error:
            raise InvalidSetting(
                name=str(path),
                reason=f"is not a saved room ({error})",
                advice="Mend it, or delete it and run `peer-relay join` or `peer-relay init` again.",
            ) from None

    def refuse_planted(self) -> None:
        """Refuse to go by what is saved if somebody else could have saved it.

        Raises:
            StateUnusable: with the folder into which others can put files.
        """
        for folder in (self.folder.parent, self.folder):
            disk.refuse_planted(folder)

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
            known, before = self._same(room.identity) or (None, None)
            chosen = self._choose(room, name, known)
            if before is not None and room.signing is None:
                room = replace(room, signing=before.signing)
            disk.write_atomically(self._path(chosen), _format(room))
            if known not in (None, chosen):
                disk.remove(self._path(str(known)))
        return chosen

    def find(self, identity: tuple[str, str]) -> SavedRoom | None:
        """Return the saved room of a room id and a peer id; None if there is none that can be read."""
        same = self._same(identity)
        return None if same is None else same[1]

    def signing_of(self, identity: tuple[str, str]) -> Signing | None:
        """Return what is pinned for a room and a peer, however the room was chosen; None if nothing is."""
        same = self.find(identity)
        return None if same is None else same.signing

    def sign(self, name: str, change: Callable[[Signing], Signing]) -> SavedRoom:
        """Change what is pinned for a saved room; on return it is on the disk.

        Args:
            name: the room's.
            change: given what is pinned, returns what is to be.

        Returns:
            The room as it is saved now.

        Raises:
            InvalidSetting, StateUnusable: as for `load` and `save`.
        """
        with self._locked():
            room = self.load(name)
            room = replace(room, signing=change(room.signing or Signing()))
            disk.write_atomically(self._path(name), _format(room))
        return room

    def forget(self, name: str) -> None:
        """Remove a saved room."""
        with self._locked():
            disk.remove(self._path(name))

    def _same(self, identity: tuple[str, str]) -> tuple[str, SavedRoom] | None:
        return next(((name, room) for name, room in self.readable() if room.identity == identity), None)

    def _choose(self, room: SavedRoom, name: str | None, known: str | None) -> str:
        taken = set(self.names()) - {known}
        if name is not None:
            if name in taken:
                reason = f"{name} is that of another saved room"
                raise InvalidSetting(name="The name", reason=reason, advice="Choose another one with --name.")
            return name
        plain = f"{room.peer_id}-{room.other_peer}"
        return known or (plain if plain not in taken else f"{plain}-{room.identity[0]}")

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other processes from choosing the same name for another room."""
        self.refuse_planted()
        disk.make_folder(self.folder)
        path = self.folder / _LOCK
        with disk.lock_file(path, _LOCK_LIMIT_S) as got:
            if not got:
                reason, advice = "another peer-relay process holds it", "Wait until that one is done, or end it."
                raise StateUnusable(path=str(path), reason=reason, advice=advice)
            yield

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}{_SUFFIX}"

    def _unknown(self, named_by: str) -> InvalidSetting:
        names, is_variable = self.names(), named_by == _VARIABLE
        if names:
            reason = f"names no saved room; saved are: {', '.join(names)}"
            advice = (
                "Set it to one of these names, or add `--room NAME`." if is_variable else "Give one of these names."
            )
        else:
            reason = f"names no saved room; none is saved in {self.folder}"
            begin = "Unset it, or save" if is_variable else "Save"
            advice = f"{begin} a room with `peer-relay join` or `peer-relay init`."
        return InvalidSetting(name=named_by, reason=reason, advice=advice)


def _parse(data: bytes) -> SavedRoom:
    """Return what a file holds.

    By hand and not by a model, because every command reads such a file and pydantic costs as much as all the rest.

    Raises:
        ValueError: what is wrong with it, as a clause that repeats nothing of it.
    """
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise ValueError("it is not a JSON object")  # noqa: TRY004 - one kind of error for one kind of damage
    signing = _signing(content.pop(_SIGNING)) if _SIGNING in content else None
    if missing := next((name for name in _TEXTS if name not in content), None):
        raise ValueError(f"its {missing} is missing")
    if len(content) > len(_TEXTS):
        raise _UnknownField("it has a field that is not known")
    if wrong := next((name for name in _TEXTS if not _is_valid(name, content[name])), None):
        raise ValueError(f"its {wrong} is not valid")
    return SavedRoom(**content, signing=signing)


def _format(room: SavedRoom) -> bytes:
    """Return the bytes of a file; a room without signing has the same ones as ever."""
    content: dict[str, object] = {name: getattr(room, name) for name in _TEXTS}
    if room.signing is not None:
        content[_SIGNING] = {"key_file": room.signing.key_file, "pins": list(map(format_pin, room.signing.pins))}
    return (json.dumps(content, indent=2) + "\n").encode()


def _signing(content: object) -> Signing:
    """Return what is pinned.

    Raises:
        ValueError: it is not valid; a pin that cannot be read is never left out.
    """
    if isinstance(content, dict) and content.keys() == {"key_file", "pins"}:
        key_file, pins = content["key_file"], content["pins"]
        if (key_file is None or isinstance(key_file, str)) and isinstance(pins, list) and all(map(_is_text, pins)):
            with contextlib.suppress(ValueError):
                return Signing(tuple(map(parse_pin, pins)), key_file)
    raise ValueError(f"its {_SIGNING} is not valid")


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_valid(name: str, value: object) -> bool:
    if not isinstance(value, str):
        return False
    if name == "token":
        with contextlib.suppress(InvalidToken):
            return bool(parse_token(value))
        return False
    return bool(value) if name == "remote" else re.fullmatch(PEER_PATTERN, value) is not None
