"""Http requests without anything around them: the least that a client of git's protocol has to wait for."""

from __future__ import annotations

import io
import itertools
from dataclasses import dataclass
from http.client import parse_headers
from typing import TYPE_CHECKING

from urllib3 import HTTPConnectionPool, Retry, Timeout

from benchmarks.script import BRANCH
from tests.servers import run_git

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.script import Script

_LIMIT_S = 20.0
_LENGTH, _CODING = "Content-Length", "Transfer-Encoding"
_CAPABILITIES = "report-status side-band-64k ofs-delta object-format=sha1"


@dataclass(frozen=True)
class Request:
    """A request as it is sent."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes | None


class Bare:
    """Sends requests to a port over one connection that is kept."""

    def __init__(self, port: int) -> None:
        self._pool = HTTPConnectionPool("127.0.0.1", port, maxsize=1, timeout=Timeout(_LIMIT_S), retries=Retry(0))

    def send(self, requests: Sequence[Request]) -> list[bytes]:
        """Send some requests, one after the other, and return the bodies of the answers."""
        return [self._send(request) for request in requests]

    def close(self) -> None:
        """Close the connection."""
        self._pool.close()

    def _send(self, request: Request) -> bytes:
        answer = self._pool.urlopen(request.method, request.target, body=request.body, headers=request.headers)
        assert answer.status == 200, answer.status
        return answer.data


def requests_in(sent: bytes) -> list[Request]:
    """Return the requests of one connection, from the bytes that went over it."""
    stream = io.BytesIO(sent)
    found = []
    while line := stream.readline():
        method, target, _ = line.decode().split(" ")
        fields = parse_headers(stream)
        chunked = _CODING in fields
        body = b"".join(_chunks(stream)) if chunked else stream.read(int(fields.get(_LENGTH, 0)))
        headers = {name: text for name, text in fields.items() if name not in (_LENGTH, _CODING)}
        found.append(Request(method, target, headers, body if method == "POST" else None))
    return found


def _chunks(stream: io.BytesIO) -> Iterator[bytes]:
    while size := int(stream.readline(), 16):
        yield stream.read(size)
        stream.readline()
    stream.readline()


def pushes(script: Script, target: str, number: int, *, listing: bool) -> Iterator[list[Request]]:
    """Prepare so many pushes of one record each, and yield the requests of each.

    The packs are made by git before the first one is yielded, from what the script would push.

    Args:
        script: has the clone.
        target: the path of the mailbox's address.
        number: how many.
        listing: ask for the branches before each push.
    """
    commits = script.run(_COMMITS.replace("NUMBER", str(number))).decode().split()
    prepared = []
    for old, new in itertools.pairwise(commits):
        between = f"{new}\n^{old}\n".encode()
        pack = run_git("pack-objects", "--quiet", "--thin", "--revs", "--stdout", cwd=script.clone, data=between)
        command = f"{old} {new} {BRANCH}\0{_CAPABILITIES}".encode()
        body = f"{len(command) + 4:04x}".encode() + command + b"0000" + pack
        headers = {"Content-Type": "application/x-git-receive-pack-request"}
        push = Request("POST", f"{target}/git-receive-pack", headers, body)
        asked = Request("GET", f"{target}/info/refs?service=git-receive-pack", {}, None)
        prepared.append([asked, push] if listing else [push])
    yield from prepared


_COMMITS = """
tip=$(git rev-parse "$BRANCH")
git read-tree "$tip"
echo "$tip"
for number in $(seq NUMBER); do
  blob=$(echo "Question $number" | git hash-object -w --stdin)
  git update-index --add --cacheinfo "100644,$blob,alice/2026-12-01/$number.question.json"
  tip=$(git commit-tree "$(git write-tree)" -p "$tip" -m "alice asks: $number")
  echo "$tip"
done
"""
