"""A sample of `python -m tests.chaos.faulty_files`, and what that command counts."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from tests.chaos.faulty_files import FaultyFiles
from tests.claims import claim

if TYPE_CHECKING:
    from pathlib import Path

SEED = 5
EACH = 97


@claim("I3", "I4")
@pytest.mark.timeout(180)
@pytest.mark.usefixtures("unmeasured_processes")
def test_whatever_operation_on_a_file_fails_what_was_told_is_true_and_the_next_call_works() -> None:
    command = [sys.executable, "-m", "tests.chaos.faulty_files", "--seed", str(SEED), "--step", str(EACH)]
    done = subprocess.run(
        [*command, "--scenarios", "3"], stdout=subprocess.PIPE, text=True, env=os.environ, timeout=170, check=False
    )
    assert done.returncode == 0, done.stdout
    rows = [line for line in done.stdout.splitlines() if " operations " in line]
    assert len(rows) == 3 * 2 * 4
    assert sum(int(line.partition(" faults ")[2].split()[0]) for line in rows) > 24


def use(folder: Path) -> bytes:
    """Make every kind of operation that is counted."""
    (folder / "a").mkdir()
    (folder / "a" / "file").write_bytes(b"content")
    (folder / "a" / "file").rename(folder / "a" / "other")
    os.link(folder / "a" / "other", folder / "linked")
    list(folder.iterdir())
    with (folder / "linked").open("r+b") as file:
        content = file.read()
        file.truncate()
        os.fsync(file.fileno())
    (folder / "linked").unlink()
    return content


def test_every_operation_below_the_folder_fails_once_and_no_other_does(tmp_path: Path) -> None:
    failed = []
    for number in range(1, 100):
        folder, beside = tmp_path / f"below-{number}", tmp_path / f"beside-{number}"
        folder.mkdir()
        beside.mkdir()
        faults = FaultyFiles(folder, number, errno.ENOSPC)
        with faults:
            use(beside)
            with suppress(OSError):
                content = use(folder)
        if not faults.failed:
            break
        failed.append(faults.failed.split()[0])
    names = {"mkdir", "open", "write", "rename", "link", "listdir", "read", "truncate", "fsync", "unlink"}
    assert (content, {*failed}, len(failed)) == (b"content", names, faults.count)


def test_after_the_first_fault_everything_may_fail(tmp_path: Path) -> None:
    with FaultyFiles(tmp_path, 2, errno.EIO, lasting=True) as faults:
        (tmp_path / "one").mkdir()
        for name in ("two", "three"):
            with pytest.raises(OSError, match="Input/output"):
                (tmp_path / name).mkdir()
    assert (faults.count, faults.failed) == (3, "mkdir two")
