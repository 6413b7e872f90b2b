"""One point in time by which an operation must end, shared by all the steps of the operation."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Deadline:
    """A moment on a monotonic clock.

    Args:
        seconds: the whole time allowed, in seconds.
        monotonic: a clock that never runs backwards, in seconds (`time.monotonic` outside tests).
        spent_s: how much of the time was spent before.
    """

    def __init__(self, seconds: float, monotonic: Callable[[], float], spent_s: float = 0.0) -> None:
        self.seconds = seconds
        self._monotonic = monotonic
        self._end = monotonic() + seconds - spent_s

    def extend(self, seconds: float) -> None:
        """Allow some more seconds, for a wait that the operation is not to blame for."""
        self._end += seconds

    def remaining_s(self) -> float:
        """Return the seconds that are left, never below zero."""
        return max(0.0, self._end - self._monotonic())

    @property
    def expired(self) -> bool:
        """Whether no time is left."""
        return self.remaining_s() <= 0.0
