"""How results reach a person or a program: data on standard output, everything else on standard error.

1. With `--json` every line on either stream is one JSON object in ASCII: data as the command documents it, `{"note":
   ...}` for a note, `{"log": ...}` for what `--verbose` tells, `{"error": ...}` for the end (see `ending`).
2. A terminal gets colours and panels; a pipe, a terminal that is none (`TERM=dumb`) and `--json` never do. `NO_COLOR`
   takes the colours away and leaves the layout.
3. Whatever is printed here was checked, or goes through `printable` (I9).
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from peer_relay.cli.command import manners
from peer_relay.cli.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

    from rich.console import Console


def emit(data: Mapping[str, Any]) -> None:
    """Print one object as one line of JSON. It is ASCII, so nothing in it can act on a terminal."""
    click.echo(json.dumps(data))


def say(text: str = "") -> None:
    """Print a text of our own, or one that was made printable, to standard output."""
    click.echo(text)


def warn(sentence: str) -> None:
    """Tell the person something that does not stand in the way, unless notes are not wanted."""
    if not manners().quiet:
        aside("note", sentence)


def aside(kind: str, sentence: str) -> None:
    """Print a line to standard error: `kind: sentence`, or the same as JSON."""
    if manners().as_json:
        click.echo(json.dumps({kind: sentence}), err=True)
    else:
        click.echo(f"{kind}: {printable(sentence)}", err=True)


def is_terminal(stream: TextIO) -> bool:
    """Say whether a stream is a terminal that can do more than print."""
    return stream.isatty() and os.environ.get("TERM", "") not in ("dumb", "unknown")


def console() -> Console | None:
    """Return a console for standard output, or None where plain text is wanted.

    Whatever a peer wrote goes into it as `rich.text.Text` of a printable text, never as markup.
    """
    if manners().as_json or not is_terminal(sys.stdout):
        return None
    from rich.console import Console  # noqa: PLC0415 - only a terminal needs it

    return Console(highlight=False, emoji=False, markup=False)
