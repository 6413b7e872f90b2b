"""What is printed, and that nothing printed can act on a terminal (I9)."""

from __future__ import annotations

import sys
from typing import IO, Any

import click

from peer_relay.text import refused_in

_INDENT = "    "


class Failure(click.ClickException):
    """The expected end of a command that could not do what it was asked for."""

    exit_code = 1

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the sentence."""
        click.echo(f"error: {printable(self.message)}", file=file, err=file is None)


def printable(text: str) -> str:
    """Return a text in which every character that a record may not hold is replaced by U+FFFD, and CR LF by LF.

    The texts of records were checked when they were read; this holds for whatever else a message quotes, too.
    """
    refused = {position for position, _, _ in refused_in(text)}
    shown = "".join("\ufffd" if position in refused else each for position, each in enumerate(text, 1))
    return shown.replace("\r\n", "\n")


def indented(text: str) -> str:
    """Return a printable text with every line of it moved to the right."""
    return "\n".join(_INDENT + line if line else "" for line in printable(text).split("\n"))


def warn(sentence: str) -> None:
    """Tell the person something that does not stand in the way."""
    click.echo(f"note: {printable(sentence)}", err=True)


def on_terminal() -> bool:
    """Say whether a person sits at standard input and can be asked."""
    return sys.stdin.isatty()
