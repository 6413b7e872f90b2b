"""The files that `make lock` writes: one exact version of each package, with the hash of every file of it.

`runtime.txt` is what peer-relay needs, for every Python and system that it promises; `dev.txt` is the same with the
tools that test and build it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement

if TYPE_CHECKING:
    from packaging.markers import Marker

ROOT = Path(__file__).parents[2]
RUNTIME = ROOT / "requirements" / "runtime.txt"
DEV = ROOT / "requirements" / "dev.txt"
PROJECT = "peer-relay (pyproject.toml)"
"""How the files name the project itself among those that need a package."""

_HASH = re.compile(r"--hash=sha256:(\w+)")
_ENTRY = re.compile(
    r"^(?P<pinned>[a-z0-9].*?) \\\n"
    r"(?P<hashes>(?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)"
    r"(?P<notes>(?:    #.*\n)*)",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Pin:
    """One package of such a file; `needed_by` has the names of packages, or `PROJECT`."""

    name: str
    version: str
    marker: Marker | None
    sha256: tuple[str, ...]
    needed_by: tuple[str, ...]


def pins(path: Path) -> list[Pin]:
    """Return what a file pins, in its order.

    Raises:
        ValueError: A line of the file is of no package, or a package has no hash or no exact version.
    """
    text = path.read_text(encoding="utf-8")
    rest = _ENTRY.sub("", text)
    if any(line and not line.startswith("#") for line in rest.splitlines()):
        raise ValueError(f"{path.name} has a package without a hash, or something else: {rest.strip()[:200]}")
    return [_pin(found) for found in _ENTRY.finditer(text)]


def _pin(found: re.Match[str]) -> Pin:
    wanted = Requirement(found["pinned"])
    (exact,) = wanted.specifier
    if exact.operator != "==" or "*" in exact.version:
        raise ValueError(f"{found['pinned']} is no exact version")
    notes = [line.strip().removeprefix("#").strip().removeprefix("via").strip() for line in found["notes"].splitlines()]
    needed_by = tuple(note for note in notes if note and not note.startswith("-c "))
    return Pin(wanted.name, exact.version, wanted.marker, tuple(_HASH.findall(found["hashes"])), needed_by)
