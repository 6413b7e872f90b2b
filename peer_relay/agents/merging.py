"""Putting the server into a file that an agent reads and a person wrote.

1. Everything else in the file survives. What is not plain JSON, such as JSON with comments, is not touched, and neither
   is a number that would not be spelt as it was. What a person added to the server's own entry stays in it.
2. A file that is changed is kept beside itself first, under a name that nothing has.
3. The new file is seen whole or not at all. A link stays a link: the file that it leads to is changed.
"""

from __future__ import annotations

import json
import os
import re
import stat
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from peer_relay import disk
from peer_relay.agents.launch import SERVER, VARIABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_NEW_FILE = 0o644
_MAX_BYTES = 4 << 20


@dataclass(frozen=True)
class Merged:
    """What was done to a file.

    Attributes:
        path: the file, behind any link.
        changed: False if the very same stood there already.
        backup: where the file from before is kept; None if there was none or nothing was changed.
    """

    path: Path
    changed: bool
    backup: Path | None


def merge(path: Path, table: str, entry: dict[str, Any]) -> Merged:
    """Make an entry stand in a table of servers, instead of the one that has its name there.

    Args:
        path: the file; it and its folder are made if they are not there.
        table: the name of the table.
        entry: what is to stand there.

    Raises:
        ValueError: the file cannot be merged into; with why, as a clause that follows its name.
        StateUnusable: the file cannot be read or written, and is as it was.
    """
    path = Path(os.path.realpath(path))
    if path.is_symlink():
        raise ValueError("is a link that leads nowhere")
    old = _read(path)
    if old is None:
        with disk.reported(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        disk.write_atomically(path, _written({table: {SERVER: entry}}, ""), mode=_NEW_FILE)
        return Merged(path, changed=True, backup=None)
    new = _merged(old, table, entry)
    if new is None:
        return Merged(path, changed=False, backup=None)
    with disk.reported(path):
        mode = stat.S_IMODE(path.stat().st_mode)
    backup = _keep(path, old.encode(), mode)
    disk.write_atomically(path, new, mode=mode)
    return Merged(path, changed=True, backup=backup)


def _read(path: Path) -> str | None:
    """Return a file's text, or None if there is no file."""
    with disk.reported(path):
        if not path.exists():
            return None
        if not path.is_file() or path.stat().st_size > _MAX_BYTES:
            raise ValueError("is no file, or too large for one")
    data = disk.read_if_there(path) or b""
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8") from None


def _merged(text: str, table: str, entry: dict[str, Any]) -> bytes | None:
    """Return a file's new content, or None if it needs no other."""
    try:
        content = _parsed(text) if text.strip() else {}
    except _NotKeptError:
        raise ValueError("holds a number that would be spelt in another way") from None
    except (ValueError, RecursionError):
        raise ValueError("holds comments, or is not JSON") from None
    servers = content.setdefault(table, {}) if isinstance(content, dict) else None
    if not isinstance(servers, dict):
        raise ValueError(f"has no table where {table} should be")  # noqa: TRY004 - one kind of error for one refusal
    new = _updated(servers.get(SERVER), entry)
    if servers.get(SERVER) == new:
        return None
    servers[SERVER] = new
    return _written(content, text)


def _updated(old: object, entry: dict[str, Any]) -> dict[str, Any]:
    """Return an entry with what a person added to the one before: other keys, and variables that are not set here."""
    if not isinstance(old, dict):
        return entry
    env = old.get("env")
    kept = {name: value for name, value in env.items() if name not in VARIABLES} if isinstance(env, dict) else {}
    new = {**old, **entry, "env": {**kept, **entry.get("env", {})}}
    return new if new["env"] else {name: value for name, value in new.items() if name != "env"}


class _NotKeptError(ValueError):
    """A number that would come out in another spelling, or as another number."""


def _parsed(text: str) -> Any:  # noqa: ANN401 - whatever a file holds
    return json.loads(
        text, object_pairs_hook=_object, parse_constant=_refuse, parse_float=_same(float), parse_int=_same(int)
    )


def _same(kind: type[int | float]) -> Callable[[str], int | float]:
    """Return what reads a number and refuses one that it would not write as it was."""

    def read(text: str) -> int | float:
        value = kind(text)
        if json.dumps(value) != text:
            raise _NotKeptError
        return value

    return read


def _object(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object, in which no name may stand twice: one of them would be lost."""
    listed = list(pairs)
    if len(dict(listed)) < len(listed):
        raise ValueError
    return dict(listed)


def _refuse(_constant: str) -> None:
    raise ValueError


def _written(content: dict[str, Any], like: str) -> bytes:
    """Return JSON with the indentation and the line ends of a text."""
    found = re.search(r'^([ \t]+)"', like, re.MULTILINE)
    text = json.dumps(content, indent=found[1] if found else 2, ensure_ascii=False) + "\n"
    # Half of a surrogate pair, which JSON may hold as an escape, is an escape again.
    return (text.replace("\n", "\r\n") if "\r\n" in like else text).encode(errors="backslashreplace")


def _keep(path: Path, data: bytes, mode: int) -> Path:
    """Keep a file's content under the first name with `.bak` that nothing has."""
    for number in count(1):
        backup = path.with_name(f"{path.name}.bak{'' if number == 1 else number}")
        with disk.reported(backup):
            try:
                handle = os.open(backup, os.O_WRONLY | os.O_CREAT | os.O_EXCL, disk.PRIVATE_FILE)
            except FileExistsError:
                continue
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            backup.chmod(mode)
            return backup
    raise AssertionError  # pragma: no cover - there is always a next number
