"""The relay of this process: opened when it is first needed, shared by all calls, closed at the end."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from peer_relay.errors import PeerRelayError
from peer_relay.server.stderr import place_of, say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from peer_relay.relay import Relay


class Mailbox:
    """A relay on demand. Every method blocks and may be called from any thread.

    Args:
        open_relay: makes the relay; called again by the next use when it raised.
    """

    def __init__(self, open_relay: Callable[[], Relay]) -> None:
        self._open_relay = open_relay
        self._lock = threading.Lock()
        self._relay: Relay | None = None
        self._closing = threading.Lock()
        self._closed = False

    def relay(self) -> Relay:
        """Return the relay.

        Raises:
            PeerRelayError: a setting is missing or wrong.
        """
        with self._lock:
            if self._relay is None:
                self._relay = self._open_relay()
            return self._relay

    def mark_read(self, question_ids: Iterable[str]) -> None:
        """Mark answers as read. When that fails they stay unread and are shown again, which is worth a line."""
        try:
            self.relay().mark_read(question_ids)
        except PeerRelayError as error:
            say(str(error))
        except Exception as error:  # noqa: BLE001 - the reading thread must live on
            say(f"marking answers as read failed: {place_of(error)}")

    def close(self) -> None:
        """Break off what is going on in other threads. Does not wait for a relay that is just being opened."""
        with self._closing:
            relay = None if self._closed else self._relay
            self._closed = True
            try:
                if relay is not None:
                    relay.close()
            except Exception as error:  # noqa: BLE001 - the process ends either way
                say(f"closing failed: {place_of(error)}")
