"""Asking a person: on standard error, only where one sits, and again until the answer will do.

1. Nobody is asked unless standard input and standard error both are terminals, and not with `--json`, which is for
   programs. A terminal that can only print (`TERM=dumb`) is good enough.
2. Ctrl-C and the end of input end the command with status 130.
3. What is pasted at a hidden prompt is read to its end, so that no rest of it gets to the shell.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import sys
from textwrap import TextWrapper
from typing import TYPE_CHECKING, TypeVar

import click

from peer_relay.cli.command import manners
from peer_relay.cli.ending import Failure
from peer_relay.cli.output import is_terminal
from peer_relay.cli.terminal import on_terminal, printable
from peer_relay.errors import PeerRelayError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TextIO

    Answer = TypeVar("Answer")

_MAX_PASTE_BYTES = 64 * 1024
# A terminal hands a paste on faster than anybody types.
_PASTE_PAUSE_S = 0.1


def can_ask() -> bool:
    """Say whether a person sits there and can be asked."""
    return on_terminal() and sys.stderr is not None and sys.stderr.isatty() and not manners().as_json


def ask(question: str, check: Callable[[str], Answer]) -> Answer:
    """Ask until the answer will do.

    Args:
        question: what is asked.
        check: makes of the answer what is wanted, or raises a sentence that says why it will not do.
    """
    while True:
        answer = click.prompt(question, type=str, err=True).strip()
        try:
            return check(answer)
        except (PeerRelayError, Failure) as problem:
            complain(problem)


def agree(question: str, *, default: bool) -> bool:
    """Ask for a yes or a no."""
    return click.confirm(question, default=default, err=True)


def complain(problem: Exception) -> None:
    """Say why an answer will not do."""
    remark(f"error: {problem}")


def remark(text: str) -> None:
    """Tell somebody who is being asked something."""
    click.echo(folded(printable(text), sys.stderr), err=True)


def folded(text: str, stream: TextIO) -> str:
    """Return a text for a person, broken between words where a terminal would break it anywhere.

    Lines that begin with a space are there to be copied, and stay as they are.
    """
    if not is_terminal(stream):
        return text
    fill = TextWrapper(shutil.get_terminal_size().columns, break_long_words=False, break_on_hyphens=False).fill
    return "\n".join(line if line[:1].isspace() else fill(line) for line in text.split("\n"))


def read_hidden(prompt: str, goes_on: Callable[[str], bool], more: str) -> str:
    """Read a paste without showing it. It may come in several lines.

    Args:
        prompt: what is asked.
        goes_on: says of what was read that its rest is missing, so that it is waited for up to an empty line.
        more: said while the rest is waited for.
    """
    if sys.platform == "win32":
        return str(click.prompt(prompt, hide_input=True, err=True))
    with _without_echo():
        click.echo(f"{prompt}: ", nl=False, err=True)
        return _read_paste(goes_on, more)


def _read_paste(goes_on: Callable[[str], bool], more: str) -> str:
    read, told = b"", False
    while len(read) <= _MAX_PASTE_BYTES:
        line = _next_line()
        read += line
        if not line.strip():
            break
        if _more_comes():
            continue
        if not goes_on(read.decode(errors="replace")):
            break
        if not told:
            click.echo(f"\n{more}: ", nl=False, err=True)
        told = True
    return read.decode(errors="replace")


def _next_line() -> bytes:
    line = os.read(sys.stdin.fileno(), _MAX_PASTE_BYTES)
    if not line:
        raise click.Abort
    return line


def _more_comes() -> bool:
    return bool(select.select([sys.stdin.fileno()], [], [], _PASTE_PAUSE_S)[0])


if sys.platform != "win32":
    import termios

    @contextlib.contextmanager
    def _without_echo() -> Iterator[None]:
        """Keep a terminal from showing what is typed, and take away what was typed and not read."""
        stream = sys.stdin.fileno()
        before = termios.tcgetattr(stream)
        silent = [*before]
        silent[3] &= ~termios.ECHO
        termios.tcsetattr(stream, termios.TCSADRAIN, silent)
        try:
            yield
        finally:
            termios.tcsetattr(stream, termios.TCSAFLUSH, before)
            click.echo(err=True)
