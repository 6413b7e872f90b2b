"""The wire: standard input and output as the streams that an MCP server is run on.

1. Standard output belongs to the wire alone. Whatever else is printed, also by child processes, goes to standard error.
2. Each line is looked at in the thread that read it, before the server gets it: a request first confirms the answers
   that it proves to have arrived (I7), and only then is it handled.
3. Reading and writing have a thread each, so neither waits for a tool call.
4. Text is passed on as it is or refused, never repaired: a request that is not valid JSON-RPC but has an id is answered
   with an error, and any other line that is no message is dropped.
5. Reading never waits for a client that does not read: so the end of input is noticed whatever is still to be written.

It takes the place of the SDK's `stdio_server`, which does not tell when a line was read or a result written.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from typing import TYPE_CHECKING, Any, BinaryIO

import anyio
from anyio import to_thread
from mcp.shared.message import SessionMessage
from mcp_types import (
    INVALID_REQUEST,
    ErrorData,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
    jsonrpc_message_adapter,
)
from pydantic import ValidationError

from peer_relay.server.lines import Lines

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from io import BufferedReader

    from anyio.abc import TaskGroup
    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

    from peer_relay.server.receipts import Receipts

    _FromClient = MemoryObjectReceiveStream[SessionMessage | Exception]
    _ToClient = MemoryObjectSendStream[SessionMessage]

_CHUNK_BYTES = 65_536
_GRACE_S = 0.04
"""How long requests that came directly before the end of input may take to be answered."""


def claim_standard_streams() -> tuple[BufferedReader, BinaryIO]:
    """Take standard input and output away from everybody else in this process and its children.

    They block from then on: a client may have made them otherwise, and then nothing to read looks like the end.

    Returns:
        The wire's own ends. File descriptor 0 is empty from then on, and 1 is the same as 2.
    """
    source = os.fdopen(os.dup(0), "rb")
    sink = os.fdopen(os.dup(1), "wb")
    if sys.platform != "win32":
        for stream in (source, sink):
            os.set_blocking(stream.fileno(), True)
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    try:
        os.dup2(2, 1)
    except OSError:
        os.dup2(nowhere, 1)
    os.close(nowhere)
    return source, sink


class Wire:
    """One client on two byte streams.

    Args:
        source: what the client sends; the wire calls only `read1`.
        sink: what the client gets.
        receipts: told what is read and what is written.
        confirm: called with the question ids of answers that have arrived, in the reading thread. It must be quick.
        on_end: called in the reading thread at the end of input.

    Attributes:
        answered: set when the first request was answered with a result; a ping, which a client may send before
            `initialize`, does not count.
    """

    def __init__(
        self,
        source: BufferedReader,
        sink: BinaryIO,
        receipts: Receipts,
        *,
        confirm: Callable[[frozenset[str]], None],
        on_end: Callable[[], None],
    ) -> None:
        self.answered = anyio.Event()
        self._source = source
        self._sink = sink
        self._receipts = receipts
        self._confirm = confirm
        self._on_end = on_end
        self._lines = Lines()
        self._unanswered: dict[str, str] = {}
        self._settled = anyio.Event()
        self._reading = anyio.CapacityLimiter(1)
        self._writing = anyio.CapacityLimiter(1)

    @contextlib.asynccontextmanager
    async def streams(self) -> AsyncIterator[tuple[_FromClient, _ToClient]]:
        """Give the streams to run one server on, until both sides have ended."""
        to_server, incoming = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        outgoing, from_server = anyio.create_memory_object_stream[SessionMessage](0)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._read_into, to_server, tasks)
            tasks.start_soon(self._write_from, from_server)
            yield incoming, outgoing

    async def _read_into(self, server: MemoryObjectSendStream[SessionMessage | Exception], tasks: TaskGroup) -> None:
        async with server:
            with contextlib.suppress(anyio.BrokenResourceError, OSError):
                while (messages := await self._in_thread(self._reading, self._read)) is not None:
                    for message in messages:
                        if isinstance(message, JSONRPCError):
                            tasks.start_soon(self._refuse, message)
                        else:
                            self._expect_answer(message.message)
                            await server.send(message)
            await self._settle()

    async def _refuse(self, refusal: JSONRPCError) -> None:
        with contextlib.suppress(OSError):  # the client reads no more
            await self._in_thread(self._writing, self._write, refusal)

    def _expect_answer(self, message: JSONRPCMessage) -> None:
        if isinstance(message, JSONRPCRequest):
            self._unanswered[str(message.id)] = message.method
        elif (cancelled := _cancelled_by(message)) is not None:
            self._unanswered.pop(str(cancelled), None)

    async def _settle(self) -> None:
        """Let what was asked before the end of input be answered, for a moment."""
        with anyio.move_on_after(_GRACE_S):
            while self._unanswered:
                self._settled = anyio.Event()
                await self._settled.wait()

    async def _write_from(self, server: MemoryObjectReceiveStream[SessionMessage]) -> None:
        async with server:
            with contextlib.suppress(OSError):
                async for item in server:
                    await self._in_thread(self._writing, self._write, item.message)
                    self._note_answer(item.message)

    def _note_answer(self, message: JSONRPCMessage) -> None:
        if isinstance(message, JSONRPCResponse | JSONRPCError):
            method = self._unanswered.pop(str(message.id), None)
            self._settled.set()
            if isinstance(message, JSONRPCResponse) and method != "ping":
                self.answered.set()

    @staticmethod
    async def _in_thread(limiter: anyio.CapacityLimiter, function: Callable[..., Any], *arguments: object) -> Any:  # noqa: ANN401
        return await to_thread.run_sync(function, *arguments, abandon_on_cancel=True, limiter=limiter)

    def _read(self) -> list[SessionMessage | JSONRPCError] | None:
        """Wait for the next bytes; return the messages that they complete, or None at the end of input."""
        chunk = self._source.read1(_CHUNK_BYTES)
        if not chunk:
            self._on_end()
            return None
        messages = [self._take(line, began) for line, began in self._lines.feed(chunk, self._receipts.moment())]
        return [message for message in messages if message is not None]

    def _take(self, line: bytes, moment: int) -> SessionMessage | JSONRPCError | None:
        """Return one line as a message for the server, as an error for the client, or as None.

        Args:
            line: without its newline.
            moment: what `Receipts.moment()` was when its first byte was read.
        """
        try:
            content = json.loads(line.decode("utf-8", "surrogateescape"))
        except (ValueError, RecursionError):
            return None
        try:
            message = jsonrpc_message_adapter.validate_python(content, by_name=False)
        except ValidationError:
            return _refusal(content)
        self._note_receipt(message, moment)
        return SessionMessage(message)

    def _note_receipt(self, message: JSONRPCMessage, moment: int) -> None:
        if isinstance(message, JSONRPCRequest):
            arrived = self._receipts.request_read(message.id, moment)
            if arrived:
                self._confirm(arrived)
        elif (cancelled := _cancelled_by(message)) is not None:
            self._receipts.cancelled(cancelled)

    def _write(self, message: JSONRPCMessage) -> None:
        """Write one message as one line of ASCII, in which no client can find a line end of another kind."""
        content = message.model_dump(mode="json", by_alias=True, exclude_unset=True)
        self._sink.write(json.dumps(content, separators=(",", ":")).encode("ascii"))
        self._sink.flush()
        if isinstance(message, JSONRPCResponse):
            with self._receipts.last_byte_of(message.id):
                self._end_line()
        else:
            self._end_line()

    def _end_line(self) -> None:
        self._sink.write(b"\n")
        self._sink.flush()


def _cancelled_by(message: JSONRPCMessage) -> int | str | None:
    """Return the id of the request that a notification cancels."""
    if not isinstance(message, JSONRPCNotification) or message.method != "notifications/cancelled":
        return None
    request_id = (message.params or {}).get("requestId")
    return request_id if isinstance(request_id, int | str) else None


def _refusal(content: object) -> JSONRPCError | None:
    """Answer what has the id of a request and is not a valid one, so that its sender does not wait for ever."""
    if not isinstance(content, dict) or "method" not in content:
        return None
    error = ErrorData(code=INVALID_REQUEST, message="This is not a valid JSON-RPC 2.0 request.")
    try:
        return JSONRPCError(jsonrpc="2.0", id=content.get("id"), error=error) if content.get("id") is not None else None
    except ValidationError:
        return None
