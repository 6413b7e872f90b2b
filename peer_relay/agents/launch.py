"""How an agent starts the server: the command line and the variables, the same for every agent."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

SERVER = "peer-relay"
"""The name under which an agent knows the server."""

VARIABLES = ("PEER_RELAY_HOME", "PEER_RELAY_ROOM")
"""The variables that a server may be given to find its room; in an entry they are ours to set and to take away."""

_PROGRAM = "peer-relay"
_SERVE = "serve"


@dataclass(frozen=True)
class Launch:
    """How the server is started.

    Attributes:
        command: the words of the command line, the program first.
        env: variables that the server is given, by name.
        handed_on: names of variables that it needs from wherever the agent itself was started, whose values are
            written down nowhere.
    """

    command: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    handed_on: tuple[str, ...] = ()


@dataclass(frozen=True)
class Running:
    """What this process knows about how it was started.

    Attributes:
        started_as: the path of the program, as in `sys.argv[0]`.
        python: the path of the interpreter.
        venv: the folder of the virtual environment that it belongs to, or None.
    """

    started_as: str
    python: str
    venv: str | None = None


def server_command(search_path: str, running: Running, *, whole_path: bool = False) -> tuple[str, ...]:
    """Return the words that start the server wherever an agent runs.

    The bare name is good only if it finds this very installation, and not by a virtual environment that is activated
    just now.

    Args:
        search_path: the folders in which programs are looked for, as in `PATH`.
        running: how this process was started.
        whole_path: whether the agent may have another search path, so that the bare name is not good at all.
    """
    program = _own_program(running)
    if program is None:
        return (running.python, "-m", "peer_relay", _SERVE)
    if whole_path:
        return (str(program), _SERVE)
    found = shutil.which(_PROGRAM, path=search_path)
    if found is not None and _is_same(Path(found), program) and not _is_inside(Path(found), running.venv):
        return (_PROGRAM, _SERVE)
    return (str(program), _SERVE)


def _own_program(running: Running) -> Path | None:
    """Return the program that was started, or else the one that was installed beside the interpreter."""
    beside = Path(running.python).with_name(_PROGRAM)
    candidates = (Path(running.started_as), beside, beside.with_suffix(".exe"))
    return next((each.absolute() for each in candidates if each.stem == _PROGRAM and each.is_file()), None)


def _is_same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()


def _is_inside(path: Path, folder: str | None) -> bool:
    return folder is not None and path.absolute().is_relative_to(folder)
