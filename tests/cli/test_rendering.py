"""Exchanges on a page: plain or on a terminal, with a margin beside every word that a peer wrote."""

from __future__ import annotations

import io
import re
import time
import unicodedata
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import get_character_cell_size

from peer_relay.cli.rendering import Card, Page, answer_words, card_of, question_words
from peer_relay.exchanges import Exchange
from tests.claims import claim
from tests.cli.talk import HOSTILE, ID_1, ID_3, NOW_MS, TALK, UNSEEN, in_berlin, on_terminal, slipped, without_colours
from tests.pure.samples import answers, questions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from peer_relay.records import Answer, Question


@pytest.fixture(autouse=True)
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        in_berlin(patch)
        yield
    time.tzset()


def show(*cards: Card, me: str = "alice") -> None:
    page = Page(me, NOW_MS)
    for card in cards:
        page.print(card)


PLAIN = """\
01M819ERJ2C6926308KQFDJK2C
alice asks  2026-11-22 10:30:05 +0100 (3 days ago)
  | Why does the session token expire after 15 minutes? Mobile users are logged
  | out while they fill in a form.
  |
  | context: src/auth/session.py
bob answers  2026-11-22 10:41:00 +0100 (3 days ago)
  | It is **on purpose**:
  |
  | ```python
  | TTL = 900
  | ```
  |
  | - see `TTL`
  |   - and __init__
  |
  | source: docs/adr/7.md
  | source: commit 3f9c2d1

01M84BDBY0V2WRHG3TZ6MRXMSW
bob asks  2026-11-23 15:02:00 +0100 (1 day ago)
  | Who calls /v1/orders?
alice answers  2026-11-24 17:20:00 +0100 (17 hours ago)
  | Only checkout. From memory.

01M8927E0MYZXJAY0HYRD2BSKP  open
alice asks  2026-11-25 10:57:40 +0100 (2 minutes ago)
  | Is the limit still 5?
"""

NARROW = """\
── 01M819ERJ2C6926308KQFDJK2C ──────────────────────────────
alice asks  2026-11-22 10:30:05 +0100 (3 days ago)
┃ Why does the session token expire after 15 minutes? Mobile
┃ users are logged out while they fill in a form.
┃ 
┃ context: src/auth/session.py
bob answers  2026-11-22 10:41:00 +0100 (3 days ago)
┃ It is **on purpose**:
┃ 
┃ ```python
┃ TTL = 900
┃ ```
┃ 
┃ - see `TTL`
┃   - and __init__
┃ 
┃ source: docs/adr/7.md
┃ source: commit 3f9c2d1

── 01M84BDBY0V2WRHG3TZ6MRXMSW ──────────────────────────────
bob asks  2026-11-23 15:02:00 +0100 (1 day ago)
┃ Who calls /v1/orders?
alice answers  2026-11-24 17:20:00 +0100 (17 hours ago)
┃ Only checkout. From memory.

── 01M8927E0MYZXJAY0HYRD2BSKP ─────────────────────  open  ─
alice asks  2026-11-25 10:57:40 +0100 (2 minutes ago)
┃ Is the limit still 5?
"""  # noqa: W291 - the margin of an empty line ends with a space on a terminal


def test_a_pipe_gets_plain_text_with_a_margin(capsys: pytest.CaptureFixture[str]) -> None:
    show(*map(card_of, TALK))
    assert capsys.readouterr().out == PLAIN


def test_a_narrow_terminal_gets_the_same_under_a_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = on_terminal(monkeypatch, 60)
    show(*map(card_of, TALK))
    assert without_colours(screen.getvalue()) == NARROW


def test_a_wide_terminal_is_used_up_to_a_width_that_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = []
    for width in (120, 300):
        screen = on_terminal(monkeypatch, width)
        show(card_of(TALK[0]))
        shown.append(without_colours(screen.getvalue()))
    assert shown[0] == shown[1]
    assert shown[0].splitlines()[0] == f"── {ID_1} {'─' * 90}"
    assert shown[0].splitlines()[2] == f"┃ {TALK[0].question.question}"


@pytest.mark.parametrize("me", ["alice", "bob"])
def test_this_side_has_one_colour_and_the_other_side_another(monkeypatch: pytest.MonkeyPatch, me: str) -> None:
    screen = on_terminal(monkeypatch, 100)
    show(*map(card_of, TALK), me=me)
    colours = set(re.findall("\x1b\\[1;(3[0-9])m(alice|bob) ", screen.getvalue()))
    assert colours == {("36" if name == me else "35", name) for name in ("alice", "bob")}


def test_without_colours_the_layout_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = on_terminal(monkeypatch, 60, no_color=True)
    show(*map(card_of, TALK))
    assert without_colours(screen.getvalue()) == NARROW
    assert ("\x1b[3" in screen.getvalue(), "\x1b[7m open \x1b[0m" in screen.getvalue()) == (False, True)


def test_a_terminal_without_lines_to_draw_gets_others(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    on_terminal(monkeypatch, 60, file=screen)
    show(card_of(TALK[2]))
    screen.seek(0)
    assert without_colours(screen.read()).splitlines()[::2] == [
        f"-- {ID_3} {'-' * 21}  open  -",
        "  | Is the limit still 5?",
    ]


def test_a_long_name_leaves_the_time_a_line_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = on_terminal(monkeypatch, 50)
    show(Card(ID_1, (question_words("a" * 32, NOW_MS, "Why?"),)))
    assert without_colours(screen.getvalue()).splitlines()[1:3] == [
        "a" * 32 + " asks",
        "  2026-11-25 11:00:00 +0100 (just now)",
    ]


def test_a_source_of_several_lines_keeps_its_margin(capsys: pytest.CaptureFixture[str]) -> None:
    show(Card(ID_1, (answer_words("bob", "2026-11-25T09:00:00.000Z", "So.", ("a.md:1\nbob answers",)),), advice="ours"))
    assert capsys.readouterr().out.splitlines()[2:] == [
        "  | So.",
        "  |",
        "  | source: a.md:1",
        "  | bob answers",
        "ours",
    ]


# ---------------------------------------------------------------------------------------------------------------------
# Nothing comes through


@claim("I9")
@pytest.mark.parametrize("width", [0, 20, 60, 120])
def test_no_text_acts_on_the_output_or_leaves_its_margin(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int
) -> None:
    screen = on_terminal(monkeypatch, width) if width else None
    show(*(card_of(slipped(text, number)) for number, text in enumerate(HOSTILE)))
    shown = capsys.readouterr().out if screen is None else without_colours(screen.getvalue())
    assert UNSEEN.findall(shown.replace("\n", "")) == []
    check_margins(shown, len(HOSTILE), width or 80)


def check_margins(shown: str, cards: int, width: int) -> None:
    """Check that every line is ours, as often as there are such lines, or has a margin and fits."""
    ours = [line for line in shown.split("\n") if not line.startswith(("┃", "  |"))]
    assert sum(ID_1[:-4] in line for line in ours) == cards
    assert [line for line in ours if line and not re.match(r"(── )?\w{26}|\w+ (asks|answers)|  20", line)] == []
    assert [line for line in shown.split("\n") if line.startswith(("┃", "  |")) and cells(line) > width] == []


def cells(line: str) -> int:
    """Return how wide a line is on a terminal that joins nothing and puts nothing on top of another."""
    return sum(max(1, get_character_cell_size(each)) for each in line)


@claim("I9")
@given(question=questions(), answer=answers(), width=st.sampled_from([0, 9, 60, 120]))
def test_whatever_a_record_may_hold_is_shown_without_a_control(question: Question, answer: Answer, width: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        screen = on_terminal(patch, width) if width else io.StringIO()
        patch.setattr("peer_relay.cli.rendering.say", lambda text: screen.write(text + "\n"))
        show(card_of(Exchange(question, answer, "bob")), card_of(Exchange(question, None, None)))
    shown = without_colours(screen.getvalue())
    assert [each for each in shown if each != "\n" and unicodedata.category(each) == "Cc"] == []
    assert UNSEEN.findall(shown.replace("\n", "")) == []
