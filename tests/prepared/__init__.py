"""Processes that begin where Python has imported everything: importing the SDK takes a second of CPU, for each server.

1. What runs is the real program, as `python -m MODULE` runs it, in a process of its own: with its own id, folder,
   variables and standard streams, ended by signals, and ending as any Python process does.
2. It is forked by a process that ends with the one that started it, and with that all that it forked.
3. A test that is about the start itself takes `python -m peer_relay`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests import servers
from tests.prepared.ask import ask

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator, Mapping, Sequence

ASK = (sys.executable, "-I", "-S", str(Path(__file__).parent / "ask.py"))
"""The beginning of a command that is forked; then come the socket, a file for the process id, module and arguments."""


@contextlib.contextmanager
def forking() -> Iterator[Path]:
    """Have a process that forks, as long as the block lasts; give the socket that it listens at."""
    folder = Path(tempfile.mkdtemp(prefix="relay-"))  # a socket's path may have 107 bytes at most
    # Coverage is measured in processes that start by themselves.
    unmeasured = ("env", *(word for name in os.environ if name.startswith("COVERAGE_") for word in ("-u", name)))
    process = servers._run_until_end([*unmeasured, sys.executable, "-m", "tests.prepared", str(folder / "socket")])
    try:
        assert servers._wait_for((folder / "socket").is_socket, process), "what forks does not start"
        yield folder / "socket"
    finally:
        servers._end(process)
        shutil.rmtree(folder, ignore_errors=True)


class Forked:
    """A process that was forked for us.

    Attributes:
        pid: its id.
        returncode: its exit status, negative for a signal, or None as long as it runs.
    """

    def __init__(self, pid: int, asker: socket.socket) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._ending = asyncio.create_task(self._end(asker))

    async def wait(self) -> int:
        """Wait for its end and return its status."""
        return await asyncio.shield(self._ending)

    async def _end(self, asker: socket.socket) -> int:
        reader, writer = await asyncio.open_connection(sock=asker)
        self.returncode = int(await reader.readline())
        writer.close()
        return self.returncode


def start(path: Path, command: Sequence[str], variables: Mapping[str, str], streams: Sequence[int]) -> Forked:
    """Start a process, from within an event loop.

    Args:
        path: the socket of what forks.
        command: the module and its arguments.
        variables: all of its environment.
        streams: the descriptors of its standard input, output and error.
    """
    asker, pid = ask(str(path), command, variables, streams)
    return Forked(pid, asker)
