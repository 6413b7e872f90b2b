"""A room in memory, with alice on one machine and bob on two."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.relay.support import FakeTime, Machine
from tests.store.benches import ROOM, a_deadline
from tests.store.memory_store import MemoryMailbox, MemoryStore

if TYPE_CHECKING:
    from pathlib import Path

    from tests.relay.support import MemoryMachine


@pytest.fixture
def time() -> FakeTime:
    return FakeTime()


@pytest.fixture
def mailbox() -> MemoryMailbox:
    mailbox = MemoryMailbox()
    MemoryStore(mailbox).create(ROOM, a_deadline())
    return mailbox


@pytest.fixture
def alice(mailbox: MemoryMailbox, tmp_path: Path, time: FakeTime) -> MemoryMachine:
    return Machine("alice", MemoryStore(mailbox), tmp_path / "alice", time)


@pytest.fixture
def bob(mailbox: MemoryMailbox, tmp_path: Path, time: FakeTime) -> MemoryMachine:
    return Machine("bob", MemoryStore(mailbox), tmp_path / "bob", time)


@pytest.fixture
def bobs_laptop(mailbox: MemoryMailbox, tmp_path: Path, time: FakeTime) -> MemoryMachine:
    return Machine("bob", MemoryStore(mailbox), tmp_path / "bobs-laptop", time)
