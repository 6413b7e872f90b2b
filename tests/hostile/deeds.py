"""What this process does to what is outside of it: files that it changes, processes, connections.

Python tells of each to an audit hook, which cannot be taken away again; so there is one for all tests that look.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHANGES = {"os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink", "os.link", "os.chmod"}
_REACHES = {"subprocess.Popen", "os.posix_spawn", "os.system", "socket.connect"}
_WRITES = os.O_WRONLY | os.O_RDWR


class Deed(NamedTuple):
    """What was done, by Python's name for it, and to what."""

    event: str
    arguments: tuple[Any, ...]


_noted: list[list[Deed]] = []


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    if not _noted:
        return
    writes = event == "open" and isinstance(arguments[2], int) and bool(arguments[2] & _WRITES)
    if writes or event in _CHANGES or event in _REACHES:
        _noted[-1].append(Deed(event, arguments))


sys.addaudithook(_note)


@contextmanager
def watched() -> Iterator[list[Deed]]:
    """Give the list of what is done meanwhile, which grows."""
    deeds: list[Deed] = []
    _noted.append(deeds)
    try:
        yield deeds
    finally:
        _noted.remove(deeds)
