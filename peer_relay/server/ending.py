"""How the process ends: at once, whatever its threads are doing.

1. A signal, like the end of input, leads to exit status 0 within `BOUND_S`.
2. The way out is `os._exit`, because a thread that is blocked in reading standard input, or in the network, would hold
   a normal exit for as long as it is blocked. Every write of peer-relay is durable before it is reported, so there is
   nothing that such an exit could lose.
3. Nothing is left behind: no child process, and no file that was not written to its end.
"""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

BOUND_S = 0.05
"""How long an orderly end may take before the process is ended without it. The rest is for a busy machine."""

_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")


class Ending:
    """Turns signals into an orderly end with a time limit. It belongs to the process, so there is one of it."""

    def __init__(self) -> None:
        self._stop: Callable[[], object] | None = None
        self._close: Callable[[], object] = _nothing
        self._clean: Callable[[], object] = _nothing
        self._leaving = threading.RLock()

    def install(self) -> None:
        """Take over every signal of this platform that asks a process to end, also the ones that a shell ignores."""
        for name in _SIGNALS:
            number = getattr(signal, name, None)
            if number is not None:
                signal.signal(number, self._on_signal)

    def prepare(self, *, stop: Callable[[], object], close: Callable[[], object], clean: Callable[[], object]) -> None:
        """Say what an end consists of from now on.

        Args:
            stop: called by a signal, in its handler: it must not block.
            close: called at once by every end, in a thread of its own: it breaks off what other threads wait for.
            clean: called last, when it is over, whatever other threads are doing yet.
        """
        self._stop = stop
        self._close = close
        self._clean = clean

    def start_clock(self) -> None:
        """Begin to close, and give the orderly end its time limit. May be called from any thread, also repeatedly."""
        for thread in (threading.Timer(BOUND_S, self.leave), threading.Thread(target=self._close)):
            thread.daemon = True
            thread.start()

    def leave(self, status: int = 0) -> None:
        """End the process. One thread does it, also when a signal comes in between; another waits here for its end."""
        with self._leaving:
            self._clean()
            os._exit(status)

    def _on_signal(self, _number: int, _frame: object) -> None:
        if self._stop is None:
            self.leave()
            return
        self.start_clock()
        self._stop()


def _nothing() -> None:
    """Close what was never opened, and clean what was never used."""
