"""Secrets that this machine knows, and the forms in which a text can hold one."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterator

SHORTEST = 8
"""A shorter value could be any word, in characters."""


@dataclass(frozen=True)
class KnownSecret:
    """One value that must not be sent.

    Attributes:
        kind: what it is, with its article, as a sentence names it.
        value: the secret; one that is shorter than `SHORTEST` is not looked for.
        is_own: whether it is a room token or a login for a mailbox, which nobody may send.
    """

    kind: str
    value: str = field(repr=False)
    is_own: bool = False

    def forms(self) -> Iterator[str]:
        """Yield the value as it is, percent-encoded, and in base64, alone or within something longer.

        In base64 three bytes are four characters, so what surrounds the value decides only about its first and its
        last characters. The others are one of three texts, by where in three bytes the value begins.
        """
        value = "".join(self.value.split())
        if len(value) < SHORTEST:
            return
        yield value
        yield quote(value, safe="")
        for before in range(3):
            data = bytes(before) + value.encode()
            encoded = base64.b64encode(data[: len(data) // 3 * 3]).decode()[-(-before * 8 // 6) :]
            yield encoded
            yield encoded.translate(_URL_SAFE)


_URL_SAFE = str.maketrans("+/", "-_")
