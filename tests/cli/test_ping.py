"""`ping`: a round trip through a real mailbox, which leaves nothing behind."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from peer_relay.invite import parse_invite
from peer_relay.keys import RoomKeys
from tests.claims import claim
from tests.cli.people import init
from tests.cli.support import run

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.cli.people import Person
    from tests.conftest import Git
    from tests.servers import HttpServer


@claim("I8")
def test_a_ping_tells_how_long_reading_took_and_that_writing_may_be_done_and_leaves_nothing(
    alice: Person, mailbox: Path, git: Git
) -> None:
    with alice:
        room_id = RoomKeys.from_token(parse_invite(init(mailbox)).token).room_id
        before = git(mailbox, "count-objects", "-v"), git(mailbox, "for-each-ref")
        shown, told = run("ping"), json.loads(run("ping", "--json").stdout)
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert re.fullmatch(
        rf"{re.escape(str(mailbox))}: the room is there\. Read in [0-9.]+ m?s, may write \([0-9.]+ m?s\); "
        r"logged in by file permissions of this machine's user\.\n",
        shown.stdout,
    )
    assert {name: value for name, value in told.items() if not name.endswith("_s")} == {
        "remote": str(mailbox),
        "room_id": room_id,
        "login": "file permissions of this machine's user",
    }
    assert 0 <= told["read_s"] < 20 > told["write_s"] >= 0
    assert (git(mailbox, "count-objects", "-v"), git(mailbox, "for-each-ref")) == before


@claim("I10")
def test_a_ping_through_a_server_says_who_let_it_in_and_no_secret(
    alice: Person, http_server: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    http_server.create("pinged.git")
    monkeypatch.setenv("PEER_RELAY_GIT_USERNAME", http_server.username)
    monkeypatch.setenv("PEER_RELAY_GIT_PASSWORD", http_server.password)
    with alice:
        init(http_server.url("pinged.git"))
        shown = run("ping", "--verbose")
        monkeypatch.setenv("PEER_RELAY_GIT_PASSWORD", "wrong")
        refused = run("ping")
    assert (shown.exit_code, refused.exit_code) == (0, 1)
    assert "PEER_RELAY_GIT_PASSWORD" in shown.stdout
    assert http_server.password not in shown.output
    assert [line.partition(" ")[0] for line in shown.stderr.splitlines()] == ["log:"] * 2
    assert " refused the login: " in refused.stderr


def test_a_room_that_is_gone_and_a_mailbox_that_is_not_there_each_have_a_sentence(
    alice: Person, mailbox: Path, git: Git
) -> None:
    with alice:
        init(mailbox)
        git(mailbox, "update-ref", "-d", git(mailbox, "for-each-ref", "--format=%(refname)"))
        gone = run("ping")
        mailbox.rename(mailbox.with_name("elsewhere.git"))
        missing = run("ping")
    assert [(each.exit_code, each.stdout) for each in (gone, missing)] == [(1, "")] * 2
    assert gone.stderr.startswith(f"error: There is no such room for this token in {mailbox}.")
    assert missing.stderr.startswith(f"error: There is no git repository at {mailbox}")
