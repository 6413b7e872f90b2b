"""An invite is read back exactly, and a wrong character in it is found."""

from __future__ import annotations

import json
import string
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from peer_relay.cli.pasting import is_cut
from peer_relay.errors import InvalidInvite
from peer_relay.invite import Invite, format_invite, parse_invite
from peer_relay.keys import base32, checksum
from peer_relay.signing import Pin
from tests.claims import claim
from tests.independent import TOKEN, canonical
from tests.pure.samples import peers, texts
from tests.signing_keys import ALICES, OTHERS

INVITE = Invite(remote="git@github.com:acme/mailbox.git", token=TOKEN, peer_id="bob")
LINE = format_invite(INVITE)

BEGINNING = "it must be one line that begins with pr1-"
CHECKSUM = "its checksum is wrong, so a character is missing or mistyped"
VERSION = "it was written by another version of peer-relay"
SPELLING = "it was not written by peer-relay"


def refusal(line: str) -> str:
    with pytest.raises(InvalidInvite) as caught:
        parse_invite(line)
    assert caught.value.__cause__ is None
    shown = f"{caught.value}{caught.value!r}"
    assert TOKEN not in shown
    assert not any(LINE[start : start + 8] in shown for start in range(len(LINE) - 8))
    return caught.value.reason


def sealed(payload: bytes) -> str:
    """Return a payload of any content with a right checksum."""
    body = "pr1-" + base32(payload)
    return body + checksum(body, 8)


def test_the_golden_invite() -> None:
    assert LINE == (
        "pr1-lmrgo2luibtws5diovrc4y3pnu5gcy3nmuxw2yljnrrg66bom5uxiirmejyhe5brfvqwcylrmvqxszlbovsgc33d"
        "mfvge2lgof4wi2lpmi2gsytdmvyxiy3rnnzg2ztzpfsgk3tco5ugcnlepfyhcylnn5zcelbcmjxweis5wkvztlvj"
    )
    assert parse_invite(LINE) == INVITE


@given(texts(20).filter(lambda text: not set(text) & set("\t\n\r\u2028\u2029")), peers)
def test_an_invite_is_one_plain_line_and_is_read_back(remote: str, peer_id: str) -> None:
    invite = Invite(remote=remote, token=TOKEN, peer_id=peer_id)
    line = format_invite(invite)
    assert set(line) <= set(string.ascii_lowercase + "1234567-")
    assert parse_invite(line) == invite


@pytest.mark.parametrize("around", ["{}\n", "  {}  ", "\r\n{}\r\n", "\t{}\u00a0"])
def test_white_space_around_an_invite_is_ignored(around: str) -> None:
    assert parse_invite(around.format(LINE)) == INVITE


@claim("I10", "secrets-never-shown")
@pytest.mark.parametrize("position", range(len(LINE)))
def test_an_invite_with_one_wrong_character_is_refused_without_being_shown(position: int) -> None:
    for letter in "abcdmz27189-AZé ":
        changed = LINE[:position] + letter + LINE[position + 1 :]
        if changed.strip() != LINE:
            assert refusal(changed) in {BEGINNING, CHECKSUM}


@pytest.mark.parametrize("position", range(len(LINE)))
def test_an_invite_with_a_character_missing_or_doubled_is_refused(position: int) -> None:
    refusal(LINE[:position] + LINE[position + 1 :])
    refusal(LINE[: position + 1] + LINE[position:])
    refusal(LINE[:position])


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("", BEGINNING),
        ("pr1-", CHECKSUM),
        (LINE * 2, CHECKSUM),
        (f"{LINE} {LINE}", CHECKSUM),
        (f"{LINE}\n{LINE}", CHECKSUM),
        (LINE[:60] + "\n" + LINE[60:], CHECKSUM),
        (LINE.upper(), BEGINNING),
        (TOKEN, BEGINNING),
        (LINE.replace("pr1-", "pr2-"), BEGINNING),
        ("pr1-" + "a" * 100_000, BEGINNING),
        ("pr1-" + "é" * 60, CHECKSUM),
    ],
)
def test_a_line_that_is_no_invite_is_refused(line: str, reason: str) -> None:
    assert refusal(line) == reason


def spelt(*values: Any) -> bytes:
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()


REMOTE = "git@github.com:acme/mailbox.git"


@claim("I9")
@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"not json, but long enough", VERSION),
        (b"\xff" * 20, VERSION),
        (b"[" * 3_000, VERSION),
        (b"[" + b"9" * 4_900 + b"]", VERSION),
        (spelt(REMOTE, TOKEN), VERSION),
        (spelt(REMOTE, TOKEN, "bob", "more"), VERSION),
        (spelt(REMOTE, TOKEN[:-1], "bob"), VERSION),
        (spelt(REMOTE, "hunter2", "bob"), VERSION),
        (spelt(REMOTE, 1, "bob"), VERSION),
        (spelt(REMOTE, TOKEN, "Bob"), VERSION),
        (spelt(REMOTE, TOKEN, "bob\n"), VERSION),
        (spelt(REMOTE, TOKEN, None), VERSION),
        (spelt(None, TOKEN, "bob"), VERSION),
        (spelt("", TOKEN, "bob"), VERSION),
        (spelt("  ", TOKEN, "bob"), VERSION),
        (spelt("https://a\x1b[2J.example", TOKEN, "bob"), VERSION),
        (spelt("https://a.example\nb", TOKEN, "bob"), VERSION),
        (spelt("https://\u202ea.example", TOKEN, "bob"), VERSION),
        (b'["\\ud800","' + TOKEN.encode() + b'","bob"]', VERSION),
        (b'{"remote":1,"token":2,"peer":3}', VERSION),
        (canonical({"a": 1}), VERSION),
        (b" " + spelt(REMOTE, TOKEN, "bob"), SPELLING),
        (spelt(REMOTE, TOKEN, "bob").replace(b",", b", "), SPELLING),
        (spelt(REMOTE, TOKEN, "bob").replace(b"acme", b"\\u0061cme"), SPELLING),
        (spelt(REMOTE, TOKEN, "bob").decode().encode("utf-16-le"), SPELLING),
    ],
)
def test_a_sealed_payload_that_peer_relay_does_not_write_is_refused(payload: bytes, reason: str) -> None:
    assert refusal(sealed(payload)) == reason


def test_spare_bits_of_the_last_character_must_be_zero() -> None:
    body = format_invite(Invite(remote=REMOTE + "/", token=TOKEN, peer_id="bob"))[:-8]
    assert len(body[4:]) % 8, "choose another remote: this one leaves no spare bits"
    last = "abcdefghijklmnopqrstuvwxyz234567".index(body[-1])
    forged = body[:-1] + "abcdefghijklmnopqrstuvwxyz234567"[last | 1]
    assert forged != body
    assert refusal(forged + checksum(forged, 8)) == SPELLING


def test_the_token_is_not_in_the_representation() -> None:
    assert repr(INVITE) == "Invite(remote='git@github.com:acme/mailbox.git', peer_id='bob')"


def test_an_invite_brings_the_keys_of_whoever_made_it_and_what_is_no_key_is_refused() -> None:
    pins = (Pin("alice", ALICES.public), Pin("alice", OTHERS.public, "a" * 40, "b" * 40))
    signed = replace(INVITE, pins=pins)
    assert parse_invite(format_invite(signed)) == signed
    assert is_cut(format_invite(signed)[:-20])
    odd = json.dumps([INVITE.remote, INVITE.token, "bob", "alice - - x"], separators=(",", ":"))
    assert refusal(sealed(odd.encode())) == VERSION
