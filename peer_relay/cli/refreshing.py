"""Looking at the mailbox behind the back of an agent that waits for a hook: in a process of its own, one at a time.

1. Whoever begins a look does not wait for it, and the process holds nothing of the agent's open.
2. A look is tried once in so many seconds, also if it fails; the doctor tells why it did.
3. It does what every look does, and delivers what is queued. What is known is replaced only by what was verified.
"""

from __future__ import annotations

import os
import sys
from contextlib import closing
from typing import TYPE_CHECKING

from peer_relay import attempts
from peer_relay.cli.offline import look_at_disk
from peer_relay.cli.unheard import note
from peer_relay.clock import system_ms

if TYPE_CHECKING:
    from peer_relay.cli.offline import Known
    from peer_relay.errors import PeerRelayError


def begin_if_due(known: Known, max_age_s: float, room: str | None) -> None:
    """Begin a look in the background if what is known is too old, and no look was tried for as long.

    Args:
        known: what is known of the room.
        max_age_s: how old it may be, in seconds.
        room: the name of the saved room that was asked for, or None.

    Raises:
        StateUnusable: it cannot be noted that a look was tried.
        OSError: no process can be started.
    """
    tried = attempts.at_refreshing(known.folder)
    if not tried.is_recent(max_age_s, known.standing.contact_ms, system_ms()):
        tried.note()
        start(room)


def start(room: str | None) -> None:
    """Start `refresh` as a process that nobody waits for.

    Without `-P`, Python would look for its modules in the agent's working folder, in which anything may be.

    Raises:
        OSError: it cannot be started.
    """
    from subprocess import DEVNULL, Popen  # noqa: PLC0415 - most hooks start nothing

    command = [
        sys.executable,
        "-P",
        "-m",
        "peer_relay",
        "hook",
        "--refresh",
        *(() if room is None else ("--room", room)),
    ]
    process = Popen(  # noqa: S603 - it is this very program
        command,
        stdin=DEVNULL,
        stdout=DEVNULL,
        stderr=DEVNULL,
        start_new_session=True,
        creationflags=_DETACHED,
    )
    process.returncode = 0  # it is not waited for, and Python need not say so


_DETACHED = 0 if os.name != "nt" else 0x0000_0208  # a process group of its own, without a console


def refresh(room: str | None) -> None:
    """Look at the mailbox once, unless somebody else does so already.

    Args:
        room: the name of the saved room to use, or None to go by the variables.

    Raises:
        PeerRelayError: it is not clear which room, or it cannot be noted how it went.
    """
    known = look_at_disk(lambda _sentence: None, room)
    tried = attempts.at_refreshing(known.folder)
    with tried.made_alone() as alone:
        if not alone:
            return
        try:
            if (problem := _look(known)) is not None:
                note(tried, problem)
        except Exception as error:  # noqa: BLE001 - whatever it is, the doctor tells of it and not the agent
            note(tried, error)


def _look(known: Known) -> PeerRelayError | None:
    """Return why nothing newer is known, or None."""
    from peer_relay.app import open_relay  # noqa: PLC0415 - a hook that only tells something needs neither git nor models
    from peer_relay.settings import surroundings  # noqa: PLC0415 - the same

    with closing(open_relay(known.chosen.config, surroundings())) as relay:
        return relay.refresh()
