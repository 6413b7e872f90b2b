"""What a person sees of long work: a line for each git operation, and a bar or a spinner on a terminal.

1. All of it goes to standard error. In a pipe, with `--json` and with `--quiet` there is no bar and no spinner.
2. What takes less than a moment shows nothing.
"""

from __future__ import annotations

import contextlib
import functools
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from peer_relay.cli.command import manners
from peer_relay.cli.moments import milliseconds
from peer_relay.cli.output import aside, is_terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console

_MOMENT_S = 0.4


def shows_progress() -> bool:
    """Say whether bars and spinners are wanted and can be seen."""
    chosen = manners()
    return is_terminal(sys.stderr) and not (chosen.quiet or chosen.as_json)


@contextlib.contextmanager
def progress_bar(what: str, unit: str) -> Iterator[Callable[[int, int], None]]:
    """Show how far long work is, with its rate and the time left.

    Args:
        what: what is being done, such as `Verifying`.
        unit: what is counted, in the plural, such as `commits`.

    Yields:
        A function to call with how much is done and how much there is.
    """
    if not shows_progress():
        yield lambda _done, _total: None
        return
    from rich.console import Console  # noqa: PLC0415 - only a terminal needs it
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    rate = TextColumn(f"{{task.fields[rate]}} {unit}/s")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), rate, TimeRemainingColumn())
    begun = time.monotonic()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None, rate="")

        def show(done: int, total: int) -> None:
            rate = f"{done / max(time.monotonic() - begun, 0.001):,.0f}"
            bar.update(task, completed=done, total=total, rate=rate)

        yield show


@contextlib.contextmanager
def working(what: str) -> Iterator[None]:
    """Show that something is being done, once it takes longer than a moment.

    Args:
        what: what is being done, such as `Reading`.
    """
    if not shows_progress():
        yield
        return
    spinner = _screen().status(f"{what}...")
    begin = threading.Timer(_MOMENT_S, spinner.start)
    begin.start()
    try:
        yield
    finally:
        begin.cancel()
        begin.join()
        spinner.stop()


@functools.cache
def _screen() -> Console:
    """Return the one console of what moves: spinners that share it stand below one another."""
    from rich.console import Console  # noqa: PLC0415 - only a terminal needs it

    return Console(stderr=True, highlight=False, markup=False)


class Watcher:
    """Follows the git operations: tells each of them if `--verbose` wants it, and shows a spinner while one fetches.

    It keeps what it was made with, because a relay may be used outside of the command's own thread.
    """

    def __init__(self) -> None:
        self._verbose = manners().verbose
        self._spins = shows_progress()
        self._begun_s = 0.0
        self._spinner: Any = None

    def began(self, act: str) -> None:
        """Take note that an operation begins."""
        del act
        self._begun_s = time.monotonic()

    def received(self, total_bytes: int) -> None:
        """Show how much of a pack has come, once it takes longer than a moment."""
        if not self._spins or time.monotonic() - self._begun_s < _MOMENT_S:
            return
        text = f"Fetching: {total_bytes / 1_000_000:.1f} MB"
        if self._spinner is None:
            self._spinner = _screen().status(text)
            self._spinner.start()
        self._spinner.update(text)

    def ended(self, act: str, outcome: str, seconds: float) -> None:
        """Tell what became of an operation."""
        if self._spinner is not None:
            self._spinner.stop()
            self._spinner = None
        if self._verbose:
            aside("log", f"{act}: {outcome} ({milliseconds(seconds)})")
