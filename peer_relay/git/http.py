"""Mailboxes at https:// addresses, and at http:// on this machine: the smart protocol over a connection that is kept.

1. Requests go to the address of the remote and to nowhere else: a redirect is refused with a sentence, and so is every
   other address that a server names. So no login ever reaches another host.
2. Nothing sleeps, and nothing is retried but a request that was refused for want of a login, and one that is no push
   and met a kept connection that the server was just closing. A pause that the server asks for is `RateLimited`.
3. The deadline holds on every step (`watch`), and what comes is counted while it is read.
4. A login is in one header of a request and nowhere else: in no address, `repr`, log or message (I10).
5. This machine is never reached through a proxy.
"""

from __future__ import annotations

import contextlib
import io
import ssl
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NoReturn
from urllib.parse import unquote, urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

from dulwich.client import AbstractHttpGitClient, default_user_agent_string
from urllib3 import PoolManager, ProxyManager
from urllib3.exceptions import HTTPError, LocationValueError, NameResolutionError, ProtocolError, ProxyError, SSLError
from urllib3.util import Timeout, make_headers

from peer_relay.errors import NotAGitServer, OutcomeUnknown, TransportError, Unreachable
from peer_relay.git.credentials import Logins
from peer_relay.git.remote import is_loopback
from peer_relay.git.smart import FOREIGN, Operation, SmartTransport
from peer_relay.git.status import Answer, status_error
from peer_relay.git.watch import Watch, WatchedHTTPConnection, WatchedHTTPSConnection
from peer_relay.git.words import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from _typeshed import WriteableBuffer
    from urllib3 import HTTPConnectionPool
    from urllib3.response import BaseHTTPResponse

    from peer_relay.deadline import Deadline
    from peer_relay.git.environment import NetworkEnvironment
    from peer_relay.git.remote import Remote

    Body = bytes | Iterator[bytes] | None

_PUSH: Final = "git-receive-pack"
_WORDS_BYTES = 4096
_CHUNK_BYTES = 64 << 10
# Routers on the way forget a silent connection without telling; a new one costs less than waiting for such a one.
_LONGEST_IDLE_S = 30.0


class HttpTransport(SmartTransport):
    """A repository behind git's smart http protocol."""

    _foreign = (*FOREIGN, HTTPError)
    _path = b""

    def __init__(self, remote: Remote, environment: NetworkEnvironment) -> None:
        super().__init__(remote)
        self._ca_file = environment.ca_file
        self._connections = _Connections(remote, environment)

    @property
    def login(self) -> str:
        """See `Transport.login`: where the login that the server accepted came from."""
        return self._connections.logins.accepted

    def has_other_login(self, deadline: Deadline) -> bool:
        """Say whether git's credential helper has another login by now than the one that was refused."""
        return self._connections.logins.renew(deadline)

    def close(self) -> None:
        """See `Transport.close`."""
        self._connections.close()

    @contextmanager
    def _open(self, operation: Operation) -> Iterator[_Client]:
        connections = self._connections
        connections.logins.begin_operation()
        with connections.watch.until(operation.deadline):
            client = _Client(self._remote, connections, operation)
            try:
                yield client
                client.finish_reply()
            finally:
                client.abandon_reply()

    def _secrets(self) -> tuple[str, ...]:
        login = self._connections.logins.current
        return login.secrets if login else ()

    def _failure(self, error: Exception, act: str) -> TransportError:
        if isinstance(error, HTTPError):
            return _broken(self.remote, error, self._ca_file)
        return super()._failure(error, act)


class _Connections:
    """What outlives an operation: the login that works, and one open connection."""

    def __init__(self, remote: Remote, environment: NetworkEnvironment) -> None:
        self.logins = Logins(remote, environment)
        self.watch = Watch()
        self._remote = remote
        self._environment = environment
        self._pool: HTTPConnectionPool | None = None
        self._used_at = 0.0

    def close(self) -> None:
        """Close the connection."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None
        self.watch.close()

    def pool(self) -> HTTPConnectionPool:
        """Return the pool, emptied if its connection has been idle for long."""
        now = time.monotonic()
        if now - self._used_at > _LONGEST_IDLE_S:
            self.close()
        if self._pool is None:
            self._pool = self._make_pool()
        self._used_at = now
        return self._pool

    def _make_pool(self) -> HTTPConnectionPool:
        options: dict[str, Any] = {"cert_reqs": "CERT_REQUIRED", "ca_certs": self._environment.ca_file, "maxsize": 1}
        proxy = _proxy_for(self._remote, self._environment.proxies)
        manager = PoolManager(**options) if proxy is None else _proxy_manager(proxy, options)
        pool = manager.connection_from_url(f"{self._remote.scheme}://{self._remote.authority}")
        pool.ConnectionCls = WatchedHTTPSConnection if self._remote.scheme == "https" else WatchedHTTPConnection
        pool.conn_kw["watch"] = self.watch
        return pool


class _Reply:
    """What dulwich expects of a response. Its end is looked after by the client that made it."""

    redirect_location = ""

    def __init__(self, content_type: str) -> None:
        self.content_type = content_type

    def close(self) -> None:
        """Do nothing: the next request, or the end of the operation, reads what is left and keeps the connection."""


class _Client(AbstractHttpGitClient):
    """dulwich's http client with requests of our own."""

    def __init__(self, remote: Remote, connections: _Connections, operation: Operation) -> None:
        super().__init__(f"{remote.scheme}://{remote.authority}{remote.path}")
        self._connections = connections
        self._operation = operation
        self._response: BaseHTTPResponse | None = None

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
        headers = headers or {}
        response = self._exchange(url, headers, data)
        if response.status != 200:
            self._refuse(url, response, is_push=self._operation.sent)
        content_type = response.headers.get("Content-Type", "").partition(";")[0].strip()
        if content_type != _expected_type(url, headers):
            shown = clean(content_type, limit=60) or "something without a type"
            raise NotAGitServer(remote=self._operation.remote, reason=f"it answers with {shown}")
        self._connections.logins.accept()
        return _Reply(content_type), io.BufferedReader(_Body(response, self._operation), _CHUNK_BYTES).read

    def _exchange(self, url: str, headers: dict[str, str], data: Body) -> BaseHTTPResponse:
        """Send a request, a second time if there is another login to try, and return the response."""
        logins = self._connections.logins
        while True:
            self.finish_reply()
            self._response = response = self._send(url, headers, data)
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
        login = self._connections.logins.current
        words = b""
        if response.headers.get("Content-Type", "").startswith("text/plain"):
            with contextlib.suppress(HTTPError, OSError):  # the status alone says enough
                words = response.read(_WORDS_BYTES)
        answer = Answer(
            url=url,
            status=response.status,
            headers=response.headers,
            words=clean(words, secrets=login.secrets if login else ()),
            is_push=is_push,
            act="write" if url.endswith(_PUSH) else "read",
        )
        if is_push and not answer.is_final:
            raise OutcomeUnknown(remote=self._operation.remote, reason=answer.reason)
        self._operation.sent = False
        raise status_error(self._operation.remote, answer, datetime.now(UTC))


class _Body(io.RawIOBase):
    """The body of a response as it comes, counted. It is read through a buffer, because packets can be tiny."""

    def __init__(self, response: BaseHTTPResponse, operation: Operation) -> None:
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
        view[: len(data)] = data
        return len(data)


def _target(url: str) -> str:
    parts = urlsplit(url)
    return parts.path + (f"?{parts.query}" if parts.query else "")


def _expected_type(url: str, headers: dict[str, str]) -> str:
    """Return the content type that makes an answer one of a smart git server."""
    service = urlsplit(url).query.removeprefix("service=")
    return f"application/x-{service}-advertisement" if service else headers["Accept"]


# ---------------------------------------------------------------------------------------------------------------------
# Proxies, and what goes wrong on the way


def _proxy_for(remote: Remote, proxies: Mapping[str, str]) -> str | None:
    """Return the proxy's address for a remote, or None for none."""
    if is_loopback(remote.host) or proxy_bypass_environment(remote.authority, dict(proxies)):
        return None
    proxy = proxies.get(remote.scheme) or proxies.get("all")
    return proxy if proxy is None or "://" in proxy else f"http://{proxy}"


def _proxy_manager(address: str, options: dict[str, Any]) -> ProxyManager:
    """Return a manager whose connections go through a proxy, with the login of its address if there is one."""
    scheme, _, rest = address.partition("://")
    login, _, host = rest.rpartition("@")
    headers = make_headers(proxy_basic_auth=unquote(login)) if login else None
    return ProxyManager(f"{scheme}://{host}", proxy_headers=headers, **options)


def _broken(remote: str, error: HTTPError, ca_file: str | None) -> Unreachable:
    """Return the error for an exception of urllib3. Its own text names classes and addresses in memory."""
    if isinstance(error, LocationValueError):
        advice = "Give its http:// or https:// address in https_proxy."
        return Unreachable(remote=remote, reason="the proxy of the environment cannot be used", advice=advice)
    if isinstance(error, ProxyError):
        return _stopped(remote, error)
    if isinstance(error, NameResolutionError):
        return Unreachable(remote=remote, reason="its host name cannot be resolved")
    if isinstance(error, SSLError):
        return _distrusted(remote, error.args[0] if error.args else None, ca_file)
    cause = error.__cause__
    words = cause.strerror if isinstance(cause, OSError) else None
    return Unreachable(remote=remote, reason=clean(words or "the connection broke off"))


def _stopped(remote: str, error: ProxyError) -> Unreachable:
    if "407" in str(error.original_error):
        return Unreachable(remote=remote, reason="the proxy wants a login", advice="Put it into https_proxy.")
    advice = "Check https_proxy, or name the host in no_proxy."
    return Unreachable(remote=remote, reason="the proxy does not let it pass", advice=advice)


def _distrusted(remote: str, cause: object, ca_file: str | None) -> Unreachable:
    if isinstance(cause, ssl.SSLCertVerificationError):
        reason = f"its certificate is not trusted ({clean(cause.verify_message, limit=120)})"
        advice = "If it should be, name the authority's file in SSL_CERT_FILE."
        return Unreachable(remote=remote, reason=reason, advice=advice)
    if isinstance(cause, OSError) and not isinstance(cause, ssl.SSLError):
        reason = f"the file of certificate authorities {ca_file} cannot be read"
        return Unreachable(remote=remote, reason=reason, advice="Correct or unset the variable that names it.")
    return Unreachable(remote=remote, reason="no secure connection could be agreed on")
