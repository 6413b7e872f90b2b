"""The state folder: written in earnest, its lock tried, and only what is surely left over taken away."""

from __future__ import annotations

import errno
import os
import shutil
from collections import namedtuple
from typing import TYPE_CHECKING, NoReturn

import pytest
from filelock import FileLock

from peer_relay.doctor import folder
from peer_relay.doctor.findings import State, mendable, ok, warning
from peer_relay.doctor.folder import check_folder, check_leftovers, check_lock, remove_leftovers
from peer_relay.errors import StateUnusable
from peer_relay.local_state import LocalState

if TYPE_CHECKING:
    from pathlib import Path

HOUR_S = 3600
Usage = namedtuple("Usage", "free")  # noqa: PYI024 - only the one attribute is read


@pytest.fixture
def state(tmp_path: Path) -> LocalState:
    return LocalState(tmp_path / "rooms" / "alice")


@pytest.mark.parametrize("exists", [True, False])
def test_a_folder_that_can_be_written_is_left_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, exists: bool
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage(5_000_000_000))
    place = tmp_path / "state" / "rooms"
    if exists:
        place.mkdir(parents=True)
    before = sorted(tmp_path.rglob("*"))
    found = check_folder(tmp_path / "state", place, "PEER_RELAY_HOME")
    assert found == ok(f"Can be written, 5,000 MB are free: {tmp_path / 'state'} (PEER_RELAY_HOME).")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(("free", "state"), [(100 << 20, State.WARNING), (10 << 20, State.FAILED)])
def test_a_disk_that_is_nearly_full_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, state: State
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage(free))
    found = check_folder(tmp_path, tmp_path, "default")
    assert (found.state, found.fix) == (state, f"df -h {tmp_path}")
    assert found.what == f"{tmp_path} (default) can be written, but only {free / 1_000_000:,.0f} MB are free."


@pytest.mark.parametrize(
    ("number", "fix", "advice"),
    [
        (errno.ENOSPC, "df -h {}", None),
        (errno.EDQUOT, "df -h {}", None),
        (errno.EROFS, None, "Set PEER_RELAY_HOME to a folder on a disk that can be written."),
        (errno.EACCES, "ls -ld {}", "Give yourself the right to write there."),
    ],
)
def test_a_folder_that_cannot_be_written_says_why_and_what_helps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, fix: str | None, advice: str | None
) -> None:
    def fail(_handle: int) -> NoReturn:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    found = check_folder(tmp_path, tmp_path, "default")
    assert (found.state, found.advice) == (State.FAILED, advice)
    assert found.what == f"{tmp_path} (default) cannot be written: {os.strerror(number)}."
    assert found.fix == (fix and fix.format(tmp_path))


def test_a_file_in_the_place_of_the_folder_is_moved_aside_by_the_command(tmp_path: Path) -> None:
    (tmp_path / "state").touch()
    found = check_folder(tmp_path / "state", tmp_path / "state" / "rooms", "default")
    assert (found.state, found.fix) == (State.FAILED, f"mv {tmp_path / 'state'} {tmp_path / 'state'}.aside")


def test_a_lock_that_nobody_has_needed_is_free_and_not_made(state: LocalState) -> None:
    assert check_lock(state, 1.0) == ok("Free: nobody has needed it yet.")
    assert not state.folder.exists()


def test_a_lock_that_is_free_is_free(state: LocalState) -> None:
    state.folder.mkdir(parents=True)
    (state.folder / "lock").touch()
    assert check_lock(state, 1.0) == ok("Free.")


def test_a_lock_that_had_to_be_waited_for_is_no_trouble(state: LocalState, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "_SHORT_S", 0.0)
    state.folder.mkdir(parents=True)
    (state.folder / "lock").touch()
    found = check_lock(state, 1.0)
    assert (found.state, found.what[:11], found.what[-30:]) == (
        State.OK,
        "Free after ",
        ": another process was at work.",
    )


def test_a_lock_that_stays_held_names_the_process_where_the_system_tells(state: LocalState, tmp_path: Path) -> None:
    state.folder.mkdir(parents=True)
    lock, table = state.folder / "lock", tmp_path / "locks"
    with FileLock(lock):
        found = check_lock(state, 0.01, table)
        assert found == warning(
            "Held for longer than 0.01 seconds by another process of peer-relay.",
            advice="Wait until it is done, or end it.",
        )
        status = lock.stat()
        place = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
        other = "1: POSIX  ADVISORY  WRITE 17 00:00:1 0 EOF\n"
        for process, told in ((4711, "process 4711"), (-1, "another process of peer-relay")):
            table.write_text(f"{other}2: FLOCK  ADVISORY  WRITE {process} {place} 0 EOF\n")
            assert check_lock(state, 0.01, table).what == f"Held for longer than 0.01 seconds by {told}."
        table.write_text(other)
        assert check_lock(state, 0.01, table) == found


def test_a_lock_that_cannot_be_used_is_an_error(state: LocalState) -> None:
    (state.folder / "lock").mkdir(parents=True)
    with pytest.raises(StateUnusable):
        check_lock(state, 1.0)


def test_only_old_unfinished_files_are_left_over(tmp_path: Path) -> None:
    now_s = tmp_path.stat().st_mtime
    places = [tmp_path / "state", tmp_path / "missing"]
    outbox = tmp_path / "state" / "outbox"
    outbox.mkdir(parents=True)
    old, young, finished = outbox / ".tmp-old", outbox.parent / ".tmp-young", outbox / "tmp-x.json"
    for path, age_s in ((old, 2 * HOUR_S), (young, 1800), (finished, 2 * HOUR_S)):
        path.touch()
        os.utime(path, (now_s - age_s, now_s - age_s))
    now_ms = int(now_s * 1000)
    expected = mendable(State.WARNING, "1 unfinished file of killed processes, over an hour old.")
    assert check_leftovers(places, now_ms) == expected
    assert remove_leftovers(places, now_ms) == "Removed 1 unfinished file."
    assert check_leftovers(places, now_ms) == ok("No unfinished file of a killed process.")
    assert [path.exists() for path in (old, young, finished)] == [False, True, True]
