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


class Door(Protocol):
    """One machine's entrance to the mailbox.

    Attributes:
        remote: the mailbox's address for this machine.
    """

    remote: str

    async def shut(self, rng: random.Random) -> str:
        """Let this machine in no more, and say how."""
        ...

    async def open(self) -> None:
        """Let it in again."""
        ...


class Way(Protocol):
    """How the machines reach the mailbox.

    Attributes:
        repository: the mailbox, for plain git.
        environment: the variables that are needed to reach it.
        has_server: whether there is a server that can be restarted.
    """

    repository: Path
    environment: dict[str, str]
    has_server: bool

    async def door(self, number: int) -> Door:
        """Make an entrance for a machine, closed for good at the end of the run."""
        ...

    async def restart(self) -> None:
        """End the server in the middle of whatever it does, and start it again."""
        ...

    async def vanish(self) -> None:
        """Make the mailbox unreachable for everybody, without their doors."""
        ...

    async def come_back(self) -> None:
        """Make it reachable again."""
        ...


class LinkDoor:
    """A link to the repository, which can be taken away."""

    def __init__(self, link: Path, repository: Path) -> None:
        self.remote = str(link)
        self._link = link
        self._repository = repository
        link.symlink_to(repository)

    async def shut(self, rng: random.Random) -> str:  # noqa: ARG002 - a gate has more than one way
        """Take the link away."""
        self._link.unlink()
        return "no link"

    async def open(self) -> None:
        """Put it back.

        Raises:
            OSError: something else was made in its place.
        """
        self._link.symlink_to(self._repository)


class LocalWay:
    """A repository on this machine, which can be moved away."""

    has_server = False

    def __init__(self, repository: Path) -> None:
        self.repository = repository
        self.environment: dict[str, str] = {}
        self._away = repository.with_name("away.git")

    async def door(self, number: int) -> Door:
        """Make a link to it."""
        return LinkDoor(self.repository.with_name(f"link-{number}.git"), self.repository)

    async def restart(self) -> None:
        """There is no server."""
        raise NotImplementedError

    async def vanish(self) -> None:
        """Move it away."""
        self.repository.rename(self._away)

    async def come_back(self) -> None:
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


class GateDoor:
    """A gate in front of the server."""

    def __init__(self, gate: LossyGate, remote: str) -> None:
        self.remote = remote
        self._gate = gate

    async def shut(self, rng: random.Random) -> str:
        """Shut the gate, say nothing behind it, or withhold the answers."""
        how = rng.choice(("refused", "silent", "withheld", "withheld"))
        if how == "refused":
            await self._gate.shut()
        elif how == "silent":
            await self._gate.be_silent()
        else:
            self._gate.withhold()
        return how

    async def open(self) -> None:
        """Open the gate."""
        await self._gate.open()


class ServedWay:
    """A repository behind a real git server, with a gate for each machine.

    Args:
        server: the server.
        started: its processes, which belong to whoever started them.
    """

    has_server = True

    def __init__(self, server: servers.HttpServer | servers.SshServer, started: list[subprocess.Popen[bytes]]) -> None:
        self.repository = server.create("mailbox.git")
        self.environment = {} if isinstance(server, servers.HttpServer) else {"GIT_SSH_COMMAND": server.ssh_command}
        self.gates: list[LossyGate] = []
        self._server = server
        self._folder = server.root.parent
        self._started = started
        is_http = isinstance(server, servers.HttpServer)
        self._stale = [self._folder / name for name in (("fcgi", "nginx.pid") if is_http else ("sshd.pid",))]

    async def door(self, number: int) -> Door:  # noqa: ARG002 - a gate needs no name
        """Make a gate to it."""
        server, gate = self._server, LossyGate(self._server.port)
        await gate.open()
        self.gates.append(gate)
        if isinstance(server, servers.HttpServer):
            address = server.url(self.repository, access="public")
        else:
            address, known = server.url(self.repository), self._folder / "known"
            line = known.read_text().splitlines()[0]
            with known.open("a") as file:
                file.write(line.replace(f":{server.port} ", f":{gate.port} ") + "\n")
        return GateDoor(gate, address.replace(f":{server.port}/", f":{gate.port}/"))

    async def vanish(self) -> None:
        """Shut all gates."""
        for gate in self.gates:
            await gate.shut()

    async def come_back(self) -> None:
        """Open all gates."""
        for gate in self.gates:
            await gate.open()

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
        yield LocalWay(servers.create_repository(folder / "mailbox.git"))
        return
    processes: list[list[subprocess.Popen[bytes]]] = []

    def start(folder: Path, started: list[subprocess.Popen[bytes]]) -> servers.HttpServer | servers.SshServer:
        processes.append(started)
        return servers._start_nginx(folder, started) if transport == "http" else servers._start_sshd(folder, started)

    with contextlib.contextmanager(servers._serve)(start) as server:
        way = ServedWay(server, processes[0])
        try:
            yield way
        finally:
            await way.vanish()
