"""How commands end: the exit status, the one line that says why, in words or as JSON, and the log of a bug."""

from __future__ import annotations

import errno
import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from peer_relay import app
from peer_relay.cli import commands, main
from peer_relay.cli.ending import MEANINGS, Exit, Failure, status_of
from peer_relay.errors import (
    AuthenticationFailed,
    Busy,
    DeadlineExceeded,
    PeerRelayError,
    RoomNotFound,
    TransportError,
    Unreachable,
)
from tests.claims import claim
from tests.cli.support import TOKEN, FakeRelay, run
from tests.test_errors import build, family

if TYPE_CHECKING:
    from collections.abc import Callable

UNREACHABLE = Unreachable(remote="git.example", reason="the network is down")


@pytest.fixture
def fails_with(monkeypatch: pytest.MonkeyPatch, relay: FakeRelay) -> Callable[[BaseException], None]:
    """Give a way to let the next opening of a room fail."""

    def prepare(error: BaseException) -> None:
        def fail(*_: object, **__: object) -> None:
            raise error

        monkeypatch.setattr(app, "open_relay", fail)

    return prepare


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (UNREACHABLE, Exit.UNREACHED),
        (DeadlineExceeded(remote="git.example", seconds=20.0), Exit.UNREACHED),
        (RoomNotFound(remote="git.example"), Exit.FAILED),
        (Busy(), Exit.FAILED),
    ],
)
def test_an_error_ends_with_the_status_of_its_kind(
    fails_with: Callable[[BaseException], None], error: PeerRelayError, status: Exit
) -> None:
    fails_with(error)
    shown = run("log")
    assert (shown.exit_code, shown.stdout, shown.stderr) == (status, "", f"error: {error}\n")


@pytest.mark.parametrize("kind", family(PeerRelayError), ids=lambda kind: kind.__name__)
def test_only_what_may_pass_by_itself_on_the_way_to_the_mailbox_is_called_unreached(kind: type[PeerRelayError]) -> None:
    expected = Exit.UNREACHED if issubclass(kind, TransportError) and kind.retryable else Exit.FAILED
    assert status_of(build(kind)) == expected


def test_with_json_an_error_is_one_object_on_standard_error(fails_with: Callable[[BaseException], None]) -> None:
    fails_with(UNREACHABLE)
    shown = run("outbox", "--json")
    assert (shown.exit_code, shown.stdout) == (5, "")
    assert json.loads(shown.stderr) == {
        "error": {"type": "Unreachable", "message": str(UNREACHABLE), "retryable": True, "exit_status": 5}
    }


@pytest.mark.parametrize("arguments", [["log", "--json", "--nonsense"], ["log", "extra", "--json"], ["logs", "--json"]])
def test_with_json_wrong_usage_is_an_object_too(arguments: list[str]) -> None:
    shown = run(*arguments)
    error = json.loads(shown.stderr)["error"]
    assert (shown.exit_code, shown.stdout) == (2, "")
    assert (error["type"], error["exit_status"], "\n" in error["message"]) == ("Usage", 2, False)


def test_an_option_of_all_commands_that_is_wrong_is_an_object_too() -> None:
    shown = run("--nonsense", "log", "--json")
    assert (shown.exit_code, json.loads(shown.stderr)["error"]["type"]) == (2, "Usage")


@claim("secrets-never-shown")
def test_a_bug_is_a_sentence_with_a_log_that_holds_no_secret(
    fails_with: Callable[[BaseException], None], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PEER_RELAY_HOME", str(home / "relay"))
    monkeypatch.setenv("PEER_RELAY_GIT_PASSWORD", "hunter2")
    fails_with(RuntimeError(f"{TOKEN} pr1-abcdefghijklmnopqrst https://me:pass@host/x hunter2 surprise"))
    shown = run("log")
    assert (shown.exit_code, shown.stdout) == (3, "")
    (log,) = (home / "relay" / "logs").iterdir()
    assert shown.stderr == (
        "error: peer-relay failed for a reason of its own (RuntimeError); what was queued stays queued. Report the bug "
        f"with the file {log}, after a look at what is in it.\n"
    )
    text = log.read_text()
    assert "RuntimeError: [hidden] pr1-[hidden] https://host/x [hidden] surprise\n" in text
    assert ("Traceback" in text, TOKEN in text, "hunter2" in text) == (True, False, False)
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_a_bug_is_logged_even_where_nothing_can_be_logged_in_the_state_folder(
    fails_with: Callable[[BaseException], None], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PEER_RELAY_HOME", str(home))
    (home / "logs").touch()
    fails_with(ZeroDivisionError())
    shown = run("outbox", "--json")
    message = json.loads(shown.stderr)["error"]["message"]
    log = Path(message.partition(" with the file ")[2].partition(", after")[0])
    assert (shown.exit_code, "ZeroDivisionError" in log.read_text()) == (3, True)


@pytest.mark.parametrize("interruption", [KeyboardInterrupt(), click.Abort()])
def test_an_interruption_ends_with_130_and_an_empty_line(
    fails_with: Callable[[BaseException], None], interruption: BaseException
) -> None:
    fails_with(interruption)
    shown = run("log")
    assert (shown.exit_code, shown.stdout, shown.stderr) == (130, "", "\n")


def test_with_json_an_interruption_is_an_object(fails_with: Callable[[BaseException], None]) -> None:
    fails_with(KeyboardInterrupt())
    shown = run("log", "--json")
    assert (shown.exit_code, shown.stdout) == (130, "")
    assert json.loads(shown.stderr)["error"]["type"] == "Interrupted"


@pytest.mark.skipif(os.name == "nt", reason="a shell closes the output")
@pytest.mark.parametrize("arguments", ["--version", "schema question", "rooms --json"])
def test_without_any_standard_output_a_command_does_its_work_all_the_same(arguments: str) -> None:
    script = f'exec "$1" -m peer_relay {arguments} >&-'
    done = subprocess.run(["sh", "-c", script, "sh", sys.executable], capture_output=True, timeout=30, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_an_interruption_outside_of_every_command_ends_with_130_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(**_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("peer_relay.cli.commands", interrupt)
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 130


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
@pytest.mark.parametrize("arguments", [["schema", "question"], ["--help"]])
def test_a_full_disk_under_standard_output_is_a_sentence(arguments: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "peer_relay", *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=30,
            check=False,
        )
    assert (done.returncode, done.stderr) == (1, "error: The output could not be written: No space left on device.\n")


def test_an_output_that_fails_in_the_middle_is_a_sentence(relay: FakeRelay, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(relay, "outbox", fail)
    shown = run("outbox")
    assert (shown.exit_code, shown.stderr) == (1, "error: The output could not be written: Input/output error.\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
def test_a_full_disk_is_told_once_and_as_json_where_that_was_asked_for() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "peer_relay", "config", "--client", "claude", "--json"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=30,
            check=False,
        )
    assert (done.returncode, json.loads(done.stderr)["error"]["type"]) == (1, "OutputLost")


@pytest.mark.skipif(os.name == "nt", reason="signals are sent as on POSIX")
def test_a_reader_that_goes_away_is_no_error_of_ours() -> None:
    script = (
        'ulimit -c 0; "$1" -m peer_relay schema question 2>&1 >/dev/null | cat; "$1" -m peer_relay --help | head -1'
    )
    done = subprocess.run(
        ["sh", "-c", script, "sh", sys.executable], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: peer-relay")


def test_every_status_has_a_meaning() -> None:
    assert list(MEANINGS) == list(Exit)
    assert [int(each) for each in Exit] == [0, 1, 2, 3, 4, 5, 128 + signal.SIGINT]


def test_a_failure_is_what_a_command_makes_of_its_own_refusals() -> None:
    failure = Failure("No.\x1b[2J", Exit.NOTHING, kind="Nothing")
    assert (failure.exit_code, str(failure)) == (4, "No.\x1b[2J")


def test_a_login_that_is_refused_is_nothing_that_waiting_helps() -> None:
    assert status_of(build(AuthenticationFailed)) is Exit.FAILED


def test_commands_can_be_asked_without_anything() -> None:
    shown = run()
    assert (shown.exit_code, "Commands:" in shown.output) == (2, True)
    assert commands.name == "commands"
