"""Takes the outbox to the mailbox while the server runs, without anybody's call.

1. It starts when the client has its first answer, not before.
2. While something is queued it tries again, with pauses that double, up to a minute; a random part of each keeps two
   peers from trying in step. What only waits for the turn of the next push goes out when that comes. While nothing is
   queued it contacts nobody (I8).
3. What stands in its way, such as a missing setting, is said on standard error once.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import anyio

from peer_relay.errors import PeerRelayError
from peer_relay.server.stderr import place_of, say

if TYPE_CHECKING:
    from peer_relay.relay import Relay
    from peer_relay.server.mailbox import Mailbox

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0


def pause_s(failures: int) -> float:
    """Return how long to wait after so many failed tries in a row: half of the pause is fixed, half is random."""
    longest = min(FIRST_PAUSE_S * 2 ** min(failures, 10), LONGEST_PAUSE_S)
    return random.uniform(longest / 2, longest)  # noqa: S311 - nothing secret hangs on it


class Courier:
    """The background task of a server.

    Args:
        mailbox: whose outbox is delivered.
    """

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        self._queued = anyio.Event()
        self._last_words = ""

    def queued(self) -> None:
        """Say that something was queued just now."""
        self._queued.set()

    async def run(self, start: anyio.Event) -> None:
        """Deliver until cancelled, from `start` on. Another process may leave records too: hence a look each minute."""
        await start.wait()
        failures = 0
        while True:
            done, held_back_s = await self._deliver()
            failures = 0 if done or held_back_s else failures + 1
            if done:
                with anyio.move_on_after(LONGEST_PAUSE_S):
                    await self._queued.wait()
                self._queued = anyio.Event()
            await anyio.sleep(max(held_back_s, pause_s(failures)))

    async def _deliver(self) -> tuple[bool, float]:
        """Try once, and return whether nothing is left, and for how long the rest is held back."""
        try:
            return await self._mailbox.run(_deliver)
        except PeerRelayError as error:
            words = str(error)
        except Exception as error:  # noqa: BLE001 - the next try may fare better
            words = f"delivering failed: {place_of(error)}"
        if words != self._last_words:
            say(words)
            self._last_words = words
        return False, 0.0


def _deliver(relay: Relay) -> tuple[bool, float]:
    if relay.pending() == 0 or relay.deliver():
        return True, 0.0
    return False, relay.held_back_s()
