"""`status`: how things stand in the room, in a few lines.

1. With `--offline` nothing is contacted, and neither git nor the models of the records are loaded: a prompt or a hook
   may call it. So the modules that do are imported where the mailbox is reached, and nowhere else here.
2. What is known is shown whatever becomes of the contact; why that failed is said at the end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import click

from peer_relay.cli.command import command, manners
from peer_relay.cli.ending import unreached
from peer_relay.cli.moments import ago, counted, local_time
from peer_relay.cli.offline import look_at_disk
from peer_relay.cli.output import console, emit, say, warn
from peer_relay.cli.terminal import printable
from peer_relay.clock import system_ms
from peer_relay.errors import PeerRelayError, in_quotes
from peer_relay.git.remote import parse_remote
from peer_relay.ids import ulid_ms
from peer_relay.times import MAX_MS, format_ms

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from peer_relay.cli.offline import Known
    from peer_relay.standing import OnTheWay

    Row = tuple[str, str, str]
    """A line: what it is about, what it says, and the colour of that on a terminal."""

_LABEL_WIDTH = 11
_GOOD, _NEWS, _BAD = "green", "yellow", "red"


class Report(NamedTuple):
    """What is to be shown.

    Attributes:
        known: what this machine knows.
        now_ms: the time, in milliseconds since 1970.
        tried: whether the mailbox was to be reached.
        problem: why it was not, or None.
        blocked: why what is queued could not go out, although it was, or None.
    """

    known: Known
    now_ms: int
    tried: bool = False
    problem: PeerRelayError | None = None
    blocked: PeerRelayError | None = None


@command(
    examples=[
        "peer-relay status",
        "peer-relay status --offline  # at once, from what this machine knows",
        "peer-relay status --json",
    ],
    prints_data=True,
    enters_room=True,
)
@click.option("--offline", is_flag=True, help="Contact nobody: show what this machine knows.")
def status(offline: bool) -> None:  # noqa: FBT001 - click passes flags by name
    """Show how things stand in the room.

    The mailbox is looked at first, and what is queued is delivered. If that fails, what is known from before is shown,
    the reason is last, and the status is 5 if the mailbox could not be reached.
    """
    report = Report(look_at_disk(warn, manners().room), system_ms()) if offline else _after_a_look()
    if manners().as_json:
        emit(as_object(report))
    else:
        _show(list(_rows(report)))
    if report.problem is not None:
        raise unreached(report.problem)


def _after_a_look() -> Report:
    """Reach the mailbox, and return how things stand then."""
    from peer_relay.cli.connection import connected  # noqa: PLC0415 - see the head of this file
    from peer_relay.notes import SECOND  # noqa: PLC0415

    problem = blocked = None
    with connected() as relay:
        try:
            reached = relay.reach()
        except PeerRelayError as error:
            problem = error
        else:
            problem, blocked = reached.stale, reached.blocked
            for note in reached.notes:
                if note.startswith(SECOND):  # which is said once; all others are about what is shown
                    warn(note)
    known = look_at_disk(lambda _: None, manners().room)
    return Report(known, system_ms(), tried=True, problem=problem, blocked=blocked)


def as_object(report: Report) -> dict[str, Any]:
    """Return a report with stable field names; what is not known is None."""
    known, standing = report.known, report.known.standing
    return {
        "saved_as": known.chosen.saved_as,
        "room_id": known.room_id,
        "me": standing.me,
        "peer": standing.other,
        "remote": parse_remote(known.chosen.config.remote).display,
        "reached": report.problem is None if report.tried else None,
        "contact_at": None if standing.contact_ms is None else format_ms(_contact_ms(standing.contact_ms)),
        "waiting": list(standing.waiting),
        "waiting_oldest_s": _oldest_s(standing.waiting, report.now_ms),
        "unread": list(standing.unread),
        "unanswered": list(standing.unanswered),
        "unanswered_oldest_s": _oldest_s(standing.unanswered, report.now_ms),
        "outbox": [
            {
                "question_id": each.place.question_id,
                "kind": each.place.kind.value,
                "status": each.status,
                "words": each.words or None,
            }
            for each in standing.outbox
        ],
        "blocked": None if report.blocked is None else str(report.blocked),
        "damaged": list(standing.damaged),
        "refusal": standing.refusal,
        **({} if (signing := known.chosen.config.signing) is None else {"signed_by": list(signing.peers)}),
    }


def _contact_ms(ms: int) -> int:
    """Return a time of contact that can be written: it is that of a file, which anybody can set to anything."""
    return min(max(ms, 0), MAX_MS)


def _oldest_s(ids: Sequence[str], now_ms: int) -> float | None:
    return max(0.0, (now_ms - ulid_ms(ids[0])) / 1000) if ids else None


# ---------------------------------------------------------------------------------------------------------------------
# For a person


def _show(rows: Sequence[Row]) -> None:
    """Print rows: aligned and in colours on a terminal, each on a line of its own in a pipe."""
    out = console()
    if out is None:
        for label, text, _ in rows:
            say(f"{label:{_LABEL_WIDTH}}{printable(text)}")
        return
    from rich.table import Table  # noqa: PLC0415 - only a terminal needs it
    from rich.text import Text  # noqa: PLC0415

    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for label, text, colour in rows:
        table.add_row(Text(label, style="bold"), Text(printable(text), style=colour))
    out.print(table)


def _rows(report: Report) -> Iterator[Row]:
    """Yield what there is to say: where this is, then what somebody may want to do something about."""
    yield from _place(report)
    news = [*_conversation(report), *_outbox(report)]
    if report.known.standing.refusal is not None:
        news.append(("Refused", report.known.standing.refusal, _BAD))
    if news:
        yield from news
    elif report.known.standing.contact_ms is not None:
        yield "Quiet", "no open question, no unread answer, nothing queued", _GOOD


def _place(report: Report) -> Iterator[Row]:
    known, standing = report.known, report.known.standing
    yield "Room", f"{known.chosen.saved_as or 'not saved, from the variables'} ({known.room_id})", ""
    yield "Peers", f"{standing.me} (you){f' and {standing.other}' if standing.other else ''}", ""
    yield "Mailbox", parse_remote(known.chosen.config.remote).display, ""
    if (signing := known.chosen.config.signing) is not None:
        yield "Signed", f"by {' and '.join(signing.peers)}{'' if signing.key_file else ', but not by this machine'}", ""
    if standing.contact_ms is None:
        yield "Contact", "never from this machine", _NEWS
    else:
        contact_ms = _contact_ms(standing.contact_ms)
        when = f"{ago(contact_ms, report.now_ms)} ({local_time(contact_ms)})"
        yield "Contact", when, "" if report.problem is None else _NEWS


def _conversation(report: Report) -> Iterator[Row]:
    standing, now_ms = report.known.standing, report.now_ms
    if standing.waiting:
        verb = "waits" if len(standing.waiting) == 1 else "wait"
        asked = f"{counted(len(standing.waiting), 'question')} from {standing.other} {verb} for your answer"
        yield "Waiting", f"{asked}, {_age(standing.waiting, now_ms)}", _NEWS
    if standing.unread:
        yield "Unread", f"{counted(len(standing.unread), 'answer')} from {standing.other}", _NEWS
    if standing.unanswered:
        verb = "has" if len(standing.unanswered) == 1 else "have"
        asked = f"{counted(len(standing.unanswered), 'question')} of yours {verb} no answer yet"
        yield "Open", f"{asked}, {_age(standing.unanswered, now_ms)}", ""


def _age(ids: Sequence[str], now_ms: int) -> str:
    """Say when the oldest of these was asked."""
    return f"{'' if len(ids) == 1 else 'the oldest '}asked {ago(ulid_ms(ids[0]), now_ms)}"


def _outbox(report: Report) -> Iterator[Row]:
    standing = report.known.standing
    if standing.queued:
        yield "Queued", f"{_kinds(standing.queued)}, {_why_queued(report)}", _NEWS
    for each in standing.outbox:
        if each.status == "refused":
            question_id = each.place.question_id
            what = "the question" if each.place.kind.value == "question" else "the answer to"
            decide = f"Decide with `peer-relay outbox --retry {question_id}` or `--drop {question_id}`."
            yield "Set aside", f"{what} {question_id}: {in_quotes(each.words.rstrip('.'))}. {decide}", _BAD
    for name in standing.damaged:
        yield "Damaged", f"the outbox file {name} is not sent; look at it with `peer-relay outbox`", _BAD


def _kinds(entries: Sequence[OnTheWay]) -> str:
    kinds = [each.place.kind.value for each in entries]
    counts = [counted(kinds.count(kind), kind) for kind in ("question", "answer") if kind in kinds]
    return " and ".join(counts)


def _why_queued(report: Report) -> str:
    """Say what has to happen before the queue is empty."""
    if report.blocked is not None:
        return f"because: {report.blocked}"
    if report.known.standing.refusal is not None:
        return "until the branch is accepted again"
    if report.tried and report.problem is None:
        return "until there is room for another open question"
    return "until the mailbox is reached"
