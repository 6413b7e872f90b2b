"""Child processes that cannot ask anybody anything and never outlive the operation that started them.

1. A child has no terminal: its standard input is a pipe or nothing, and on POSIX it is a session of its own.
2. `end` leaves no child behind, and none of the child's own children that stayed in its process group.
3. `end_all` leaves none behind of a process that is about to end, whatever its threads are doing.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Process = subprocess.Popen[bytes]

# Every way in which git, ssh and Git Credential Manager ask a person, turned off. An empty GIT_ASKPASS also keeps git
# from core.askPass and SSH_ASKPASS.
_SILENT = {
    "GCM_INTERACTIVE": "never",
    "GIT_ASKPASS": "",
    "GIT_TERMINAL_PROMPT": "0",
    "SSH_ASKPASS": "",
    "SSH_ASKPASS_REQUIRE": "never",
}


@dataclass
class _Running:
    """The children of this process."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    children: set[Process] = field(default_factory=set)
    is_over: bool = False


_RUNNING = _Running()


def start(argv: Sequence[str], environ: Mapping[str, str], *, stderr: int | IO[bytes] = subprocess.DEVNULL) -> Process:
    """Start a program with pipes for its standard input and output.

    Raises:
        OSError: there is no such program, or it may not be run, or `end_all` was called.
    """
    if sys.platform == "win32":
        flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
    else:
        flags = 0
    with _RUNNING.lock:
        if _RUNNING.is_over:
            raise OSError(errno.ECANCELED, os.strerror(errno.ECANCELED))
        child = subprocess.Popen(  # noqa: S603 - an argument vector; no shell is involved
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env={**environ, **_SILENT},
            start_new_session=sys.platform != "win32",
            creationflags=flags,
        )
        _RUNNING.children.add(child)
    return child


def kill(process: Process) -> None:
    """Kill a child and its process group at once. May be called from another thread, and when it has ended already."""
    if process.poll() is not None:
        return
    if sys.platform == "win32":
        process.kill()
    else:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)


def end(process: Process, grace_s: float) -> None:
    """Close a child's pipes, let it end by itself for `grace_s` seconds, and kill it then."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):  # unsent bytes of a child that has gone
                pipe.close()
    try:
        process.wait(grace_s)
    except subprocess.TimeoutExpired:
        kill(process)
        process.wait()
    with _RUNNING.lock:
        _RUNNING.children.discard(process)


def output_of(argv: Sequence[str], text: bytes, environ: Mapping[str, str], timeout_s: float) -> bytes:
    """Return what a program prints when it is given a text, or nothing if it fails or does not end in time."""
    try:
        child = start(argv, environ)
    except OSError:
        return b""
    try:
        with contextlib.suppress(subprocess.TimeoutExpired):
            printed, _ = child.communicate(text, timeout=timeout_s)
            return printed if child.returncode == 0 else b""
        return b""
    finally:
        kill(child)
        end(child, 1.0)


def end_all() -> None:
    """Kill every child, and start no other from now on. For a process that is about to end; from any thread."""
    with _RUNNING.lock:
        _RUNNING.is_over = True
        for child in _RUNNING.children:
            kill(child)
