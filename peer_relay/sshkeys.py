"""SSH public keys: read from a line as OpenSSH writes it, told apart by a fingerprint, and read aloud as words.

The words are proquints (Daniel Wilkerson, 2009): five letters for 16 bits, consonants and vowels in turn, so that they
can be spoken in any language. Eight of them are the first 128 bits of the SHA-256 whose whole is the fingerprint.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass

ALGORITHMS = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa")
"""The kinds of keys whose signatures are checked here, the usual one first."""

_MAX_LINE = 4096
_CONSONANTS, _VOWELS = "bdfghjklmnprstvz", "aiou"
_WORDS = 8


@dataclass(frozen=True)
class PublicKey:
    """A public key.

    Attributes:
        algorithm: one of `ALGORITHMS`.
        blob: its bytes as they are in a signature, the algorithm's name included (RFC 4253, section 6.6).
    """

    algorithm: str
    blob: bytes

    @property
    def line(self) -> str:
        """The key as a line of `authorized_keys`, without a comment."""
        return f"{self.algorithm} {base64.b64encode(self.blob).decode('ascii')}"

    @property
    def fingerprint(self) -> str:
        """The fingerprint as OpenSSH and forges show it, such as `SHA256:…` with 43 characters."""
        return f"SHA256:{base64.b64encode(hashlib.sha256(self.blob).digest()).decode('ascii').rstrip('=')}"

    @property
    def words(self) -> str:
        """Eight words for two people to compare, with hyphens between them."""
        digest = hashlib.sha256(self.blob).digest()
        return "-".join(_word(int.from_bytes(digest[at : at + 2], "big")) for at in range(0, 2 * _WORDS, 2))


def parse_public_key(text: str) -> PublicKey:
    """Return the key of a line: the algorithm, the key in base64, and perhaps a comment, which is left out.

    Raises:
        ValueError: it is not such a line; the text is a clause that says what is wrong.
    """
    words = text.split(maxsplit=2)
    if len(text) > _MAX_LINE or len(text.strip().splitlines()) != 1 or len(words) < len(("algorithm", "key")):
        raise ValueError("it is not one line such as `ssh-ed25519 AAAA…`")
    algorithm, encoded = words[:2]
    if algorithm not in ALGORITHMS:
        raise ValueError(f"its kind is none of {', '.join(ALGORITHMS)}")
    try:
        blob = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("it is not whole") from None
    key = PublicKey(algorithm, blob)
    if key.line != f"{algorithm} {encoded}" or not blob.startswith(
        len(algorithm).to_bytes(4, "big") + algorithm.encode()
    ):
        raise ValueError("it is not whole")
    return key


def _word(number: int) -> str:
    """Return the proquint of 16 bits: 4 for a consonant, 2 for a vowel, from the highest on."""
    return (
        _CONSONANTS[number >> 12]
        + _VOWELS[number >> 10 & 3]
        + _CONSONANTS[number >> 6 & 15]
        + _VOWELS[number >> 4 & 3]
        + _CONSONANTS[number & 15]
    )
