"""What a relay has to be told before it can begin."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from peer_relay.signing import Signing


@dataclass(frozen=True)
class RelayConfig:
    """What a relay needs to know.

    Attributes:
        remote: the mailbox, as it was given; may hold a password.
        token: the room token.
        peer_id: this side's id.
        home: the state folder.
        timeout_s: how long one call may take, in seconds.
        pushes_per_minute: how often this machine may push; 0 for no limit, None for what the kind of remote demands.
        signing: the keys that are pinned for the room's peers, and with which one this machine signs; None for none.
    """

    remote: str = field(repr=False)
    token: str = field(repr=False)
    peer_id: str
    home: Path
    timeout_s: float = 20.0
    pushes_per_minute: int | None = None
    signing: Signing | None = field(default=None, repr=False)
