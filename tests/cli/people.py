"""Two people with a home of their own, for the tests of pairing and of what comes after it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Self

from tests.cli.support import run

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


class Person:
    """Somebody with a home of their own; entering it makes the commands theirs."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home = home
        self._monkeypatch = monkeypatch
        self._before = ""

    def __enter__(self) -> Self:
        self._before = os.environ.get("PEER_RELAY_HOME", "")
        self._monkeypatch.setenv("PEER_RELAY_HOME", str(self.home))
        return self

    def __exit__(self, *_: object) -> None:
        self._monkeypatch.setenv("PEER_RELAY_HOME", self._before)

    @property
    def saved(self) -> list[Path]:
        return sorted((self.home / "saved-rooms").glob("*.json"))

    @property
    def states(self) -> list[Path]:
        """The folders of what is kept for a peer of a room."""
        return sorted(self.home.glob("rooms/*/*"))


def invite_in(printed: str) -> str:
    (line,) = [line for line in printed.splitlines() if line.startswith("pr1-")]
    return line


def init(mailbox: Path | str, *more: str, me: str = "alice", peer: str = "bob") -> str:
    """Open a room and return its invite."""
    shown = run("init", str(mailbox), "--me", me, "--peer", peer, *more)
    assert (shown.stderr, shown.exit_code) == ("", 0), shown.output
    return invite_in(shown.stdout)
