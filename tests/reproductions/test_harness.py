"""What the runs of `tests.chaos` found: one test for each fault of the program."""

from __future__ import annotations

from pathlib import Path

import pytest

from peer_relay import app
from peer_relay.config import RelayConfig
from peer_relay.errors import StateUnusable
from peer_relay.git import fetching


def opened(folder: Path) -> RelayConfig:
    """Open a room in a repository on this machine."""
    config = RelayConfig(
        remote=str(folder / "mailbox.git"), token=app.new_token(), peer_id="alice", home=folder / "alice", timeout_s=20
    )
    app.create_room(config, "bob", {})
    return config


def test_a_disk_that_is_full_when_what_was_fetched_is_put_away_is_named_and_not_taken_for_a_bug(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # path, 2 processes, seed 34: `check_questions failed for a reason inside peer-relay` while the disk was full.
    config = opened(tmp_path)
    monkeypatch.setattr(fetching.tempfile, "TemporaryFile", lambda **_: Path("/dev/full").open("w+b"))  # noqa: SIM115
    with pytest.raises(StateUnusable, match="No space left on device"):
        app.inspect_room(RelayConfig(**{**vars(config), "home": tmp_path / "other"}), {})
