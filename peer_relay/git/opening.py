"""Open a repository at a path for a moment, as dulwich's `Repo` does; a plain one in a tenth of the time.

1. Nothing of the repository is kept from one time to the next but what its configuration says, by the bytes of that
   file: it is read anew each time, and taken apart if one byte of it is another one.
2. A repository is plain where dulwich would find nothing but that in it: it has its objects and references in its own
   folder, and its configuration names no extension and no working tree. Any other one, and whatever cannot be read, is
   left to `Repo`, with its errors. Only a pipe in the place of a file of the repository is refused before, which it
   would wait for without end, and a file that is far too large, which it would read whole.
3. Its configuration includes no other file: who can write there could name any, and one without an end would be read.
"""

from __future__ import annotations

import os
from io import BytesIO
from typing import TYPE_CHECKING

from dulwich.config import ConfigFile
from dulwich.errors import NotGitRepository
from dulwich.object_store import DiskObjectStore
from dulwich.refs import DiskRefsContainer
from dulwich.repo import Repo, parse_shared_repository

from peer_relay.disk import NotAFile, without_waiting
from peer_relay.git.limits import MOST_BYTES, check_file_size

if TYPE_CHECKING:
    from typing import Self

    from dulwich.file import SharedPerm


class Parts:
    """The parts of a plain repository that a look at a branch and a push need; a context, as `Repo` is."""

    def __init__(self, folder: str, config: ConfigFile, shared: SharedPerm | None) -> None:
        self.refs = DiskRefsContainer(folder)
        self.object_store = DiskObjectStore(f"{folder}/objects", shared_perm=shared)
        self._config = config

    def __enter__(self) -> Self:
        """Return the parts themselves."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close them."""
        self.close()

    def close(self) -> None:
        """Close the packs that were opened."""
        self.object_store.close()

    def get_config(self) -> ConfigFile:
        """Return what the repository's own configuration says."""
        return self._config


class _Whole(Repo):
    """A repository of dulwich's whose configuration includes no other file (3)."""

    def get_config(self) -> ConfigFile:
        """Return what the repository's own configuration says."""
        try:
            return _parsed(_read_config(os.path.join(self.commondir(), "config")))
        except FileNotFoundError:
            return ConfigFile()


class Opening:
    """The way to open one repository again and again.

    Args:
        path: where it is, or where it is with `.git` behind it.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._said: tuple[bytes, ConfigFile | None] = (b"", None)

    def whole(self) -> Repo:
        """Open it with everything.

        Raises:
            NotGitRepository: it is none.
            Exception: dulwich's own, the system's and the configuration parser's.
        """
        for folder in (self._path, f"{self._path}/.git", f"{self._path}.git"):
            for name, most in MOST_BYTES.items():
                _refuse_odd(f"{folder}/{name}", most)
        try:
            return _Whole(self._path)
        except NotGitRepository:
            return _Whole(f"{self._path}.git")

    def parts(self) -> Parts | Repo:
        """Open it for a look at a branch or a push.

        Raises:
            Exception: as `whole` does.
        """
        folder = _folder(self._path)
        config = None if folder is None else self._plain(f"{folder}/config")
        if folder is None or config is None:
            return self.whole()
        shared = _value(config, b"sharedRepository")
        return Parts(folder, config, None if shared is None else parse_shared_repository(shared))

    def _plain(self, path: str) -> ConfigFile | None:
        """Return what a configuration says, or None if it is none of a plain repository (2)."""
        try:
            data = _read_config(path)
        except NotAFile:
            raise
        except OSError:
            return None
        if data != self._said[0]:
            self._said = data, _taken_apart(data)
        return self._said[1]


def _refuse_odd(path: str, most: int) -> None:
    try:
        handle = without_waiting(path, os.O_RDONLY)
    except NotAFile:
        raise
    except OSError:
        return
    size = os.fstat(handle).st_size
    os.close(handle)
    check_file_size(size, most)


def _folder(path: str) -> str | None:
    """Return where dulwich would find the repository's files, if they are all in one place."""
    hidden = f"{path}/.git"
    if os.path.isfile(hidden):
        return None
    folder = hidden if os.path.isdir(f"{hidden}/objects") else path
    is_one = os.path.isdir(f"{folder}/objects") and os.path.isdir(f"{folder}/refs")
    return folder if is_one and not os.path.exists(f"{folder}/commondir") else None


def _read_config(path: str) -> bytes:
    with open(path, "rb", buffering=0, opener=without_waiting) as file:
        data = file.read(MOST_BYTES["config"] + 1)
    check_file_size(len(data), MOST_BYTES["config"])
    return data


def _parsed(data: bytes) -> ConfigFile:
    return ConfigFile.from_file(BytesIO(data), expand_includes=False)


def _taken_apart(data: bytes) -> ConfigFile | None:
    try:
        config = _parsed(data)
    except ValueError:
        return None
    named = {section[0].lower() for section in config.sections()}
    if b"extensions" in named or _value(config, b"worktree") is not None:
        return None
    return config if _value(config, b"repositoryformatversion") in (None, b"0") else None


def _value(config: ConfigFile, name: bytes) -> bytes | None:
    try:
        return config.get((b"core",), name)
    except KeyError:
        return None
