"""How things stand in the chosen room, from this machine's disk alone: for what must be quick and contact nobody.

It loads neither git nor the models of the records, so nothing here may import `app` or `connection`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from peer_relay.ids import check_peer_id
from peer_relay.keys import RoomKeys
from peer_relay.settings import choose_room
from peer_relay.standing import folder_of, read_standing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from peer_relay.settings import Chosen
    from peer_relay.standing import Standing


class Known(NamedTuple):
    """What this machine knows of a room.

    Attributes:
        chosen: which room it is, and how it is entered.
        room_id: the room's id.
        standing: how things stand in it.
    """

    chosen: Chosen
    room_id: str
    standing: Standing

    @property
    def folder(self) -> Path:
        """What this machine keeps for the peer of the room."""
        return folder_of(self.chosen.config.home, self.room_id, self.chosen.config.peer_id)


def look_at_disk(warn: Callable[[str], None], room: str | None) -> Known:
    """Return what this machine knows of the chosen room.

    Args:
        warn: told a sentence about what should be put right but does not stand in the way.
        room: the name of a saved room, or None to go by the variables and the saved rooms.

    Raises:
        InvalidSetting, InvalidToken: it is not clear which room, or a value is wrong.
        StateUnusable: a file or folder cannot be read.
    """
    chosen = choose_room(warn, room)
    check_peer_id(chosen.config.peer_id)
    room_id = RoomKeys.from_token(chosen.config.token).room_id
    folder = folder_of(chosen.config.home, room_id, chosen.config.peer_id)
    return Known(chosen, room_id, read_standing(folder, chosen.config.peer_id))
