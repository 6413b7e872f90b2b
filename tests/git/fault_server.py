"""A small http server in front of git's own http backend that can be told to misbehave, and objects to push through it.

1. What is not told to misbehave is real: git's http backend serves real bare repositories.
2. Every request is recorded, so that a test can say what was sent and what was not.
3. `close` wakes whatever is silent, so no thread outlives a test.
"""

from __future__ import annotations

import io
import os
import select
import subprocess
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.client import HTTPMessage, parse_headers
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from dulwich.objects import Blob, Commit, ShaFile, Tree

from peer_relay.deadline import Deadline
from peer_relay.git.environment import NetworkEnvironment
from peer_relay.git.http import HttpTransport
from peer_relay.git.remote import parse_remote
from tests.servers import GIT_ENVIRONMENT, create_repository, run_git

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

REF = b"refs/heads/peer-relay/room"
LISTING = "GET info/refs?service=git-upload-pack"
FETCHING = "POST git-upload-pack"
PUSH_LISTING = "GET info/refs?service=git-receive-pack"
PUSHING = "POST git-receive-pack"


def deadline(seconds: float = 20.0) -> Deadline:
    """Return a deadline by the real clock."""
    return Deadline(seconds, time.monotonic)


def one_commit(parent: bytes | None, text: str) -> tuple[bytes, list[ShaFile]]:
    """Return the id of a commit with one file, and its three objects in the order in which they are written."""
    blob, tree, commit = Blob.from_string(text.encode()), Tree(), Commit()
    tree.add(b"file", 0o100644, blob.id)
    commit.tree = tree.id
    commit.parents = [] if parent is None else [parent]
    commit.author = commit.committer = b"alice <alice@peer-relay.invalid>"
    commit.author_time = commit.commit_time = 1_800_000_000
    commit.author_timezone = commit.commit_timezone = 0
    commit.message = text.encode()
    return commit.id, [blob, tree, commit]


def tip(repository: Path, ref: bytes = REF) -> bytes | None:
    """Return where a branch is, as git sees it."""
    return run_git("for-each-ref", "--format=%(objectname)", ref.decode(), cwd=repository).strip() or None


@contextmanager
def witness(fifo: Path) -> Iterator[Callable[[], bool]]:
    """Make a named pipe that processes under test hold open, and give a function that says whether all have ended.

    They must have written something to it.
    """
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    poll = select.poll()
    poll.register(reader, select.POLLIN)

    def all_ended() -> bool:
        written = b""
        while poll.poll(5000):
            piece = os.read(reader, 100)
            if not piece:
                return written != b""
            written += piece
        return False

    try:
        yield all_ended
    finally:
        os.close(reader)


@dataclass
class Request:
    """One recorded request; `what` is its method and the part of the path behind the repository."""

    what: str
    headers: HTTPMessage
    body: bytes
    connection: int


@dataclass
class Reply:
    """An answer: what the backend said, or what a test makes of it."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class Handler(BaseHTTPRequestHandler):
    """Hands a request to the server's fault for it, or to git."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # it holds every answer back for 40 ms, because head and body are sent apart
    server: FaultServer

    def do_GET(self) -> None:
        self._serve(b"")

    def do_POST(self) -> None:
        self._serve(self._body())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""

    def send(self, reply: Reply) -> None:
        """Send a whole answer."""
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)

    def _serve(self, body: bytes) -> None:
        what = f"{self.command} {self.path.partition('.git/')[2]}"
        request = Request(what, self.headers, body, self.client_address[1])
        self.server.requests.append(request)
        fault = self.server.faults.get(what)
        if fault is None:
            self.send(self.server.backend(self, body))
        else:
            fault(self, body)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers["Content-Length"]))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body


Fault = "Callable[[Handler, bytes], None]"


class FaultServer(ThreadingHTTPServer):
    """Serves the repositories of a folder; `faults` says by `Request.what` what to do instead."""

    daemon_threads = True

    def __init__(self, root: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.root = root
        self.requests: list[Request] = []
        self.faults: dict[str, Callable[[Handler, bytes], None]] = {}
        self.closing = threading.Event()
        self._thread = threading.Thread(target=partial(self.serve_forever, poll_interval=0.01), daemon=True)
        self._thread.start()

    @property
    def asked(self) -> list[str]:
        """What was requested, in order."""
        return [request.what for request in self.requests]

    def url(self, name: str = "mailbox.git", login: str = "") -> str:
        """Return a repository's address."""
        return f"http://{login}127.0.0.1:{self.server_port}/{name}"

    def transport(self, environment: NetworkEnvironment | None = None, login: str = "") -> HttpTransport:
        """Return a transport to the mailbox."""
        return HttpTransport(parse_remote(self.url(login=login)), environment or NetworkEnvironment())

    def backend(self, handler: Handler, body: bytes) -> Reply:
        """Let git answer a request."""
        path, _, query = handler.path.partition("?")
        variables = {
            "GIT_PROJECT_ROOT": str(self.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": handler.command,
            "CONTENT_TYPE": handler.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "GIT_PROTOCOL": handler.headers.get("Git-Protocol", ""),
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "http.receivepack",
            "GIT_CONFIG_VALUE_0": "true",
            **GIT_ENVIRONMENT,
        }
        environment = {"PATH": os.environ["PATH"], **variables}
        done = subprocess.run(["git", "http-backend"], input=body, env=environment, capture_output=True, check=False)
        printed = io.BytesIO(done.stdout)
        headers = dict(parse_headers(printed))
        return Reply(int(headers.pop("Status", "200").split()[0]), headers, printed.read())

    def handle_error(self, request: object, client_address: object) -> None:
        """Take it as a matter of course that a client goes away."""

    def close(self) -> None:
        """End everything."""
        self.closing.set()
        self.shutdown()
        self._thread.join()
        self.server_close()


# ---------------------------------------------------------------------------------------------------------------------
# Faults


def answers(status: int, body: bytes = b"", **headers: str) -> Callable[[Handler, bytes], None]:
    """Answer with this and do not ask git; an underscore in a header's name stands for a hyphen."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler, _: handler.send(Reply(status, named, body))


def silence(handler: Handler, body: bytes) -> None:
    """Take the request and say nothing."""
    handler.server.closing.wait(60)
    handler.close_connection = True


def trickle(handler: Handler, body: bytes) -> None:
    """Begin an endless header, one byte every 50 ms."""
    while not handler.server.closing.wait(0.05):
        handler.wfile.write(b"X")


def trickle_body(handler: Handler, body: bytes) -> None:
    """Answer properly, but one byte every 50 ms."""
    reply = handler.server.backend(handler, body)
    handler.send_response(200)
    handler.send_header("Content-Type", reply.headers["Content-Type"])
    handler.send_header("Content-Length", str(len(reply.body)))
    handler.end_headers()
    for each in reply.body:
        if handler.server.closing.wait(0.05):
            return
        handler.wfile.write(bytes([each]))


def hang_up(handler: Handler, body: bytes) -> None:
    """Close the connection without an answer."""
    handler.close_connection = True


def applied_and(then: Callable[[Handler, bytes], None]) -> Callable[[Handler, bytes], None]:
    """Let git carry the request out, then do something else than to send its answer."""

    def fault(handler: Handler, body: bytes) -> None:
        handler.server.backend(handler, body)
        then(handler, body)

    return fault


def changed(change: Callable[[Reply], Reply]) -> Callable[[Handler, bytes], None]:
    """Let git carry the request out and send a changed answer."""
    return lambda handler, body: handler.send(change(handler.server.backend(handler, body)))


def cut(handler: Handler, body: bytes) -> None:
    """Let git carry the request out and send the first half of its answer only."""
    reply = handler.server.backend(handler, body)
    handler.send_response(200)
    handler.send_header("Content-Type", reply.headers["Content-Type"])
    handler.send_header("Content-Length", str(len(reply.body)))
    handler.end_headers()
    handler.wfile.write(reply.body[: len(reply.body) // 2])
    handler.close_connection = True


def result(body: bytes) -> Callable[[Handler, bytes], None]:
    """Answer a push with a body of our own that looks like git's."""
    return answers(200, body, Content_Type="application/x-git-receive-pack-result")


@pytest.fixture
def fault_server(tmp_path: Path) -> Iterator[FaultServer]:
    """Give a server with one repository, `mailbox.git`."""
    create_repository(tmp_path / "served" / "mailbox.git")
    server = FaultServer(tmp_path / "served")
    yield server
    server.close()
