"""How often to look for something new while somebody waits: soon at first, then less often. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 5.0
_GROWTH = 1.5


def pauses_s() -> Iterator[float]:
    """Yield how long to pause after each look, in seconds, without end."""
    pause_s = FIRST_PAUSE_S
    while True:
        yield pause_s
        pause_s = min(pause_s * _GROWTH, LONGEST_PAUSE_S)
