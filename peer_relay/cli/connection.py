"""The relay of the configured room, for the commands that need one."""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING

from peer_relay import app
from peer_relay.cli.command import manners
from peer_relay.cli.output import warn
from peer_relay.cli.progress import Watcher
from peer_relay.own_secrets import known_secrets
from peer_relay.pinned import pinned
from peer_relay.settings import load_config, surroundings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from peer_relay.delivery import OnWait
    from peer_relay.errors import HeldBack
    from peer_relay.relay import Relay


def open_configured(room: str | None = None, on_wait: OnWait | None = None) -> Relay:
    """Return the relay of the room that `--room`, the variables and the saved rooms name.

    Args:
        room: the name of the saved room, where the command's own `--room` cannot be seen.
        on_wait: as for `Relay`.

    Raises:
        PeerRelayError: it is not clear which room, or a setting is wrong.
    """
    config = load_config(warn, room or manners().room)
    return app.open_relay(
        config, surroundings(), Watcher(), on_wait, known_secrets=known_secrets, pinned=pinned(config)
    )


@contextlib.contextmanager
def connected() -> Iterator[Relay]:
    """Give that relay and close it afterwards. No server may be there to send later, so a record waits for its turn."""
    with contextlib.closing(open_configured(on_wait=_tell_of_waiting)) as relay:
        yield relay


def _tell_of_waiting(reason: HeldBack) -> None:
    warn(f"{reason.what} Waiting {math.ceil(reason.wait_s)} s for its turn; Ctrl-C leaves it queued.")
