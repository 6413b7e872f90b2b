"""Fixtures for the tests of the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from peer_relay import app
from tests.cli.people import Person
from tests.cli.support import TOKEN, FakeRelay

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _unmeasured(unmeasured_processes: None) -> None:
    """Start processes for what only a process has, such as a terminal or an end: commands run in the test itself."""


@pytest.fixture
def relay(monkeypatch: pytest.MonkeyPatch) -> FakeRelay:
    """Configure a room and stand a fake in for its relay."""
    fake = FakeRelay()
    monkeypatch.setenv("PEER_RELAY_REMOTE", "/srv/mailbox.git")
    monkeypatch.setenv("PEER_RELAY_ROOM_TOKEN", TOKEN)
    monkeypatch.setenv("PEER_RELAY_PEER_ID", "alice")
    monkeypatch.setattr(app, "open_relay", lambda *_, **__: fake)
    return fake


@pytest.fixture
def alice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Person:
    """Give somebody with a home of her own."""
    return Person(tmp_path / "alice", monkeypatch)


@pytest.fixture
def bob(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Person:
    """Give somebody with a home of his own."""
    return Person(tmp_path / "bob", monkeypatch)


@pytest.fixture
def mailbox(tmp_path: Path) -> Path:
    """Give a path at which nothing is yet."""
    return tmp_path / "mailbox.git"
