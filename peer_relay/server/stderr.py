"""What the server says on standard error, which most clients keep in a log.

Nothing goes there but sentences that are fit for a tool's result too, and, for a crash, the place of it: the text of an
unforeseen exception could hold anything, a secret included (I10).
"""

from __future__ import annotations

import contextlib
import sys
import traceback
from pathlib import PurePath


def say(sentence: str) -> None:
    """Print one line. A standard error that nobody reads any more is no reason to fail."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(f"peer-relay: {sentence}\n")
        sys.stderr.flush()


def place_of(error: BaseException) -> str:
    """Return the type of an exception and where it was raised, without its text."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" in {PurePath(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"
