"""A file that a person names to get something into it: put in place whole, or a sentence why not."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from peer_relay import disk
from peer_relay.cli.ending import Failure
from peer_relay.cli.output import say
from peer_relay.errors import StateUnusable

STANDARD_OUTPUT = "-"
_MODE = 0o644


def check_place(file: str) -> None:
    """Find out before long work whether its result can be put where it is wanted.

    Args:
        file: a path, or `-` for standard output.

    Raises:
        Failure: it cannot be, as far as can be seen without trying.
    """
    path = Path(file)
    if file == STANDARD_OUTPUT or _is_special(path):
        return
    if path.is_dir():
        raise _unwritten(file, "it is a folder")
    folder = path.resolve().parent
    if not folder.is_dir():
        raise _unwritten(file, "its folder is not there")
    if not all(os.access(each, os.W_OK) for each in (folder, path) if each.exists()):
        raise _unwritten(file, "you may not write there")


def write_whole(file: str, text: str) -> None:
    """Write a text over what was there; whoever reads the file meanwhile sees the old one or the new one.

    Args:
        file: a path, or `-` for standard output. A pipe or a device is written to as it is.
        text: the whole content, with its last line ended.

    Raises:
        Failure: the file is as it was.
    """
    path = Path(file)
    if file == STANDARD_OUTPUT:
        say(text.removesuffix("\n"))
        return
    try:
        if _is_special(path):
            path.write_text(text, encoding="utf-8")
        else:
            mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else _MODE
            disk.write_atomically(path.resolve(), text.encode(), mode=mode)
    except StateUnusable as error:
        raise _unwritten(file, error.reason) from error
    except OSError as error:
        raise _unwritten(file, disk.reason_of(error)) from error


def _is_special(path: Path) -> bool:
    """Return whether a path names something that cannot be replaced, such as a pipe or a terminal."""
    return path.exists() and not path.is_file() and not path.is_dir()


def _unwritten(file: str, reason: str) -> Failure:
    return Failure(f"{file} was not written: {reason}. Name a file that can be written.", kind="FileUnwritten")
