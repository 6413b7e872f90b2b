"""What may be printed: nothing of it can act on a terminal (I9)."""

from __future__ import annotations

import sys

from peer_relay.text import refused_in

_INDENT = "    "


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


def on_terminal() -> bool:
    """Say whether a person sits at standard input and can be asked."""
    return sys.stdin.isatty()
