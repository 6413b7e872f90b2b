"""What may be printed, and how a text becomes lines with room for a margin."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import get_character_cell_size

from peer_relay.cli.lines import lines_of
from peer_relay.cli.terminal import printable
from tests.cli.talk import HOSTILE
from tests.pure.samples import SCOTLAND, texts

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"


@pytest.mark.parametrize(
    "text",
    [
        "Größe, naïve, 漢字, עברית, العربية\n\tand a tab",
        f"\U0001f642 {FAMILY} \u2764\ufe0f 1\ufe0f\u20e3 \U0001f1e9\U0001f1ea \u2708\ufe0e",
        f"{SCOTLAND} \U0001f44d\U0001f3fd \U0001f3f3\ufe0f\u200d\U0001f308",
        "\u0645\u06cc\u200c\u062e\u0648 ക്\u200d ක්\u200dර ᠠ\u180b",
        "e\u0301 Việt a\u0308\u0304 ที่",
    ],
)
def test_what_people_write_is_shown_as_it_is(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\r\nb\rc\x1b[0m\x85", "a\nb\ufffdc\ufffd[0m\ufffd"),
        ("\u202ea\u2066", "\ufffda\ufffd"),
        ("a\u200eb\u200fc\u061cd", "a<U+200E>b<U+200F>c<U+061C>d"),
        ("a\u2028b\u2029c", "a<U+2028>b<U+2029>c"),
        ("a\u200bb\u200cc\u200dd\ufeffe\u00adf", "a<U+200B>b<U+200C>c<U+200D>d<U+FEFF>e<U+00AD>f"),
        ("\U0001f3f4\U000e0068\U000e0069\U000e007f", "\U0001f3f4<U+E0068><U+E0069><U+E007F>"),
        ("\U000e0068", "\ufffd"),
        ("\u2764\ufe0f\ufe0f x\ufe0f\U000e0101", "\u2764\ufe0f<U+FE0F> x<U+FE0F><U+E0101>"),
        ("\U0001f468\u200d\u200d\U0001f469", "\U0001f468<U+200D><U+200D>\U0001f469"),
        ("z" + "\u0301" * 6, "z" + "\u0301" * 4 + "<U+0301>" * 2),
    ],
)
def test_what_nobody_would_see_is_shown_by_its_number(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert printable(shown) == shown


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("one two three", 13, ["one two three"]),
        ("one two three", 12, ["one two", "three"]),
        ("one two three", 7, ["one two", "three"]),
        ("onetwothree", 4, ["onet", "woth", "ree"]),
        ("one     two", 6, ["one", "two"]),
        ("    indented", 9, ["    inden", "ted"]),
        ("\tone\n", 9, ["    one", ""]),
        ("漢字漢字", 5, ["漢字", "漢字"]),
        ("e\u0301e\u0301", 2, ["e\u0301", "e\u0301"]),
        ("a\n\n\n\nb", 9, ["a", "", "", "", "b"]),
        (
            "a\n \n\t\n\n\u00a0\nb\n" + "\n" * 12_000,
            40,
            ["a", "", "<4 empty lines>", "", "b", "", "<12,001 empty lines>", ""],
        ),
    ],
)
def test_a_text_becomes_lines_that_fit(text: str, width: int, lines: list[str]) -> None:
    assert list(lines_of(text, width)) == lines


@given(
    text=texts() | st.sampled_from(HOSTILE) | st.text("ab  漢\u0301\U0001f642", max_size=200), width=st.integers(2, 50)
)
def test_no_line_is_too_wide_and_no_word_is_lost(text: str, width: int) -> None:
    lines = list(lines_of(text, width))
    assert [line for line in lines if sum(max(1, get_character_cell_size(each)) for each in line) > width] == []
    words = "".join("".join(lines).split())
    assert re.sub("<[0-9,]+emptylines>", "", words) == "".join(printable(text).split())
