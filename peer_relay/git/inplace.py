"""The objects of a mailbox at a path, read where they are: what is proved of them needs no copy.

1. Each object is hashed each time it is read, and bounded before it is built. So it does not matter who wrote the
   files, nor that somebody may write others meanwhile: an id stands for the same bytes or for an error.
2. Nothing is read but the mailbox's own files, and those that it borrows from as git does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from peer_relay.errors import DamagedClone, MalformedPack, TooLarge
from peer_relay.git.packfile import DAMAGE
from peer_relay.git.trees import checked

if TYPE_CHECKING:
    from collections.abc import Callable

    from peer_relay.errors import TransportError
    from peer_relay.git.objects import Objects

_DAMAGED: tuple[type[Exception], ...] = (*DAMAGE, FileNotFoundError, TooLarge, MalformedPack)


class InPlace:
    """A mailbox's objects, as a source of commits. To be closed.

    Args:
        objects: reads them.
        failed: gives the error of a mailbox that the system cannot read.
        check: called before each object is read; it raises when the time is over.
    """

    def __init__(
        self, objects: Objects, failed: Callable[[OSError], TransportError], check: Callable[[], None]
    ) -> None:
        self._objects = objects
        self._failed = failed
        self._check = check
        self._last = "", b""

    def close(self) -> None:
        """Close the packs that were opened."""
        self._objects.close()

    def has(self, commit: str) -> bool:
        """Return whether a commit is here and can be read.

        Raises:
            TransportError: the system cannot read the mailbox.
        """
        try:
            self._last = commit, self.raw("commit", commit)
        except (DamagedClone, ValueError):
            return False
        return True

    def raw(self, kind: str, name: str) -> bytes:
        """Return an object's content.

        Raises:
            DamagedClone: it is not here, or not what its id says.
            TransportError: the system cannot read the mailbox.
            ValueError: it is of another kind.
        """
        if self._last[0] == name and kind == "commit":
            return self._last[1]
        self._check()
        try:
            number, content = self._read(bytes.fromhex(name))
        except _DAMAGED as error:
            raise DamagedClone(reason=f"{kind} {name[:12]} cannot be read") from error
        except OSError as error:
            raise self._failed(error) from error
        return checked(kind, name, number, content)

    def _read(self, name: bytes) -> tuple[int, bytes]:
        try:
            return self._objects.read(name)
        except (KeyError, FileNotFoundError):
            return self._objects.read(name)  # somebody repacked the mailbox in between
