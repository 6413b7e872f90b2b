"""A TCP proxy in front of a real sshd that misbehaves: what injects the faults of a connection as such."""

from __future__ import annotations

import contextlib
import os
import shlex
import socket
import struct
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.faults.catalogue import Place
    from tests.servers import SshServer


class GateRemote:
    """A mailbox behind a real sshd, and a gate to it.

    Args:
        server: the sshd.
        repository: the mailbox.
    """

    secrets = ()

    def __init__(self, server: SshServer, repository: Path) -> None:
        self._target = server.port
        self._mode, self._after = "", 0
        self._strikes = self._connections = 0
        self._ended = threading.Event()
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()
        self.url = server.url(repository).replace(f":{server.port}/", f":{self._port}/")
        command = f"{server.ssh_command} -o HostKeyAlias=[127.0.0.1]:{server.port}"
        self.environ: Mapping[str, str] = {**os.environ, "GIT_SSH_COMMAND": shlex.join(shlex.split(command))}

    def strike(self, name: str, place: Place, seed: int) -> None:
        """Let a fault strike every connection from now on: each of the places is the first one of a call."""
        del place
        self._after = 20 + seed * 137 % 2000  # bytes of an answer come before a fault that strikes in the middle
        self._mode = name
        if name == "refused":
            self._stop_listening()
            self._strikes += 1

    def lift(self) -> None:
        """Be well again."""
        if self._mode == "refused":
            self._listener = socket.create_server(("127.0.0.1", self._port))
            threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()
        self._mode = ""

    def count(self) -> int:
        """Return how many connections were made since this was asked last."""
        number, self._connections = self._connections, 0
        return number

    def has_struck(self) -> bool:
        """Return whether the fault struck at all."""
        return self._strikes > 0

    def close(self) -> None:
        """End everything."""
        self._ended.set()
        self._stop_listening()
        for each in tuple(self._open):
            _close(each)

    def _stop_listening(self) -> None:
        with contextlib.suppress(OSError):  # wakes the thread that accepts
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                outer, _ = listener.accept()
                self._connections += 1
                threading.Thread(target=self._serve, args=(outer, self._mode), daemon=True).start()

    def _serve(self, outer: socket.socket, mode: str) -> None:
        self._open.add(outer)
        self._strikes += bool(mode)
        if mode == "silence":
            self._ended.wait()
        elif mode == "reset":
            _reset(outer)
        elif mode != "dropped":
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._target)) as inner:
                threading.Thread(target=_pass_on, args=(outer, inner), daemon=True).start()
                self._answer(inner, outer, mode)
        _close(outer)
        self._open.discard(outer)

    def _answer(self, inner: socket.socket, outer: socket.socket, mode: str) -> None:
        """Pass on what the server says, as far as the fault lets it."""
        if not mode:
            _pass_on(inner, outer)
            return
        for byte in inner.recv(self._after):
            outer.sendall(bytes([byte]))
            if mode == "slow" and self._ended.wait(1.0):
                return
        self._ended.wait()


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def _close(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
