"""Saved rooms: one private file each, never another room's, and a damaged one hides no other."""

from __future__ import annotations

import json
import multiprocessing
import stat
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from filelock import FileLock

from peer_relay import rooms as rooms_module
from peer_relay.errors import InvalidSetting, StateUnusable
from peer_relay.keys import RoomKeys, format_token
from peer_relay.rooms import Rooms, SavedRoom, check_name
from peer_relay.signing import Pin, Signing
from tests.signing_keys import ALICES

if TYPE_CHECKING:
    from pathlib import Path


def token(number: int) -> str:
    return format_token(bytes([number]) * 32)


def room(number: int = 1, me: str = "alice", other: str = "bob", remote: str = "/srv/mailbox.git") -> SavedRoom:
    return SavedRoom(remote=remote, token=token(number), peer_id=me, other_peer=other)


@pytest.fixture
def rooms(tmp_path: Path) -> Rooms:
    return Rooms(tmp_path / "config" / "rooms")


def test_a_room_is_saved_under_the_names_of_its_two_and_comes_back_as_it_was(rooms: Rooms) -> None:
    assert rooms.names() == []
    assert rooms.save(room()) == "alice-bob"
    assert (rooms.names(), rooms.load("alice-bob")) == (["alice-bob"], room())


def test_only_the_owner_can_read_a_saved_room(rooms: Rooms) -> None:
    rooms.save(room())
    folder, file = rooms.folder, rooms.folder / "alice-bob.json"
    assert [stat.S_IMODE(path.stat().st_mode) for path in (folder, file)] == [0o700, 0o600]


def test_saving_again_replaces_the_file_and_sets_its_mode_right(rooms: Rooms) -> None:
    rooms.save(room())
    path = rooms.folder / "alice-bob.json"
    path.chmod(0o644)
    assert rooms.exposure("alice-bob") == (
        f"{path} holds the room token and can be read by others (mode 0644). Run `chmod 600` on it."
    )
    assert rooms.save(room(remote="/srv/moved.git")) == "alice-bob"
    assert (rooms.exposure("alice-bob"), rooms.names()) == (None, ["alice-bob"])
    assert rooms.load("alice-bob").remote == "/srv/moved.git"


def test_two_rooms_of_the_same_pair_and_both_sides_of_one_room_have_files_of_their_own(rooms: Rooms) -> None:
    second = RoomKeys.from_token(token(2)).room_id
    names = [rooms.save(room(1)), rooms.save(room(2)), rooms.save(room(1, me="bob", other="alice"))]
    assert names == ["alice-bob", f"alice-bob-{second}", "bob-alice"]
    assert rooms.save(room(2)) == f"alice-bob-{second}"
    assert [rooms.load(name).token for name in names] == [token(1), token(2), token(1)]


def test_names_that_read_alike_do_not_mix_two_pairs(rooms: Rooms) -> None:
    first, second = room(1, me="a-b", other="c"), room(2, me="a", other="b-c")
    names = [rooms.save(first), rooms.save(second)]
    assert [rooms.load(name) for name in names] == [first, second]


def test_a_room_can_be_named_and_renamed_but_not_over_another(rooms: Rooms) -> None:
    assert rooms.save(room(1), "work") == "work"
    assert rooms.save(room(1)) == "work"
    assert rooms.save(room(1), "job") == "job"
    assert rooms.names() == ["job"]
    with pytest.raises(InvalidSetting) as refused:
        rooms.save(room(2), "job")
    assert refused.value.what == "The name job is that of another saved room."
    assert (rooms.names(), rooms.load("job")) == (["job"], room(1))


def test_a_room_that_is_forgotten_is_gone(rooms: Rooms) -> None:
    rooms.save(room())
    rooms.forget("alice-bob")
    assert rooms.names() == []


@pytest.mark.parametrize("name", ["nobody", "../rooms/alice-bob", "", "Alice-Bob"])
def test_a_name_that_is_not_there_is_answered_with_those_that_are(rooms: Rooms, name: str) -> None:
    rooms.save(room())
    with pytest.raises(InvalidSetting) as refused:
        rooms.load(name)
    assert refused.value.what == "PEER_RELAY_ROOM names no saved room; saved are: alice-bob."


def test_without_any_room_the_folder_is_named(rooms: Rooms) -> None:
    with pytest.raises(InvalidSetting) as refused:
        rooms.load("alice-bob")
    assert refused.value.what == f"PEER_RELAY_ROOM names no saved room; none is saved in {rooms.folder}."


DAMAGED = {
    "": "it is not a JSON object",
    "{": "it is not a JSON object",
    "[]": "it is not a JSON object",
    '{"remote": "/x", "peer_id": "alice", "other_peer": "bob"}': "its token is missing",
    '{"remote": "/x", "token": "prt1-secret", "peer_id": "alice", "other_peer": "bob"}': "its token is not valid",
    f'{{"remote": 1, "token": "{token(1)}", "peer_id": "alice", "other_peer": "bob"}}': "its remote is not valid",
    f'{{"remote": "/x", "token": "{token(1)}", "peer_id": "A", "other_peer": "bob"}}': "its peer_id is not valid",
}


@pytest.mark.parametrize(("content", "problem"), DAMAGED.items())
def test_a_damaged_file_is_named_and_the_other_rooms_stay_usable(rooms: Rooms, content: str, problem: str) -> None:
    rooms.save(room())
    damaged = rooms.folder / "broken.json"
    damaged.write_text(content, encoding="utf-8")
    with pytest.raises(InvalidSetting) as refused:
        rooms.load("broken")
    assert str(refused.value) == (
        f"{damaged} is not a saved room ({problem}). Mend it, or delete it and run `peer-relay join` or "
        "`peer-relay init` again."
    )
    assert (rooms.names(), list(rooms.readable())) == (["alice-bob", "broken"], [("alice-bob", room())])


def test_a_file_of_a_newer_program_is_not_called_damaged(rooms: Rooms) -> None:
    newer = rooms.folder / f"{rooms.save(room())}.json"
    newer.write_text(json.dumps({**json.loads(newer.read_text()), "secret": "x"}), encoding="utf-8")
    with pytest.raises(InvalidSetting) as refused:
        rooms.load("alice-bob")
    assert str(refused.value) == (
        f"{newer} is not understood (it has a field that is not known). Upgrade peer-relay: a newer one may have "
        "written it."
    )


def test_a_damaged_file_is_not_written_over(rooms: Rooms) -> None:
    rooms.folder.mkdir(parents=True)
    (rooms.folder / "alice-bob.json").write_text("mine", encoding="utf-8")
    assert rooms.save(room()) == f"alice-bob-{RoomKeys.from_token(token(1)).room_id}"
    assert (rooms.folder / "alice-bob.json").read_text(encoding="utf-8") == "mine"


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StateUnusable) as refused:
        Rooms(tmp_path / "file" / "rooms").save(room())
    assert refused.value.what == f"{tmp_path / 'file' / 'rooms'} cannot be used: Not a directory."


def test_somebody_who_holds_the_lock_too_long_is_a_sentence(rooms: Rooms, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rooms_module, "_LOCK_LIMIT_S", 0.05)
    rooms.save(room())
    lock = rooms.folder / ".lock"
    with FileLock(lock), pytest.raises(StateUnusable) as refused:
        rooms.save(room())
    assert refused.value.what == f"{lock} cannot be used: another peer-relay process holds it."


def _save(folder: Path, number: int) -> str:
    return Rooms(folder).save(room(number))


def test_processes_that_save_at_once_keep_every_room(rooms: Rooms) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        names = pool.starmap(_save, [(rooms.folder, number) for number in range(8)])
    assert sorted(rooms.load(name).token for name in names) == sorted(token(number) for number in range(8))


@pytest.mark.parametrize("name", ["", "-x", "A", "a/b", "a.b", "a" * 101, "a\n"])
def test_a_name_that_could_be_a_path_or_an_option_is_refused(name: str) -> None:
    with pytest.raises(ValueError) as refused:
        check_name(name)
    assert str(refused.value) == "must be 1 to 100 characters a-z, 0-9 and -, not beginning with -"


def test_neither_the_token_nor_the_address_is_shown() -> None:
    assert repr(room(remote="https://u:secret@host/x")) == "SavedRoom(peer_id='alice', other_peer='bob')"


def test_pinned_keys_are_saved_with_the_room_and_a_room_without_has_the_same_bytes_as_ever(rooms: Rooms) -> None:
    file = rooms.folder / "alice-bob.json"
    rooms.save(room())
    assert list(json.loads(file.read_bytes())) == ["remote", "token", "peer_id", "other_peer"]
    signing = Signing((Pin("alice", ALICES.public, "a" * 40),), "/keys/alice")
    assert rooms.sign("alice-bob", lambda _: signing) == replace(room(), signing=signing)
    assert rooms.load("alice-bob").signing == signing
    assert rooms.signing_of(room().identity) == signing
    assert rooms.signing_of(("x", "alice")) is None
    rooms.save(room(remote="/srv/moved.git"))
    assert rooms.load("alice-bob") == replace(room(remote="/srv/moved.git"), signing=signing)


@pytest.mark.parametrize(
    "signing",
    [
        *(None, [], {}, {"key_file": None}, {"key_file": 1, "pins": []}),
        *({"key_file": None, "pins": pins} for pins in (["alice - - x"], [1], None)),
        {"key_file": None, "pins": [], "more": 1},
    ],
)
def test_what_is_pinned_is_read_whole_or_not_at_all(rooms: Rooms, signing: object) -> None:
    rooms.save(room())
    file = rooms.folder / "alice-bob.json"
    file.write_text(json.dumps({**json.loads(file.read_bytes()), "signing": signing}))
    with pytest.raises(InvalidSetting) as damaged:
        rooms.load("alice-bob")
    assert damaged.value.reason == "is not a saved room (its signing is not valid)"
