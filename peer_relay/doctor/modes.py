"""Whether what peer-relay keeps is its user's alone: modes and owners of its files and folders.

1. The clone's own files are left out: they are below a folder that nobody else can enter, and are git's.
2. A folder that holds more than peer-relay's is somebody's own, so it is only kept from being written by others.
3. Mending takes permissions away from others and gives missing ones to the owner. It needs no lock, and takes none,
   because the lock may be what cannot be used.
"""

from __future__ import annotations

import os
import re
import shlex
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from peer_relay.disk import PRIVATE_FILE, PRIVATE_FOLDER, reported
from peer_relay.doctor.findings import State, failed, info, listed, mendable, ok

if TYPE_CHECKING:
    from collections.abc import Iterator

    from peer_relay.doctor.findings import Finding

_OTHERS = 0o077
_OTHERS_WRITE = 0o022
_ROOMS, _SAVED, _LOGS, _HOOK = "rooms", "saved-rooms", "logs", "hook"
_CLONE = re.compile(r"clone(?:-with-lost-history(?:-\d+)?)?")
_PEER_DEPTH = 2
_NAMED = 4


@dataclass(frozen=True)
class Places:
    """Where peer-relay keeps things.

    Attributes:
        home: the state folder.
        saved: the folder of saved rooms, which may be in the state folder.
    """

    home: Path
    saved: Path

    def shown(self, path: Path) -> str:
        """Return a path as it is told, without what leads to these two."""
        for root, name in ((self.saved, self.saved.name), (self.home, "")):
            if path != self.home and path.is_relative_to(root):
                return str(name / path.relative_to(root))
        return str(path)


@dataclass(frozen=True)
class _Kept:
    """A file or folder that peer-relay keeps, and the mode that it should have."""

    path: Path
    owner: int
    mode: int
    wanted: int


def check_modes(places: Places, user_id: int | None) -> Finding:
    """Check that everything belongs to this user, who can use it, and that nobody else can.

    Args:
        places: where to look.
        user_id: the number of this user; None where modes do not tell.
    """
    if user_id is None:
        return info("Not told by the modes of this system, where a user's profile is private.")
    kept = list(_kept(places))
    foreign = [each.path for each in kept if each.owner != user_id]
    if foreign:
        return _foreign(places, foreign, user_id)
    wrong = [places.shown(each.path) for each in kept if each.mode != each.wanted]
    if wrong:
        return mendable(State.WARNING, f"Others can use, or you cannot: {listed(wrong, _NAMED)}.")
    return ok(f"Yours alone: {len(kept):,} files and folders." if kept else "There is nothing yet.")


def mend_modes(places: Places) -> str:
    """Set the modes right and say so.

    Raises:
        StateUnusable: one cannot be set.
    """
    done = []
    # One after the other as they are found: what is in a folder that could not be entered comes to light only then.
    for each in _kept(places):
        if each.mode != each.wanted:
            with reported(each.path):
                each.path.chmod(each.wanted)
            done.append(places.shown(each.path))
    return f"Set right: {listed(done, _NAMED)}."


def _foreign(places: Places, foreign: list[Path], user_id: int) -> Finding:
    what = f"Of another user: {listed([places.shown(path) for path in foreign], _NAMED)}."
    if user_id == 0:
        advice = "Run peer-relay as that user, and not as root."
        return failed(what, advice=advice, why="What root writes there, its user cannot use afterwards.")
    roots = [str(root) for root in (places.home, places.saved) if any(path.is_relative_to(root) for path in foreign)]
    fix = f'sudo chown -R "$(id -un)" {shlex.join(roots)}'
    return failed(what, fix=fix, why="It happens when peer-relay was once run with sudo; you may be locked out of it.")


def _kept(places: Places) -> Iterator[_Kept]:
    """Yield everything that is there, each once. What cannot be looked at is left out."""
    if places.home.is_dir():
        names = set(os.listdir(places.home))  # noqa: PTH208 - only the names matter
        is_own = names <= {_ROOMS, _SAVED, _LOGS, _HOOK}
        yield from _look(places.home, _OTHERS if is_own else _OTHERS_WRITE)
    for root in (places.saved, *(places.home / name for name in (_ROOMS, _LOGS, _HOOK))):
        yield from _look(root)
        for folder, folders, files in os.walk(root):
            if root.name == _ROOMS and len(Path(folder).relative_to(root).parts) == _PEER_DEPTH:
                clones = sorted(filter(_CLONE.fullmatch, folders))
                yield from (each for name in clones for each in _look(Path(folder, name)))
                folders[:] = [name for name in folders if name not in clones]
            yield from (each for name in sorted((*folders, *files)) for each in _look(Path(folder, name)))


def _look(path: Path, loose: int = _OTHERS) -> Iterator[_Kept]:
    with reported(path):
        try:
            status = path.stat()
        except (FileNotFoundError, PermissionError):
            return
    mode = stat.S_IMODE(status.st_mode)
    wanted = mode & ~loose | (PRIVATE_FOLDER if stat.S_ISDIR(status.st_mode) else PRIVATE_FILE)
    yield _Kept(path, status.st_uid, mode, wanted)
