"""`demo`: the main job, done before one's eyes."""

from __future__ import annotations

import click

from peer_relay.cli.command import command
from peer_relay.cli.ending import Failure
from peer_relay.demo import Surprise, run


@command(
    examples=[
        "peer-relay demo  # on this machine alone",
        "peer-relay demo --remote git@github.com:alice/mailbox.git  # on a mailbox of yours",
    ]
)
@click.option("--remote", help="Use this mailbox; by default a new one in a temporary folder, on this machine alone.")
def demo(remote: str | None) -> None:
    """Let two agents exchange a question and an answer.

    Two real `peer-relay serve` processes, alice's and bob's, are driven over stdio by the official MCP client. Ends
    with exit status 1 if the answer that alice reads is not the one that bob gave.
    """
    try:
        run(remote, click.echo)
    except Surprise as surprise:
        raise Failure(str(surprise)) from None
