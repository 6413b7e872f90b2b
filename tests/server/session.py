"""One server process and a client that speaks raw JSON-RPC with it, so that a test decides about each byte."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tests.prepared import ASK
from tests.server.fake_relay import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).parents[2]


def request(request_id: int | str, method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}


def call(request_id: int | str, tool: str, **arguments: Any) -> dict[str, Any]:
    return request(request_id, "tools/call", name=tool, arguments=arguments)


def notification(method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": method, "params": params}


INITIALIZE = request(
    "init", "initialize", protocolVersion="2025-11-25", capabilities={}, clientInfo={"name": "test", "version": "1"}
)
INITIALIZED = notification("notifications/initialized")


class Client:
    """The client of a server under test. Use it in a `with` block, which kills what a test left running.

    Args:
        argv: starts the server.
        environ: the server's environment, by default the test's own.
        reads: whether standard output is read from the beginning; otherwise from the first wait for an answer.
        stdin: what the server gets for its standard input, by default a pipe.
    """

    def __init__(
        self,
        argv: Sequence[str | Path],
        environ: Mapping[str, str] | None = None,
        *,
        reads: bool = True,
        stdin: int = subprocess.PIPE,
    ) -> None:
        self.lines: list[str] = []
        self._inbox: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._messages: list[dict[str, Any]] = []
        self._stderr: list[str] = []
        self._process = subprocess.Popen(
            argv, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, env=environ
        )
        self._threads = [threading.Thread(target=self._read_stderr)]
        self._threads[0].start()
        if reads:
            self.read()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait(PATIENCE_S)
        self.end_input()
        for thread in self._threads:
            thread.join(PATIENCE_S)
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def _stdin(self) -> Any:
        return self._process.stdin

    def read(self) -> None:
        """Begin to read standard output."""
        self._threads.append(threading.Thread(target=self._read_stdout))
        self._threads[-1].start()

    def write(self, text: str | bytes) -> None:
        self._stdin.write(text if isinstance(text, bytes) else text.encode())
        self._stdin.flush()

    def send(self, *messages: dict[str, Any]) -> None:
        """Send messages, all in one write."""
        self.write("".join(f"{json.dumps(message)}\n" for message in messages))

    def receive(self, request_id: int | str) -> dict[str, Any]:
        """Wait for the response to a request."""
        return self._receive("id", request_id)

    def receive_notification(self, method: str) -> dict[str, Any]:
        """Wait for a notification."""
        return self._receive("method", method)

    def _receive(self, field: str, value: int | str) -> dict[str, Any]:
        until = time.monotonic() + PATIENCE_S
        while True:
            for message in self._messages:
                if message.get(field) == value:
                    self._messages.remove(message)
                    return message
            line = self._inbox.get(timeout=max(until - time.monotonic(), 0.01))
            assert line is not None, f"the server ended: {self.stderr}"
            self._messages.append(json.loads(line))

    def ask(self, message: dict[str, Any]) -> dict[str, Any]:
        """Send a request and return its result."""
        self.send(message)
        return self.receive(message["id"])["result"]

    def initialize(self) -> Self:
        self.ask(INITIALIZE)
        self.send(INITIALIZED)
        return self

    def end_input(self) -> None:
        if self._stdin is not None:
            with contextlib.suppress(BrokenPipeError):  # the server has ended and left something unread
                self._stdin.close()

    def end_output(self) -> None:
        """Close the client's end of standard output, which nobody may be reading."""
        assert self._process.stdout is not None
        self._process.stdout.close()

    def wait(self) -> tuple[int, float]:
        """Wait for the process; return its exit status and how long it took, in seconds."""
        begun = time.monotonic()
        status = self._process.wait(PATIENCE_S)
        took = time.monotonic() - begun
        for thread in self._threads:
            thread.join(PATIENCE_S)
        return status, took

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    @property
    def stderr(self) -> str:
        return "".join(self._stderr)

    def _read_stdout(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(line.decode())
            self._inbox.put(self.lines[-1])
        self._inbox.put(None)

    def _read_stderr(self) -> None:
        assert self._process.stderr is not None
        self._stderr.extend(line.decode() for line in self._process.stderr)


class Session(Client):
    """A server on a fake relay, with the script in a folder.

    Args:
        folder: has the script, and gets what the server does.
        forks: the socket of what forks servers; None for one that starts by itself, as signals and coverage need it.
        options: those of `Client`.
    """

    def __init__(self, folder: Path, forks: Path | None = None, **options: Any) -> None:
        start = [sys.executable, "-m"] if forks is None else [*ASK, forks, os.devnull]
        super().__init__([*start, "tests.server.serve_fake", folder], **options)
