"""`outbox`: what waits on this machine, and a person's decision about what the mailbox refused."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import click

from peer_relay.cli.arguments import SET_ASIDE
from peer_relay.cli.command import command, manners
from peer_relay.cli.connection import connected
from peer_relay.cli.ending import Failure
from peer_relay.cli.output import emit, say, warn
from peer_relay.cli.terminal import indented, on_terminal
from peer_relay.errors import UnknownQuestion

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from peer_relay.outbox import OutboxEntry


@command(
    examples=[
        "peer-relay outbox",
        "peer-relay outbox --retry 01KAN3X1Y0ABCDEFGHJKMNPQRS  # once more, after the mailbox was put right",
        "peer-relay outbox --drop 01KAN3X1Y0ABCDEFGHJKMNPQRS",
    ],
    prints_data=True,
    enters_room=True,
)
@click.option("--retry", metavar="ID", type=SET_ASIDE, help="Try again with a record that was set aside.")
@click.option("--drop", metavar="ID", type=SET_ASIDE, help="Throw away one that was set aside. Nobody will see it.")
@click.option("--yes", is_flag=True, help="Do not ask before something is thrown away.")
def outbox(retry: str | None, drop: str | None, yes: bool) -> None:  # noqa: FBT001 - click passes flags by name
    """Show what this machine has not delivered yet.

    A record that is queued goes out by itself. One that the mailbox refused is set aside until you decide about it.
    """
    if retry is not None and drop is not None:
        raise click.UsageError("--retry and --drop exclude each other.")
    with connected() as relay, _named(retry or drop):
        if retry is not None:
            relay.retry(retry)
            relay.deliver()
        if drop is None:
            _show(relay.outbox(), relay.standing().damaged)
        else:
            _confirm(drop, confirmed=yes)
            relay.drop(drop)
            _tell_dropped(drop)


@contextlib.contextmanager
def _named(question_id: str | None) -> Iterator[None]:
    """Say of an id that it is not the one of a record that was set aside."""
    try:
        yield
    except UnknownQuestion:
        raise Failure(f"No record of {question_id} is set aside. `peer-relay outbox` lists those that are.") from None


def _confirm(question_id: str, *, confirmed: bool) -> None:
    """Ask before a record is lost; where nobody can be asked, `--yes` has to say so."""
    if confirmed:
        return
    if not on_terminal():
        raise click.UsageError("--drop needs --yes where nobody can be asked.")
    if not click.confirm(f"Throw the record of {question_id} away? Nobody will see it", err=True):
        raise Failure("Nothing was thrown away.")


def _tell_dropped(question_id: str) -> None:
    if manners().as_json:
        emit({"dropped": question_id})
    else:
        say(f"{question_id} was thrown away.")


def _show(entries: Sequence[OutboxEntry], damaged: Sequence[str]) -> None:
    if manners().as_json:
        for entry in entries:
            emit(as_object(entry))
        for name in damaged:
            emit({"damaged": name})
        return
    if not (entries or damaged):
        warn("everything is delivered.")
    for entry in entries:
        say("\n".join(_lines(entry)))
    for name in damaged:
        warn(f"the outbox file {name} cannot be read; it was left in place for you to look at.")


def as_object(entry: OutboxEntry) -> dict[str, str | None]:
    """Return a record's place and what became of it, with stable field names; its text is not in it."""
    return {
        "question_id": entry.place.question_id,
        "kind": entry.place.kind.value,
        "status": entry.status.value,
        "words": entry.words or None,
    }


def _lines(entry: OutboxEntry) -> Iterator[str]:
    yield f"{entry.place.question_id}  {entry.place.kind.value}  {entry.status.value}"
    if entry.words:
        yield indented(entry.words)
