"""Errors on the way to the mailbox: it was not reached, or did not do what was asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from peer_relay.errors.base import PeerRelayError


@dataclass(eq=False, kw_only=True)
class TransportError(PeerRelayError):
    """The remote was not reached, or did not do what was asked. `remote` is redacted."""

    remote: str


@dataclass(eq=False, kw_only=True)
class Unreachable(TransportError):
    """No connection, or one that broke before anything was asked of the remote: nothing changed there."""

    retryable: ClassVar[bool] = True
    reason: str

    def __str__(self) -> str:
        """Say what the connection attempt met."""
        return f"{self.remote} cannot be reached: {self.reason}."


@dataclass(eq=False, kw_only=True)
class DeadlineExceeded(TransportError):
    """The remote said nothing (or not enough) within the deadline; nothing changed there."""

    retryable: ClassVar[bool] = True
    seconds: float

    def __str__(self) -> str:
        """Say how long was waited."""
        return f"{self.remote} did not answer within {self.seconds:g} seconds."


@dataclass(eq=False, kw_only=True)
class RateLimited(TransportError):
    """The remote asks to come back later (HTTP 429, or 503 with Retry-After)."""

    retryable: ClassVar[bool] = True
    retry_after_s: float | None

    def __str__(self) -> str:
        """Say when to come back, if the remote said so."""
        when = "" if self.retry_after_s is None else f" for {self.retry_after_s:g} seconds"
        return f"{self.remote} asks for a pause{when}; peer-relay tries again by itself."


@dataclass(eq=False, kw_only=True)
class AuthenticationFailed(TransportError):
    """The remote refused the credentials, or there were none.

    `source` is a clause: where the credentials came from, never their value, and what to do.
    """

    source: str

    def __str__(self) -> str:
        """Name the source that was used and what to do."""
        return f"{self.remote} refused the login: {self.source}."


@dataclass(eq=False, kw_only=True)
class AccessDenied(TransportError):
    """The login is accepted but not allowed to do this; `act` is `read` or `write`."""

    act: str
    reason: str

    def __str__(self) -> str:
        """Say which permission is missing."""
        return f"{self.remote} does not allow this login to {self.act} ({self.reason}). Ask its owner for that access."


@dataclass(eq=False, kw_only=True)
class RepositoryNotFound(TransportError):
    """There is no repository there, or this login may not see it."""

    def __str__(self) -> str:
        """Give both reasons, because hosts answer the same for both."""
        return (
            f"There is no git repository at {self.remote}, or this login may not see it. Check the address, and your "
            "access to it."
        )


@dataclass(eq=False, kw_only=True)
class NotAGitServer(TransportError):
    """Something answered that does not speak git: a captive portal, a proxy's error page, a wrong address."""

    retryable: ClassVar[bool] = True
    reason: str

    def __str__(self) -> str:
        """Say what answered."""
        return f"What answered at {self.remote} is not a git server ({self.reason}). Check the address and the network."


@dataclass(eq=False, kw_only=True)
class TooLarge(TransportError):
    """The remote sent more than a room of this kind can hold."""

    reason: str

    def __str__(self) -> str:
        """Name the bound."""
        return f"{self.remote} sent more than a room can hold ({self.reason}); nothing of it was taken in."


@dataclass(eq=False, kw_only=True)
class MalformedPack(TransportError):
    """The remote sent objects that are damaged or not allowed."""

    reason: str

    def __str__(self) -> str:
        """Name what is wrong."""
        return f"{self.remote} sent damaged or unusable objects ({self.reason}); nothing of it was taken in."


@dataclass(eq=False, kw_only=True)
class Moved(TransportError):
    """The branch is not where the push expected it: somebody else wrote first, and nothing was written."""

    retryable: ClassVar[bool] = True

    def __str__(self) -> str:
        """Say that somebody else was first."""
        return f"Somebody else wrote to the room in {self.remote} first."


@dataclass(eq=False, kw_only=True)
class BranchLocked(TransportError):
    """The branch is under somebody's lock in the remote, or a lock was left behind there; nothing was written.

    It says nothing about the record, which is why it is no `PushRefused`.
    """

    retryable: ClassVar[bool] = True
    reason: str

    def __str__(self) -> str:
        """Repeat which lock it is."""
        return f"The room's branch is locked in {self.remote}: {self.reason}."


@dataclass(eq=False, kw_only=True)
class OutcomeUnknown(TransportError):
    """The push was sent and its reply was lost: the record may or may not be in the mailbox (I3)."""

    retryable: ClassVar[bool] = True
    reason: str

    def __str__(self) -> str:
        """Say that the outcome will be looked up."""
        return f"The reply of {self.remote} to a push was lost ({self.reason}); peer-relay looks up what became of it."


@dataclass(eq=False, kw_only=True)
class PushRefused(TransportError):
    """The remote took the push and declined it. `words` are the remote's own, control characters removed."""

    words: str

    def __str__(self) -> str:
        """Repeat the remote's words."""
        return f"{self.remote} refused the push and says: {self.words}"
