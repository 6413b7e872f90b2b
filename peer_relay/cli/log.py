"""`log`: the questions and answers of a room, for a person, for a program, or as a transcript."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from peer_relay.cli.command import command, manners
from peer_relay.cli.connection import connected
from peer_relay.cli.ending import end_if_unreached
from peer_relay.cli.markdown import transcript
from peer_relay.cli.moments import counted
from peer_relay.cli.output import emit, warn
from peer_relay.cli.output_file import check_place, write_whole
from peer_relay.cli.progress import working
from peer_relay.cli.rendering import Page, card_of
from peer_relay.cli.selecting import Wanted, select
from peer_relay.cli.since import Since
from peer_relay.clock import system_ms
from peer_relay.settings import load_config

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from peer_relay.cli.selecting import Selected
    from peer_relay.exchanges import Exchange
    from peer_relay.relay import Relay


@command(
    examples=(
        "peer-relay log",
        "peer-relay log --open  # what waits for an answer, on either side",
        "peer-relay log --since 3d --limit 200",
        "peer-relay log --all --markdown talk.md  # a transcript of the whole history",
        "peer-relay log --json | tail -n 1  # the newest exchange, for a program",
    ),
    prints_data=True,
    enters_room=True,
)
@click.option("--all", "whole_history", is_flag=True, help="Fetch and show the whole history, archived exchanges too.")
@click.option(
    "--since",
    "since_ms",
    type=Since(),
    help="Only what was asked or answered since: 2026-11-20, 2026-11-20T10:00, 3d, 2h or 90m.",
)
@click.option("--open", "only_open", is_flag=True, help="Only questions without an answer.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="How many at most: 50 without --all.")
@click.option(
    "--markdown",
    "file",
    is_flag=False,
    flag_value="-",
    metavar="[FILE]",
    help="Write a transcript; to standard output if no file is named.",
)
def log(whole_history: bool, since_ms: int | None, only_open: bool, limit: int | None, file: str | None) -> None:  # noqa: FBT001 - click passes flags by name
    """Show the newest 50 questions and answers. The newest is last; times are this machine's.

    Nothing is marked as read: what your agent has not seen yet, it still gets.
    """
    if file is not None and manners().as_json:
        raise click.UsageError("--markdown and --json exclude each other.")
    if file is not None:
        check_place(file)
    wanted = Wanted(whole_history, since_ms, only_open, limit)
    with connected() as relay:
        with working("Reading"):
            selected = select(relay, wanted)
        _show(relay, selected, file)
    for note in (*selected.notes, *_remarks(wanted, selected), *_signed()):
        warn(note)
    end_if_unreached(selected.stale)


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


def _show(relay: Relay, selected: Selected, file: str | None) -> None:
    if file is not None:
        write_whole(file, transcript(selected.items, _peers(relay, selected.items), selected.left_out))
    elif manners().as_json:
        for exchange in selected.items:
            emit(as_object(exchange))
    else:
        page = Page(relay.me, system_ms())
        for exchange in selected.items:
            page.print(card_of(exchange))


def _remarks(wanted: Wanted, selected: Selected) -> Iterator[str]:
    """Say what is not among what is shown, and why there is nothing."""
    if selected.left_out:
        total = len(selected.items) + selected.left_out
        older = counted(selected.left_out, "older exchange")
        yield f"{older} {'is' if selected.left_out == 1 else 'are'} left out; `--limit {total}` shows all of these."
    if selected.items or selected.missing:
        return
    if wanted.only_open:
        yield "no question is open." if wanted.since_ms is None else "no question that was asked since then is open."
    elif wanted.since_ms is not None:
        yield "nothing was asked or answered since then."
    else:
        yield "no question has been asked in this room yet."


def _signed() -> Iterator[str]:
    """Say of a room with pinned keys that it is one; of any other, as most are, only if all is to be told."""
    signing = load_config(lambda _: None, manners().room).signing
    if signing is not None and signing.pins:
        yield f"what {' and '.join(signing.peers)} wrote since a key was pinned bears a signature by it."
    elif manners().verbose:
        yield "no key is pinned here, so nothing shows which of the two wrote what."


def _peers(relay: Relay, exchanges: Sequence[Exchange]) -> list[str]:
    """Return the room's two peers, as far as they are known."""
    named = {relay.me, *(exchange.question.asker_id for exchange in exchanges)}
    named.update(exchange.answerer for exchange in exchanges if exchange.answerer is not None)
    if len(named) == 1:
        named.add(relay.standing().other or "the other peer")
    return sorted(named)
