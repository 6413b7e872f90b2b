"""What a group of benchmarks is given: folders, real servers, and how often to measure."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.servers import HttpServer, Server, SshServer, _serve, _start_nginx, _start_sshd

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

MISSING = pytest.skip.Exception
"""Raised where a server is asked for whose program is not installed; the group is left out, and why is said."""


class Servers:
    """The git servers on this machine, each started when it is first asked for; closing ends them.

    Raises:
        MISSING: from both methods, if the server is not installed.
    """

    def __init__(self) -> None:
        self._running = contextlib.ExitStack()
        self._started: dict[object, object] = {}

    def http(self) -> HttpServer:
        """Give nginx with git's http backend."""
        return self._ready(_start_nginx)

    def ssh(self) -> SshServer:
        """Give sshd."""
        return self._ready(_start_sshd)

    def close(self) -> None:
        """End every server that was started."""
        self._running.close()

    def _ready(self, start: Callable[[Path, list[subprocess.Popen[bytes]]], Server]) -> Server:
        if start not in self._started:
            self._started[start] = self._running.enter_context(contextlib.contextmanager(_serve)(start))
        return self._started[start]  # type: ignore[return-value] # the key says which server it is


@dataclass(frozen=True)
class Setting:
    """What a group is given.

    Attributes:
        folder: an empty folder of the group's own, removed after it.
        cache: a folder that is kept from run to run, for what takes long to generate and is the same each time.
        runs: how many pairs to measure, at least.
        quick: whether somebody only wants to see that it works: everything that takes long may be made small.
        servers: the git servers.
    """

    folder: Path
    cache: Path
    runs: int
    quick: bool
    servers: Servers
