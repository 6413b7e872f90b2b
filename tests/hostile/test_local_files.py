"""Files of this machine: nobody else's to read, and neither links nor pipes in their places do harm."""

from __future__ import annotations

import errno
import json
import os
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from peer_relay import disk
from peer_relay.attempts import at_refreshing, at_telling
from peer_relay.cli import refreshing
from peer_relay.cli.ending import Exit
from peer_relay.errors import StateUnusable
from peer_relay.settings import load_config
from peer_relay.told import Told
from tests.cli.people import Person, init
from tests.cli.support import run
from tests.hostile.deeds import watched

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(os.name == "nt", reason="links, pipes and permissions of POSIX")

ASKED = json.dumps({"session_id": "one", "hook_event_name": "SessionStart"})
COMMANDS = (("status", "--offline"), ("log",), ("hook",))


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.fixture
def alice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give alice's home: her room, in which nothing has happened yet, is the only one."""
    person = Person(tmp_path / "alice", monkeypatch)
    with person:
        init(tmp_path / "mailbox.git")
    monkeypatch.setenv("PEER_RELAY_HOME", str(person.home))
    monkeypatch.setattr(refreshing, "start", lambda _room: None)
    return person.home


def live(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let something of every kind happen in a room: bob asks, she asks, is told, and fails."""
    folder, bob = home.parent, home.parent / "bob"
    invite = run("invite").stdout
    monkeypatch.setenv("PEER_RELAY_HOME", str(bob))
    assert run("join", "--yes", given=invite).exit_code == 0
    assert run("ask", "And you?").exit_code == 0
    monkeypatch.setenv("PEER_RELAY_HOME", str(home))
    assert run("ask", "Why?").exit_code == 0
    (folder / "mailbox.git").rename(folder / "away")
    assert run("ask", "On its way?").exit_code == int(Exit.UNREACHED)
    (folder / "away").rename(folder / "mailbox.git")
    assert json.loads(run("hook", given=ASKED).stdout)["systemMessage"]
    (state,) = home.glob("rooms/*/*")
    Told(state, "another").remember([])
    for tried in (at_telling(home), at_refreshing(state)):
        tried.note_failure("Stop", "It failed.", "Mend it.")
        with tried.made_alone():
            pass


def kept(home: Path) -> list[Path]:
    """Return one file of each kind that is kept: of the clone's objects one, of the rest all."""
    files = [path for path in sorted(home.rglob("*")) if path.is_file()]
    one = next(path for path in files if "objects" in path.parts)
    return [path for path in files if "objects" not in path.parts or path == one]


# ---------------------------------------------------------------------------------------------------------------------
# Whose they are


def test_everything_is_its_owners_alone_where_the_umask_lets_everybody_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    before = os.umask(0)
    try:
        home = request.getfixturevalue("alice")
        live(home, monkeypatch)
    finally:
        os.umask(before)
    own = [path for path in (home, *home.rglob("*")) if "clone" not in path.relative_to(home).parts[:-1]]
    assert {path.name for path in own} > {"asked", "checkpoint.json", "clone", "hook", "lock", "outbox", "told"}
    wanted = {path: disk.PRIVATE_FOLDER if path.is_dir() else disk.PRIVATE_FILE for path in own}
    assert {path: mode_of(path) for path in own} == wanted
    assert mode_of(tmp_path / "bob") == disk.PRIVATE_FOLDER


# ---------------------------------------------------------------------------------------------------------------------
# What stands in their places


def test_a_pipe_in_the_place_of_any_file_is_not_waited_for(
    alice: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live(alice, monkeypatch)
    (tmp_path / "mailbox.git").rename(tmp_path / "away")
    for path in filter(Path.exists, kept(alice)):  # a clone that was damaged before is made anew, with fewer files
        path.rename(tmp_path / "aside")
        os.mkfifo(path)
        for command in COMMANDS:
            shown = run(*command, given=ASKED)
            assert shown.exit_code in (Exit.DONE, Exit.FAILED, Exit.UNREACHED), (path, command, shown.output)
        if os.path.lexists(path):
            path.unlink()
        if path.parent.is_dir():
            (tmp_path / "aside").rename(path)


@pytest.mark.parametrize("kind", ["symbolic", "hard"])
def test_a_link_in_the_place_of_any_file_changes_nothing_where_it_leads(
    alice: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    live(alice, monkeypatch)
    victims = tmp_path / "victims"
    victims.mkdir()
    as_before = {}
    for number, path in enumerate(kept(alice)):
        victim = victims / str(number)
        path.rename(victim)
        victim.chmod(0o644)
        as_before[victim] = victim.read_bytes()
        (path.symlink_to if kind == "symbolic" else path.hardlink_to)(victim)
    for command in (*COMMANDS, ("ask", "One more?"), ("answers",), ("rooms",), ("outbox",)):
        assert run(*command, given=ASKED).exit_code != int(Exit.BUG)
    assert {victim: victim.read_bytes() for victim in as_before} == as_before
    assert {mode_of(victim) for victim in as_before} == {0o644}


def test_a_device_has_no_end_and_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "file").symlink_to("/dev/zero")
    with pytest.raises(StateUnusable, match="it is not a file"):
        disk.read_if_there(tmp_path / "file")


def test_a_pipe_in_a_mailbox_at_a_path_is_not_waited_for(alice: Path, tmp_path: Path) -> None:
    mailbox, (room,) = tmp_path / "mailbox.git", alice.glob("rooms/*")
    branch = mailbox / "refs" / "heads" / "peer-relay" / room.name
    for place in (mailbox / "config", mailbox / "HEAD", branch, mailbox / "packed-refs", *mailbox.glob("objects/??/*")):
        hides = place.name == "packed-refs"  # which is looked into for what has no file of its own
        there = [each for each in {place, branch} if each.exists() and (each == place or hides)]
        for each in there:
            each.rename(tmp_path / each.name)
        os.mkfifo(place)
        for command in (("log",), ("verify",), ("ping",)):
            shown = run(*command)
            assert shown.exit_code in (Exit.DONE, Exit.FAILED, Exit.UNREACHED), (place, command, shown.output)
        place.unlink()
        for each in there:
            (tmp_path / each.name).rename(each)


# ---------------------------------------------------------------------------------------------------------------------
# Locks


def test_a_lock_never_opens_what_a_link_leads_to_and_never_empties_a_file(tmp_path: Path) -> None:
    for _ in ("it is made", "it is there"):
        with watched() as deeds, disk.lock_file(tmp_path / "lock", 1.0) as got:
            assert got
        flags = [deed.arguments[2] for deed in deeds if deed.event == "open"]
        assert flags
        assert [each for each in flags if not each & os.O_NOFOLLOW or each & os.O_TRUNC] == []


@pytest.mark.parametrize("target", ["victim", "nothing"])
def test_a_lock_that_is_a_symbolic_link_is_refused(tmp_path: Path, target: str) -> None:
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "victim").chmod(0o644)
    (tmp_path / "lock").symlink_to(target)
    with pytest.raises(StateUnusable, match="symbolic link"), disk.lock_file(tmp_path / "lock", 1.0):
        pass
    assert ((tmp_path / "victim").read_text(), mode_of(tmp_path / "victim")) == ("precious", 0o644)
    assert not (tmp_path / "nothing").exists()


def test_a_link_that_comes_while_a_lock_is_being_made_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, victim, system_open = tmp_path / "lock", tmp_path / "victim", os.open
    victim.write_text("precious")

    def open_late(name: str, flags: int, *more: int, **others: int) -> int:
        if str(name) == str(path) and not os.path.lexists(path):
            path.symlink_to(victim)
        return system_open(name, flags, *more, **others)

    monkeypatch.setattr(os, "open", open_late)
    with pytest.raises(StateUnusable, match="symbolic link"), disk.lock_file(path, 1.0):
        pass
    assert victim.read_text() == "precious"


def test_a_disk_without_locks_is_named_and_no_other_kind_of_lock_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(*_: object) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", flock)
    with pytest.raises(StateUnusable) as caught, disk.lock_file(tmp_path / "lock", 1.0):
        pass
    assert caught.value.reason == "its disk knows no locks"


# ---------------------------------------------------------------------------------------------------------------------
# Folders into which others can put something


@contextmanager
def refused(folder: Path, reason: str) -> Iterator[None]:
    """Expect that nobody goes by what is in a folder, and that nothing of it is changed."""
    before = sorted(folder.parent.rglob("*"))
    with pytest.raises(StateUnusable) as caught:
        yield
    assert (caught.value.path, caught.value.reason) == (str(folder), reason)
    assert sorted(folder.parent.rglob("*")) == before


@pytest.mark.parametrize("name", ["", "saved-rooms"])
def test_no_room_is_taken_from_a_folder_in_which_everybody_can_write(alice: Path, name: str) -> None:
    (alice / name).chmod(0o777)
    with refused(alice / name, "everybody can write there (mode 0777)"):
        load_config(print)
    (alice / name).chmod(0o1777)
    with refused(alice / name, "everybody can write there (mode 1777)"):
        load_config(print)
    shown = run("init", str(alice.with_name("second.git")), "--me", "alice", "--peer", "carol")
    assert (shown.exit_code, "everybody can write there" in shown.stderr) == (int(Exit.FAILED), True)
    assert run("doctor", "--fix").exit_code != int(Exit.BUG)
    assert load_config(print).peer_id == "alice"


def test_a_hook_notes_nothing_where_somebody_else_says_where_it_goes(alice: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    alice.chmod(0o777)
    (alice / "hook").symlink_to(tmp_path / "elsewhere")
    shown = run("hook", given=ASKED)
    assert (shown.exit_code, shown.output, list((tmp_path / "elsewhere").iterdir())) == (0, "", [])


def test_a_home_that_is_reached_through_a_link_is_judged_by_where_it_leads(
    alice: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "link").symlink_to(alice)
    monkeypatch.setenv("PEER_RELAY_HOME", str(tmp_path / "link"))
    assert load_config(print).peer_id == "alice"
    alice.chmod(0o777)
    with refused(tmp_path / "link", "everybody can write there (mode 0777)"):
        load_config(print)


def test_no_room_is_taken_from_another_users_folder(alice: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    if alice.stat().st_uid == 0:
        os.chown(alice, 12345, -1)
    with refused(alice, "it belongs to another user"):
        load_config(print)


def test_a_home_that_is_a_file_is_named(alice: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, config = tmp_path / "file", load_config(print)
    file.touch(mode=0o666)
    given = {"HOME": str(file), "REMOTE": config.remote, "ROOM_TOKEN": config.token, "PEER_ID": config.peer_id}
    for name, value in given.items():
        monkeypatch.setenv(f"PEER_RELAY_{name}", value)
    shown = run("ask", "Why?")
    assert (shown.exit_code, str(file) in shown.stderr, "Not a directory" in shown.stderr) == (1, True, True)
