"""Chance by a seed: each who decides something has a sequence of its own, whatever the others do."""

from __future__ import annotations

import random


def dice(*name: object) -> random.Random:
    """Return the sequence that belongs to a seed and a name."""
    return random.Random(" ".join(map(str, name)))  # noqa: S311 - nothing secret hangs on it
