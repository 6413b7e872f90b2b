"""The mailbox of a run and the way to it: a path, or a real git server behind a gate that the nemesis holds."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Protocol

from tests import servers
from tests.e2e.gate import Gate

if TYPE_CHECKING:
    import random
    import subprocess
    from collections.abc import AsyncIterator
    from pathlib import Path

TRANSPORTS = ("path", "http", "ssh")


class Way(Protocol):
    """How the machines reach the mailbox.

    Attributes:
        repository: the mailbox, for plain git.
        remote: its address.
        environment: the variables that are needed to reach it.
        has_server: whether there is a server that can be restarted.
    """

    repository: Path
    remote: str
    environment: dict[str, str]
    has_server: bool

    async def cut(self, rng: random.Random) -> str:
        """Make the mailbox unreachable, and say how."""
        ...

    async def mend(self) -> None:
        """Make it reachable again."""
        ...

    async def restart(self) -> None:
        """End the server in the middle of whatever it does, and start it again."""
        ...


class LocalPath:
    """A repository on this machine, which can be moved away."""

    has_server = False

    def __init__(self, repository: Path) -> None:
        self.repository = repository
        self.remote = str(repository)
        self.environment: dict[str, str] = {}
        self._away = repository.with_name("away.git")

    async def cut(self, rng: random.Random) -> str:  # noqa: ARG002 - the servers' ways differ
        """Move it away."""
        self.repository.rename(self._away)
        return "the repository is moved away"

    async def mend(self) -> None:
        """Move it back; whatever was made in its place is no mailbox.

        Raises:
            OSError: something was.
        """
        try:
            self._away.rename(self.repository)
        except OSError:
            self.repository.rename(self.repository.with_name(f"impostor-{time.monotonic_ns()}.git"))
            self._away.rename(self.repository)
            raise

    async def restart(self) -> None:
        """There is no server."""
        raise NotImplementedError


class LossyGate(Gate):
    """A gate that can also let requests through and keep what the server says to itself."""

    def __init__(self, target: int) -> None:
        super().__init__(target)
        self._hearing = asyncio.Event()
        self._hearing.set()

    def withhold(self) -> None:
        """Let no more answers through; requests still arrive and are carried out."""
        self._hearing.clear()

    async def _break_off(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self._hearing.set()  # what was withheld goes to nobody now
        await super()._break_off()

    async def _enter(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with self._kept(writer):
            if self._silent:
                await reader.read()
                return
            inner, outer = await asyncio.open_connection("127.0.0.1", self._target)
            async with self._kept(outer):
                await asyncio.gather(self._pass_on(reader, outer, None), self._pass_on(inner, writer, self._hearing))

    @staticmethod
    async def _pass_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter, allowed: asyncio.Event | None) -> None:
        while data := await source.read(65_536):
            if allowed is not None:
                await allowed.wait()
            sink.write(data)
            await sink.drain()
        if sink.can_write_eof():
            sink.write_eof()


class Served:
    """A repository behind a server and a gate.

    Args:
        repository: the mailbox.
        gate: in front of the server.
        remote: the address, through the gate.
        environment: the variables that are needed to reach it.
        started: the processes of the server, which belong to whoever started them.
        stale: files that a server which is killed leaves, and that would stop or mislead the next start.
    """

    has_server = True

    def __init__(
        self,
        *,
        repository: Path,
        gate: LossyGate,
        remote: str,
        environment: dict[str, str],
        started: list[subprocess.Popen[bytes]],
        stale: list[Path],
    ) -> None:
        self.repository = repository
        self.remote = remote
        self.environment = environment
        self._gate = gate
        self._started = started
        self._stale = stale

    async def cut(self, rng: random.Random) -> str:
        """Shut the gate, say nothing behind it, or withhold the answers."""
        how = rng.choice(("refused", "silent", "withheld"))
        if how == "refused":
            await self._gate.shut()
        elif how == "silent":
            await self._gate.be_silent()
        else:
            self._gate.withhold()
        return how

    async def mend(self) -> None:
        """Open the gate."""
        await self._gate.open()

    async def restart(self) -> None:
        """End all processes of the server and start them again, on the same port."""
        await asyncio.to_thread(self._restart)

    def _restart(self) -> None:
        commands = [[str(word) for word in list(process.args)[4:]] for process in self._started]  # type: ignore[arg-type]
        for process in reversed(self._started):
            servers._end(process)
        for path in self._stale:
            path.unlink(missing_ok=True)
        for place, command in enumerate(commands):
            self._started[place] = servers._run_until_end(command)
            ready = self._stale[place]
            if not servers._wait_for(ready.exists, self._started[place]):
                raise AssertionError(f"{command[0]} does not start again")


@contextlib.asynccontextmanager
async def way_to(transport: str, folder: Path) -> AsyncIterator[Way]:
    """Make an empty repository and a way to it.

    Args:
        transport: one of `TRANSPORTS`.
        folder: for a repository at a path.
    """
    if transport == "path":
        yield LocalPath(servers.create_repository(folder / "mailbox.git"))
        return
    processes: list[list[subprocess.Popen[bytes]]] = []

    def start(folder: Path, started: list[subprocess.Popen[bytes]]) -> servers.HttpServer | servers.SshServer:
        processes.append(started)
        return servers._start_nginx(folder, started) if transport == "http" else servers._start_sshd(folder, started)

    with contextlib.contextmanager(servers._serve)(start) as server:
        gate = LossyGate(server.port)
        await gate.open()
        try:
            yield _served(server, gate, processes[0])
        finally:
            await gate.shut()


def _served(
    server: servers.HttpServer | servers.SshServer, gate: LossyGate, started: list[subprocess.Popen[bytes]]
) -> Served:
    repository, folder = server.create("mailbox.git"), server.root.parent
    environment: dict[str, str] = {}
    if isinstance(server, servers.HttpServer):
        address, stale = server.url(repository, access="public"), [folder / "fcgi", folder / "nginx.pid"]
    else:
        address, stale = server.url(repository), [folder / "sshd.pid"]
        environment["GIT_SSH_COMMAND"] = server.ssh_command
        known = folder / "known"
        known.write_text(known.read_text() + known.read_text().replace(f":{server.port} ", f":{gate.port} "))
    return Served(
        repository=repository,
        gate=gate,
        remote=address.replace(f":{server.port}/", f":{gate.port}/"),
        environment=environment,
        started=started,
        stale=stale,
    )
