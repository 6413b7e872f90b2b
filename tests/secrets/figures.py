"""How well the guard finds what it looks for, and how often it is wrong, on texts that are made up or installed."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from peer_relay.guard.formats import FORMATS
from peer_relay.guard.scan import find_secrets
from tests.secrets.benign import chunks, synthetic
from tests.secrets.corpus import CHANGES, makers, samples, seeded

SEED = 20261201


class Recall(NamedTuple):
    """How many of so many secrets were found."""

    found: int
    of: int

    def __str__(self) -> str:
        return f"{self.found:,} of {self.of:,} ({self.found / self.of:.2%})"


def finds(kind: str, text: str) -> bool:
    return any(each.kind == kind for each in find_secrets(text))


def recall(each: int) -> dict[str, Recall]:
    """Return for each kind how many were found of so many, each in a text."""
    found: Counter[str] = Counter()
    for kind, _, text in samples(seeded(SEED), each):
        found[kind] += finds(kind, text)
    return {kind: Recall(found[kind], each) for kind in makers()}


def recall_after_changes(each: int) -> dict[str, Recall]:
    """Return for each thing that happens to secrets how many were found of so many of each kind."""
    made = [(kind, secret) for kind, secret, _ in samples(seeded(SEED), each)]
    return {
        name: Recall(sum(finds(kind, f'value: "{change(secret)}"\nThe end.') for kind, secret in made), len(made))
        for name, change in CHANGES.items()
    }


def false_alarms_synthetic(how_many: int) -> list[str]:
    """Return the made-up texts in which something was found."""
    return [text for text in synthetic(seeded(SEED), how_many) if find_secrets(text)]


def false_alarms_real(how_many: int) -> list[str]:
    """Return the pieces of real source in which something was found."""
    return [text for text in chunks(seeded(SEED), how_many) if find_secrets(text)]


def kinds() -> list[str]:
    """Return the kinds in the order of the table of formats."""
    return list(dict.fromkeys(each.kind for each in FORMATS))
