"""Errors of the caller's request: it cannot be carried out as it was made, and nothing was stored."""

from __future__ import annotations

from typing import NamedTuple

from peer_relay.errors.base import PeerRelayError


class RequestError(PeerRelayError):
    """The request cannot be carried out as it was made; nothing was stored."""


class Problem(NamedTuple):
    """One rule that a field breaks: `field` is its name in the JSON, `rule` a clause that follows the name."""

    field: str
    rule: str

    def __str__(self) -> str:
        """Return the clause, such as `question must not be empty`."""
        return f"{self.field} {self.rule}"


class InvalidRecord(RequestError):
    """A record breaks the rules of its type. `problems` holds every broken rule, not just the first.

    `kind` is `question`, `answer` or `room`; `request` for an argument that is never stored.
    """

    kind: str
    problems: tuple[Problem, ...]

    @property
    def what(self) -> str:
        """Name each field and what is wrong with it."""
        done = "carried out" if self.kind == "request" else "stored"
        return f"This {self.kind} cannot be {done}: {'; '.join(map(str, self.problems))}."

    @property
    def remedy(self) -> str:
        """Nothing was stored, so it is safe to send it again."""
        return "Correct that and send it again."


class InvalidToken(RequestError):
    """A room token that is not in the generated form, found without any contact."""

    reason: str

    @property
    def what(self) -> str:
        """Say what is wrong with the token, never the token."""
        return f"The room token is not valid: {self.reason}."

    @property
    def remedy(self) -> str:
        """Name the one place where people put a token by hand."""
        return "Copy it whole into PEER_RELAY_ROOM_TOKEN again."


class InvalidInvite(RequestError):
    """An invite line that is cut, mistyped or not an invite, found without any contact.

    `reason` is a clause, `advice` a sentence.
    """

    reason: str
    advice: str = "Copy the whole line that begins with pr1- again."

    @property
    def what(self) -> str:
        """Say what is wrong with the invite, never the invite."""
        return f"The invite is not valid: {self.reason}."

    @property
    def remedy(self) -> str:
        """Say where to get a right one."""
        return self.advice


class InvalidRemote(RequestError):
    """A remote in a form that is not allowed. `remote` is redacted and printable.

    `reason` is a clause, `advice` a sentence.
    """

    remote: str
    reason: str
    advice: str = "Use a path, file://, ssh://, user@host:path, https://, or http:// to this machine only."

    @property
    def what(self) -> str:
        """Name the remote and the rule that it breaks."""
        return f"{self.remote} cannot be used as a mailbox: {self.reason}."

    @property
    def remedy(self) -> str:
        """Name the forms that are allowed, or the one that seems to be meant."""
        return self.advice


class InvalidSetting(RequestError):
    """A setting is missing or wrong. `name` is the environment variable or option.

    `reason` is a clause that follows the name, `advice` a sentence.
    """

    name: str
    reason: str
    advice: str = "Correct it, then try again."

    @property
    def what(self) -> str:
        """Name the setting."""
        return f"{self.name} {self.reason}."

    @property
    def remedy(self) -> str:
        """Say how to put it right."""
        return self.advice


class UnknownQuestion(RequestError):
    """No question with this id is open in the room, as far as this machine knows."""

    question_id: str

    @property
    def what(self) -> str:
        """Name the id."""
        return f"There is no open question {self.question_id} in this room."

    @property
    def remedy(self) -> str:
        """Say where to get a right one."""
        return "Use an id exactly as a tool returned it, or as `peer-relay log` shows it."


class OwnQuestion(RequestError):
    """A peer tried to answer a question that it asked itself."""

    question_id: str

    @property
    def what(self) -> str:
        """Say who asked."""
        return f"Question {self.question_id} was asked by your own side, so only the other peer can answer it."

    @property
    def remedy(self) -> str:
        """A question cannot be withdrawn; a wrong one is asked anew."""
        return "Wait for that answer, or ask a better question."


class NotYourQuestion(RequestError):
    """A peer asked for the answer to a question that the other peer asked."""

    question_id: str

    @property
    def what(self) -> str:
        """Say who asked."""
        return f"Question {self.question_id} was asked by the other peer."

    @property
    def remedy(self) -> str:
        """Point to the tool and the command that are meant."""
        return "Answer it with answer_question or `peer-relay answer`."


class AlreadyAnswered(RequestError):
    """The question has an answer; the first answer wins."""

    question_id: str

    @property
    def what(self) -> str:
        """Say that this answer came second and was not stored."""
        return (
            f"Question {self.question_id} was answered already; the first answer wins, so this one came second and was "
            "not stored."
        )

    @property
    def remedy(self) -> str:
        """Say that the question is dealt with."""
        return "Nothing more is needed."


class AlreadyQueued(RequestError):
    """This machine already holds an answer to the question in its outbox."""

    question_id: str

    @property
    def what(self) -> str:
        """Say where that answer is."""
        return f"An answer to question {self.question_id} is in this machine's outbox already."

    @property
    def remedy(self) -> str:
        """Say that the first one goes out by itself, or waits for a person."""
        return (
            "Nothing has to be done: it goes out by itself, unless the mailbox refused it, and then a person decides "
            "with `peer-relay outbox`."
        )


class AlreadyAsked(RequestError):
    """A question with this id is in the room already."""

    question_id: str

    @property
    def what(self) -> str:
        """Name the id."""
        return f"A question with the id {self.question_id} is in the room already."

    @property
    def remedy(self) -> str:
        """Ids are made anew for each question."""
        return "Ask again to get a new id."


class TooManyOpen(RequestError):
    """The peer has as many open questions as the room allows."""

    limit: int

    @property
    def what(self) -> str:
        """Say the limit."""
        return f"{self.limit} of your questions are open, which is the limit."

    @property
    def remedy(self) -> str:
        """Say what frees a place."""
        return "Wait until the other peer has answered some of them, then ask again."
