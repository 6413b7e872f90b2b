"""A session: one of a peer's agents on one machine, with one server process after another, and all that it is told."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

from tests.chaos.history import (
    ANSWER,
    ASK,
    CHECK_ANSWERS,
    CHECK_QUESTIONS,
    DELIVERED,
    LOG,
    LOST,
    QUEUED,
    REFUSED,
    RETURNED,
)
from tests.chaos.servers import LAUNCH, Gone, Reply, Server, Silent
from tests.prepared import start

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.chaos.machines import Machine
    from tests.chaos.recorder import Recorder

TOOLS = {
    ASK: "ask_peer",
    ANSWER: "answer_question",
    CHECK_QUESTIONS: "check_questions",
    CHECK_ANSWERS: "check_answers",
}
GRACE_S = 5.0
"""How much longer than its time limit a call may take, on a machine that is busy with many processes."""

STARTS = 3
"""A command is a process of its own, so it may take as much longer as the slowest server needed to start so often."""

PATIENCE_S = 60.0
"""How much longer than that a call is waited for: then it is taken for one that never ends."""


@dataclass
class Circumstances:
    """What all sessions of a run share.

    Attributes:
        recorder: writes everything down.
        forks: the socket of what forks their processes.
        environment: the variables of the room and of the way to it.
        secrets: what must never be seen.
        folder: for what the processes write.
        timeout_s: the program's own time limit for a call, in seconds; servers that run keep the one they have.
        slowest_start_s: how long the slowest server so far took from its start to its first answer, in seconds.
    """

    recorder: Recorder
    forks: Path
    environment: Mapping[str, str]
    secrets: frozenset[str]
    folder: Path
    timeout_s: float
    slowest_start_s: float = 0.0

    def variables(self, machine: Machine) -> dict[str, str]:
        """Return all variables of a process on a machine."""
        own = {
            "PEER_RELAY_REMOTE": machine.door.remote,
            "PEER_RELAY_PEER_ID": machine.peer,
            "PEER_RELAY_HOME": str(machine.home),
            "PEER_RELAY_TIMEOUT": f"{self.timeout_s:g}",
            "CHAOS_CLOCK": str(machine.clock),
        }
        return {**self.environment, **own}


class Session:
    """One agent's sequence of server processes.

    Args:
        name: such as `alice/0/3`.
        machine: where it is.
        circumstances: of the run.

    Attributes:
        server: the process, if there is one.
        doom_s: how many seconds after its start the next server is killed, ready or not.
        doom_in_call_s: how many seconds after the next question or answer is handed in the server is killed.
        is_doomed_by_answers: whether the server is killed as soon as it has shown an answer.
        was_refused: whether the last record was.
    """

    def __init__(self, name: str, machine: Machine, circumstances: Circumstances) -> None:
        self.name = name
        self.machine = machine
        self.server: Server | None = None
        self.doom_s: float | None = None
        self.doom_in_call_s: float | None = None
        self.is_doomed_by_answers = False
        self.was_refused = False
        self._circumstances = circumstances
        self._recorder = circumstances.recorder
        self._incarnations = itertools.count(1)
        self._incarnation = 0

    async def ready(self) -> None:
        """Have a server that runs."""
        while self.server is None or not self.server.runs:
            await self._bury()
            self._incarnation = next(self._incarnations)
            stderr = self._circumstances.folder / f"{self.name.replace('/', '-')}.stderr"
            self.server = Server(self._circumstances.forks, self._circumstances.variables(self.machine), stderr)
            doom_s, self.doom_s = self.doom_s, None
            if doom_s is not None:
                asyncio.get_running_loop().call_later(doom_s, self.server.kill)
            begun = time.monotonic()
            try:
                await self.server.start()
                taken_s = time.monotonic() - begun
                self._circumstances.slowest_start_s = max(self._circumstances.slowest_start_s, taken_s)
            except Gone:
                continue
            except Silent:
                self._recorder.odd(f"a server of {self.name} did not answer `initialize`")
                self.server.kill()

    async def ask(self, text: str, hint: str | None) -> None:
        """Ask."""
        arguments: dict[str, Any] = {"question": text} | ({} if hint is None else {"context_hint": hint})
        call = self._invoke(ASK, text=text)
        reply = await self._call(ASK, call, **arguments)
        if reply is not None:
            question_id = reply.content["question_id"] if reply.content else None
            self._settle_record(ASK, call, reply, question_id=question_id)

    async def answer(self, question_id: str, text: str, sources: list[str]) -> None:
        """Answer."""
        call = self._invoke(ANSWER, text=text, question_id=question_id)
        reply = await self._call(ANSWER, call, question_id=question_id, answer=text, sources=sources)
        if reply is not None:
            self._settle_record(ANSWER, call, reply, question_id=question_id)

    async def questions(self, wait_s: int = 0) -> list[str]:
        """Look for questions; return the ids of what was shown."""
        content = await self._look(CHECK_QUESTIONS, "questions", "question", wait_s)
        return [each["question_id"] for each in content["questions"]] if content else []

    async def answers(self, wait_s: int = 0) -> int | None:
        """Look for answers; return how many there are, or None if that is not known."""
        content = await self._look(CHECK_ANSWERS, "answers", "answer", wait_s)
        if content and content["answers"] and self.is_doomed_by_answers and self.server is not None:
            self.is_doomed_by_answers = False
            self.server.kill()
        return None if content is None else len(content["answers"]) + content["more"]

    async def end(self) -> None:
        """End the server, and look at what it left."""
        if self.server is not None:
            self.server.go_on()
            await self.server.end()
        await self._bury()

    async def _bury(self) -> None:
        if self.server is not None:
            await self.server.gone()
            for each in self.server.oddities:
                self._recorder.odd(f"{self._full_name}: {each}")
            self.server = None

    @property
    def _full_name(self) -> str:
        return f"{self.name}#{self._incarnation}"

    def _who(self) -> dict[str, str]:
        return {"session": self._full_name, "machine": self.machine.name, "peer": self.machine.peer}

    def _invoke(self, kind: str, **fields: Any) -> int:
        return self._recorder.invoke(kind, **self._who(), **fields)

    async def _call(self, kind: str, call: int, wait_s: int = 0, **arguments: Any) -> Reply | None:
        """Call a tool; None if its outcome was lost, which is noted."""
        assert self.server is not None
        if wait_s:
            arguments["wait_seconds"] = wait_s
        patience_s = self._limit(wait_s) + PATIENCE_S
        if self.doom_in_call_s is not None and kind in (ASK, ANSWER):
            asyncio.get_running_loop().call_later(self.doom_in_call_s, self.server.kill)
            self.doom_in_call_s = None
        try:
            return await self.server.call(TOOLS[kind], patience_s, **arguments)
        except Gone:
            pass
        except Silent:
            self._recorder.odd(f"{kind} of {self._full_name} was not answered within {patience_s:.0f} s")
            self.server.go_on()
            self.server.kill()
        self._recorder.settle(kind, LOST, call=call, **self._who())
        return None

    def _limit(self, wait_s: int = 0) -> float:
        return self._circumstances.timeout_s + wait_s + GRACE_S

    def _settle_record(self, kind: str, call: int, reply: Reply, **fields: Any) -> None:
        self.was_refused = reply.content is None
        phase = REFUSED if reply.content is None else reply.content["status"]
        assert phase in (DELIVERED, QUEUED, REFUSED)
        timing = {"seconds": round(reply.seconds, 3), "limit_s": self._limit()}
        self._recorder.settle(kind, phase, call=call, reason=reply.sentence, **timing, **self._who(), **fields)

    async def _look(self, kind: str, field: str, text: str, wait_s: int) -> dict[str, Any] | None:
        call = self._invoke(kind)
        reply = await self._call(kind, call, wait_s)
        if reply is None:
            return None
        items = reply.content[field] if reply.content else []
        self._recorder.settle(
            kind,
            REFUSED if reply.content is None else RETURNED,
            call=call,
            shown=tuple((each["question_id"], each[text]) for each in items),
            more=reply.content["more"] if reply.content else 0,
            stale=reply.content is not None and "This result is what was known at" in reply.content["note"],
            reason=reply.sentence,
            seconds=round(reply.seconds, 3),
            limit_s=self._limit(wait_s),
            **self._who(),
        )
        return reply.content


class Reader:
    """A person on a machine who looks into the room with `peer-relay log`, in a process of its own each time.

    Args:
        machine: where that is.
        circumstances: of the run.
    """

    _READ, _FROM_BEFORE = 0, 5

    def __init__(self, machine: Machine, circumstances: Circumstances) -> None:
        self._machine = machine
        self._circumstances = circumstances
        self._looks = itertools.count(1)

    async def look(self) -> None:
        """Look once."""
        who = {
            "session": f"{self._machine.name}/log#{next(self._looks)}",
            "machine": self._machine.name,
            "peer": self._machine.peer,
        }
        recorder, begun = self._circumstances.recorder, time.monotonic()
        call = recorder.invoke(LOG, **who)
        printed, said, status = await self._run("log", "--json", "--limit", "100000")
        self._keep(said)
        is_read = status in (self._READ, self._FROM_BEFORE) and b'{"error"' not in said
        is_whole = is_read and b"that cannot be read now" not in said
        shown = [json.loads(line) for line in printed.splitlines()]
        recorder.settle(
            LOG,
            RETURNED if is_read else REFUSED,
            call=call,
            view=tuple((each["question_id"], each["answer"] is not None) for each in shown) if is_whole else None,
            stale=status == self._FROM_BEFORE,
            reason=said.decode(errors="replace") if status else "",
            seconds=round(time.monotonic() - begun, 3),
            limit_s=round(self._circumstances.timeout_s + GRACE_S + STARTS * self._circumstances.slowest_start_s, 1),
            **who,
        )

    async def _run(self, *arguments: str) -> tuple[bytes, bytes, int]:
        """Run a command to its end; return its standard output and error, and its status."""
        command, variables = (LAUNCH, *arguments), self._circumstances.variables(self._machine)
        with TemporaryFile() as nothing, TemporaryFile() as printed, TemporaryFile() as said:
            streams = [each.fileno() for each in (nothing, printed, said)]
            status = await start(self._circumstances.forks, command, variables, streams).wait()
            for each in (printed, said):
                each.seek(0)
            return printed.read(), said.read(), status

    def _keep(self, said: bytes) -> None:
        path = self._circumstances.folder / f"{self._machine.name.replace('/', '-')}-log.stderr"
        with path.open("ab") as file:
            file.write(said)
