"""Whether the room is there, is the one that is meant, and is still the one that this machine knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peer_relay.amounts import counted
from peer_relay.doctor.findings import failed_by, info, ok
from peer_relay.errors import MailboxError, PeerNotInRoom, RoomNotFound

if TYPE_CHECKING:
    from collections.abc import Callable

    from peer_relay.doctor.findings import Finding
    from peer_relay.signing import Signing
    from peer_relay.store import Refreshed

_ENTER = "peer-relay join"


def check_room(look: Callable[[], Refreshed], me: str, signing: Signing | None = None) -> Finding:
    """Check that the room is found and that this peer is one of its two.

    Args:
        look: looks at the room.
        me: this peer's id.
        signing: the keys that are pinned.

    Raises:
        TransportError: the mailbox was not reached.
    """
    try:
        room = look().snapshot.ledger.room
    except RoomNotFound as error:
        return failed_by(error, fix=_ENTER)
    except MailboxError as error:
        return failed_by(error)
    if me not in room.peers:
        return failed_by(PeerNotInRoom(peer_id=me, peers=room.peers), fix=_ENTER)
    return ok(f"{' and '.join(room.peers)}, you are {me}; format {room.format}, {_signed(signing)}.")


def _signed(signing: Signing | None) -> str:
    return f"signed by {' and '.join(signing.peers)}" if signing and signing.pins else "not signed"


def check_history(found: Refreshed, known: str | None) -> Finding:
    """Check that the branch still is what this machine verified, and what follows is exact.

    Args:
        found: what a look at the room found.
        known: the newest commit that was verified before, or None.
    """
    if found.refusal is not None:
        return failed_by(found.refusal.error)
    if known is None:
        return info("Exact at its tip. There is nothing yet that it could be compared with.")
    new = f"{counted(len(found.arrivals), 'record')} to be fetched" if found.arrivals else "nothing is new"
    return ok(f"Nothing was rewritten; {new}.")
