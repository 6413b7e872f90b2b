"""Git's http backend behind a server of ours that misbehaves at one place: what injects the faults of http."""

from __future__ import annotations

import os
import socket
import struct
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial
from typing import TYPE_CHECKING

from tests.faults.catalogue import Place
from tests.git.fault_server import (
    FaultServer,
    Handler,
    Reply,
    answers,
    applied_and,
    cut,
    hang_up,
    silence,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    Inject = Callable[[Handler, bytes], None]

USERNAME, PASSWORD = "relay-user", "pass/word with:specials"
_REQUEST_OF = {Place.FIRST: Place.LISTING, Place.APPLIED: Place.PUSH}
_ERROR = b"001b\x03Internal Server Error\n"


def place_of(handler: Handler, body: bytes) -> Place:
    """Return what a request is about."""
    if "git-receive-pack" in handler.path:
        return Place.PUSH_LISTING if handler.command == "GET" else Place.PUSH
    return Place.FETCH if b"command=fetch" in body else Place.LISTING


class _Handler(Handler):
    server: _Server

    def _serve(self, body: bytes) -> None:
        self.server.requested.append(self.command)
        if self.headers["Authorization"]:
            self.server.logins += 1
        inject = self.server.struck.get(place_of(self, body)) if self.command not in self.server.spared else None
        if inject is None:
            self.send(self.server.backend(self, body))
        else:
            self.server.strikes += 1
            inject(self, body)
        self.server.seen.add(self.client_address)


class _Server(FaultServer):
    """A `FaultServer` whose faults go by place, and that can read from an older copy."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.RequestHandlerClass = _Handler
        self.struck: dict[Place, Inject] = {}
        self.spared: tuple[str, ...] = ()
        self.strikes = 0
        self.seen: set[object] = set()
        self.logins = 0
        self.requested: list[str] = []
        self.replica: Path | None = None

    def backend(self, handler: Handler, body: bytes) -> Reply:
        if self.replica is None or "git-receive-pack" in handler.path:
            return super().backend(handler, body)
        root, self.root = self.root, self.replica  # a trial makes one request after the other
        try:
            return super().backend(handler, body)
        finally:
            self.root = root


class WebRemote:
    """A mailbox over http, and its faults.

    Args:
        root: the folder of `mailbox.git`.
        replica: a folder with an older `mailbox.git`.
    """

    secrets = (PASSWORD,)

    def __init__(self, root: Path, replica: Path) -> None:
        self._server = _Server(root)
        self._elsewhere: _Server | None = None
        self._replica = replica
        self.url = self._server.url()
        self.environ: Mapping[str, str] = {
            "PATH": os.environ["PATH"],
            "PEER_RELAY_GIT_USERNAME": USERNAME,
            "PEER_RELAY_GIT_PASSWORD": PASSWORD,
        }

    def strike(self, name: str, place: Place, seed: int) -> None:
        """Let a fault strike at a place from now on: of a look's two requests at both, or at the second alone."""
        self._server.spared = ("GET",) if place in (Place.FIRST, Place.LISTING) and seed % 4 > 1 else ()
        if name == "stale replica":
            self._server.replica = self._replica
            self._server.struck = {Place.PUSH: applied_and(hang_up)} if place is Place.APPLIED else {}
            self._server.strikes += 1
            return
        if name == "redirect":
            self._elsewhere = _Server(self._replica)
        inject = INJECTIONS[name] if self._elsewhere is None else partial(redirect, self._elsewhere)
        if place is Place.APPLIED and inject not in _APPLY_THEMSELVES:
            inject = applied_and(inject)
        self._server.struck = {_REQUEST_OF.get(place, place): inject}

    def lift(self) -> None:
        """Be well again. What is silent falls over."""
        self._server.struck, self._server.replica = {}, None

    def count(self) -> int:
        """Return how many requests came since this was asked last; none may have gone elsewhere.

        Raises:
            AssertionError: one went elsewhere.
        """
        assert self._elsewhere is None or self._elsewhere.requested == [], "a request went to another origin"
        requested, self._server.requested = self._server.requested, []
        return len(requested)

    def logins(self) -> int:
        """Return how many requests brought a login."""
        return self._server.logins

    def has_struck(self) -> bool:
        """Return whether the fault struck at all."""
        return self._server.strikes > 0

    def close(self) -> None:
        """End every server."""
        self._server.close()
        if self._elsewhere is not None:
            self._elsewhere.close()


# ---------------------------------------------------------------------------------------------------------------------
# What injects a fault


def content_type(handler: Handler) -> str:
    """Return the type that makes an answer one of git's."""
    service = "git-receive-pack" if "git-receive-pack" in handler.path else "git-upload-pack"
    return f"application/x-{service}-{'advertisement' if handler.command == 'GET' else 'result'}"


def gits_own(body: bytes) -> Inject:
    """Answer with this, in the type of git's own answers."""
    return lambda handler, _: handler.send(Reply(200, {"Content-Type": content_type(handler)}, body))


def reset(handler: Handler, body: bytes) -> None:
    """Reset the connection."""
    connection = handler.connection
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    os.close(connection.detach())
    handler.close_connection = True


def begin(handler: Handler, body: bytes) -> bytes:
    """Let git carry a request out, send the head of its answer, and return the body."""
    reply = handler.server.backend(handler, body)
    handler.send_response(reply.status)
    for name, value in replace(reply).headers.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(reply.body)))
    handler.end_headers()
    return reply.body


def close_kept(handler: Handler, body: bytes) -> None:
    """Close a connection that had a request before, and answer on a new one."""
    if handler.client_address in handler.server.seen:
        hang_up(handler, body)
    else:
        handler.send(handler.server.backend(handler, body))


def half_open(handler: Handler, body: bytes) -> None:
    """Send the first half of the answer, and then nothing."""
    answer = begin(handler, body)
    handler.wfile.write(answer[: len(answer) // 2])
    silence(handler, body)


def slow(handler: Handler, body: bytes) -> None:
    """Send the answer at one byte a second."""
    for each in begin(handler, body):
        handler.wfile.write(bytes([each]))
        if handler.server.closing.wait(1.0):
            return


def sideband_error(handler: Handler, body: bytes) -> None:
    """Answer on the channel that git has for errors."""
    beginning = b"000dpackfile\n" if "git-upload-pack" in handler.path else b""
    gits_own(beginning + _ERROR + b"0000")(handler, body)


def in_half_a_minute(handler: Handler, body: bytes) -> None:
    """Ask for a pause until a date."""
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    answers(429, Retry_After=date)(handler, body)


def redirect(elsewhere: FaultServer, handler: Handler, body: bytes) -> None:
    """Name the same repository on another host, with everything that would be needed to read it there."""
    location = elsewhere.url().removesuffix("/mailbox.git") + handler.path
    answers(302, Location=location)(handler, body)


INJECTIONS: dict[str, Inject] = {
    "dropped": hang_up,
    "reset": reset,
    "silence": silence,
    "half-open": half_open,
    "slow": slow,
    "truncated": cut,
    "kept and closed": close_kept,
    "empty": gits_own(b""),
    "flush only": gits_own(b"0000"),
    "sideband error": sideband_error,
    "502": answers(502, b"<h1>upstream</h1>", Content_Type="text/html"),
    "503": answers(503),
    "504": answers(504, b"upstream", Content_Type="text/plain"),
    "503, a pause": answers(503, Retry_After="20"),
    "429, seconds": answers(429, Retry_After="20"),
    "429, a date": in_half_a_minute,
    "429, garbage": answers(429, Retry_After="soon"),
    "429, absent": answers(429),
    "429, an hour": answers(429, Retry_After="3600"),
    "401": answers(401, WWW_Authenticate='Basic realm="git"'),
    "403": answers(403, b"\x1b[31mNot you\x07.", Content_Type="text/plain"),
    "404": answers(404),
    "405": answers(405),
    "captive portal": answers(200, b"<html><form>Log in to Free Wi-Fi</form>", Content_Type="text/html"),
}
# These let git carry the request out in any case.
_APPLY_THEMSELVES = (half_open, slow, cut)
