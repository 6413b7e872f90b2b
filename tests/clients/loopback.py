"""A server on loopback that stands in for the one behind a model. What it does not know it refuses, and remembers."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REFUSAL = '{"type": "error", "error": {"type": "invalid_request_error", "message": "not in the script"}}'


@dataclass
class Served:
    """A running stand-in.

    Attributes:
        url: where it listens.
        refused: the method and the address of each request that it did not know.
    """

    url: str
    refused: list[str] = field(default_factory=list)


@contextmanager
def serving(answer: Callable[[str, str], str | None]) -> Iterator[Served]:
    """Run a stand-in for as long as the block lasts.

    Args:
        answer: given the path of a POST, without the query, and its body, returns a stream of events, or None if it
            does not know what to say. Requests that come together are answered together, in threads.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
            events = answer(self.path.partition("?")[0], body)
            if events is None:
                self.refuse()
            else:
                self.send(200, "text/event-stream", events)

        def refuse(self) -> None:
            served.refused.append(f"{self.command} {self.path}")
            self.send(400, "application/json", REFUSAL)

        do_GET = do_HEAD = do_PUT = do_DELETE = refuse  # noqa: N815 - the names that http.server looks for

        def send(self, code: int, kind: str, text: str) -> None:
            data = text.encode()
            self.send_response(code)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    served = Served(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
