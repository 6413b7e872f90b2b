"""The tests' own safety net: nothing of the user's is seen or touched, and no long test is begun last."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs
import pytest

from tests import conftest

if TYPE_CHECKING:
    from tests.conftest import Git


def test_every_default_folder_is_below_the_tests_own_home(home: Path) -> None:
    folders = [Path.home(), platformdirs.user_config_path("peer-relay"), platformdirs.user_state_path("peer-relay")]
    assert [folder.is_relative_to(home) for folder in folders] == [True, True, True]


def test_the_users_own_folders_cannot_be_opened() -> None:
    refused = []
    for folder in conftest._REAL_FOLDERS:
        with pytest.raises(RuntimeError, match="the user's own"):
            Path(folder, "room.json").read_bytes()
        with pytest.raises(RuntimeError, match="the user's own"):
            Path(folder).mkdir()
        refused.append(folder)
    assert len(refused) == 4


def test_nothing_private_is_left_in_the_environment() -> None:
    set_here = {"GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM", "GIT_TERMINAL_PROMPT"}
    assert {name for name in os.environ if conftest._is_private(name)} - conftest.REQUIRING == set_here


def test_git_knows_nobody(git: Git, tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "--bare")
    assert "user." not in git(tmp_path, "config", "--list")


def test_private_variables_are_removed_and_others_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    private = {"PEER_RELAY_ROOM_TOKEN", "GITHUB_TOKEN", "GH_TOKEN", "https_proxy", "HTTP_PROXY", "SSH_AUTH_SOCK"}
    kept = {"PEER_RELAY_REQUIRE_SERVERS", "UNRELATED"}
    for name in private | kept:
        monkeypatch.setenv(name, "x")
    conftest._isolate(monkeypatch, tmp_path)
    assert os.environ.keys() & (private | kept) == kept


@pytest.mark.parametrize(("processes", "order"), [(1, "ABCDE01234567"), (2, "AB0123CDE4567"), (3, "A012BC34DE567")])
def test_each_process_begins_with_its_share_of_the_long_tests(processes: int, order: str) -> None:
    assert "".join(conftest._dealt(list("ABCDE"), list("01234567"), processes)) == order
