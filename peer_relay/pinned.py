"""What is pinned for the room that this process uses, as it is saved at the moment: a person changes it meanwhile.

1. A saved room that is lost or damaged is never taken for one in which nothing is pinned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from peer_relay.errors import InvalidToken, StateUnusable
from peer_relay.keys import RoomKeys
from peer_relay.settings import read_settings
from peer_relay.signing import Signing

if TYPE_CHECKING:
    from collections.abc import Callable

    from peer_relay.config import RelayConfig
    from peer_relay.rooms import Rooms


def pinned(config: RelayConfig) -> Callable[[], Signing]:
    """Return what reads the keys that are pinned for a room; it raises `StateUnusable` when it can no longer tell.

    Args:
        config: the room, and the keys that were pinned when it was chosen.
    """
    try:
        room_id = RoomKeys.from_token(config.token).room_id
    except InvalidToken:
        return Signing  # which is told where the token is used
    return _Pinned(read_settings().rooms, (room_id, config.peer_id), config.signing or Signing())


class _Pinned:
    """Reads what is pinned.

    Args:
        rooms: the saved rooms.
        identity: the room id and the peer id.
        last: what was pinned before.
    """

    def __init__(self, rooms: Rooms, identity: tuple[str, str], last: Signing) -> None:
        self._rooms = rooms
        self._identity = identity
        self._last = last

    def __call__(self) -> Signing:
        """Return what is pinned now.

        Raises:
            StateUnusable: there were keys, and the saved room that held them is lost or damaged.
        """
        room = self._rooms.find(self._identity)
        if room is None and self._last != Signing():
            raise StateUnusable(
                path=str(self._rooms.folder),
                reason="the saved room with the keys of the two peers is no longer there, or is damaged",
                advice="To save it again, run `peer-relay join` with the invite.",
            )
        self._last = (room.signing if room else None) or Signing()
        return self._last
