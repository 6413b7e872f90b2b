"""What two agents feel: an exchange through the tools of two running servers, over a mailbox at a path.

Each agent is the official client with a server process of its own. The times are set against what they may be at most,
and the commits against those of a rival, which its own programs made for the same messages.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any, TypeVar

from mcp import Client, StdioServerParameters

from benchmarks.measure import WARM_UPS, Comparison, at_most
from benchmarks.processes import PEER_RELAY, environment_of
from benchmarks.rooms import ANSWER, QUESTION, SOURCES
from peer_relay import app
from peer_relay.config import RelayConfig
from tests.servers import create_repository, run_git

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from pathlib import Path

    from benchmarks.setting import Setting

    _Times = defaultdict[str, list[float]]

Result = TypeVar("Result")

LIMITS_MS = {
    "ask_peer returns": 30,
    "ask_peer to readable by the peer, who looks when it returned": 60,
    "ask_peer to readable by the peer, who waits": 60,
    "answer_question returns": 30,
    "check_questions, nothing new": 10,
}
MESSAGES, RIVAL = 8, ("agent-link 2.3.0, as measured with its own programs", 25)
SETTLED_S = 0.3
"""How long a peer has waited already when it is asked."""


def exchange(setting: Setting) -> Iterator[Comparison]:
    """Let two agents talk."""
    mailbox, token = create_repository(setting.folder / "mailbox.git"), app.new_token()
    configs = [RelayConfig(str(mailbox), token, peer, setting.folder / peer) for peer in ("alice", "bob")]
    app.create_room(configs[0], "bob", {})
    times = defaultdict[str, list[float]](list)
    commits = asyncio.run(_talk(configs, times, setting.runs, lambda: _commits(mailbox)))
    for what, limit in LIMITS_MS.items():
        taken = times[what][-setting.runs :]
        yield Comparison(f"{what}, local", f"{limit} ms", taken, [limit] * len(taken), goal=at_most(1))
    what, (rival, theirs) = f"commits for {MESSAGES} messages", RIVAL
    yield Comparison(what, f"{MESSAGES}", [commits], [MESSAGES], "commits", at_most(1))
    yield Comparison(what, rival, [commits], [theirs], "commits")


class _Agent:
    """An agent's side of its server."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def call(self, tool: str, **arguments: object) -> dict[str, Any]:
        """Call a tool and return its structured result."""
        result = await self._client.call_tool(tool, arguments)
        assert not result.is_error, result.content
        content: dict[str, Any] = result.structured_content or {}
        return content

    async def only(self, tool: str, name: str, **arguments: object) -> str:
        """Look, and return the id of the only thing that is there."""
        (item,) = (await self.call(tool, **arguments))[name]
        question_id: str = item["question_id"]
        return question_id


@contextlib.asynccontextmanager
async def _agent(config: RelayConfig) -> AsyncIterator[_Agent]:
    command, *arguments = (*PEER_RELAY, "serve")
    server = StdioServerParameters(command=command, args=arguments, env=environment_of(config))
    async with Client(server) as client:
        await client.list_tools()
        yield _Agent(client)


async def _talk(configs: list[RelayConfig], times: _Times, runs: int, commits: Callable[[], int]) -> int:
    """Exchange as often as there are runs; return how many commits the first messages made."""
    made = 0
    async with _agent(configs[0]) as alice, _agent(configs[1]) as bob:
        begun = commits()
        for run in range(WARM_UPS + runs):
            question_id = await _ask_and_look(alice, bob, times)
            await _answer(alice, bob, question_id, times)
            await _timed(times["check_questions, nothing new"], bob.call("check_questions"))
            question_id = await _ask_who_waits(alice, bob, times)
            await _answer(alice, bob, question_id, times)
            if 4 * (run + 1) == MESSAGES:
                made = commits() - begun
    return made


async def _ask_and_look(alice: _Agent, bob: _Agent, times: _Times) -> str:
    begun = time.perf_counter()
    await _timed(times["ask_peer returns"], _ask(alice))
    found = await bob.only("check_questions", "questions")
    times["ask_peer to readable by the peer, who looks when it returned"].append(_ms_since(begun))
    return found


async def _ask_who_waits(alice: _Agent, bob: _Agent, times: _Times) -> str:
    waiting = asyncio.create_task(bob.only("check_questions", "questions", wait_seconds=20))
    await asyncio.sleep(SETTLED_S)
    begun = time.perf_counter()
    await _ask(alice)
    found = await waiting
    times["ask_peer to readable by the peer, who waits"].append(_ms_since(begun))
    return found


async def _ask(alice: _Agent) -> None:
    assert (await alice.call("ask_peer", question=QUESTION.format(1)))["status"] == "delivered"


async def _answer(alice: _Agent, bob: _Agent, question_id: str, times: _Times) -> None:
    answered = bob.call("answer_question", question_id=question_id, answer=ANSWER, sources=[*SOURCES])
    assert (await _timed(times["answer_question returns"], answered))["status"] == "delivered"
    assert await alice.only("check_answers", "answers") == question_id


async def _timed(times: list[float], act: Awaitable[Result]) -> Result:
    begun = time.perf_counter()
    result = await act
    times.append(_ms_since(begun))
    return result


def _ms_since(begun: float) -> float:
    return (time.perf_counter() - begun) * 1000


def _commits(mailbox: Path) -> int:
    return int(run_git("rev-list", "--count", "--all", cwd=mailbox))
