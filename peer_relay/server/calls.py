"""Carries out calls of the four tools on the relay.

1. The relay works in worker threads only; waiting for something new happens between its calls, and holds nothing.
2. A call ends at once when the client cancels it. What the relay was doing runs to its end without anybody listening.
3. An answer is noted as shown before the result that shows it goes out, and as read by `Receipts` alone (I7).
4. An error is what happened and what to do, a sentence each. Of an exception that nobody foresaw, the client learns
   that it happened and no more.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
from mcp_types import CallToolResult, TextContent
from pydantic import BaseModel, ValidationError

from peer_relay.errors import PeerRelayError
from peer_relay.pacing import pauses_s
from peer_relay.server import results
from peer_relay.server.stderr import place_of, say
from peer_relay.server.tools import (
    ANSWER_QUESTION,
    ASK_PEER,
    CHECK_ANSWERS,
    CHECK_QUESTIONS,
    AnswerQuestion,
    AskPeer,
    CheckAnswers,
    CheckQuestions,
    ToolFace,
    refusal,
)
from peer_relay.told import Told

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator

    from mcp.server.context import ServerRequestContext
    from mcp_types import CallToolRequestParams

    from peer_relay.relay import Relay
    from peer_relay.reports import Listing
    from peer_relay.server.mailbox import Mailbox
    from peer_relay.server.receipts import Receipts

    _CarryOut = Callable[[ServerRequestContext[Any], Any], Awaitable[BaseModel]]

T = TypeVar("T")

_BETWEEN_PROGRESS_S = 1.0
_SESSION_OF_CODEX = "threadId"


class Calls:
    """The implementation of the tools for one session.

    Args:
        mailbox: where the relay is.
        receipts: told which answers a result shows.
        on_queued: called when a record was queued rather than delivered.
        on_shown: called with the ids of the questions, or of the answered ones, that a result shows.
        session: the agent's name for its session, by which its hooks know it; empty if there is none.
    """

    def __init__(
        self,
        mailbox: Mailbox,
        receipts: Receipts,
        on_queued: Callable[[], None],
        on_shown: Callable[[Iterable[str]], None] | None = None,
        session: str = "",
    ) -> None:
        self._mailbox = mailbox
        self._receipts = receipts
        self._on_queued = on_queued
        self._on_shown = on_shown
        self._session = session
        self._tools: dict[str, tuple[ToolFace, _CarryOut]] = {
            ASK_PEER.name: (ASK_PEER, self._ask),
            CHECK_QUESTIONS.name: (CHECK_QUESTIONS, self._questions),
            ANSWER_QUESTION.name: (ANSWER_QUESTION, self._answer),
            CHECK_ANSWERS.name: (CHECK_ANSWERS, self._answers),
        }

    async def call(self, context: ServerRequestContext[Any], params: CallToolRequestParams) -> CallToolResult:
        """Carry out one call of a tool; whatever goes wrong is a result too."""
        if params.name not in self._tools:
            return _failure(f"There is no such tool. Use one of {', '.join(self._tools)}.")
        face, carry_out = self._tools[params.name]
        try:
            arguments = face.arguments.model_validate(params.arguments or {})
            return _success(await carry_out(context, arguments))
        except ValidationError as error:
            return _failure(refusal(face, error))
        except PeerRelayError as error:
            return _failure(str(error))
        except Exception as error:  # noqa: BLE001 - the text of it could hold anything, and the session goes on
            say(f"{face.name} failed: {place_of(error)}")
            return _failure(
                f"{face.name} failed for a reason inside peer-relay, which its standard error names. Tell your "
                "developer before you repeat it."
            )

    async def _ask(self, _context: ServerRequestContext[Any], arguments: AskPeer) -> BaseModel:
        sent = await self._mailbox.run(lambda relay: relay.ask(arguments.question, arguments.context_hint))
        self._note_queued(delivered=sent.delivered)
        return results.sending(sent)

    async def _answer(self, _context: ServerRequestContext[Any], arguments: AnswerQuestion) -> BaseModel:
        sent = await self._mailbox.run(
            lambda relay: relay.answer(arguments.question_id, arguments.answer, arguments.sources or ())
        )
        self._note_queued(delivered=sent.delivered)
        return results.answering(sent)

    async def _questions(self, context: ServerRequestContext[Any], arguments: CheckQuestions) -> BaseModel:
        listing = await self._wait(context, arguments.wait_seconds, lambda relay: relay.questions())
        result = results.questions(listing)
        await self._note_shown(context, [item.question_id for item in result.questions])
        return result

    async def _answers(self, context: ServerRequestContext[Any], arguments: CheckAnswers) -> BaseModel:
        listing = await self._wait(
            context,
            arguments.wait_seconds,
            lambda relay: relay.answers(include_read=arguments.include_read, question_id=arguments.question_id),
        )
        result = results.answers(listing, asked_for_one=arguments.question_id is not None)
        shown = [item.question_id for item in result.answers]
        await self._note_shown(context, shown)
        if shown and context.request_id is not None:
            await self._mailbox.run(lambda relay: relay.mark_shown(shown))
            self._receipts.show(context.request_id, shown)
        return result

    async def _wait(
        self, context: ServerRequestContext[Any], wait_s: int, look: Callable[[Relay], Listing[T]]
    ) -> Listing[T]:
        """Look until there is something, `wait_s` seconds at most, and tell the client meanwhile that it goes on."""
        begun = anyio.current_time()
        pauses: Iterator[float] | None = None
        notes: dict[str, None] = {}
        tell_at = 0.0
        while True:
            listing = await self._mailbox.run(look)
            pauses = pauses or pauses_s(near=self._mailbox.relay().near)
            waited = anyio.current_time() - begun
            if listing.items or waited >= wait_s:
                earlier = [f"While waiting: {note}" for note in notes if note not in listing.notes]
                return replace(listing, notes=(*listing.notes, *earlier))
            # Some notes are given once; the one look that gets them need not be the last.
            notes.update(dict.fromkeys(listing.notes))
            if waited >= tell_at:
                await context.session.report_progress(waited, wait_s, "Nothing yet.")
                tell_at = waited + _BETWEEN_PROGRESS_S
            await anyio.sleep(min(next(pauses), wait_s - waited))

    async def _note_shown(self, context: ServerRequestContext[Any], question_ids: list[str]) -> None:
        """Note what a result shows, so that nothing tells the session that it waits: neither the channel nor a hook."""
        if self._on_shown is not None:
            self._on_shown(question_ids)
        # Codex says with each call which session it is for, Claude Code when it starts the server.
        session = (context.meta or {}).get(_SESSION_OF_CODEX) or self._session
        if question_ids and isinstance(session, str) and session:
            with suppress(PeerRelayError):  # then a hook tells it once more
                await self._mailbox.run(lambda relay: Told(relay.folder, session).add(question_ids))

    def _note_queued(self, *, delivered: bool) -> None:
        if not delivered:
            self._on_queued()


def _success(result: BaseModel) -> CallToolResult:
    text = results.to_json(result)
    return CallToolResult(content=[TextContent(type="text", text=text)], structured_content=json.loads(text))


def _failure(sentence: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=sentence)], is_error=True)
