"""The program as a whole: its help, its exit status, and what it loads."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import click
import pytest

import peer_relay
from peer_relay import app
from peer_relay.cli import COMMANDS, Commands, commands, main
from peer_relay.errors import Unreachable
from tests.claims import claim
from tests.cli.support import TOKEN, FakeRelay, exchange, program, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(autouse=True)
def _unmeasured() -> None:
    """Measure these processes after all: only they begin with `__main__`, and only they are really broken off."""


def test_the_first_page_names_every_command_and_how_to_begin() -> None:
    shown = run("--help")
    assert shown.exit_code == 0
    assert [name for name, (_, summary) in COMMANDS.items() if f"  {name} " not in shown.stdout] == []
    assert [summary for _, summary in COMMANDS.values() if summary not in shown.stdout] == []
    assert "peer-relay init git@github.com:alice/mailbox.git --me alice --peer bob\n" in shown.stdout
    assert "peer-relay join\n" in shown.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_says_in_its_help_what_the_first_page_says(name: str) -> None:
    shown = run(name, "--help")
    first_line = shown.stdout.split("\n\n")[1].strip().replace("\n  ", " ")
    assert first_line.startswith(COMMANDS[name][1])


def test_the_version_is_printed() -> None:
    assert run("--version").stdout == f"peer-relay {peer_relay.__version__}\n"


def test_python_m_is_the_same_program() -> None:
    done = program("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"peer-relay {peer_relay.__version__}\n", "")


@pytest.mark.parametrize("arguments", [["nonsense"], ["log", "--nonsense"], ["init", "/srv/x.git"], ["log", "extra"]])
def test_wrong_usage_ends_with_status_two(arguments: list[str]) -> None:
    shown = run(*arguments)
    assert (shown.exit_code, shown.stdout) == (2, "")
    assert "Usage: peer-relay" in shown.stderr


def test_an_expected_error_is_one_line_and_the_status_of_its_kind(
    relay: FakeRelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise Unreachable(remote="git.example", reason="the name is\x1b[2J not known")

    monkeypatch.setattr(app, "open_relay", fail)
    shown = run("log")
    assert (shown.exit_code, shown.stdout) == (5, "")
    assert shown.stderr == (
        "error: git.example cannot be reached: the name is\ufffd[2J not known. Check the network and the address.\n"
    )


def test_without_a_room_log_says_how_to_get_one() -> None:
    shown = run("log")
    assert shown.exit_code == 1
    assert shown.stderr.startswith("error: PEER_RELAY_REMOTE, PEER_RELAY_ROOM_TOKEN and PEER_RELAY_PEER_ID are not set")
    assert "Traceback" not in shown.stderr


def test_ctrl_c_ends_with_status_130(relay: FakeRelay, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(**_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(relay, "exchanges", interrupt)
    shown = run("log")
    assert (shown.exit_code, shown.stdout, shown.stderr) == (130, "", "\n")
    assert relay.acts == ["close"]


@pytest.mark.skipif(os.name == "nt", reason="signals are sent as on POSIX")
def test_a_real_ctrl_c_at_the_prompt_of_join_ends_with_status_130() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", WAITING_JOIN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"reading\n"
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=20)
    assert (process.returncode, stderr) == (130, b"\n")


WAITING_JOIN = """
import sys
from peer_relay.cli import joining, main
read = joining._read_invite
def announce():
    print("reading", flush=True)
    return read()
joining._read_invite = announce
sys.argv = ["peer-relay", "join"]
main()
"""


def test_a_pipe_that_is_closed_is_no_error(relay: FakeRelay, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    relay.exchanged = (exchange(),)
    monkeypatch.setattr(click, "echo", broken)
    shown = run("log")
    assert (shown.exit_code, shown.stderr) == (1, "")


def test_a_terminal_that_cannot_show_a_character_shows_another(
    relay: FakeRelay, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    relay.exchanged = (exchange(text="Größe 🙂"),)
    path = tmp_path / "output"
    with path.open("w", encoding="latin-1") as narrow, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", narrow)
        patch.setattr(sys, "argv", ["peer-relay", "log"])
        with pytest.raises(SystemExit) as end:
            main()
    assert (end.value.code, "  | Größe ?\n" in path.read_text(encoding="latin-1")) == (0, True)


@pytest.mark.parametrize("arguments", [["--version"], ["--help"]])
def test_the_first_page_loads_no_heavy_library(arguments: list[str]) -> None:
    script = (
        "import atexit, sys\n"
        "heavy = {'mcp', 'rich', 'dulwich', 'pydantic', 'urllib3'}\n"
        "atexit.register(lambda: print(sorted(heavy & set(sys.modules))))\n"
        "from peer_relay.cli import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_only_serve_and_demo_load_mcp() -> None:
    modules = sorted({module for name, (module, *_) in COMMANDS.items() if name not in {"serve", "demo"}})
    script = (
        "import importlib, sys\n"
        "for module in sys.argv[1:]:\n"
        "    importlib.import_module(f'peer_relay.cli.{module}')\n"
        "    if {'mcp', 'rich'} & set(sys.modules): sys.exit(f'{module} loads it')\n"
        "print('none')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *modules], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.stdout, done.stderr) == ("none\n", "")


def test_an_unknown_command_is_answered_with_a_near_one() -> None:
    assert "No such command 'logs'." in run("logs").stderr
    assert Commands().get_command(click.Context(commands), "logs") is None


@claim("secrets-never-shown")
@pytest.mark.parametrize("arguments", [["log"], ["outbox"], ["--help"], ["log", "--json"]])
def test_no_output_holds_the_token(relay: FakeRelay, arguments: list[str]) -> None:
    relay.exchanged = (exchange(),)
    assert TOKEN not in run(*arguments).output


def test_a_broken_token_in_the_variable_is_refused_without_being_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEER_RELAY_REMOTE", "/srv/mailbox.git")
    monkeypatch.setenv("PEER_RELAY_ROOM_TOKEN", TOKEN[:-1])
    monkeypatch.setenv("PEER_RELAY_PEER_ID", "alice")
    for arguments in (["log"], ["init", "/srv/mailbox.git", "--me", "alice", "--peer", "bob"]):
        shown = run(*arguments)
        assert (shown.exit_code, TOKEN[:-1] in shown.output) == (1, False)
        assert shown.stderr.startswith("error: The room token is not valid: ")


@pytest.mark.parametrize("name", ["question", "answer", "room"])
def test_schema_prints_json_schema(name: str) -> None:
    shown = run("schema", name)
    assert (shown.exit_code, '"$schema"' in shown.stdout, shown.stdout.endswith("}\n")) == (0, True, True)


def test_a_schema_that_does_not_exist_is_wrong_usage() -> None:
    shown = run("schema", "message")
    assert shown.exit_code == 2
    assert "'message' is not one of" in shown.stderr


def test_serve_hands_over_a_way_to_open_the_configured_room(relay: FakeRelay, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []

    def serve(open_relay: Callable[[], object], session: str, *, pushes: bool) -> None:
        opened.append((open_relay(), session, pushes))

    monkeypatch.setattr("peer_relay.cli.serve.run", serve)
    monkeypatch.setenv("CLAUDE_CODE_SESSION_ID", "0b9d")
    assert [run("serve").exit_code, run("serve", "--channel").exit_code] == [0, 0]
    monkeypatch.setenv("CLAUDE_CODE_SESSION_ID", "${CLAUDE_CODE_SESSION_ID}")
    assert run("serve", "--channel").exit_code == 0
    assert opened == [(relay, "0b9d", False), (relay, "0b9d", True), (relay, "", True)]


def test_serve_takes_the_room_that_it_was_asked_for_into_its_thread(
    relay: FakeRelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusals: list[BaseException] = []

    def open_elsewhere(open_relay: Callable[[], object], _session: str, *, pushes: bool) -> None:
        with ThreadPoolExecutor(1) as thread:
            error = thread.submit(open_relay).exception()
            assert error is not None
            refusals.append(error)

    monkeypatch.setattr("peer_relay.cli.serve.run", open_elsewhere)
    assert run("serve", "--room", "nobody").exit_code == 0
    assert "names no saved room" in str(refusals[0])
