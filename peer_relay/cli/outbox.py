"""`outbox`: what waits on this machine, and a person's decision about what the mailbox refused or a disk damaged."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING

import click

from peer_relay.cli.arguments import DROPPABLE, SET_ASIDE
from peer_relay.cli.command import command, manners
from peer_relay.cli.connection import connected
from peer_relay.cli.ending import Failure
from peer_relay.cli.output import emit, say, warn
from peer_relay.cli.terminal import indented, on_terminal, printable
from peer_relay.errors import UnknownQuestion
from peer_relay.ids import ULID_PATTERN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from peer_relay.outbox import DamagedFile, OutboxEntry
    from peer_relay.relay import Relay

_SHOWN = 2_000


@command(
    examples=[
        "peer-relay outbox",
        "peer-relay outbox --retry 01KAN3X1Y0ABCDEFGHJKMNPQRS  # once more, after the mailbox was put right",
        "peer-relay outbox --drop 01KAN3X1Y0ABCDEFGHJKMNPQRS",
        "peer-relay outbox --drop 00000001-….json  # a damaged file, after you have seen what is left of it",
    ],
    prints_data=True,
    enters_room=True,
)
@click.option("--retry", metavar="ID", type=SET_ASIDE, help="Try again with a record that was set aside.")
@click.option(
    "--drop",
    metavar="ID",
    type=DROPPABLE,
    help="Throw away one that was set aside, or a damaged file by its name. Nobody will see it.",
)
@click.option("--yes", is_flag=True, help="Do not ask before something is thrown away.")
def outbox(retry: str | None, drop: str | None, yes: bool) -> None:  # noqa: FBT001 - click passes flags by name
    """Show what this machine has not delivered yet.

    A record that is queued goes out by itself. One that the mailbox refused is set aside until you decide about it.
    A file that was damaged is never sent: what can be read of it is shown, unchecked, so that you can ask again.
    """
    if retry is not None and drop is not None:
        raise click.UsageError("--retry and --drop exclude each other.")
    with connected() as relay, _named(retry or drop):
        if retry is not None:
            relay.retry(retry)
            relay.deliver()
        if drop is None:
            _show(relay.outbox(), relay.damaged())
        else:
            _confirm(drop, confirmed=yes)
            _drop(relay, drop)
            _tell_dropped(drop)


def _drop(relay: Relay, what: str) -> None:
    """Throw away a record that was set aside, by its id, or a damaged file, by its name."""
    if re.fullmatch(ULID_PATTERN, what):
        relay.drop(what)
    elif not relay.drop_damaged(what):
        raise Failure("No damaged file of that name is in the outbox. `peer-relay outbox` lists those that are.")


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
    if not click.confirm(f"Throw the record of {printable(question_id)} away? Nobody will see it", err=True):
        raise Failure("Nothing was thrown away.")


def _tell_dropped(question_id: str) -> None:
    if manners().as_json:
        emit({"dropped": question_id})
    else:
        say(f"{printable(question_id)} was thrown away.")


def _show(entries: Sequence[OutboxEntry], damaged: Sequence[DamagedFile]) -> None:
    if manners().as_json:
        for entry in entries:
            emit(as_object(entry))
        for file in damaged:
            emit({"damaged": file.name, "path": str(file.path), "text": file.text})
        return
    if not (entries or damaged):
        warn("everything is delivered.")
    for entry in entries:
        say("\n".join(_lines(entry)))
    for file in damaged:
        say("\n".join(_damaged_lines(file)))
    if damaged:
        warn("a damaged file is not sent. Ask or answer anew, then throw it away with `peer-relay outbox --drop NAME`.")


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


def _damaged_lines(file: DamagedFile) -> Iterator[str]:
    """Show where a damaged file is, and the beginning of what is left in it."""
    yield f"{printable(file.name)}  damaged"
    yield indented(f"in {file.path.parent}")
    if file.text:
        cut = file.text if len(file.text) <= _SHOWN else f"{file.text[:_SHOWN]}…"
        yield indented(f"what can be read of it, unchecked:\n{cut}")
