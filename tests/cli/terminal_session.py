"""A person at a real terminal: runs the program on a pseudo-terminal, and types when it asks."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_LIMIT_S, _PATIENCE_S = 40, 1.5
CTRL_C, CTRL_D, ENTER = b"\x03", b"\x04", b"\n"


@dataclass(frozen=True)
class Session:
    """What a terminal showed and how the program ended.

    Attributes:
        raw: everything, as the terminal got it.
        status: the program's exit status.
        output: what went to standard output, if that was not the terminal.
    """

    raw: str
    status: int
    output: str

    @property
    def text(self) -> str:
        """What was shown, with every white space as one space."""
        return re.sub(r"\s+", " ", self.raw)


def at_terminal(
    arguments: Sequence[str],
    typed: Sequence[tuple[str, bytes]],
    environment: Mapping[str, str] | None = None,
    *,
    keep_output: bool = False,
) -> Session:
    """Run the program on a terminal.

    Args:
        arguments: those of the program.
        typed: in this order, what the terminal shows, and what is typed then.
        environment: variables to set.
        keep_output: let standard output be a pipe instead of the terminal.
    """
    leader, follower = pty.openpty()
    # Who begins a session and opens a terminal has it as its own, so that Ctrl-C there is a signal.
    process = subprocess.Popen(
        ["sh", "-c", 'exec "$@" <>"$0"', os.ttyname(follower), sys.executable, "-m", "peer_relay", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if keep_output else follower,
        stderr=follower,
        env=os.environ | {"TERM": "xterm", **(environment or {})},
        start_new_session=True,
    )
    os.close(follower)
    shown, seen, left, last = b"", 0, list(typed), b""
    for piece in _pieces(leader):
        if not piece and last in (CTRL_C, CTRL_D):
            os.write(leader, last)  # it came while the program was not yet reading; a person presses it again, too
        shown += piece
        while left and (at := shown.find(left[0][0].encode(), seen)) >= 0:
            seen = at + len(left[0][0])
            last = left.pop(0)[1]
            os.write(leader, last)
    os.close(leader)
    output, _ = process.communicate(timeout=20)
    assert [prompt for prompt, _ in left] == [], shown
    return Session(shown.decode(), process.returncode, (output or b"").decode())


def _pieces(leader: int) -> Iterator[bytes]:
    """Yield what a terminal shows, and nothing where it shows nothing for a while, until the last process left it."""
    end = time.monotonic() + _LIMIT_S
    while time.monotonic() < end:
        if not select.select([leader], [], [], _PATIENCE_S)[0]:
            yield b""
            continue
        try:
            piece = os.read(leader, 4096)
        except OSError:
            return  # Linux says so when the other side is closed
        if not piece:
            return
        yield piece
