"""A mailbox whose tip holds 512 answered exchanges, made once and copied for each test that changes it; and a key."""

from __future__ import annotations

import copy
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.git_store.forging import HOUR_MS
from tests.independent import START_MS, Room, ulid

if TYPE_CHECKING:
    from pathlib import Path

FULL_IDS = tuple(ulid(START_MS + number * HOUR_MS, number) for number in range(513))
"""The first is open, the others are answered."""


def fill(room: Room) -> None:
    """Let a room begin and fill it up to where the archive commit is due."""
    with room.in_bulk():
        room.open()
        for number, question_id in enumerate(FULL_IDS):
            room.ask(question_id, room.peers[number % 2], f"Question {number}?")
            if number:
                room.answer(question_id, f"Answer {number}.")


@pytest.fixture(scope="session")
def full_template(tmp_path_factory: pytest.TempPathFactory) -> Room:
    room = Room(tmp_path_factory.mktemp("full") / "mailbox.git")
    fill(room)
    return room


@pytest.fixture
def full(full_template: Room, tmp_path: Path) -> Room:
    """Give a room of one's own where the archive commit is due."""
    assert full_template.git_dir is not None
    room = copy.deepcopy(full_template)
    room.git_dir = shutil.copytree(full_template.git_dir, tmp_path / "mailbox.git")
    return room


@pytest.fixture(scope="session")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a key to sign commits with."""
    if shutil.which("ssh-keygen") is None:
        pytest.skip("ssh-keygen is not installed")
    path = tmp_path_factory.mktemp("key") / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", path], check=True, timeout=30)
    return path
