"""The command line: which commands there are, and how the program begins and ends.

1. What was asked for goes to standard output, everything else to standard error. How a command ends is in `ending`.
2. A command's module is imported when the command is run, so that no command pays for the libraries of another.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from peer_relay import __version__
from peer_relay.cli.command import GLOBAL_OPTIONS
from peer_relay.cli.ending import Exit, Failure, ended, point_at_nothing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

COMMANDS = {
    "init": ("opening", "Open a room for two and print the invite for the other peer."),
    "join": ("joining", "Enter the room that an invite leads to."),
    "invite": ("rooms", "Print the invite of a room again."),
    "rooms": ("rooms", "List the rooms that are saved on this machine."),
    "leave": ("rooms", "Take a saved room off this machine."),
    "keys": ("keyring", "Show the keys with which the two peers of the room sign."),
    "allowed-signers": ("keyring", "Print the pinned keys, for git."),
    "token": ("pairing", "Print a new room token."),
    "config": ("config", "Show what an agent's file needs: the server, or the hooks."),
    "ping": ("ping", "Go to the room and back, and check that it can be written."),
    "serve": ("serve", "Run the MCP server on standard input and output."),
    "ask": ("asking", "Ask the other peer a question."),
    "questions": ("reading", "Show the questions that wait for an answer from here."),
    "answer": ("asking", "Answer a question of the other peer."),
    "answers": ("reading", "Show the answers to your questions that were not read yet."),
    "wait": ("waiting", "Wait until a question or an unread answer is there."),
    "watch": ("watch", "Print a line when a question or an answer arrives."),
    "hook": ("hook", "Tell an agent's hook what is new, and nothing otherwise."),
    "status": ("status", "Show how things stand in the room."),
    "log": ("log", "Show the newest 50 questions and answers."),
    "show": ("reading", "Show one question and its answer in full."),
    "verify": ("verify", "Prove that the whole history of the room is exact."),
    "restore": ("restore", "Put the room's branch back to what this machine verified."),
    "doctor": ("doctor", "Check all that peer-relay stands on, and say what to do."),
    "outbox": ("outbox", "Show what this machine has not delivered yet."),
    "schema": ("schema", "Print the JSON Schema of a stored record."),
    "completion": ("completion", "Print what makes a shell complete commands, options and ids."),
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
        with _uncollected():
            module = importlib.import_module(f"peer_relay.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - the same
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,  # noqa: ANN401 - the same
    ) -> click.Context:
        """Note how errors are to be told, even one about the options themselves, and read the options."""
        given = tuple(args)
        with _ended(given):
            context = super().make_context(info_name, args, parent, **extra)
        context.meta[_GIVEN] = given
        return context

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's signature
        """Run a command and turn whatever becomes of it into an exit status."""
        with _ended(ctx.meta[_GIVEN]):
            return super().invoke(ctx)


_GIVEN = "peer_relay.given"


def _ended(given: Sequence[str]) -> AbstractContextManager[None]:
    """Return what turns every way in which a command can fail into its end.

    Only that of what agents' hooks call is another one, also where an option that is not known stands before its name.
    """
    named = next((each for each in given if each in COMMANDS), None)
    is_called_by_hook = named == "hook" or (named == "wait" and "--rewake" in given)
    if named is not None and is_called_by_hook and given[0].startswith((named, "-")):
        from peer_relay.cli.unheard import unheard  # noqa: PLC0415 - no other command ends so

        return unheard()
    return ended(as_json="--json" in given)


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Keep the interpreter from looking for garbage while it imports.

    In the program, which `peer_relay.__main__` began without looking for any, it does not look later among what was
    imported either. Elsewhere there may be garbage by now, so there it does.
    """
    is_program = not gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if is_program:
            gc.freeze()
        gc.enable()


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


commands.params += GLOBAL_OPTIONS


def main() -> None:
    """Run the program and end the process."""
    _open_what_is_closed()
    _never_fail_to_print((sys.stdout, sys.stderr))
    try:
        commands(prog_name="peer-relay")
    except KeyboardInterrupt:  # before the first command was begun, or after the last had ended
        sys.exit(Exit.INTERRUPTED)
    finally:
        _flush()
        gc.freeze()  # the interpreter would look through all that is there once more before it ends


def _open_what_is_closed() -> None:
    """Give a program that was started without an output, as by `>&-`, one that leads nowhere."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - for the whole process


def _flush() -> None:
    """Write out what was printed, while an error about it can still be told; one that was told already is enough."""
    ended_well = not isinstance(end := sys.exc_info()[1], SystemExit) or end.code in (None, Exit.DONE)
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        point_at_nothing()
    except OSError as error:
        point_at_nothing()
        if ended_well:
            failure = Failure(f"The output could not be written: {error.strerror}.", kind="OutputLost")
            failure.as_json = "--json" in sys.argv
            failure.show()
            sys.exit(Exit.FAILED)


def _never_fail_to_print(streams: Iterable[object]) -> None:
    """Replace what a stream's encoding cannot show, because a question may hold any character."""
    for stream in streams:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
