"""Errors of the caller's request: it cannot be carried out as it was made, and nothing was stored."""

from __future__ import annotations

from dataclasses import dataclass

from peer_relay.errors.base import PeerRelayError


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
            f"An answer to question {self.question_id} is in this machine's outbox already. It goes out by itself, "
            "unless the mailbox refused it: then a person can retry or drop it with `peer-relay outbox`."
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
