"""Open and read a git repository of our own of which any file may be damaged.

1. What is damaged is an error of `UNREADABLE` or `DamagedClone`, whatever dulwich makes of it.
2. A mapped pack can be closed also after it could not be read (`let_go`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dulwich.repo import Repo

from peer_relay.errors import DamagedClone
from peer_relay.git.packfile import DAMAGE

if TYPE_CHECKING:
    from pathlib import Path

NOT_A_REPOSITORY = "it is not a git repository any more"
UNREADABLE: tuple[type[Exception], ...] = (*DAMAGE, OSError)
"""What reading a damaged object raises."""


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
