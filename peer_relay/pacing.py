"""How often: looks while somebody waits, and pushes of one machine to one room. Pure.

1. *Looks*: soon at first, then less often. A mailbox at a path is looked at more often, because it costs nobody else.
   Who looks out all day looks seldom, and the less the longer nothing has happened.
2. *Pushes* to a host have a token bucket: a few may follow each other at once, one more every so many seconds. What
   has to wait goes out together, so the records of a burst are few pushes.
3. Where several processes of a machine, or several machines, write at the same time, a machine that pushed lets a
   moment pass before it pushes again. Its other processes' records gather meanwhile, and who lost the race against it
   has its turn. Who writes alone never waits.

Times are those of this machine's clock, in milliseconds since 1970. A clock that jumps makes nobody wait for longer
than the bucket does at worst.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

HOSTED_PER_MINUTE = 6
"""GitHub advises at most so many pushes a minute to a repository."""

FIRST_PAUSE_S, LONGEST_PAUSE_S, _GROWTH = 1.0, 5.0, 1.5
FIRST_PAUSE_NEAR_S, LONGEST_PAUSE_NEAR_S, _GROWTH_NEAR = 0.04, 0.25, 1.02
INTERVAL_S, LONGEST_INTERVAL_S, INTERVAL_NEAR_S = 15.0, 60.0, 1.0
_QUIET_PARTS = 20
_MINUTE_MS = 60_000
_CROWDED_MS = 1_000
_LONGEST_TURN_MS = 500
_FIELDS = 4


def pauses_s(*, near: bool = False) -> Iterator[float]:
    """Yield how long to pause after each look, in seconds, without end.

    Args:
        near: the mailbox is at a path of this machine.
    """
    pause_s = FIRST_PAUSE_NEAR_S if near else FIRST_PAUSE_S
    longest_s, growth = (LONGEST_PAUSE_NEAR_S, _GROWTH_NEAR) if near else (LONGEST_PAUSE_S, _GROWTH)
    while True:
        yield pause_s
        pause_s = min(pause_s * growth, longest_s)


def interval_s(quiet_s: float, *, near: bool = False) -> float:
    """Return how old may be what is known of a mailbox before somebody who looks out all day looks at it again.

    A twentieth of the time in which nothing has happened, within bounds: nobody who has waited for an hour minds a
    minute. So a host is asked four times a minute in a conversation, and some 1,500 times in a day without one, by all
    the processes of a machine together. GitHub advises at most 15 reads a second for a repository: 900 such machines.

    Args:
        quiet_s: for how long nothing has happened, in seconds.
        near: the mailbox is at a path of this machine, where looking costs nobody anything.

    Returns:
        Seconds.
    """
    return INTERVAL_NEAR_S if near else min(max(INTERVAL_S, quiet_s / _QUIET_PARTS), LONGEST_INTERVAL_S)


class PushRate(NamedTuple):
    """A token bucket.

    Attributes:
        per_minute: the most pushes in any minute.
        burst: how many of these may follow each other at once.
        interval_ms: how long it takes until there is one more.
    """

    per_minute: int
    burst: int
    interval_ms: int

    @classmethod
    def of(cls, per_minute: int) -> Self:
        """Return the bucket for a number of pushes a minute: half of them at once, the rest spread over the minute.

        So in the long run one of a room's two peers takes half of what both may have together.
        """
        burst = (per_minute + 1) // 2
        return cls(per_minute, burst, _MINUTE_MS // max(1, per_minute - burst))

    def wait_ms(self, full_ms: int, now_ms: int) -> int:
        """Return how long to wait for the next push.

        Args:
            full_ms: when the bucket is full again.
            now_ms: the time.
        """
        return max(0, self._owed_ms(full_ms, now_ms) - (self.burst - 1) * self.interval_ms)

    def spent(self, full_ms: int, now_ms: int) -> int:
        """Return when the bucket is full again after one more push, also if there was nothing left for it."""
        return now_ms + min(self._owed_ms(full_ms, now_ms) + self.interval_ms, self.burst * self.interval_ms)

    def _owed_ms(self, full_ms: int, now_ms: int) -> int:
        return min(max(0, full_ms - now_ms), self.burst * self.interval_ms)


class Pushes(NamedTuple):
    """What a machine remembers of its pushes to a room, for all its processes.

    Attributes:
        full_ms: when the bucket is full again.
        ended_ms: when the newest push ended.
        took_ms: how long that took.
        crowded_ms: when records of several last went out together, or a race was lost.
    """

    full_ms: int = 0
    ended_ms: int = 0
    took_ms: int = 0
    crowded_ms: int = 0

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Return what `to_bytes` returned; nothing is remembered of anything else."""
        words = data.split()
        return cls(*map(int, words)) if len(words) == _FIELDS and all(map(bytes.isdigit, words)) else cls()

    def to_bytes(self) -> bytes:
        """Return it as a line of text."""
        return b"%d %d %d %d\n" % self

    def is_crowded(self, now_ms: int) -> bool:
        """Return whether several were writing at the same time just now."""
        return 0 <= now_ms - self.crowded_ms < max(_CROWDED_MS, 4 * self.took_ms)

    def turn_ms(self, now_ms: int) -> int:
        """Return for how long others have their turn."""
        turn_ms = min(2 * self.took_ms, _LONGEST_TURN_MS) if self.is_crowded(now_ms) else 0
        return max(0, min(self.ended_ms + turn_ms - now_ms, turn_ms))
