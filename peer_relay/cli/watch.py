"""`watch`: a line for what arrives, until it is interrupted. It marks nothing as read, and shows nothing a peer wrote.

1. It is for monitors that begin a turn of an agent for what they print. So what arrives together is one line for each
   kind, written at once, and what was known on this machine at the start is not said.
2. Of what a session of Claude Code was told by a hook it says nothing, and a hook nothing of what it said.
3. Standard output has facts alone. What stands in the way is a note on standard error, see `lookout`.
"""

from __future__ import annotations

import signal
import sys
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING

import click

from peer_relay.cli.arguments import Seconds
from peer_relay.cli.command import command, manners
from peer_relay.cli.lookout import Lookout, is_read
from peer_relay.cli.output import emit, say, warn
from peer_relay.cli.unheard import is_during
from peer_relay.clock import system_ms
from peer_relay.errors import StateUnusable
from peer_relay.news import KINDS, News
from peer_relay.settings import agent_session
from peer_relay.told import Told

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from peer_relay.cli.offline import Known

SHORTEST_INTERVAL_S = 0.1


@command(
    examples=[
        "peer-relay watch",
        "peer-relay watch --for answers --interval 60",
        "peer-relay watch --json  # an object for each question and answer",
    ],
    prints_data=True,
    enters_room=True,
)
@click.option(
    "--interval",
    "interval_s",
    type=Seconds(min=SHORTEST_INTERVAL_S),
    metavar="SECONDS",
    help="Look at the mailbox that often, instead of every 15 to 60 seconds (at a path, every second).",
)
@click.option("--for", "kind", type=click.Choice(KINDS), help="Watch for one of the two alone.")
def watch(interval_s: float | None, kind: str | None) -> None:
    """Print a line when a question or an answer arrives.

    It goes on until it is interrupted. What is known on this machine already is not printed; `peer-relay wait` tells of
    it. All watchers of a machine look at the mailbox together, no more often than one alone would. Nothing is marked as
    read.

    If the mailbox cannot be used, a note on standard error says so once, and watching goes on.
    """
    is_during("a look at the mailbox")
    teller = Teller(KINDS if kind is None else (kind,), agent_session())
    with (
        closing(Lookout(manners().room, _tell, interval_s)) as lookout,
        _interrupted_by_sigterm(),
        suppress(BrokenPipeError),
    ):
        for known in lookout.looks():
            if not is_read(sys.stdout):
                return
            try:
                if known is not None:
                    teller.tell(known)
            except StateUnusable as error:
                lookout.complain(error)


def _tell(sentence: str) -> None:
    warn(f"{sentence} Watching goes on.")


@contextmanager
def _interrupted_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end the command as Ctrl-C does, so that what is open is closed."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class Teller:
    """Tells of what has arrived.

    Args:
        kinds: of `KINDS`, those that matter.
        session: the agent's name for its session; empty if there is none.
    """

    def __init__(self, kinds: Collection[str], session: str) -> None:
        self._kinds = kinds
        self._session = session
        self._folder: Path | None = None
        self._seen: frozenset[str] = frozenset()

    def tell(self, known: Known) -> None:
        """Print what has arrived since the last time; the first time nothing has.

        Raises:
            StateUnusable: it was printed, but a hook will tell the session once more.
        """
        fresh = self._fresh(known)
        if not fresh.ids:
            return
        if manners().as_json:
            for kind, ids in (("question", fresh.questions), ("answer", fresh.answers)):
                for each in ids:
                    emit({"kind": kind, "question_id": each, "peer": fresh.other})
        else:
            say("\n".join(fresh.sentences(system_ms())))
        if self._session:
            told = Told(known.folder, self._session)
            told.remember((told.ids() & News.of(known.standing).ids) | fresh.ids)

    def _fresh(self, known: Known) -> News:
        """Return what was not there before, and the session was not told of."""
        news = News.of(known.standing, self._kinds)
        if known.folder != self._folder:  # at the start, or in another room than before
            self._folder, self._seen = known.folder, news.ids
        new = news.ids - self._seen
        if known.standing.contact_ms is not None:  # otherwise it is only not known what waits
            self._seen = news.ids
        if new and self._session:
            new -= Told(known.folder, self._session).ids()
        return news.among(new)
