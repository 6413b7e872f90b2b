"""Alice's machine with a room in a real bare repository, as most of these tests need it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import pytest

from peer_relay import app
from peer_relay.config import RelayConfig
from peer_relay.paths import branch_ref

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from peer_relay.local_state import LocalState
    from peer_relay.relay import Relay

TOKEN = app.new_token()


@dataclass(frozen=True)
class Side:
    """One of the two, and what that one's machine keeps."""

    config: RelayConfig

    @cached_property
    def parts(self) -> app.Parts:
        return app.assemble(self.config, {})

    @property
    def state(self) -> LocalState:
        return self.parts.state

    @property
    def ref(self) -> bytes:
        return branch_ref(self.parts.keys.room_id).encode()

    @contextlib.contextmanager
    def relay(self) -> Iterator[Relay]:
        with contextlib.closing(app.open_relay(self.config, {})) as relay:
            yield relay


@pytest.fixture
def alice(tmp_path: Path) -> Side:
    """Give alice, who has opened the room and asked nothing yet."""
    config = RelayConfig(remote=str(tmp_path / "mailbox.git"), token=TOKEN, peer_id="alice", home=tmp_path / "alice")
    app.create_room(config, "bob", {})
    side = Side(config)
    with side.relay() as relay:
        relay.reach()
    return side


@pytest.fixture
def bob(alice: Side, tmp_path: Path) -> Side:
    """Give bob, who has not reached the room yet."""
    return Side(RelayConfig(remote=alice.config.remote, token=TOKEN, peer_id="bob", home=tmp_path / "bob"))
