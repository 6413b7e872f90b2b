"""Mailboxes at https:// addresses, and at http:// on this machine: the smart protocol over a connection that is kept.

1. Requests go to the address of the remote and to nowhere else: a redirect is refused with a sentence, and so is every
   other address that a server names. So no login ever reaches another host.
2. Nothing sleeps, and nothing is retried but a request that was refused for want of a login, and one that is no push
   and met a kept connection that the server was just closing. A pause that the server asks for is `RateLimited`.
3. The deadline holds on every step (`watch`), and what comes is counted while it is read.
4. What the server said of itself is not asked again while it is remembered (`remembered`): a poll is one request then,
   and so is a push, which names the commit that it expects. Whatever was refused that way is forgotten and done once
   more in full, so that every error is the one of a whole conversation. Nothing is repeated for want of an answer, nor
   where http itself refuses to read. I5 leans on the server alone in such a push, which compares under its own lock.
5. A login is in one header of a request and nowhere else: in no address, `repr`, log or message (I10).
"""

from __future__ import annotations

import contextlib
import io
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, NoReturn, TypeVar
from urllib.parse import urlsplit

from dulwich.client import AbstractHttpGitClient, default_user_agent_string
from urllib3 import HTTPHeaderDict
from urllib3.exceptions import HTTPError, ProtocolError
from urllib3.util import Timeout

from peer_relay.errors import (
    AccessDenied,
    BranchLocked,
    Moved,
    NotAGitServer,
    OutcomeUnknown,
    PushRefused,
    RepositoryNotFound,
    TransportError,
    Unreachable,
)
from peer_relay.git.connections import Connections, broken
from peer_relay.git.remembered import MAX_BYTES, listing
from peer_relay.git.smart import FOREIGN, Operation, SmartTransport
from peer_relay.git.status import Answer, status_error
from peer_relay.git.words import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import BinaryIO

    from _typeshed import WriteableBuffer
    from dulwich.objects import ShaFile
    from urllib3.response import BaseHTTPResponse

    from peer_relay.deadline import Deadline
    from peer_relay.git.environment import NetworkEnvironment
    from peer_relay.git.remote import Remote
    from peer_relay.git.transport import FetchReply, FetchRequest

    Body = bytes | Iterator[bytes] | None

T = TypeVar("T")

_PUSH: Final = "git-receive-pack"
# The requests whose answers can be known already: the ends of two addresses, and a command in a request's body.
_CAPABILITIES: Final = "refs?service=git-upload-pack"
_PUSH_LISTING: Final = f"refs?service={_PUSH}"
_LS_REFS: Final = "command=ls-refs"
# What is tried once more in full when it failed with answers that were known already: see 4. Not what asks for a pause,
# what is about the login, or what would do no better.
_IN_FULL = (AccessDenied, BranchLocked, Moved, NotAGitServer, PushRefused, RepositoryNotFound, Unreachable)
_WORDS_BYTES = 4096
_COMMAND_BYTES = 32
_WITH_CAPABILITIES_ALONE = 2  # the version of git's protocol whose first answer names no branch
_CHUNK_BYTES = 64 << 10


class HttpTransport(SmartTransport):
    """A repository behind git's smart http protocol."""

    _foreign = (*FOREIGN, HTTPError)
    _path = b""

    def __init__(self, remote: Remote, environment: NetworkEnvironment) -> None:
        super().__init__(remote)
        self._ca_file = environment.ca_file
        self._connections = Connections(remote, environment)

    @property
    def login(self) -> str:
        """See `Transport.login`: where the login that the server accepted came from."""
        return self._connections.logins.accepted

    def has_other_login(self, deadline: Deadline) -> bool:
        """Say whether git's credential helper has another login by now than the one that was refused."""
        return self._connections.logins.renew(deadline)

    def read_ref(self, ref: bytes, deadline: Deadline) -> bytes | None:
        """See `Transport.read_ref`."""
        return self._sparing(self._known(), partial(super().read_ref, ref, deadline))

    def fetch(self, request: FetchRequest, sink: BinaryIO, deadline: Deadline) -> FetchReply:
        """See `Transport.fetch`."""
        known, start = self._known(), sink.tell()
        if known and request.seen is not None:
            known[_LS_REFS] = listing(request.ref, request.seen)
        return self._sparing(known, partial(super().fetch, request, sink, deadline), lambda: sink.tell() == start)

    def push(
        self, ref: bytes, expected: bytes | None, new: bytes, objects: Sequence[ShaFile], deadline: Deadline
    ) -> None:
        """See `Transport.push`."""
        announced = None if expected is None else self._connections.remembered.pushing(ref, expected)
        known = {} if announced is None else {_PUSH_LISTING: announced}
        self._sparing(known, partial(super().push, ref, expected, new, objects, deadline))

    def default_branch(self, deadline: Deadline) -> bytes | None:
        """See `Transport.default_branch`."""
        return self._sparing(self._known(), partial(super().default_branch, deadline))

    def close(self) -> None:
        """See `Transport.close`."""
        self._connections.close()

    def _known(self) -> dict[str, bytes]:
        capabilities = self._connections.remembered.fetching
        return {} if capabilities is None else {_CAPABILITIES: capabilities}

    def _sparing(
        self, known: dict[str, bytes], act: Callable[[], T], is_repeatable: Callable[[], bool] = lambda: True
    ) -> T:
        """Do something without asking for the answers that are known; once more with asking, if that was refused."""
        connections = self._connections
        while True:
            connections.known = known
            try:
                return act()
            except TransportError as error:
                connections.remembered.forget()
                if not (known and isinstance(error, _IN_FULL) and connections.was_answered and is_repeatable()):
                    raise
            finally:
                connections.known = {}
            known = {}

    @contextmanager
    def _open(self, operation: Operation) -> Iterator[_Client]:
        connections = self._connections
        connections.logins.begin_operation()
        connections.was_answered = False
        with connections.watch.until(operation.deadline):
            client = _Client(self._remote, connections, operation)
            try:
                yield client
                client.finish_reply()
                client.remember()
            finally:
                client.abandon_reply()

    def _secrets(self) -> tuple[str, ...]:
        login = self._connections.logins.current
        return login.secrets if login else ()

    def _failure(self, error: Exception, act: str) -> TransportError:
        if isinstance(error, HTTPError):
            return broken(self.remote, error, self._ca_file)
        return super()._failure(error, act)


class _Reply:
    """What dulwich expects of a response. Its end is looked after by the client that made it."""

    redirect_location = ""

    def __init__(self, content_type: str) -> None:
        self.content_type = content_type

    def close(self) -> None:
        """Do nothing: the next request, or the end of the operation, reads what is left and keeps the connection."""


class _Client(AbstractHttpGitClient):
    """dulwich's http client with requests of our own."""

    def __init__(self, remote: Remote, connections: Connections, operation: Operation) -> None:
        super().__init__(f"{remote.scheme}://{remote.authority}{remote.path}")
        self._connections = connections
        self._operation = operation
        self._response: BaseHTTPResponse | None = None
        self._announced: dict[str, bytearray] = {}

    @property
    def _secrets(self) -> tuple[str, ...]:
        login = self._connections.logins.current
        return login.secrets if login else ()

    def remember(self) -> None:
        """Keep what the server said of itself, after an operation that it was right for."""
        for request, announced in self._announced.items():
            if request == _PUSH_LISTING:
                self._connections.remembered.keep_pushing(bytes(announced))
            elif request == _CAPABILITIES and self.protocol_version == _WITH_CAPABILITIES_ALONE:
                self._connections.remembered.keep_fetching(bytes(announced))

    def finish_reply(self) -> None:
        """Read what is left of the last response, which gives its connection back to the pool."""
        response, self._response = self._response, None
        if response is not None:
            with contextlib.suppress(HTTPError, OSError):  # what was needed has been read
                response.read(_CHUNK_BYTES)
            response.close()  # does nothing to a connection that was given back

    def abandon_reply(self) -> None:
        """Close the connection of the last response, if that was not read to its end."""
        response, self._response = self._response, None
        if response is not None:
            response.close()

    def _http_request(  # type: ignore[override]
        self, url: str, headers: dict[str, str] | None = None, data: Body = None, raise_for_status: object = None
    ) -> tuple[_Reply, Callable[[int], bytes]]:
        """Return a response and a function that reads it, see `AbstractHttpGitClient`."""
        del raise_for_status
        headers, asked = headers or {}, _asked(url, data)
        if (known := self._connections.known.get(asked)) is not None:
            return _Reply(_expected_type(url, headers)), io.BytesIO(known).read
        response = self._exchange(url, headers, data)
        if response.status != 200:
            self._refuse(url, response, is_push=self._operation.sent)
        content_type = response.headers.get("Content-Type", "").partition(";")[0].strip()
        if content_type != _expected_type(url, headers):
            shown = clean(content_type, secrets=self._secrets, limit=60) or "something without a type"
            raise NotAGitServer(remote=self._operation.remote, reason=f"it answers with {shown}")
        self._connections.logins.accept()
        body = _Body(response, self._operation)
        self._announced[asked] = body.beginning
        return _Reply(content_type), self._operation.counted(io.BufferedReader(body, _CHUNK_BYTES).read)

    def _exchange(self, url: str, headers: dict[str, str], data: Body) -> BaseHTTPResponse:
        """Send a request, a second time if there is another login to try, and return the response."""
        logins = self._connections.logins
        while True:
            self.finish_reply()
            self._response = response = self._send(url, headers, data)
            self._connections.was_answered = response.status == HTTPStatus.OK or url.endswith(_PUSH)
            if response.status != 401:
                return response
            self._operation.sent = False
            repeatable = data is None or isinstance(data, bytes)
            if not logins.next(self._operation.deadline) or not repeatable:
                raise logins.refusal()

    def _send(self, url: str, headers: dict[str, str], data: Body) -> BaseHTTPResponse:
        """Send a request, once more on a new connection if a kept one was closed before there was an answer."""
        pool = self._connections.pool()
        made = pool.num_connections
        try:
            return self._send_once(url, headers, data)
        except ProtocolError:
            was_kept, repeatable = pool.num_connections == made, data is None or isinstance(data, bytes)
            if self._operation.sent or self._operation.deadline.expired or not (was_kept and repeatable):
                raise
        return self._send_once(url, headers, data)

    def _send_once(self, url: str, headers: dict[str, str], data: Body) -> BaseHTTPResponse:
        if not url.startswith(self._base_url):
            raise NotAGitServer(remote=self._operation.remote, reason="it points to another address")
        watch, login = self._connections.watch, self._connections.logins.current
        fields = {"User-Agent": default_user_agent_string(), "Pragma": "no-cache", **headers}
        if login is not None:
            fields["Authorization"] = login.header
        left = watch.remaining_s()
        self._operation.sent = watch.began_request = False
        try:
            return self._connections.pool().urlopen(
                "GET" if data is None else "POST",
                _target(url),
                body=data,
                headers=fields,
                retries=False,
                redirect=False,
                timeout=Timeout(connect=left, read=left),
                preload_content=False,
            )
        finally:
            self._operation.sent = watch.began_request and data is not None and url.endswith(_PUSH)

    def _refuse(self, url: str, response: BaseHTTPResponse, *, is_push: bool) -> NoReturn:
        """Raise the error for a status."""
        secrets, words = self._secrets, b""
        if response.headers.get("Content-Type", "").startswith("text/plain"):
            with contextlib.suppress(HTTPError, OSError):  # the status alone says enough
                words = response.read(_WORDS_BYTES)
        answer = Answer(
            url=url,
            status=response.status,
            headers=HTTPHeaderDict({name: clean(said, secrets=secrets) for name, said in response.headers.items()}),
            words=clean(words, secrets=secrets),
            is_push=is_push,
            act="write" if url.endswith(_PUSH) else "read",
        )
        if is_push and not answer.is_final:
            raise OutcomeUnknown(remote=self._operation.remote, reason=answer.reason)
        self._operation.sent = False
        raise status_error(self._operation.remote, answer, datetime.now(UTC))


class _Body(io.RawIOBase):
    """The body of a response as it comes, counted. It is read through a buffer, because packets can be tiny.

    Attributes:
        beginning: its first bytes, one more than is worth remembering at most.
    """

    def __init__(self, response: BaseHTTPResponse, operation: Operation) -> None:
        self.beginning = bytearray()
        self._response = response
        self._operation = operation

    def readable(self) -> bool:
        """Say that this can be read."""
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fill as much of a buffer as there is to have at once; nothing at the end."""
        view = memoryview(buffer)
        data = self._response.read1(len(view))
        self._operation.spend(len(data))
        self.beginning += data[: MAX_BYTES + 1 - len(self.beginning)]
        view[: len(data)] = data
        return len(data)


def _asked(url: str, data: Body) -> str:
    """Return what a request asks for, in the words of `_CAPABILITIES` and its like where it is one of those."""
    is_listing = isinstance(data, bytes) and _LS_REFS.encode() in data[:_COMMAND_BYTES]
    return _LS_REFS if is_listing else url.rpartition("/")[2]


def _target(url: str) -> str:
    parts = urlsplit(url)
    return parts.path + (f"?{parts.query}" if parts.query else "")


def _expected_type(url: str, headers: dict[str, str]) -> str:
    """Return the content type that makes an answer one of a smart git server."""
    service = urlsplit(url).query.removeprefix("service=")
    return f"application/x-{service}-advertisement" if service else headers["Accept"]
