"""The connection of an http transport, kept between operations, and what can be in its way: proxies, certificates.

1. It goes to the host of the remote or through the proxy of the environment, and this machine never through a proxy.
2. It is trusted only with a certificate of the authorities that the environment names, or of the system's.
3. What goes wrong with it is said without the text of urllib3, which names classes and addresses in memory.
"""

from __future__ import annotations

import ssl
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

from urllib3 import PoolManager, ProxyManager
from urllib3.exceptions import LocationValueError, NameResolutionError, ProxyError, SSLError
from urllib3.util import make_headers

from peer_relay.errors import Unreachable
from peer_relay.git.credentials import Logins
from peer_relay.git.remembered import Remembered
from peer_relay.git.remote import is_loopback
from peer_relay.git.watch import Watch, WatchedHTTPConnection, WatchedHTTPSConnection
from peer_relay.git.words import clean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from urllib3 import HTTPConnectionPool
    from urllib3.exceptions import HTTPError

    from peer_relay.git.environment import NetworkEnvironment
    from peer_relay.git.remote import Remote

# Routers on the way forget a silent connection without telling; a new one costs less than waiting for such a one.
_LONGEST_IDLE_S = 30.0


class Connections:
    """What outlives an operation: the login that works, what the server said of itself, and one open connection.

    Attributes:
        known: the answers that the operation that goes on need not ask for, by request.
        was_answered: whether git answered the last request in it, or anybody did if that was about a push.
    """

    def __init__(self, remote: Remote, environment: NetworkEnvironment) -> None:
        self.remembered = Remembered()
        self.known: dict[str, bytes] = {}
        self.was_answered = False
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


def broken(remote: str, error: HTTPError, ca_file: str | None) -> Unreachable:
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
