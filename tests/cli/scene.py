"""A machine of alice's on which things happen while somebody looks out, for the tests of what waits for long."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from peer_relay import app, attempts
from peer_relay.attempts import Attempts
from peer_relay.cli import lookout, waking, watch
from peer_relay.cli.lookout import Lookout
from peer_relay.cli.offline import Known
from peer_relay.config import RelayConfig
from peer_relay.ids import ulid_ms
from peer_relay.settings import SESSION, Chosen
from peer_relay.standing import Standing
from tests.cli.support import FIRST_ID, ROOM, TOKEN
from tests.relay.support import FakeTime

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    from peer_relay.errors import PeerRelayError

HOUR_MS = 3_600_000
NOTHING = Standing("alice", "bob")


class _TimedAttempts(Attempts):
    """Attempts at the times of a test's clock."""

    def __init__(self, folder: Path, time: FakeTime) -> None:
        super().__init__(folder)
        self._time = time
        self._noted: int | None = None

    def note(self) -> None:
        super().note()
        self._noted = self._time.ms

    def noted_ms(self) -> int | None:
        return self._noted


@dataclass
class Scene:
    """The machine, and the relay that looks at the mailbox from it.

    Attributes:
        time: its clock, three hours after the first id when the test begins. A pause lets it go on, and nothing else.
        stands: how things stand, as the mailbox has it. The machine sees it after a look.
        outcome: why a look finds nothing newer than what is known, or None.
        raises: why nothing is known at all, or None.
        looks: when the mailbox was looked at, in seconds since the beginning.
        opened: how often a relay was opened.
        events: what happens after so many seconds.
        end_s: when whoever still pauses is interrupted.
        problem: what is wrong with the settings.
    """

    home: Path
    patch: pytest.MonkeyPatch
    time: FakeTime = field(default_factory=lambda: FakeTime(ulid_ms(FIRST_ID) + 3 * HOUR_MS))
    stands: Standing = NOTHING
    outcome: PeerRelayError | None = None
    raises: PeerRelayError | None = None
    looks: list[float] = field(default_factory=list)
    opened: int = 0
    events: dict[float, Callable[[], None]] = field(default_factory=dict)
    end_s: float = math.inf
    problem: PeerRelayError | None = None

    def __post_init__(self) -> None:
        self.config = RelayConfig(remote="git@git.example:mailbox", token=TOKEN, peer_id="alice", home=self.home)
        self.tried = _TimedAttempts(self.known().folder / "refresh", self.time)
        self.learn()
        clocks = {"monotonic": self.time.monotonic, "sleep": self.pause, "now_ms": lambda: self.time.ms}
        self.lookout = partial(Lookout, **clocks)
        for module in (waking, watch):
            self.patch.setattr(module, "Lookout", self.lookout)
            self.patch.setattr(module, "system_ms", lambda: self.time.ms)
        self.patch.setattr(waking.time, "sleep", self.pause)
        self.patch.setattr(waking, "look_at_disk", self.look_at_disk)
        self.patch.setattr(lookout, "look_at_disk", self.look_at_disk)
        self.patch.setattr(attempts, "at_refreshing", lambda _folder: self.tried)
        self.patch.setattr(app, "open_relay", self.open_relay)
        self.patch.setenv("PEER_RELAY_HOME", str(self.home))
        self.patch.delenv(SESSION, raising=False)
        self.patch.delenv(waking.ATTENDED, raising=False)

    def learn(self) -> None:
        """Let the machine know how things stand, as after a look."""
        self.on_disk = self.stands._replace(contact_ms=self.time.ms)

    def known(self) -> Known:
        return Known(Chosen(self.config, None, {}), ROOM, getattr(self, "on_disk", NOTHING))

    def look_at_disk(self, *_: object) -> Known:
        if self.problem is not None:
            raise self.problem
        return self.known()

    def open_relay(self, *_: object, **__: object) -> Scene:
        self.opened += 1
        return self

    def refresh(self) -> PeerRelayError | None:
        self.looks.append(self.time.seconds)
        if self.raises is not None:
            raise self.raises
        if self.outcome is None:
            self.learn()
        return self.outcome

    def close(self) -> None: ...

    def pause(self, seconds: float) -> None:
        self.time.sleep(seconds)
        for due in sorted(each for each in self.events if each <= self.time.seconds):
            self.events.pop(due)()
        if self.time.seconds >= self.end_s:
            raise KeyboardInterrupt

    def later(self, seconds: float, **changes: object) -> None:
        """Change attributes of this scene after so many seconds."""
        self.events[seconds] = lambda: [setattr(self, name, value) for name, value in changes.items()] and None
