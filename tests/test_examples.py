"""The examples that people copy and run: each is run here as it stands, by the shell that would run it."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

import peer_relay
from tests import independent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.conftest import Git
    from tests.servers import SshServer

EXAMPLES = Path(__file__).parents[1] / "examples"
ACTION = EXAMPLES / "github-action" / "open-questions.yml"
NOTIFY = EXAMPLES / "cron" / "notify.sh"

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="the examples are shell scripts"),
    pytest.mark.usefixtures("unmeasured_processes"),
]


def run(
    command: Sequence[str | Path], variables: Mapping[str, str], programs: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a script with `peer-relay` on the search path, and before it what a test has made up."""
    folders = [*([] if programs is None else [programs]), Path(sys.executable).parent, "/usr/bin", "/bin"]
    path = {"PATH": os.pathsep.join(map(str, folders))}
    return subprocess.run(
        command, env={**os.environ, **path, **variables}, capture_output=True, text=True, timeout=50, check=False
    )


def make_program(path: Path, script: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_the_list_of_examples_is_complete() -> None:
    listed = set(re.findall(r"\]\(([^)]+)\)", (EXAMPLES / "README.md").read_text(encoding="utf-8")))
    beside = {path.relative_to(EXAMPLES).parts[0] for path in EXAMPLES.iterdir()} - {"README.md"}
    assert [name for name in listed if not (EXAMPLES / name).exists()] == []
    assert {name.split("/")[0] for name in listed} == beside


def test_two_homes_exchange_a_question_and_leave_nothing_behind(tmp_path: Path, home: Path) -> None:
    done = run(["sh", EXAMPLES / "two-homes.sh"], {"TMPDIR": str(tmp_path), "PEER_RELAY_ROOM": "my-own"})
    assert done.returncode == 0, done.stderr
    typed = re.findall(r"^(alice|bob)> peer-relay (\w+)", done.stderr, re.MULTILINE)
    assert typed[:2] in ([("alice", "init"), ("bob", "join")], [("bob", "join"), ("alice", "init")])
    assert typed[2:] == [
        *(("alice", "ask"), ("bob", "questions"), ("bob", "answer")),
        *(("alice", "answers"), ("alice", "log"), ("alice", "verify")),
    ]
    assert done.stdout.count("  | It cannot be revoked, so it lives briefly; see the decision.\n") == 2
    assert "\nproved  3 commits are one line from " in done.stdout
    assert "pr1-" not in done.stdout + done.stderr
    assert (list(tmp_path.iterdir()), [path.name for path in home.iterdir()]) == ([], [".gitconfig"])


# ---------------------------------------------------------------------------------------------------------------------
# The workflow


def action() -> dict[Any, Any]:
    found: dict[Any, Any] = yaml.safe_load(ACTION.read_text(encoding="utf-8"))
    return found


def test_the_workflow_runs_by_the_clock_with_no_right_and_a_pinned_version() -> None:
    workflow = action()
    install = workflow["jobs"]["open-questions"]["steps"][1]
    assert set(workflow[True]) == {"schedule", "workflow_dispatch"}  # to YAML 1.1 the word `on` is a truth value
    assert workflow["permissions"] == {}
    assert install["env"]["VERSION"] == peer_relay.__version__
    assert (EXAMPLES.parent / "requirements" / "runtime.txt").is_file()
    assert '"$LOCKS/v$VERSION/requirements/runtime.txt"' in install["run"]
    assert "pip install --require-hashes --requirement runtime.txt\n" in install["run"]
    assert 'pip install --no-deps "peer-relay==$VERSION"\n' in install["run"]


def test_the_workflow_posts_what_is_open_with_a_key_that_may_only_read(
    ssh_server: SshServer, tmp_path: Path, git: Git
) -> None:
    mailbox = tmp_path / "mailbox.git"
    room = independent.Room(mailbox)
    room.open()
    answered = room.ask(independent.START_MS, "alice", "Is this one answered?")
    room.answer(answered, "It is.")
    room.ask(independent.START_MS + 1000, "bob", "Who may <b>merge</b> this?")
    before = git(mailbox, "for-each-ref")
    words = shlex.split(ssh_server.ssh_command_read_only)
    known = next(word.partition("=")[2] for word in words if word.startswith("UserKnownHostsFile="))
    step = action()["jobs"]["open-questions"]["steps"][2]
    expected = {"PEER_RELAY_ROOM_TOKEN", "PEER_RELAY_REMOTE", "PEER_RELAY_PEER_ID", "DEPLOY_KEY", "HOST_KEY"}
    assert set(step["env"]) == expected
    (tmp_path / "temp").mkdir()
    given = {
        "PEER_RELAY_REMOTE": ssh_server.url(mailbox),
        "PEER_RELAY_PEER_ID": step["env"]["PEER_RELAY_PEER_ID"],
        "PEER_RELAY_ROOM_TOKEN": independent.TOKEN,
        "DEPLOY_KEY": Path(words[words.index("-i") + 1]).read_text().rstrip("\n"),
        "HOST_KEY": Path(known).read_text().rstrip("\n"),
        "RUNNER_TEMP": str(tmp_path / "temp"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
    }
    done = run(["bash", "-e", "-c", step["run"]], given)
    summary = (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert "> Who may &lt;b>merge&lt;/b> this?" in summary
    assert "Is this one answered?" not in summary
    assert git(mailbox, "for-each-ref") == before
    assert {(tmp_path / "temp" / name).stat().st_mode & 0o777 for name in ("deploy-key", "known-hosts")} == {0o600}
    assert independent.TOKEN not in step["run"] + summary


# ---------------------------------------------------------------------------------------------------------------------
# The notification


def test_the_crontab_names_the_script() -> None:
    lines = (EXAMPLES / "cron" / "crontab").read_text(encoding="utf-8").splitlines()
    path, entry = (line for line in lines if not line.startswith("#"))
    *when, command = entry.split(None, 5)
    assert (path.startswith("PATH=/"), when, Path(command).name) == (True, ["*/5", "*", "*", "*", "*"], NOTIFY.name)
    assert os.access(NOTIFY, os.X_OK)


def test_a_question_is_shown_without_its_words(tmp_path: Path) -> None:
    shown = tmp_path / "shown"
    make_program(tmp_path / "bin" / "notify-send", f"printf '%s|' \"$@\" >> '{shown}'")
    room = independent.Room(tmp_path / "mailbox.git")
    room.open()
    room.ask(independent.START_MS, "alice", "What is the secret word?")
    given = {
        "PEER_RELAY_REMOTE": str(tmp_path / "mailbox.git"),
        "PEER_RELAY_PEER_ID": "bob",
        "PEER_RELAY_ROOM_TOKEN": independent.TOKEN,
    }
    done = run([NOTIFY], given, tmp_path / "bin")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    told = shown.read_text(encoding="utf-8")
    assert re.fullmatch(
        r"--app-name=peer-relay\|peer-relay\|1 question from alice is waiting in peer-relay \(for \d+ \w+\)\.\|", told
    )


_FIRST, _SECOND = (independent.ulid(independent.START_MS + number) for number in range(2))


def test_each_question_is_shown_once_and_again_only_if_it_was_gone(tmp_path: Path) -> None:
    shown, waiting = tmp_path / "shown", tmp_path / "waiting"
    make_program(tmp_path / "bin" / "notify-send", f"echo \"$3\" >> '{shown}'")
    make_program(tmp_path / "bin" / "peer-relay", f"[ \"$4\" = --json ] && cat '{waiting}' || wc -l < '{waiting}'")
    looks = [(_FIRST,), (_FIRST, _SECOND), (_SECOND,), (_FIRST,), (_FIRST,)]
    for ids in looks:
        waiting.write_text("".join(f'["{each}"],\n' for each in ids))
        assert run([NOTIFY], {}, tmp_path / "bin").returncode == 0
    assert shown.read_text(encoding="utf-8").split() == ["1", "2", "1"]


@pytest.mark.parametrize(
    ("status", "expected"), [(4, (0, "")), (5, (0, "")), (1, (1, "error: no.\n")), (2, (1, "error: no.\n"))]
)
def test_only_a_problem_that_waiting_does_not_cure_is_worth_a_mail(
    tmp_path: Path, status: int, expected: tuple[int, str]
) -> None:
    make_program(tmp_path / "bin" / "peer-relay", f"echo 'error: no.' >&2; exit {status}")
    done = run([NOTIFY], {}, tmp_path / "bin")
    assert (done.returncode, done.stderr, done.stdout) == (*expected, "")
