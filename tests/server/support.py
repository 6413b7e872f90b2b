"""A server in the test's own process, on a fake relay."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from mcp import Client

from peer_relay.server.calls import Calls
from peer_relay.server.mailbox import Mailbox
from peer_relay.server.process import make_server
from peer_relay.server.prompting import Prompting
from peer_relay.server.receipts import Receipts
from tests.server.fake_relay import FakeRelay, Script

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


CRASHED = (
    "check_questions failed for a reason inside peer-relay, which its standard error names. Tell your developer before "
    "you repeat it."
)


def mailbox_of(folder: Path, script: Script) -> Mailbox:
    return Mailbox(lambda: FakeRelay.open(folder, script))  # type: ignore[arg-type, return-value]


@contextlib.asynccontextmanager
async def connected(
    folder: Path, mode: Any = "auto", relay: Any = None, session: str = "", **script: Any
) -> AsyncIterator[Client]:
    """Connect the official client with a server; what the server counts as queued is in the folder's `log`."""
    mailbox = Mailbox(lambda: relay) if relay is not None else mailbox_of(folder, Script(**script))

    def note_queued() -> None:
        with (folder / "log").open("a", encoding="utf-8") as file:
            file.write("on_queued\n")

    calls = Calls(mailbox, Receipts(), note_queued, session=session)
    server = make_server(calls, Prompting(mailbox))
    async with Client(server, mode=mode) as client:
        yield client
