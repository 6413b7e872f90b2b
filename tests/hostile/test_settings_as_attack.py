"""Settings that mean harm: a project's own, which an agent passed on, or somebody's who can set variables."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from peer_relay.cli.ending import Exit
from peer_relay.deadline import Deadline
from peer_relay.doctor.configured import check_surroundings
from peer_relay.git.credentials import ask_helper
from peer_relay.git.environment import NetworkEnvironment
from peer_relay.git.remote import parse_remote
from peer_relay.git.rewriting import leads_to
from peer_relay.rooms import Rooms, SavedRoom
from tests.claims import claim
from tests.cli.people import Person, init
from tests.cli.support import TOKEN, run
from tests.hostile.deeds import watched
from tests.servers import create_repository, run_git

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.hostile.deeds import Deed

ADDRESSES = {
    "ext::sh -c touch% ran": "a remote helper",
    "fd::17": "a remote helper",
    "persistent-https::x": "a remote helper",
    "--upload-pack=touch ran": "begins with -",
    "-oProxyCommand=touch ran": "begins with -",
    "ssh://-oProxyCommand=touch/ran": "not a plain host name",
    "ssh://-oProxyCommand=touch@host/ran": "its user name",
    "ssh://host:-1/ran": "its port",
    "git@-oProxyCommand=touch:ran": "not a plain host name",
    "-F/tmp/x@host:ran": "begins with -",
    "me@host:--upload-pack=ran": "begins with -",
    "ssh://host/x%0aProxyCommand": "cannot be printed",
    "https://host/x%0d%0aHost:%20evil": "cannot be printed",
    "https://host/x\u202e": "cannot be printed",
    "https://host/x\nPEER": "cannot be printed",
    "https://h\u043est/x": "not a plain host name",
    "https://host\\@evil.example/x": "backslash",
    "git://host/x": "not supported",
    "rsync://host/x": "not supported",
    "ftp://host/x": "not supported",
    "javascript:alert(1)": "a path or a host",
    "file://server/share": "names no other machine",
    "http://forge.example/x": "shows the login",
    "http://localhost.evil.example/x": "shows the login",
    "http://[::ffff:203.0.113.1]/x": "shows the login",
    f"https://host/{'x' * 100_000}": "longer than 4,096",
    f"ssh://{'a' * 100_000}": "longer than 4,096",
    f"{'me@' * 30_000}host:x": "longer than 4,096",
}
OTHERS = {
    ("TIMEOUT", "nan"): "must be a number of seconds",
    ("TIMEOUT", "inf"): "must be a number of seconds",
    ("TIMEOUT", "1e400"): "must be a number of seconds",
    ("TIMEOUT", "9" * 5000): "must be a number of seconds",
    ("PUSHES_PER_MINUTE", "9" * 5000): "must be a whole number",
    ("PEER_ID", "../../bob"): "peer id must be",
    ("PEER_ID", "\u0430lice"): "peer id must be",
    ("PEER_ID", "alice\x1b[2J"): "peer id must be",
    ("ROOM_TOKEN", "../../x"): "token is not valid",
    ("ROOM_TOKEN", "prt1-" + "a" * 100_000): "token is not valid",
    ("HOME", "here"): "means another folder",
    ("HOME", "-x"): "means another folder",
    ("HOME", "/nobody-has-this/\x1b[2J"): "cannot be printed",
    ("HOME", "/nobody-has-this/\nerror: all is well"): "cannot be printed",
}
VARIABLES = [*((("REMOTE", value), reason) for value, reason in ADDRESSES.items()), *OTHERS.items()]
SPECIAL = ("pipe", "/dev/zero", "/dev/null", "/proc/self/mem", "/proc/self/fd/0", "/proc/self/environ", "/")


@pytest.fixture
def deeds() -> Iterator[list[Deed]]:
    """Give the list of what this process does meanwhile."""
    with watched() as deeds:
        yield deeds


@pytest.fixture
def relay_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Set variables that would do."""
    given = {"HOME": str(tmp_path / "relay"), "REMOTE": str(tmp_path / "mailbox.git"), "ROOM_TOKEN": TOKEN}
    for name, value in {**given, "PEER_ID": "alice", "TIMEOUT": "1"}.items():
        monkeypatch.setenv(f"PEER_RELAY_{name}", value)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "relay"


@claim("I9")
@pytest.mark.parametrize(("variable", "reason"), VARIABLES, ids=lambda each: str(each)[:40].encode("ascii", "replace"))
def test_a_setting_that_means_harm_is_refused_before_anything_is_done(
    relay_home: Path, monkeypatch: pytest.MonkeyPatch, deeds: list[Deed], variable: tuple[str, str], reason: str
) -> None:
    name, value = variable
    monkeypatch.setenv(f"PEER_RELAY_{name}", value)
    shown = run("questions")
    assert (shown.exit_code, shown.stdout, deeds) == (int(Exit.FAILED), "", [])
    assert reason in shown.stderr
    (line,) = shown.stderr.splitlines()
    assert (line.startswith("error: "), line.isprintable(), len(line) < 1000) == (True, True, True)
    assert not relay_home.exists()


@pytest.mark.skipif(os.name == "nt", reason="pipes and devices of POSIX")
@pytest.mark.parametrize("place", SPECIAL)
def test_what_is_no_repository_is_neither_read_without_end_nor_written(
    relay_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    if not place.startswith("/"):
        os.mkfifo(tmp_path / place)
    monkeypatch.setenv("PEER_RELAY_REMOTE", place)
    shown = run("ping")
    assert (shown.exit_code, shown.stdout, len(shown.stderr.splitlines())) == (int(Exit.FAILED), "", 1)
    assert run("init", place, "--me", "alice", "--peer", "bob").exit_code != int(Exit.BUG)


@pytest.mark.parametrize("address", ["/srv/x\x00y", "ext::sh -c x", "https://host/x\r\nX: y", "-x", " ", ""])
def test_an_address_in_a_saved_room_is_judged_like_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("PEER_RELAY_HOME", str(tmp_path))
    Rooms(tmp_path / "saved-rooms").save(SavedRoom(address, TOKEN, "alice", "bob"), "work")
    with watched() as deeds:
        shown = run("questions")
    assert (shown.exit_code, shown.stdout, deeds) == (int(Exit.FAILED), "", [])
    assert shown.stderr.replace("\n", "").isprintable()


@pytest.mark.parametrize("name", ["../work", "/etc/passwd", "work.json", "work\n", ".", "", "-x", "work/../work"])
def test_the_name_of_a_room_leads_to_no_other_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("PEER_RELAY_HOME", str(tmp_path / "home"))
    for folder in (tmp_path / "home", tmp_path):
        Rooms(folder / "saved-rooms").save(SavedRoom("/srv/x.git", TOKEN, "alice", "bob"), "job")
    (tmp_path / "home" / "work.json").write_bytes((tmp_path / "home" / "saved-rooms" / "job.json").read_bytes())
    shown = run("questions", "--room", name or "''")
    assert (shown.exit_code, "names no saved room" in shown.stderr) == (int(Exit.FAILED), True)


# ---------------------------------------------------------------------------------------------------------------------
# The environment of git


def test_variables_of_git_lead_nothing_to_another_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = create_repository(tmp_path / "elsewhere.git")
    for name in ("GIT_DIR", "GIT_COMMON_DIR", "GIT_WORK_TREE", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_CONFIG"):
        monkeypatch.setenv(name, str(elsewhere))
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(elsewhere / "objects"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(elsewhere / "index"))
    monkeypatch.setenv("GIT_NAMESPACE", "other")
    monkeypatch.setenv("GIT_PROXY_COMMAND", f"touch {elsewhere}/ran")
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", f"'core.hooksPath={elsewhere}'")
    for name in ("GIT_TRACE", "GIT_TRACE_PACKET", "GIT_TRACE_CURL", "GIT_TRACE2_EVENT", "GIT_TRACE_SETUP"):
        monkeypatch.setenv(name, str(tmp_path / "trace"))
    before = {path: path.stat().st_mtime_ns for path in elsewhere.rglob("*")}
    with Person(tmp_path / "alice", monkeypatch):
        init(tmp_path / "mailbox.git")
        assert run("ask", "Why?").exit_code == int(Exit.DONE)
    assert {path: path.stat().st_mtime_ns for path in elsewhere.rglob("*")} == before
    assert not (tmp_path / "trace").exists()
    monkeypatch.undo()
    subjects = run_git("log", "--all", "--format=%s", cwd=tmp_path / "mailbox.git").decode().splitlines()
    assert subjects == ["alice asks: Why?", "alice opens the room with bob"]


@pytest.mark.parametrize("way", ["the working folder", "GIT_DIR"])
def test_the_configuration_of_a_project_names_no_helper(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    project = tmp_path / "project"
    run_git("init", "-q", str(project), cwd=tmp_path)
    helper = f"!f() {{ touch {tmp_path}/ran; echo username=me; echo password=evil; }}; f"
    run_git("config", "credential.helper", helper, cwd=project)
    monkeypatch.chdir(project)
    environ = dict(os.environ) | ({"GIT_DIR": str(project / ".git")} if way == "GIT_DIR" else {})
    remote = parse_remote("https://forge.example/x.git")
    assert ask_helper(remote, NetworkEnvironment.from_environ(environ), Deadline(10.0, lambda: 0.0)) is None
    assert not (tmp_path / "ran").exists()
    added = {"COUNT": "1", "KEY_0": "credential.helper", "VALUE_0": helper}
    own = dict(os.environ) | {f"GIT_CONFIG_{each}": added[each] for each in added}
    assert ask_helper(remote, NetworkEnvironment.from_environ(own), Deadline(10.0, lambda: 0.0)) is not None


@pytest.mark.parametrize("way", ["the working folder", "GIT_DIR"])
def test_the_configuration_of_a_project_leads_no_address_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    project, home = tmp_path / "project", tmp_path / "home"
    run_git("init", "-q", str(project), cwd=tmp_path)
    run_git("config", "url.https://evil.example/.insteadOf", "https://forge.example/", cwd=project)
    home.mkdir()
    monkeypatch.chdir(project)
    environ = {"HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1"}
    if way == "GIT_DIR":
        environ["GIT_DIR"] = str(project / ".git")
    assert leads_to("https://forge.example/x.git", environ).display == "https://forge.example/x.git"
    (home / ".gitconfig").write_text((project / ".git" / "config").read_text())
    assert leads_to("https://forge.example/x.git", environ).display == "https://evil.example/x.git"


def test_the_doctor_shows_what_the_user_set_for_git(tmp_path: Path) -> None:
    (tmp_path / ".gitconfig").write_text(
        '[url "https://me:hunter2@forge.example/"]\n\tinsteadOf = https://forge.example/\n'
    )
    environ = {"HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1", "GIT_SSH_COMMAND": "ssh -i key"}
    assert check_surroundings(environ).what == (
        "Set: GIT_SSH_COMMAND. By its url.insteadOf, git leads from https://forge.example/ to https://…@forge.example/."
    )
