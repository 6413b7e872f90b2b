"""Errors on the way to the mailbox: it was not reached, or did not do what was asked.

Such an error is also told beside a record that is queued, which goes out by itself. So no remedy here says to try
again without saying what: an agent that reads it must not ask or answer twice.
"""

from __future__ import annotations

from typing import ClassVar

from peer_relay.errors.base import PeerRelayError, in_quotes


class TransportError(PeerRelayError):
    """The remote was not reached, or did not do what was asked. `remote` is redacted."""

    remote: str


class Unreachable(TransportError):
    """No connection, or one that broke before anything was asked of the remote: nothing changed there.

    `reason` is a clause, `advice` a sentence.
    """

    retryable: ClassVar[bool] = True
    reason: str
    advice: str = "Check the network and the address."

    @property
    def what(self) -> str:
        """Say what the connection attempt met."""
        return f"{self.remote} cannot be reached: {self.reason}."

    @property
    def remedy(self) -> str:
        """Give the two usual causes, or what the raiser knows better."""
        return self.advice


class DeadlineExceeded(TransportError):
    """The remote said nothing (or not enough) within the deadline; nothing changed there."""

    retryable: ClassVar[bool] = True
    seconds: float

    @property
    def what(self) -> str:
        """Say how long was waited."""
        return f"{self.remote} did not answer within {self.seconds:g} seconds."

    @property
    def remedy(self) -> str:
        """Name the setting."""
        return "If the line is slow, set PEER_RELAY_TIMEOUT to more seconds."


class RateLimited(TransportError):
    """The remote asks to come back later (HTTP 429, or 503 with Retry-After).

    `next_try` is the time from which on this process asks again, once it keeps to a pause.
    """

    retryable: ClassVar[bool] = True
    retry_after_s: float | None
    next_try: str | None = None

    @property
    def what(self) -> str:
        """Say for how long, if the remote said so."""
        when = "" if self.retry_after_s is None else f" of {self.retry_after_s:g} seconds"
        return f"{self.remote} asks for a pause{when}."

    @property
    def remedy(self) -> str:
        """Nobody has to do anything but wait."""
        if self.next_try is not None:
            return f"It is not asked again before {self.next_try}."
        return "Wait that long." if self.retry_after_s is not None else "Wait a few minutes."


class AuthenticationFailed(TransportError):
    """The remote refused the credentials, or there were none.

    `source` is a clause: where the credentials came from, never their value. `advice` is a sentence.
    """

    source: str
    advice: str = "Check that login, and that it may write there."

    @property
    def what(self) -> str:
        """Name the source that was used."""
        return f"{self.remote} refused the login: {self.source}."

    @property
    def remedy(self) -> str:
        """Say what to do about that source."""
        return self.advice


class AccessDenied(TransportError):
    """The login is accepted but not allowed to do this; `act` is `read` or `write`.

    `reason` is a clause; `advice` is a sentence where the owner's leave would not help.
    """

    act: str
    reason: str
    advice: str | None = None

    @property
    def what(self) -> str:
        """Say which permission is missing."""
        return f"{self.remote} does not allow this login to {self.act} ({self.reason})."

    @property
    def remedy(self) -> str:
        """Only the owner can give it, or what the raiser knows better."""
        return self.advice or f"Ask its owner for {self.act} access."


class RepositoryNotFound(TransportError):
    """There is no repository there, or this login may not see it."""

    @property
    def what(self) -> str:
        """Give both reasons, because hosts answer the same for both."""
        return f"There is no git repository at {self.remote}, or this login may not see it."

    @property
    def remedy(self) -> str:
        """Give both remedies for the same cause."""
        return "Check the address, and your access to it."


class NotAGitServer(TransportError):
    """Something answered that does not speak git: a captive portal, a proxy's error page, a wrong address.

    `reason` is a clause, `advice` a sentence.
    """

    retryable: ClassVar[bool] = True
    reason: str
    advice: str = "Check the address, and whether the network shows a login page of its own."

    @property
    def what(self) -> str:
        """Say what answered."""
        return f"What answered at {self.remote} is not a git repository that peer-relay can use ({self.reason})."

    @property
    def remedy(self) -> str:
        """Give the two usual causes, or what the raiser knows better."""
        return self.advice


class TooLarge(TransportError):
    """The remote sent more than a room of this kind can hold."""

    reason: str

    @property
    def what(self) -> str:
        """Name the bound."""
        return f"{self.remote} sent more than a room can hold ({self.reason}), so it was not taken in."

    @property
    def remedy(self) -> str:
        """It is another repository, or somebody pushed by hand."""
        return "Check that the address is the mailbox's, and ask your peer what was pushed to the room's branch."


class MalformedPack(TransportError):
    """The remote sent objects that are damaged or not allowed."""

    reason: str

    @property
    def what(self) -> str:
        """Name what is wrong."""
        return f"{self.remote} sent damaged or unusable objects ({self.reason}), so they were not taken in."

    @property
    def remedy(self) -> str:
        """The damage is most likely in the repository itself."""
        return "Run `git fsck` in that repository, or ask who keeps it."


class Moved(TransportError):
    """The branch is not where the push expected it: somebody else wrote first, and nothing was written.

    `words` are the remote's own, if it was the remote that found it.
    """

    retryable: ClassVar[bool] = True
    words: str = ""

    @property
    def what(self) -> str:
        """Say that somebody else was first."""
        return f"Somebody else wrote to the room in {self.remote} first, so nothing was written."

    @property
    def remedy(self) -> str:
        """The relay does that itself for what is queued; `init` gives up after a few times."""
        return "Run the same command again."


class BranchLocked(TransportError):
    """The branch is under somebody's lock in the remote, or a lock was left behind there; nothing was written.

    It says nothing about the record, which is why it is no `PushRefused`.
    """

    retryable: ClassVar[bool] = True
    reason: str

    @property
    def what(self) -> str:
        """Repeat which lock it is."""
        return f"The room's branch is locked in {self.remote}: {self.reason}."

    @property
    def remedy(self) -> str:
        """A lock that is held goes away; one that was left behind does not."""
        return "If no git program is at work there, remove that lock file."


class OutcomeUnknown(TransportError):
    """The push was sent and its reply was lost: the record may or may not be in the mailbox (I3)."""

    retryable: ClassVar[bool] = True
    reason: str

    @property
    def what(self) -> str:
        """Say what became of the reply."""
        return f"The reply of {self.remote} to a push was lost ({self.reason})."

    @property
    def remedy(self) -> str:
        """The relay does that itself for what is queued; `init` gives up after a few times."""
        return "Run the same command again: it first looks up what became of the push."


class PushRefused(TransportError):
    """The remote took the push and declined it. `words` are the remote's own, control characters removed.

    `advice` is a sentence where the raiser knows better what has to change.
    """

    words: str
    advice: str | None = None

    @property
    def what(self) -> str:
        """Repeat the remote's words."""
        return f"{self.remote} refused the push and says: {in_quotes(self.words)}."

    @property
    def remedy(self) -> str:
        """Only a person can change the rule or the record."""
        return self.advice or (
            "Remove the cause there, then run the same command again, or `peer-relay outbox --retry ID` for a record "
            "that was set aside."
        )


class PushBlocked(PushRefused):
    """The remote declines whatever is pushed to the branch: it is full, or the branch cannot be written.

    It says nothing about the record, which stays queued and is not set aside (I5).
    """

    @property
    def what(self) -> str:
        """Repeat the remote's words, and say that they are not about the record."""
        return f"{self.remote} takes no push to the room at present and says: {in_quotes(self.words)}."

    @property
    def remedy(self) -> str:
        """Only a person can change that, over there."""
        return self.advice or "Remove the cause there; what is queued goes out by itself then."
