"""Each test of the contract runs on every kind of store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.store.benches import Bench, GitBench, MemoryBench

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(params=["memory", "git"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    return MemoryBench() if request.param == "memory" else GitBench(tmp_path)
