"""Opening a room when others open it too, and when the remote's reply is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from peer_relay import app
from peer_relay.config import RelayConfig
from peer_relay.errors import InvalidSetting, Moved, OutcomeUnknown, RoomExists
from peer_relay.git.remote import parse_remote
from peer_relay.git.store import GitStore
from tests.claims import claim

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from peer_relay.deadline import Deadline
    from peer_relay.records import Room
    from peer_relay.store import Snapshot
    from tests.conftest import Git

TOKEN = app.new_token()


def config(folder: Path, peer: str = "alice") -> RelayConfig:
    return RelayConfig(remote=str(folder / "mailbox.git"), token=TOKEN, peer_id=peer, home=folder / peer)


def interfere(monkeypatch: pytest.MonkeyPatch, act: Callable[[Callable[[], Snapshot]], Snapshot]) -> list[str]:
    """Put `act` in the place of the store's `create`, and count its calls; it is given the real one to call or not."""
    real, calls = GitStore.create, list[str]()

    def create(store: GitStore, room: Room, deadline: Deadline) -> Snapshot:
        calls.append(room.created_at)
        return act(lambda: real(store, room, deadline))

    monkeypatch.setattr(GitStore, "create", create)
    return calls


def commits(git: Git, folder: Path) -> list[str]:
    return git(folder / "mailbox.git", "log", "--all", "--format=%s").splitlines()


@claim("I3")
def test_a_room_whose_reply_was_lost_is_found_and_not_created_twice(
    tmp_path: Path, git: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose_the_reply(create: Callable[[], Snapshot]) -> Snapshot:
        create()
        raise OutcomeUnknown(remote="it", reason="cut")

    calls = interfere(monkeypatch, lose_the_reply)
    room = app.create_room(config(tmp_path), "bob", {})
    assert (room.peers, [room.created_at]) == (("alice", "bob"), calls)
    assert commits(git, tmp_path) == ["alice opens the room with bob"]


def test_who_comes_second_ends_in_the_room_that_is_there(
    tmp_path: Path, git: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = [config(tmp_path, "bob")]

    def be_overtaken(create: Callable[[], Snapshot]) -> Snapshot:
        if others:
            app.create_room(others.pop(), "alice", {})
        return create()

    interfere(monkeypatch, be_overtaken)
    assert app.create_room(config(tmp_path), "bob", {}).peers == ("bob", "alice")
    assert commits(git, tmp_path) == ["bob opens the room with alice"]


def test_a_remote_that_never_lets_a_room_be_created_is_given_up(
    tmp_path: Path, git: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(_create: Callable[[], Snapshot]) -> Snapshot:
        raise Moved(remote="it")

    calls = interfere(monkeypatch, never)
    with pytest.raises(Moved):
        app.create_room(config(tmp_path), "bob", {})
    assert (len(calls), commits(git, tmp_path)) == (3, [])


@claim("isolation")
def test_a_token_opens_one_room_for_one_pair(tmp_path: Path, git: Git) -> None:
    app.create_room(config(tmp_path), "bob", {})
    with pytest.raises(RoomExists) as caught:
        app.create_room(config(tmp_path), "carol", {})
    assert caught.value.peers == ("alice", "bob")
    with pytest.raises(InvalidSetting):
        app.create_room(config(tmp_path), "alice", {})
    assert commits(git, tmp_path) == ["alice opens the room with bob"]


@pytest.mark.parametrize(
    ("remote", "given", "expected"),
    [
        ("git@github.com:a/b.git", None, 6),
        ("https://host/a/b.git", None, 6),
        ("https://host/a/b.git", 60, 60),
        ("ssh://host/a/b.git", 0, None),
        ("http://127.0.0.1:8000/b.git", None, None),
        ("ssh://localhost/b.git", None, None),
        ("http://127.0.0.1:8000/b.git", 6, 6),
        ("/srv/b.git", None, None),
        ("/srv/b.git", 6, None),
    ],
)
def test_a_host_is_pushed_to_so_often_and_a_path_as_often_as_there_is_something(
    remote: str, given: int | None, expected: int | None
) -> None:
    rate = app._push_rate(parse_remote(remote), given)
    assert (rate and rate.per_minute) == expected
