"""`restore`: puts a room's branch back that was deleted, cut back, rewritten or carries what nobody accepts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from peer_relay.cli.command import command, manners
from peer_relay.cli.ending import Failure
from peer_relay.cli.moments import ago, counted, local_time
from peer_relay.cli.output import emit, say, warn
from peer_relay.cli.progress import Watcher
from peer_relay.cli.prompts import agree, can_ask
from peer_relay.cli.terminal import printable
from peer_relay.clock import system_ms
from peer_relay.errors import BranchSetBack, HistoryRewritten, RefusedCommit, RoomNotFound, UnsupportedFormat
from peer_relay.ids import ulid_ms
from peer_relay.paths import Kind, branch_ref
from peer_relay.restoring import open_restoration
from peer_relay.settings import load_config, surroundings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from peer_relay.delivery import Flushed
    from peer_relay.ledger import Ledger
    from peer_relay.paths import Place
    from peer_relay.restoring import Found, Restoration
    from peer_relay.store import Arrival, Beyond

_NAMED = 10


@command(
    examples=(
        "peer-relay restore",
        "peer-relay restore --yes  # in a script, when nothing of anybody would be lost",
        "peer-relay restore --yes --json",
    ),
    prints_data=True,
    enters_room=True,
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--even-with-losses", is_flag=True, help="With --yes: also if records would leave the branch.")
def restore(*, yes: bool, even_with_losses: bool) -> None:
    """Put the room's branch back to what this machine verified.

    For a branch that was deleted, cut back or rewritten, or that carries a commit which nobody accepts. It looks at the
    mailbox, says what is there and what would become of it, and asks. Then the branch is moved back to the newest
    commit that this machine verified, from its own copy of the room, if nobody has moved it in the meantime; and what
    is queued here goes out. Talk to your peer before you take off anything that your peer may have written.
    """
    config = load_config(warn, manners().room)
    with open_restoration(config, surroundings(), Watcher()) as restoration:
        found = _look(restoration)
        if found.refusal is None:
            _tell_nothing(restoration, found)
            return
        if not manners().as_json:
            say("\n".join(map(printable, _explained(found))))
        _check_agreed(found, yes=yes, even_with_losses=even_with_losses)
        _tell_done(restoration, found, restoration.carry_out(found))


def as_object(restoration: Restoration, found: Found, flushed: Flushed | None) -> dict[str, Any]:
    """Return what was found and done, with stable field names; what there is not is None."""
    refusal, beyond = found.refusal, found.beyond
    return {
        "restored": flushed is not None,
        "remote": restoration.remote,
        "branch": branch_ref(found.snapshot.ledger.room.room).removeprefix("refs/heads/"),
        "commit": found.snapshot.tip,
        "found": None if refusal is None else type(refusal.error).__name__,
        "refused": None if refusal is None else refusal.tip,
        "taken_off": beyond.commits,
        "lost": [_as_object(each) for each in beyond.records],
        "complete": beyond.complete,
        "delivered": None if flushed is None else len(flushed.delivered),
        "blocked": None if flushed is None or flushed.blocked is None else str(flushed.blocked),
    }


def _as_object(record: Arrival) -> dict[str, str]:
    place = record.place
    return {
        "question_id": place.question_id,
        "kind": place.kind.value,
        "asker": place.asker,
        "commit": record.commit,
    }


def _look(restoration: Restoration) -> Found:
    """Look, and say of a machine that knows nothing of the room that it cannot help."""
    try:
        return restoration.look()
    except (RoomNotFound, RefusedCommit, UnsupportedFormat) as error:
        raise Failure(
            f"{error.what} This machine has verified nothing of the room, so there is nothing here to restore it from. "
            "Run `peer-relay restore` on a machine on which the room was in use, yours or your peer's.",
            kind="NothingVerified",
        ) from error


def _explained(found: Found) -> Iterator[str]:
    """Yield what is there, and what would become of it."""
    refusal, beyond, ledger = found.refusal, found.beyond, found.snapshot.ledger
    assert refusal is not None  # noqa: S101 - as whoever calls this has made sure
    yield refusal.error.what
    yield f"The branch would be put back to commit {found.snapshot.tip}, {_stands(ledger)}."
    if refusal.tip is None:
        yield "If your peer's machine has seen more of the room than this one, let your peer do it."
    elif isinstance(refusal.error, BranchSetBack) and not beyond.commits:
        yield "Nothing would be taken off it. If the host is only catching up, waiting a little is enough."
    else:
        yield f"The branch is at commit {refusal.tip} now, and {_taken_off(beyond)} would be taken off it."
    if isinstance(refusal.error, HistoryRewritten) and beyond.commits:
        yield "No machine can tell which of the two histories is the right one: agree with your peer first."
    if not beyond.complete:
        yield "Not all of that could be looked at, so records of your peer may be among it."
    if beyond.records:
        yield (
            f"{counted(len(beyond.records), 'record')} would leave the branch with it, written by a holder of the room "
            f"token who counts on it being there: {_named(beyond.records)}."
        )


def _stands(ledger: Ledger) -> str:
    """Say what stands at a commit."""
    open_, answered = len(ledger.open), len(ledger.answered)
    if not open_ + answered:
        return "at which the room is empty"
    newest_ms = max(map(ulid_ms, (*ledger.open, *ledger.answered)))
    when = f"{local_time(newest_ms)} ({ago(newest_ms, system_ms())})"
    return (
        f"with {counted(open_ + answered, 'question')} and {counted(answered, 'answer')} at it, the newest asked {when}"
    )


def _taken_off(beyond: Beyond) -> str:
    if beyond.complete:
        return counted(beyond.commits, "commit")
    return f"at least {counted(beyond.commits, 'commit')}" if beyond.commits else "an unknown number of commits"


def _named(records: tuple[Arrival, ...]) -> str:
    names = [_name(each.place) for each in records[:_NAMED]]
    if len(records) > _NAMED:
        names.append(f"and {len(records) - _NAMED:,} more")
    return ", ".join(names)


def _name(place: Place) -> str:
    if place.kind is Kind.QUESTION:
        return f"{place.asker}'s question {place.question_id}"
    return f"the answer to {place.asker}'s question {place.question_id}"


def _check_agreed(found: Found, *, yes: bool, even_with_losses: bool) -> None:
    """Let nothing be moved that nobody agreed to."""
    losses = _losses(found.beyond)
    if yes and losses and not even_with_losses:
        raise Failure(
            f"Nothing was changed, because {losses}: leave --yes out to be asked about that, or say "
            "--even-with-losses as well.",
            kind="Losses",
        )
    if yes:
        return
    if not can_ask():
        raise click.UsageError("restore needs --yes where nobody can be asked.")
    if not agree("Put the branch back?", default=False):
        raise Failure("Nothing was changed.")


def _losses(beyond: Beyond) -> str:
    """Say what a plain yes does not cover, as a clause; nothing if it covers everything."""
    if beyond.records:
        verb = "would leave the branch" if beyond.complete else "and perhaps others would leave the branch"
        return f"{counted(len(beyond.records), 'record')} {verb} ({_named(beyond.records)})"
    return "" if beyond.complete else "records may leave the branch that could not be looked at"


def _tell_nothing(restoration: Restoration, found: Found) -> None:
    if manners().as_json:
        emit(as_object(restoration, found, None))
    else:
        say("There is nothing to restore: the branch holds all that this machine verified, and nothing else.")


def _tell_done(restoration: Restoration, found: Found, flushed: Flushed) -> None:
    if manners().as_json:
        emit(as_object(restoration, found, flushed))
    else:
        say(f"The branch is at commit {found.snapshot.tip} again.")
        if flushed.delivered:
            say(f"{counted(len(flushed.delivered), 'record')} that waited here went out.")
    if flushed.blocked is not None:
        warn(str(flushed.blocked))
