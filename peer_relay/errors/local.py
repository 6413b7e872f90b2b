"""Errors of this machine: a file, a lock or the clock stands in the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from peer_relay.errors.base import PeerRelayError


@dataclass(eq=False, kw_only=True)
class LocalError(PeerRelayError):
    """Something on this machine stands in the way."""


@dataclass(eq=False, kw_only=True)
class StateUnusable(LocalError):
    """A file or folder of peer-relay's own cannot be read or written."""

    path: str
    reason: str

    def __str__(self) -> str:
        """Name the path and the operating system's reason."""
        return f"{self.path} cannot be used: {self.reason}."


@dataclass(eq=False, kw_only=True)
class ClockUnusable(LocalError):
    """The clock is before this program's release or twenty years after it."""

    now: str

    def __str__(self) -> str:
        """Say what the clock shows."""
        return f"This machine's clock shows {self.now}, which cannot be right. Set the clock, then try again."


@dataclass(eq=False, kw_only=True)
class Busy(LocalError):
    """Another process of this peer holds the lock of the clone for longer than the deadline."""

    retryable: ClassVar[bool] = True

    def __str__(self) -> str:
        """Say that waiting helps."""
        return (
            "Something else on this machine is busy with the mailbox: another peer-relay process, or a delivery in the "
            "background. Try again in a moment."
        )


@dataclass(eq=False, kw_only=True)
class DamagedClone(LocalError):
    """The private clone cannot be read; it is thrown away and fetched again."""

    retryable: ClassVar[bool] = True
    reason: str

    def __str__(self) -> str:
        """Say that the clone heals itself."""
        return f"The local clone is damaged ({self.reason}); it is fetched again with the next call."
