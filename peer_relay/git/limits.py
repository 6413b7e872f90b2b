"""What a fetch may bring: every bound on what a remote sends, with its reason (decision 0026).

They hold before anything is built: sizes are read from headers, which is also where a decoder takes them from. What is
within them costs at most a fixed amount of memory, and time in proportion to what was sent.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final


@dataclass(frozen=True)
class PackLimits:
    """The most that a pack may hold.

    Attributes:
        max_objects: how many objects.
        max_object_bytes: the size of one, as it is built; also of a delta.
        max_total_bytes: the size of all together, as they are built.
        max_pack_bytes: the size of the pack itself, as it is sent.
        max_growth: how many bytes more than `max_total_bytes` may come of each byte that is sent.
    """

    max_objects: int
    max_object_bytes: int
    max_total_bytes: int
    max_pack_bytes: int
    max_growth: int = 0

    def total_of(self, pack_bytes: int) -> int:
        """Return how large all objects of a pack of this size may be together, in bytes."""
        return self.max_total_bytes + self.max_growth * pack_bytes


FIRST_FETCH: Final = PackLimits(
    # A full tip and the commit before it: 512 answered exchanges, 2,000 open questions, and their folders.
    max_objects=20_000,
    # A record's file is at most 256 KiB; a little more lets the rule about records name the file instead.
    max_object_bytes=(256 << 10) + 4096,
    # The largest tip that the rules allow has 190 MB: 512 exchanges of 170 KB, and 2,000 open questions of 50 KB.
    max_total_bytes=256 << 20,
    max_pack_bytes=256 << 20,
)
"""A first look: it ends with the largest legitimate tip."""

CATCH_UP: Final = replace(
    FIRST_FETCH,
    # 100,000 records, seven months of a busy room: whoever was away for long must not be locked out. So many small
    # deltas take 230 MB and 15 s of the processor, and 130,000 of them 64 MB.
    max_objects=1 << 19,
    # What the large hosts take in one push.
    max_pack_bytes=2 << 30,
    # As much as zlib alone can do, so that no delta does more. What an honest room adds grew 92-fold with 1,000 files
    # in the folder of one day; a tip can hold 3,025.
    max_growth=1_000,
)
"""What came since: it grows with the time away."""

WHOLE: Final = replace(CATCH_UP, max_objects=1 << 24)
"""A whole history, or a part of it from its end, for which somebody asked: three million records."""

MAX_HELD_BYTES: Final = 24 << 20
"""How much of what others are built on may wait in memory at once.

It takes a chain of deltas of which each has more than one on top of it; git's chains of 50 hold 11 MB at the most.
"""

MOST_BYTES: Final = {
    "HEAD": 64 << 10,
    "config": 256 << 10,
    "objects/info/alternates": 64 << 10,
    "packed-refs": 8 << 20,
    "shallow": 4 << 20,
}
"""How large the files of a repository at a path may be that are read whole, in bytes: far more than a large one has."""

MAX_STORED_BYTES: Final = 1 << 20
"""The largest object, and base of a delta, that is read from a mailbox at a path.

Four times what a record's file may have: what is merely too large for a record is named as that when it is taken in.
"""

FOLDER_BYTES: Final = 16 << 20
FOLDER_BYTES_OF_A_COMMIT: Final = 1 << 20
"""How much of folders is read to find out what a mailbox at a path has to send: at first, and for each commit.

All folders of the largest tip have half a megabyte. A hostile commit of 17 MB took 8 s.
"""


def check_file_size(size: int, most: int) -> None:
    """Refuse a file that is read whole, by its size in bytes.

    Raises:
        ValueError: it is larger than that.
    """
    if size > most:
        raise ValueError("a file of the repository is far too large")


MAX_LISTING_BYTES: Final = 16 << 20
"""A list of branches, and what stands before a pack."""

MAX_LISTING_LINES: Final = 100_000
"""The same in lines: one of ten bytes takes twenty times as much memory, so the bytes alone are no bound."""

MAX_REPORT_BYTES: Final = 2 << 20
"""What is said of a push: one line for the one branch, and whatever a hook prints."""

MAX_STDERR_BYTES: Final = 16 << 20
"""What ssh writes to its standard error, which goes to a file: the remote decides how much that is."""
