"""Times and amounts as people read them. For display only: nothing is decided by them."""

from __future__ import annotations

from datetime import UTC, datetime

from peer_relay.amounts import ago, counted, length_of, milliseconds
from peer_relay.times import format_ms

__all__ = ["ago", "counted", "length_of", "local_time", "milliseconds"]


def local_time(ms: int) -> str:
    """Return a time in this machine's zone, such as `2026-11-25 11:32:07 +0100`.

    Args:
        ms: milliseconds since 1970.
    """
    try:
        return datetime.fromtimestamp(ms // 1000, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S %z")
    except (OverflowError, OSError, ValueError):  # years that this platform does not know
        return format_ms(ms)
