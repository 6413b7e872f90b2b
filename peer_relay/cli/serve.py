"""`serve`: the MCP server as a command."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from peer_relay.cli.command import command, manners
from peer_relay.server import run
from peer_relay.settings import agent_session

if TYPE_CHECKING:
    from peer_relay.relay import Relay


@command(
    examples=["peer-relay serve", "claude mcp add peer-relay -- peer-relay serve  # lets Claude Code start it"],
    enters_room=True,
)
@click.option("--channel", is_flag=True, help="Push what arrives, to a client with channels (experimental).")
def serve(channel: bool) -> None:  # noqa: FBT001 - click passes flags by name
    """Run the MCP server on standard input and output.

    An agent starts this command by itself; see the configuration of your agent for MCP servers. A setting that is
    missing is reported here and by each tool, and the server stays, so that the agent shows what to do.

    With --channel it also looks at the mailbox by itself, and pushes how many questions and answers have arrived, never
    a word of them, to a client that takes pushes: Claude Code does if it is started for it, which is a research
    preview. A push can be lost without a trace and marks nothing as read. Only clients that begin with `initialize` are
    served then.
    """
    room = manners().room  # asked for here, because the server opens the room in a thread of its own
    run(lambda: _open(room), agent_session(), pushes=channel)


def _open(room: str | None) -> Relay:
    """Open the configured room. Its libraries are loaded here, after the client has its first reply."""
    from peer_relay.cli.connection import open_configured  # noqa: PLC0415 - see above

    return open_configured(room)
