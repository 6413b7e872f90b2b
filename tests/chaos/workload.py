"""What the agents and the people of a run do, by a seed, until enough was sent or the time is over.

The seed decides what each of them does next. It does not decide how their processes interleave: that is the machine's
business, so a seed is a good start for finding a fault again and no promise.
"""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.chaos.dice import dice
from tests.chaos.texts import sources, text

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from tests.chaos.sessions import Reader, Session

HINTS = (None, None, "src/auth.py", "docs/Übersicht.md")


_MANY = 25


@dataclass(frozen=True)
class Work:
    """What the sessions have to do.

    Attributes:
        seed: decides what they do.
        is_over: whether they have done enough.
        sharers: how many sessions answer for one peer.
    """

    seed: int
    is_over: Callable[[], bool]
    sharers: int

    async def of_agent(self, session: Session) -> None:
        """Ask, answer and poll."""
        rng = dice(self.seed, session.name)
        numbers = itertools.count()
        while not self.is_over():
            await session.ready()
            await self._act(session, rng, numbers)
            # While a machine refuses everything, at once, nothing is learnt by asking again and again.
            pause_s = 0.3 if session.was_refused else 0.1
            await asyncio.sleep(rng.uniform(0, pause_s) if session.was_refused or rng.random() < 0.3 else 0)

    async def of_person(self, reader: Reader, name: str) -> None:
        """Look into the room now and then."""
        rng = dice(self.seed, name)
        while not self.is_over():
            await asyncio.sleep(rng.uniform(1.0, 6.0))
            await reader.look()

    async def _act(self, session: Session, rng: random.Random, numbers: itertools.count[int]) -> None:
        match rng.choices(("ask", "answer", "poll"), weights=(4, 4, 2)):
            case ["ask"]:
                await self._ask(session, rng, numbers)
            case ["answer"]:
                await self._answer(session, rng, numbers)
            case _:
                await session.answers(self._wait_s(rng))

    async def _ask(self, session: Session, rng: random.Random, numbers: itertools.count[int]) -> None:
        for _ in range(rng.choice((1, 1, 2))):
            await session.ask(text(rng, f"{session.name} asks {next(numbers)}"), rng.choice(HINTS))
            await session.ready()

    async def _answer(self, session: Session, rng: random.Random, numbers: itertools.count[int]) -> None:
        shown = await session.questions(self._wait_s(rng))
        for question_id in pick(rng, shown, session.name, self.sharers):
            await session.ready()
            await session.answer(question_id, text(rng, f"{session.name} answers {next(numbers)}"), sources(rng))

    @staticmethod
    def _wait_s(rng: random.Random) -> int:
        return rng.choice((0,) * 11 + (1,))


def pick(rng: random.Random, ids: list[str], name: str, sharers: int) -> list[str]:
    """Choose which of the questions that were shown to answer.

    Most questions are one session's business, so that the others do not only come second; the oldest is a race. When
    many wait, because somebody's machine is away, everybody helps: at a hundred nothing more can be asked.
    """
    if rng.random() < 0.2:
        return ids[:1]
    if len(ids) > _MANY:
        return rng.sample(ids, 3)
    own = [each for each in ids if sum(each.encode()) % sharers == int(name.rpartition("/")[2]) % sharers]
    return own[:3]
