"""What all commands have in common: their options, the examples in their help, and how a person wants to be told.

1. `--quiet` and `--verbose` are on every command, `--json` on each that prints data, `--room` on each that enters a
   room. They mean the same everywhere; what was chosen is `manners()`.
2. The help of every command ends with examples that can be typed as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Function = TypeVar("Function", bound=Callable[..., Any])


_LONGEST_ALIGNED = 50
"""How long an example may be for the others to make room for it, in characters."""


@dataclass
class Manners:
    """How the person wants to be told.

    Attributes:
        as_json: data, notes and errors as JSON.
        quiet: neither notes nor progress.
        verbose: a line on standard error for every operation on the mailbox.
        room: the name of the saved room that was asked for, or None.
    """

    as_json: bool = False
    quiet: bool = False
    verbose: bool = False
    room: str | None = None


def manners() -> Manners:
    """Return how the person wants to be told; outside of a command, as the server is, plainly."""
    context = click.get_current_context(silent=True)
    return Manners() if context is None else context.find_root().ensure_object(Manners)


def command(
    name: str | None = None, *, examples: Sequence[str], prints_data: bool = False, enters_room: bool = False
) -> Callable[[Callable[..., Any]], Command]:
    """Make a function a command.

    Args:
        name: the command's name, by default the function's.
        examples: lines for the help, each a command line, with two spaces and `# what it does` behind it if need be.
        prints_data: whether it has `--json`.
        enters_room: whether it has `--room`.
    """

    def decorate(function: Callable[..., Any]) -> Command:
        made = click.command(name, cls=Command)(function)
        made.examples = tuple(examples)
        made.params += [*(_JSON,) * prints_data, *(_ROOM,) * enters_room, _QUIET, _VERBOSE]
        return made

    return decorate


class Command(click.Command):
    """A command whose help ends with examples."""

    examples: tuple[str, ...] = ()

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Print the examples."""
        super().format_epilog(ctx, formatter)
        explained = [len(line) for line, mark, _ in (each.partition("  # ") for each in self.examples) if mark]
        width = max((length for length in explained if length <= _LONGEST_ALIGNED), default=0)
        with formatter.section("Examples"):
            for each in self.examples:
                line, mark, meaning = each.partition("  # ")
                formatter.write(f"{'':{formatter.current_indent}}{line:{width if mark else 0}}{mark}{meaning}\n")


def _remember(context: click.Context, parameter: click.Parameter, value: Any) -> None:  # noqa: ANN401 - of any option
    """Keep what was asked for; an option that was not given changes nothing that stood before the command's name."""
    if value:
        setattr(context.find_root().ensure_object(Manners), str(parameter.name), value)


def _complete_room(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    from peer_relay.settings import read_settings  # noqa: PLC0415 - only completion needs it here

    return [name for name in read_settings().rooms.names() if name.startswith(begun)]


def _flag(*names: str, text: str) -> click.Option:
    return click.Option([*names], is_flag=True, expose_value=False, callback=_remember, help=text)


_JSON = _flag("--json", "as_json", text="Print data, notes and errors as JSON.")
_ROOM = click.Option(
    ["--room"],
    metavar="NAME",
    expose_value=False,
    callback=_remember,
    shell_complete=_complete_room,
    help="The saved room to use, whatever the variables say.",
)
_QUIET = _flag("-q", "--quiet", text="Print no notes and no progress.")
_VERBOSE = _flag("-v", "--verbose", text="Print what is done with the mailbox, on standard error.")
GLOBAL_OPTIONS = (_QUIET, _VERBOSE)
"""The options that may also stand before a command's name."""
