"""`peer-relay demo`: it shows the main job, and it fails when the answer is not the one that was given."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
from typing import TYPE_CHECKING

import pytest
from mcp_types import CallToolResult, TextContent

from peer_relay import demo
from peer_relay.cli import commands
from tests import prepared
from tests.cli.support import program, run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Git

BRANCH = re.compile(r"peer-relay/[a-z2-7]{16}")


@pytest.fixture(autouse=True)
def temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the demonstration's temporary folders be below the test's own, where it can be seen that they are gone."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def test_the_demonstration_shows_the_exchange_and_ends_well(temporary_folder: Path, home: Path) -> None:
    done = program("demo")
    assert (done.returncode, done.stderr) == (0, "")
    for step in (
        "alice$ peer-relay init",
        "bob$ peer-relay join",
        "alice > ask_peer  delivered",
        "bob < check_questions",
        "bob > answer_question  delivered",
        "alice < check_answers",
        "alice$ peer-relay log",
        "alice asks: Why does the session token expire after 15 minutes?",
        ".answer.json",
    ):
        assert step in done.stdout
    assert [source for source in demo.SOURCES if done.stdout.count(f"source: {source}\n") != 3] == []
    assert "are what bob gave" in done.stdout.splitlines()[-1]
    assert re.findall(r"prt1-|pr1-[a-z2-7]{30}", done.stdout) == []
    assert ([*temporary_folder.iterdir()], sorted(path.name for path in home.iterdir())) == ([], [".gitconfig"])


@pytest.fixture
def forked(forks: Path | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Save what the start of each of the demonstration's processes costs."""
    if forks is not None:
        monkeypatch.setattr(demo, "PROGRAM", (*prepared.ASK, str(forks), os.devnull, "peer_relay"))


@pytest.mark.usefixtures("forked")
def test_on_a_mailbox_of_ones_own_it_names_the_branch_that_stays(tmp_path: Path, git: Git) -> None:
    mailbox = tmp_path / "own.git"
    shown = run("demo", "--remote", str(mailbox))
    assert (shown.exit_code, shown.stderr) == (0, "")
    (branch,) = git(mailbox, "for-each-ref", "--format=%(refname:short)").splitlines()
    assert f"The mailbox keeps the branch {branch}; delete it when you like." in shown.stdout
    files = git(mailbox, "ls-tree", "-r", "--name-only", branch).splitlines()
    assert [path for path in files if path != "room.json" and path not in shown.stdout] == []


@pytest.mark.usefixtures("forked")
def test_without_git_and_beside_a_room_of_the_users_own_it_shows_the_files_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("REMOTE", "ROOM_TOKEN", "PEER_ID", "ROOM", "HOME"):
        monkeypatch.setenv(f"PEER_RELAY_{name}", "/nowhere")
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    said: list[str] = []
    demo.run(None, said.append)
    shown = "\n".join(said)
    assert "git log" not in shown
    assert re.search(r"    alice asks: Why .*\n        alice/\d{4}-\d\d-\d\d/\w{26}\.question\.json\n", shown)
    assert re.search(r"    bob answers: It is .*\n        alice/\d{4}-\d\d-\d\d/\w{26}\.answer\.json\n", shown)


ALTERING = """
import sys
from dataclasses import replace
from peer_relay.relay import Relay
from peer_relay.cli import main
answers = Relay.answers
def altered(self, **arguments):
    listing = answers(self, **arguments)
    change = {"question": "?", "answer": "No.", "sources": ()}
    return replace(listing, items=tuple(replace(each, **change) for each in listing.items))
Relay.answers = altered
sys.argv[0] = "peer-relay"
main()
"""


def test_an_answer_that_was_altered_on_the_way_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    altering = tmp_path / "altering.py"
    altering.write_text(ALTERING, encoding="utf-8")
    monkeypatch.setattr(demo, "PROGRAM", (sys.executable, str(altering)))
    shown = run("demo")
    assert (shown.exit_code, "are what bob gave" in shown.stdout) == (1, False)
    given = {"question": (demo.QUESTION, "?"), "answer": (demo.ANSWER, "No."), "sources": (list(demo.SOURCES), [])}
    sentences = (
        f"What alice read is not what was said: {name} should be {said!r} and is {seen!r}."
        for name, (said, seen) in given.items()
    )
    assert shown.stderr == f"error: {' '.join(sentences)}\n"


def test_what_the_mailbox_holds_is_compared_too() -> None:
    said = {"question": "Q", "answer": "A", "sources": ["s"]}
    assert demo.differences("It", said | {"more": 1}, said) == []
    assert demo.differences("It", {"question": "Q", "answer": "B"}, said) == [
        "It is not what was said: answer should be 'A' and is 'B'.",
        "It is not what was said: sources should be ['s'] and is None.",
    ]


FAILING = """
import sys
if "{command}" in sys.argv:
    print("something of its own", file=sys.stderr)
    sys.exit(3)
from peer_relay.cli import main
sys.argv[0] = "peer-relay"
main()
"""


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("join", "error: `peer-relay join` of bob failed: something of its own\n"),
        ("serve", "error: The exchange broke off: Connection closed.\n"),
    ],
)
def test_a_step_that_fails_is_a_sentence_and_status_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], command: str, sentence: str
) -> None:
    failing = tmp_path / "failing.py"
    failing.write_text(FAILING.format(command=command), encoding="utf-8")
    monkeypatch.setattr(demo, "PROGRAM", (sys.executable, str(failing)))
    with pytest.raises(SystemExit) as end:
        commands(["demo"], prog_name="peer-relay")
    assert (end.value.code, capfd.readouterr().err.endswith(sentence)) == (1, True)


class Client:
    """A client whose every tool call ends in the same way."""

    def __init__(self, result: CallToolResult) -> None:
        self._result = result

    async def call_tool(self, _tool: str, _arguments: dict[str, object]) -> CallToolResult:
        return self._result


def test_a_tool_that_refuses_is_quoted() -> None:
    refusal = CallToolResult(content=[TextContent(type="text", text="The clock is wrong.")], is_error=True)
    with pytest.raises(demo.Surprise) as surprise:
        asyncio.run(demo._call(Client(refusal), "ask_peer"))  # type: ignore[arg-type]
    assert str(surprise.value) == "ask_peer failed: The clock is wrong."


def test_a_question_that_does_not_arrive_is_noticed() -> None:
    with pytest.raises(demo.Surprise) as surprise:
        demo._only({"questions": [], "more": 0, "note": "The mailbox was not reached."}, "questions")
    assert str(surprise.value) == "There should be one of the questions and there are 0. The mailbox was not reached."
