"""One ssh connection that the sessions of a transport share, where the user's OpenSSH can do it (`ControlMaster`).

1. It is begun by the first session and waits `PERSIST_S` seconds for the next. ssh itself ends it then, so it does not
   outlive a killed process for longer; `end` ends it at once.
2. It is never used against the user: whoever has a ControlMaster or a ControlPath of their own, in a configuration or
   in GIT_SSH_COMMAND, keeps exactly that. `ssh -G` tells, which contacts nobody.
3. Its socket is in a folder that only this user can enter, and no other process is told of it.
4. It carries no forwarding of ports: the user's own connection may want the same port meanwhile.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import struct
import sys
import tempfile
from typing import TYPE_CHECKING, Final

from peer_relay.git import process

if TYPE_CHECKING:
    from collections.abc import Sequence

    from peer_relay.git.environment import NetworkEnvironment

PERSIST_S: Final = 60
_LONGEST_PATH: Final = 86
"""The shortest limit of a socket's path is 104 bytes with its end, and ssh first binds one that is 17 longer."""

_ANSWER_LIMIT_S = 2.0
_END_LIMIT_S = 0.5
# A greeting of version 4 and the request to end, each after its length (PROTOCOL.mux of OpenSSH, 1 and 10).
_GREETING_AND_END = struct.pack(">6I", 8, 0x00000001, 4, 8, 0x10000005, 0)
_OWN = re.compile(rb"^(?:controlpath (?!none$)|controlmaster (?!false$|no$))", re.MULTILINE)
_ANY = re.compile(rb"^controlmaster ", re.MULTILINE)


class Multiplexing:
    """The shared connection of one transport.

    Args:
        environment: the surroundings.
    """

    def __init__(self, environment: NetworkEnvironment) -> None:
        self._environment = environment
        self._is_possible: bool | None = None
        self._folder: str | None = None

    def options(self, argv: Sequence[str], destination: Sequence[str]) -> list[str]:
        """Return the options with which a run of ssh uses the connection, and begins it if there is none.

        Args:
            argv: the program and the user's own words for it.
            destination: the host, with what else chooses it.

        Returns:
            Nothing if each session has to have a connection of its own.
        """
        if self._is_possible is None:
            self._is_possible = _is_openssh(argv[0]) and self._is_left_to_us([*argv, "-G", *destination])
        if self._is_possible and self._folder is None:
            self._folder = tempfile.mkdtemp(prefix="pr-")  # with mode 0700
            if len(os.fsencode(self._path)) > _LONGEST_PATH:
                self._is_possible = False
                self.end()
        if not self._is_possible:
            return []
        settings = ("ControlMaster=auto", f"ControlPath={self._path}", f"ControlPersist={PERSIST_S}")
        return [word for each in (*settings, "ClearAllForwardings=yes") for word in ("-o", each)]

    def end(self) -> None:
        """End the connection with all that goes over it. May be called again, and from another thread."""
        folder, path = self._folder, self._path
        self._folder = None
        if folder is None:
            return
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(_END_LIMIT_S)
            asking.connect(path)
            asking.sendall(_GREETING_AND_END)
            while asking.recv(1024):
                pass
        shutil.rmtree(folder, ignore_errors=True)

    @property
    def _path(self) -> str:
        return f"{self._folder}/s"

    def _is_left_to_us(self, argv: Sequence[str]) -> bool:
        said = process.output_of(argv, b"", self._environment.environ, _ANSWER_LIMIT_S)
        return _ANY.search(said) is not None and _OWN.search(said) is None


def _is_openssh(program: str) -> bool:
    """Say whether a program is OpenSSH itself, and not a script in its place, and can share a connection here."""
    return sys.platform != "win32" and os.path.basename(program) == "ssh"  # noqa: PTH119 - as in an argument vector
