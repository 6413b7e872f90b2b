"""Processes that are measured: their environment, and a server that is spoken to line by line."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from peer_relay.config import RelayConfig

CLIENT = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "benchmark", "version": "1"}}
PEER_RELAY = (sys.executable, "-m", "peer_relay")


def clean_environment() -> dict[str, str]:
    """Return the environment without what keeps Python from keeping its bytecode, and without a room."""
    dropped = {"PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"}
    return {
        name: value for name, value in os.environ.items() if name not in dropped and not name.startswith("PEER_RELAY_")
    }


def environment_of(config: RelayConfig) -> dict[str, str]:
    """Return the environment of a process that is to enter a room."""
    return clean_environment() | {
        "PEER_RELAY_REMOTE": config.remote,
        "PEER_RELAY_ROOM_TOKEN": config.token,
        "PEER_RELAY_PEER_ID": config.peer_id,
        "PEER_RELAY_HOME": str(config.home),
    }


class Server:
    """An MCP server over stdio and a client that does nothing but write and read lines. Use it in a `with` block.

    Args:
        argv: starts the server.
        environ: the server's environment.
    """

    def __init__(self, argv: tuple[str, ...], environ: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(argv, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._number = 0
        self._request("initialize", CLIENT)

    def __enter__(self) -> Self:
        self._send({"method": "notifications/initialized"})
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def call(self, tool: str, **arguments: object) -> dict[str, Any]:
        """Call a tool and return its structured result."""
        result = self._request("tools/call", {"name": tool, "arguments": arguments})
        assert not result.get("isError"), result
        content: dict[str, Any] = result.get("structuredContent", {})
        return content

    def memory_mib(self) -> tuple[float, float]:
        """Return the memory that the process has now: RSS, and PSS, which shares what it shares with others."""
        text = Path(f"/proc/{self._process.pid}/smaps_rollup").read_text("ascii")
        rss, pss = (int(re.findall(rf"^{name}:\s+(\d+) kB", text, re.MULTILINE)[0]) / 1024 for name in ("Rss", "Pss"))
        return rss, pss

    def close(self) -> None:
        """End the input, and with it the server."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(20)
        self._process.stdout.close()

    def _request(self, method: str, params: Mapping[str, object]) -> dict[str, Any]:
        self._number += 1
        self._send({"id": self._number, "method": method, "params": params})
        assert self._process.stdout is not None
        while True:
            line = self._process.stdout.readline()
            assert line, "the server ended"
            message = json.loads(line)
            if message.get("id") == self._number:
                result: dict[str, Any] = message["result"]
                return result

    def _send(self, message: Mapping[str, object]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
        self._process.stdin.flush()
