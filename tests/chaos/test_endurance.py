"""A slice of the endurance run, and what it takes for growth."""

from __future__ import annotations

from pathlib import Path

import pytest

from peer_relay.git.packing import CROWDED
from tests.chaos.endurance import carry_out, findings

FLAT = {
    "alice's server": {"memory_mib": 70.0, "file descriptors": 8.0, "threads": 5.0},
    "mailbox": {"loose objects": 900.0, "packs": 3.0, "disk_mib": 9.0},
}


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells what a process has")
def test_servers_that_talk_for_a_while_do_not_grow(tmp_path: Path, unmeasured_processes: None) -> None:
    run, early, late = carry_out(tmp_path, 80)
    assert findings(early, late, run.records) == []
    assert (run.calls, run.records) == (80, 40)
    assert {name: len(taken) for name, taken in run.seconds.items()} == {
        "ask_peer": 20,
        "answer_question": 20,
        "check_questions": 60,
        "check_answers": 60,
    }


@pytest.mark.parametrize(
    ("what", "name", "value", "finding"),
    [
        ("alice's server", "memory_mib", 95.0, "alice's server: memory_mib grew from 70 to 95, and 94 is allowed"),
        ("alice's server", "threads", 10.0, "alice's server: threads grew from 5 to 10, and 9 is allowed"),
        ("alice's server", "file descriptors", 12.0, None),
        ("alice's server", "memory_mib", 60.0, None),
        ("mailbox", "loose objects", 5_000.0, "mailbox: 5000 loose objects for 1,000 records, and 4548 are allowed"),
        ("mailbox", "loose objects", 2.0 * CROWDED, None),
        ("mailbox", "packs", 30.0, "mailbox: 30 packs for 1,000 records, and 17 are allowed"),
        ("mailbox", "disk_mib", 51.0, "mailbox: 51 disk_mib for 1,000 records, and 50 are allowed"),
    ],
)
def test_growth_is_found(what: str, name: str, value: float, finding: str | None) -> None:
    late = {**FLAT, what: {**FLAT[what], name: value}}
    found = findings(FLAT, late, 1_000)
    assert found == ([] if finding is None else [finding])
