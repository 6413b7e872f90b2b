"""When this machine may push, all its processes together; the rules are in `pacing`.

What it remembers is in one small file of the room's folder. Losing it costs a push too many, nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from peer_relay.errors import HeldBack
from peer_relay.pacing import Pushes
from peer_relay.times import MAX_MS, format_ms

if TYPE_CHECKING:
    from peer_relay.clock import Clock
    from peer_relay.local_state import LocalState
    from peer_relay.pacing import PushRate


class Turns:
    """The turns of one machine in one room.

    Args:
        state: what this machine keeps.
        clock: this machine's.
        rate: how often it may push; None for as often as there is something.
    """

    def __init__(self, state: LocalState, clock: Clock, rate: PushRate | None) -> None:
        self._state = state
        self._clock = clock
        self._rate = rate

    def others_s(self) -> float:
        """Return for how long others have their turn, in seconds. Needs no lock."""
        return self._state.pushes().turn_ms(self._clock.observed_ms()) / 1000

    def held_back_s(self) -> float:
        """Return how long it is until the next push may go, in seconds. Needs no lock."""
        if self._rate is None:
            return 0.0
        return self._rate.wait_ms(self._state.pushes().full_ms, self._clock.observed_ms()) / 1000

    def check(self, remote: str) -> None:
        """Check that a push may go now. Only under the lock.

        Raises:
            HeldBack: not yet.
        """
        if self._rate is None:
            return
        now_ms = self._clock.observed_ms()
        wait_ms = self._rate.wait_ms(self._state.pushes().full_ms, now_ms)
        if wait_ms:
            next_push = format_ms(min(now_ms + wait_ms, MAX_MS))
            raise HeldBack(remote=remote, per_minute=self._rate.per_minute, next_push=next_push, wait_s=wait_ms / 1000)

    def began_ms(self) -> int:
        """Return the time, for `note`."""
        return self._clock.observed_ms()

    def note(self, began_ms: int, *, crowded: bool, sent: bool = True) -> None:
        """Remember a push, where somebody will want to know. Only under the lock.

        Args:
            began_ms: when it began.
            crowded: whether it carried records of several calls, or met somebody else's.
            sent: whether the remote got it.
        """
        before, now_ms = self._state.pushes(), self._clock.observed_ms()
        full_ms = self._rate.spent(before.full_ms, now_ms) if sent and self._rate else before.full_ms
        if full_ms != before.full_ms or crowded or before.is_crowded(now_ms):
            took_ms = max(0, now_ms - began_ms) if sent else before.took_ms
            crowded_ms = now_ms if crowded else before.crowded_ms
            self._state.note_pushes(Pushes(full_ms, now_ms, took_ms, crowded_ms))
