"""What a session was told of is remembered for that session, and losing it costs a repetition and no more."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from peer_relay.told import Told

if TYPE_CHECKING:
    from pathlib import Path

FIRST, SECOND = "01KAN3F8Q4T7V9X2B5D8G1J4M7", "01KAN3F8Q4T7V9X2B5D8G1J4M8"
WEEK_S = 7 * 86_400


def test_a_session_is_told_nothing_yet(tmp_path: Path) -> None:
    assert Told(tmp_path, "one").ids() == frozenset()


def test_what_it_was_told_of_last_is_what_is_remembered_and_for_it_alone(tmp_path: Path) -> None:
    Told(tmp_path, "one").remember([FIRST])
    Told(tmp_path, "one").remember([SECOND, FIRST])
    assert Told(tmp_path, "one").ids() == {FIRST, SECOND}
    assert Told(tmp_path, "other").ids() == frozenset()


def test_what_it_learns_besides_is_added(tmp_path: Path) -> None:
    one = Told(tmp_path, "one")
    one.add([])
    assert not one.path.exists()
    one.add([SECOND])
    one.add([FIRST, SECOND])
    assert one.ids() == {FIRST, SECOND}


@pytest.mark.parametrize("session", ["../../../etc/passwd", "", "a" * 5_000, "\ud800", "con\0"])
def test_a_session_may_be_called_anything(tmp_path: Path, session: str) -> None:
    Told(tmp_path, session).remember([FIRST])
    assert Told(tmp_path, session).ids() == {FIRST}
    assert [path.parent for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / "told"]


@pytest.mark.parametrize("content", [b"", b"\xff\x00 nonsense", b"x" * 2_000_000])
def test_a_damaged_file_tells_nothing(tmp_path: Path, content: bytes) -> None:
    one = Told(tmp_path, "one")
    one.remember([FIRST])
    one.path.write_bytes(content)
    assert one.ids() == frozenset()


def test_a_folder_in_the_place_of_a_file_tells_nothing(tmp_path: Path) -> None:
    one = Told(tmp_path, "one")
    one.path.mkdir(parents=True)
    assert one.ids() == frozenset()


def test_sessions_of_more_than_a_week_ago_are_forgotten(tmp_path: Path) -> None:
    old, young = Told(tmp_path, "old"), Told(tmp_path, "young")
    for each in (old, young):
        each.remember([FIRST])
    unfinished = old.path.with_name(".tmp-0123456789abcdef")  # of a process that was killed
    unfinished.touch()
    long_ago_s = young.path.stat().st_mtime - WEEK_S - 1
    for path in (old.path, unfinished):
        os.utime(path, (long_ago_s, long_ago_s))
    young.remember([FIRST])
    assert old.path.exists()
    Told(tmp_path, "new").remember([FIRST])
    assert old.ids() == frozenset()
    assert young.ids() == {FIRST}
    assert not unfinished.exists()
