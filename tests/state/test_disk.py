"""Files that survive a crash."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from peer_relay import disk
from peer_relay.errors import StateUnusable

posix_only = pytest.mark.skipif(os.name == "nt", reason="permissions and folders of POSIX")


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@posix_only
def test_files_and_folders_are_their_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file"
    disk.write_atomically(path, b"data")
    assert path.read_bytes() == b"data"
    assert [mode_of(each) for each in (path, path.parent, path.parent.parent)] == [0o600, 0o700, 0o700]


def test_a_file_is_replaced_whole_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "file"
    disk.write_atomically(path, b"a long content")
    disk.write_atomically(path, b"short", durable=False)
    assert (path.read_bytes(), list(tmp_path.iterdir())) == (b"short", [path])


@posix_only
def test_what_is_durable_is_forced_to_the_disk_in_the_right_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "new" / "folder" / "file"
    seen: list[str] = []

    def fsync(handle: int) -> None:
        target = Path(f"/proc/self/fd/{handle}").readlink()
        seen.append(f"{target.relative_to(tmp_path)}" if target.is_dir() else f"file, replaced: {path.exists()}")

    monkeypatch.setattr(os, "fsync", fsync)
    disk.write_atomically(path, b"data")
    assert seen == [".", "new", "file, replaced: False", "new/folder"]
    seen.clear()
    disk.write_atomically(path, b"data", durable=False)
    assert seen == []


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_write_that_fails_leaves_the_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    path = tmp_path / "file"
    disk.write_atomically(path, b"before")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, failing, fail)
    with pytest.raises(StateUnusable) as caught:
        disk.write_atomically(path, b"after")
    assert caught.value.what == f"{path} cannot be used: No space left on device."
    assert (path.read_bytes(), list(tmp_path.iterdir())) == (b"before", [path])


def test_an_error_without_words_says_so(tmp_path: Path) -> None:
    with pytest.raises(StateUnusable) as caught, disk.reported(tmp_path):
        raise PermissionError
    assert caught.value.reason == "the system does not say why"


def test_a_file_in_the_place_of_a_folder_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for act in (
        lambda: disk.make_folder(tmp_path / "file"),
        lambda: disk.make_folder(tmp_path / "file" / "below"),
        lambda: disk.names_in(tmp_path / "file"),
        lambda: disk.read_if_there(tmp_path / "file" / "below"),
        lambda: disk.remove(tmp_path / "file" / "below"),
    ):
        with pytest.raises(StateUnusable) as caught:
            act()
        assert caught.value.reason == "Not a directory"


def test_what_is_not_there_is_none_empty_and_already_removed(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    assert (disk.read_if_there(missing), disk.names_in(missing), disk.is_there(missing)) == (None, [], False)
    disk.remove(missing)
    disk.set_modified_ms(missing, 1)
    with pytest.raises(StateUnusable):
        disk.modified_ms(missing)


def test_names_are_sorted_and_unfinished_files_left_out(tmp_path: Path) -> None:
    for name in ("b", "a", ".tmp-x"):
        (tmp_path / name).touch()
    assert disk.names_in(tmp_path) == ["a", "b"]


def test_times_are_kept_to_the_millisecond(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    disk.set_modified_ms(path, 1_795_340_000_123)
    assert disk.modified_ms(path) == 1_795_340_000_123


def test_a_removed_file_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    assert disk.is_there(path)
    disk.remove(path)
    assert not path.exists()


def test_windows_folders_are_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk.os, "name", "nt")
    monkeypatch.setattr(disk.os, "open", None)
    try:
        disk.sync_folder(tmp_path)
    finally:
        monkeypatch.undo()
