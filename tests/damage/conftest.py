"""The room in memory that the reproductions have."""

from __future__ import annotations

from tests.reproductions.conftest import alice, bob, mailbox, time

__all__ = ["alice", "bob", "mailbox", "time"]
