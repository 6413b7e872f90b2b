"""What goes wrong in a run, by a seed: one fault after another on processes and machines, and beside them on the way.

Every fault is written down when it begins and when it is undone, and all are undone when the nemesis is done.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING

from tests.chaos.dice import dice

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable, Sequence

    from tests.chaos.machines import Machine
    from tests.chaos.mailboxes import Way
    from tests.chaos.recorder import Recorder
    from tests.chaos.sessions import Session

    Note = Callable[[str], None]
    Fault = Callable[[random.Random, Note], Awaitable[None]]

_DAY_NS = 86_400 * 10**9
_YEAR_2099_NS = 4_070_908_800 * 10**9
_CLOCKS = ("+24 h", "-24 h", "1970", "2099")

KILL, KILL_EARLY, PAUSE = "kill", "kill during start", "pause"
KILL_IN_CALL, KILL_WHEN_SHOWN = "kill while sending", "kill after showing"
CLONE, CHECKPOINT, DISK, CLOCK = "clone deleted", "checkpoint deleted", "disk full", "clock moved"
CUT, PART, RESTART = "mailbox away", "machine cut off", "git server restarted"


class Nemesis:
    """The one who breaks things.

    Args:
        seed: decides what, whom and for how long.
        sessions: whose processes are at hand.
        machines: at hand, too.
        way: to the mailbox.
        recorder: told everything.
        only: names of the faults that may be injected; empty for all of them.
    """

    def __init__(
        self,
        seed: int,
        *,
        sessions: Sequence[Session],
        machines: Sequence[Machine],
        way: Way,
        recorder: Recorder,
        only: frozenset[str] = frozenset(),
    ) -> None:
        self._seed = seed
        self._sessions = sessions
        self._machines = machines
        self._way = way
        self._recorder = recorder
        near: dict[str, Fault] = {
            KILL: self._kill,
            KILL_EARLY: self._kill_early,
            KILL_IN_CALL: self._kill_in_call,
            KILL_WHEN_SHOWN: self._kill_when_shown,
            PAUSE: self._pause,
            CLONE: self._delete_clone,
            CHECKPOINT: self._delete_checkpoint,
            CLOCK: self._move_clock,
        }
        if any(machine.has_disk for machine in machines):
            near[DISK] = self._fill_disk
        far: dict[str, Fault] = {CUT: self._cut, PART: self._part}
        if way.has_server:
            far[RESTART] = self._restart
        self.kinds = tuple(
            {name: act for name, act in kinds.items() if not only or name in only} for kinds in (near, far)
        )

    async def rage(self, is_over: Callable[[], bool]) -> None:
        """Break things until it is over; on return nothing is broken any more."""
        await asyncio.gather(*(self._break(kinds, dice(self._seed, *kinds), is_over) for kinds in self.kinds if kinds))

    async def _break(self, kinds: dict[str, Fault], rng: random.Random, is_over: Callable[[], bool]) -> None:
        # All kinds come by turns, each time in another order, so that a short run meets most of them.
        order: list[str] = []
        while not is_over():
            order = order or rng.sample(list(kinds), len(kinds))
            name = order.pop()
            await asyncio.sleep(rng.uniform(0.1, 0.9))
            try:
                await kinds[name](rng, partial(self._recorder.fault, name))
            except OSError as error:
                self._recorder.odd(f"{name} could not be undone: {error}")
            self._recorder.end_of_fault(name)

    # -- processes ----------------------------------------------------------------------------------------------------

    async def _kill(self, rng: random.Random, note: Note) -> None:
        session = rng.choice(self._sessions)
        note(session.name)
        if session.server is not None:
            session.server.kill()

    async def _kill_early(self, rng: random.Random, note: Note) -> None:
        session = rng.choice(self._sessions)
        session.doom_s = rng.uniform(0.0, 1.5)
        note(f"{session.name} after {session.doom_s:.2f} s")
        if session.server is not None:
            session.server.kill()

    async def _kill_in_call(self, rng: random.Random, note: Note) -> None:
        session = rng.choice(self._sessions)
        session.doom_in_call_s = rng.choice((0.0, 0.005, 0.01, 0.02, 0.05, 0.2, 1.0)) * rng.uniform(0.5, 1.0)
        note(f"{session.name} after {session.doom_in_call_s * 1000:.0f} ms")

    async def _kill_when_shown(self, rng: random.Random, note: Note) -> None:
        session = rng.choice(self._sessions)
        session.is_doomed_by_answers = True
        note(session.name)

    async def _pause(self, rng: random.Random, note: Note) -> None:
        session, seconds = rng.choice(self._sessions), rng.uniform(0.2, 4.0)
        note(f"{session.name} for {seconds:.1f} s")
        server = session.server
        if server is not None:
            server.pause()
            await asyncio.sleep(seconds)
            server.go_on()

    # -- machines -----------------------------------------------------------------------------------------------------

    async def _delete_clone(self, rng: random.Random, note: Note) -> None:
        machine = rng.choice(self._machines)
        note(machine.name)
        await asyncio.to_thread(machine.delete_clone)

    async def _delete_checkpoint(self, rng: random.Random, note: Note) -> None:
        machine = rng.choice(self._machines)
        note(machine.name)
        machine.delete_checkpoint()

    async def _fill_disk(self, rng: random.Random, note: Note) -> None:
        machine = rng.choice([each for each in self._machines if each.has_disk])
        note(machine.name)
        try:
            await asyncio.to_thread(machine.fill_disk)
            await asyncio.sleep(rng.uniform(0.3, 2.0))
        finally:
            machine.free_disk()

    async def _move_clock(self, rng: random.Random, note: Note) -> None:
        machine, to = rng.choice(self._machines), rng.choice(_CLOCKS)
        note(f"{machine.name} to {to}")
        machine.set_clock(_shift_ns(to))
        await asyncio.sleep(rng.uniform(0.3, 3.0))
        machine.set_clock(0)

    # -- the way ------------------------------------------------------------------------------------------------------

    async def _cut(self, rng: random.Random, note: Note) -> None:
        await self._way.vanish()
        note("")
        try:
            await _for_a_while(rng)
        finally:
            await self._way.come_back()
        await asyncio.sleep(rng.uniform(0.0, 3.0))

    async def _part(self, rng: random.Random, note: Note) -> None:
        machine = rng.choice(self._machines)
        how = await machine.door.shut(rng)
        note(f"{machine.name}: {how}")
        try:
            await _for_a_while(rng)
        finally:
            await machine.door.open()
        await asyncio.sleep(rng.uniform(0.0, 2.0))

    async def _restart(self, _rng: random.Random, note: Note) -> None:
        note("")
        await self._way.restart()


async def _for_a_while(rng: random.Random) -> None:
    """Let some time pass, now and then more than a call may take."""
    await asyncio.sleep(rng.choice((0.1, 0.2, 0.2, 0.5, 0.5, 1.0, 2.0, 6.0)))


def _shift_ns(to: str) -> int:
    if to == "1970":
        return -time.time_ns()
    if to == "2099":
        return _YEAR_2099_NS - time.time_ns()
    return _DAY_NS if to == "+24 h" else -_DAY_NS
