"""`serve`: the MCP server as a command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peer_relay.cli.command import command, manners
from peer_relay.server import run

if TYPE_CHECKING:
    from peer_relay.relay import Relay


@command(
    examples=["peer-relay serve", "claude mcp add peer-relay -- peer-relay serve  # lets Claude Code start it"],
    enters_room=True,
)
def serve() -> None:
    """Run the MCP server on standard input and output.

    An agent starts this command by itself; see the configuration of your agent for MCP servers. A setting that is
    missing is reported here and by each tool, and the server stays, so that the agent shows what to do.
    """
    room = manners().room  # asked for here, because the server opens the room in a thread of its own
    run(lambda: _open(room))


def _open(room: str | None) -> Relay:
    """Open the configured room. Its libraries are loaded here, after the client has its first reply."""
    from peer_relay.cli.connection import open_configured  # noqa: PLC0415 - see above

    return open_configured(room)
