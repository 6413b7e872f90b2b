"""Open and read a git repository of our own of which any file may be damaged.

1. What is damaged is an error of `UNREADABLE` or `DamagedClone`, whatever dulwich makes of it.
2. What is read into memory is bounded by the largest object that was ever let in, whatever a file unpacks to.
3. A mapped pack can be closed also after it could not be read (`let_go`).
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from dulwich.repo import Repo

from peer_relay.errors import DamagedClone
from peer_relay.git.packfile import DAMAGE
from peer_relay.git.packs import FIRST_FETCH

if TYPE_CHECKING:
    from pathlib import Path

NOT_A_REPOSITORY = "it is not a git repository any more"
UNREADABLE: tuple[type[Exception], ...] = (*DAMAGE, OSError)
"""What reading a damaged object raises."""

_MOST_BYTES = FIRST_FETCH.max_object_bytes + 64  # the content and its header


def repository(path: Path) -> Repo:
    """Open a repository.

    Raises:
        DamagedClone: it is none.
    """
    try:
        return Repo(str(path))
    except Exception as error:  # dulwich raises its own, the system's and the configuration parser's
        raise DamagedClone(reason=NOT_A_REPOSITORY) from error


def let_go(error: BaseException) -> BaseException:
    """Return an error without its frames, which hold pieces of mapped packs; those could not be closed meanwhile."""
    found: BaseException | None = error
    while found is not None:
        found.__traceback__ = None
        found = found.__context__
    return error


def unpacked(path: str) -> bytes:
    """Return what a loose object's file unpacks to.

    Args:
        path: a string and not a `Path`, which would cost more than the reading.

    Raises:
        ValueError, zlib.error, OSError: it is cut, too large, or none.
    """
    with open(path, "rb") as file:  # noqa: PTH123 - see above
        data = file.read(_MOST_BYTES + 1)
    unpacker = zlib.decompressobj()
    content = unpacker.decompress(data, _MOST_BYTES)
    if not unpacker.eof:
        raise ValueError("it is cut, or larger than any object of a room")
    return content
