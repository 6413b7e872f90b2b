"""What the surroundings say about the network: logins, proxies, certificates, the ssh program, as one value.

1. Nothing in `peer_relay.git` reads the process's environment; a face makes one `NetworkEnvironment` and passes it in.
2. No secret is in its `repr`, and none of peer-relay's own variables reaches a child process.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

from peer_relay.errors import InvalidSetting

if TYPE_CHECKING:
    from collections.abc import Mapping

_OWN_PREFIX = "PEER_RELAY_"
_PROXY_KINDS = ("http", "https", "all", "no")
_CA_VARIABLES = ("SSL_CERT_FILE", "GIT_SSL_CAINFO", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


@dataclass(frozen=True)
class NetworkEnvironment:
    """The settings of the surroundings that the transports honour.

    Attributes:
        environ: the environment of child processes (ssh, git's credential helper).
        git_username: `PEER_RELAY_GIT_USERNAME`, or None.
        git_password: `PEER_RELAY_GIT_PASSWORD`, or None.
        github_token: `GITHUB_TOKEN` or `GH_TOKEN`, in this order, or None.
        ssh_command: the words of `GIT_SSH_COMMAND`, or the one program of `GIT_SSH`; empty for the default.
        proxies: proxy addresses by `http`, `https` and `all`, and the exceptions by `no`, as in urllib.
        ca_file: a file with the only certificate authorities to trust; None for the system's.
        is_anonymous: whether git's credential helper must not be asked for a login.
    """

    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    git_username: str | None = field(default=None, repr=False)
    git_password: str | None = field(default=None, repr=False)
    github_token: str | None = field(default=None, repr=False)
    ssh_command: tuple[str, ...] = ()
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    ca_file: str | None = None
    is_anonymous: bool = False

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """Read the variables; an empty one counts as not set.

        Raises:
            InvalidSetting: `GIT_SSH_COMMAND` has a quote that is not closed.
        """
        given = {name: value for name, value in environ.items() if value}
        return cls(
            environ={name: value for name, value in environ.items() if not name.startswith(_OWN_PREFIX)},
            git_username=given.get("PEER_RELAY_GIT_USERNAME"),
            git_password=given.get("PEER_RELAY_GIT_PASSWORD"),
            github_token=given.get("GITHUB_TOKEN") or given.get("GH_TOKEN"),
            ssh_command=_ssh_command(given),
            proxies=_proxies(environ),
            ca_file=next((given[name] for name in _CA_VARIABLES if name in given), None),
        )

    def anonymous(self) -> Self:
        """Return the same surroundings of somebody who has no login for any git server."""
        return replace(self, git_username=None, git_password=None, github_token=None, is_anonymous=True)


def _ssh_command(given: Mapping[str, str]) -> tuple[str, ...]:
    """Return the command's words. Git leaves it to a shell; no shell is involved here, so `$HOME` stays as it is."""
    if "GIT_SSH_COMMAND" not in given:
        return (given["GIT_SSH"],) if "GIT_SSH" in given else ()
    try:
        return tuple(shlex.split(given["GIT_SSH_COMMAND"]))
    except ValueError:
        advice = "Close it, or unset the variable."
        raise InvalidSetting(name="GIT_SSH_COMMAND", reason="has a quote that is not closed", advice=advice) from None


def _proxies(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the proxies by kind: the lower-case name wins, even when it is empty, which then means none."""
    found = {}
    for kind in _PROXY_KINDS:
        upper = environ.get(f"{kind.upper()}_PROXY", "")
        if kind == "http" and "REQUEST_METHOD" in environ:
            upper = ""  # a web server sets HTTP_PROXY from a request's "Proxy:" header (CVE-2016-1000110)
        value = environ.get(f"{kind}_proxy", upper)
        if value:
            found[kind] = value
    return found
