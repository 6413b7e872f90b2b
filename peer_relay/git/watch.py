"""The deadline of an http operation, held on sockets: nothing that a server does or leaves undone keeps one open.

1. At the deadline every socket of the operation is shut down from another thread, which ends a talk with a proxy, a TLS
   handshake, sending, and a response that trickles in byte by byte. Timeouts of single reads alone would not.
2. A socket that is kept for the next operation is not touched by the deadline of the last one.

A watched socket is shut down through a duplicate of its descriptor, because TLS takes the original away from its owner
while it shakes hands.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import NameResolutionError, NewConnectionError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from peer_relay.deadline import Deadline


class Watch:
    """Knows the deadline of the operation that is going on, and the sockets that must not outlive it."""

    def __init__(self) -> None:
        self._deadline: Deadline | None = None
        self._lock = threading.Lock()
        self._watched: list[tuple[HTTPConnection, socket.socket]] = []
        # Whether a server may have got a request since this was last set to False.
        self.began_request = False

    @contextmanager
    def until(self, deadline: Deadline) -> Iterator[None]:
        """Hold a deadline for as long as the context lasts."""
        timer = threading.Timer(deadline.remaining_s(), self._shut_down)
        timer.daemon = True
        self._deadline = deadline
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            self._deadline = None
            self._forget_closed()

    def remaining_s(self) -> float:
        """Return the seconds that a step may take; positive, because a timeout of zero means something else."""
        return max(0.001, self._deadline.remaining_s()) if self._deadline is not None else 0.001

    def connect(self, connection: HTTPConnection, host: str, port: int) -> socket.socket:
        """Open a socket: each address of the host gets an equal share of the time that is left."""
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            reason = error if isinstance(error, socket.gaierror) else socket.gaierror(0, "not a host name")
            raise NameResolutionError(host, connection, reason) from error
        failure: OSError = OSError("no address")
        for tried, (family, kind, protocol, _, address) in enumerate(found):
            opened = socket.socket(family, kind, protocol)
            try:
                opened.settimeout(self.remaining_s() / (len(found) - tried))
                opened.connect(address)
            except OSError as error:
                opened.close()
                failure = error
            else:
                self._add(connection, opened)
                return opened
        raise NewConnectionError(connection, failure.strerror or "no answer in time") from failure

    def close(self) -> None:
        """Let go of every socket. Whoever waits for one in another thread sees its end."""
        self._shut_down()
        with self._lock:
            for _, duplicate in self._watched:
                duplicate.close()
            self._watched.clear()

    def _add(self, connection: HTTPConnection, opened: socket.socket) -> None:
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        opened.settimeout(self.remaining_s())
        with self._lock:
            self._watched.append((connection, opened.dup()))

    def _shut_down(self) -> None:
        with self._lock:
            for _, duplicate in self._watched:
                with contextlib.suppress(OSError):  # the other side was faster
                    duplicate.shutdown(socket.SHUT_RDWR)

    def _forget_closed(self) -> None:
        """Close the duplicates of connections that will not be used again; kept ones have their socket still."""
        with self._lock:
            for connection, duplicate in self._watched:
                if connection.is_closed:
                    duplicate.close()
            self._watched = [each for each in self._watched if not each[0].is_closed]


class _Watched(HTTPConnection):
    """A connection whose socket is watched."""

    def __init__(self, host: str, port: int | None = None, *, watch: Watch, **options: Any) -> None:  # noqa: ANN401
        super().__init__(host, port, **options)
        self._watch = watch

    def _new_conn(self) -> socket.socket:
        return self._watch.connect(self, self._dns_host.strip("[]"), self.port or self.default_port)

    def connect(self) -> None:
        """Connect; what is begun before this ends has not reached the server, whatever the buffers hold."""
        began, self._watch.began_request = self._watch.began_request, False
        super().connect()
        self._watch.began_request = began

    def putrequest(
        self,
        method: str,
        url: str,
        skip_host: bool = False,  # noqa: FBT001, FBT002 - the signature of urllib3
        skip_accept_encoding: bool = False,  # noqa: FBT001, FBT002 - the same
    ) -> None:
        """Begin a request, and note it: the server may get it from now on, unless connecting fails yet."""
        self._watch.began_request = True
        super().putrequest(method, url, skip_host, skip_accept_encoding)


class WatchedHTTPConnection(_Watched):
    """Plain http."""


class WatchedHTTPSConnection(_Watched, HTTPSConnection):
    """Http over TLS."""
