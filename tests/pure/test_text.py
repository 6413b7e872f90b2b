"""The refused code points are exactly the listed ones, and length and blankness are counted as the format says."""

from __future__ import annotations

import json
import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peer_relay.text import (
    NOT_BLANK_PATTERN,
    TEXT_PATTERN,
    canonical_length,
    check_text,
    is_blank,
    is_one_line,
    refused_in,
)
from tests.claims import claim
from tests.pure.samples import REFUSED, SCOTLAND, WHITE_SPACE, any_character, texts

CONTROL = "a control character"
WRITING = "a control of the writing direction"
CLASSES = [
    (0x0000, 0x0008, CONTROL),
    (0x000B, 0x000C, CONTROL),
    (0x000E, 0x001F, CONTROL),
    (0x007F, 0x009F, CONTROL),
    (0xD800, 0xDFFF, "half of a surrogate pair"),
    (0x202A, 0x202E, WRITING),
    (0x2066, 0x2069, WRITING),
    (0xFDD0, 0xFDEF, "not a character"),
    (0xFFFE, 0xFFFF, "not a character"),
    (0x1FFFE, 0x1FFFF, "not a character"),
    (0xFFFFE, 0xFFFFF, "not a character"),
    (0x10FFFE, 0x10FFFF, "not a character"),
    (0xE0001, 0xE0001, "an invisible tag"),
    (0xE0020, 0xE007F, "an invisible tag"),
]


def findings(text: str) -> list[tuple[int, int]]:
    return [(position, code) for position, code, _ in refused_in(text)]


@pytest.mark.parametrize(("first", "last", "what"), CLASSES)
def test_each_class_is_refused_from_its_first_to_its_last_and_not_beside_them(first: int, last: int, what: str) -> None:
    for code in (first, last):
        with pytest.raises(ValueError) as caught:
            check_text(f"ab{chr(code)}c", 100)
        assert str(caught.value) == f"must not contain U+{code:04X} ({what}, character 3)"
    for code in {first - 1, last + 1} - {-1, 0x0D, 0x110000}:
        check_text(f"ab{chr(code)}c", 100)


@claim("I9", "trust-model")
def test_nothing_else_in_the_whole_of_unicode_is_refused() -> None:
    everything = "".join(map(chr, range(sys.maxunicode + 1)))
    assert {code for _, code, _ in refused_in(everything)} == REFUSED | {0x0D}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\r\nb", []),
        ("a\r\n\r\nb\r\n", []),
        ("a\rb", [(2, 0x0D)]),
        ("a\r", [(2, 0x0D)]),
        ("\r\r\n", [(1, 0x0D)]),
        ("a\n\rb", [(3, 0x0D)]),
        ("\r\u2028", [(1, 0x0D)]),
    ],
)
def test_a_carriage_return_is_legal_only_before_a_line_feed(text: str, expected: list[tuple[int, int]]) -> None:
    assert findings(text) == expected


BLACK_FLAG, TAG_G, TAG_END = "\U0001f3f4", "\U000e0067", "\U000e007f"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (SCOTLAND, []),
        (f"a{SCOTLAND}{SCOTLAND}b", []),
        (BLACK_FLAG, []),
        (BLACK_FLAG + TAG_G + TAG_END, []),
        (BLACK_FLAG + "\U000e0020" + "\U000e007e" + TAG_END, []),
        (BLACK_FLAG + TAG_END, [(2, 0xE007F)]),
        (BLACK_FLAG + TAG_G, [(2, 0xE0067)]),
        (BLACK_FLAG + TAG_G + "x" + TAG_END, [(2, 0xE0067), (4, 0xE007F)]),
        (TAG_G + TAG_END, [(1, 0xE0067), (2, 0xE007F)]),
        (SCOTLAND + TAG_G, [(8, 0xE0067)]),
        (SCOTLAND + TAG_END, [(8, 0xE007F)]),
        (BLACK_FLAG + "\U000e0001" + TAG_END, [(2, 0xE0001), (3, 0xE007F)]),
        (BLACK_FLAG + "\ufe0f" + TAG_G + TAG_END, [(3, 0xE0067), (4, 0xE007F)]),
        ("\U0001f3f3" + TAG_G + TAG_END, [(2, 0xE0067), (3, 0xE007F)]),
    ],
)
def test_tag_characters_are_legal_only_in_a_flag(text: str, expected: list[tuple[int, int]]) -> None:
    assert findings(text) == expected


def test_white_space_is_the_listed_code_points_and_no_others() -> None:
    blank = {chr(code) for code in range(sys.maxunicode + 1) if is_blank(chr(code))}
    assert blank == set(WHITE_SPACE)
    assert is_blank("")
    assert is_blank(WHITE_SPACE)
    assert not is_blank(WHITE_SPACE + "." + WHITE_SPACE)
    assert not is_blank("\u200b"), "a zero width space is no white space"


@given(st.text(any_character))
def test_length_is_that_of_the_canonical_json_string(text: str) -> None:
    assert canonical_length(text) == len(json.dumps(text, ensure_ascii=False)[1:-1])


@pytest.mark.parametrize(
    ("text", "length"), [("", 0), ("abc", 3), ('"', 2), ("\\", 2), ("\t\n\r\n", 8), ("/é\u2028", 3), ("\U0001f600", 1)]
)
def test_an_escape_counts_as_the_characters_it_is_written_with(text: str, length: int) -> None:
    assert canonical_length(text) == length


def test_every_broken_rule_of_a_text_is_named_at_once() -> None:
    with pytest.raises(ValueError) as caught:
        check_text("\x1b[2J" + "\x07" * 2 + '"' * 50, 100)
    assert str(caught.value) == (
        "must not contain U+001B (a control character, character 1 and 2 more of the kind) "
        "and must be at most 100 characters long and has 121"
    )
    with pytest.raises(ValueError) as caught:
        check_text(" \t" * 5, 10)
    assert str(caught.value) == "must not be empty and must be at most 10 characters long and has 15"


def test_a_text_may_be_as_long_as_its_limit() -> None:
    check_text('"' * 50, 100)
    with pytest.raises(ValueError) as caught:
        check_text('"' * 50 + "x", 100)
    assert str(caught.value) == "must be at most 100 characters long and has 101"


def test_a_long_text_of_tags_without_an_end_is_looked_through_in_one_go() -> None:
    text = (BLACK_FLAG + TAG_G * 99) * 2_000
    assert len(findings(text)) == 99 * 2_000


@pytest.mark.parametrize(
    "text", ["", " ", "a\nb", "a\tb", "a\r\nb", "a\u2028b", "a\u2029b", "a\x1bb", "a\u202eb", "\ud800"]
)
def test_a_text_that_would_break_a_line_or_a_terminal_is_not_one_line(text: str) -> None:
    assert not is_one_line(text)


def test_one_line_may_hold_any_other_letter() -> None:
    assert is_one_line("ssh://häuschen.example/srv/邮箱.git")


@given(texts())
def test_the_patterns_of_the_schemas_let_legal_text_through(text: str) -> None:
    assert re.search(TEXT_PATTERN, text)
    assert re.search(NOT_BLANK_PATTERN, text)


@given(texts(10), st.sampled_from(sorted(REFUSED - set(range(0xD800, 0xE000)))), texts(10))
def test_the_patterns_of_the_schemas_refuse_what_the_rules_refuse(before: str, code: int, after: str) -> None:
    text = before + chr(code) + after
    assert bool(re.search(TEXT_PATTERN, text)) == (not findings(text))


@given(st.text(alphabet=["\r", "\n", "a", BLACK_FLAG, TAG_G, TAG_END, "\x00", " "]))
def test_the_patterns_of_the_schemas_agree_with_the_rules(text: str) -> None:
    assert bool(re.search(TEXT_PATTERN, text)) == (not findings(text))
    assert bool(re.search(NOT_BLANK_PATTERN, text)) == (not is_blank(text))
