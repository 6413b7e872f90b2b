"""What this machine knows to be secret, for the guard to compare texts with: rooms, logins, the environment.

1. Nothing of it is kept, shown or written anywhere. It is read when a record is about to be written, and only then.
2. A variable counts if its name says that it holds a credential. Of those that are not peer-relay's own, a value that
   could be a word, a path or a number does not count: it would be found everywhere.
3. A password that is nothing but letters may be a word of any text. So a person can send that text all the same.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from peer_relay.errors import PeerRelayError
from peer_relay.guard.known import KnownSecret
from peer_relay.settings import read_settings, surroundings

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOGINS = ("PEER_RELAY_GIT_PASSWORD", "GITHUB_TOKEN", "GH_TOKEN")
_CREDENTIAL = re.compile(
    r"(?:.*_)?(?:TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|API_?KEY|(?:ACCESS|SECRET|PRIVATE|AUTH)_?KEY|CREDENTIALS?)",
    re.IGNORECASE,
)
_SHORTEST_OF_OTHERS = 12
_ENDS_OF_FILES = (".json", ".pem", ".key", ".txt")


def known_secrets() -> Iterator[KnownSecret]:
    """Yield what this machine knows to be secret."""
    environ = surroundings()
    for name in _LOGINS:
        yield _login(f"the value of {name}", environ.get(name, ""))
    yield from _of_room(environ.get("PEER_RELAY_REMOTE", ""), environ.get("PEER_RELAY_ROOM_TOKEN", ""))
    with suppress(PeerRelayError):
        for _, room in read_settings().rooms.readable():
            yield from _of_room(room.remote, room.token)
    for name, value in environ.items():
        if name not in _LOGINS and _CREDENTIAL.fullmatch(name) and _is_credential(value):
            yield KnownSecret(f"the value of {name}", value)


def _of_room(remote: str, token: str) -> Iterator[KnownSecret]:
    yield KnownSecret("a room token of yours", token, is_own=True)
    with suppress(ValueError):  # which whoever uses the address is told
        yield _login("the password of a mailbox's address", unquote(urlsplit(remote).password or ""))


def _login(kind: str, value: str) -> KnownSecret:
    return KnownSecret(kind, value, is_own=not value.isalpha())


def _is_credential(value: str) -> bool:
    is_path = value.startswith(("/", "~", "./")) or "\\" in value or "://" in value or value.endswith(_ENDS_OF_FILES)
    mixed = re.search("[0-9]", value) is not None and re.search("[A-Za-z]", value) is not None
    return len(value) >= _SHORTEST_OF_OTHERS and mixed and not is_path and not re.search(r"\s", value)
