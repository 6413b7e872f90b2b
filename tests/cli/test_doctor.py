"""`peer-relay doctor` on real folders and a real repository: what it finds, what it mends, what it never touches."""

from __future__ import annotations

import contextlib
import fcntl
import importlib.metadata
import json
import os
import pty
import re
import select
import shutil
import stat
import struct
import subprocess
import sys
import tempfile
import termios
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from filelock import FileLock

from peer_relay import app
from peer_relay.cli import doctor, output
from peer_relay.config import RelayConfig
from peer_relay.doctor import folder
from peer_relay.doctor.findings import Check, failed
from peer_relay.doctor.topics import Topic
from peer_relay.keys import RoomKeys, format_token
from peer_relay.paths import branch_ref
from peer_relay.rooms import SavedRoom
from peer_relay.settings import read_settings
from tests.claims import claim
from tests.cli.support import TOKEN, run
from tests.conftest import REQUIRING
from tests.servers import run_git

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from peer_relay.relay import Relay
    from tests.servers import HttpServer

PASSWORD = "a-password-that-the-tests-look-for"
BRANCH = branch_ref(RoomKeys.from_token(TOKEN).room_id)
JUNK = "00000001-01KAN3X1Y00000000000000000-alice-question-00000000.json"
IDS = [
    *("python", "packages", "clock", "variables", "surroundings", "rooms", "choice"),
    *("folder", "modes", "lock", "leftovers", "outbox", "outbox-files", "checkpoint", "clone"),
    *("read", "write", "login", "latency", "public", "default-branch", "rules", "room", "signing", "history", "newest"),
    *("agents", "hook"),
]
"""The ids of all checks, which programs rely on."""


def forget_what_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away the variables of the tests themselves, which begin as those of the program do."""
    for name in REQUIRING:
        monkeypatch.delenv(name, raising=False)


class Machine:
    """Alice's machine, whose folders are where the platform puts them."""

    def __init__(self, home: Path, mailbox: Path) -> None:
        self.home = home
        self.mailbox = mailbox
        self.config = RelayConfig(
            remote=str(mailbox), token=TOKEN, peer_id="alice", home=read_settings().state_folder, timeout_s=20.0
        )
        self.saved = read_settings().rooms.folder

    @property
    def state(self) -> Path:
        return app.assemble(self.config, {}).state.folder

    @contextlib.contextmanager
    def relay(self) -> Iterator[Relay]:
        with contextlib.closing(app.open_relay(self.config, {})) as relay:
            yield relay

    def ask_offline(self, question: str) -> str:
        """Leave a question in the outbox and return its id."""
        away = self.mailbox.rename(self.mailbox.with_suffix(".away"))
        with self.relay() as relay:
            question_id = relay.ask(question).question_id
        away.rename(self.mailbox)
        return question_id

    def content(self) -> dict[str, tuple[int, bytes]]:
        """Return the mode and the content of everything here and in the mailbox."""
        return {
            str(path): (stat.S_IMODE(path.stat().st_mode), path.read_bytes() if path.is_file() else b"")
            for root in (self.home, self.mailbox)
            for path in sorted(root.rglob("*"))
        }


@pytest.fixture
def machine(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Give a machine on which all is well."""
    forget_what_is_required(monkeypatch)
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    made = Machine(home, tmp_path / "mailbox.git")
    app.create_room(made.config, "bob", {})
    saved = SavedRoom(remote=str(made.mailbox), token=TOKEN, peer_id="alice", other_peer="bob")
    read_settings().rooms.save(saved, "work")
    server = {"command": sys.executable, "args": ["-m", "peer_relay", "serve"]}
    (home / ".claude.json").write_text(json.dumps({"mcpServers": {"peer-relay": server}}))
    for name in ("denyNonFastForwards", "denyDeletes"):
        run_git("config", f"receive.{name}", "true", cwd=made.mailbox)
    with made.relay() as relay:
        relay.ask("Why?")
    return made


def break_everything(machine: Machine) -> None:
    """Bring a machine into as many bad states as one can mend."""
    machine.ask_offline("And why not?")
    (machine.state / "outbox" / JUNK).write_bytes(b"junk that may be a question")
    (machine.state / "checkpoint.json").write_bytes(b"{")
    (machine.state / "clone" / "HEAD").unlink()
    (machine.state / "clone" / "config.lock").touch()
    for path in (machine.state / ".tmp-old", machine.saved / ".tmp-old"):
        path.write_text(TOKEN)
        os.utime(path, (0, 0))
    machine.saved.chmod(0o755)
    (machine.saved / "work.json").chmod(0o644)


def checks(*arguments: str, status: int) -> dict[str, dict[str, Any]]:
    """Run the doctor for a program, and return its checks by their ids."""
    shown = run("doctor", "--json", *arguments)
    assert (shown.exit_code, shown.stderr) == (status, "")
    found = json.loads(shown.stdout)
    assert set(found) == {"checks", "ok"}
    assert found["ok"] is (status == 0)
    return {each["id"]: each for each in found["checks"]}


def states(found: Mapping[str, Mapping[str, Any]], *wanted: str) -> dict[str, str]:
    """Return the ids of what is in one of the states, with it."""
    return {name: each["state"] for name, each in found.items() if each["state"] in wanted}


# ---------------------------------------------------------------------------------------------------------------------
# A machine on which all is well


def test_on_a_healthy_machine_nothing_is_wrong_and_nothing_is_changed(machine: Machine) -> None:
    before = machine.content()
    found = checks(status=0)
    assert list(found) == IDS
    assert states(found, "warning", "failed", "skipped") == {}
    assert {tuple(each) for each in found.values()} == {("id", "title", "state", "what", "why", "fix", "fixed")}
    assert machine.content() == before


def test_a_row_is_an_object_with_stable_names(machine: Machine) -> None:
    assert checks(status=0)["choice"] == {
        "id": "choice",
        "title": "Room to use",
        "state": "ok",
        "what": f"alice in {machine.mailbox} with token prt1-…, all from saved room work; 20 seconds a call.",
        "why": "Without it nothing can be asked, answered or read.",
        "fix": None,
        "fixed": False,
    }


def test_in_a_pipe_each_row_is_a_line_that_begins_with_its_state(machine: Machine) -> None:
    shown = run("doctor")
    *rows, last = shown.stdout.splitlines()
    assert (shown.exit_code, shown.stderr, last, len(rows)) == (0, "", "Nothing is wrong.", len(IDS))
    assert {row.split()[0] for row in rows} == {"ok", "info"}
    assert "ok        Room: alice and bob, you are alice; format 1, not signed." in rows
    assert "ok        Newest record: By alice, " in shown.stdout


@claim("I8")
def test_looking_delivers_nothing_and_takes_nothing_in(machine: Machine) -> None:
    bob = app.open_relay(RelayConfig(machine.config.remote, TOKEN, "bob", machine.home / "bob"), {})
    with contextlib.closing(bob):
        bob.ask("What now?")
    machine.ask_offline("And why not?")
    before = machine.content()
    found = checks(status=0)
    assert found["history"]["what"] == "Nothing was rewritten; 1 record to be fetched."
    assert found["outbox"]["what"].startswith("1 record on the way")
    assert found["newest"]["what"].startswith("By bob, ")
    assert machine.content() == before


def test_nothing_is_left_in_the_folder_for_temporary_files(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    (machine.state / "checkpoint.json").unlink()
    checks(status=0)
    assert list((tmp_path / "temporary").iterdir()) == []


# ---------------------------------------------------------------------------------------------------------------------
# A machine on which much is wrong


MENDABLE = {
    "modes": "warning",
    "leftovers": "warning",
    "outbox-files": "failed",
    "checkpoint": "warning",
    "clone": "warning",
}


@claim("I10", "secrets-never-shown")
def test_a_broken_machine_is_left_as_it_is_and_nothing_secret_is_told(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_everything(machine)
    monkeypatch.setenv("PEER_RELAY_GIT_PASSWORD", PASSWORD)
    monkeypatch.setenv("https_proxy", f"http://u:{PASSWORD}@proxy")
    before = machine.content()
    found = checks(status=1)
    assert states(found, "warning", "failed", "skipped") == MENDABLE
    assert {found[name]["fix"] for name in MENDABLE} == {"peer-relay doctor --fix"}
    assert machine.content() == before
    told = json.dumps(found) + run("doctor").output + run("doctor", "--verbose").output
    assert (TOKEN in told, TOKEN[5:40] in told, PASSWORD in told) == (False, False, False)


def test_mending_puts_right_what_it_can_and_loses_nothing(machine: Machine) -> None:
    break_everything(machine)
    before = machine.content()
    found = checks("--fix", status=0)
    assert [name for name, each in found.items() if each["fixed"]] == list(MENDABLE)
    assert states(found, "warning", "failed", "skipped") == {}
    assert found["clone"]["what"].startswith("Removed 1 lock file. Removed the clone, which is fetched again.")
    after = machine.content()
    kept = {content for _, content in after.values()}
    never_disposable = ("/outbox/", "/asked/", "/saved-rooms/work", "checkpoint.json", str(machine.mailbox))
    for path, (_, content) in before.items():
        assert content in kept or not any(each in path for each in never_disposable), path
    assert [path for path in after if "damaged" in path] == [
        f"{machine.state}/{name}" for name in ("checkpoint-damaged.json", "outbox-damaged", f"outbox-damaged/{JUNK}")
    ]
    assert (after[f"{machine.saved}/work.json"][0], after[str(machine.saved)][0]) == (0o600, 0o700)


def test_after_mending_the_relay_goes_on_where_it_was(machine: Machine) -> None:
    break_everything(machine)
    checks("--fix", status=0)
    with machine.relay() as relay:
        assert [each.question.question for each in relay.exchanges().items] == ["Why?", "And why not?"]
    found = checks("--fix", status=0)
    assert [each for each in found.values() if each["fixed"]] == []
    assert found["outbox-files"]["what"] == "Readable; 1 damaged file kept in outbox-damaged, beside the outbox."


def test_a_room_that_was_named_stays_named_in_the_commands(machine: Machine) -> None:
    break_everything(machine)
    read_settings().rooms.save(
        SavedRoom(remote="/srv/x.git", token=format_token(bytes(32)), peer_id="me", other_peer="you"), "home"
    )
    assert checks(status=1)["choice"]["state"] == "failed"
    assert checks("--room", "work", status=1)["modes"]["fix"] == "peer-relay doctor --fix --room work"


@claim("I6")
def test_a_branch_that_was_set_back_is_a_failure_and_what_was_verified_stays_known(machine: Machine) -> None:
    run_git("update-ref", BRANCH, f"{BRANCH}~1", cwd=machine.mailbox)
    before = machine.content()
    found = checks(status=1)
    assert states(found, "warning", "failed", "skipped") == {"history": "failed", "newest": "skipped"}
    assert found["history"]["what"].startswith("The branch of the room shows an older state, commit ")
    assert "`peer-relay restore` puts the branch back" in found["history"]["fix"]
    assert machine.content() == before


def test_a_busy_machine_is_told_and_not_disturbed(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "PATIENCE_S", 0.01)
    with FileLock(machine.state / "lock"):
        found = checks("--fix", status=0)
    assert states(found, "warning", "failed", "skipped") == {"lock": "warning", "clone": "skipped"}


def test_a_machine_that_keeps_nothing_yet_keeps_nothing_afterwards(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    values = {"REMOTE": machine.mailbox, "ROOM_TOKEN": TOKEN, "PEER_ID": "bob", "HOME": tmp_path / "new"}
    for name, value in values.items():
        monkeypatch.setenv(f"PEER_RELAY_{name}", str(value))
    found = checks("--fix", status=0)
    assert states(found, "warning", "failed", "skipped") == {}
    assert (found["history"]["state"], found["clone"]["what"]) == (
        "info",
        "None yet: the next look at the mailbox makes it.",
    )
    assert not (tmp_path / "new").exists()


def test_a_full_or_read_only_disk_is_one_failure_and_what_can_be_looked_at_is(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_handle: int) -> NoReturn:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    found = checks(status=1)
    assert states(found, "failed") == dict.fromkeys(("folder", "write", "newest"), "failed")  # all on one disk
    assert states(found, "skipped") == {"lock": "skipped", "clone": "skipped"}
    assert found["folder"]["fix"] == f"df -h {machine.state}"


def test_without_a_place_for_temporary_files_the_rest_is_looked_at(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_named: object) -> NoReturn:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "TemporaryDirectory", fail)
    found = checks(status=1)
    assert states(found, "failed") == {"room": "failed"}
    assert found["room"]["what"] == (
        "The folder for temporary files cannot be used: No usable temporary directory found."
    )


def test_a_mailbox_that_cannot_be_reached_has_a_status_of_its_own(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PEER_RELAY_REMOTE", "http://127.0.0.1:1/mailbox.git")
    found = checks(status=5)
    assert states(found, "failed") == {"read": "failed"}
    behind = IDS[IDS.index("write") : IDS.index("agents")]
    assert list(states(found, "skipped")) == [each for each in behind if each != "signing"]


def test_a_mailbox_that_everybody_can_read_is_a_warning(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, http_server: HttpServer
) -> None:
    shutil.copytree(machine.mailbox, http_server.root / "doctor-of-all.git")
    monkeypatch.setenv("PEER_RELAY_REMOTE", http_server.url("doctor-of-all.git", access="public"))
    found = checks(status=0)
    assert states(found, "warning", "failed", "skipped") == {"public": "warning"}
    assert found["login"]["what"] == "Let in: no login was needed."


def test_with_another_failure_it_has_not(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEER_RELAY_REMOTE", "http://127.0.0.1:1/mailbox.git")
    (machine.state / "lock").unlink()
    (machine.state / "lock").mkdir()
    assert states(checks(status=1), "failed") == {"lock": "failed", "read": "failed"}


@pytest.mark.parametrize(
    ("variable", "value", "failed"), [("TIMEOUT", "soon", "variables"), ("ROOM", "nowhere", "choice")]
)
def test_a_setting_that_is_wrong_hides_only_what_hangs_on_it(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, failed: str
) -> None:
    monkeypatch.setenv(f"PEER_RELAY_{variable}", value)
    found = checks(status=1)
    assert states(found, "failed") == {failed: "failed"}
    assert found["clock"]["state"] == "ok"
    assert found["read"]["what"] == (f'Not looked at, because of what was found at "{found[failed]["title"]}".')


def test_a_program_that_is_not_installed_can_be_examined_too(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> NoReturn:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata.Distribution, "from_name", missing)
    found = checks(status=0)
    assert (found["python"]["state"], found["packages"]["state"]) == ("ok", "warning")


def test_a_library_that_is_missing_is_a_failure(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.metadata.Distribution.from_name

    def without_dulwich(name: str) -> importlib.metadata.Distribution:
        if name == "dulwich":
            raise importlib.metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(importlib.metadata.Distribution, "from_name", without_dulwich)
    assert "dulwich is missing" in checks(status=1)["packages"]["what"]


# ---------------------------------------------------------------------------------------------------------------------
# What a person sees


def test_a_newcomer_is_told_to_join(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    forget_what_is_required(monkeypatch)
    shown = run("doctor")
    assert shown.exit_code == 1
    lines = shown.stdout.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("failed"))
    assert lines[at].startswith(
        "failed    Room to use: PEER_RELAY_REMOTE, PEER_RELAY_ROOM_TOKEN and PEER_RELAY_PEER_ID are"
    )
    assert lines[at + 1 : at + 3] == [
        "          why: Without it nothing can be asked, answered or read.",
        "          fix: peer-relay join",
    ]
    assert lines[-2].startswith("skipped   State folder, Lock, Leftovers, ")
    assert lines[-2].endswith('Newest record: Not looked at, because of what was found at "Room to use".')
    assert lines[-1] == "1 failure, 1 warning, 18 not looked at."
    assert list(home.rglob("peer-relay")) == []


def test_what_was_mended_is_counted(machine: Machine) -> None:
    break_everything(machine)
    shown = run("doctor", "--fix")
    assert "\nrepaired  File modes: Set right: saved-rooms, " in shown.stdout
    assert shown.stdout.endswith("\n5 repaired.\n")


def test_a_failure_that_nothing_is_known_against_is_shown_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    only = Check(Topic("lock", "Lock", "It matters."), lambda: failed("No."))
    monkeypatch.setattr(doctor, "checklist", lambda _case: [only])
    assert run("doctor").stdout == "failed    Lock: No.\n          why: It matters.\n1 failure.\n"
    assert [line.split() for line in on_screen(monkeypatch, 60).splitlines()] == [
        ["On", "this", "disk"],
        ["✗", "Lock", "No."],
        ["It", "matters."],
        ["1", "failure."],
    ]


def on_screen(monkeypatch: pytest.MonkeyPatch, columns: int, *arguments: str) -> str:
    """Return what a terminal of a width is sent."""
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr(output, "is_terminal", lambda _stream: True)
    monkeypatch.setattr(doctor, "shows_progress", lambda: True)
    return run("doctor", *arguments).stdout


@pytest.mark.parametrize("columns", [60, 120])
def test_on_a_terminal_what_is_well_takes_one_line(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    lines = on_screen(monkeypatch, columns).splitlines()
    groups = ["This machine", "Settings", "On this disk", "Mailbox", "Room", "Agents"]
    assert (len(lines), [line for line in lines if line in groups]) == (len(IDS) + len(groups) + 1, groups)
    assert max(len(line.rstrip()) for line in lines) <= columns
    assert (lines[1][:19], lines[-1]) == (" ✓ Python          ", "Nothing is wrong.")
    whole = on_screen(monkeypatch, columns, "--verbose")
    assert ("…" in "".join(lines).replace("prt1-…", ""), "20 seconds a call." in re.sub(r"\s+", " ", whole)) == (
        True,
        True,
    )


def test_on_a_terminal_a_command_is_on_one_line_however_long(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    (machine.saved / "broken.json").write_text("{")
    (machine.state / "outbox" / JUNK).write_bytes(b"")
    monkeypatch.setenv("PEER_RELAY_REMOTE", "${X}")
    lines = on_screen(monkeypatch, 60, "--room", "work").splitlines()
    path = machine.saved / "broken.json"
    assert f"   → mv {path} {path}.damaged && peer-relay join" in lines
    assert "   → peer-relay doctor --fix --room work" in lines
    assert "                   → Set what it stands for where the agent" in [line.rstrip() for line in lines]
    assert lines[-1] == "1 failure, 3 warnings."


def test_what_was_not_looked_at_is_told_in_one_place(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEER_RELAY_REMOTE", "http://127.0.0.1:1/mailbox.git")
    lines = [line.rstrip() for line in on_screen(monkeypatch, 120).splitlines()]
    assert lines[-3:] == [
        " - Skipped         Write, Login, Latency, Privacy, Default branch, Branch rules, Room, History, Newest record",
        '                   Not looked at, because of what was found at "Read".',
        "1 failure, 9 not looked at.",
    ]


def test_a_terminal_without_these_characters_gets_others(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rich.console.Console.encoding", "ascii")
    (machine.state / "checkpoint.json").write_text("{")
    lines = on_screen(monkeypatch, 100).splitlines()
    assert ({line[:3] for line in lines if line.startswith(" ")}, lines[-1]) == (
        {" + ", " i ", " ! ", "   "},
        "1 warning.",
    )
    assert "   -> peer-relay doctor --fix" in lines


def test_with_verbose_the_operations_are_told_as_json_where_json_is_wanted(machine: Machine) -> None:
    shown = run("doctor", "--json", "--verbose")
    told = [json.loads(line)["log"] for line in shown.stderr.splitlines()]
    assert (shown.exit_code, told[0].startswith("read branch peer-relay/")) == (0, True)


def test_a_real_terminal_shows_it_in_colours_or_without(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    shown = sent_to_terminal(60)
    assert "\x1b[32m ✓\x1b[0m" in shown
    rows = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line) for line in shown.splitlines()]
    assert ("Room" in rows, rows[-1]) == (True, "Nothing is wrong.")
    monkeypatch.setenv("NO_COLOR", "1")
    assert re.search(r"\x1b\[3[0-9]m", sent_to_terminal(60)) is None


def sent_to_terminal(columns: int) -> str:
    """Run the real program on a terminal and return all that it was sent."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "peer_relay", "doctor"], stdin=follower, stdout=follower, stderr=follower
    )
    os.close(follower)
    sent = b""
    while select.select([leader], [], [], 40)[0]:
        try:
            sent += os.read(leader, 65536)
        except OSError:  # how Linux says that the other side was closed
            break
    os.close(leader)
    assert process.wait(20) == 0
    return sent.decode().replace("\r\n", "\n").rstrip("\n")
