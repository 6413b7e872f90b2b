"""A room in memory as the tests of the relay have it, which alice knows already."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.relay.conftest import bob, mailbox, time
from tests.relay.support import FakeTime, Machine
from tests.store.memory_store import MemoryMailbox, MemoryStore

if TYPE_CHECKING:
    from pathlib import Path

    from tests.relay.support import MemoryMachine

__all__ = ["bob", "mailbox", "time"]


@pytest.fixture
def alice(mailbox: MemoryMailbox, tmp_path: Path, time: FakeTime) -> MemoryMachine:
    machine = Machine("alice", MemoryStore(mailbox), tmp_path / "alice", time)
    machine.relay.questions()
    return machine
