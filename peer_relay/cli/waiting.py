"""`wait`: until the other peer has said something. It marks nothing as read, and shows nothing that the peer wrote."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from peer_relay.cli.arguments import Seconds
from peer_relay.cli.command import command, manners
from peer_relay.cli.ending import Exit, end_with
from peer_relay.cli.output import emit, say, warn
from peer_relay.cli.progress import shows_progress
from peer_relay.clock import system_ms
from peer_relay.errors import PeerRelayError
from peer_relay.news import KINDS, News
from peer_relay.pacing import pauses_s

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from peer_relay.relay import Relay
    from peer_relay.standing import Standing


@command(
    examples=[
        "peer-relay wait && peer-relay questions && peer-relay answers",
        "peer-relay wait --for answers --timeout 600  # ten minutes at most",
        "peer-relay wait --timeout 0 --json  # look once",
        "peer-relay wait --rewake  # as a hook of Claude Code calls it",
    ],
    prints_data=True,
    enters_room=True,
)
@click.option("--timeout", "timeout_s", type=Seconds(min=0), metavar="SECONDS", help="Give up after that long.")
@click.option("--for", "kind", type=click.Choice(KINDS), help="Wait for one of the two alone.")
@click.option("--rewake", is_flag=True, help="Be a hook of Claude Code that wakes an idle session.")
def wait(timeout_s: float | None, kind: str | None, rewake: bool) -> None:  # noqa: FBT001 - click passes flags by name
    """Wait until a question or an unread answer is there.

    The status is 0 if there is something, 4 if the time is over, and 5 if the mailbox could not be reached then.
    Without --timeout it waits until it is interrupted. A look at the mailbox that was begun is finished, which may take
    as long as PEER_RELAY_TIMEOUT says. Nothing is marked as read.

    With --rewake it is for Claude Code's hooks with asyncRewake: it reads from standard input which session this is,
    waits for something that this session was not told of, says so on standard error and ends with status 2, which
    wakes the session. It is silent with status 0 otherwise; `peer-relay doctor` tells of failures.
    """
    kinds = KINDS if kind is None else (kind,)
    if rewake:
        from peer_relay.cli.waking import wake  # noqa: PLC0415 - of the two ways of waiting, each loads its own

        wake(kinds, timeout_s)
        return
    from peer_relay.cli.connection import connected  # noqa: PLC0415 - the same

    with connected() as relay:
        standing = Waiter(relay, kinds).wait(timeout_s)
    found = News.of(standing, kinds)
    if manners().as_json:
        emit({each: list(getattr(found, each)) if each in kinds else None for each in KINDS})
    else:
        for line in found.sentences(system_ms()):
            say(line)
    if not found.ids:
        end_with(Exit.NOTHING)


@dataclass
class Waiter:
    """Looks at the mailbox again and again.

    Attributes:
        relay: the room.
        kinds: what is waited for.
        monotonic: a clock, in seconds.
        sleep: waits for so many seconds.
    """

    relay: Relay
    kinds: Sequence[str]
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _told: set[str] = field(default_factory=set)

    def wait(self, timeout_s: float | None) -> Standing:
        """Wait until there is something, or the time is over.

        Args:
            timeout_s: how long at most, in seconds; None for ever.

        Returns:
            How things stand then.

        Raises:
            PeerRelayError: nothing is there, and the mailbox could not be reached when the time was over, or cannot be
                used until somebody changes something.
        """
        end_s = math.inf if timeout_s is None else self.monotonic() + timeout_s
        before: PeerRelayError | None = None
        for pause_s in pauses_s(near=self.relay.near):
            problem, standing = self._look(), self.relay.standing()
            left_s = end_s - self.monotonic()
            if News.of(standing, self.kinds).ids:
                if problem is not None:
                    warn(f"{problem} This is what was known before.")
                return standing
            if problem is not None and (left_s <= 0 or not problem.retryable):
                raise problem
            if left_s <= 0:
                return standing
            if problem is not None and before is None:
                warn(f"{problem} Waiting goes on.")
            elif problem is None and shows_progress():
                self._tell(f"nothing is there yet; waiting for {standing.other}. Ctrl-C ends it.")
            before = problem
            self.sleep(min(pause_s, left_s))
        raise AssertionError  # pragma: no cover - the pauses have no end

    def _look(self) -> PeerRelayError | None:
        """Look once, and return why that failed, if it did."""
        try:
            reached = self.relay.reach()
        except PeerRelayError as error:
            return error
        for note in reached.notes:
            if reached.stale is None or not note.startswith(str(reached.stale)):
                self._tell(note)
        return reached.stale

    def _tell(self, note: str) -> None:
        if note not in self._told:
            self._told.add(note)
            warn(note)
