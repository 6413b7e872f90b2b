"""The composition root: from a few settings to a relay, a new room, or a look at one.

Nothing here reads the environment; the faces hand it in. Nothing is contacted before the first call that needs it, and
no file is read before but git's own configuration.
"""

from __future__ import annotations

import contextlib
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from peer_relay.clock import Clock
from peer_relay.deadline import Deadline
from peer_relay.delivery import Delivery
from peer_relay.errors import InvalidSetting, Moved, OutcomeUnknown, PeerNotInRoom, RoomExists, RoomNotFound
from peer_relay.git.clone import Clone
from peer_relay.git.connect import connect
from peer_relay.git.create import create_repository
from peer_relay.git.environment import NetworkEnvironment
from peer_relay.git.keyring import Keyring
from peer_relay.git.remote import Remote, is_loopback
from peer_relay.git.rewriting import leads_to
from peer_relay.git.store import GitStore
from peer_relay.guard.known import KnownSecret
from peer_relay.ids import check_peer_id
from peer_relay.keys import TOKEN_BYTES, RoomKeys, format_token
from peer_relay.local_state import LocalState
from peer_relay.pacing import HOSTED_PER_MINUTE, PushRate
from peer_relay.records import FORMAT, Room, make
from peer_relay.relay import Relay
from peer_relay.signing import Signing
from peer_relay.standing import folder_of
from peer_relay.times import format_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from peer_relay.config import RelayConfig
    from peer_relay.delivery import OnWait
    from peer_relay.git.observed import Observer
    from peer_relay.git.transport import Transport
    from peer_relay.store import Snapshot

_CREATE_ATTEMPTS = 3


@dataclass(frozen=True)
class Parts:
    """A configuration, checked and taken apart, with what goes with it. Making it contacts and changes nothing.

    Attributes:
        remote: the mailbox's address, where git's configuration leads from the one that was given.
        keys: the room's.
        state: what this machine keeps for the peer of the room.
        transport: the way to the mailbox.
        store: the mailbox.
        clock: this machine's.
        keyring: the keys that are pinned for the room's peers.
    """

    remote: Remote
    keys: RoomKeys
    state: LocalState
    transport: Transport
    store: GitStore
    clock: Clock
    keyring: Keyring


def new_token() -> str:
    """Return a new room token."""
    return format_token(secrets.token_bytes(TOKEN_BYTES))


def open_relay(
    config: RelayConfig,
    environ: Mapping[str, str],
    observer: Observer | None = None,
    on_wait: OnWait | None = None,
    *,
    known_secrets: Callable[[], Iterable[KnownSecret]] = tuple,
    pinned: Callable[[], Signing] | None = None,
) -> Relay:
    """Return a relay for a room. Contacts and changes nothing.

    Args:
        config: which room, and who.
        environ: the environment, for credentials, proxies and ssh.
        observer: told of every operation on the mailbox.
        on_wait: as for `Relay`.
        known_secrets: as for `Relay`, beside the token and the password of this configuration.
        pinned: reads which keys of the room are pinned, for each operation; None to go by those of the configuration.

    Raises:
        InvalidToken, InvalidRemote, InvalidSetting: found without any contact.
    """
    parts = assemble(config, environ, observer, pinned)
    rate = _push_rate(parts.remote, config.pushes_per_minute)
    return Relay(
        me=config.peer_id,
        room_id=parts.keys.room_id,
        store=parts.store,
        state=parts.state,
        delivery=Delivery(parts.store, parts.state, config.peer_id, parts.clock, rate),
        clock=parts.clock,
        timeout_s=config.timeout_s,
        near=parts.remote.kind == "local",
        on_wait=on_wait,
        known_secrets=lambda: (*_secrets_of(config, parts), *known_secrets()),
    )


def create_room(config: RelayConfig, other: str, environ: Mapping[str, str], observer: Observer | None = None) -> Room:
    """Create a room, or confirm that the very same room is there already.

    A local repository that is missing is created. Only this function ever creates a branch, and it never queues.

    Args:
        config: which room, and who opens it.
        other: the id of the peer to be invited.
        environ: as for `open_relay`.
        observer: as for `open_relay`.

    Returns:
        The room's record as it is in the mailbox.

    Raises:
        RoomExists: the token's room pairs others.
        InvalidSetting, InvalidToken, InvalidRemote, TransportError, MailboxError: the room was not created.
    """
    check_peer_id(other)
    if other == config.peer_id:
        advice = "Choose two different names for --me and --peer."
        raise InvalidSetting(name="The other peer's id", reason="must differ from your own", advice=advice)
    parts = assemble(config, environ, observer)
    if parts.remote.kind == "local":
        create_repository(parts.remote.path)
    created_at = format_ms(parts.clock.now_ms())
    peers = (config.peer_id, other)
    wanted = make(Room, format=FORMAT, room=parts.keys.room_id, peers=peers, created_at=created_at)
    room = _find_or_create(parts, wanted, Deadline(config.timeout_s, parts.clock.monotonic))
    if set(room.peers) != set(peers):
        raise RoomExists(peers=room.peers)
    return room


def inspect_room(config: RelayConfig, environ: Mapping[str, str], observer: Observer | None = None) -> Room:
    """Look at a room, verify it, and check that the peer is one of its two.

    Raises:
        PeerNotInRoom: it is not.
        RoomNotFound: the mailbox has no such room.
        InvalidSetting, InvalidToken, InvalidRemote, TransportError, MailboxError: the room could not be verified.
    """
    parts = assemble(config, environ, observer)
    deadline = Deadline(config.timeout_s, parts.clock.monotonic)
    with contextlib.closing(parts.store), parts.state.locked(deadline):
        room = _look(parts, deadline).ledger.room
    if config.peer_id not in room.peers:
        raise PeerNotInRoom(peer_id=config.peer_id, peers=room.peers)
    return room


def _secrets_of(config: RelayConfig, parts: Parts) -> tuple[KnownSecret, ...]:
    return (
        KnownSecret("the token of this room", config.token, is_own=True),
        KnownSecret("the password of the mailbox's address", parts.remote.password or "", is_own=True),
    )


def _push_rate(remote: Remote, per_minute: int | None) -> PushRate | None:
    """Return how often to push. A path and a server on this machine are nobody else's, so they take what comes."""
    if remote.kind == "local":
        return None
    if per_minute is None:
        per_minute = 0 if is_loopback(remote.host) else HOSTED_PER_MINUTE
    return PushRate.of(per_minute) if per_minute else None


def assemble(
    config: RelayConfig,
    environ: Mapping[str, str],
    observer: Observer | None = None,
    pinned: Callable[[], Signing] | None = None,
) -> Parts:
    """Check a configuration and put together what goes with it.

    Args:
        config: which room, and who.
        environ: as for `open_relay`.
        observer: as for `open_relay`.
        pinned: as for `open_relay`.

    Raises:
        InvalidToken, InvalidRemote, InvalidSetting: found without any contact.
    """
    check_peer_id(config.peer_id)
    keys = RoomKeys.from_token(config.token)
    remote = leads_to(config.remote, environ)
    state = LocalState(folder_of(config.home, keys.room_id, config.peer_id))
    surroundings = NetworkEnvironment.from_environ(environ)
    transport = connect(remote, surroundings, observer)
    keyring = Keyring(keys, pinned or (lambda: config.signing or Signing()), surroundings.environ)
    store = GitStore(transport, Clone(state.clone_folder, transport.remote), keyring)
    return Parts(remote, keys, state, transport, store, Clock(), keyring)


def _find_or_create(parts: Parts, wanted: Room, deadline: Deadline) -> Room:
    """Return the room that is there, or create it. Of two that create at once, both end with the first one's."""
    with contextlib.closing(parts.store), parts.state.locked(deadline):
        for _ in range(_CREATE_ATTEMPTS - 1):
            with contextlib.suppress(Moved, OutcomeUnknown):
                return _find_or_create_once(parts, wanted, deadline)
        return _find_or_create_once(parts, wanted, deadline)


def _find_or_create_once(parts: Parts, wanted: Room, deadline: Deadline) -> Room:
    with contextlib.suppress(RoomNotFound):
        return _look(parts, deadline).ledger.room
    return parts.store.create(wanted, deadline).ledger.room


def _look(parts: Parts, deadline: Deadline) -> Snapshot:
    return parts.store.refresh(None, None, deadline).snapshot
