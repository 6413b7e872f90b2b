"""The table of formats: it costs little, whatever the text is."""

from __future__ import annotations

import re
import time
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import TYPE_CHECKING, Any

import pytest

from peer_relay.guard import views
from peer_relay.guard.formats import FORMATS, Format
from peer_relay.guard.scan import find_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator


def operations(parsed: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every operation of a parsed pattern with its argument, those within others too."""
    for operation, argument in parsed:
        yield operation, argument
        for part in argument if isinstance(argument, tuple | list) else [argument]:
            inner = part if isinstance(part, list) else [part]
            for each in inner:
                if isinstance(each, parser.SubPattern):
                    yield from operations(each)


def unlimited(pattern: str) -> list[str]:
    """Return what a pattern repeats without a limit in a way that can be taken back."""
    taken_back = (codes.MAX_REPEAT, codes.MIN_REPEAT)
    return [
        f"{operation} {argument[2]}"
        for operation, argument in operations(parser.parse(pattern))
        if operation in taken_back and argument[1] is codes.MAXREPEAT
    ]


@pytest.mark.parametrize("each", FORMATS, ids=lambda each: each.pattern[:20])
def test_what_a_pattern_repeats_without_a_limit_is_possessive(each: Format) -> None:
    assert unlimited(each.pattern) == []


def test_a_repeat_that_can_be_taken_back_is_seen() -> None:
    assert len(unlimited("a(?:b|c+)")) == 1
    assert unlimited("a{2,5}(?:b++)") == []


def test_the_patterns_of_the_views_take_nothing_back_either() -> None:
    found = [value for value in vars(views).values() if isinstance(value, re.Pattern)]
    assert len(found) >= 3
    assert [unlimited(each.pattern) for each in found] == [[]] * len(found)


HOSTILE = (
    *("a", "\n", " ", "=\n", "\\\n", '"', '" + "', "\\x41", "\u200b", "\U0001d400", "0", "://a:b", "://", "-us1"),
    *("eyJ", "eyJ-", "eyJ.", "eyJaaaaaaaaa.", "-----BEGIN PRIVATE KEY-----\n", "ghs_\u00e9", "sntrys_eyJ+", "pr1-"),
    *(
        "aaaQ~",
        "MT",
        "MTaaaaaaaaaaaaaaaaaaaaaa.",
        "A3-",
        "pscale_tkn_.",
        "ops_eyJ/",
        "ATATT3=",
        "1//0",
        "a" * 60 + "\n",
    ),
    *("mailchimp ", "mailgun", "sv=a&", "sv=a&sig=", "authorization: basic ", "secret_A", "://a:b@c.", "sl.", "sk.eyJ"),
    *("aws_secret_access_key ", ".atlasv1.", "glpat-", "xoxb-1", "sk-", "sk-ant-", "hooks.slack.com/services/", ":AA"),
)


@pytest.mark.parametrize("piece", HOSTILE, ids=repr)
def test_four_times_the_text_takes_little_more_than_four_times_as_long(piece: str) -> None:
    def cost(length: int) -> float:
        text = (piece * (length // len(piece) + 1))[:length]
        begun = time.process_time()
        find_secrets(text)
        return time.process_time() - begun

    # What grows by the square takes 16 times as long. On a machine that does something else one try may, too.
    assert any(cost(24_000) < 10 * max(cost(6_000), 0.002) for _ in range(3))
