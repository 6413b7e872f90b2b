"""Variables, surroundings, saved rooms: what is wrong with them is named, and no value that could be secret."""

from __future__ import annotations

import shlex
import subprocess
from typing import TYPE_CHECKING

import pytest

from peer_relay.config import RelayConfig
from peer_relay.doctor.configured import VARIABLES, check_choice, check_rooms, check_surroundings, check_variables
from peer_relay.doctor.findings import State, info, ok, warning
from peer_relay.errors import InvalidRemote, InvalidSetting
from peer_relay.rooms import Rooms, SavedRoom
from peer_relay.settings import Chosen, Settings
from tests.claims import claim
from tests.cli.support import TOKEN
from tests.test_repository import VARIABLES as DOCUMENTED

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from peer_relay.doctor.findings import Finding

SAVED = "saved room work"


def variables(environ: Mapping[str, str]) -> Finding:
    return check_variables(environ, lambda: Settings.from_environ(environ))


@pytest.fixture
def rooms(tmp_path: Path) -> Rooms:
    return Rooms(tmp_path / "saved rooms")


def test_every_documented_variable_of_our_own_is_known() -> None:
    assert set(VARIABLES) == {name for name in DOCUMENTED if name.startswith("PEER_RELAY_")}


@claim("secrets-never-shown")
def test_the_names_of_the_variables_that_are_set_are_told_and_never_their_values() -> None:
    assert variables({"HOME": "/x"}) == ok("None of peer-relay's is set; the saved rooms count.")
    given = {"PEER_RELAY_ROOM_TOKEN": TOKEN, "PEER_RELAY_GIT_PASSWORD": "hunter2", "PEER_RELAY_PEER_ID": " "}
    assert variables(given) == ok("Set: PEER_RELAY_GIT_PASSWORD and PEER_RELAY_ROOM_TOKEN.")


def test_a_value_that_cannot_be_is_a_failure() -> None:
    found = variables({"PEER_RELAY_TIMEOUT": "soon"})
    assert (found.state, found.what) == (
        State.FAILED,
        "PEER_RELAY_TIMEOUT must be a number of seconds from 1 to 600.",
    )


def test_a_variable_that_arrives_as_the_text_that_stands_for_it_is_named() -> None:
    assert variables({"PEER_RELAY_REMOTE": "${MAILBOX:-prt1-secret}"}) == warning(
        "PEER_RELAY_REMOTE arrived as the literal text ${...}, which counts as not set.",
        advice="Set what it stands for where the agent is started, or take the line out of the agent's settings.",
    )


@pytest.mark.parametrize(
    ("name", "hint"),
    [("PEER_RELAY_TOKEN", " PEER_RELAY_ROOM_TOKEN may be meant."), ("PEER_RELAY_ZZZZZZZZZZZZZZZZZZZZZZ", "")],
)
def test_a_misspelt_variable_is_named_with_the_one_that_is_meant(name: str, hint: str) -> None:
    expected = warning(f"{name} is set, and peer-relay has no such variable.{hint}", fix=f"unset {name}")
    assert variables({name: "x"}) == expected


@claim("secrets-never-shown")
def test_the_surroundings_are_told_by_their_names() -> None:
    assert check_surroundings({"HOME": "/x"}) == ok("No proxy, no ssh and no login is set.")
    given = {"https_proxy": "http://u:secret@proxy", "GH_TOKEN": "secret", "GIT_SSH": "/usr/bin/ssh"}
    assert check_surroundings(given) == info("Set: GIT_SSH, https_proxy and GH_TOKEN.")


def test_an_ssh_command_that_cannot_be_read_is_a_failure() -> None:
    found = check_surroundings({"GIT_SSH_COMMAND": "ssh -i 'x"})
    assert (found.state, found.what, found.fix) == (
        State.FAILED,
        "GIT_SSH_COMMAND has a quote that is not closed.",
        "unset GIT_SSH_COMMAND",
    )


def test_certificates_that_are_not_there_are_named(tmp_path: Path) -> None:
    found = check_surroundings({"GIT_SSL_CAINFO": str(tmp_path / "ca.pem")})
    assert (found.state, found.what, found.fix) == (
        State.WARNING,
        "GIT_SSL_CAINFO names a file that is not there.",
        "unset GIT_SSL_CAINFO",
    )
    (tmp_path / "ca.pem").touch()
    assert check_surroundings({"GIT_SSL_CAINFO": str(tmp_path / "ca.pem")}) == info("Set: GIT_SSL_CAINFO.")


def test_the_saved_rooms_are_listed(rooms: Rooms) -> None:
    assert check_rooms(rooms) == ok(f"None, in {rooms.folder}.")
    rooms.save(SavedRoom(remote="/srv/x.git", token=TOKEN, peer_id="alice", other_peer="bob"))
    assert check_rooms(rooms) == ok(f"alice-bob, in {rooms.folder}.")


@claim("secrets-never-shown")
def test_a_damaged_saved_room_is_named_and_its_command_puts_it_aside(rooms: Rooms) -> None:
    rooms.save(SavedRoom(remote="/srv/x.git", token=TOKEN, peer_id="alice", other_peer="bob"))
    damaged = rooms.folder / "work.json"
    damaged.write_text(f'{{"token": "{TOKEN}"')
    found = check_rooms(rooms)
    assert (found.state, found.what) == (
        State.WARNING,
        f"{damaged} is not a saved room (it is not a JSON object).",
    )
    assert found.fix is not None
    move, then, join = found.fix.partition(" && ")
    assert (then, join) == (" && ", "peer-relay join")
    subprocess.run(shlex.split(move), check=True)
    assert (check_rooms(rooms), damaged.with_name("work.json.damaged").read_text()) == (
        ok(f"alice-bob, in {rooms.folder}."),
        f'{{"token": "{TOKEN}"',
    )


def chosen(**origins: str) -> Chosen:
    config = RelayConfig(remote="/srv/x.git", token=TOKEN, peer_id="alice", home=None, timeout_s=20.0)  # type: ignore[arg-type]
    return Chosen(config, "work", {"remote": SAVED, "token": SAVED, "peer_id": SAVED, **origins})


@pytest.mark.parametrize(
    ("origins", "said"),
    [
        ({}, "all from saved room work"),
        (
            {"peer_id": "PEER_RELAY_PEER_ID"},
            "address and token from saved room work; peer id from PEER_RELAY_PEER_ID",
        ),
    ],
)
@claim("secrets-never-shown")
def test_the_room_to_use_is_told_with_where_each_part_comes_from(
    rooms: Rooms, origins: dict[str, str], said: str
) -> None:
    found = check_choice(lambda: chosen(**origins), lambda: "/srv/x.git", rooms)
    assert found == ok(f"alice in /srv/x.git with token prt1-…, {said}; 20 seconds a call.")


def test_without_any_room_the_command_is_join(rooms: Rooms) -> None:
    def choose() -> Chosen:
        raise InvalidSetting(name="PEER_RELAY_REMOTE", reason="is not set", advice="Set it.")

    found = check_choice(choose, lambda: "", rooms)
    assert (found.state, found.what, found.fix) == (State.FAILED, "PEER_RELAY_REMOTE is not set.", "peer-relay join")
    rooms.save(SavedRoom(remote="/srv/x.git", token=TOKEN, peer_id="alice", other_peer="bob"))
    found = check_choice(choose, lambda: "", rooms)
    assert (found.fix, found.advice) == (None, "Set it.")


def test_settings_that_are_wrong_are_a_failure(rooms: Rooms) -> None:
    def show() -> str:
        raise InvalidRemote(remote="ext::…", reason="it is odd")

    found = check_choice(chosen, show, rooms)
    assert (found.state, found.what) == (State.FAILED, "ext::… cannot be used as a mailbox: it is odd.")
