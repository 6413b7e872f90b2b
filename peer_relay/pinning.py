"""The part of the composition root that pins keys: from which commit on one counts, and what a room shows with it.

1. A key is pinned because a person said so, never because of what is in the mailbox. The mailbox is looked at only to
   find the commit from which on a signature can be asked for.
2. A further key of a peer excuses nothing that the first one does not.
3. While a mark is chosen and saved, no other process of this machine verifies a commit: one after the mark would count
   as verified at once, and be refused by everything that goes by the mark.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

from peer_relay import app
from peer_relay.deadline import Deadline
from peer_relay.delivery import Delivery
from peer_relay.errors import RefusedCommit, SigningFailed
from peer_relay.git.environment import NetworkEnvironment
from peer_relay.git.sshkeygen import Signer
from peer_relay.signing import Pin, Signing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from peer_relay.checkpoint import Checkpoint
    from peer_relay.config import RelayConfig
    from peer_relay.git.observed import Observer
    from peer_relay.sshkeys import PublicKey


def try_key(key_file: str, environ: Mapping[str, str], deadline: Deadline) -> PublicKey:
    """Return the public key of a file, once it is known that it can sign without asking anybody.

    Raises:
        SigningFailed: it cannot.
    """
    return Signer(key_file, NetworkEnvironment.from_environ(environ).environ).try_out(deadline)


def signs_with(signing: Signing, key: PublicKey, environ: Mapping[str, str]) -> bool:
    """Return whether this machine signs with a key; not if the file of its key is lost, because then it cannot sign."""
    if signing.key_file is None:
        return False
    with contextlib.suppress(SigningFailed):
        return Signer(signing.key_file, NetworkEnvironment.from_environ(environ).environ).public_key() == key
    return False


@contextlib.contextmanager
def looking_afresh(
    config: RelayConfig, environ: Mapping[str, str], observer: Observer | None = None
) -> Iterator[Checkpoint]:
    """Look at a room again, also at what was refused before, and let no other process look until the end of the block.

    Raises:
        MailboxError: nothing was verified here before, and the room cannot be entered.
        TransportError, LocalError: the mailbox or this machine's state could not be used.
    """
    parts = app.assemble(config, environ, observer)
    delivery = Delivery(parts.store, parts.state, config.peer_id, parts.clock)
    deadline = Deadline(config.timeout_s, parts.clock.monotonic)
    with contextlib.closing(parts.store), parts.state.locked(deadline):
        yield delivery.look(deadline, afresh=True)


def look_afresh(config: RelayConfig, environ: Mapping[str, str], observer: Observer | None = None) -> Checkpoint:
    """Return what `looking_afresh` finds, and let others look again."""
    with looking_afresh(config, environ, observer) as found:
        return found


@contextlib.contextmanager
def with_key(
    config: RelayConfig, peer: str, key: PublicKey, environ: Mapping[str, str], observer: Observer | None = None
) -> Iterator[Signing]:
    """Yield what is pinned for a room when one more key of a peer is; to be saved before the end of the block.

    If it is the peer's first key, it counts from the first commit on where the peer has signed all that a first look
    shows, and otherwise from the newest commit on that this machine has verified.

    Raises:
        MailboxError, TransportError, LocalError: the room had to be looked at, and could not be.
    """
    signing = config.signing or Signing()
    known = next((pin for pin in signing.pins if pin.peer == peer), None)
    strict = signing.with_pin(Pin(peer, key, known.since if known else None))
    if known is not None or _has_signed_all(replace(config, signing=strict), environ, observer):
        yield strict
        return
    with looking_afresh(config, environ, observer) as found:
        yield signing.with_pin(Pin(peer, key, found.snapshot.tip))


def _has_signed_all(strict: RelayConfig, environ: Mapping[str, str], observer: Observer | None) -> bool:
    try:
        app.inspect_room(strict, environ, observer)
    except RefusedCommit as error:
        if error.advice != RefusedCommit.UNSIGNED:
            raise
        return False
    return True
