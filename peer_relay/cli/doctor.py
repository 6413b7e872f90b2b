"""`doctor`: what stands in the way, why it matters and what to do, on a terminal, in a pipe or for a program.

1. What is well takes one line on a terminal, cut if it must be; what is not is shown whole, with why and what to do.
2. A command that is to be pasted is on a line of its own that only the terminal breaks, so that it is copied whole.
3. A row is shown as soon as it is known.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from peer_relay.cli.command import command, manners
from peer_relay.cli.ending import Exit, end_with
from peer_relay.cli.launching import home_folder, launch_for, working_folder
from peer_relay.cli.moments import counted
from peer_relay.cli.output import console, emit, say
from peer_relay.cli.progress import Watcher, shows_progress
from peer_relay.cli.terminal import printable
from peer_relay.clock import Clock
from peer_relay.doctor.case import Case, Given
from peer_relay.doctor.checklist import checklist
from peer_relay.doctor.examination import examine
from peer_relay.doctor.findings import State, is_only_unreached, is_well
from peer_relay.doctor.topics import GROUP_OF
from peer_relay.settings import choose_room, read_settings, surroundings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rich.console import Console
    from rich.text import Text

    from peer_relay.doctor.findings import Check, Row

_TITLE_WIDTH = 15
_WIDEST = 120
_STYLES = {
    State.OK: ("✓", "+", "green"),
    State.INFO: ("i", "i", "blue"),
    State.WARNING: ("!", "!", "yellow"),
    State.FAILED: ("✗", "x", "red"),
    State.SKIPPED: ("-", "-", "dim"),
}
"""The mark of each state, where it can be shown and where not, and its colour."""


@command(
    examples=[
        "peer-relay doctor",
        "peer-relay doctor --fix  # repair what can be repaired without losing anything",
        "peer-relay doctor --json | jq -r '.checks[] | select(.state == \"failed\") | .fix'",
        "peer-relay doctor --room work",
    ],
    prints_data=True,
    enters_room=True,
)
@click.option("--fix", "mends", is_flag=True, help="Repair what can be repaired without losing anything.")
def doctor(mends: bool) -> None:  # noqa: FBT001 - click passes flags by name
    """Check all that peer-relay stands on, and say what to do.

    Without --fix nothing is changed, neither here nor in the mailbox. With it, modes are set right, locks and
    unfinished files of killed processes are removed, a damaged clone is removed and fetched again, and a damaged
    checkpoint or outbox file is moved aside. Nothing is discarded.

    The exit status is 1 if something failed, and 5 if all that failed is that the mailbox cannot be reached now.
    """
    with contextlib.closing(Case(_given())) as case, _waiting() as begin:
        found = examine(
            checklist(case), mend_by=case.command("doctor --fix"), mends=mends, secrets=case.secrets, begin=begin
        )
        rows = _shown(found, begin)
    if is_only_unreached(rows):
        end_with(Exit.UNREACHED)
    if not is_well(rows):
        end_with(Exit.FAILED)


def _given() -> Given:
    chosen = manners()
    return Given(
        environ=dict(os.environ),
        surroundings=surroundings(),
        read_settings=read_settings,
        choose_room=lambda: choose_room(lambda _sentence: None, chosen.room),
        room=chosen.room,
        home=home_folder(),
        cwd=working_folder(),
        python=sys.executable,
        launch_for=launch_for,
        user_id=os.geteuid() if hasattr(os, "geteuid") else None,
        clock=Clock(),
        observer=_Listener() if chosen.verbose else None,
    )


class _Listener(Watcher):
    """Tells of the operations on the mailbox in the way in which the command was asked to, from any thread."""

    def __init__(self) -> None:
        super().__init__()
        self._context = click.get_current_context()

    def ended(self, act: str, outcome: str, seconds: float) -> None:
        """Tell what became of an operation."""
        with self._context.scope(cleanup=False):
            super().ended(act, outcome, seconds)


class _Waiting:
    """Shows on a terminal which check is going on: to be called with it, and with None when there is none."""

    def __init__(self) -> None:
        self._spinner: Any = None
        if shows_progress() and not manners().verbose:
            from rich.console import Console  # noqa: PLC0415 - only a terminal needs it

            self._spinner = Console(stderr=True, highlight=False, markup=False).status("")

    def __call__(self, check: Check | None) -> None:
        if self._spinner is None:
            return
        if check is None:
            self._spinner.stop()
        else:
            self._spinner.update(f"{check.topic.title} …")
            self._spinner.start()


@contextlib.contextmanager
def _waiting() -> Iterator[_Waiting]:
    waiting = _Waiting()
    try:
        yield waiting
    finally:
        waiting(None)


def _shown(found: Iterator[Row], begin: Callable[[None], None]) -> list[Row]:
    """Show the rows as they come, or all of them at the end as one object, and return them."""
    if manners().as_json:
        rows = list(found)
        emit({"checks": [_as_object(row) for row in rows], "ok": is_well(rows)})
        return rows
    screen = console()
    show: _Plain | _Screen = _Plain() if screen is None else _Screen(screen)
    rows = []
    for row in found:
        begin(None)
        rows.append(row)
        if row.state is not State.SKIPPED:
            show.row(row)
    for reason, titles in _skipped(rows).items():
        show.skipped(", ".join(titles), reason)
    show.end(_summary(rows), rows)
    return rows


def _as_object(row: Row) -> dict[str, str | bool | None]:
    return {
        "id": row.topic.id,
        "title": row.topic.title,
        "state": row.state.value,
        "what": row.what,
        "why": row.why,
        "fix": row.fix,
        "fixed": row.fixed,
    }


def _skipped(rows: Sequence[Row]) -> dict[str, list[str]]:
    """Return the titles of what was not looked at, together where the reason is the same."""
    found: dict[str, list[str]] = {}
    for row in rows:
        if row.state is State.SKIPPED:
            found.setdefault(row.what, []).append(row.topic.title)
    return found


def _summary(rows: Sequence[Row]) -> str:
    """Return the last line: how many there are of each kind that matters."""
    count = Counter(row.state for row in rows)
    fixed = sum(row.fixed for row in rows)
    said = [
        f"{fixed} repaired" if fixed else "",
        counted(count[State.FAILED], "failure") if count[State.FAILED] else "",
        counted(count[State.WARNING], "warning") if count[State.WARNING] else "",
        f"{count[State.SKIPPED]} not looked at" if count[State.SKIPPED] else "",
    ]
    return f"{', '.join(filter(None, said)) or 'Nothing is wrong'}."


def _is_more_than_a_fact(row: Row) -> bool:
    """Say whether a row is to be shown with why it matters and what to do."""
    return row.state in (State.WARNING, State.FAILED) or (row.state is State.INFO and row.fix is not None)


class _Plain:
    """Prints rows as plain text, each with its state as the first word of a line."""

    _indent = len("repaired  ")

    def row(self, row: Row) -> None:
        """Print a row."""
        self._line("repaired" if row.fixed else row.state.value, f"{row.topic.title}: {row.what}")
        if _is_more_than_a_fact(row):
            self._line("", f"why: {row.why}")
            self._line("", f"fix: {row.fix}" if row.fix else "")

    def skipped(self, titles: str, reason: str) -> None:
        """Print what was not looked at."""
        self._line(State.SKIPPED.value, f"{titles}: {reason}")

    def end(self, summary: str, _rows: Sequence[Row]) -> None:
        """Print the last line."""
        say(summary)

    def _line(self, word: str, text: str) -> None:
        if text:
            say(f"{word:{self._indent}}{printable(text)}")


class _Screen:
    """Prints rows on a terminal, under the headings of their groups."""

    def __init__(self, screen: Console) -> None:
        self._screen = screen
        self._width = min(screen.width, _WIDEST)
        self._mark = 0 if screen.encoding.startswith("utf") else 1
        self._arrow = ("→", "->")[self._mark]
        self._group = ""

    def row(self, row: Row) -> None:
        """Print a row."""
        if (group := GROUP_OF[row.topic.id]) != self._group:
            self._group = group
            self._screen.print(self._text(group, "bold"))
        colour = _STYLES[row.state][2]
        if not _is_more_than_a_fact(row):
            style = colour if row.fixed else ""
            self._cells(row.state, row.topic.title, [(row.what, style)], whole=row.fixed or manners().verbose)
            return
        paragraphs = [(row.what, colour), (row.why, "dim")]
        if row.fix is not None and not row.is_command:
            paragraphs.append((f"{self._arrow} {row.fix}", ""))
        self._cells(row.state, row.topic.title, paragraphs, whole=True)
        if row.fix is not None and row.is_command:
            line = self._text(f"   {self._arrow} ", "").append_text(self._text(row.fix, "bold cyan"))
            self._screen.print(line, soft_wrap=True)

    def skipped(self, titles: str, reason: str) -> None:
        """Print what was not looked at."""
        self._cells(State.SKIPPED, "Skipped", [(titles, "dim"), (reason, "dim")], whole=True)

    def end(self, summary: str, rows: Sequence[Row]) -> None:
        """Print the last line, in the colour of the worst that was found."""
        found = {row.state for row in rows}
        worst = next(state for state in (State.FAILED, State.WARNING, State.OK, State.SKIPPED) if state in found)
        self._screen.print(self._text(summary, f"bold {_STYLES[worst][2]}"))

    def _cells(self, state: State, title: str, paragraphs: Sequence[tuple[str, str]], *, whole: bool) -> None:
        """Print a mark, a title, and beside them paragraphs with their styles, each on one line or whole."""
        from rich.table import Table  # noqa: PLC0415 - only a terminal needs it

        colour = _STYLES[state][2]
        table = Table.grid(padding=(0, 1))
        table.width = self._width
        table.add_column(width=2)
        table.add_column(width=_TITLE_WIDTH)
        table.add_column(ratio=1, overflow="fold" if whole else "ellipsis", no_wrap=not whole)
        text = self._text("", "")
        for number, (words, style) in enumerate(paragraphs):
            text.append("\n" * bool(number)).append_text(self._text(words, style))
        table.add_row(self._text(f" {_STYLES[state][self._mark]}", colour), self._text(title, ""), text)
        self._screen.print(table)

    @staticmethod
    def _text(words: str, style: str) -> Text:
        from rich.text import Text  # noqa: PLC0415 - the same

        return Text(printable(words), style)
