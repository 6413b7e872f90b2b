"""Making a bare repository on this machine, for a mailbox that is a path."""

from __future__ import annotations

from pathlib import Path

from dulwich.repo import Repo

from peer_relay import disk


def create_repository(path: str) -> None:
    """Make a bare repository at a path, unless something is there already.

    Raises:
        StateUnusable: the folder cannot be made.
    """
    folder = Path(path)
    with disk.reported(folder):
        if folder.exists() and any(folder.iterdir()):
            return
        folder.mkdir(parents=True, exist_ok=True)
        Repo.init_bare(str(folder)).close()
