"""`peer-relay verify`: on real rooms, with everything else of this machine left as it was."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from peer_relay import app
from peer_relay.cli import output
from peer_relay.cli.verify import git_commands
from peer_relay.config import RelayConfig
from peer_relay.deadline import Deadline
from peer_relay.errors import HistoryRewritten, RefusedCommit
from tests import independent
from tests.claims import claim
from tests.cli.support import run
from tests.git_store.conftest import FULL_IDS, fill
from tests.git_store.forging import ANSWERED, GOOD, LATER, NEW, commit_question, question, tell
from tests.independent import Room

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PASSWORD = "hunter2-of-the-tests"
README = Path(__file__).parents[2] / "README.md"


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Configure the room of `independent.TOKEN`, and give the folder that this machine keeps for it."""
    values = {"REMOTE": str(tmp_path / "mailbox.git"), "ROOM_TOKEN": independent.TOKEN, "PEER_ID": "bob"}
    for name, value in {**values, "HOME": str(tmp_path / "home")}.items():
        monkeypatch.setenv(f"PEER_RELAY_{name}", value)
    return tmp_path / "home" / "rooms" / Room(None).room_id / "bob"


@pytest.fixture
def mailbox(tmp_path: Path) -> Room:
    room = Room(tmp_path / "mailbox.git")
    tell(room)
    return room


def config(tmp_path: Path) -> RelayConfig:
    return RelayConfig(str(tmp_path / "mailbox.git"), independent.TOKEN, "bob", tmp_path / "home")


def look(tmp_path: Path) -> None:
    """Let this machine verify the tip as the server and the other commands do, which leaves a checkpoint."""
    with contextlib.closing(app.open_relay(config(tmp_path), os.environ)) as relay:
        relay.exchanges()


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Return every file below a folder with its content and when it was modified."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def proof(name: str, sentence: str, outcome: str = "proved") -> dict[str, str]:
    return {"name": name, "outcome": outcome, "sentence": sentence}


def outcomes(shown: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each["outcome"] for each in shown["proofs"]}


# ---------------------------------------------------------------------------------------------------------------------
# A room that is exact


@claim("I2")
def test_a_line_is_printed_for_each_thing_that_is_proved(mailbox: Room, state: Path) -> None:
    shown = run("verify")
    assert (shown.exit_code, shown.stderr) == (0, "")
    first, last = mailbox.commit_ids[0][:12], mailbox.commit_ids[-1][:12]
    assert shown.stdout.splitlines() == [
        f"proved  5 commits are one line from {first}, with which the room begins, to {last}: no merge, no gap.",
        (
            "proved  The room's record, 3 questions and 1 answer are in canonical form, byte for byte, and within the "
            "limits."
        ),
        "proved  Each commit adds one file and changes no other.",
        "proved  Each commit is byte for byte the one that its record demands: author, time, subject and trailers.",
        (
            "proved  Every Room-Mac is right: each commit was made by a holder of the room token. "
            "No key is pinned here, so nothing shows which of the two."
        ),
        "proved  Nobody but alice and bob wrote; who asked did not answer.",
        "proved  Every answer follows its question, and no question has a second one.",
        "proved  No id was used twice.",
        "unknown This machine has verified nothing of the room before, to compare with.",
    ]
    assert list(state.iterdir()) == []


def test_json_is_one_object_with_every_field(mailbox: Room, tmp_path: Path) -> None:
    look(tmp_path)
    tip = mailbox.commit_ids[-1]
    shown = run("verify", "--json")
    assert (shown.exit_code, shown.stderr, shown.stdout.count("\n")) == (0, "", 1)
    found = json.loads(shown.stdout)
    names = ["commits", "records", "files", "bytes", "macs", "authors", "order", "ids", "checkpoint"]
    assert outcomes(found) == dict.fromkeys(names, "proved")
    sentence = f"Nothing was rewritten since this machine's checkpoint: commit {tip[:12]} is among them."
    assert found.pop("proofs")[-1] == {"name": "checkpoint", "outcome": "proved", "sentence": sentence}
    assert found == {
        "exact": True,
        "remote": str(tmp_path / "mailbox.git"),
        "branch": mailbox.branch.removeprefix("refs/heads/"),
        "tip": tip,
        "total": 5,
        "commits": 5,
        "questions": 3,
        "answers": 1,
        "archives": 0,
        "signed": 0,
        "first": mailbox.commit_ids[0],
        "last": tip,
        "refused": None,
        "reused": [],
        "checkpoint": {"commit": tip, "contained": True},
    }


@pytest.mark.usefixtures("mailbox")
def test_nothing_of_this_machine_is_changed_and_no_lock_is_waited_for(tmp_path: Path, state: Path) -> None:
    look(tmp_path)
    before = contents(tmp_path / "home")
    assert {"clone", "checkpoint.json"} <= {path.name for path in state.iterdir()}
    parts = app.assemble(config(tmp_path), os.environ)
    with parts.state.locked(Deadline(5, time.monotonic)):
        assert run("verify").exit_code == 0
    assert contents(tmp_path / "home") == before


@pytest.mark.usefixtures("mailbox")
def test_a_terminal_gets_a_bar_and_a_table_that_is_not_wider_than_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = run("verify").stdout
    for name, value in {"COLUMNS": "60", "FORCE_COLOR": "1", "NO_COLOR": "1", "TERM": "xterm"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(output, "is_terminal", lambda _: True)
    monkeypatch.setattr("peer_relay.cli.progress.is_terminal", lambda _: True)
    shown = run("verify")
    assert "Verifying" in shown.stderr
    assert max(map(len, shown.stdout.splitlines())) <= 60
    assert shown.stdout.split() == plain.split()
    assert run("verify", "--quiet").stderr == ""


# ---------------------------------------------------------------------------------------------------------------------
# A room that is not


@claim("I2", "I6")
def test_at_the_first_commit_that_is_not_exact_it_ends_and_names_it(mailbox: Room, state: Path) -> None:
    commit_question(mailbox, subject="alice asks: What then?")
    bad = mailbox.commit_ids[-1]
    commit_question(mailbox, question(mailbox, LATER))
    shown = run("verify")
    reason = "its author, time or message is not what its record demands"
    remedy = RefusedCommit.BY_A_HOLDER
    assert (shown.exit_code, shown.stderr) == (
        1,
        f"error: 5 of 7 commits are exact; commit {bad} is not: {reason}. {remedy}\n",
    )
    assert shown.stdout.startswith("proved  5 of 7 commits are one line from ")
    assert list(state.iterdir()) == []


def test_the_error_of_json_is_beside_its_object(mailbox: Room) -> None:
    commit_question(mailbox, question_id=LATER)
    bad = mailbox.commit_ids[-1]
    shown = run("verify", "--json")
    found, error = json.loads(shown.stdout), json.loads(shown.stderr)["error"]
    assert (shown.exit_code, found["exact"], found["commits"], found["total"]) == (1, False, 5, 6)
    assert found["refused"] == {"commit": bad, "reason": "it does not hold the question that it names"}
    assert (error["type"], error["exit_status"], error["retryable"]) == ("NotExact", 1, False)
    assert bad in error["message"]


def test_where_not_even_the_first_commit_is_exact_nothing_is_proved(mailbox: Room) -> None:
    other = Room(mailbox.git_dir, independent.make_token(bytes(32)))
    tell(other)
    mailbox.set_branch(other.commit_ids[-1])
    shown = run("verify")
    assert (shown.exit_code, shown.stdout) == (1, "")
    assert shown.stderr.startswith(
        f"error: 0 of 5 commits are exact; commit {other.commit_ids[0]} is not: its Room-Mac is wrong. "
    )


@claim("I6")
def test_a_branch_that_lost_the_checkpoint_is_not_proved_although_it_is_exact(mailbox: Room, tmp_path: Path) -> None:
    look(tmp_path)
    lost = mailbox.commit_ids[-1]
    mailbox.set_branch(mailbox.commit_ids[-2])
    shown = run("verify")
    assert (shown.exit_code, shown.stderr) == (1, f"error: {HistoryRewritten(commit=lost)}\n")
    assert shown.stdout.splitlines()[-1] == f"refuted {HistoryRewritten(commit=lost).what}"
    found = json.loads(run("verify", "--json").stdout)
    assert (found["exact"], found["checkpoint"]) == (False, {"commit": lost, "contained": False})


def test_a_checkpoint_behind_the_first_commit_that_is_not_exact_is_not_judged(mailbox: Room, tmp_path: Path) -> None:
    look(tmp_path)
    known = mailbox.commit_ids.pop()
    commit_question(mailbox, subject="alice asks: What then?")
    found = json.loads(run("verify", "--json").stdout)
    assert (found["commits"], found["checkpoint"]) == (4, {"commit": known, "contained": None})
    assert outcomes(found)["checkpoint"] == "unknown"


def test_an_id_that_was_asked_with_again_after_an_archiving_is_told_with_both_commits(tmp_path: Path) -> None:
    room = Room(tmp_path / "mailbox.git")
    fill(room)
    again = FULL_IDS[1]
    first = next(commit for commit, raw in room.commits.items() if again.encode() in raw)
    with room.in_bulk():
        room.ask(again, "alice", "Once more?")  # after the archive commit that is due
    second = room.commit_ids[-1]
    look(tmp_path)  # which accepts it: the tip alone cannot show it
    shown = run("verify", "--json")
    found = json.loads(shown.stdout)
    assert (shown.exit_code, found["exact"], found["refused"], found["archives"]) == (1, False, None, 1)
    assert found["commits"] == found["total"] == len(room.commit_ids)
    assert found["reused"] == [{"question_id": again, "commits": [first, second]}]
    assert {name for name, outcome in outcomes(found).items() if outcome != "proved"} == {"ids"}
    told = (
        f"The id {again} was asked with again after its exchange was archived: in commit {first} and then in {second}."
    )
    assert json.loads(shown.stderr)["error"]["message"].startswith(told)


def test_no_room_and_no_mailbox_have_their_own_ends(
    tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Room(tmp_path / "mailbox.git")
    assert (run("verify").exit_code, list(state.iterdir())) == (1, [])
    monkeypatch.setenv("PEER_RELAY_REMOTE", "ssh://git@127.0.0.1:1/mailbox.git")
    shown = run("verify")
    assert (shown.exit_code, shown.stdout, list(state.iterdir())) == (5, "", [])


# ---------------------------------------------------------------------------------------------------------------------
# The temporary clone


@pytest.fixture
def fetched(mailbox: Room) -> None:
    """Let the mailbox be one that is fetched from: with a boundary, which is nowhere in its history."""
    assert mailbox.git_dir is not None
    (mailbox.git_dir / "shallow").write_text("1" * 40 + "\n")


@pytest.mark.usefixtures("fetched")
def test_an_interrupted_verification_leaves_nothing(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    @contextlib.contextmanager
    def interrupting(_what: str, _unit: str) -> Iterator[Callable[[int, int], None]]:
        def show(done: int, _total: int) -> None:
            seen.extend(path.relative_to(state).as_posix() for path in state.glob("*/clone"))
            if done == 2:
                raise KeyboardInterrupt

        yield show

    monkeypatch.setattr("peer_relay.cli.verify.progress_bar", interrupting)
    shown = run("verify")
    assert (shown.exit_code, shown.stdout, list(state.iterdir())) == (130, "", [])
    assert len(set(seen)) == 1
    assert re.fullmatch("verification-[^/]+/clone", seen[0])


@pytest.mark.usefixtures("mailbox")
def test_what_a_killed_verification_left_is_removed_a_day_later(state: Path) -> None:
    old, new = state / "verification-old", state / "verification-new"
    for folder in (old, new):
        (folder / "clone").mkdir(parents=True)
        (folder / "clone" / "HEAD").touch()
    day_s = 24 * 3_600
    os.utime(old, (time.time() - day_s - 60,) * 2)
    assert run("verify").exit_code == 0
    assert list(state.iterdir()) == [new]


# ---------------------------------------------------------------------------------------------------------------------
# With plain git


def test_the_git_commands_are_those_of_the_readme_for_this_room(tmp_path: Path) -> None:
    shown = run("verify", "--plain-git")
    branch = Room(None).branch.removeprefix("refs/heads/")
    lines = shown.stdout.splitlines()
    assert (shown.exit_code, shown.stderr, not (tmp_path / "home").exists()) == (0, "", True)
    assert lines == list(git_commands(str(tmp_path / "mailbox.git"), branch))
    documented = re.findall(
        r"^\$ (git .*)$", README.read_text(encoding="utf-8").split("## Audit with plain git")[1], re.MULTILINE
    )
    expected = [each.replace("$BRANCH", branch) for each in documented]
    expected = [each.replace("git@github.com:alice/mailbox.git", str(tmp_path / "mailbox.git")) for each in expected]
    own = [line.replace(" --no-pager", "") for line in lines if line.startswith("git ")]
    assert (own[0], own[1:]) == (expected[0], expected[-4:])
    assert json.loads(run("verify", "--plain-git", "--json").stdout) == {
        "remote": str(tmp_path / "mailbox.git"),
        "branch": branch,
        "commands": lines,
    }


@claim("I10", "secrets-never-shown")
def test_the_git_commands_hold_no_login(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEER_RELAY_REMOTE", f"https://alice:{PASSWORD}@example.org/a&b/mail;box.git")
    shown = run("verify", "--plain-git")
    assert "git clone --quiet --mirror 'https://example.org/a&b/mail;box.git' audit.git" in shown.stdout.splitlines()
    assert (shown.exit_code, PASSWORD in shown.output, independent.TOKEN in shown.output) == (0, False, False)


@claim("trust-model")
def test_pasted_into_a_shell_the_git_commands_show_what_was_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = tmp_path / 'it\'s a "mail box" $(touch oops); `id` & more'
    room = Room(odd)
    tell(room)
    monkeypatch.setenv("PEER_RELAY_REMOTE", str(odd))
    commands = run("verify", "--plain-git").stdout

    def pasted() -> dict[str, list[str]]:
        done = subprocess.run(
            ["sh"], input=commands, capture_output=True, text=True, check=True, cwd=tmp_path, timeout=30
        )
        assert done.stderr == ""
        parts = re.split(r"^(Merges|Commits that change|Files|Commits that take).*:$", done.stdout, flags=re.MULTILINE)
        return {name: text.split() for name, text in zip(parts[1::2], parts[2::2], strict=True)}

    clean: dict[str, list[str]] = {"Merges": [], "Commits that change": [], "Files": [], "Commits that take": []}
    assert pasted() == clean
    commit_question(room, question(room, GOOD), others={room_path(room, ANSWERED): room.write_blob(b"changed\n")})
    changed = room.commit_ids[-1]
    commit_question(room, question(room, NEW), others={room_path(room, ANSWERED): None})
    found = pasted()
    assert (found["Merges"], found["Files"]) == ([], [])
    assert found["Commits that change"][:2] == ["commit", changed]
    assert found["Commits that take"][:2] == ["commit", room.commit_ids[-1]]
    assert not (tmp_path / "oops").exists()


def room_path(room: Room, question_id: str) -> str:
    return next(path for path in room.files if question_id in path)
