"""`log`: the questions and answers of a room, for a person or for a program."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from peer_relay.cli.connection import connected
from peer_relay.cli.output import warn
from peer_relay.cli.terminal import indented, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from peer_relay.exchanges import Exchange

NEWEST = 50


@click.command
@click.option("--all", "whole_history", is_flag=True, help="Fetch and show the whole history, archived exchanges too.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each exchange, one on a line.")
def log(whole_history: bool, as_json: bool) -> None:  # noqa: FBT001 - click passes flags by name
    """Show the newest 50 questions and answers. The newest is last; times are in UTC.

    Nothing is marked as read: what your agent has not seen yet, it still gets.
    """
    with connected() as relay:
        listing = relay.exchanges(whole_history=whole_history)
    for note in listing.notes:
        warn(note)
    shown = listing.items if whole_history else listing.items[-NEWEST:]
    if as_json:
        for exchange in shown:
            click.echo(json.dumps(as_object(exchange)))
    elif shown:
        click.echo("\n\n".join("\n".join(readable(exchange)) for exchange in shown))
    else:
        warn("no question has been asked in this room yet.")


def as_object(exchange: Exchange) -> dict[str, str | list[str] | None]:
    """Return an exchange with stable field names; what an open question does not have yet is None."""
    question, answer = exchange.question, exchange.answer
    replied = None if answer is None else (answer.answer, list(answer.sources), answer.answered_at)
    text, sources, answered_at = replied or (None, None, None)
    return {
        "question_id": question.id,
        "asker": question.asker_id,
        "question": question.question,
        "context_hint": question.context_hint,
        "asked_at": question.asked_at,
        "answerer": exchange.answerer,
        "answer": text,
        "sources": sources,
        "answered_at": answered_at,
    }


def readable(exchange: Exchange) -> Iterator[str]:
    """Yield the lines that show an exchange to a person."""
    question, answer = exchange.question, exchange.answer
    yield _heading(question.asked_at, f"{question.asker_id} asks", question.id)
    yield indented(question.question)
    if question.context_hint is not None:
        yield indented(f"context: {question.context_hint}")
    if answer is None:
        yield click.style("    open: not answered yet", fg="yellow")
        return
    yield _heading(answer.answered_at, f"{exchange.answerer} answers")
    yield indented(answer.answer)
    for source in answer.sources:
        yield indented(f"source: {source}")


def _heading(time: str, what: str, question_id: str = "") -> str:
    """Return the line above a text: the time to the minute, who does what, and the id of a question."""
    plain = f"{time[:16].replace('T', ' ')}  {click.style(printable(what), bold=True)}"
    return f"{plain}  {click.style(question_id, dim=True)}" if question_id else plain
