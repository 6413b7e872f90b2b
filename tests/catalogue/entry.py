"""What an entry of the catalogue is, and what the entries share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from peer_relay.config import RelayConfig
from peer_relay.errors import PeerRelayError
from peer_relay.invite import Invite, format_invite
from peer_relay.keys import RoomKeys, format_token

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TOKEN, OTHER_TOKEN = format_token(b"a token that the tests look for!"), format_token(bytes(32))
PASSWORD = "hunter2"
INVITE = format_invite(Invite(remote="git@github.com:alice/mailbox.git", token=TOKEN, peer_id="bob"))
_DERIVED = RoomKeys.from_token(TOKEN).mac_key.hex()
SECRETS = (TOKEN, OTHER_TOKEN, TOKEN[5:-4], OTHER_TOKEN[5:-4], INVITE, INVITE[4:44], _DERIVED, PASSWORD, "secret")
"""What no text may hold; `secret` is the one in the addresses of `tests/git/test_remote.py`."""

HOST = "https://github.com/alice/mailbox.git"
SSH = "git@github.com:alice/mailbox.git"
COMMIT = "906c3444260f4888cb02b9f3f21733543d0586aa"


@dataclass(frozen=True)
class Entry:
    """One error, and the way to get it.

    Attributes:
        name: what is special about it.
        make: returns the error, or raises it; it is given an empty folder.
    """

    name: str
    make: Callable[[Path], object]

    def error(self, folder: Path) -> PeerRelayError:
        """Return the error."""
        try:
            made = self.make(folder)
        except PeerRelayError as error:
            return error
        assert isinstance(made, PeerRelayError), self.name
        return made


def config(folder: Path, peer_id: str = "alice", token: str = TOKEN) -> RelayConfig:
    """Return how to enter a room in a folder."""
    return RelayConfig(remote=str(folder / "mailbox.git"), token=token, peer_id=peer_id, home=folder / peer_id)
