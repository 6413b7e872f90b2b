"""The command line: which commands there are, and how each of them ends.

1. Exit status: 0 done, 1 refused or failed, 2 wrong usage, 130 interrupted. An expected error is one line on standard
   error, `error: ` and the sentence, and never a traceback.
2. What was asked for goes to standard output, everything else to standard error.
3. A command's module is imported when the command is run, so that no command pays for the libraries of another.
"""

from __future__ import annotations

import importlib
import io
import sys
from typing import TYPE_CHECKING, Any

import click

from peer_relay import __version__
from peer_relay.cli.terminal import Failure
from peer_relay.errors import PeerRelayError

if TYPE_CHECKING:
    from collections.abc import Iterable

INTERRUPTED = 130

COMMANDS = {
    "init": ("pairing", "Open a room for two and print the invite for the other peer."),
    "join": ("pairing", "Enter the room that an invite leads to."),
    "token": ("pairing", "Print a new room token."),
    "serve": ("serve", "Run the MCP server on standard input and output."),
    "log": ("log", "Show the newest 50 questions and answers."),
    "outbox": ("outbox", "Show what this machine has not delivered yet."),
    "schema": ("schema", "Print the JSON Schema of a stored record."),
    "demo": ("demo", "Let two agents exchange a question and an answer."),
}
"""The commands by name, in the order in which they are listed: the module of each, and its summary."""


class Commands(click.Group):
    """The group of all commands, each found in its own module."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names in the order in which a person meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - the same
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"peer_relay.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - the same
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's signature
        """Run a command and turn its expected ends into an exit status."""
        try:
            return super().invoke(ctx)
        except PeerRelayError as error:
            raise Failure(str(error)) from error
        except (KeyboardInterrupt, click.Abort):
            click.echo(err=True)
            ctx.exit(INTERRUPTED)


@click.command(cls=Commands, epilog="`peer-relay COMMAND --help` says more about one command.")
@click.version_option(__version__, message="%(prog)s %(version)s")
def commands() -> None:
    """Two developers' coding agents ask each other questions through one private git repository.

    \b
    One of the two:   peer-relay init git@github.com:alice/mailbox.git --me alice --peer bob
    The other:        peer-relay join
    Both:             let the agent start `peer-relay serve`, such as by
                      claude mcp add peer-relay -- peer-relay serve
    """  # noqa: D301 - \b is click's mark of a block that is not to be re-wrapped


def main() -> None:
    """Run the program and end the process."""
    _never_fail_to_print((sys.stdout, sys.stderr))
    commands(prog_name="peer-relay")


def _never_fail_to_print(streams: Iterable[object]) -> None:
    """Replace what a stream's encoding cannot show, because a question may hold any character."""
    for stream in streams:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
