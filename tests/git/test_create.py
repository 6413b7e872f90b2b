"""A bare repository at a path is made whole, once, and never over something."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from peer_relay.errors import StateUnusable
from peer_relay.git.create import create_repository

if TYPE_CHECKING:
    from tests.conftest import Git


def test_a_repository_is_made_with_the_folders_above_it_and_nothing_beside_it(tmp_path: Path, git: Git) -> None:
    path = tmp_path / "a" / "b" / "mailbox.git"
    create_repository(str(path))
    assert git(path, "rev-parse", "--is-bare-repository") == "true"
    assert list(path.parent.iterdir()) == [path]


def test_an_empty_folder_is_filled_and_keeps_its_permissions(tmp_path: Path, git: Git) -> None:
    path = tmp_path / "mailbox.git"
    path.mkdir()
    path.chmod(0o2775)
    create_repository(str(path))
    assert git(path, "rev-parse", "--is-bare-repository") == "true"
    assert stat.S_IMODE(path.stat().st_mode) == 0o2775


def test_what_is_there_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    create_repository(str(tmp_path))
    assert [each.name for each in tmp_path.iterdir()] == ["notes.txt"]


def test_of_many_that_make_it_at_once_each_finds_it_whole(tmp_path: Path, git: Git) -> None:
    for number in range(5):
        path = tmp_path / f"{number}.git"
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(create_repository, [str(path)] * 4))
        assert git(path, "rev-parse", "--is-bare-repository") == "true"
    assert len(list(tmp_path.iterdir())) == 5


def test_somebody_who_was_faster_is_found_and_nothing_is_left_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, rename = tmp_path / "mailbox.git", Path.rename

    def be_second(made: Path, target: Path) -> Path:
        path.mkdir()
        (path / "HEAD").write_text("ref: refs/heads/main\n")
        return rename(made, target)

    monkeypatch.setattr(Path, "rename", be_second)
    create_repository(str(path))
    assert [each.name for each in tmp_path.iterdir()] == ["mailbox.git"]
    assert os.listdir(path) == ["HEAD"]  # noqa: PTH208 - the names alone


def test_a_place_that_cannot_be_used_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StateUnusable, match=r"mailbox\.git cannot be used: "):
        create_repository(str(tmp_path / "file" / "mailbox.git"))
