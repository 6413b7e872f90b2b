"""A door in front of a server: it can be open, shut, or held by somebody who says nothing.

So one server process under test sees a remote come and go without being started anew.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Gate:
    """A TCP port on 127.0.0.1 in front of another one. It is open at first, and lives in the test's event loop."""

    def __init__(self, target: int) -> None:
        self.port = 0
        self._target = target
        self._silent = False
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._deserted = asyncio.Event()
        self._deserted.set()

    async def open(self) -> None:
        """Let everybody through."""
        self._silent = False
        await self._break_off()
        await self._listen()

    async def be_silent(self) -> None:
        """Accept connections and never say anything."""
        self._silent = True
        await self._break_off()
        await self._listen()

    async def shut(self) -> None:
        """Refuse connections."""
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._break_off()

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._enter, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def _break_off(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        await self._deserted.wait()

    async def _enter(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with self._kept(writer):
            if self._silent:
                await reader.read()
                return
            inner, outer = await asyncio.open_connection("127.0.0.1", self._target)
            async with self._kept(outer):
                await asyncio.gather(_pass_on(reader, outer), _pass_on(inner, writer))

    @contextlib.asynccontextmanager
    async def _kept(self, writer: asyncio.StreamWriter) -> AsyncIterator[None]:
        self._writers.add(writer)
        self._deserted.clear()
        try:
            with contextlib.suppress(OSError):
                yield
        finally:
            writer.transport.abort()
            self._writers.discard(writer)
            if not self._writers:
                self._deserted.set()


async def _pass_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(65_536):
        sink.write(data)
        await sink.drain()
    if sink.can_write_eof():
        sink.write_eof()


@contextlib.asynccontextmanager
async def gate_to(port: int) -> AsyncIterator[Gate]:
    """Give an open gate to a port and shut it at the end."""
    gate = Gate(port)
    await gate.open()
    try:
        yield gate
    finally:
        await gate.shut()
