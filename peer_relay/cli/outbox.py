"""`outbox`: what waits on this machine, and a person's decision about what the mailbox refused."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import click

from peer_relay.cli.connection import connected
from peer_relay.cli.ending import Failure
from peer_relay.cli.output import warn
from peer_relay.cli.terminal import indented, on_terminal
from peer_relay.errors import UnknownQuestion

if TYPE_CHECKING:
    from collections.abc import Iterator

    from peer_relay.outbox import OutboxEntry


@click.command
@click.option("--retry", metavar="ID", help="Try again with a record that was set aside.")
@click.option("--drop", metavar="ID", help="Throw a record away that was set aside. Nobody will see it.")
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
            _show(relay.outbox())
        else:
            _confirm(drop, confirmed=yes)
            relay.drop(drop)
            click.echo(f"{drop} was thrown away.")


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


def _show(entries: tuple[OutboxEntry, ...]) -> None:
    if not entries:
        warn("everything is delivered.")
    for entry in entries:
        click.echo("\n".join(_lines(entry)))


def _lines(entry: OutboxEntry) -> Iterator[str]:
    yield f"{entry.place.question_id}  {entry.place.kind.value}  {entry.status.value}"
    if entry.words:
        yield indented(entry.words)
