"""What the doctor says of an agent's hook, whose failures nobody hears."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from peer_relay.attempts import Attempts
from peer_relay.doctor.findings import info, ok, warning
from peer_relay.doctor.hooks import check_hook

if TYPE_CHECKING:
    from pathlib import Path

NOW_MS = 1_000_000_000
WHY = ("It was dark.", "Make a light.")


def made(folder: Path, minutes_ago: int) -> Attempts:
    attempts = Attempts(folder)
    attempts.note()
    _age(folder / "made", minutes_ago)
    return attempts


def failed(attempts: Attempts, minutes_ago: int, during: str = "") -> Attempts:
    attempts.note_failure(during, *WHY)
    _age(attempts.folder / "failed.json", minutes_ago)
    return attempts


def _age(path: Path, minutes: int) -> None:
    os.utime(path, (NOW_MS / 1000 - minutes * 60,) * 2)


def test_a_hook_that_nobody_uses_is_no_fault(tmp_path: Path) -> None:
    found = check_hook(Attempts(tmp_path / "hook"), None, NOW_MS)
    assert found == info("No agent on this machine has called `peer-relay hook` yet.")


def test_a_hook_that_works_says_since_when(tmp_path: Path) -> None:
    failed(Attempts(tmp_path / "hook"), 3)
    telling, refreshing = made(tmp_path / "hook", 2), made(tmp_path / "refresh", 5)
    assert check_hook(telling, refreshing, NOW_MS) == ok("Worked 2 minutes ago.")
    assert check_hook(telling, None, NOW_MS) == ok("Worked 2 minutes ago.")


def test_a_failure_is_told_with_its_time_its_event_and_what_to_do(tmp_path: Path) -> None:
    telling = failed(made(tmp_path / "hook", 9), 7, "Stop")
    expected = warning("Failed 7 minutes ago, during Stop: It was dark.", advice="Make a light.")
    assert check_hook(telling, None, NOW_MS) == expected
    assert check_hook(failed(Attempts(tmp_path / "new"), 1), None, NOW_MS).what == "Failed 1 minute ago: It was dark."


def test_a_look_behind_a_hook_that_fails_is_told_as_well(tmp_path: Path) -> None:
    telling, refreshing = made(tmp_path / "hook", 2), failed(made(tmp_path / "refresh", 8), 7, "a look at the mailbox")
    assert check_hook(telling, refreshing, NOW_MS) == warning(
        "Worked 2 minutes ago, and what it knows is old. Failed 7 minutes ago, during a look at the mailbox: "
        "It was dark.",
        advice="Make a light.",
    )
