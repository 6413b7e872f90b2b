"""Bytes to try: what a target is meant for, changed here and there, and bytes that nobody meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Sequence

# What lengths, sizes and ends are made of in git's protocol, in its packs and in text.
_PIECES = (
    *(b"", b"\0", b"\xff", b" ", b"\n", b"\0001", b"0000", b"0001", b"0002", b"0004", b"0005\1", b"ffff", b"\x80" * 9),
    *(
        b"ERR ",
        b"ok ",
        b"ng ",
        b"shallow ",
        b"symref-target:",
        b"object-format=",
        b"\x1b[31m",
        b"\xe2\x80\xae",
        b"1" * 40,
    ),
)


def changed(seeds: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Return a strategy for bytes that come from one of the seeds, or from none."""
    place = st.integers(0, max(len(each) for each in seeds))
    changes = st.lists(
        st.tuples(place, st.integers(0, 9), st.sampled_from(_PIECES) | st.binary(max_size=9)), max_size=4
    )
    return st.builds(_apply, st.sampled_from(seeds), changes) | st.binary(max_size=200)


def _apply(seed: bytes, changes: Sequence[tuple[int, int, bytes]]) -> bytes:
    """Replace so many bytes at each place by others; a place beyond the end leaves what is there."""
    for place, count, piece in changes:
        seed = seed[:place] + piece + seed[place + count :]
    return seed
