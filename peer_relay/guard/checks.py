"""What is looked at beyond the form of a secret: checksums, structure, and whether it only stands for one.

A check gets what the pattern of a format matched, and says whether it may be real.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import zlib

from peer_relay.errors import InvalidToken
from peer_relay.keys import parse_token

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_BECH32_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_FILLERS = re.compile(
    r"xxxx|\.\.\.|example|placeholder|changeme|redacted|dummy|sample|fake[_-]|your[_-]|12345678|abcdefgh|deadbeef"
    r"|Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50u",  # the key of every emulator of Azure's storage
    re.IGNORECASE,
)
_RUN = re.compile(r"(.)\1{5}")
_END, _FEWEST_DISTINCT = 20, 6


def is_real(found: str) -> bool:
    """Return whether a text can have come from a generator: no `000000`, no `EXAMPLE`, no counting."""
    return _RUN.search(found) is None and is_varied(found)


def is_varied(found: str) -> bool:
    """Do as `is_real` does where the format itself fills places with one character."""
    return _FILLERS.search(found) is None and len(set(found[-_END:])) >= _FEWEST_DISTINCT


def has_crc62(found: str) -> bool:
    """Check a token of GitHub or npm: behind the prefix 30 characters, then their CRC-32 as 6 digits in base 62."""
    body = found.partition("_")[2]
    value, digits = zlib.crc32(body[:30].encode()), ""
    for _ in range(6):
        value, digit = divmod(value, 62)
        digits = _BASE62[digit] + digits
    return body[30:36] == digits


def has_bech32(found: str) -> bool:
    """Check the checksum of BIP 173, which ends an age key."""
    name, _, data = found.lower().rpartition("1")
    if not set(data) <= set(_BECH32):
        return False
    values = [*(ord(each) >> 5 for each in name), 0, *(ord(each) & 31 for each in name), *map(_BECH32.index, data)]
    state = 1
    for value in values:
        top = state >> 25
        state = (state & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate(_BECH32_GENERATOR):
            state ^= generator if top >> bit & 1 else 0
    return state == 1


def is_signed_jwt(found: str) -> bool:
    """Check that the first part is a JOSE header with an algorithm that signs, and that it is no tutorial's sample."""
    header, payload = (_json_of(part) for part in found.split(".")[:2])
    if not isinstance(header, dict) or not isinstance(header.get("alg"), str) or header["alg"].lower() == "none":
        return False
    return not (isinstance(payload, dict) and payload.get("sub") == "1234567890")


def is_key_material(found: str) -> bool:
    """Check that something like a key follows the first line of a PEM block, and not just talk about such lines."""
    _, _, rest = found.partition("KEY")
    rest = re.sub(r"\\+[nr]|[\r\n]+[ \t>#*|]*|[\"',]\s*\+?\s*", "\n", rest.replace(" BLOCK", "", 1).lstrip("-"))
    lines = [line for line in rest.split("\n") if line and ":" not in line]
    begun = "".join(lines)[:40]
    return re.fullmatch("[A-Za-z0-9+/]{40}", begun) is not None and is_real(begun.replace("A", ""))


def is_snowflake(found: str) -> bool:
    """Check that the first part is the id of a Discord bot: digits in base64."""
    return _decoded(found.partition(".")[0]).isdigit()


def is_room_token(found: str) -> bool:
    """Check the checksum of a room token."""
    try:
        parse_token(found)
    except InvalidToken:
        return False
    return True


def is_invite(found: str) -> bool:
    """Check that what stands in an invite, or in the beginning of one, begins a room token."""
    data = found.partition("-")[2].upper()
    data = data[: len(data) // 8 * 8]
    try:
        return b'"prt1-' in base64.b32decode(data)
    except binascii.Error:
        return False


def is_login(found: str) -> bool:
    """Check that the password of an address is one, and not a placeholder, a variable or a word for trying things out.

    A host that is this machine or that RFC 2606 reserves for examples gives no stranger access to anything: there a
    password counts only if it is as long as a generated one.
    """
    login, _, host = found.removeprefix("://").rpartition("@")
    name, _, password = login.partition(":")
    if len(password) < _SHORTEST_PASSWORD or _NO_PASSWORD.search(password):
        return False
    if password.lower().rstrip("0123456789!") in {name.lower(), name.lower().rstrip("0123456789")}:
        return False
    if len(password) >= _LONG_PASSWORD:
        return is_real(password)
    return re.search("[0-9]", password) is not None and _NOBODYS_HOST.fullmatch(host) is None


def is_basic(found: str) -> bool:
    """Check that a header's value is a login in base64, by the rules for one in an address."""
    return is_login(_decoded(found.rpartition(" ")[2].rstrip("=")).decode("latin-1") + "@")


def is_mixed(found: str) -> bool:
    """Do as `is_real` does for what could be a name in a program: digits, capitals and small letters are in it."""
    return all(re.search(each, found.partition("_")[2]) for each in ("[0-9]", "[A-Z]", "[a-z]")) and is_real(found)


_SHORTEST_PASSWORD, _LONG_PASSWORD = 6, 16
_NO_PASSWORD = re.compile(
    r"^[$%{<\[(*:]|^v?\d+\.\d+\.\d|[}>\])*]$|pass|secret|token|pwd|xxx|\.\.\.|changeme|example|your|\$\{|%[sd(]|\\"
    r"|^(?:admin|root|test|guest|demo|dev|user|foo|bar|foobar|local|postgres|mysql|redis|mongo|rabbitmq|minio"
    r"|qwerty|abc|letmein|hunter)[0-9]{0,4}!?$|^[0-9]{1,8}$",
    re.IGNORECASE,
)
_NOBODYS_HOST = re.compile(
    r"localhost|127(?:\.\d+){3}|\[::1\]|0\.0\.0\.0|host\.docker\.internal"
    r"|(?:[\w-]+\.)*(?:example(?:\.(?:com|net|org))?|test|invalid|localhost)",
    re.IGNORECASE,
)


def _decoded(part: str) -> bytes:
    """Return the bytes of base64 without padding, of either alphabet; none if it is not base64."""
    try:
        return base64.urlsafe_b64decode(part.translate(str.maketrans("+/", "-_")) + "=" * (-len(part) % 4))
    except (binascii.Error, ValueError):
        return b""


def _json_of(part: str) -> object:
    try:
        return json.loads(_decoded(part))
    except (ValueError, RecursionError):
        return None
