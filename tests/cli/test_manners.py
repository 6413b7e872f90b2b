"""What every command has: help with examples, --quiet, --verbose, --json, completion, and times as people read them."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import click
import pytest

from peer_relay.cli import COMMANDS, commands
from peer_relay.cli.command import Command, Manners, manners
from peer_relay.cli.moments import ago, counted, length_of, local_time, milliseconds
from peer_relay.cli.output import warn
from peer_relay.cli.progress import Watcher, progress_bar
from peer_relay.rooms import SavedRoom
from peer_relay.settings import read_settings
from tests.cli.support import TOKEN, FakeRelay, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def command_of(name: str) -> Command:
    found = commands.get_command(click.Context(commands), name)
    assert isinstance(found, Command)
    return found


@pytest.fixture
def asked(request: pytest.FixtureRequest) -> Iterator[Manners]:
    """Stand inside of a command that was told how to behave."""
    with click.Context(commands, obj=request.param):
        yield request.param


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_ends_with_examples(name: str) -> None:
    shown = run(name, "--help")
    examples = command_of(name).examples
    assert (shown.exit_code, len(examples) > 0) == (0, True)
    _, mark, end = shown.stdout.partition("\nExamples:\n")
    assert mark
    assert [line.split("  # ")[0].split() for line in end.splitlines()] == [
        each.split("  # ")[0].split() for each in examples
    ]


@pytest.mark.parametrize(("name", "example"), [(name, each) for name in COMMANDS for each in command_of(name).examples])
def test_an_example_is_a_command_line_that_would_be_taken(name: str, example: str, home: Path) -> None:
    """Every call of the program in it is parsed; redirections, pipes and other programs are the shell's business."""
    words = shlex.split(example.partition("  # ")[0], comments=False)
    starts = [number for number, word in enumerate(words) if word == "peer-relay"]
    assert starts
    for start in starts:
        line = words[start + 1 :]
        end = next((number for number, word in enumerate(line) if word in {"|", ">", "<", "&&", "||", ";", "&"}), None)
        called, *arguments = line[:end]
        if called == name and "$" not in example:
            command_of(name).make_context(name, arguments, parent=click.Context(commands))


@pytest.mark.parametrize("name", COMMANDS)
def test_quiet_and_verbose_mean_the_same_everywhere(name: str) -> None:
    options = {option for each in command_of(name).params for option in each.opts}
    assert {"--quiet", "-q", "--verbose", "-v"} <= options


@pytest.mark.parametrize("arguments", [["outbox", "--quiet"], ["-q", "outbox"], ["outbox", "-q"]])
def test_quiet_leaves_notes_out_wherever_it_stands(relay: FakeRelay, arguments: list[str]) -> None:
    assert run("outbox").stderr == "note: everything is delivered.\n"
    shown = run(*arguments)
    assert (shown.exit_code, shown.stdout, shown.stderr) == (0, "", "")


def test_with_json_notes_are_objects(relay: FakeRelay) -> None:
    relay.notes = ("One record is queued.",)
    first, *_ = run("log", "--json").stderr.splitlines()
    assert json.loads(first) == {"note": "One record is queued."}


def test_room_names_a_saved_room_whatever_the_variables_say(relay: FakeRelay, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = run("outbox", "--room", "nobody")
    assert (shown.exit_code, shown.stderr.startswith("error: --room names no saved room; ")) == (1, True)
    read_settings().rooms.save(SavedRoom(remote="/srv/x.git", token=TOKEN, peer_id="bob", other_peer="alice"), "work")
    assert run("outbox", "--room", "work").exit_code == 0


def test_outside_of_a_command_manners_are_plain() -> None:
    assert manners() == Manners()


@pytest.mark.parametrize("asked", [Manners(verbose=True), Manners(verbose=True, as_json=True)], indirect=True)
def test_verbose_tells_of_every_operation(asked: Manners, capsys: pytest.CaptureFixture[str]) -> None:
    watcher = Watcher()
    watcher.began("read branch x of y")
    watcher.received(1_000_000)
    watcher.ended("read branch x of y", "it is at 1a2b", 0.0123)
    told = "read branch x of y: it is at 1a2b (12 ms)"
    out, err = capsys.readouterr()
    assert (out, err) == ("", json.dumps({"log": told}) + "\n" if asked.as_json else f"log: {told}\n")


def test_without_verbose_nothing_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    watcher = Watcher()
    watcher.began("a")
    watcher.ended("a", "b", 1.0)
    with progress_bar("Counting", "things") as show:
        show(1, 2)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("asked", [Manners(quiet=True)], indirect=True)
def test_a_quiet_command_gives_no_notes(asked: Manners, capsys: pytest.CaptureFixture[str]) -> None:
    warn("all is well.")
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script_for_a_shell(shell: str) -> None:
    shown = run("completion", shell)
    assert (shown.exit_code, "_PEER_RELAY_COMPLETE" in shown.stdout) == (0, True)


def test_a_real_bash_takes_the_script_and_completes_by_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEER_RELAY_HOME", str(tmp_path))
    read_settings().rooms.save(SavedRoom(remote="/srv/x.git", token=TOKEN, peer_id="bob", other_peer="alice"), "work")
    program = tmp_path / "peer-relay"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m peer_relay "$@"\n')
    program.chmod(0o755)
    script = (
        'PATH="$1:$PATH"; eval "$(peer-relay completion bash)"; '
        "COMP_WORDS=(peer-relay outb); COMP_CWORD=1; _peer_relay_completion peer-relay; echo ${COMPREPLY[@]}; "
        "COMPREPLY=(); "
        "COMP_WORDS=(peer-relay outbox --room w); COMP_CWORD=3; _peer_relay_completion peer-relay; echo ${COMPREPLY[@]}"
    )
    done = subprocess.run(
        ["bash", "-c", script, "bash", str(tmp_path)], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.stdout.splitlines()[-1], done.stderr) == ("work", "")
    assert "outbox" in done.stdout.splitlines()[0].split()


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 seconds"),
        (1, "1 second"),
        (59.9, "59 seconds"),
        (60, "1 minute"),
        (7_300, "2 hours"),
        (86_400, "1 day"),
        (8.64e8, "10,000 days"),
    ],
)
def test_a_length_of_time_is_told_by_its_largest_unit(seconds: float, said: str) -> None:
    assert length_of(seconds) == said


def test_times_are_told_as_people_read_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "XYZ-2")
    time.tzset()
    try:
        assert local_time(1_795_340_999_123) == "2026-11-22 11:49:59 +0200"
    finally:
        monkeypatch.undo()
        time.tzset()
    assert local_time(253_402_300_799_999).startswith(("9999-12-31", "+10000-01-01", "10000-01-01"))
    assert [ago(ms, 100_000) for ms in (99_500, 40_000, 99_000, 400_000)] == [
        "just now",
        "1 minute ago",
        "1 second ago",
        "in 5 minutes",
    ]
    assert [counted(number, "question") for number in (0, 1, 1_000)] == ["0 questions", "1 question", "1,000 questions"]
    assert [milliseconds(seconds) for seconds in (0.0004, 0.0123, 1.84)] == ["0 ms", "12 ms", "1.8 s"]
