"""What a terminal shows while something takes long, and that it shows nothing of what does not."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

import click
import pytest

from peer_relay.cli import commands
from peer_relay.cli.command import Manners
from peer_relay.cli.output import console
from peer_relay.cli.progress import Watcher, progress_bar, working

if TYPE_CHECKING:
    from collections.abc import Sequence

BOUND_S = 20


class Terminal:
    """Stands in for a stream that is a terminal, and tells when something is written to it."""

    encoding = "utf-8"

    def __init__(self, awaited: Sequence[str] = ("Reading",)) -> None:
        self.sent = ""
        self.awaited = awaited
        self.written = threading.Event()

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.sent += text
        if any(word in text for word in self.awaited):
            self.written.set()
        return len(text)

    def flush(self) -> None:
        pass


def sit_down(monkeypatch: pytest.MonkeyPatch, *, moment_s: float) -> Terminal:
    """Put a terminal in place. The test does so itself: pytest exchanges the streams when it begins a test."""
    terminal = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setattr("peer_relay.cli.progress._MOMENT_S", moment_s)
    return terminal


def test_long_work_is_shown_and_a_fetch_within_it_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = sit_down(monkeypatch, moment_s=0)
    with working("Reading"):
        assert terminal.written.wait(BOUND_S)
        terminal.awaited = ("Fetching",)
        terminal.written.clear()
        watcher = Watcher()
        watcher.began("fetch")
        watcher.received(2_500_000)
        assert terminal.written.wait(BOUND_S)
        watcher.ended("fetch", "2,500,000 bytes", 1.0)
    assert ("Reading..." in terminal.sent, "Fetching: 2.5 MB" in terminal.sent) == (True, True)
    assert terminal.sent.endswith("\x1b[2K")  # nothing of it stays


def test_short_work_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = sit_down(monkeypatch, moment_s=1000)
    with working("Reading"):
        pass
    assert terminal.sent == ""


def test_a_pipe_sees_nothing_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    with working("Reading"):
        pass
    assert capsys.readouterr() == ("", "")


def test_a_bar_shows_how_far_long_work_is(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = sit_down(monkeypatch, moment_s=0)
    with progress_bar("Counting", "things") as show:
        show(0, 40)
        show(20, 40)
    assert ("Counting" in terminal.sent, "20/40" in terminal.sent, "things/s" in terminal.sent) == (True, True, True)


@pytest.mark.parametrize("kind", ["dumb", "unknown"])
def test_a_terminal_that_is_none_gets_plain_text(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    terminal = sit_down(monkeypatch, moment_s=0)
    assert console() is not None
    monkeypatch.setenv("TERM", kind)
    assert console() is None
    with progress_bar("Counting", "things") as show:
        show(1, 2)
    assert terminal.sent == ""


@pytest.mark.parametrize("chosen", [Manners(quiet=True), Manners(as_json=True)])
def test_who_wants_quiet_or_json_gets_no_progress_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, chosen: Manners
) -> None:
    terminal = sit_down(monkeypatch, moment_s=0)
    with click.Context(commands, obj=chosen), progress_bar("Counting", "things") as show:
        show(1, 2)
    assert terminal.sent == ""
