"""Where a mailbox can be: at a path, behind real servers on this machine, and behind the same far away."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

from benchmarks.proxy import Proxy, proxy_to
from benchmarks.rooms import YOUNG, cached_room, copied
from benchmarks.script import BRANCH, Script
from peer_relay import app
from peer_relay.config import RelayConfig
from tests import independent
from tests.servers import run_git

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from benchmarks.setting import Setting
    from peer_relay.relay import Relay

FAR_S = 0.04
"""What is added to a round trip where a server is far away, in seconds."""


@dataclass(frozen=True)
class Place:
    """A way to reach repositories.

    Attributes:
        name: as it is in the table.
        folder: where the repositories are for the server.
        address: gives the address of one of them.
        environ: what everybody gets who wants to reach it, git as well as peer-relay.
        proxy: what everything goes through, if it does.
    """

    name: str
    folder: Path
    address: Callable[[Path], str]
    environ: Mapping[str, str] = field(default_factory=lambda: {"PATH": os.environ["PATH"]})
    proxy: Proxy | None = None


@contextlib.contextmanager
def local(setting: Setting) -> Iterator[Place]:
    """Give repositories at a path."""
    with tempfile.TemporaryDirectory(dir=setting.folder) as folder:
        yield Place("local", Path(folder), str)


@contextlib.contextmanager
def http(setting: Setting, delay_s: float | None = None) -> Iterator[Place]:
    """Give repositories behind nginx, through a proxy if there is a delay, also one of 0."""
    server = setting.servers.http()
    with tempfile.TemporaryDirectory(dir=server.root) as folder, contextlib.ExitStack() as opened:
        proxy = None if delay_s is None else opened.enter_context(proxy_to(server.port, delay_s))

        def address(path: Path) -> str:
            return _through(proxy, server.url(path, access="public"), server.port)

        yield Place(_named("http", delay_s), Path(folder), address, proxy=proxy)


@contextlib.contextmanager
def ssh(setting: Setting, delay_s: float | None = None, *options: str) -> Iterator[Place]:
    """Give repositories behind sshd, for somebody whose ssh is configured by options, such as `ControlMaster=auto`."""
    server = setting.servers.ssh()
    with tempfile.TemporaryDirectory(dir=server.root) as folder, contextlib.ExitStack() as opened:
        proxy = None if delay_s is None else opened.enter_context(proxy_to(server.port, delay_s))
        opened.callback(_end_master, Path(folder))
        command = [*shlex.split(server.ssh_command), "-o", f"HostKeyAlias=[127.0.0.1]:{server.port}"]
        command += [word for each in options for word in ("-o", each.replace("FOLDER", folder))]

        def address(path: Path) -> str:
            return _through(proxy, server.url(path), server.port)

        environ = {"PATH": f"{_own_ssh(Path(folder), command)}{os.pathsep}{os.environ['PATH']}", "HOME": folder}
        yield Place(_named("ssh", delay_s), Path(folder), address, environ, proxy)


def _named(kind: str, delay_s: float | None) -> str:
    return f"{kind}, {delay_s * 1000:.0f} ms" if delay_s else kind


def _through(proxy: Proxy | None, url: str, port: int) -> str:
    return url if proxy is None else url.replace(f":{port}/", f":{proxy.port}/")


def _own_ssh(folder: Path, command: list[str]) -> Path:
    """Make a program `ssh` that stands for a user's with a configuration, and return its folder."""
    programs = folder / "bin"
    programs.mkdir()
    program = programs / "ssh"
    program.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
    program.chmod(0o755)
    return programs


def _end_master(folder: Path) -> None:
    """End the ssh that waits at a socket for the next one, as the user's configuration had it."""
    command = ["ssh", "-F", "none", "-o", f"ControlPath={folder / 'master'}", "-O", "exit", "anybody"]
    subprocess.run(command, check=False, capture_output=True, timeout=60)


class Mailbox:
    """A room of 300 exchanges at a place, with two peers, and a branch with the same files for the script.

    Args:
        place: where it is.
        setting: where the peers keep what they keep.
    """

    def __init__(self, place: Place, setting: Setting) -> None:
        self._place = place
        self._home = Path(tempfile.mkdtemp(dir=setting.folder))
        self.path = copied(cached_room(setting.cache, YOUNG), Path(tempfile.mkdtemp(dir=place.folder)) / "mailbox.git")
        self.ref = run_git("for-each-ref", "--format=%(refname)", cwd=self.path).decode().strip()
        run_git("update-ref", BRANCH, self.ref, cwd=self.path)
        self.url = place.address(self.path)
        self.opened = contextlib.ExitStack()

    def __enter__(self) -> Self:
        """Give it."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Close what was opened, and remove it all."""
        self.opened.close()
        shutil.rmtree(self.path.parent)

    def relay(self, peer: str = "alice", *, beside: bool = False, url: str | None = None) -> Relay:
        """Return a peer's relay, which has looked once; it reaches the mailbox by its path, or at another address."""
        environ = {} if beside else self._place.environ
        url = str(self.path) if beside else url or self.url
        config = RelayConfig(remote=url, token=independent.TOKEN, peer_id=peer, home=self._home / peer)
        relay = self.opened.enter_context(contextlib.closing(app.open_relay(config, environ)))
        relay.questions()
        return relay

    def script(self, name: str = "script", *, beside: bool = False) -> Script:
        """Return a person with the script."""
        return Script(str(self.path) if beside else self.url, self._home / name, self._place.environ)
