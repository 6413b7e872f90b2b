"""One real `peer-relay serve` process, spoken to in raw JSON-RPC from an event loop.

1. Every line of its standard output has to be JSON-RPC, and its standard error has to hold neither a traceback nor a
   secret: whatever else is there is a finding.
2. A server that ends, for whatever reason, makes every call that waits for it raise `Gone`.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import re
import signal
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.prepared import start

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.prepared import Forked

LAUNCH = "tests.chaos.launch"
MAX_LINE_BYTES = 1 << 20
START_LIMIT_S = 40.0

_INITIALIZE = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "chaos", "version": "1"},
}
# What `peer_relay.server.stderr.place_of` makes of an exception that nobody foresaw.
_CRASHES = ("Traceback", "Exception ignored", "failed:")
_QUOTED = re.compile(r'\\"[^"\\]*\\"|(?<=: )"[^"]*"(?=\.)')
"""What another program said, such as ssh's own words about a connection that broke off, in JSON and outside."""


class Gone(Exception):
    """The server has ended."""


class Silent(Exception):
    """The server has not answered for much longer than it may take."""


@dataclass(frozen=True)
class Reply:
    """What a tool returned.

    Attributes:
        content: its structured result, or None if it refused.
        sentence: the text of the refusal.
        seconds: how long the call took, pauses of the whole process not counted.
    """

    content: dict[str, Any] | None
    sentence: str
    seconds: float


class Server:
    """A server process.

    Args:
        forks: the socket of what forks it.
        environment: all of its variables.
        stderr: the file that its standard error is added to.
    """

    def __init__(self, forks: Path, environment: Mapping[str, str], stderr: Path) -> None:
        self.oddities: list[str] = []
        self._forks = forks
        self._environment = environment
        self._stderr = stderr
        self._process: Forked | None = None
        self._output: asyncio.StreamReader
        self._input: asyncio.StreamWriter
        self._reading: asyncio.Task[None] | None = None
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._ids = itertools.count()
        self._paused_s = 0.0
        self._paused_since: float | None = None

    @property
    def runs(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start the process and shake hands.

        Raises:
            Gone: it ended before that was done.
        """
        # Its standard input and output are one socket, as clients that are written for Node make them.
        ours, its = socket.socketpair()
        with its, self._stderr.open("ab") as stderr:
            self._process = start(
                self._forks, (LAUNCH, "serve"), self._environment, (its.fileno(), its.fileno(), stderr.fileno())
            )
        self._output, self._input = await asyncio.open_connection(sock=ours, limit=MAX_LINE_BYTES)
        self._reading = asyncio.create_task(self._read())
        await self._request("initialize", _INITIALIZE, START_LIMIT_S)
        self._send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    async def call(self, tool: str, patience_s: float, **arguments: Any) -> Reply:
        """Call a tool.

        Raises:
            Gone: the server ended first.
            Silent: it did not answer in time.
        """
        begun, paused = time.monotonic(), self._pauses()
        result = await self._request("tools/call", {"name": tool, "arguments": arguments}, patience_s)
        seconds = time.monotonic() - begun - (self._pauses() - paused)
        (block,) = result["content"]
        if result.get("isError"):
            return Reply(None, block["text"], seconds)
        if json.loads(block["text"]) != result["structuredContent"]:
            self.oddities.append(f"{tool} returned a text and a structured result that differ")
        return Reply(result["structuredContent"], "", seconds)

    def kill(self) -> None:
        """End it without giving it a chance to do anything."""
        self._signal(signal.SIGKILL)

    def pause(self) -> None:
        """Let it do nothing until `go_on`."""
        if self._paused_since is None:
            self._signal(signal.SIGSTOP)
            self._paused_since = time.monotonic()

    def go_on(self) -> None:
        """Let it go on."""
        if self._paused_since is not None:
            self._paused_s, self._paused_since = self._pauses(), None
            self._signal(signal.SIGCONT)

    async def end(self) -> None:
        """Close its input, and see that it ends by that."""
        if self._process is None:
            return
        with contextlib.suppress(OSError):  # it may have ended already
            self._input.write_eof()
        try:
            async with asyncio.timeout(START_LIMIT_S):
                await self._process.wait()
        except TimeoutError:
            self.oddities.append("a server did not end with its input")
            self.kill()
            await self._process.wait()
        await self.gone()

    async def gone(self) -> None:
        """Wait until all that it wrote is read."""
        if self._reading is not None and self._process is not None:
            await self._reading
            await self._process.wait()
            self._input.close()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self.runs:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, number)

    def _pauses(self) -> float:
        now = 0.0 if self._paused_since is None else time.monotonic() - self._paused_since
        return self._paused_s + now

    async def _request(self, method: str, params: Mapping[str, Any], patience_s: float) -> dict[str, Any]:
        number = next(self._ids)
        reply: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = reply
        try:
            self._send({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
            return await self._answer(reply, patience_s)
        finally:
            del self._waiting[number]

    async def _answer(self, reply: asyncio.Future[dict[str, Any]], patience_s: float) -> dict[str, Any]:
        begun, paused = time.monotonic(), self._pauses()
        while not reply.done():
            left = patience_s - (time.monotonic() - begun - (self._pauses() - paused))
            if left <= 0:
                raise Silent
            await asyncio.wait([reply], timeout=left)
        return reply.result()

    def _send(self, message: Mapping[str, Any]) -> None:
        if not self.runs:
            raise Gone
        with contextlib.suppress(ConnectionError):  # the end of its output says the same
            self._input.write(json.dumps(message).encode() + b"\n")

    async def _read(self) -> None:
        assert self._process is not None
        with contextlib.suppress(ConnectionError):  # it was killed with something left to read
            while line := await self._output.readline():
                self._take(line)
        await self._process.wait()
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(Gone())

    def _take(self, line: bytes) -> None:
        if not line.endswith(b"\n"):
            return  # it was killed while it wrote
        try:
            message = json.loads(line)
            is_valid = message["jsonrpc"] == "2.0"
        except (ValueError, TypeError, KeyError):
            is_valid = False
        if not is_valid:
            self.oddities.append(f"a server wrote {line[:200]!r} to its standard output")
            return
        waiting = self._waiting.get(message.get("id", -1))
        if waiting is None or waiting.done():
            return
        if "result" in message:
            waiting.set_result(message["result"])
        else:
            self.oddities.append(f"a server answered with {message!r}")
            waiting.set_exception(Gone())


def oddities_of(stderr: Path, secrets: frozenset[str]) -> list[str]:
    """Return what must not be in a standard error."""
    text = stderr.read_text(encoding="utf-8", errors="replace") if stderr.exists() else ""
    lines = ((line, _QUOTED.sub("", line)) for line in text.splitlines())
    crashes = dict.fromkeys(line for line, own in lines if any(mark in own for mark in _CRASHES))
    shown = [f"a secret is in {stderr.name}"] if any(secret in text for secret in secrets) else []
    return [f"{stderr.name} holds: {line[:300]}" for line in crashes] + shown
