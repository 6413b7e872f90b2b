"""A server of git that says what a test wants it to: one conversation, told over http and by a program in ssh's place.

1. It never waits to be understood: what it has to say is fixed beforehand, byte for byte, and may have no end.
2. Every request is remembered as it came, so that a test can say what was sent and to whom.
3. It runs on a thread of the test, and `close` ends what it is saying.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import socket
import sys
import threading
from dataclasses import dataclass
from itertools import chain, islice, repeat
from typing import TYPE_CHECKING

from peer_relay.git.environment import NetworkEnvironment
from peer_relay.git.http import HttpTransport
from peer_relay.git.remote import parse_remote
from peer_relay.git.ssh import SshTransport
from tests.git.fault_server import REF, one_commit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path
    from typing import BinaryIO

    Said = bytes | Iterable[bytes]
    Conversation = Mapping[str, Said]

DISCOVERY, LS_REFS, FETCH, PUSH_DISCOVERY, REPORT = "discovery", "ls-refs", "fetch", "push discovery", "push report"
TIP, OBJECTS = one_commit(None, "first")
_CHUNK_BYTES = 64 << 10


def line(content: bytes) -> bytes:
    """Return a line of git's protocol."""
    return b"%04x" % (len(content) + 4) + content


def band(channel: int, content: bytes) -> bytes:
    """Return a line on one of the three channels."""
    return line(bytes([channel]) + content)


@dataclass(frozen=True)
class Endless:
    """The same for ever, in large chunks, after something else."""

    piece: bytes
    before: bytes = b""

    def __iter__(self) -> Iterator[bytes]:
        return chain((self.before,), repeat(self.piece * (_CHUNK_BYTES // len(self.piece) + 1)))


HONEST: Conversation = {
    DISCOVERY: line(b"version 2\n") + line(b"ls-refs\n") + line(b"fetch=shallow\n") + b"0000",
    LS_REFS: line(TIP + b" " + REF + b"\n") + b"0000",
    FETCH: line(b"packfile\n") + band(1, b"PACK") + b"0000",
    PUSH_DISCOVERY: line(b"0" * 40 + b" capabilities^{}\0report-status side-band-64k") + b"0000",
    REPORT: band(1, line(b"unpack ok\n") + line(b"ok " + REF + b"\n") + b"0000") + b"0000",
}
"""What a server says to the five requests when it means well; the pack is four bytes, and nobody looks at it."""


class HostileServer:
    """Answers over http.

    Args:
        says: what to say to each request; what is not in it is `HONEST`.
        raw: for a phase, the whole response instead, beginning with its status line.

    Attributes:
        heads: the head of each request that came.
    """

    def __init__(self, says: Conversation = HONEST, raw: Conversation | None = None) -> None:
        self.says: Conversation = {**HONEST, **says}
        self.raw: Conversation = raw or {}
        self.heads: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listener.getsockname()[1])

    def transport(self, environment: NetworkEnvironment | None = None, login: str = "") -> HttpTransport:
        """Return a transport to it."""
        url = f"http://{login}127.0.0.1:{self.port}/mailbox.git"
        return HttpTransport(parse_remote(url), environment or NetworkEnvironment(environ={"PATH": ""}))

    def close(self) -> None:
        """End everything."""
        for each in (self._listener, *self._open):
            with contextlib.suppress(OSError):  # the other side was faster
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # `close` closed it
            while True:
                connection, _ = self._listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._open.append(connection)
                self._threads.append(threading.Thread(target=self._serve, args=(connection,), daemon=True))
                self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError), connection, connection.makefile("rb") as came:
            while head := _head(came):
                self.heads.append(head)
                phase = _phase(head, _body(head, came))
                if phase in self.raw:
                    for piece in _pieces(self.raw[phase]):
                        connection.sendall(piece)
                    return
                for piece in _response(phase, self.says[phase]):
                    connection.sendall(piece)


def ssh_to(says: Conversation, folder: Path, words: str = "") -> SshTransport:
    """Return a transport whose ssh says a finite conversation, takes what comes meanwhile, and hangs up.

    Args:
        says: what to say to each request; what is not in it is `HONEST`.
        folder: gets the program and what it says.
        words: commands of the shell before that.
    """
    whole = {**HONEST, **says}
    (folder / "read").write_bytes(b"".join(b"".join(_pieces(whole[phase])) for phase in (DISCOVERY, LS_REFS, FETCH)))
    (folder / "write").write_bytes(b"".join(b"".join(_pieces(whole[phase])) for phase in (PUSH_DISCOVERY, REPORT)))
    at = shlex.quote(str(folder))
    return ssh_by(
        f'{words}\ncase "$*" in *receive-pack*) cat {at}/write;; *) cat {at}/read;; esac; exec >&-; cat >/dev/null',
        folder,
    )


def ssh_without_end(phase: str, said: Endless, folder: Path) -> SshTransport:
    """Return a transport whose ssh is honest up to a phase, and does not come to an end there."""
    phases = (PUSH_DISCOVERY, REPORT) if phase in (PUSH_DISCOVERY, REPORT) else (DISCOVERY, LS_REFS, FETCH)
    first = [piece for each in phases[: phases.index(phase)] for piece in _pieces(HONEST[each])]
    before, piece = islice(said, 2)
    (folder / "before").write_bytes(b"".join(first) + before)
    (folder / "piece").write_bytes(piece)
    at = shlex.quote(str(folder))
    return ssh_by(f"cat {at}/before; while cat {at}/piece; do :; done", folder)


def ssh_by(commands: str, folder: Path) -> SshTransport:
    """Return a transport whose ssh is a script for the shell."""
    script = folder / "ssh.sh"
    script.write_text(f"#!/bin/sh\n{commands}\n", encoding="utf-8")
    script.chmod(0o755)
    environment = NetworkEnvironment.from_environ({**os.environ, "GIT_SSH_COMMAND": shlex.quote(str(script))})
    return SshTransport(parse_remote("me@host.example:mailbox.git"), environment)


def grown_kib(before_kib: int) -> int:
    """Return by how much the process was ever larger than at `forget_peak`."""
    return _status("VmHWM") - before_kib


def forget_peak() -> int:
    """Let the kernel measure anew from now on, and return how large the process is, in KiB."""
    with open("/proc/self/clear_refs", "w", encoding="ascii") as file:  # noqa: PTH123 - no file in the usual sense
        file.write("5")
    return _status("VmRSS")


CAN_MEASURE = sys.platform == "linux" and os.access("/proc/self/clear_refs", os.W_OK)


def _status(name: str) -> int:
    with open("/proc/self/status", encoding="ascii") as file:  # noqa: PTH123 - the same
        return int(file.read().split(f"{name}:")[1].split()[0])


def _head(came: BinaryIO) -> bytes:
    """Return the head of the next request; nothing at the end."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        each = came.readline()
        if not each:
            return b""
        head += each
    return head


def _body(head: bytes, came: BinaryIO) -> bytes:
    found = head.lower().partition(b"\r\ncontent-length:")[2]
    return came.read(int(found.split(b"\r\n")[0])) if found else b""


def _phase(head: bytes, body: bytes) -> str:
    is_push = b"git-receive-pack" in head.split(b"\r\n")[0]
    if head.startswith(b"GET"):
        return PUSH_DISCOVERY if is_push else DISCOVERY
    if is_push:
        return REPORT
    return LS_REFS if b"command=ls-refs" in body else FETCH


def _response(phase: str, said: Said) -> Iterator[bytes]:
    service = b"receive-pack" if phase in (PUSH_DISCOVERY, REPORT) else b"upload-pack"
    is_listing = phase in (DISCOVERY, PUSH_DISCOVERY)
    kind = b"advertisement" if is_listing else b"result"
    yield ok(b"application/x-git-%s-%s" % (service, kind), b"Transfer-Encoding: chunked")
    greeting = line(b"# service=git-%s\n" % service) + b"0000" if is_listing else b""
    for piece in chain((greeting,), _pieces(said)):
        if piece:
            yield b"%x\r\n%s\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"


def ok(content_type: bytes, *headers: bytes) -> bytes:
    """Return the head of a response with the status 200."""
    return b"\r\n".join((b"HTTP/1.1 200 OK", b"Content-Type: " + content_type, *headers, b"", b""))


def _pieces(said: Said) -> Iterable[bytes]:
    return (said,) if isinstance(said, bytes) else said
