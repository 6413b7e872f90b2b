"""What is found in a text, on which line, and what only looks like it."""

from __future__ import annotations

import base64
from urllib.parse import quote

import pytest

from peer_relay.guard.known import KnownSecret
from peer_relay.guard.scan import Finding, find_secrets
from tests.secrets.corpus import age_key, filled, jwt, pem, seeded, with_crc, wrapped

RANDOM = seeded(11)
GITHUB = with_crc("ghp_", RANDOM)
PASSWORD = "correct horse7/battery+staple"
KNOWN = KnownSecret("the value of MY_TOKEN", PASSWORD)


def lines(text: str, *known: KnownSecret) -> list[tuple[int, str]]:
    return [(each.line, each.kind) for each in find_secrets(text, known)]


def test_each_secret_is_named_with_the_line_on_which_it_begins() -> None:
    text = f"One\n\ntwo {GITHUB}\r\n{pem(RANDOM)}\nand {GITHUB}, {GITHUB}"
    last = text.count("\n") + 1
    assert lines(text) == [(3, "a GitHub token"), (4, "a private key"), (last, "a GitHub token")]


@pytest.mark.parametrize("between", ["\n", "\n    ", "\r\n> ", "\\\n", "=\n", "\u200b", '" + "', "' '"])
def test_a_secret_in_two_pieces_is_on_the_line_of_the_first(between: str) -> None:
    quoted = between.replace("'", '"')
    assert lines(f'one\ntwo "{wrapped(GITHUB, 20, quoted)}"\nthree') == [(2, "a GitHub token")]


def test_words_on_two_lines_are_not_taken_for_one() -> None:
    prefix, rest = GITHUB[:4], GITHUB[4:]
    assert lines(f"it begins with {prefix} and\n{rest} follows") == []


@pytest.mark.parametrize("around", ["{}", "x: {}", "a{}b"])
def test_what_is_base64_is_looked_into(around: str) -> None:
    encoded = base64.b64encode(around.format(f" {GITHUB} ").encode()).decode()
    assert lines(f"kind: Secret\ndata:\n  token: {encoded}") == [(3, "a GitHub token")]


def test_one_wrong_character_makes_it_no_token_where_there_is_a_checksum() -> None:
    for secret in (GITHUB, with_crc("npm_", RANDOM), age_key(RANDOM)):
        other = "7" if secret[25] != "7" else "8"
        assert len(lines(secret)) == 1
        assert lines(secret[:25] + other + secret[26:]) == []


def test_where_there_is_a_checksum_it_may_be_stuck_to_anything() -> None:
    assert lines(f"my_{GITHUB}_old a-{with_crc('npm_', RANDOM)}xy") == [(1, "a GitHub token"), (1, "an npm token")]


def test_a_word_that_goes_on_is_not_cut_to_fit() -> None:
    assert lines(filled("AKIA<k16>", RANDOM)) != []
    assert lines(filled("AKIA<k17>", RANDOM)) == lines(filled("xAKIA<k16>", RANDOM)) == []


@pytest.mark.parametrize(
    "text",
    [
        "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "AKIAIOSFODNN7EXAMPLE",
        "sk-proj-YOUR_KEY_HERE_YOUR_KEY_HERE_YOUR_KEY_HERE",
        "sk-ant-api03-...",
        "glpat-00000000000000000000",
        "glpat-abcabcabcabcabcabcab",
        "The line -----BEGIN RSA PRIVATE KEY----- is the first one, and then come lines of base64 until the last.",
        '"-----BEGIN PRIVATE KEY-----" in text or "-----BEGIN EC PRIVATE KEY-----" in text or text.startswith(first)',
        "postgres://user:password@host/db postgres://me:${PASSWORD}@host https://x:<token>@host redis://h:6379/@x",
        "postgres://postgres1:postgres1@localhost https://app:app@host",
        "uses: docker://alpine:3.19.1@sha256:9f86d081 and docker://app:build-77@sha256:9f86d081 and pkg://zlib:1.2.13@main",
        "AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
        "class='glrt-container glrt-container-fluid-inner-wrapper' on the branch gldt-refactor-of-the-deploy-job",
        "eyJhbGciOiJub25lIn0.e30.",
        "pr1-" + "a" * 200,
        "prt1-" + "a" * 56,
    ],
)
def test_what_only_stands_for_a_secret_is_none(text: str) -> None:
    assert lines(text) == []


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("postgres://app:tiger42x@localhost/db", []),
        (
            "postgres://app:tiger42x@db.example.com/db mysql://app:tiger42x@127.0.0.1:3306 redis://:tiger42x@[::1]:6379",
            [],
        ),
        ("postgres://app:tiger42x@db.company.dev/db", ["an address with a password"]),
        ("postgres://app:tiger42x@example.com.company.dev/db", ["an address with a password"]),
        ("postgres://app:tiger42x@localhost.company.dev/db", ["an address with a password"]),
        ("postgres://app:m3Kq9vTz2Lp8WxYd@localhost/db", ["an address with a password"]),
        ("amqp://shop:shop123@mq.company.dev amqp://shop1:shop@mq.company.dev amqp://x:admin123@mq.company.dev", []),
        ("amqp://shop:shopping7@mq.company.dev", ["an address with a password"]),
        ("key-3b1f0c5d7e9a2468ace013579bdf8642", []),
        ("MAILGUN_KEY=key-3b1f0c5d7e9a2468ace013579bdf8642", ["a Mailgun key"]),
        ("curl -u 'api:key-3b1f0c5d7e9a2468ace013579bdf8642'", ["a Mailgun key"]),
        ("3b1f0c5d7e9a2468ace013579bdf8642-us1", []),
        ("mailchimp 3b1f0c5d7e9a2468ace013579bdf8642-us1", ["a Mailchimp key"]),
        ("Basic auth: `Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==`", []),
        ("> authorization: basic Y2k6bTNLcTl2VHoyTHA4V3g=", ["a login in a header"]),
        ("secret_Lm3QpVx7Tz9KwRb2NcYd5Hf8GjSa4Ue6Wi1Xo0PkBnM", ["a Notion token"]),
        ("secret_LmQpVxTzKwRbNcYdHfGjSaUeWiXoPkBnMqErTyUiOpAs", []),
    ],
)
def test_where_a_form_is_shared_something_more_decides(text: str, kinds: list[str]) -> None:
    assert [each.kind for each in find_secrets(text)] == kinds


def test_a_token_for_tutorials_is_none_and_any_other_is_one() -> None:
    token = jwt(RANDOM)
    payload = base64.urlsafe_b64encode(b'{"sub":"1234567890","name":"John Doe"}').decode().rstrip("=")
    header, _, signature = token.split(".")
    assert lines(token) == [(1, "a JSON Web Token")]
    assert lines(f"{header}.{payload}.{signature}") == []
    assert lines(f"{payload}.{payload}.{signature}") == []


def test_a_token_that_says_it_is_not_signed_is_none() -> None:
    _, payload, signature = jwt(RANDOM).split(".")
    header = base64.urlsafe_b64encode(b'{"alg":"None","typ":"JWT"}').decode().rstrip("=")
    assert lines(f"{header}.{payload}.{signature}") == []


def forms(value: str) -> list[str]:
    alone, within = (base64.b64encode(text.encode()).decode() for text in (value, f"user:{value}!"))
    shifted = base64.urlsafe_b64encode(f"me:{value}".encode()).decode()
    return [
        value,
        quote(value, safe=""),
        alone,
        within,
        shifted,
        wrapped(value, 9, "\n   "),
        wrapped(value, 3, "\u00ad"),
    ]


@pytest.mark.parametrize("form", range(7))
def test_what_this_machine_knows_is_found_in_every_form(form: int) -> None:
    value = PASSWORD.replace(" ", "-")
    text = f"one\ntwo {forms(value)[form]} and\nthree"
    assert find_secrets(text, [KnownSecret("a password", value, is_own=True)]) == [Finding(2, "a password", True)]


def test_a_known_value_may_have_spaces_and_a_short_one_is_not_looked_for() -> None:
    assert lines(f"It is {PASSWORD}.", KNOWN) == [(1, KNOWN.kind)]
    assert lines("hunter7, empty or not", KnownSecret("x", "hunter7"), KnownSecret("x", "")) == []


def test_a_known_value_is_in_no_repr() -> None:
    assert PASSWORD not in repr(KNOWN)


def test_peer_relays_own_secrets_are_told_apart() -> None:
    assert [each.is_own for each in find_secrets(f"{GITHUB}\n{PASSWORD}", [KNOWN])] == [False, False]
