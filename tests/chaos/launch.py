"""Runs peer-relay with a clock that can be moved while it runs: `python -m tests.chaos.launch ARGUMENTS...`

1. The wall clock is this machine's, moved by as many nanoseconds as the file in `CHAOS_CLOCK` says. Nothing else of the
   process is changed: it is the real program.
2. `CHAOS_SABOTAGE` names a fault of `tests.chaos.sabotage` that is built in on purpose, to see whether it is found.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from peer_relay import clock
from peer_relay.cli import main
from tests.chaos.sabotage import SABOTAGES


class MovedTime:
    """Stands for the module `time` where the program reads the wall clock.

    Args:
        file: holds the nanoseconds to add, as decimal digits.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    def time_ns(self) -> int:
        """Return the moved time, in nanoseconds since 1970."""
        return time.time_ns() + int(self._file.read_text(encoding="ascii"))


if __name__ == "__main__":
    clock.time = MovedTime(Path(os.environ["CHAOS_CLOCK"]))  # type: ignore[assignment, attr-defined]
    if name := os.environ.get("CHAOS_SABOTAGE"):
        SABOTAGES[name]()
    main()
