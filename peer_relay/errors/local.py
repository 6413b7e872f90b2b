"""Errors of this machine: a file, a lock or the clock stands in the way."""

from __future__ import annotations

from typing import ClassVar

from peer_relay.errors.base import PeerRelayError


class LocalError(PeerRelayError):
    """Something on this machine stands in the way."""


class StateUnusable(LocalError):
    """A file or folder of peer-relay's own cannot be read or written. `reason` is a clause, `advice` a sentence."""

    path: str
    reason: str
    advice: str = "Check its permissions and the free space of its disk."

    @property
    def what(self) -> str:
        """Name the path and the operating system's reason."""
        return f"{self.path} cannot be used: {self.reason}."

    @property
    def remedy(self) -> str:
        """Give the two usual causes, or what the raiser knows better."""
        return self.advice


class ClockUnusable(LocalError):
    """The clock is before this program's release or twenty years after it."""

    now: str

    @property
    def what(self) -> str:
        """Say what the clock shows."""
        return f"This machine's clock shows {self.now}, which cannot be right."

    @property
    def remedy(self) -> str:
        """Nothing was stored, so the same can be done again."""
        return "Set the clock, then try again."


class Busy(LocalError):
    """Another process of this peer holds the lock of the clone for longer than the deadline."""

    retryable: ClassVar[bool] = True

    @property
    def what(self) -> str:
        """Say what it may be."""
        return (
            "Something else on this machine is busy with the mailbox: another peer-relay process, or a delivery in the "
            "background."
        )

    @property
    def remedy(self) -> str:
        """Say that it passes; not to try again, because what is queued must not be sent again."""
        return "Wait a moment: it makes room as soon as it is done."


class HeldBack(LocalError):
    """This machine has pushed as often as it may for now.

    `next_push` is the time of the next one, which stays the same whoever asks, and `wait_s` the seconds until then.
    """

    retryable: ClassVar[bool] = True
    remote: str
    per_minute: int
    next_push: str
    wait_s: float

    @property
    def what(self) -> str:
        """Give the rule."""
        times = "once" if self.per_minute == 1 else f"{self.per_minute} times"
        return (
            f"This machine pushes to {self.remote} at most {times} a minute, and everything that waits goes together."
        )

    @property
    def remedy(self) -> str:
        """Say when; not to try again, because what is queued must not be sent again."""
        return f"Nothing has to be done: the next push is at {self.next_push}."


class DamagedClone(LocalError):
    """The private clone cannot be read; it is thrown away and fetched again."""

    retryable: ClassVar[bool] = True
    reason: str

    @property
    def what(self) -> str:
        """Say what is wrong with it."""
        return f"The local clone is damaged ({self.reason})."

    @property
    def remedy(self) -> str:
        """Say that the clone heals itself."""
        return "Nothing has to be done: it is fetched again with the next look at the mailbox."


class SigningFailed(LocalError):
    """A commit cannot be signed with this machine's key. `key` is its file, `reason` a clause, `advice` a sentence."""

    key: str
    reason: str
    advice: str = (
        "Put the key into your agent with `ssh-add`, because nobody is asked for a passphrase, or take another one: "
        "`peer-relay keys --sign FILE`."
    )

    @property
    def what(self) -> str:
        """Name the file, never what is in it."""
        return f"Nothing can be signed with {self.key}: {self.reason}."

    @property
    def remedy(self) -> str:
        """Nothing asks for a passphrase here; only the user can make the key usable."""
        return self.advice


class CopyIncomplete(LocalError):
    """This machine's copy of the room does not do to put the branch back. `reason` is a clause about the copy."""

    reason: str

    @property
    def what(self) -> str:
        """Say what is wrong with it."""
        return f"This machine's copy of the room does not do to put the branch back: {self.reason}."

    @property
    def remedy(self) -> str:
        """Another copy may reach further back: that of the machine that opened the room has everything."""
        return (
            "Let your peer run `peer-relay restore`, or run it on another machine of yours, best on the one that "
            "opened the room."
        )
