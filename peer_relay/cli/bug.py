"""The record of a bug: where the program went wrong, for whoever mends it, and no secret in it (I10).

What an error says may hold anything that the program was given. If the guard sees a secret in it, nothing of that is
kept: a private key goes on for many lines, and the way to the error is what is needed.
"""

from __future__ import annotations

import os
import platform
import re
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from peer_relay import __version__, disk
from peer_relay.errors import PeerRelayError
from peer_relay.guard.scan import find_secrets
from peer_relay.own_secrets import known_secrets
from peer_relay.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

_SECRET = re.compile(r"\b(prt1|pr1)-[a-z2-7]+")
_LOGIN = re.compile(r"(?<=://)[^\s/]*@")
_SECRET_VARIABLES = ("PEER_RELAY_ROOM_TOKEN", "PEER_RELAY_GIT_PASSWORD", "GITHUB_TOKEN", "GH_TOKEN")
_HIDDEN = "[hidden]"


def write_log(error: BaseException) -> str:
    """Write down an error that nobody foresaw.

    Returns:
        The path of the file: in the state folder, or in the system's temporary folder if that cannot be written.
    """
    name = f"bug-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.getpid()}.log"
    text = _report(error).encode("utf-8", "replace")
    try:
        path = read_settings().state_folder / "logs" / name
        disk.write_atomically(path, text)
    except PeerRelayError:
        path = Path(tempfile.mkdtemp(prefix="peer-relay-"), name)
        path.write_bytes(text)
    return str(path)


def _report(error: BaseException) -> str:
    """Return the versions, the command and the way to the error. What the variables held there is not in it."""
    about = f"peer-relay {__version__}, Python {platform.python_version()}, {platform.platform()}"
    told = scrubbed(f"{about}\ncommand: {sys.argv[1:2]}\n\n{''.join(traceback.format_exception(error))}")
    if find_secrets(told, known_secrets()):
        return f"{about}\n\n{''.join(_way(error))}"
    return told


def _way(error: BaseException | None) -> Iterator[str]:
    """Yield the lines of code that led to an error and to what caused it, and nothing that any of them says."""
    while error is not None:
        yield from traceback.format_tb(error.__traceback__)
        yield f"{type(error).__name__}: {_HIDDEN}\n"
        error = error.__cause__ or error.__context__


def scrubbed(text: str) -> str:
    """Return a text without what looks like a token, an invite or a login, and without the values that are known."""
    for value in filter(None, (os.environ.get(name, "").strip() for name in _SECRET_VARIABLES)):
        text = text.replace(value, _HIDDEN)
    return _LOGIN.sub("", _SECRET.sub(rf"\1-{_HIDDEN}", text))
