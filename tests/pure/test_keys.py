"""A token is the generated form or refused, and it determines the room's id and its MAC key."""

from __future__ import annotations

import base64
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peer_relay.errors import InvalidToken
from peer_relay.keys import TOKEN_BYTES, RoomKeys, checksum, format_token, parse_token
from tests import independent
from tests.claims import claim
from tests.pure.samples import MAC_KEY, ROOM_ID

SECRET = bytes(range(32))
TOKEN = "prt1-aaaqeayeaudaocajbifqydiob4ibceqtcqkrmfyydenbwha5dypqamor"
secrets = st.binary(min_size=TOKEN_BYTES, max_size=TOKEN_BYTES)

FORM = "it must be prt1- and 56 characters a-z and 2-7"
CHECKSUM = "its checksum is wrong, so a character is missing or mistyped"


def refusal(token: str) -> InvalidToken:
    with pytest.raises(InvalidToken) as caught:
        parse_token(token)
    return caught.value


def test_the_golden_token() -> None:
    assert format_token(SECRET) == TOKEN
    assert parse_token(TOKEN) == SECRET
    assert RoomKeys.from_token(TOKEN) == RoomKeys(room_id=ROOM_ID, mac_key=MAC_KEY)


@given(secrets)
def test_the_keys_of_any_token_are_those_of_an_independent_hkdf(secret: bytes) -> None:
    hashes = pytest.importorskip("cryptography.hazmat.primitives.hashes")
    hkdf = pytest.importorskip("cryptography.hazmat.primitives.kdf.hkdf").HKDF
    token = format_token(secret)
    keys = RoomKeys.from_token(token)
    room_id = hkdf(hashes.SHA256(), 10, None, b"peer-relay/1/room-id").derive(secret)
    assert keys.mac_key == hkdf(hashes.SHA256(), 32, None, b"peer-relay/1/mac").derive(secret)
    assert base64.b32decode(keys.room_id.upper()) == room_id
    assert (token, keys.mac_key) == (independent.make_token(secret), independent.derive(token, "peer-relay/1/mac", 32))


@given(secrets)
def test_a_token_is_read_back(secret: bytes) -> None:
    assert parse_token(format_token(secret)) == secret


@claim("I10", "secrets-never-shown")
@pytest.mark.parametrize("position", range(len(TOKEN)))
def test_a_token_with_one_wrong_character_is_refused_without_being_shown(position: int) -> None:
    for letter in set(string.ascii_letters + string.digits + "-_ ") - {TOKEN[position]}:
        error = refusal(TOKEN[:position] + letter + TOKEN[position + 1 :])
        assert error.reason in {FORM, CHECKSUM}
        assert error.__cause__ is None
        assert not any(TOKEN[start : start + 6] in f"{error}{error!r}" for start in range(len(TOKEN) - 6))


@pytest.mark.parametrize("position", range(len(TOKEN)))
def test_a_token_with_a_character_missing_doubled_or_swapped_is_refused(position: int) -> None:
    refusal(TOKEN[:position] + TOKEN[position + 1 :])
    refusal(TOKEN[: position + 1] + TOKEN[position:])
    swapped = TOKEN[:position] + TOKEN[position : position + 2][::-1] + TOKEN[position + 2 :]
    if swapped != TOKEN:
        refusal(swapped)


@pytest.mark.parametrize(
    "token",
    [
        *("", "prt1-", "hunter2", TOKEN.upper(), f" {TOKEN}", f"{TOKEN}\n", TOKEN * 2, TOKEN.replace("prt1-", "prt2-")),
        *(TOKEN.removeprefix("prt1-"), TOKEN.replace("-", ""), TOKEN[:-4], "x" * 1_000_000),
    ],
)
def test_anything_that_was_not_generated_is_refused_by_its_form(token: str) -> None:
    assert refusal(token).reason == FORM


def test_bits_beyond_the_256_must_be_zero() -> None:
    body = TOKEN[:-4]
    for last in "efghijklmnop"[1:]:
        forged = body[:-1] + last
        assert refusal(forged + checksum(forged, 4)).reason == CHECKSUM


def test_the_mac_key_is_not_in_the_representation() -> None:
    assert repr(RoomKeys.from_token(TOKEN)) == f"RoomKeys(room_id='{ROOM_ID}')"
