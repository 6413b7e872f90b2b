"""Every error that peer-relay raises on purpose, split by whose fault it is.

1. `str(error)` is one or two plain sentences: what happened, and what to do about it.
2. No error ever carries a secret: remotes are redacted before they get here (I10), and words of a remote or a
   peer have had their control characters removed (I9).
3. `retryable` says whether the same act may succeed later without anybody changing anything.

The four branches: `RequestError` (the caller asked for something that cannot be), `MailboxError` (what is stored in
the mailbox is not acceptable), `TransportError` (the way to the mailbox) and `LocalError` (this machine).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar


def _rebuild(cls: type[PeerRelayError], fields: dict[str, Any]) -> PeerRelayError:
    return cls(**fields)


@dataclass(eq=False, kw_only=True)
class PeerRelayError(Exception):
    """The root of the tree. Keyword fields only; hashable by identity; picklable."""

    retryable: ClassVar[bool] = False

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by the keyword fields, because `Exception` alone would pickle by positional arguments."""
        return _rebuild, (type(self), {each.name: getattr(self, each.name) for each in fields(self)})

    def __str__(self) -> str:
        """Return the sentence for a person or a model."""
        return "Something went wrong in peer-relay."


# ---------------------------------------------------------------------------------------------------------------------
# The caller's request


@dataclass(eq=False, kw_only=True)
class RequestError(PeerRelayError):
    """The request cannot be carried out as it was made; nothing was stored."""


@dataclass(frozen=True)
class Problem:
    """One rule that a field breaks: `field` is its name in the JSON, `rule` a clause that follows the name."""

    field: str
    rule: str

    def __str__(self) -> str:
        """Return the clause, such as `question must not be empty`."""
        return f"{self.field} {self.rule}"


@dataclass(eq=False, kw_only=True)
class InvalidRecord(RequestError):
    """A record breaks the rules of its type. `problems` holds every broken rule, not just the first."""

    kind: str
    problems: tuple[Problem, ...]

    def __str__(self) -> str:
        """Name each field and what is wrong with it."""
        return f"This {self.kind} cannot be stored: {'; '.join(map(str, self.problems))}."


@dataclass(eq=False, kw_only=True)
class InvalidToken(RequestError):
    """A room token that is not in the generated form, found without any contact."""

    reason: str

    def __str__(self) -> str:
        """Say what is wrong with the token, never the token."""
        return f"The room token is not valid: {self.reason}. Copy it again from where it was generated."


@dataclass(eq=False, kw_only=True)
class InvalidInvite(RequestError):
    """An invite line that is cut, mistyped or not an invite, found without any contact."""

    reason: str

    def __str__(self) -> str:
        """Say what is wrong with the invite, never the invite."""
        return f"The invite is not valid: {self.reason}. Copy the whole line that begins with pr1- again."


@dataclass(eq=False, kw_only=True)
class InvalidRemote(RequestError):
    """A remote in a form that is not allowed. `remote` is redacted and printable."""

    remote: str
    reason: str

    def __str__(self) -> str:
        """Name the remote and the forms that are allowed."""
        return (
            f"{self.remote} cannot be used as a mailbox: {self.reason}. Use a path, file://, ssh://, user@host:path, "
            "https://, or http:// to this machine only."
        )


@dataclass(eq=False, kw_only=True)
class InvalidSetting(RequestError):
    """A setting is missing or wrong. `name` is the environment variable or option; `reason` a whole clause."""

    name: str
    reason: str

    def __str__(self) -> str:
        """Name the setting."""
        return f"{self.name} {self.reason}."


@dataclass(eq=False, kw_only=True)
class UnknownQuestion(RequestError):
    """No question with this id is open in the room, as far as this machine knows."""

    question_id: str

    def __str__(self) -> str:
        """Name the id and where to get a right one."""
        return (
            f"There is no open question {self.question_id} in this room. Use a question_id exactly as a tool "
            "returned it."
        )


@dataclass(eq=False, kw_only=True)
class OwnQuestion(RequestError):
    """A peer tried to answer a question that it asked itself."""

    question_id: str

    def __str__(self) -> str:
        """Say who may answer."""
        return f"Question {self.question_id} was asked by your own side, so only the other peer can answer it."


@dataclass(eq=False, kw_only=True)
class NotYourQuestion(RequestError):
    """A peer asked for the answer to a question that the other peer asked."""

    question_id: str

    def __str__(self) -> str:
        """Point to the tool that is meant."""
        return f"Question {self.question_id} was asked by the other peer. Answer it with answer_question."


@dataclass(eq=False, kw_only=True)
class AlreadyAnswered(RequestError):
    """The question has an answer; the first answer wins."""

    question_id: str

    def __str__(self) -> str:
        """Say that this answer came second and was not stored."""
        return (
            f"Question {self.question_id} was answered already; the first answer wins, so this one came second and was "
            "not stored. Nothing more is needed."
        )


@dataclass(eq=False, kw_only=True)
class AlreadyQueued(RequestError):
    """This machine already holds an answer to the question in its outbox."""

    question_id: str

    def __str__(self) -> str:
        """Say that the first one goes out by itself."""
        return (
            f"An answer to question {self.question_id} is already queued on this machine and goes out by itself. "
            "Nothing more is needed."
        )


@dataclass(eq=False, kw_only=True)
class AlreadyAsked(RequestError):
    """A question with this id is in the room already."""

    question_id: str

    def __str__(self) -> str:
        """Name the id."""
        return f"A question with the id {self.question_id} is in the room already. Ask again to get a new id."


@dataclass(eq=False, kw_only=True)
class TooManyOpen(RequestError):
    """The peer has as many open questions as the room allows."""

    limit: int

    def __str__(self) -> str:
        """Say the limit and what frees a place."""
        return (
            f"{self.limit} of your questions are open, which is the limit. Wait until the other peer has answered some "
            "of them, then ask again."
        )


# ---------------------------------------------------------------------------------------------------------------------
# What is stored in the mailbox


@dataclass(eq=False, kw_only=True)
class MailboxError(PeerRelayError):
    """The mailbox was reached, and what it holds is not acceptable."""


@dataclass(eq=False, kw_only=True)
class RoomNotFound(MailboxError):
    """The mailbox has no branch for this token: the relay's 401."""

    remote: str

    def __str__(self) -> str:
        """Give both remedies."""
        return (
            f"There is no such room for this token in {self.remote}. Ask your peer for the invite and run "
            "`peer-relay join`, or open a room with `peer-relay init`."
        )


@dataclass(eq=False, kw_only=True)
class PeerNotInRoom(MailboxError):
    """The configured peer id is not one of the room's two."""

    peer_id: str
    peers: tuple[str, str]

    def __str__(self) -> str:
        """Name the id that was used and the two that exist."""
        return (
            f"{self.peer_id} is not a peer of this room, which pairs {self.peers[0]} with {self.peers[1]}. Set "
            "PEER_RELAY_PEER_ID to your own of the two."
        )


@dataclass(eq=False, kw_only=True)
class IllegalStep(MailboxError):
    """A step or a list of names that the rules of a room do not allow. `reason` is a clause about the commit."""

    reason: str

    def __str__(self) -> str:
        """Say the clause as a sentence."""
        return f"The rules of the room do not allow this commit: {self.reason}."


@dataclass(eq=False, kw_only=True)
class RefusedCommit(MailboxError):
    """A commit of the branch is not exactly the commit that its record demands (I2)."""

    commit: str
    reason: str

    def __str__(self) -> str:
        """Name the commit and the first thing that is wrong with it."""
        return (
            f"Commit {self.commit} of the room is refused: {self.reason}. Nothing from it on is read; ask your peer "
            "and look at it with git."
        )


@dataclass(eq=False, kw_only=True)
class HistoryRewritten(MailboxError):
    """The branch no longer contains the newest commit that this machine verified (I6)."""

    commit: str

    def __str__(self) -> str:
        """Name the commit that is gone."""
        return (
            f"The history of the room was rewritten: it no longer contains commit {self.commit}, which this machine "
            "verified. Nothing new is read until the branch contains it again."
        )


@dataclass(eq=False, kw_only=True)
class BranchDeleted(MailboxError):
    """The branch of a room that this machine knows is gone (I6)."""

    commit: str

    def __str__(self) -> str:
        """Name the newest commit that is known here."""
        return (
            f"The branch of the room was deleted from the mailbox; the newest commit verified here is {self.commit}. "
            "Nothing new is read until the branch contains it again."
        )


@dataclass(eq=False, kw_only=True)
class UnsupportedFormat(MailboxError):
    """The room's format is not the one this program writes."""

    found: str
    newer: bool

    def __str__(self) -> str:
        """Say which side has to change."""
        remedy = (
            "Upgrade peer-relay on this machine."
            if self.newer
            else "It is not a room of peer-relay; ask your peer which repository is meant."
        )
        return f"The room's format is {self.found}, and this program knows format 1. {remedy}"


@dataclass(eq=False, kw_only=True)
class RoomExists(MailboxError):
    """`init` found another room under the same token."""

    peers: tuple[str, str]

    def __str__(self) -> str:
        """Name the peers of the room that is there."""
        return (
            f"A room for this token exists already and pairs {self.peers[0]} with {self.peers[1]}. Use another token, "
            "or the names of that room."
        )


# ---------------------------------------------------------------------------------------------------------------------
# The way to the mailbox


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


# ---------------------------------------------------------------------------------------------------------------------
# This machine


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
        return "Another peer-relay process on this machine is busy with the mailbox; try again in a moment."


@dataclass(eq=False, kw_only=True)
class DamagedClone(LocalError):
    """The private clone cannot be read; it is thrown away and fetched again."""

    retryable: ClassVar[bool] = True
    reason: str

    def __str__(self) -> str:
        """Say that the clone heals itself."""
        return f"The local clone is damaged ({self.reason}); it is fetched again with the next call."
