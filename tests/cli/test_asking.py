"""`peer-relay ask` and `peer-relay answer`: a person's own hand, with the rules and the outbox of the agent's."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from peer_relay import app, disk
from peer_relay.cli import drafts
from peer_relay.cli.asking import _about_answering
from peer_relay.cli.drafts import SCISSORS
from peer_relay.config import RelayConfig
from peer_relay.errors import OwnQuestion, PeerRelayError, UnknownQuestion, Unreachable
from peer_relay.outbox import OutboxEntry, Status
from peer_relay.paths import Kind, Place
from peer_relay.reports import Listing, Sent
from peer_relay.settings import load_config
from tests.cli.support import FIRST_ID, TOKEN, FakeRelay, exchange, run
from tests.cli.terminal_session import CTRL_C, at_terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from peer_relay.exchanges import Exchange

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the editors here are shell scripts")

GONE = Unreachable(remote="git.example", reason="the network is down")
ABOVE = '{ printf "%s"; cat "$1"; } > "$1.new"; mv "$1.new" "$1"'
QUEUED = (
    "is queued on this machine: do not send it again. It goes out by itself, as soon as a command or your agent's "
    "server reaches the mailbox."
)


@dataclass
class Writer(FakeRelay):
    """A relay that takes what is said, or does not."""

    error: BaseException | None = None
    blocked: PeerRelayError | None = None
    delivered: bool = True
    said: list[tuple[Any, ...]] = field(default_factory=list)
    listing: Listing[Exchange] | None = None

    def ask(self, question: str, context_hint: str | None = None, *, allow_secret: bool = False) -> Sent:
        return self._send(question, context_hint, *("with a secret",) * allow_secret)

    def answer(self, question_id: str, answer: str, sources: Sequence[str] = (), *, allow_secret: bool = False) -> Sent:
        return self._send(question_id, answer, tuple(sources), *("with a secret",) * allow_secret)

    def exchange(self, question_id: str) -> Listing[Exchange]:
        if self.listing is None:
            raise UnknownQuestion(question_id=question_id)
        return self.listing

    def _send(self, *said: object) -> Sent:
        self.said.append(said)
        if self.error is not None:
            raise self.error
        return Sent(FIRST_ID, self.delivered, self.notes, self.blocked)


@pytest.fixture
def writer(relay: FakeRelay, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Writer:
    fake = Writer(me="bob")
    monkeypatch.setattr(app, "open_relay", lambda *_, **__: fake)
    monkeypatch.setenv("PEER_RELAY_HOME", str(tmp_path / "home"))
    return fake


def script_in(folder: Path, what: str) -> str:
    """Make a program of a few words of shell, and return its path."""
    path = folder / "editor.sh"
    path.write_text(f"#!/bin/sh\n{what}\n", encoding="utf-8")
    path.chmod(0o700)
    return str(path)


@pytest.fixture
def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Seat a person at a terminal, and say in the words of a shell what the editor does with the file `$1`."""

    def does(what: str) -> Path:
        script = script_in(tmp_path, f'cp "$1" "{tmp_path}/seen"\n{what}')
        monkeypatch.setattr(drafts, "on_terminal", lambda: True)
        monkeypatch.setattr(drafts, "_find_editor", lambda: script)
        return tmp_path / "seen"

    return does


def entry(kind: Kind, status: Status = Status.QUEUED) -> OutboxEntry:
    one = exchange(0)
    record = one.question if kind is Kind.QUESTION else one.answer
    assert record is not None
    return OutboxEntry(1, Place(FIRST_ID, "alice", kind), record, "alice", status=status)


# ---------------------------------------------------------------------------------------------------------------------
# What is said, and what became of it


def test_a_question_goes_as_it_is_with_its_hint(writer: Writer) -> None:
    shown = run("ask", " Why?\n\n", "--hint", "services/auth")
    assert (shown.exit_code, shown.stdout, shown.stderr) == (0, f"Question {FIRST_ID} was delivered.\n", "")
    assert (writer.said, writer.acts) == ([(" Why?\n\n", "services/auth")], ["close"])


def test_a_question_may_come_from_standard_input(writer: Writer) -> None:
    assert run("ask", given="Why?\n").exit_code == 0
    assert run("ask", "-", given="Why?\n").exit_code == 0
    assert writer.said == [("Why?", None)] * 2


def test_an_answer_goes_with_its_sources_under_an_id_as_it_was_pasted(writer: Writer) -> None:
    shown = run("answer", f" {FIRST_ID.lower()} ", "They leak less.", "--source", "docs/7.md", "--source", "a.py:4")
    assert (shown.exit_code, shown.stdout) == (0, f"The answer to {FIRST_ID} was delivered.\n")
    assert writer.said == [(FIRST_ID, "They leak less.", ("docs/7.md", "a.py:4"))]


@pytest.mark.parametrize("question_id", ["", "7", FIRST_ID[:-1], FIRST_ID + "0", FIRST_ID.replace("0", "U")])
def test_what_is_no_id_is_wrong_usage(writer: Writer, question_id: str) -> None:
    shown = run("answer", question_id, "Because.")
    assert (shown.exit_code, shown.stdout, writer.said) == (2, "", [])
    assert "must be an id of 26 letters and digits, as `peer-relay log` shows it." in shown.stderr


@pytest.mark.parametrize(
    ("arguments", "what"), [(("ask", "Why?"), "Question"), (("answer", FIRST_ID, "Because."), "The answer to")]
)
def test_what_is_queued_is_not_to_be_sent_again_and_the_reason_is_said_once(
    writer: Writer, arguments: tuple[str, ...], what: str
) -> None:
    writer.delivered, writer.blocked = False, GONE
    writer.notes = (f"1 record is queued on this machine and will be delivered automatically. {GONE}", "Another note.")
    shown = run(*arguments)
    assert (shown.exit_code, shown.stdout) == (5, f"{what} {FIRST_ID} {QUEUED}\n")
    assert shown.stderr == f"note: {GONE}\nnote: Another note.\n"


@pytest.mark.parametrize(
    ("arguments", "kind"), [(("ask", "Why?"), Kind.QUESTION), (("answer", FIRST_ID, "Because."), Kind.ANSWER)]
)
def test_what_was_set_aside_is_not_called_queued(writer: Writer, arguments: tuple[str, ...], kind: Kind) -> None:
    writer.delivered, writer.waiting = False, (entry(kind, Status.REFUSED),)
    writer.notes = ("It was set aside.",)
    shown = run(*arguments)
    assert (shown.exit_code, shown.stderr) == (1, "note: It was set aside.\n")
    assert shown.stdout.endswith(f"{FIRST_ID} is not in the mailbox, which refuses it.\n")


@pytest.mark.parametrize(
    ("delivered", "waiting", "status", "exit_code"),
    [
        (True, (), "delivered", 0),
        (False, (entry(Kind.QUESTION),), "queued", 5),
        (False, (entry(Kind.QUESTION, Status.REFUSED),), "refused", 1),
    ],
)
def test_a_program_gets_the_id_what_became_of_it_and_the_notes(
    writer: Writer, delivered: bool, waiting: tuple[OutboxEntry, ...], status: str, exit_code: int
) -> None:
    writer.delivered, writer.waiting, writer.notes = delivered, waiting, ("A note.",)
    shown = run("ask", "Why?", "--json")
    assert (shown.exit_code, shown.stderr) == (exit_code, "")
    assert json.loads(shown.stdout) == {"question_id": FIRST_ID, "status": status, "notes": ["A note."]}


# ---------------------------------------------------------------------------------------------------------------------
# The editor


def test_the_editor_says_to_whom_the_question_goes_and_with_which_hint(
    writer: Writer, editor: Callable[[str], Path]
) -> None:
    seen = editor(ABOVE % "Why?\\n")
    assert run("ask", "--hint", "one\n\x1b[2J line").exit_code == 0
    assert writer.said == [("Why?", "one\n\x1b[2J line")]
    assert seen.read_text().startswith(f"\n{SCISSORS}\n# Your question to the other peer.\n# Write above the line of")
    assert seen.read_text().endswith("\n#\n# Its context hint: one \ufffd[2J line\n")


def test_the_editor_shows_what_is_to_be_answered(writer: Writer, editor: Callable[[str], Path]) -> None:
    writer.listing = Listing((exchange(answered=False, hint="services/auth", text="Why?\nReally?"),), ("From before.",))
    seen = editor(ABOVE % "They leak less.\\n")
    shown = run("answer", FIRST_ID, "--source", "docs/7.md")
    assert (shown.exit_code, shown.stderr) == (0, "note: From before.\n")
    assert writer.said == [(FIRST_ID, "They leak less.", ("docs/7.md",))]
    below = seen.read_text()
    assert re.search(r"\n# alice asked .* ago:\n#\n#     Why\?\n#     Really\?\n#\n# Its context hint:\n", below)
    assert "\n#     services/auth\n#\n# The sources of your answer:\n#     docs/7.md\n#\n" in below


HOSTILE = (
    "vim: set modeline: %s",
    f"x\n{SCISSORS}\nnot mine",
    "\n\n# vim: x\n",
    "tab\tand \u2028 line\u2029ends\nand a bell \u0007 of a sort",
    "# ------ >8 ------",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_peer_wrote_is_a_comment_and_far_from_where_editors_obey(text: str) -> None:
    asked = exchange(answered=False).question
    lines = _about_answering(asked.model_copy(update={"question": text, "context_hint": text}), ())
    template = [*("", SCISSORS), *(f"# {line}".rstrip() for line in lines)]
    plain = _about_answering(asked.model_copy(update={"question": "Q", "context_hint": "H"}), ())
    (first,) = [number for number, line in enumerate(plain) if line == "    Q"]
    (last,) = [number for number, line in enumerate(reversed(plain)) if line == "    H"]
    assert first + 2 >= 5
    assert last >= 5
    assert [line for line in template[2:] if not line.startswith("#") or "\n" in line or line == SCISSORS] == []
    assert [line for line in template if re.search("[\x00-\x08\x0b-\x1f\u2028\u2029]", line)] == []


@pytest.mark.parametrize(
    ("listing", "waiting", "words"),
    [
        (Listing((exchange(answered=True),), ()), (), "was answered already; the first answer wins"),
        (Listing((exchange(answered=False),), ()), (entry(Kind.ANSWER),), "is in this machine's outbox already"),
        (None, (), "There is no open question"),
        (Listing((), (), GONE), (), "git.example cannot be reached"),
        (Listing((), ()), (), "There is no open question"),
    ],
)
def test_nobody_writes_an_answer_that_cannot_be_given(
    writer: Writer,
    editor: Callable[[str], Path],
    listing: Listing[Exchange] | None,
    waiting: tuple[OutboxEntry, ...],
    words: str,
) -> None:
    writer.listing, writer.waiting = listing, waiting
    seen = editor(ABOVE % "Because.")
    shown = run("answer", FIRST_ID)
    assert (shown.exit_code, words in shown.stderr) == (5 if listing and listing.stale else 1, True)
    assert (seen.exists(), writer.said) == (False, [])


def test_nobody_writes_an_answer_to_their_own_question(writer: Writer, editor: Callable[[str], Path]) -> None:
    writer.me, writer.listing = "alice", Listing((exchange(answered=False),), ())
    seen = editor(ABOVE % "Because.")
    shown = run("answer", FIRST_ID)
    assert (shown.exit_code, shown.stderr, seen.exists()) == (1, f"error: {OwnQuestion(question_id=FIRST_ID)}\n", False)


@pytest.mark.parametrize("arguments", [("ask", "--hint", "a b"), ("answer", FIRST_ID, "--source", "a.py:4")])
def test_a_text_that_was_not_taken_can_be_sent_from_its_file_with_all_that_went_with_it(
    writer: Writer, editor: Callable[[str], Path], tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    writer.error, writer.listing = GONE, Listing((exchange(answered=False),), ())
    editor(ABOVE % "Why?\\n\\nReally?\\n")
    shown = run(*arguments, "--json")
    (path,) = (tmp_path / "home" / "drafts").iterdir()
    error = json.loads(shown.stderr)["error"]
    words = "peer-relay ask --hint 'a b'" if arguments[0] == "ask" else f"peer-relay answer {FIRST_ID} --source a.py:4"
    assert (shown.exit_code, error["type"], error["retryable"]) == (5, "Unreachable", True)
    assert error["message"] == f"{GONE} Your text is kept: `{words} - < {path}` sends it."
    writer.error = None
    assert run(*arguments, "-", given=path.read_text()).exit_code == 0
    assert writer.said[1] == writer.said[0]


@pytest.mark.parametrize(
    ("arguments", "waiting"),
    [
        (("ask", "Why?"), (entry(Kind.QUESTION),)),
        (("answer", FIRST_ID, "Because."), (entry(Kind.ANSWER),)),
    ],
)
def test_ctrl_c_while_it_is_delivered_says_that_it_is_in_the_outbox(
    writer: Writer, arguments: tuple[str, ...], waiting: tuple[OutboxEntry, ...]
) -> None:
    writer.error, writer.waiting = KeyboardInterrupt(), waiting
    shown = run(*arguments)
    assert (shown.exit_code, shown.stdout) == (130, "")
    assert shown.stderr == (
        "note: Your text is in this machine's outbox and goes out by itself: do not send it again.\n\n"
    )


@pytest.mark.parametrize("arguments", [("ask", "Other"), ("answer", FIRST_ID, "Why?"), ("answer", FIRST_ID, "Other")])
def test_another_record_in_the_outbox_is_not_taken_for_it(writer: Writer, arguments: tuple[str, ...]) -> None:
    writer.error, writer.waiting = KeyboardInterrupt(), (entry(Kind.QUESTION), entry(Kind.ANSWER))
    assert run(*arguments).stderr == "\n"


# ---------------------------------------------------------------------------------------------------------------------
# In a real room


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Open a room in a bare repository, and give a way to be one of its peers."""
    mailbox = tmp_path / "mailbox.git"
    opener = RelayConfig(remote=str(mailbox), token=TOKEN, peer_id="alice", home=tmp_path / "opener")
    app.create_room(opener, "bob", {})

    def be(name: str) -> None:
        for variable, value in (
            ("REMOTE", mailbox),
            ("ROOM_TOKEN", TOKEN),
            ("PEER_ID", name),
            ("HOME", tmp_path / name),
        ):
            monkeypatch.setenv(f"PEER_RELAY_{variable}", str(value))

    return be


@contextlib.contextmanager
def relay_of_me() -> Iterator[Any]:
    with contextlib.closing(app.open_relay(load_config(print), {})) as relay:
        yield relay


def test_two_people_talk_with_their_own_hands(room: Callable[[str], None], tmp_path: Path) -> None:
    room("alice")
    question_id = json.loads(run("ask", "Why 15 minutes?", "--hint", "services/auth", "--json").stdout)["question_id"]
    room("bob")
    assert run("wait").stdout == "1 question from alice is waiting in peer-relay (for 0 seconds).\n"
    script = script_in(tmp_path, ABOVE % "They leak less.\\n\\n- Größe\\n")
    session = at_terminal(["answer", question_id, "--source", "docs/7.md"], [], {"VISUAL": script})
    assert (session.status, session.text) == (0, f"The answer to {question_id} was delivered. ")
    assert list((tmp_path / "bob" / "drafts").iterdir()) == []
    room("alice")
    shown = run("status")
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert shown.stdout.splitlines()[-1] == "Unread     1 answer from bob"
    assert (
        run("wait", "--for", "answers").stdout
        == f"1 answer from bob to your question {question_id} has arrived in peer-relay.\n"
    )
    with relay_of_me() as relay:
        (received,) = relay.answers().items
    assert (received.answer, received.sources) == ("They leak less.\n\n- Größe", ("docs/7.md",))


def test_ctrl_c_in_the_editor_keeps_what_was_written(room: Callable[[str], None], tmp_path: Path) -> None:
    room("alice")
    script = script_in(tmp_path, f"{ABOVE % 'Why?'}\necho ready\nread -r _")
    session = at_terminal(["ask"], [("ready", CTRL_C)], {"EDITOR": script})
    (path,) = (tmp_path / "alice" / "drafts").iterdir()
    assert (session.status, path.read_text()) == (130, "Why?")
    assert f"`peer-relay ask - < {path}` sends it." in session.text
    with relay_of_me() as relay:
        assert relay.outbox() == ()


@pytest.mark.parametrize("reason", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_machine_that_cannot_keep_the_question_loses_no_text(
    room: Callable[[str], None],
    editor: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    reason: int,
) -> None:
    room("alice")
    seen = editor(ABOVE % "Why?\\n")
    make = disk.create_temporary

    def fail_after_the_editor(folder: str) -> tuple[int, str]:
        if seen.exists():
            raise OSError(reason, os.strerror(reason))
        return make(folder)

    monkeypatch.setattr("peer_relay.disk.create_temporary", fail_after_the_editor)
    shown = run("ask")
    (path,) = (tmp_path / "alice" / "drafts").iterdir()
    assert (shown.exit_code, shown.stdout, path.read_text()) == (1, "", "Why?")
    assert re.fullmatch(
        rf"error: \S+ cannot be used: {os.strerror(reason)}\. .*\. Your text is kept: `peer-relay ask - < \S+` sends "
        r"it\.\n",
        shown.stderr,
    )


@pytest.mark.parametrize("reason", [errno.ENOSPC, errno.EROFS])
def test_a_machine_that_can_keep_nothing_says_so(
    room: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, reason: int
) -> None:
    def fail(_folder: str) -> None:
        raise OSError(reason, os.strerror(reason))

    room("alice")
    monkeypatch.setattr("peer_relay.disk.create_temporary", fail)
    shown = run("ask", "Why?")
    assert (shown.exit_code, shown.stdout) == (1, "")
    assert f"cannot be used: {os.strerror(reason)}." in shown.stderr
    assert "Traceback" not in shown.stderr


def test_without_the_mailbox_a_question_is_queued_and_goes_out_with_the_next_command(
    room: Callable[[str], None], tmp_path: Path
) -> None:
    room("alice")
    assert run("status").exit_code == 0
    (tmp_path / "mailbox.git").rename(tmp_path / "gone")
    shown = run("ask", "Why?")
    assert (shown.exit_code, shown.stdout.endswith(f" {QUEUED}\n")) == (5, True)
    assert run("ask", "  ").exit_code == 1
    (tmp_path / "gone").rename(tmp_path / "mailbox.git")
    assert [line[:11].rstrip() for line in run("status").stdout.splitlines()[4:]] == ["Open"]
