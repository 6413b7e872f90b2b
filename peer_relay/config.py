"""What a relay has to be told before it can begin."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


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
    """

    remote: str = field(repr=False)
    token: str = field(repr=False)
    peer_id: str
    home: Path
    timeout_s: float = 20.0
    pushes_per_minute: int | None = None
