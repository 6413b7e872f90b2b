"""Modes and owners: what others could read is found and set right, and nobody's own folder is touched."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from peer_relay.doctor.findings import State, info, mendable, ok
from peer_relay.doctor.modes import Places, check_modes, mend_modes

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
USER = os.geteuid() if hasattr(os, "geteuid") else None


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """Give a machine's folders with something in each of them, all as they should be."""
    found = Places(tmp_path / "state", tmp_path / "config" / "saved-rooms")
    for path in (
        found.home / "rooms" / "abc" / "clone" / "outbox" / "1.json",  # a peer may be called clone
        found.home / "rooms" / "abc" / "alice" / "checkpoint.json",
        found.home / "rooms" / "abc" / "alice" / "clone" / "HEAD",
        found.saved / "work.json",
    ):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
    for path in (found.home, *found.home.rglob("*"), found.saved, *found.saved.rglob("*")):
        path.chmod(0o700 if path.is_dir() else 0o600)
    return found


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_is_the_owners_alone_is_well(places: Places) -> None:
    (places.home / "rooms" / "abc" / "alice" / "clone" / "HEAD").chmod(0o644)
    assert check_modes(places, USER) == ok("Yours alone: 11 files and folders.")


def test_what_is_in_a_clone_that_was_put_aside_is_not_looked_at_one_by_one(places: Places) -> None:
    for name in ("clone-with-lost-history", "clone-with-lost-history-2"):
        folder = places.home / "rooms" / "abc" / "alice" / name
        folder.mkdir(mode=0o700)
        (folder / "HEAD").touch(mode=0o644)
    assert check_modes(places, USER) == ok("Yours alone: 13 files and folders.")


def test_nothing_is_well_too(tmp_path: Path) -> None:
    assert check_modes(Places(tmp_path / "a", tmp_path / "b"), USER) == ok("There is nothing yet.")


def test_what_others_can_use_or_the_owner_cannot_is_named_and_set_right(places: Places) -> None:
    outbox = places.home / "rooms" / "abc" / "clone" / "outbox"
    token, entry = places.saved / "work.json", outbox / "1.json"
    for path, mode in ((token, 0o644), (places.saved, 0o755), (outbox, 0o770), (entry, 0o400)):
        path.chmod(mode)
    expected = "saved-rooms, saved-rooms/work.json, rooms/abc/clone/outbox and rooms/abc/clone/outbox/1.json"
    assert check_modes(places, USER) == mendable(State.WARNING, f"Others can use, or you cannot: {expected}.")
    assert mend_modes(places) == f"Set right: {expected}."
    assert [mode_of(path) for path in (token, places.saved, outbox, entry)] == [0o600, 0o700, 0o700, 0o600]
    assert check_modes(places, USER).state is State.OK


def test_the_state_folder_is_set_right_only_if_it_is_peer_relays_own(places: Places) -> None:
    places.home.chmod(0o755)
    assert check_modes(places, USER).what == f"Others can use, or you cannot: {places.home}."
    (places.home / "notes.txt").touch(mode=0o644)
    assert check_modes(places, USER).state is State.OK
    places.home.chmod(0o777)
    assert check_modes(places, USER).state is State.WARNING
    mend_modes(places)
    assert (mode_of(places.home), mode_of(places.home / "notes.txt")) == (0o755, 0o644)


def test_links_are_followed_to_a_file_and_never_into_a_folder(places: Places, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "elsewhere" / "public").touch(mode=0o644)
    (places.saved / "folder").symlink_to(tmp_path / "elsewhere")
    (places.saved / "nowhere.json").symlink_to(tmp_path / "missing")
    assert check_modes(places, USER).state is State.OK
    (places.saved / "home.json").symlink_to(tmp_path / "elsewhere" / "public")
    assert check_modes(places, USER).what == "Others can use, or you cannot: saved-rooms/home.json."


def test_what_belongs_to_another_user_is_a_failure_with_the_command(places: Places) -> None:
    assert USER is not None
    found = check_modes(places, USER + 1)
    assert (found.state, found.mendable) == (State.FAILED, False)
    assert found.what.startswith(f"Of another user: {places.home}, saved-rooms, saved-rooms/work.json, rooms and ")
    assert found.fix == f'sudo chown -R "$(id -un)" {places.home} {places.saved}'


def test_root_is_told_not_to_work_among_the_files_of_another_user(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    if USER == 0:
        os.chown(places.saved / "work.json", 1000, -1)
    found = check_modes(places, 0)
    assert (found.state, found.fix, found.advice) == (
        State.FAILED,
        None,
        "Run peer-relay as that user, and not as root.",
    )


def test_a_system_without_modes_is_not_judged_by_them(places: Places) -> None:
    expected = info("Not told by the modes of this system, where a user's profile is private.")
    assert check_modes(places, None) == expected
