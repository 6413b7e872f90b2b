"""Now, and new ids: the only place that reads this machine's clock.

1. A clock that shows a time before this program's release, or twenty years after it, is wrong; nothing is written with
   such a time, because what is written stays for ever.
2. Ids that one process makes within one millisecond ascend.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from peer_relay.errors import ClockUnusable
from peer_relay.times import MAX_MS, format_ms, parse_ms

if TYPE_CHECKING:
    from collections.abc import Callable

RELEASED_MS = parse_ms("2026-11-01T00:00:00.000Z")
CREDIBLE_UNTIL_MS = parse_ms("2046-11-01T00:00:00.000Z")


def system_ms() -> int:
    """Return milliseconds since 1970, by integer arithmetic."""
    return time.time_ns() // 1_000_000


class Clock:
    """The time, and ids that carry it.

    Args:
        now_ms: milliseconds since 1970.
        monotonic: seconds on a clock that never runs backwards.
        sleep: waits for so many seconds.
    """

    def __init__(
        self,
        now_ms: Callable[[], int] = system_ms,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._now_ms = now_ms
        self.monotonic = monotonic
        self.sleep = sleep

    def now_ms(self) -> int:
        """Return a time to be written.

        Raises:
            ClockUnusable: the clock cannot be right.
        """
        now = self._now_ms()
        if not RELEASED_MS <= now < CREDIBLE_UNTIL_MS:
            shown = format_ms(now) if 0 <= now <= MAX_MS else f"{now} ms since 1970"
            raise ClockUnusable(now=shown)
        return now

    def observed_ms(self) -> int:
        """Return the time for display and for local files, right or wrong."""
        return min(max(self._now_ms(), 0), MAX_MS)

    def new_id(self) -> str:
        """Return a new ULID.

        Raises:
            ClockUnusable: the clock cannot be right.
        """
        # The library reads the metadata of packages, which costs a command that only reads as much as all the rest.
        from ulid import ULID  # noqa: PLC0415 - see above

        return str(ULID.from_timestamp(self.now_ms()))
