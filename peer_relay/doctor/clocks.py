"""Whether this machine's clock can be right, by itself and against the newest record."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from peer_relay.amounts import ago, length_of
from peer_relay.doctor.findings import failed, info, ok, warning
from peer_relay.errors import ClockUnusable
from peer_relay.records import Question
from peer_relay.times import format_ms, parse_ms

if TYPE_CHECKING:
    from peer_relay.clock import Clock
    from peer_relay.deadline import Deadline
    from peer_relay.doctor.findings import Finding
    from peer_relay.store import Snapshot, Store

AHEAD_MS = 5 * 60_000
_COMMANDS = {"darwin": "sudo sntp -sS time.apple.com", "win32": "w32tm /resync"}
SET_CLOCK = _COMMANDS.get(sys.platform, "sudo timedatectl set-ntp true")
"""The command that sets this system's clock by the network."""


def check_clock(clock: Clock) -> Finding:
    """Check that the clock shows a time that can be."""
    try:
        return ok(f"{format_ms(clock.now_ms())}.")
    except ClockUnusable as error:
        return failed(error.what, fix=SET_CLOCK)


def check_newest(store: Store, snapshot: Snapshot, now_ms: int, deadline: Deadline) -> Finding:
    """Check that the newest record is not from the future.

    Args:
        store: the mailbox.
        snapshot: the newest verified commit.
        now_ms: the time here, in milliseconds since 1970.
        deadline: by when to return.

    Raises:
        MailboxError, TransportError: the newest record cannot be read.
    """
    newest = next(store.walk(snapshot, deadline), None)
    room = snapshot.ledger.room
    if newest is None:
        written, who = room.created_at, room.peers[0]
    else:
        (record,) = store.read([newest], deadline)
        written = record.asked_at if isinstance(record, Question) else record.answered_at
        who = snapshot.ledger.author_at(newest.place)
    ahead_ms = parse_ms(written) - now_ms
    if ahead_ms > AHEAD_MS:
        what = f"The newest record, by {who}, is dated {length_of(ahead_ms / 1000)} in the future ({written})."
        return warning(f"{what} One of the two clocks is wrong; which, cannot be told.", fix=SET_CLOCK)
    if ahead_ms > 0:
        return info(f"By {who}, dated a moment ahead of this machine's clock ({written}).")
    return ok(f"By {who}, {ago(parse_ms(written), now_ms)}.")
