"""Making a bare repository on this machine, for a mailbox that is a path.

Of two that make it at once one is first, and the other one finds it whole.
"""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path

from dulwich.repo import Repo

from peer_relay import disk


def create_repository(path: str) -> None:
    """Make a bare repository at a path, unless something is there already.

    A folder that is there and empty is filled, and keeps its owner and its permissions.

    Raises:
        StateUnusable: the folder cannot be made.
    """
    folder = Path(path)
    with disk.reported(folder):
        if folder.exists():
            if not any(folder.iterdir()):
                Repo.init_bare(str(folder)).close()
            return
        folder.parent.mkdir(parents=True, exist_ok=True)
        _put_in_place(folder)


def _put_in_place(folder: Path) -> None:
    """Make a repository beside a place and move it there, so that nobody finds half of one."""
    made = folder.with_name(f"{disk.TEMPORARY_PREFIX}{folder.name}-{secrets.token_hex(4)}")
    made.mkdir()
    try:
        Repo.init_bare(str(made)).close()
        made.rename(folder)
    except OSError:
        shutil.rmtree(made, ignore_errors=True)
        if not (folder / "HEAD").exists():  # if it is there, somebody else was faster
            raise
