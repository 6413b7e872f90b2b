"""Looks through a text for secrets: those of a known format, and those that this machine knows.

1. What is found is named by its kind and its line, never by its text.
2. A text is read as it is and in the other views, so what is wrapped, encoded or hidden by invisible characters counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from peer_relay.guard.formats import FORMATS
from peer_relay.guard.views import clean, decoded, plain, squeezed, unfold

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from peer_relay.guard.formats import Format
    from peer_relay.guard.known import KnownSecret
    from peer_relay.guard.views import View


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
    cleaned = clean(text)
    present = [each for each in FORMATS if each.may_be_in(cleaned)]
    yield from _read(plain(text), present if cleaned == text else FORMATS)
    unfolded = unfold(cleaned, [anchor for each in present for anchor in each.anchors if _begins_a_word(anchor)])
    if unfolded.text != text:
        yield from _read(unfolded, FORMATS)
    for view in decoded(unfolded):
        yield from _read(view, FORMATS)


def _begins_a_word(anchor: str) -> bool:
    """Return whether an anchor says that a secret has begun; plain letters as in `path`, and addresses, do not."""
    is_plain = len(anchor) <= 3 and anchor.isalpha() and anchor.islower()
    return len(anchor) > 2 and " " not in anchor and anchor != "://" and not is_plain


def _read(view: View, formats: Iterable[Format]) -> Iterator[Finding]:
    for each in formats:
        for position in each.matches(view.text):
            yield Finding(view.line_of(position), each.kind, each.is_own)


def _known_in(text: str, known: Iterable[KnownSecret]) -> Iterator[Finding]:
    view = squeezed(text)
    for each in known:
        position = max(map(view.text.find, each.forms()), default=-1)
        if position >= 0:
            yield Finding(view.line_of(position), each.kind, each.is_own)
