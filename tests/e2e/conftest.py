"""Fixtures for the end-to-end tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.support import Stage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def _unmeasured(unmeasured_processes: None) -> None:
    """Start many servers: those of tests/server are measured."""


@pytest.fixture
def stage(tmp_path: Path, forks: Path | None) -> Iterator[Stage]:
    """Give a folder with people, and check at the end what holds for every test."""
    made = Stage(tmp_path / "stage", forks)
    made.folder.mkdir()
    yield made
    made.check()
