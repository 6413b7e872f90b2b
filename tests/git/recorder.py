"""An observer of git operations that remembers what it is told, for tests."""

from __future__ import annotations


class Recorder:
    """Remembers.

    Attributes:
        acts: what began.
        endings: what ended, with its outcome.
        sizes: how much of a pack had come, each time that it was told.
        seconds: how long each operation took.
    """

    def __init__(self) -> None:
        self.acts: list[str] = []
        self.endings: list[tuple[str, str]] = []
        self.sizes: list[int] = []
        self.seconds: list[float] = []

    def began(self, act: str) -> None:
        self.acts.append(act)

    def received(self, total_bytes: int) -> None:
        self.sizes.append(total_bytes)

    def ended(self, act: str, outcome: str, seconds: float) -> None:
        self.endings.append((act, outcome))
        self.seconds.append(seconds)
