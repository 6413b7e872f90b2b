"""Puts the server together and runs it on this process's standard input and output."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import anyio
from mcp.server.lowlevel import Server
from mcp_types import (
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    Tool,
    ToolAnnotations,
)

from peer_relay import __version__, disk
from peer_relay.git.process import end_all
from peer_relay.server.calls import Calls
from peer_relay.server.channel import Channel
from peer_relay.server.courier import Courier
from peer_relay.server.mailbox import Mailbox
from peer_relay.server.prompting import Prompting
from peer_relay.server.receipts import Receipts
from peer_relay.server.stderr import place_of, say
from peer_relay.server.stdio import Wire, claim_standard_streams
from peer_relay.server.tools import FACES, INSTRUCTIONS, ToolFace, schema_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from mcp.server.context import ServerRequestContext

    from peer_relay.relay import Relay
    from peer_relay.server.ending import Ending


def make_server(calls: Calls, prompting: Prompting) -> Server[Any]:
    """Return the MCP server of one session.

    It is the SDK's low-level server, which speaks both eras just as `MCPServer` does: it declares tools and prompts and
    nothing else, publishes exactly the given schemas, and leaves the words of every refusal to `Calls` and `Prompting`.
    """
    tools = [_tool(face) for face in FACES]

    async def list_tools(
        _context: ServerRequestContext[Any], _params: PaginatedRequestParams | None
    ) -> ListToolsResult:
        return ListToolsResult(tools=tools)

    async def call_tool(context: ServerRequestContext[Any], params: CallToolRequestParams) -> CallToolResult:
        return await calls.call(context, params)

    return Server(
        "peer-relay",
        title="peer-relay",
        version=__version__,
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_list_prompts=prompting.list_prompts,
        on_get_prompt=prompting.get_prompt,
    )


def serve(open_relay: Callable[[], Relay], ending: Ending, session: str = "", *, pushes: bool = False) -> None:
    """Serve until a signal or the end of input, then end the process.

    Args:
        open_relay: as for `peer_relay.server.run`.
        ending: with its signal handlers installed.
        session: as for `peer_relay.server.run`.
        pushes: the same.
    """
    mailbox = Mailbox(open_relay)
    status = 0
    try:
        anyio.run(_serve, mailbox, ending, session, pushes)
    except Exception as error:  # noqa: BLE001 - whatever it is, the process ends and says why
        say(f"the server failed: {place_of(error)}")
        status = 1
        mailbox.close()
    else:
        ending.start_clock()
        mailbox.settle()
    ending.leave(status)


async def _serve(mailbox: Mailbox, ending: Ending, session: str, pushes: bool) -> None:  # noqa: FBT001 - anyio's call
    receipts = Receipts()
    source, sink = claim_standard_streams()
    wire = Wire(source, sink, receipts, confirm=mailbox.mark_read, on_end=ending.start_clock)
    courier = Courier(mailbox)
    channel = Channel(mailbox, session) if pushes else None
    calls = Calls(mailbox, receipts, courier.queued, channel.show if channel else None, session)
    server = make_server(calls, Prompting(mailbox))
    with anyio.CancelScope() as scope:
        loop = asyncio.get_running_loop()
        ending.prepare(stop=lambda: _cancel(loop, scope), close=lambda: _break_off(mailbox), clean=disk.abandon)
        async with wire.streams() as (incoming, outgoing), anyio.create_task_group() as tasks:
            tasks.start_soon(courier.run, wire.answered)
            if channel is None:
                await server.run(incoming, outgoing, server.create_initialization_options())
            else:
                tasks.start_soon(channel.push, wire.answered, outgoing)
                await channel.serve(server, incoming, outgoing)
            tasks.cancel_scope.cancel()


def _cancel(loop: asyncio.AbstractEventLoop, scope: anyio.CancelScope) -> None:
    with contextlib.suppress(RuntimeError):  # this is a second signal, and the loop has ended
        loop.call_soon_threadsafe(scope.cancel)


def _break_off(mailbox: Mailbox) -> None:
    end_all()
    mailbox.close()


def _tool(face: ToolFace) -> Tool:
    return Tool(
        name=face.name,
        title=face.title,
        description=face.description,
        input_schema=schema_of(face.arguments),
        output_schema=schema_of(face.result),
        annotations=ToolAnnotations(
            read_only_hint=face.read_only,
            destructive_hint=False,
            idempotent_hint=face.idempotent,
            open_world_hint=True,
        ),
    )
