"""Whether this machine can sign what it writes, where it is meant to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peer_relay.doctor.findings import failed_by, ok
from peer_relay.errors import SigningFailed

if TYPE_CHECKING:
    from peer_relay.deadline import Deadline
    from peer_relay.doctor.findings import Finding
    from peer_relay.git.keyring import Keyring

_TRIAL = b"peer-relay doctor"


def check_signing(keyring: Keyring, me: str, deadline: Deadline) -> Finding:
    """Check it by signing something that nobody sees.

    Args:
        keyring: the keys of the room.
        me: this peer's id.
        deadline: by when to be done.

    Raises:
        StateUnusable: what is pinned cannot be read.
    """
    signing = keyring.pinned()
    try:
        sign = keyring.signs(me, signing, deadline)
        if sign is None:
            return ok("This machine does not sign what it writes, and need not.")
        sign(_TRIAL)
    except SigningFailed as error:
        return failed_by(error)
    return ok(f"What is written here is signed with {signing.key_file}.")
