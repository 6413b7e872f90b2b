"""The choice of a transport for an address.

The libraries that a transport needs are loaded with it: urllib3 takes a tenth of a second, which a mailbox at a path or
behind ssh does not pay.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from peer_relay.git.observed import ObservedTransport
from peer_relay.git.patience import PatientTransport

if TYPE_CHECKING:
    from peer_relay.git.environment import NetworkEnvironment
    from peer_relay.git.observed import Observer
    from peer_relay.git.remote import Remote
    from peer_relay.git.transport import Transport


def connect(remote: Remote, environment: NetworkEnvironment, observer: Observer | None = None) -> Transport:
    """Return a transport for an accepted address. Nothing is contacted before its first call.

    Args:
        remote: what `parse_remote` returned.
        environment: the surroundings, made by a face.
        observer: is told of everything that the transport does.
    """
    transport = _transport_for(remote, environment)
    return transport if observer is None else ObservedTransport(transport, observer)


def _transport_for(remote: Remote, environment: NetworkEnvironment) -> Transport:
    if remote.kind == "http":
        from peer_relay.git.http import HttpTransport  # noqa: PLC0415 - see above

        http = HttpTransport(remote, environment)
        return PatientTransport(http, http.has_other_login)
    if remote.kind == "ssh":
        from peer_relay.git.ssh import SshTransport  # noqa: PLC0415 - see above

        return PatientTransport(SshTransport(remote, environment))
    from peer_relay.git.local import LocalTransport  # noqa: PLC0415 - see above

    return LocalTransport(remote)
