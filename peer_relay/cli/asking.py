"""`ask` and `answer`: a person says something by their own hand, by the rules that hold for the agent too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from peer_relay.cli.arguments import WAITING
from peer_relay.cli.command import command, manners
from peer_relay.cli.connection import connected
from peer_relay.cli.drafts import Form, text_for
from peer_relay.cli.ending import Exit, end_with
from peer_relay.cli.moments import ago
from peer_relay.cli.output import emit, say, warn
from peer_relay.cli.terminal import printable
from peer_relay.clock import system_ms
from peer_relay.errors import AlreadyAnswered, AlreadyQueued, OwnQuestion, UnknownQuestion
from peer_relay.ids import ulid_ms
from peer_relay.outbox import Status
from peer_relay.paths import Kind
from peer_relay.records import Question

if TYPE_CHECKING:
    from collections.abc import Sequence

    from peer_relay.outbox import OutboxEntry
    from peer_relay.relay import Relay
    from peer_relay.reports import Sent

_allow_secret = click.option(
    "--allow-secret",
    is_flag=True,
    help="Send it although it looks as if it held a secret. It stays in the mailbox's history for ever.",
)
_ABOVE = (
    "Write above the line of scissors. What is there is sent",
    "exactly as it is, and can never be changed or taken back.",
    "If there is nothing, nothing is sent.",
)


# ---------------------------------------------------------------------------------------------------------------------
# ask


@command(
    examples=[
        'peer-relay ask "Why are tokens valid for 15 minutes only?"',
        'peer-relay ask "May I drop Python 3.11?" --hint "the build of services/auth"',
        "peer-relay ask < question.md  # the text of a file",
        "peer-relay ask  # write it in your editor",
    ],
    prints_data=True,
    enters_room=True,
)
@click.argument("text", required=False)
@click.option("--hint", metavar="TEXT", help="What the question is about, such as a file or a version, in a few words.")
@_allow_secret
def ask(*, text: str | None, hint: str | None, allow_secret: bool) -> None:
    """Ask the other peer a question.

    Without TEXT it is written in your editor, the one in VISUAL or EDITOR; if standard input is not a terminal, or
    TEXT is -, it is read from there. A question that cannot be delivered now is kept on this machine and goes out by
    itself: do not ask it again.
    """
    with connected() as relay:
        form = Form(
            name="question",
            again=("ask", *(() if hint is None else ("--hint", hint))),
            explain=lambda: _about_asking(relay, hint),
            is_accepted=lambda text: any(_says(entry, Kind.QUESTION, text) for entry in relay.outbox()),
        )
        with text_for(form, text) as question:
            sent = relay.ask(question, hint, allow_secret=allow_secret)
        _tell("Question", Kind.QUESTION, sent, relay)


def _about_asking(relay: Relay, hint: str | None) -> list[str]:
    """Return what stands below the line of scissors."""
    to = relay.standing().other or "the other peer"
    about = [] if hint is None else ["", f"Its context hint: {_one_line(hint)}"]
    return [
        f"Your question to {to}.",
        *_ABOVE,
        "",
        "A good question stands alone: say what you look for,",
        "what you know already, and which files or versions it",
        "is about.",
        *about,
    ]


# ---------------------------------------------------------------------------------------------------------------------
# answer


@command(
    examples=[
        'peer-relay answer 01KAN3X1Y0ABCDEFGHJKMNPQRS "They leak less." --source src/auth.py:40',
        "peer-relay answer 01KAN3X1Y0ABCDEFGHJKMNPQRS < answer.md  # the text of a file",
        "peer-relay answer 01KAN3X1Y0ABCDEFGHJKMNPQRS  # read the question and write in your editor",
    ],
    prints_data=True,
    enters_room=True,
)
@click.argument("question_id", metavar="ID", type=WAITING)
@click.argument("text", required=False)
@click.option(
    "--source",
    "sources",
    metavar="SOURCE",
    multiple=True,
    help="What the answer rests on, such as src/auth.py:40, a commit or a decision document. May be repeated.",
)
@_allow_secret
def answer(*, question_id: str, text: str | None, sources: tuple[str, ...], allow_secret: bool) -> None:
    """Answer a question of the other peer.

    Without TEXT it is written in your editor, the one in VISUAL or EDITOR, which shows the question; if standard input
    is not a terminal, or TEXT is -, it is read from there. The first answer to a question wins, and is for ever. One
    that cannot be delivered now is kept on this machine and goes out by itself.
    """
    with connected() as relay:
        form = Form(
            name=f"answer-{question_id}",
            again=("answer", question_id, *(word for each in sources for word in ("--source", each))),
            explain=lambda: _about_answering(_answerable(relay, question_id), sources),
            is_accepted=lambda text: any(_says(each, Kind.ANSWER, text, question_id) for each in relay.outbox()),
        )
        with text_for(form, text) as reply:
            sent = relay.answer(question_id, reply, sources, allow_secret=allow_secret)
        _tell("The answer to", Kind.ANSWER, sent, relay)


def _answerable(relay: Relay, question_id: str) -> Question:
    """Return a question before somebody takes the trouble to write an answer.

    Raises:
        OwnQuestion, AlreadyAnswered, AlreadyQueued, UnknownQuestion: there is no use in that.
        PeerRelayError: the question cannot be read now.
    """
    if any(_is_about(entry, Kind.ANSWER, question_id) for entry in relay.outbox()):
        raise AlreadyQueued(question_id=question_id)
    listing = relay.exchange(question_id)
    for note in listing.notes:
        warn(note)
    if not listing.items:
        raise listing.stale or UnknownQuestion(question_id=question_id)
    (exchange,) = listing.items
    if exchange.question.asker_id == relay.me:
        raise OwnQuestion(question_id=question_id)
    if exchange.answer is not None:
        raise AlreadyAnswered(question_id=question_id)
    return exchange.question


def _about_answering(question: Question, sources: Sequence[str]) -> list[str]:
    """Return what stands below the line of scissors.

    The question is in the middle, because vim obeys certain words in the first and the last five lines of a file (I9).
    """
    hint = [] if question.context_hint is None else ["", "Its context hint:", *_quoted(question.context_hint)]
    named = [f"    {_one_line(each)}" for each in sources] or ["    none; they are given with --source"]
    return [
        f"Your answer to question {question.id}.",
        *_ABOVE,
        "",
        f"{question.asker_id} asked {ago(ulid_ms(question.id), system_ms())}:",
        "",
        *_quoted(question.question),
        *hint,
        "",
        "The sources of your answer:",
        *named,
        "",
        "A good answer cites what you looked at, such as",
        "file:line, a commit, a pull request or a decision",
        "document, and says what is from memory or not sure.",
    ]


def _quoted(text: str) -> list[str]:
    return [f"    {line}" for line in printable(text).split("\n")]


def _one_line(text: str) -> str:
    return " ".join(printable(text).split())


# ---------------------------------------------------------------------------------------------------------------------
# Parts of both


def _is_about(entry: OutboxEntry, kind: Kind, question_id: str) -> bool:
    return (entry.place.kind, entry.place.question_id) == (kind, question_id)


def _says(entry: OutboxEntry, kind: Kind, text: str, question_id: str | None = None) -> bool:
    if entry.place.kind is not kind or question_id not in (None, entry.place.question_id):
        return False
    return text == (entry.record.question if isinstance(entry.record, Question) else entry.record.answer)


def _tell(what: str, kind: Kind, sent: Sent, relay: Relay) -> None:
    """Say what became of a question or an answer, and end with the status for it."""
    status = "delivered" if sent.delivered else "queued"
    if not sent.delivered and any(
        _is_about(entry, kind, sent.question_id) and entry.status is Status.REFUSED for entry in relay.outbox()
    ):
        status = "refused"
    if manners().as_json:
        emit({"question_id": sent.question_id, "status": status, "notes": list(sent.notes)})
    else:
        say(f"{what} {sent.question_id} {_BECAME[status]}")
        for note in sent.notes:
            # That something is queued was just said; why has not.
            warn(str(sent.blocked) if sent.blocked is not None and note.endswith(str(sent.blocked)) else note)
    if status != "delivered":
        end_with(Exit.UNREACHED if status == "queued" else Exit.FAILED)


_BECAME = {
    "delivered": "was delivered.",
    "queued": "is queued on this machine: do not send it again. It goes out by itself, as soon as a command or your "
    "agent's server reaches the mailbox.",
    "refused": "is not in the mailbox, which refuses it.",
}
