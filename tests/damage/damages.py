"""What happens to a file: each way takes the file and a source of chance, and leaves something else in its place."""

from __future__ import annotations

import contextlib
import functools
import random
import shutil
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from random import Random

    Damage = Callable[[Path, Random], None]


def truncate(path: Path, _: Random) -> None:
    _write(path, path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path, chance: Random) -> None:
    """Flip one bit; an empty file gets one byte."""
    data = bytearray(path.read_bytes() or b"\0")
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    _write(path, bytes(data))


def empty(path: Path, _: Random) -> None:
    _write(path, b"")


def delete(path: Path, _: Random) -> None:
    path.unlink()


def become_a_folder(path: Path, _: Random) -> None:
    path.unlink()
    path.mkdir()


def become_unreadable(path: Path, _: Random) -> None:
    """Let nobody open it: by its mode, or, for those whom no mode stops, as a link that leads to itself."""
    path.chmod(0)
    with contextlib.suppress(PermissionError):
        path.open("rb").close()
        path.unlink()
        path.symlink_to(path.name)


def be_overwritten(path: Path, chance: Random) -> None:
    """Put as many other bytes in its place, as a disk does that mixes up its blocks."""
    _write(path, chance.randbytes(max(1, path.stat().st_size)))


def become_a_bomb(path: Path, _: Random) -> None:
    """Put something small in its place that unpacks to 64 MB."""
    _write(path, _bomb())


def chance_of(seed: str) -> Random:
    """Return a source of chance that gives the same for the same seed."""
    return random.Random(seed)  # noqa: S311 - no secret


DAMAGES: dict[str, Damage] = {
    "truncated": truncate,
    "one bit flipped": flip,
    "emptied": empty,
    "deleted": delete,
    "a folder in its place": become_a_folder,
    "unreadable": become_unreadable,
    "overwritten": be_overwritten,
    "a bomb in its place": become_a_bomb,
}


def lose_folder(path: Path) -> None:
    """Remove a folder with everything in it."""
    shutil.rmtree(path)


@functools.cache
def _bomb() -> bytes:
    return zlib.compress(b"blob 67108864\0" + bytes(64 << 20), 9)


def _write(path: Path, data: bytes) -> None:
    path.chmod(0o600)
    path.write_bytes(data)
