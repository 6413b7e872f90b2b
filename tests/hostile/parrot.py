"""A mailbox that repeats whatever it is sent in every place that a message could be made of; a proxy as well."""

from __future__ import annotations

import base64
import threading
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterator


class Parrot(BaseHTTPRequestHandler):
    """Refuses everything, in the words of whoever asked."""

    status = 401
    """What it answers whoever has a login; whoever has none is asked for one."""

    def _answer(self) -> None:
        login = self.headers.get("Authorization") or self.headers.get("Proxy-Authorization") or "Basic "
        status = 401 if login == "Basic " else self.status
        words = base64.b64decode(login.removeprefix("Basic ")).decode()
        said, encoded = f"{words} {login} {quote(words, safe='')} {self.path}", quote(words)
        line = f"ERR {said}".encode()
        body = b"001e# service=git-upload-pack\n0000%04x%b0000" % (len(line) + 4, line)
        self.send_response(status, said)
        for name in ("WWW-Authenticate", "Proxy-Authenticate"):
            self.send_header(name, f'Basic realm="{said}"')
        self.send_header("Location", f"http://{encoded}@127.0.0.1:9/{encoded}/{login[6:]}/info/refs")
        ends = "application/x-git-upload-pack-advertisement" if status == 200 else "text/plain"
        self.send_header("Content-Type", ends)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_CONNECT = _answer  # noqa: N815 - the library's names

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def listening() -> Iterator[int]:
    """Give the port of such a mailbox while it runs."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Parrot) as server:
        threading.Thread(target=partial(server.serve_forever, 0.01), daemon=True).start()
        yield server.server_address[1]
        server.shutdown()
