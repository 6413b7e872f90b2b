"""Pushes a fact to the client when a question or an answer arrives, for a client that takes such pushes (experimental).

1. What is pushed is a sentence of `News` and two counts. No word that a peer wrote is in it, and it asks for nothing.
2. Nothing is marked as read by it, and no hook counts it as told: a client that drops a push says nothing.
3. What waits already is pushed once the client is initialized, and what arrives later when it does, each once. What a
   hook told the session, or a tool showed it, is not pushed.
4. It looks at the mailbox while nobody asks it to, which no other part of a server does. So it looks seldom, and not
   at all where another process of this machine has just done so.
5. What stands in its way is said on standard error once, and to the client never.

A push is a message that the client did not ask for, and only the handshake era of MCP has such. So a server with a
channel serves that era alone. A client that begins in the modern era is refused, and may begin again.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
from mcp import MCPError
from mcp.server.runner import serve_loop
from mcp.shared.message import SessionMessage
from mcp_types import (
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PROTOCOL_VERSION_META_KEY,
    JSONRPCNotification,
    NotificationParams,
)

from peer_relay import attempts
from peer_relay.clock import system_ms
from peer_relay.errors import PeerRelayError
from peer_relay.news import News
from peer_relay.pacing import interval_s
from peer_relay.server.stderr import place_of, say
from peer_relay.told import Told

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
    from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
    from mcp.server.lowlevel import Server

    from peer_relay.relay import Relay
    from peer_relay.server.mailbox import Mailbox
    from peer_relay.standing import Standing

    _FromClient = MemoryObjectReceiveStream[SessionMessage | Exception]
    _ToClient = MemoryObjectSendStream[SessionMessage]

T = TypeVar("T")

CAPABILITY = "claude/channel"
METHOD = "notifications/claude/channel"
HEAD_START_S = 1.0
"""How long to wait at first, in seconds: the hook that speaks when a session begins does so meanwhile."""
DISK_PAUSE_S = 1.0
"""How long to pause between looks at this machine's disk, in seconds."""
REFUSAL = (
    "With --channel, peer-relay serves only clients that begin with `initialize`: begin with it, or start `peer-relay "
    "serve` without --channel."
)


class Channel:
    """The channel of one session.

    Args:
        mailbox: whose news is pushed.
        session: the client's name for the session, by which its hooks know it; empty if there is none.
    """

    def __init__(self, mailbox: Mailbox, session: str) -> None:
        self._mailbox = mailbox
        self._session = session
        self._known: set[str] = set()
        self._initialized = anyio.Event()
        self._refused = False
        self._happened_s = time.monotonic()
        self._said: object = None

    def show(self, ids: Iterable[str]) -> None:
        """Note what a tool showed to the session."""
        self._happened_s = time.monotonic()
        self._known.update(ids)

    async def serve(self, server: Server[Any], incoming: _FromClient, outgoing: _ToClient) -> None:
        """Serve a client of the handshake era until its end of input, as `Server.run` does for both eras."""
        server.add_notification_handler("notifications/initialized", NotificationParams, self._note_initialized)
        server.middleware.append(self._refuse_modern)
        options = server.create_initialization_options(experimental_capabilities={CAPABILITY: {}})
        async with server.lifespan(server) as state:
            await serve_loop(server, incoming, outgoing, lifespan_state=state, init_options=options)
        if self._refused and not self._initialized.is_set():
            say(REFUSAL)

    async def push(self, answered: anyio.Event, client: _ToClient) -> None:
        """Push until cancelled.

        Args:
            answered: set when the client's first request was answered.
            client: what is sent to it.
        """
        await answered.wait()
        await self._initialized.wait()
        await anyio.sleep(HEAD_START_S)
        while True:
            await self._look(client)
            await anyio.sleep(DISK_PAUSE_S)

    async def _look(self, client: _ToClient) -> None:
        """Push what this machine knows; then, if it is time, what the mailbox holds, which may take long to learn."""
        standing = await self._do(lambda relay: relay.standing())
        if standing is None:
            return
        await self._tell(standing, client)
        if (learnt := await self._do(partial(self._learn, standing))) is not None:
            newer, problem = learnt
            self._complain(type(problem), "" if problem is None else str(problem))
            if problem is not None and not problem.retryable:
                self._happened_s = -math.inf  # waiting does not cure it, so the next looks are the seldom ones
            await self._tell(newer, client)

    def _learn(self, standing: Standing, relay: Relay) -> tuple[Standing, PeerRelayError | None] | None:
        """Look at the mailbox, unless it is too early or another process of this machine does so.

        Returns:
            How things stand then, and why no more is known, if so; None if it was not looked at.
        """
        tried = attempts.at_refreshing(relay.folder)
        fresh_s = interval_s(time.monotonic() - self._happened_s, near=relay.near)
        if tried.is_recent(fresh_s, standing.contact_ms, system_ms()):
            return None
        with tried.made_alone() as alone:
            if not alone:
                return None
            try:
                problem = relay.refresh()
            except PeerRelayError as error:
                problem = error
            if problem is not None:
                tried.note_failure("a look at the mailbox", problem.what, problem.remedy)
            return relay.standing(), problem

    async def _tell(self, standing: Standing, client: _ToClient) -> None:
        """Push what the session does not know of all that waits, if there is any."""
        news = News.of(standing)
        self._known &= news.ids
        if not news.ids - self._known:
            return
        self._known.update(await self._do(self._told) or ())
        fresh = news.ids - self._known
        self._known.update(fresh)
        if fresh:
            self._happened_s = time.monotonic()
            said = " ".join(news.among(fresh).sentences(system_ms()))
            counts = {"questions_waiting": str(len(news.questions)), "answers_unread": str(len(news.answers))}
            params = {"content": said, "meta": counts}
            with contextlib.suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):  # it is just ending
                await client.send(SessionMessage(JSONRPCNotification(jsonrpc="2.0", method=METHOD, params=params)))

    def _told(self, relay: Relay) -> Collection[str]:
        """Return the ids of what a hook told the session of."""
        return Told(relay.folder, self._session).ids() if self._session else ()

    async def _do(self, act: Callable[[Relay], T]) -> T | None:
        """Let a thread do something with the relay; None if that fails."""
        try:
            return await self._mailbox.run(act)
        except PeerRelayError:
            return None  # there is no relay, or the disk is in the way: the courier and the tools say so
        except Exception as error:  # noqa: BLE001 - the next look may fare better
            self._complain(type(error), f"looking for news failed: {place_of(error)}")
            return None

    def _complain(self, about: object, words: str) -> None:
        """Say what stands in the way, unless it was said last; a time in the words does not make it another thing."""
        if words and about != self._said:
            say(words)
        self._said = about

    async def _note_initialized(self, _context: ServerRequestContext[Any], _params: NotificationParams) -> None:
        self._initialized.set()

    async def _refuse_modern(self, ctx: ServerRequestContext[Any], call_next: CallNext) -> HandlerResult:
        """Refuse a request of the modern era, in which each says of itself that it is. A probe ends as such."""
        meta = (ctx.params or {}).get("_meta")
        is_request = ctx.request_id is not None and ctx.method != "initialize"
        if is_request and isinstance(meta, Mapping) and PROTOCOL_VERSION_META_KEY in meta:
            self._refused = True
            raise MCPError(METHOD_NOT_FOUND if ctx.method == "server/discover" else INVALID_REQUEST, REFUSAL)
        return await call_next(ctx)
