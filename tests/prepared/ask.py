"""Asks for a forked process, from within a test or as a program of its own, which ends when that process does.

Usage: ask.py SOCKET PID_FILE MODULE ARGUMENTS...

It stands alone and imports little, because as a program it is started for every server.
"""

from __future__ import annotations

import json
import os
import socket
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def ask(
    path: str,
    command: Sequence[str],
    variables: Mapping[str, str],
    streams: Sequence[int],
    pid_file: str | None = None,
) -> tuple[socket.socket, int]:
    """Have a process started in this one's folder; return where its exit status will be sent, as a line, and its id."""
    asker = socket.socket(socket.AF_UNIX)
    asker.connect(path)
    socket.send_fds(asker, [b"\n"], streams)
    folder = os.getcwd()  # noqa: PTH109 - pathlib is slow to import
    request = {"command": [*command], "variables": {**variables}, "folder": folder, "pid_file": pid_file}
    asker.sendall(json.dumps(request).encode() + b"\n")
    # Both lines are short, and the second comes later: what is read here is the first and no more.
    pid = b""
    while not pid.endswith(b"\n"):
        pid += asker.recv(1)
    return asker, int(pid)


def main(path: str, pid_file: str, *command: str) -> int:
    """Give this program's streams away, and end as the other does."""
    asker, _ = ask(path, command, os.environ, (0, 1, 2), pid_file)
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    status = int(asker.makefile("rb").readline())
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
