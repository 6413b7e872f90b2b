"""What is found out about a mailbox before anything is promised, and that finding it out leaves nothing behind."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from peer_relay import access, app
from peer_relay.access import Access, Ping
from peer_relay.config import RelayConfig
from peer_relay.errors import (
    AccessDenied,
    AuthenticationFailed,
    DeadlineExceeded,
    InvalidRemote,
    PeerRelayError,
    RepositoryNotFound,
    RoomNotFound,
)
from tests.claims import claim
from tests.git.recorder import Recorder
from tests.servers import HttpServer, create_repository

if TYPE_CHECKING:
    from pathlib import Path

PERMISSIONS = "file permissions of this machine's user"
TOKEN = app.new_token()


def config(remote: str, home: Path, token: str = TOKEN) -> RelayConfig:
    return RelayConfig(remote=remote, token=token, peer_id="alice", home=home)


def contents(folder: Path) -> dict[Path, bytes | None]:
    """Return every file and folder with what it holds."""
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


@pytest.fixture
def mailbox(tmp_path: Path) -> Path:
    return create_repository(tmp_path / "mailbox.git")


def test_a_folder_is_read_and_written_and_nobody_can_tell_whether_it_is_public(mailbox: Path) -> None:
    before = contents(mailbox)
    found = access.check_access(str(mailbox), {}, 20.0)
    assert found == Access(str(mailbox), PERMISSIONS, found.read_s, found.write_s, None)
    assert min(found.read_s, found.write_s) > 0
    assert contents(mailbox) == before


@claim("secrets-never-shown")
@pytest.mark.parametrize(("where", "public"), [("private", False), ("public", True)])
def test_a_server_tells_which_login_it_took_and_whether_it_is_needed(
    http_server: HttpServer, where: str, *, public: bool
) -> None:
    http_server.create(f"access-{where}.git")
    plain = http_server.url(f"access-{where}.git", access=where)
    address = plain.replace("//", f"//{http_server.username}:{quote(http_server.password, safe='')}@")
    found = access.check_access(address, os.environ, 20.0)
    assert found == Access(plain, "the user name and password in the address", found.read_s, found.write_s, public)
    assert access.check_access(address, os.environ, 20.0, look_for_public=False).public is None


def test_what_stands_against_a_mailbox_is_the_error_that_a_push_would_meet(
    http_server: HttpServer, tmp_path: Path
) -> None:
    http_server.create("access-closed.git")
    expected: dict[str, type[PeerRelayError]] = {
        str(tmp_path / "absent.git"): RepositoryNotFound,
        http_server.url("access-closed.git", access="readonly"): AccessDenied,
        http_server.url("access-closed.git"): AuthenticationFailed,
        "ext::sh": InvalidRemote,
    }
    for address, kind in expected.items():
        with pytest.raises(kind):
            access.check_access(address, os.environ, 20.0)
    with pytest.raises(DeadlineExceeded):
        access.check_access(str(create_repository(tmp_path / "mailbox.git")), {}, 0.0)
    assert not (tmp_path / "absent.git").exists()


def test_the_branch_that_is_meant_is_the_one_that_is_looked_at(mailbox: Path) -> None:
    for room_id, branch in ((None, "none"), ("abcdefghijklmnop", "abcdefghijklmnop")):
        recorder = Recorder()
        access.check_access(str(mailbox), {}, 20.0, room_id=room_id, observer=recorder)
        assert recorder.endings == [
            (f"read branch peer-relay/{branch} of {mailbox}", "there is no such branch"),
            (f"check that branch peer-relay/{branch} of {mailbox} can be written", "nothing stands against it"),
        ]


@claim("I8")
def test_a_ping_goes_to_the_room_and_back_and_leaves_nothing_behind(mailbox: Path, tmp_path: Path) -> None:
    app.create_room(config(str(mailbox), tmp_path / "alice"), "bob", {})
    before, recorder = contents(tmp_path), Recorder()
    found = access.ping(config(str(mailbox), tmp_path / "alice"), {}, observer=recorder)
    assert found == Ping(str(mailbox), PERMISSIONS, found.read_s, found.write_s)
    assert min(found.read_s, found.write_s) > 0
    assert [act.split(" ")[0] for act in recorder.acts] == ["read", "check"]
    assert contents(tmp_path) == before


def test_a_ping_to_a_room_that_is_not_there_says_so(mailbox: Path, tmp_path: Path) -> None:
    app.create_room(config(str(mailbox), tmp_path / "alice"), "bob", {})
    recorder = Recorder()
    with pytest.raises(RoomNotFound) as caught:
        access.ping(config(str(mailbox), tmp_path / "alice", app.new_token()), {}, observer=recorder)
    assert caught.value.remote == str(mailbox)
    assert len(recorder.acts) == 1
