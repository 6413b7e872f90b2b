"""Whether a mailbox can be used from here: what init, join, ping and the doctor find out before they promise anything.

Each check is a real conversation with the remote and leaves nothing behind there (I8).
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from peer_relay.clock import Clock
from peer_relay.deadline import Deadline
from peer_relay.errors import RoomNotFound
from peer_relay.git.connect import connect
from peer_relay.git.environment import NetworkEnvironment
from peer_relay.git.publicity import readable_by_anybody
from peer_relay.git.rewriting import leads_to
from peer_relay.keys import RoomKeys
from peer_relay.paths import branch_ref

if TYPE_CHECKING:
    from collections.abc import Mapping

    from peer_relay.config import RelayConfig
    from peer_relay.git.observed import Observer
    from peer_relay.git.transport import Transport

# No room has this id, so nothing is found; but where a room's branch would be is where writing is checked.
_NO_ROOM = "none"


@dataclass(frozen=True)
class Access:
    """What may be done with a repository.

    Attributes:
        remote: its address as it may be shown.
        login: how it let this machine in, as a clause.
        read_s: how long looking at a branch took, with making the connection, in seconds.
        write_s: how long asking for a push took, in seconds.
        public: whether anybody can read it without any login; None if that was not asked or cannot be told.
    """

    remote: str
    login: str
    read_s: float
    write_s: float
    public: bool | None


@dataclass(frozen=True)
class Ping:
    """One round trip through a mailbox; its attributes are those of `Access`."""

    remote: str
    login: str
    read_s: float
    write_s: float


@dataclass(frozen=True)
class _Seen:
    """What a look at a branch found: its commit, and how long looking took."""

    tip: bytes | None
    seconds: float


def check_access(
    address: str,
    environ: Mapping[str, str],
    timeout_s: float,
    *,
    room_id: str | None = None,
    observer: Observer | None = None,
    look_for_public: bool = True,
) -> Access:
    """Check that a repository can be read and written with the credentials at hand.

    Args:
        address: the mailbox, as it was given.
        environ: the environment, for credentials, proxies and ssh.
        timeout_s: how long all of it may take, in seconds.
        room_id: the room whose branch is meant, which need not exist; None before there is a room.
        observer: is told of each step.
        look_for_public: whether to find out if anybody can read it, which costs up to five seconds more.

    Raises:
        InvalidRemote, InvalidSetting: found without any contact.
        TransportError: what stands against it; a path where nothing is yet is a `RepositoryNotFound`.
    """
    remote, surroundings, clock = leads_to(address, environ), NetworkEnvironment.from_environ(environ), Clock()
    deadline = Deadline(timeout_s, clock.monotonic)
    ref = _ref(room_id or _NO_ROOM)
    with closing(connect(remote, surroundings, observer)) as transport:
        seen = _look(transport, ref, deadline, clock)
        write_s = _try_to_write(transport, ref, deadline, clock)
        login = transport.login
    public = readable_by_anybody(remote, surroundings, deadline) if look_for_public else None
    return Access(transport.remote, login, seen.seconds, write_s, public)


def ping(config: RelayConfig, environ: Mapping[str, str], *, observer: Observer | None = None) -> Ping:
    """Go to a room's branch and back, and check that it could be written.

    Args:
        config: which room.
        environ: as for `check_access`.
        observer: is told of each step.

    Raises:
        InvalidToken, InvalidRemote, InvalidSetting: found without any contact.
        RoomNotFound: the mailbox has no such room.
        TransportError: what stands against it.
    """
    remote, clock = leads_to(config.remote, environ), Clock()
    ref = _ref(RoomKeys.from_token(config.token).room_id)
    deadline = Deadline(config.timeout_s, clock.monotonic)
    with closing(connect(remote, NetworkEnvironment.from_environ(environ), observer)) as transport:
        seen = _look(transport, ref, deadline, clock)
        if seen.tip is None:
            raise RoomNotFound(remote=transport.remote)
        write_s = _try_to_write(transport, ref, deadline, clock)
        return Ping(transport.remote, transport.login, seen.seconds, write_s)


def _ref(room_id: str) -> bytes:
    return branch_ref(room_id).encode("ascii")


def _look(transport: Transport, ref: bytes, deadline: Deadline, clock: Clock) -> _Seen:
    started = clock.monotonic()
    tip = transport.read_ref(ref, deadline)
    return _Seen(tip, clock.monotonic() - started)


def _try_to_write(transport: Transport, ref: bytes, deadline: Deadline, clock: Clock) -> float:
    started = clock.monotonic()
    transport.check_write(ref, deadline)
    return clock.monotonic() - started
