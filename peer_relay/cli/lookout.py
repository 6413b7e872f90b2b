"""Looking out for news for long: often at this machine's disk, seldom at the mailbox, and together with others.

1. However many processes of a machine look out for a room, one at a time looks at the mailbox, and none does while what
   is known is fresh. All of them see on the disk what that one found.
2. It has no end of its own. What stands in the way is told once, until something else does, and looking out goes on:
   whoever began this does not begin it again. What waiting cannot cure is tried seldom.
3. The settings are read anew each time, so a room that is saved, left or changed meanwhile is noticed.
4. The relay stays open, and what is remembered does not grow.
"""

from __future__ import annotations

import math
import select
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO

from peer_relay import attempts
from peer_relay.cli.offline import look_at_disk
from peer_relay.cli.progress import Watcher
from peer_relay.cli.unheard import note
from peer_relay.clock import system_ms
from peer_relay.errors import PeerRelayError
from peer_relay.git.remote import parse_remote
from peer_relay.pacing import interval_s
from peer_relay.settings import surroundings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from peer_relay.cli.offline import Known
    from peer_relay.config import RelayConfig
    from peer_relay.relay import Relay

DISK_PAUSE_S = 1.0
"""How long to pause between two looks at the disk, in seconds; less where the mailbox is looked at as often."""
INCURABLE_S = 300.0
"""How long to leave a mailbox alone that cannot be used until somebody changes something, in seconds."""


@dataclass
class Lookout:
    """Looks out for what is new in the chosen room. To be closed.

    Attributes:
        room: the name of the saved room to use, or None to go by the variables and the saved rooms.
        tell: told a sentence about what stands in the way.
        interval_s: how old may be what is known before the mailbox is looked at, in seconds; None to go by where that
            is, and by how long nothing has happened.
        monotonic: a clock, in seconds.
        sleep: waits for so many seconds.
        now_ms: the time, in milliseconds since 1970.
    """

    room: str | None
    tell: Callable[[str], None]
    interval_s: float | None = None
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    now_ms: Callable[[], int] = system_ms
    _config: RelayConfig | None = None
    _relay: Relay | None = None
    _told: object = None
    _before: object = None
    _happened_s: float = field(default=-math.inf)
    _not_before_s: float = field(default=-math.inf)

    def looks(self, timeout_s: float | None = None) -> Iterator[Known | None]:
        """Yield what this machine knows, again and again; None while it is not clear of which room.

        Args:
            timeout_s: for how long, in seconds; None for ever. Also with 0 the mailbox is looked at if it is time.
        """
        end_s = math.inf if timeout_s is None else self.monotonic() + timeout_s
        while True:
            pause_s = DISK_PAUSE_S
            known = self._known()
            yield known
            if known is not None:
                fresh_s = self._fresh_s(known)
                pause_s = min(pause_s, fresh_s / 2)
                if self._look_if_due(known, fresh_s):
                    yield self._known()
            left_s = end_s - self.monotonic()
            if left_s <= 0:
                return
            self.sleep(min(pause_s, left_s))

    def close(self) -> None:
        """Give back connections and processes."""
        if self._relay is not None:
            self._relay.close()
            self._relay = None

    def complain(self, error: PeerRelayError) -> None:
        """Tell what stands in the way, unless that was told last; times in its sentence do not make it another."""
        self._complain(type(error), str(error))

    # -- the disk -----------------------------------------------------------------------------------------------------

    def _known(self) -> Known | None:
        """Return what this machine knows, and note when something happened; None if there is no room to know of."""
        try:
            known = look_at_disk(lambda _sentence: None, self.room)
        except PeerRelayError as error:
            self.complain(error)
            return None
        if known.chosen.config != self._config:
            self.close()
            self._config, self._not_before_s = known.chosen.config, -math.inf
        standing = known.standing
        now = (known.folder, standing.waiting, standing.unread, standing.unanswered)
        if now != self._before:
            self._before, self._happened_s = now, self.monotonic()
        return known

    # -- the mailbox --------------------------------------------------------------------------------------------------

    def _fresh_s(self, known: Known) -> float:
        """Return for how long what is known is fresh, in seconds."""
        if self.interval_s is not None:
            return self.interval_s
        try:
            near = parse_remote(known.chosen.config.remote).kind == "local"
        except PeerRelayError:
            near = False  # a look says what is wrong with it
        return interval_s(self.monotonic() - self._happened_s, near=near)

    def _look_if_due(self, known: Known, fresh_s: float) -> bool:
        """Look at the mailbox if it is time and nobody else does; say whether it was looked at."""
        try:
            if self.monotonic() < self._not_before_s or self._is_fresh(known, fresh_s):
                return False
            looked, problem = self._look(known)
        except PeerRelayError as error:
            looked, problem = True, error
        if not looked:
            return False
        self._note_outcome(problem, known.standing.refusal)
        return True

    def _note_outcome(self, problem: PeerRelayError | None, refusal: str | None) -> None:
        """Tell what stands in the way of knowing more, and leave alone for long what waiting does not cure."""
        if problem is not None:
            self.complain(problem)
            if not problem.retryable:
                self._not_before_s = self.monotonic() + INCURABLE_S
        elif refusal is not None:
            self._complain(refusal, refusal)
        else:
            self._told = None

    def _is_fresh(self, known: Known, fresh_s: float) -> bool:
        """Say whether anybody of this machine reached the mailbox, or tried to, that short a time ago."""
        return attempts.at_refreshing(known.folder).is_recent(fresh_s, known.standing.contact_ms, self.now_ms())

    def _look(self, known: Known) -> tuple[bool, PeerRelayError | None]:
        """Return whether the mailbox was looked at, and why nothing newer is known, if so."""
        tried = attempts.at_refreshing(known.folder)
        with tried.made_alone() as alone:
            if not alone:
                return False, None
            try:
                problem = self._opened(known.chosen.config).refresh()
            except PeerRelayError as error:
                problem = error
            if problem is not None:
                note(tried, problem)
        return True, problem

    def _opened(self, config: RelayConfig) -> Relay:
        """Return the relay of the room. Its libraries are loaded here: of many who look out, few ever look."""
        if self._relay is None:
            from peer_relay import app  # noqa: PLC0415 - see above
            from peer_relay.pinned import pinned  # noqa: PLC0415 - the same

            self._relay = app.open_relay(config, surroundings(), Watcher(), pinned=pinned(config))
        return self._relay

    def _complain(self, about: object, sentence: str) -> None:
        if about != self._told:
            self._told = about
            self.tell(sentence)


def is_read(stream: TextIO) -> bool:
    """Say whether somebody may read what is written to a stream: not, if it is a pipe that nobody holds any more.

    Only what a POSIX system knows without writing. Elsewhere it is always so.
    """
    poll = getattr(select, "poll", None)
    try:
        handle = stream.fileno()
    except (OSError, ValueError):
        return True  # it is none of the system's
    if poll is None:
        return True
    poller = poll()
    poller.register(handle, 0)
    return not any(state & (select.POLLERR | select.POLLHUP) for _, state in poller.poll(0))
