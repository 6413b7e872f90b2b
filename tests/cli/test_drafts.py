"""Where a text comes from, and that no text that somebody wrote by hand is ever lost."""

from __future__ import annotations

import io
import os
import stat
import sys
from typing import TYPE_CHECKING, Any

import pytest

from peer_relay.cli import drafts
from peer_relay.cli.drafts import MAX_BYTES, SCISSORS, Form, text_for
from peer_relay.cli.ending import Exit, Failure
from peer_relay.errors import PeerRelayError, StateUnusable, TooManyOpen, Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Editor = Callable[[str], Path]

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the editors here are shell scripts")

EXPLANATION = ("Your question to bob.", "Write above the line of scissors.", "", "The end.")
ABOVE = '{ printf "%s"; cat "$1"; } > "$1.new"; mv "$1.new" "$1"'
GONE = Unreachable(remote="git.example", reason="the network is down")


def form(*, accepted: bool = False, again: tuple[str, ...] = ("ask",)) -> Form:
    return Form("question", again, lambda: EXPLANATION, lambda _: accepted)


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "a home"
    monkeypatch.setenv("PEER_RELAY_HOME", str(home))
    return home


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a person sit there."""
    monkeypatch.setattr(drafts, "on_terminal", lambda: True)


@pytest.fixture
def editor(terminal: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Editor:
    """Give a way to say what the editor does with the file `$1`, in the words of a shell."""

    def does(what: str) -> Path:
        script = tmp_path / "editor.sh"
        script.write_text(
            f'#!/bin/sh\ncp "$1" "{tmp_path}/seen"\nls -ld "$(dirname "$1")" "$1" | cut -c 1-10 >&2\n{what}\n'
        )
        script.chmod(0o700)
        monkeypatch.setattr(drafts, "_find_editor", lambda: str(script))
        return tmp_path / "seen"

    return does


def given(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    """Put bytes on standard input."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))


def text_of(argument: str | None = None, one: Form | None = None) -> str:
    with text_for(one or form(), argument) as text:
        return text


def failing(error: BaseException, one: Form | None = None, argument: str | None = None) -> BaseException:
    """Do something with the text that ends with an error, and return what comes out of that."""
    expected = Failure if isinstance(error, PeerRelayError) else type(error)
    with pytest.raises(expected) as ended, text_for(one or form(), argument):
        raise error
    return ended.value


def left(home: Path) -> list[Path]:
    return sorted((home / "drafts").glob("*"))


# ---------------------------------------------------------------------------------------------------------------------
# The command line, and standard input


@pytest.mark.parametrize("text", ["Why?", "", "two\nlines\n\n", "  spaces  ", "--", "- "])
def test_a_text_on_the_command_line_is_taken_as_it_is(text: str) -> None:
    assert text_of(text) == text


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"Why?\n", "Why?"),
        (b"Why?", "Why?"),
        (b"", ""),
        (b"\n  one\r\n\n two \t\r\n\n\n", "\n  one\r\n\n two \t"),
        ("Größe \U0001f642\n".encode(), "Größe \U0001f642"),
        (f"above\n{SCISSORS}\nbelow\n".encode(), f"above\n{SCISSORS}\nbelow"),
    ],
)
@pytest.mark.parametrize("argument", [None, "-"])
def test_of_standard_input_only_the_line_ends_at_the_very_end_are_left_out(
    monkeypatch: pytest.MonkeyPatch, argument: str | None, data: bytes, text: str
) -> None:
    given(monkeypatch, data)
    assert text_of(argument) == text


def test_what_is_no_text_is_refused_with_the_place(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, b"Gr\xf6\xdfe")
    with pytest.raises(Failure) as refused:
        text_of()
    assert refused.value.message == "Standard input is not UTF-8 (at byte 3). Convert it, such as with `iconv`."


def test_what_could_never_fit_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, b"x" * MAX_BYTES + b"y" * 1000)
    with pytest.raises(Failure) as refused:
        text_of()
    assert refused.value.message == "Standard input holds more than 256 KiB. Shorten the text."
    assert len(sys.stdin.buffer.read()) == 999


def test_a_standard_input_that_is_closed_or_cannot_be_read_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(Failure) as refused:
        text_of()
    assert (refused.value.message, refused.value.exit_code) == (
        "There is no standard input. Give the text as an argument.",
        Exit.USAGE,
    )

    class Folder:
        def isatty(self) -> bool:
            return False

        @property
        def buffer(self) -> Folder:
            return self

        def read(self, _: int) -> bytes:
            raise IsADirectoryError(21, "Is a directory")

    monkeypatch.setattr(sys, "stdin", Folder())
    with pytest.raises(Failure) as refused:
        text_of()
    assert refused.value.message == "Standard input cannot be read: Is a directory."


def test_what_is_typed_on_a_terminal_is_kept_until_it_was_taken(
    terminal: None, monkeypatch: pytest.MonkeyPatch, own_home: Path
) -> None:
    given(monkeypatch, b"typed\nby hand\n")
    with text_for(form(), "-") as text:
        (path,) = left(own_home)
        assert (text, path.read_bytes()) == ("typed\nby hand", b"typed\nby hand\n")
    assert left(own_home) == []
    given(monkeypatch, b"typed\nby hand\n")
    assert "Your text is kept: " in failing(GONE, argument="-").message  # type: ignore[attr-defined]
    assert [each.read_bytes() for each in left(own_home)] == [b"typed\nby hand"]


def test_where_nothing_is_typed_nothing_is_kept(
    terminal: None, monkeypatch: pytest.MonkeyPatch, own_home: Path
) -> None:
    given(monkeypatch, b"")
    assert (text_of("-"), left(own_home)) == ("", [])


# ---------------------------------------------------------------------------------------------------------------------
# An editor


def test_the_text_is_what_stands_above_the_scissors_and_the_rest_is_explained_below(
    editor: Editor, own_home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    seen = editor(ABOVE % "Why?\\n\\n  Really? \\n")
    assert text_of() == "Why?\n\n  Really? "
    assert seen.read_text() == (
        f"\n{SCISSORS}\n# Your question to bob.\n# Write above the line of scissors.\n#\n# The end.\n"
    )
    assert capfd.readouterr().err == "drwx------\n-rw-------\n"
    assert left(own_home) == []


@pytest.mark.parametrize(
    ("what", "text"),
    [
        (ABOVE % f"one\\n{SCISSORS}\\ntwo\\n", f"one\n{SCISSORS}\ntwo"),
        (ABOVE % "\\n\\nlater", "\n\nlater"),
        (f'printf "Why?\\r\\n\\r\\n{SCISSORS}\\r\\n# The end.\\r\\n" > "$1"', "Why?"),
        ('printf "Whole\\n# and mine\\n" > "$1"', "Whole\n# and mine"),
    ],
)
def test_the_last_line_of_scissors_counts_and_a_file_written_anew_is_all_text(
    editor: Editor, what: str, text: str
) -> None:
    editor(what)
    assert text_of() == text


def test_explanations_without_scissors_are_never_sent(editor: Editor, own_home: Path) -> None:
    editor(ABOVE % "Why?\\n" + '; grep -v ">8" "$1" > "$1.new"; mv "$1.new" "$1"')
    with pytest.raises(Failure) as refused:
        text_of()
    (path,) = left(own_home)
    assert refused.value.message == (
        f"The line of scissors is gone from {path}, so where your text ends is not clear. Nothing was sent; delete "
        f"there what is not yours. Your text is kept: `peer-relay ask - < '{path}'` sends it."
    )
    assert path.read_text().startswith("Why?\n\n# Your question to bob.\n")


@pytest.mark.parametrize("what", ["true", 'printf "\\n \\n" > "$1"', ABOVE % " \\n\\t"])
def test_where_nothing_was_written_nothing_is_sent_and_nothing_is_kept(
    editor: Editor, own_home: Path, what: str
) -> None:
    editor(what)
    with pytest.raises(Failure) as refused:
        text_of()
    assert refused.value.message == "Nothing was sent: the text is empty."
    assert (refused.value.exit_code, left(own_home)) == (Exit.FAILED, [])


@pytest.mark.parametrize(
    ("editor", "advice"),
    [
        ("code", " If its window is open still, set EDITOR='code --wait' for the next time."),
        ("/opt/x/subl -n", " If its window is open still, set EDITOR='/opt/x/subl -n --wait' for the next time."),
        ("code --wait", ""),
        ("subl -w", ""),
        ("vim", ""),
        ("/usr/bin/decode", ""),
    ],
)
def test_an_editor_that_does_not_wait_is_told_how_to(editor: str, advice: str) -> None:
    assert drafts._advice_for(editor) == advice


def test_what_was_written_before_the_editor_failed_is_kept(editor: Editor, own_home: Path) -> None:
    editor(f"{ABOVE % 'Why?'}; exit 1")
    with pytest.raises(Failure) as refused:
        text_of()
    (path,) = left(own_home)
    assert path.read_text() == "Why?"
    assert "Nothing was sent. Your text is kept: `peer-relay ask - < " in refused.value.message


@pytest.mark.parametrize("command", ["/nowhere/editor", "vi 'unbalanced", "false"])
def test_an_editor_that_cannot_be_used_is_a_sentence_and_leaves_nothing(
    terminal: None, monkeypatch: pytest.MonkeyPatch, own_home: Path, command: str
) -> None:
    monkeypatch.setattr(drafts, "_find_editor", lambda: command)
    with pytest.raises(Failure) as refused:
        text_of()
    assert refused.value.message.startswith("The editor ended with an error (")
    assert (refused.value.message.endswith("). Nothing was sent."), left(own_home)) == (True, [])


def test_a_text_in_another_encoding_is_refused_and_kept(editor: Editor, own_home: Path) -> None:
    editor(ABOVE % "Gr\\366\\337e")
    with pytest.raises(Failure) as refused:
        text_of()
    (path,) = left(own_home)
    assert refused.value.message.startswith(f"{path} is not UTF-8 (at byte 3). Convert it, such as with `iconv`. Your")
    assert path.read_bytes() == b"Gr\xf6\xdfe"


def test_a_file_that_the_editor_took_away_is_a_sentence(editor: Editor) -> None:
    editor('rm "$1"')
    with pytest.raises(Failure) as refused:
        text_of()
    assert "cannot be used: No such file or directory." in refused.value.message


def test_an_editors_own_copy_does_not_stay(editor: Editor, own_home: Path) -> None:
    editor(f'cp "$1" "$1~"; {ABOVE % "Why?"}')
    assert (text_of(), left(own_home)) == ("Why?", [])


def test_a_place_that_cannot_be_written_is_told_before_the_editor_opens(
    editor: Editor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_folder: str) -> None:
        raise OSError(30, "Read-only file system")

    seen = editor(ABOVE % "Why?")
    monkeypatch.setattr("peer_relay.disk.create_temporary", full)
    with pytest.raises(Failure) as refused:
        text_of()
    assert "cannot be used: Read-only file system." in refused.value.message
    assert not seen.exists()


def test_texts_from_before_are_told(editor: Editor, own_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    editor(ABOVE % "Why?")
    failing(GONE)
    capsys.readouterr()
    text_of()
    assert capsys.readouterr().err == (
        f"note: 1 text from before, not sent or still open in an editor: {own_home / 'drafts'}\n"
    )


# ---------------------------------------------------------------------------------------------------------------------
# When something goes wrong with the text


@pytest.mark.parametrize(("error", "status"), [(GONE, 5), (TooManyOpen(limit=100), 1)])
def test_a_text_that_was_not_taken_is_kept_and_the_error_names_it(
    editor: Editor, own_home: Path, error: Any, status: int
) -> None:
    editor(ABOVE % "Why?\\n\\nReally?\\n")
    failure: Any = failing(error, form(again=("ask", "--hint", "the build")))
    (path,) = left(own_home)
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("Why?\n\nReally?", 0o600)
    command = f"peer-relay ask --hint 'the build' - < '{path}'"
    assert (failure.message, failure.exit_code) == (f"{error} Your text is kept: `{command}` sends it.", status)
    assert failure.__cause__ is error


def test_an_error_about_a_text_from_the_command_line_is_as_it_is() -> None:
    failure: Any = failing(GONE, argument="Why?")
    assert (failure.message, failure.exit_code) == (str(GONE), 5)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ZeroDivisionError()])
def test_after_ctrl_c_or_a_bug_the_text_is_kept_and_told_with_care(
    editor: Editor, own_home: Path, capsys: pytest.CaptureFixture[str], error: BaseException
) -> None:
    editor(ABOVE % "Why?")
    assert failing(error) is error
    (path,) = left(own_home)
    assert path.read_text() == "Why?"
    assert capsys.readouterr().err == (
        f"note: Your text is kept: if `peer-relay log` does not show it, `peer-relay ask - < '{path}'` sends it.\n"
    )


@pytest.mark.parametrize("argument", [None, "Why?"])
def test_what_is_in_the_outbox_already_is_not_kept_a_second_time(
    editor: Editor, own_home: Path, capsys: pytest.CaptureFixture[str], argument: str | None
) -> None:
    said = "Your text is in this machine's outbox and goes out by itself: do not send it again."
    editor(ABOVE % "Why?")
    failure: Any = failing(GONE, form(accepted=True), argument)
    assert (failure.message, left(own_home)) == (f"{GONE} {said}", [])
    failing(KeyboardInterrupt(), form(accepted=True), argument)
    assert (capsys.readouterr().err.splitlines()[-1], left(own_home)) == (f"note: {said}", [])


def test_an_outbox_that_cannot_be_read_keeps_nobody_from_keeping_the_text(editor: Editor, own_home: Path) -> None:
    def unreadable(_: str) -> bool:
        raise StateUnusable(path="outbox", reason="no")

    editor(ABOVE % "Why?")
    failing(GONE, Form("question", ("ask",), lambda: EXPLANATION, unreadable))
    assert [path.read_text() for path in left(own_home)] == ["Why?"]


def test_a_file_that_cannot_be_shortened_is_named_all_the_same(
    editor: Editor, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    editor(ABOVE % "Why?")
    monkeypatch.setattr("peer_relay.cli.drafts.os.truncate", fail)
    assert "Your text is kept: " in failing(GONE).message  # type: ignore[attr-defined]
    assert [path.read_text().startswith(f"Why?\n{SCISSORS}\n") for path in left(own_home)] == [True]


# ---------------------------------------------------------------------------------------------------------------------
# Which editor


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("variables", "found", "chosen"),
    [
        ({"VISUAL": "code --wait", "EDITOR": "vi"}, ["nano"], "code --wait"),
        ({"VISUAL": " ", "EDITOR": "vi -u NONE"}, ["nano"], "vi -u NONE"),
        ({}, ["vi", "nano"], "nano"),
        ({}, ["vi"], "vi"),
    ],
)
def test_the_editor_is_the_persons_or_one_that_is_there(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], found: list[str], chosen: str
) -> None:
    for name in ("VISUAL", "EDITOR"):
        monkeypatch.setenv(name, variables.get(name, ""))
    monkeypatch.setattr("peer_relay.cli.drafts.shutil.which", lambda name: name if name in found else None)
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert drafts._find_editor() == chosen


@pytest.mark.parametrize(
    ("stdout", "why"),
    [
        (Terminal(), "No editor is set in VISUAL or EDITOR, and none was found."),
        (io.StringIO(), "Standard output is not a terminal, so no editor can be opened."),
    ],
)
def test_without_an_editor_it_is_said_how_else_to_give_the_text(
    terminal: None, monkeypatch: pytest.MonkeyPatch, stdout: io.StringIO, why: str, own_home: Path
) -> None:
    for name in ("VISUAL", "EDITOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("peer_relay.cli.drafts.shutil.which", lambda _: None)
    monkeypatch.setattr(sys, "stdout", stdout)
    with pytest.raises(Failure) as refused:
        text_of()
    assert refused.value.message == f"{why} Give the text as an argument, or on standard input."
    assert (refused.value.exit_code, left(own_home)) == (Exit.USAGE, [])
