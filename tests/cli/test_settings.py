"""Which room is meant: variables first, then the one saved room, else a sentence that says what to set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import platformdirs
import pytest

from peer_relay.config import RelayConfig
from peer_relay.errors import InvalidSetting
from peer_relay.keys import format_token
from peer_relay.rooms import SavedRoom
from peer_relay.settings import Settings, load_config, read_settings, surroundings

if TYPE_CHECKING:
    from pathlib import Path

TOKEN, OTHER_TOKEN = format_token(bytes(32)), format_token(bytes([1]) * 32)
NOTHING_SET = (
    "PEER_RELAY_REMOTE, PEER_RELAY_ROOM_TOKEN and PEER_RELAY_PEER_ID are not set{passed_on}, and no room is saved in "
    "{folder}. Run `peer-relay join` with your peer's invite, or `peer-relay init` to open a room, or set them."
)


@pytest.fixture(autouse=True)
def own_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Point everything at one folder, as PEER_RELAY_HOME does."""
    monkeypatch.setenv("PEER_RELAY_HOME", str(tmp_path / "relay"))
    return tmp_path / "relay"


@pytest.fixture
def warnings() -> list[str]:
    return []


@pytest.fixture
def set_variables(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("PEER_RELAY_REMOTE", "git@host:a/b.git")
    monkeypatch.setenv("PEER_RELAY_ROOM_TOKEN", TOKEN)
    monkeypatch.setenv("PEER_RELAY_PEER_ID", "alice")
    return monkeypatch


def save(me: str = "alice", other: str = "bob", remote: str = "/srv/x.git") -> str:
    return read_settings().rooms.save(SavedRoom(remote=remote, token=OTHER_TOKEN, peer_id=me, other_peer=other))


def refused(warnings: list[str]) -> str:
    with pytest.raises(InvalidSetting) as error:
        load_config(warnings.append)
    return str(error.value)


def test_three_variables_are_enough(set_variables: pytest.MonkeyPatch, own_home: Path, warnings: list[str]) -> None:
    expected = RelayConfig(remote="git@host:a/b.git", token=TOKEN, peer_id="alice", home=own_home, timeout_s=20.0)
    assert (load_config(warnings.append), warnings) == (expected, [])


def test_with_one_saved_room_no_variable_is_needed(own_home: Path, warnings: list[str]) -> None:
    save()
    expected = RelayConfig(remote="/srv/x.git", token=OTHER_TOKEN, peer_id="alice", home=own_home, timeout_s=20.0)
    assert (load_config(warnings.append), warnings) == (expected, [])


@pytest.mark.parametrize(
    ("variable", "value", "field"),
    [
        ("PEER_RELAY_REMOTE", "https://host/y.git", "remote"),
        ("PEER_RELAY_ROOM_TOKEN", TOKEN, "token"),
        ("PEER_RELAY_PEER_ID", "bob", "peer_id"),
    ],
)
def test_each_variable_wins_over_the_saved_room(
    monkeypatch: pytest.MonkeyPatch, warnings: list[str], variable: str, value: str, field: str
) -> None:
    save()
    before = load_config(warnings.append)
    monkeypatch.setenv(variable, value)
    changed = load_config(warnings.append)
    fields = ("remote", "token", "peer_id", "home", "timeout_s")
    assert [name for name in fields if getattr(before, name) != getattr(changed, name)] == [field]
    assert getattr(changed, field) == value


def test_of_several_saved_rooms_one_has_to_be_named(monkeypatch: pytest.MonkeyPatch, warnings: list[str]) -> None:
    save()
    save("bob", "alice")
    assert refused(warnings) == (
        "PEER_RELAY_ROOM is not set, and several rooms are saved: alice-bob, bob-alice. Set it to one of these names, "
        "or add `--room NAME`."
    )
    monkeypatch.setenv("PEER_RELAY_ROOM", "bob-alice")
    assert load_config(warnings.append).peer_id == "bob"
    monkeypatch.setenv("PEER_RELAY_ROOM", "carol")
    assert refused(warnings) == (
        "PEER_RELAY_ROOM names no saved room; saved are: alice-bob, bob-alice. Set it to one of these names, or add "
        "`--room NAME`."
    )


def test_with_all_variables_set_saved_rooms_do_not_matter(
    set_variables: pytest.MonkeyPatch, warnings: list[str]
) -> None:
    save()
    save("bob", "alice")
    assert load_config(warnings.append).token == TOKEN


def test_without_anything_the_variables_and_the_commands_are_named(own_home: Path, warnings: list[str]) -> None:
    assert refused(warnings) == NOTHING_SET.format(passed_on="", folder=own_home / "saved-rooms")


def test_only_what_is_missing_is_named(set_variables: pytest.MonkeyPatch, own_home: Path, warnings: list[str]) -> None:
    set_variables.delenv("PEER_RELAY_ROOM_TOKEN")
    assert refused(warnings) == (
        f"PEER_RELAY_ROOM_TOKEN is not set, and no room is saved in {own_home / 'saved-rooms'}. Run `peer-relay join` "
        "with your peer's invite, or `peer-relay init` to open a room, or set it."
    )


def test_a_variable_that_an_agent_did_not_expand_is_named(
    monkeypatch: pytest.MonkeyPatch, own_home: Path, warnings: list[str]
) -> None:
    monkeypatch.setenv("PEER_RELAY_REMOTE", "${PEER_RELAY_REMOTE}")
    monkeypatch.setenv("PEER_RELAY_ROOM_TOKEN", " ${MY_TOKEN} ")
    monkeypatch.setenv("PEER_RELAY_PEER_ID", "")
    passed_on = (
        " (PEER_RELAY_REMOTE and PEER_RELAY_ROOM_TOKEN arrived as the literal text ${...}: what it stands "
        "for is not set where the agent was started)"
    )
    assert refused(warnings) == NOTHING_SET.format(passed_on=passed_on, folder=own_home / "saved-rooms")


def test_a_variable_that_was_not_expanded_leaves_the_saved_room_alone(
    monkeypatch: pytest.MonkeyPatch, warnings: list[str]
) -> None:
    save()
    before = load_config(warnings.append)
    for name in ("REMOTE", "ROOM_TOKEN", "PEER_ID", "TIMEOUT", "ROOM"):
        monkeypatch.setenv(f"PEER_RELAY_{name}", f"${{PEER_RELAY_{name}}}")
    assert load_config(warnings.append) == before


def test_empty_variables_are_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REMOTE", "ROOM_TOKEN", "PEER_ID", "HOME", "TIMEOUT", "ROOM"):
        monkeypatch.setenv(f"PEER_RELAY_{name}", " ")
    assert read_settings() == Settings(remote=None, room_token=None, peer_id=None, home=None, timeout=20.0, room=None)


@pytest.mark.parametrize("value", ["1", "600", "2.5"])
def test_a_timeout_within_its_range_is_taken(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("PEER_RELAY_TIMEOUT", value)
    assert read_settings().timeout == float(value)


@pytest.mark.parametrize("value", ["0", "600.1", "nan", "inf", "20s", "-1"])
def test_a_timeout_that_makes_no_sense_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("PEER_RELAY_TIMEOUT", value)
    with pytest.raises(InvalidSetting) as error:
        read_settings()
    assert str(error.value) == (
        "PEER_RELAY_TIMEOUT must be a number of seconds from 1 to 600. Correct it, or unset it for 20 seconds."
    )


@pytest.mark.parametrize(("value", "expected"), [("", None), ("0", 0), ("6", 6), ("600", 600)])
def test_a_number_of_pushes_a_minute_is_taken(
    set_variables: pytest.MonkeyPatch, warnings: list[str], value: str, expected: int | None
) -> None:
    set_variables.setenv("PEER_RELAY_PUSHES_PER_MINUTE", value)
    assert load_config(warnings.append).pushes_per_minute == expected


@pytest.mark.parametrize("value", ["-1", "601", "1.5", "six", "٦"])
def test_a_number_of_pushes_that_makes_no_sense_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("PEER_RELAY_PUSHES_PER_MINUTE", value)
    with pytest.raises(InvalidSetting) as error:
        read_settings()
    assert str(error.value) == (
        "PEER_RELAY_PUSHES_PER_MINUTE must be a whole number from 0 to 600. Correct it, or unset it for what suits a "
        "host."
    )


def test_a_tilde_means_the_home_folder(set_variables: pytest.MonkeyPatch, home: Path, warnings: list[str]) -> None:
    set_variables.setenv("PEER_RELAY_REMOTE", "~/mailbox.git")
    set_variables.setenv("PEER_RELAY_HOME", "~/relay")
    config = load_config(warnings.append)
    assert (config.remote, config.home) == (str(home / "mailbox.git"), home / "relay")


def test_a_tilde_inside_an_address_is_the_remote_machines_own(
    set_variables: pytest.MonkeyPatch, warnings: list[str]
) -> None:
    set_variables.setenv("PEER_RELAY_REMOTE", "git@host:~/mailbox.git")
    assert load_config(warnings.append).remote == "git@host:~/mailbox.git"


@pytest.mark.parametrize("variable", ["PEER_RELAY_REMOTE", "PEER_RELAY_HOME"])
def test_the_home_of_a_user_that_does_not_exist_is_refused_by_name(
    set_variables: pytest.MonkeyPatch, variable: str
) -> None:
    set_variables.setenv(variable, "~nobody-of-that-name/x")
    with pytest.raises(InvalidSetting) as error:
        read_settings()
    assert error.value.what == f"{variable} begins with the home folder of a user that does not exist."


@pytest.mark.parametrize("value", ["here", "./here", "../here", "here/~", "."])
def test_a_home_that_depends_on_the_folder_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("PEER_RELAY_HOME", value)
    with pytest.raises(InvalidSetting) as error:
        read_settings()
    assert str(error.value) == (
        "PEER_RELAY_HOME is a path that means another folder wherever peer-relay is started. Write the whole path, or "
        "begin it with ~/."
    )


def test_without_a_home_the_platforms_folders_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PEER_RELAY_HOME")
    settings = read_settings()
    assert settings.state_folder == platformdirs.user_state_path("peer-relay", appauthor=False)
    assert settings.rooms.folder == platformdirs.user_config_path("peer-relay", appauthor=False) / "saved-rooms"


def test_a_saved_room_that_others_can_read_is_used_with_a_warning(own_home: Path, warnings: list[str]) -> None:
    save()
    path = own_home / "saved-rooms" / "alice-bob.json"
    path.chmod(0o640)
    assert load_config(warnings.append).peer_id == "alice"
    assert warnings == [f"{path} holds the room token and can be read by others (mode 0640). Run `chmod 600` on it."]


def test_a_damaged_saved_room_is_named_and_never_passed_over_in_silence(own_home: Path, warnings: list[str]) -> None:
    save()
    (own_home / "saved-rooms" / "alice-bob.json").write_text("{}", encoding="utf-8")
    assert refused(warnings).startswith(f"{own_home / 'saved-rooms' / 'alice-bob.json'} is not a saved room")


def test_what_was_not_expanded_does_not_reach_the_network_settings_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEER_RELAY_GIT_PASSWORD", "${PEER_RELAY_GIT_PASSWORD}")
    monkeypatch.setenv("PEER_RELAY_GIT_USERNAME", "me")
    found = surroundings()
    assert (found.get("PEER_RELAY_GIT_PASSWORD"), found["PEER_RELAY_GIT_USERNAME"]) == (None, "me")


def test_no_secret_is_in_a_repr(set_variables: pytest.MonkeyPatch, warnings: list[str]) -> None:
    set_variables.setenv("PEER_RELAY_REMOTE", "https://user:hunter2@host/x.git")
    shown = repr(read_settings()) + repr(load_config(warnings.append))
    assert [secret for secret in (TOKEN, "hunter2") if secret in shown] == []
