"""A real disk of 1 MiB that fills up: this machine's, or the mailbox's."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.claims import claim

if TYPE_CHECKING:
    from pathlib import Path

NAMESPACES = ("unshare", "--map-root-user", "--mount")
BEFORE = {"alice-0", "alice-1", "to-alice-0", "to-alice-1", "bob-1"}
pytestmark = [pytest.mark.timeout(180), pytest.mark.usefixtures("unmeasured_processes")]


def fill(what: str, folder: Path) -> dict[str, Any]:
    """Fill a disk in a process that may mount one, and return what it saw."""
    if shutil.which("unshare") is None or subprocess.run([*NAMESPACES, "true"], check=False).returncode != 0:
        pytest.skip("no process here may mount a disk, not even in a namespace of its own")
    command = [*NAMESPACES, sys.executable, "-m", "tests.chaos.small_disk", what, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=170, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


@claim("I3", "I4", "delivered-or-queued")
def test_a_full_disk_of_this_machine_is_named_and_costs_nothing_that_was_accepted(tmp_path: Path) -> None:
    seen = fill("home", tmp_path)
    *accepted, refused = seen["asked"]
    for sentence in (seen["last"], seen["again"]):
        assert sentence.startswith(str(tmp_path / "homes" / "alice"))
        assert sentence.endswith(
            " cannot be used: No space left on device. Check its permissions and the free space of its disk."
        )
    assert (len(accepted) > 9, seen["queued"]) == (True, sorted(accepted))
    assert (refused in seen["stored"], seen["goes_out"], seen["locks"]) == (False, True, [])
    assert seen["stored"] == dict.fromkeys({*BEFORE, *accepted}, 1)
    assert seen["waited_for"] == len(accepted) + 2


@claim("I3", "I4", "delivered-or-queued")
def test_a_full_disk_of_the_mailbox_queues_what_is_written_and_leaves_no_lock(tmp_path: Path) -> None:
    seen = fill("mailbox", tmp_path)
    *delivered, queued = seen["asked"]
    assert {seen["asked"][name] for name in delivered} == {"delivered"}
    for sentence in (seen["last"], seen["again"]):
        assert sentence.startswith(f"queued: {tmp_path / 'mailbox.git'} takes no push")
        assert '"No space left on device"' in sentence
    assert (len(delivered) > 4, seen["queued"]) == (True, [queued])
    assert (seen["goes_out"], seen["locks"]) == (True, [])
    assert seen["stored"] == dict.fromkeys({*BEFORE, *delivered, queued, "again"}, 1)
