"""Looks through a text for secrets: those of a known format, and those that this machine knows.

1. What is found is named by its kind and its line, never by its text.
2. A text is read as it is and in the other views, so what is wrapped, encoded or hidden by invisible characters counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from peer_relay.guard.formats import FORMATS
from peer_relay.guard.views import squeezed, views_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from peer_relay.guard.known import KnownSecret

# Two characters say nothing, and an address or a key in lines is not a word that was broken.
_WORDS = tuple(
    dict.fromkeys(
        anchor
        for each in FORMATS
        for anchor in each.anchors
        if len(anchor) > 2 and " " not in anchor and anchor != "://"
    )
)


class Finding(NamedTuple):
    """One secret.

    Attributes:
        line: where it begins, counted from 1.
        kind: what it is, with its article.
        is_own: whether it is peer-relay's own, which nobody may send.
    """

    line: int
    kind: str
    is_own: bool


def find_secrets(text: str, known: Iterable[KnownSecret] = ()) -> list[Finding]:
    """Return the secrets in a text, by line; each kind once for a line.

    Args:
        text: as it is to be stored.
        known: what this machine knows to be secret.
    """
    return sorted({*_of_a_format(text), *_known_in(text, known)})


def _of_a_format(text: str) -> Iterator[Finding]:
    for view in views_of(text, _WORDS):
        for each in FORMATS:
            for position in each.matches(view.text):
                yield Finding(view.line_of(position), each.kind, each.is_own)


def _known_in(text: str, known: Iterable[KnownSecret]) -> Iterator[Finding]:
    view = squeezed(text)
    for each in known:
        position = max(map(view.text.find, each.forms()), default=-1)
        if position >= 0:
            yield Finding(view.line_of(position), each.kind, each.is_own)
