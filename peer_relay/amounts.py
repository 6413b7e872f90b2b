"""Amounts and lengths of time as people read them. For display only: nothing is decided by them."""

from __future__ import annotations

_STEPS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


def length_of(seconds: float) -> str:
    """Return a length of time by its largest unit, such as `3 minutes`; below a second it is `0 seconds`."""
    whole = max(0, int(seconds))
    for unit, size in _STEPS:
        if whole >= size or size == 1:
            return counted(whole // size, unit)
    raise AssertionError  # pragma: no cover - the last step is a second


def ago(ms: int, now_ms: int) -> str:
    """Return how long a time is past, such as `3 minutes ago`, or that it is in the future."""
    seconds = (now_ms - ms) / 1000
    if seconds < -1:
        return f"in {length_of(-seconds)}"
    return "just now" if seconds < 1 else f"{length_of(seconds)} ago"


def counted(number: int, unit: str) -> str:
    """Return a number with its unit, such as `1 question` or `2 questions`."""
    return f"{number:,} {unit}" + ("" if number == 1 else "s")


def milliseconds(seconds: float) -> str:
    """Return a short length of time, such as `12 ms` or `1.8 s`."""
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"
