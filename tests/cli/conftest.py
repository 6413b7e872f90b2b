"""Fixtures for the tests of the command line."""

from __future__ import annotations

import pytest

from peer_relay import app
from tests.cli.support import TOKEN, FakeRelay


@pytest.fixture
def relay(monkeypatch: pytest.MonkeyPatch) -> FakeRelay:
    """Configure a room and stand a fake in for its relay."""
    fake = FakeRelay()
    monkeypatch.setenv("PEER_RELAY_REMOTE", "/srv/mailbox.git")
    monkeypatch.setenv("PEER_RELAY_ROOM_TOKEN", TOKEN)
    monkeypatch.setenv("PEER_RELAY_PEER_ID", "alice")
    monkeypatch.setattr(app, "open_relay", lambda _config, _environ, _observer=None: fake)
    return fake
