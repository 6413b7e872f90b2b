"""Where a person's text comes from: the command line, standard input, or an editor; and how it is never lost.

1. *Must*: what is written by hand is in a private file before anything is done with it, and the file is removed only
   when the text was taken, or is empty. Neither an error nor Ctrl-C, a closed window or a crash loses it.
2. Of a text nothing is altered but the line ends at its very end, which editors and `echo` add.
3. In the editor the text is above the line of scissors, and explanations are below it.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shlex
import shutil
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from peer_relay import disk
from peer_relay.cli.ending import Exit, Failure, status_of
from peer_relay.cli.moments import counted
from peer_relay.cli.output import aside, warn
from peer_relay.cli.terminal import on_terminal
from peer_relay.errors import PeerRelayError
from peer_relay.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

SCISSORS = "# ------ >8 ------"
MAX_BYTES = 256 * 1024
"""More than the longest text of a record can take."""

_SCISSORS_LINE = re.compile(rb"^" + SCISSORS.encode() + rb"[ \t]*\r?$", re.MULTILINE)
_LINE_ENDS = b"\r\n"
_EDITORS = ("sensible-editor", "nano", "vim", "vi")
_LEAVE_AT_ONCE = re.compile(r"(.*[/\\])?(atom|code|codium|cursor|mate|subl|windsurf|zed)(\.exe|\.cmd)?")


@dataclass(frozen=True)
class Form:
    """What is to be written.

    Attributes:
        name: what a file for it is called.
        again: the words of the command that takes the text once more, without the text.
        explain: gives the lines that explain it in the editor; called only if there is one.
        is_accepted: says of a text whether it is in the outbox, whatever went wrong since.
    """

    name: str
    again: Sequence[str]
    explain: Callable[[], Sequence[str]]
    is_accepted: Callable[[str], bool]


@contextlib.contextmanager
def text_for(form: Form, argument: str | None) -> Iterator[str]:
    """Give the text of a form, and say where it is if anything goes wrong with it.

    Args:
        form: what is to be written.
        argument: the text; `-` for standard input; None for that, or for an editor if it is a terminal.

    Raises:
        Failure: there is no text, or what was done with it failed.
    """
    draft = _Draft(form)
    try:
        draft.fill(argument)
        yield draft.text
    except PeerRelayError as error:
        kind, status = type(error).__name__, status_of(error)
        sentence = " ".join((str(error), *draft.rescue()))
        raise Failure(sentence, status, kind=kind, retryable=error.retryable) from error
    except Failure:  # by the draft itself, which has said where the text is
        raise
    except BaseException:  # Ctrl-C, or a bug: it may have come after all was done
        for sentence in draft.rescue("if `peer-relay log` does not show it, "):
            aside("note", sentence)
        raise
    draft.discard()


class _Draft:
    """A text, and the file that keeps it if it is written by hand."""

    def __init__(self, form: Form) -> None:
        self.text = ""
        self._form = form
        self._path: Path | None = None
        self._template = b""

    def fill(self, argument: str | None) -> None:
        """Get the text."""
        if argument is not None and argument != "-":
            self.text = argument
        elif argument is None and on_terminal():
            self._edit()
        else:
            self._read()

    def rescue(self, condition: str = "") -> Iterator[str]:
        """Yield the sentence about where the text is, if there is something to say.

        Args:
            condition: under which it is to be sent from there, as a clause.
        """
        with contextlib.suppress(PeerRelayError):
            if self.text and self._form.is_accepted(self.text):
                self.discard()
                yield "Your text is in this machine's outbox and goes out by itself: do not send it again."
                return
        if self._path is not None and self._shorten(self._path):
            command, path = shlex.join(("peer-relay", *self._form.again, "-")), shlex.quote(str(self._path))
            yield f"Your text is kept: {condition}`{command} < {path}` sends it."

    def _shorten(self, path: Path) -> bool:
        """Leave the text alone in its file, and return whether there is one. It needs no room on a full disk."""
        with contextlib.suppress(OSError):
            text = _above_scissors(path.read_bytes(), self._template)
            if text is not None and not text.strip():
                self.discard()
                return False
            path.chmod(disk.PRIVATE_FILE)  # an editor that makes a new file makes it as it likes
            if text is not None:
                os.truncate(path, len(text))
        return True

    def discard(self) -> None:
        """Remove the file, and the copy that some editors make of it."""
        if self._path is not None:
            with contextlib.suppress(PeerRelayError):
                disk.remove(self._path)
                disk.remove(self._path.with_name(f"{self._path.name}~"))

    def _keep(self, data: bytes) -> Path:
        """Put the text, or what is to become of it, into a file of its own."""
        name = f"{self._form.name}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{secrets.token_hex(4)}.md"
        path = read_settings().state_folder / "drafts" / name
        disk.write_atomically(path, data)
        self._path = path
        return path

    # -- standard input -----------------------------------------------------------------------------------------------

    def _read(self) -> None:
        """Read standard input to its end."""
        if sys.stdin is None:
            raise Failure("There is no standard input. Give the text as an argument.", Exit.USAGE, kind="Usage")
        try:
            data = sys.stdin.buffer.read(MAX_BYTES + 1)
        except OSError as error:
            raise Failure(f"Standard input cannot be read: {error.strerror}.", kind="InvalidText") from error
        if on_terminal() and data:
            self._keep(data)
        self.text = self._decoded(data.rstrip(_LINE_ENDS), "Standard input")

    # -- editor -------------------------------------------------------------------------------------------------------

    def _edit(self) -> None:
        """Let the person write in an editor."""
        editor = _find_editor()
        lines = "".join(f"# {line}".rstrip() + "\n" for line in self._form.explain())
        self._template = f"\n{SCISSORS}\n{lines}".encode()
        path = self._keep(self._template)
        _tell_of_earlier(path)
        try:
            click.edit(filename=str(path), editor=editor)
        except (click.ClickException, ValueError) as error:  # the latter is about quotes in the editor's command line
            raise self._failure(
                "EditorFailed", f"The editor ended with an error ({error}). Nothing was sent."
            ) from error
        with disk.reported(path):
            data = path.read_bytes()
        text = _above_scissors(data, self._template)
        if text is None:
            sentence = f"The line of scissors is gone from {path}, so where your text ends is not clear."
            raise self._failure("NoScissors", f"{sentence} Nothing was sent; delete there what is not yours.")
        if not text.strip():
            raise self._failure("NothingWritten", f"Nothing was sent: the text is empty.{_advice_for(editor)}")
        self.text = self._decoded(text, str(path))

    # -- both ---------------------------------------------------------------------------------------------------------

    def _decoded(self, data: bytes, where: str) -> str:
        """Return bytes as text.

        Raises:
            Failure: they are none, or too many.
        """
        if len(data) > MAX_BYTES:
            raise self._failure("InvalidText", f"{where} holds more than {MAX_BYTES // 1024} KiB. Shorten the text.")
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            sentence = f"{where} is not UTF-8 (at byte {error.start + 1}). Convert it, such as with `iconv`."
            raise self._failure("InvalidText", sentence) from None

    def _failure(self, kind: str, sentence: str) -> Failure:
        """Return the end without a text that could be used, with the sentence about where it is."""
        return Failure(" ".join((sentence, *self.rescue())), kind=kind)


def _above_scissors(data: bytes, template: bytes) -> bytes | None:
    """Return the text in what an editor left, without the line ends at its end; None if it is not clear what it is.

    The last line of scissors counts: no line below it can look like one, and one above it belongs to the text.
    """
    *_, last = (None, *_SCISSORS_LINE.finditer(data))
    if last is not None:
        return data[: last.start()].rstrip(_LINE_ENDS)
    ours = {line for line in template.splitlines() if line.strip(b"# ")}
    return None if ours.intersection(data.splitlines()) else data.rstrip(_LINE_ENDS)


def _tell_of_earlier(path: Path) -> None:
    """Tell of texts from before, which a closed window or an error left."""
    others = [name for name in disk.names_in(path.parent) if name != path.name and name.endswith(path.suffix)]
    if others:
        warn(f"{counted(len(others), 'text')} from before, not sent or still open in an editor: {path.parent}")


def _find_editor() -> str:
    """Return the command line of the person's editor.

    Raises:
        Failure: there is none, or no terminal for it.
    """
    if not sys.stdout.isatty():
        raise _no_editor("Standard output is not a terminal, so no editor can be opened.")
    for name in ("VISUAL", "EDITOR"):
        if chosen := os.environ.get(name, "").strip():
            return chosen
    found = next(filter(shutil.which, ("notepad",) if os.name == "nt" else _EDITORS), None)
    if found is None:
        raise _no_editor("No editor is set in VISUAL or EDITOR, and none was found.")
    return found


def _advice_for(editor: str) -> str:
    """Say how to let an editor wait that otherwise ends while its window is open."""
    words = editor.split()
    if _LEAVE_AT_ONCE.fullmatch(words[0]) is None or {"-w", "--wait"}.intersection(words):
        return ""
    return f" If its window is open still, set EDITOR='{editor} --wait' for the next time."


def _no_editor(why: str) -> Failure:
    return Failure(f"{why} Give the text as an argument, or on standard input.", Exit.USAGE, kind="Usage")
