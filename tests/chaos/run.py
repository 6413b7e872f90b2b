"""One run: a room, its machines and processes, work and faults, the calm at the end, and what is to be said of it."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from peer_relay import app
from peer_relay.config import RelayConfig
from tests.chaos.checker import Finding, check
from tests.chaos.history import REFUSED
from tests.chaos.machines import Machine, make_machine, remove_disk
from tests.chaos.mailboxes import way_to
from tests.chaos.nemesis import DISK, Nemesis
from tests.chaos.recorder import Recorder
from tests.chaos.room import stored_in
from tests.chaos.servers import oddities_of
from tests.chaos.sessions import Circumstances, Reader, Session
from tests.chaos.workload import Work
from tests.prepared import forking

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.chaos.history import Event
    from tests.chaos.mailboxes import Way

PEERS = ("alice", "bob")
TIMEOUT_S = 5.0
"""The program's time limit for a call while things go wrong."""

CALM_TIMEOUT_S = 30.0
CALM_LIMIT_S = 120.0
"""How long it may take at the end until everything has arrived and was read."""

ANSWERED_AT_ONCE = 20
SHOWN = 300
"""How many characters of a finding are printed; the history has all of it."""


@dataclass(frozen=True)
class Plan:
    """What a run is to be.

    Attributes:
        transport: `path`, `http` or `ssh`.
        processes: how many servers each peer has.
        seed: decides what the sessions and the nemesis do.
        records: how many questions and answers are enough.
        seconds: how long it may go on, whatever was sent by then.
        sabotage: a fault of the program itself that is built in on purpose; none by default.
        only: the faults that are injected; empty for all of them.
    """

    transport: str
    processes: int
    seed: int
    records: int = 1_000_000
    seconds: float = 3600.0
    sabotage: str = ""
    only: frozenset[str] = frozenset()

    @property
    def again(self) -> str:
        """The command that makes the same run again."""
        sizes = f"--records {self.records}" if self.records < 1_000_000 else f"--seconds {self.seconds:g}"
        what = f"--transport {self.transport} --processes {self.processes} --seed {self.seed}"
        sabotage = f" --sabotage {self.sabotage}" if self.sabotage else ""
        return f"python -m tests.chaos {what} {sizes}{sabotage}"


@dataclass
class Outcome:
    """What came of a run.

    Attributes:
        plan: what it was to be.
        records: how many records had which outcome.
        faults: how often each fault was injected.
        findings: every broken promise.
        slowest: the call that took the largest share of its time limit.
        stored: how many records the mailbox holds.
        seconds: how long all of it took.
        kept: the folder with the history, the mailbox and the machines, if something was found.
        left_out: faults that could not be injected here.
    """

    plan: Plan
    records: dict[str, int]
    faults: dict[str, int]
    findings: list[Finding]
    slowest: Event | None
    stored: int
    seconds: float
    kept: Path | None = None
    left_out: tuple[str, ...] = ()

    @property
    def sent(self) -> int:
        """How many records were sent: those that were refused do not count."""
        return sum(self.records.values()) - self.records.get(REFUSED, 0)

    def __str__(self) -> str:
        """Say what was found and how to see it again."""
        found = "\n".join(f"  {each.rule}: {each.what[:SHOWN]}" for each in self.findings[:40])
        return f"{len(self.findings)} findings; the history is in {self.kept}; again: {self.plan.again}\n{found}"


@dataclass
class _Cast:
    """Who takes part in a run."""

    circumstances: Circumstances
    machines: Sequence[Machine]
    sessions: Sequence[Session]
    way: Way
    oddities: list[str] = field(default_factory=list)


def run(plan: Plan) -> Outcome:
    """Carry out a run; what was found stays on the disk."""
    folder = Path(tempfile.mkdtemp(prefix=f"chaos-{plan.transport}-{plan.processes}-{plan.seed}-"))
    outcome = asyncio.run(_run(plan, folder))
    if outcome.findings:
        outcome.kept = folder
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return outcome


async def _run(plan: Plan, folder: Path) -> Outcome:
    begun = time.monotonic()
    recorder = Recorder(folder / "history.jsonl")
    async with AsyncExitStack() as stack:
        stack.callback(recorder.close)
        way = await stack.enter_async_context(way_to(plan.transport, folder))
        token = _open_room(way, folder)
        environment = _environment(plan, way, token, folder)
        forks = stack.enter_context(forking())
        circumstances = Circumstances(recorder, forks, environment, frozenset([token]), folder, TIMEOUT_S)
        cast = await _cast(plan, way, circumstances, stack)
        await _rage(plan, cast)
        await _calm(cast)
        stored = stored_in(way.repository, token)
        left = {machine.name: machine.left() for machine in cast.machines}
        findings = [*check(recorder.events, stored, left), *_oddities(cast)]
        for machine in cast.machines if findings else ():
            machine.keep()
        left_out = () if all(machine.has_disk for machine in cast.machines) else (DISK,)
    return Outcome(
        plan=plan,
        records=dict(recorder.outcomes),
        faults=dict(recorder.faults),
        findings=findings,
        slowest=recorder.slowest,
        stored=len(stored),
        seconds=time.monotonic() - begun,
        left_out=left_out,
    )


def _open_room(way: Way, folder: Path) -> str:
    token = app.new_token()
    config = RelayConfig(remote=str(way.repository), token=token, peer_id=PEERS[0], home=folder / "opener")
    app.create_room(config, PEERS[1], {})
    return token


def _environment(plan: Plan, way: Way, token: str, folder: Path) -> dict[str, str]:
    home = folder / "nobody"
    home.mkdir()
    own = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "PEER_RELAY_ROOM_TOKEN": token,
        "CHAOS_SABOTAGE": plan.sabotage,
    }
    return {**own, **way.environment}


async def _cast(plan: Plan, way: Way, circumstances: Circumstances, stack: AsyncExitStack) -> _Cast:
    """Make the machines and sessions: a peer with several processes has two machines, or by every third seed one."""
    count = 1 if plan.processes == 1 or plan.seed % 3 == 0 else 2
    machines, sessions = list[Machine](), list[Session]()
    for peer in PEERS:
        own = []
        for number in range(count):
            door = await way.door(len(machines) + number)
            machine = make_machine(circumstances.folder, f"{peer}/{number}", door)
            stack.callback(remove_disk, machine)
            own.append(machine)
        machines += own
        for number in range(plan.processes):
            machine = own[number % count]
            sessions.append(Session(f"{machine.name}/{number}", machine, circumstances))
    return _Cast(circumstances, machines, sessions, way)


async def _rage(plan: Plan, cast: _Cast) -> None:
    """Let everybody work while things break, from when all are there."""
    recorder = cast.circumstances.recorder
    await asyncio.gather(*(session.ready() for session in cast.sessions))
    end = time.monotonic() + plan.seconds

    def is_over() -> bool:
        return recorder.records >= plan.records or time.monotonic() >= end

    work = Work(plan.seed, is_over, plan.processes)
    nemesis = Nemesis(
        plan.seed,
        sessions=cast.sessions,
        machines=cast.machines,
        way=cast.way,
        recorder=recorder,
        only=plan.only,
    )
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(nemesis.rage(is_over))
        for session in cast.sessions:
            tasks.create_task(work.of_agent(session))
        for machine in cast.machines:
            tasks.create_task(work.of_person(Reader(machine, cast.circumstances), machine.name))


async def _calm(cast: _Cast) -> None:
    """Ask with new servers until everything has arrived and every answer was shown and confirmed, on each machine."""
    await asyncio.gather(*(session.end() for session in cast.sessions))
    cast.circumstances.timeout_s = CALM_TIMEOUT_S
    last = {session.machine.name: session for session in cast.sessions}.values()
    end = time.monotonic() + CALM_LIMIT_S
    is_quiet = False
    while not is_quiet and time.monotonic() < end:
        # Only what begins with nothing on its way can find that nothing comes any more.
        was_delivered = not any(machine.left().queued for machine in cast.machines)
        settled = await asyncio.gather(*(_settle(session, makes_room=not was_delivered) for session in last))
        is_quiet = all(settled) and was_delivered
    for machine in cast.machines:
        await Reader(machine, cast.circumstances).look()
    await asyncio.gather(*(session.end() for session in last))


async def _settle(session: Session, *, makes_room: bool) -> bool:
    """Deliver what waits and read what has come; return whether there was nothing new.

    With a hundred open questions the other peer's next ones wait until some are answered, so that is done then.
    """
    await session.ready()
    count = await session.answers()
    shown = await session.questions()  # which proves that the answers have arrived, and delivers
    for question_id in shown[:ANSWERED_AT_ONCE] if makes_room else ():
        await session.answer(question_id, f"{session.name} answers at the end, at {time.monotonic_ns()}", [])
    return count == 0


def _oddities(cast: _Cast) -> list[Finding]:
    """Return what no rule of the checker is about: what was printed, and what is on the disks."""
    circumstances = cast.circumstances
    said = [each for path in circumstances.folder.glob("*.stderr") for each in oddities_of(path, circumstances.secrets)]
    kept = [f"a secret is in {path}" for machine in cast.machines for path in machine.secrets_in(circumstances.secrets)]
    return [Finding("nothing_is_odd", each) for each in (*circumstances.recorder.oddities, *said, *kept)]
