"""Whether anybody at all can read a mailbox: a look at it without any login.

1. No login of any kind is used: neither that of the address, nor the environment's, nor the credential helper's.
2. The answer is yes only if a git server gave a listing, and no only if it wanted a login or denied that there is a
   repository. Everything else is "it cannot be told".
"""

from __future__ import annotations

import ipaddress
import time
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote

from peer_relay.deadline import Deadline
from peer_relay.errors import AccessDenied, AuthenticationFailed, RepositoryNotFound, TransportError
from peer_relay.git.connect import connect
from peer_relay.git.remote import Remote, is_loopback

if TYPE_CHECKING:
    from peer_relay.git.environment import NetworkEnvironment

_LONGEST_S = 5.0
# What is asked for does not matter; a branch that is not there makes the answer short.
_ANY_BRANCH = b"refs/heads/peer-relay/none"


def readable_by_anybody(remote: Remote, environment: NetworkEnvironment, deadline: Deadline) -> bool | None:
    """Say whether a repository can be listed without any login. Takes five seconds at most and raises nothing.

    Args:
        remote: the mailbox.
        environment: the surroundings; no login of theirs is used.
        deadline: by when to return.

    Returns:
        None if it cannot be told: a path, a host that is not known to serve the repository by https as well, a host
        that cannot be reached.
    """
    form = public_form(remote)
    if form is None:
        return None
    limit = Deadline(min(_LONGEST_S, deadline.remaining_s()), time.monotonic)
    with closing(connect(form, environment.anonymous())) as transport:
        try:
            transport.read_ref(_ANY_BRANCH, limit)
        except (AuthenticationFailed, AccessDenied, RepositoryNotFound):
            return False
        except TransportError:
            return None
    return True


def public_form(remote: Remote) -> Remote | None:
    """Return the http(s) address without any login at which the public would read a repository, or None.

    For an ssh address it is the https address of the same path on the same host, which is what forges serve.
    """
    if remote.kind == "http":
        return replace(remote, username=None, password=None)
    if remote.kind == "local" or remote.port is not None or not _is_public_name(remote.host):
        return None
    path = f"/{remote.path.removeprefix('/')}"
    return None if path.startswith("/~") else Remote("http", "https", remote.host, None, quote(path))


def _is_public_name(host: str) -> bool:
    """Say whether a host has a name that could mean the same to everybody: no address, no alias of one user."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return "." in host.strip(".") and not is_loopback(host)
    return False
