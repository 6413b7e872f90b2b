"""The relay of this process and the threads in which it works: opened when needed, shared by all calls, ended together.

1. There are `THREADS` of these threads at most, whatever a client does. A call that finds none free waits its turn, in
   order, and its time limit runs meanwhile: so however many calls come at once, each ends within it.
2. A call that is cancelled before its turn is not carried out. What it had begun runs to its end without anybody
   listening, and keeps its thread until then.
3. `settle` lets what was begun come to its end, so that no file is left half written. It has no time limit of its own.
"""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from peer_relay.errors import PeerRelayError
from peer_relay.server.stderr import place_of, say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from peer_relay.relay import Relay

THREADS = 16
"""Nearly all that a relay does is done under one lock, so more would only wait for it."""

T = TypeVar("T")


class Mailbox:
    """A relay on demand.

    Args:
        open_relay: makes the relay; called again by the next use when it raised.
    """

    def __init__(self, open_relay: Callable[[], Relay]) -> None:
        self._open_relay = open_relay
        self._lock = threading.Lock()
        self._relay: Relay | None = None
        self._closing = threading.Lock()
        self._closed = False
        self._threads = ThreadPoolExecutor(THREADS, "relay")

    async def run(self, act: Callable[[Relay], T]) -> T:
        """Let a thread do something with the relay.

        Raises:
            PeerRelayError: a setting is missing or wrong, or what `act` raised.
        """
        came = time.monotonic()

        def work() -> T:
            waited_s = time.monotonic() - came
            return act(self.relay().having_waited(waited_s))

        return await asyncio.wrap_future(self._threads.submit(work))

    def relay(self) -> Relay:
        """Return the relay. Blocks, and may be called from any thread.

        Raises:
            PeerRelayError: a setting is missing or wrong.
        """
        with self._lock:
            if self._relay is None:
                self._relay = self._open_relay()
            return self._relay

    def mark_read(self, question_ids: Iterable[str]) -> None:
        """Mark answers as read, from any thread. When that fails they stay unread and are shown again: worth a line."""
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

    def settle(self) -> None:
        """Close, give up what waits for a thread, and wait for what was begun."""
        self.close()
        self._threads.shutdown(cancel_futures=True)
