"""The sentences that accompany a result: what is queued, set aside, refused, or known only from before.

Every sentence is built from validated fields and from errors, whose words are clean (I9) and hold no secret (I10).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from peer_relay.errors import in_quotes
from peer_relay.outbox import OutboxEntry, Status
from peer_relay.times import format_ms

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from peer_relay.checkpoint import Checkpoint
    from peer_relay.errors import PeerRelayError

SECOND = "Your queued answer to question"
"""How the one kind of sentence begins that is said once and then never again."""


def state_notes(entries: Sequence[OutboxEntry], damaged: Sequence[str], problem: PeerRelayError | None) -> list[str]:
    """Return what there is to say of the outbox and of what stands in its way.

    Args:
        entries: the outbox.
        damaged: names of its damaged files.
        problem: why the mailbox was not reached or not accepted, if so.
    """
    return [*_queued(entries, problem), *map(_set_aside, _with(entries, Status.REFUSED)), *_damaged(damaged)]


def second_notes(entries: Sequence[OutboxEntry]) -> list[str]:
    """Return what there is to say of queued answers that turned out to come second."""
    return [
        f"{SECOND} {entry.place.question_id} came second: another answer was there first, so yours was not stored."
        for entry in _with(entries, Status.SECOND)
    ]


def stale_note(checkpoint: Checkpoint, problem: PeerRelayError, unread: int) -> str:
    """Return the sentence that goes with a result from before, from which so many exchanges are missing."""
    exchanges = "1 exchange that cannot" if unread == 1 else f"{unread} exchanges that cannot"
    missing = f", without {exchanges} be read now" if unread else ""
    return f"{problem} This result is what was known at {format_ms(checkpoint.contact_ms)}{missing}."


def _with(entries: Sequence[OutboxEntry], status: Status) -> Iterator[OutboxEntry]:
    return (entry for entry in entries if entry.status is status)


def _queued(entries: Sequence[OutboxEntry], problem: PeerRelayError | None) -> Iterator[str]:
    count = sum(1 for _ in _with(entries, Status.QUEUED))
    if not count:
        return
    what = "1 record is" if count == 1 else f"{count} records are"
    reason = f" {problem}" if problem else ""
    yield f"{what} queued on this machine and will be delivered automatically.{reason}"


def _set_aside(entry: OutboxEntry) -> str:
    place = entry.place
    what = "The question" if place.kind.value == "question" else "The answer to question"
    return (
        f"{what} {place.question_id} was set aside because the mailbox refuses it: "
        f"{in_quotes(entry.words.rstrip('.'))}. A person decides with `peer-relay outbox --retry {place.question_id}` "
        f"or `--drop {place.question_id}`."
    )


def _damaged(names: Sequence[str]) -> Iterator[str]:
    for name in names:
        shown = "".join(each if each.isprintable() else "\ufffd" for each in name)
        yield f"The outbox file {shown} is damaged, so it is not sent. A person looks at it with `peer-relay outbox`."
