"""What is noted of attempts that nobody watches: when, and why one failed, until another is noted."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from peer_relay.attempts import Attempts, FailedAttempt

if TYPE_CHECKING:
    from pathlib import Path

WHY = ("Stop", "It was dark.", "Make a light.")


def test_nothing_is_known_of_what_was_never_tried(tmp_path: Path) -> None:
    attempts = Attempts(tmp_path / "new")
    assert (attempts.noted_ms(), attempts.failure(), list(tmp_path.iterdir())) == (None, None, [])


def test_a_failure_counts_until_another_attempt_is_noted(tmp_path: Path) -> None:
    attempts = Attempts(tmp_path / "new")
    attempts.note()
    attempts.note_failure(*WHY)
    os.utime(attempts.folder / "made", (5, 5))
    os.utime(attempts.folder / "failed.json", (7, 7))
    assert (attempts.noted_ms(), attempts.failure()) == (5_000, FailedAttempt(7_000, *WHY))
    a_clock_that_was_ahead = attempts.folder.stat().st_mtime + 1e6
    os.utime(attempts.folder / "failed.json", (a_clock_that_was_ahead,) * 2)
    attempts.note()
    assert attempts.failure() is None


def test_others_cannot_read_it(tmp_path: Path) -> None:
    attempts = Attempts(tmp_path / "new")
    attempts.note()
    attempts.note_failure(*WHY)
    assert {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in (attempts.folder, *attempts.folder.iterdir())} == {0}


@pytest.mark.parametrize("content", [b"", b"\xff", b"7", b"[]", b"{}", b'{"during": ""}', b"[" * 200_000])
def test_of_a_damaged_file_it_is_known_that_there_was_a_failure(tmp_path: Path, content: bytes) -> None:
    attempts = Attempts(tmp_path)
    (tmp_path / "failed.json").write_bytes(content)
    failure = attempts.failure()
    assert failure is not None
    assert failure[1:] == ("", "It is not known any more why.", "Nothing has to be done, unless it fails again.")
