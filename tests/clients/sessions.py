"""Sessions of Claude Code, with a scripted model behind them: one prompt, or somebody at a terminal."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import struct
import subprocess
import termios
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.clients.model import playing
from tests.clients.programs import end_group, surroundings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tests.clients.model import Model, Step
    from tests.clients.people import Person
    from tests.clients.programs import Program

PROMPT = "\N{HEAVY RIGHT-POINTING ANGLE QUOTATION MARK ORNAMENT}"
"""What Claude Code shows where somebody may type."""


def session(claude: Program, person: Person, *script: Step, options: Sequence[str | object], prompt: str) -> Model:
    """Let a person type one prompt into a new session, and return what the model behind it was sent.

    Args:
        claude: the program.
        person: who.
        script: what the model does.
        options: for the command line.
        prompt: what is typed.
    """
    with playing(*script) as model:
        done = claude("-p", prompt, *map(str, options), home=person.home, variables=_variables(person, model.url))
    assert (done.code, model.refused) == (0, []), done
    return model


def _variables(person: Person, url: str) -> dict[str, str]:
    return {
        **person.variables,
        "ANTHROPIC_API_KEY": "dummy",
        "ANTHROPIC_BASE_URL": url,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }


class Terminal:
    """A terminal with a program on it.

    Args:
        handle: the side of a person.
    """

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._screen = b""

    def type(self, text: str) -> None:
        """Type something."""
        os.write(self._handle, text.encode())

    def wait_for(self, happened: Callable[[str], bool], limit_s: float = 45) -> None:
        """Read what is shown until something has happened."""
        end = time.monotonic() + limit_s
        while not happened(screen := self._screen.decode(errors="replace")):
            assert time.monotonic() < end, screen[-2000:]
            if select.select([self._handle], [], [], 0.05)[0]:
                self._screen += os.read(self._handle, 65536)


@contextmanager
def on_terminal(claude: Program, person: Person, url: str, *options: str | Path) -> Iterator[Terminal]:
    """Let a person start Claude Code on a terminal, who has answered its first questions before."""
    folder = person.home / "project"
    folder.mkdir()
    trusted = {str(folder.resolve()): {"hasTrustDialogAccepted": True, "hasCompletedProjectOnboarding": True}}
    approved = {"approved": ["dummy"], "rejected": []}
    answered = {"hasCompletedOnboarding": True, "theme": "dark", "customApiKeyResponses": approved, "projects": trusted}
    person.home.joinpath(".claude.json").write_text(json.dumps(answered))
    variables = {**_variables(person, url), "TERM": "xterm-256color"}
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    process = subprocess.Popen(
        [*claude.command, *options],
        env=surroundings(person.home, variables),
        cwd=folder,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    with process:
        try:
            yield Terminal(ours)
        finally:
            end_group(process)
            os.close(ours)
