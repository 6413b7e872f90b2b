"""A TCP proxy on this machine that makes the way to a server longer, and counts what goes over it."""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_REQUEST = re.compile(rb"(?:GET|POST) \S+ HTTP/1\.1\r\n")
_CHUNK_BYTES = 65_536
_LAST_WORDS_S = 0.02


@dataclass(frozen=True)
class Traffic:
    """What went over the wire.

    Attributes:
        connections: how many were opened.
        requests: how many http requests were sent; means nothing where it is not http in the clear.
        sent: the bytes from the clients, which a benchmark can send again.
        received_bytes: how many came back.
    """

    connections: int
    sent: bytes
    received_bytes: int

    @property
    def requests(self) -> int:
        """How many http requests the clients sent, if they speak http in the clear."""
        return len(_REQUEST.findall(self.sent))


class Proxy:
    """A port on 127.0.0.1 in front of another one; it lives in a thread of its own.

    Args:
        target: the port of the server.
        delay_s: what is added to a round trip, half of it on each way, in seconds. Opening a connection is a round
            trip, too: what is sent first waits for one.
    """

    def __init__(self, target: int, delay_s: float = 0.0) -> None:
        self.port = 0
        self._target = target
        self._delay_s = delay_s
        self._connections = self._received = 0
        self._sent = bytearray()
        # The loop itself holds no reference to a task that waits for a stream whose other end is closed.
        self._serving: set[asyncio.Task[None] | None] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()

    def close(self) -> None:
        """End every connection."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def traffic_of(self, act: Callable[[], object]) -> Traffic:
        """Do something and return what went over the wire meanwhile."""
        self._connections = self._received = 0
        self._sent.clear()
        act()
        # A client waits for what it is given, and not until its own last words have come so far.
        asyncio.run_coroutine_threadsafe(asyncio.sleep(_LAST_WORDS_S), self._loop).result()
        return Traffic(self._connections, bytes(self._sent), self._received)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _end(self) -> None:
        self._server.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        self._connections += 1
        self._serving.add(task := asyncio.current_task())
        try:
            await self._connect(client, to_client)
        finally:
            self._serving.discard(task)

    async def _connect(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        server, to_server = await asyncio.open_connection("127.0.0.1", self._target)
        ready = self._loop.time() + self._delay_s
        endings = OSError, asyncio.CancelledError  # a cancelled one is at the end of everything
        with contextlib.closing(to_client), contextlib.closing(to_server), contextlib.suppress(*endings):
            await asyncio.gather(
                self._pass_on(client, to_server, self._count_sent, ready),
                self._pass_on(server, to_client, self._count_received, ready),
            )

    async def _pass_on(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, count: Callable[[bytes], None], ready: float
    ) -> None:
        """Pass on what comes, each piece when it is due."""
        on_the_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        reading = asyncio.create_task(self._read(source, on_the_way, count, ready))
        try:
            while True:
                due, data = await on_the_way.get()
                if due > self._loop.time():
                    await asyncio.sleep(due - self._loop.time())
                if not data:
                    break
                sink.write(data)
                await sink.drain()
            if sink.can_write_eof():
                sink.write_eof()
        finally:
            reading.cancel()

    async def _read(
        self,
        source: asyncio.StreamReader,
        on_the_way: asyncio.Queue[tuple[float, bytes]],
        count: Callable[[bytes], None],
        ready: float,
    ) -> None:
        data = b"more"
        while data:
            data = await self._read_some(source)
            count(data)
            on_the_way.put_nowait((max(self._loop.time(), ready) + self._delay_s / 2, data))

    @staticmethod
    async def _read_some(source: asyncio.StreamReader) -> bytes:
        try:
            return await source.read(_CHUNK_BYTES)
        except OSError:
            return b""

    def _count_sent(self, data: bytes) -> None:
        self._sent += data

    def _count_received(self, data: bytes) -> None:
        self._received += len(data)


@contextlib.contextmanager
def proxy_to(port: int, delay_s: float = 0.0) -> Iterator[Proxy]:
    """Give a proxy to a port and end it."""
    proxy = Proxy(port, delay_s)
    try:
        yield proxy
    finally:
        proxy.close()
