"""A slice of `python -m tests.chaos.killing`: processes killed at every step, and at random, on each transport."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from peer_relay.crash_points import CrashPoint, arm, reached
from tests import servers
from tests.chaos.killing import OF_THE_WAY
from tests.claims import claim

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SEED = 4
pytestmark = pytest.mark.timeout(180)
"""Most of it is waiting: for the disk, for the servers, and for the lock of a killed process to be old enough."""

OF_A_PUSH = {
    "http": ("PUSH_BEGUN", "PUSH_HANDED_OVER", "REPORT_COMES", "REPORT_READ"),
    "ssh": ("PUSH_HANDED_OVER",),
}
PROGRAMS = {"ssh": ("sshd",), "http": ("nginx", "fcgiwrap")}


def run(folder: Path, *options: str) -> tuple[str, list[dict[str, Any]]]:
    """Run the command, and return what it printed and its rows."""
    command = [sys.executable, "-m", "tests.chaos.killing", "--seed", str(SEED), "--json", str(folder / "rows.json")]
    done = subprocess.run(
        [*command, *options], stdout=subprocess.PIPE, text=True, env=os.environ, timeout=170, check=False
    )
    rows: list[dict[str, Any]] = json.loads((folder / "rows.json").read_text())["rows"]
    return done.stdout, rows


def wrong_in(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the rows in which something was lost, there twice or stuck, and those of points that were not reached."""
    return {row["point"]: row for row in rows if not row["trials"] or row["lost"] or row["duplicated"] or row["stuck"]}


@claim("I3", "I4", "I7")
@pytest.mark.usefixtures("unmeasured_processes")
def test_a_process_that_is_killed_at_any_step_loses_nothing_writes_nothing_twice_and_blocks_nothing(
    tmp_path: Path,
) -> None:
    said, rows = run(tmp_path, "--transport", "path", "--seeds", "1", "--scenarios", "4", "--random", "4")
    assert wrong_in(rows) == {}, said
    assert {row["point"] for row in rows} == {*(each.name for each in OF_THE_WAY["path"]), "at a random moment"}


@claim("I3", "I4")
@pytest.mark.parametrize("transport", ["http", "ssh"])
@pytest.mark.usefixtures("unmeasured_processes")
def test_a_process_that_is_killed_while_it_talks_to_a_server_loses_nothing(transport: str, tmp_path: Path) -> None:
    for program in PROGRAMS[transport]:
        servers._program(program)
    points = [word for name in OF_A_PUSH[transport] for word in ("--point", name)]
    few = ("--seeds", "1", "--scenarios", "1", "--random", "1")
    said, rows = run(tmp_path, "--transport", transport, *few, *points)
    assert wrong_in(rows) == {}, said
    assert [row["point"] for row in rows] == [*OF_A_PUSH[transport], "at a random moment"]


def test_every_point_belongs_to_some_transport() -> None:
    assert set(CrashPoint) == set().union(*OF_THE_WAY.values())


def test_a_point_does_nothing_but_tell_who_armed_it() -> None:
    seen: list[CrashPoint] = []
    reached(CrashPoint.ACCEPTED)
    arm(seen.append)
    try:
        reached(CrashPoint.ASKED)
    finally:
        arm(None)
    reached(CrashPoint.BUILT)
    assert seen == [CrashPoint.ASKED]
