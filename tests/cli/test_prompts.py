"""What a person is asked: on a real terminal, checked at once, and nothing is kept of what was broken off."""

from __future__ import annotations

import contextlib
import io
import json
import os
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING

import click
import pytest

from peer_relay.cli import opening, prompts
from peer_relay.errors import InvalidRemote
from peer_relay.invite import parse_invite
from tests.cli.people import init
from tests.cli.support import run
from tests.cli.terminal_session import CTRL_C, CTRL_D, ENTER, at_terminal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.people import Person
    from tests.servers import HttpServer

pytestmark = pytest.mark.skipif(os.name == "nt", reason="a pseudo-terminal is needed")

ADDRESS, ME, PEER = (
    "Address: ",
    "Your own name in the room, such as alice: ",
    "The name of the other one, such as bob: ",
)
PASTE = "Paste the invite (it is not shown): "
PUBLIC = "can be read by anybody, without a login, so everything that you two write there is public."
RULE = "error: A name must be 1 to 32 characters a-z, 0-9 and -, not beginning with -."


@pytest.fixture(autouse=True)
def _unmeasured() -> None:
    """Measure these processes after all: only a terminal leads through all of the prompts."""


class Terminal(io.StringIO):
    """A stream that says of itself that it is a terminal."""

    def isatty(self) -> bool:
        return True


def typed(*lines: str) -> str:
    return "".join(f"{line}\n" for line in lines)


@pytest.fixture
def asking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a person sit at the terminal, who types what the test gives."""
    monkeypatch.setattr(prompts, "on_terminal", lambda: True)
    monkeypatch.setattr(opening, "can_ask", lambda: True)


# ---------------------------------------------------------------------------------------------------------------------
# init


@pytest.mark.usefixtures("asking")
def test_init_asks_for_what_is_missing_and_checks_each_answer_at_once(
    alice: Person, home: Path, http_server: HttpServer
) -> None:
    http_server.create("asked-for.git")
    public = http_server.url("asked-for.git", access="public")
    answers = ["git://host/x.git", "~nobody-of-that-name/x", public, "~/mailbox.git", "Alice", "alice", "alice", "bob"]
    with alice:
        shown = run("init", "--no-register", given=typed(*answers))
    assert (shown.exit_code, [path.stem for path in alice.saved]) == (0, ["alice-bob"])
    complaints = [line for line in shown.stderr.splitlines() if "error: " in line]
    assert [line.partition("error: ")[2] for line in complaints] == [
        f"git://host/x.git cannot be used as a mailbox: git:// is not supported. {InvalidRemote.advice}",
        "The address of the mailbox begins with the home folder of a user that does not exist. Write the whole path.",
        f"{public} {PUBLIC} Make the repository private, or say --public-ok if that is meant.",
        RULE.removeprefix("error: "),
        "The two of you need two different names.",
    ]
    assert f"Nothing is at {home / 'mailbox.git'} yet, so a repository will be made there.\n" in shown.stderr
    assert shown.stdout.startswith(f"The room of alice and bob is open in {home / 'mailbox.git'} (branch peer-relay/")
    with alice:
        again = run("init", "--no-register", given=typed("~/mailbox.git", "alice", "bob"))
    assert (again.stdout, "Nothing is at" in again.stderr) == (shown.stdout, False)


@pytest.mark.usefixtures("asking")
@pytest.mark.parametrize(
    ("given", "asked"),
    [
        (["--peer", "alice"], [ME]),
        (["--me", "bob"], [PEER]),
        (["--me", "bob", "--peer", "alice"], []),
    ],
)
def test_init_asks_for_nothing_that_was_given(alice: Person, mailbox: Path, given: list[str], asked: list[str]) -> None:
    with alice:
        shown = run(
            "init", str(mailbox), "--no-register", *given, given=typed("alice", "bob") if ME in asked else "alice\n"
        )
    assert (shown.exit_code, [each for each in (ADDRESS, ME, PEER) if each in shown.stderr]) == (0, asked)


def test_with_json_nobody_is_asked(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompts, "on_terminal", lambda: True)
    with alice:
        shown = run("init", "--json")
    assert (shown.exit_code, json.loads(shown.stderr)["error"]["exit_status"]) == (2, 2)


def test_a_terminal_that_can_only_print_is_good_enough_and_gets_no_colours(alice: Person, mailbox: Path) -> None:
    answers = [(ADDRESS, f"{mailbox}\n".encode()), (ME, b"alice\n"), (PEER, b"bob\n")]
    with alice:
        session = at_terminal(["init", "--no-register"], answers, {"TERM": "dumb"}, keep_output=True)
    assert (session.status, len(alice.saved), "\x1b" in session.raw + session.output) == (0, 1, False)
    assert session.output.startswith("The room of alice and bob is open in ")
    assert "pr1-" not in session.raw


BREAKS = {
    "the address": (["init"], [(ADDRESS, CTRL_C)]),
    "one's own name": (["init", "MAILBOX"], [(ME, CTRL_C)]),
    "the other's name": (["init", "MAILBOX", "--me", "alice"], [(PEER, CTRL_D)]),
    "the invite": (["join"], [(PASTE, CTRL_C)]),
    "the invite at the end of input": (["join"], [(PASTE, CTRL_D)]),
}


@pytest.mark.usefixtures("unmeasured_processes")
@pytest.mark.parametrize("prompt", BREAKS)
def test_breaking_off_at_a_prompt_ends_with_130_and_keeps_nothing(alice: Person, mailbox: Path, prompt: str) -> None:
    arguments, answers = BREAKS[prompt]
    with alice:
        session = at_terminal([str(mailbox) if each == "MAILBOX" else each for each in arguments], answers)
    assert (session.status, alice.home.exists(), mailbox.exists()) == (130, False, False)
    assert "Traceback" not in session.text


# ---------------------------------------------------------------------------------------------------------------------
# join


def test_an_invite_that_is_pasted_at_the_prompt_is_not_shown_however_it_was_wrapped(
    alice: Person, bob: Person, mailbox: Path
) -> None:
    with alice:
        invite = init(mailbox)
    parts = [invite[:50], invite[50:100], invite[100:]]
    answers = [
        (PASTE, b"hello\n"),
        (PASTE, f"{invite}\n{invite}\n".encode()),
        (PASTE, "\n".join(parts).encode()),  # the end of a paste without the end of a line
        ("The rest of it, please; or Enter to begin again: ", ENTER),
    ]
    with bob:
        session = at_terminal(["join", "--no-register"], answers)
    assert (session.status, len(bob.saved)) == (0, 1)
    assert [part for part in parts if part in session.text] == []
    assert "error: The invite is not valid: it must be one line that begins with pr1-." in session.text
    assert "error: The invite is not valid: it was pasted twice" in session.text
    assert "You are bob, paired with alice in " in session.text


def test_an_invite_that_is_cut_is_not_waited_for_after_an_empty_line(alice: Person, bob: Person, mailbox: Path) -> None:
    with alice:
        invite = init(mailbox)
    answers = [
        (PASTE, invite[:-1].encode() + ENTER),
        ("Enter to begin again: ", ENTER),
        ("its end is missing", b""),
        (PASTE, invite.encode() + ENTER),
    ]
    with bob:
        session = at_terminal(["join", "--json"], answers[:2], keep_output=True)
        assert (session.status, session.output, len(bob.saved)) == (1, "", 0)
        session = at_terminal(["join", "--no-register"], answers, keep_output=True)
    assert (session.status, len(bob.saved)) == (0, 1)
    assert parse_invite(invite).token not in session.raw


@dataclass
class Pipe:
    """Stands in for a terminal's input, without the terminal."""

    reading: int
    writing: int

    def fileno(self) -> int:
        return self.reading


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipe]:
    made = Pipe(*os.pipe())
    monkeypatch.setattr(prompts, "_PASTE_PAUSE_S", 0)
    monkeypatch.setattr(prompts, "sys", SimpleNamespace(stdin=made))
    yield made
    os.close(made.reading)
    with contextlib.suppress(OSError):
        os.close(made.writing)


def test_the_rest_of_a_paste_is_asked_for_once_however_long_it_takes(
    pipe: Pipe, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = ["a\n", "b\n", "c\n"]

    def goes_on(text: str) -> bool:
        os.write(pipe.writing, parts.pop(0).encode())
        return text.count("\n") < 3

    os.write(pipe.writing, b"first\n")
    assert prompts._read_paste(goes_on, "More") == "first\na\nb\n"
    assert capsys.readouterr().err == "\nMore: "


def test_a_paste_without_an_end_ends(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompts, "_MAX_PASTE_BYTES", 3)
    os.write(pipe.writing, b"pr1-abc")
    assert prompts._read_paste(lambda _: True, "More") == "pr1-ab"


def test_the_end_of_input_breaks_off(pipe: Pipe) -> None:
    os.close(pipe.writing)
    with pytest.raises(click.Abort):
        prompts._read_paste(lambda _: True, "More")


# ---------------------------------------------------------------------------------------------------------------------
# How it looks


def test_sentences_are_broken_between_words_and_what_is_to_be_copied_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "one two-three four\n\n    claude mcp add x\nhttps://github.com/alice"
    assert prompts.folded(text, io.StringIO()) == text
    monkeypatch.setenv("COLUMNS", "10")
    monkeypatch.setenv("TERM", "xterm")
    assert prompts.folded(text, Terminal()) == (
        "one\ntwo-three\nfour\n\n    claude mcp add x\nhttps://github.com/alice"
    )
