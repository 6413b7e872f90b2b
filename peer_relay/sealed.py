"""Files that carry a checksum, so that a damaged one is known for what it is and never taken at its word.

1. A file is `{"sha256":"…","content":…}` and a newline: one JSON object on one line, which any tool can show. The sum
   is the SHA-256, in hex, of the file's name, a newline, and the content's bytes exactly as they stand there.
2. *Must*: what was not written by `seal` under the same name, byte for byte, is refused, whatever it says.

It guards against damage, not against people: whoever can write the file can write the sum. What people are meant to
edit, such as saved rooms, is not sealed.
"""

from __future__ import annotations

import hashlib

_HEAD, _MIDDLE, _TAIL = b'{"sha256":"', b'","content":', b"}\n"
_BEGIN = len(_HEAD) + 64 + len(_MIDDLE)


class Broken(ValueError):
    """A file is not what was written."""


def seal(name: str, content: bytes) -> bytes:
    """Return what to write.

    Args:
        name: the file's name, without its folder.
        content: UTF-8 JSON, one value.
    """
    return _HEAD + _sum(name, content) + _MIDDLE + content + _TAIL


def unseal(name: str, data: bytes) -> bytes:
    """Return the content of a file.

    Args:
        name: the file's name, without its folder.
        data: all that is in it.

    Raises:
        Broken: it is not what was written under that name.
    """
    content = data[_BEGIN : -len(_TAIL)]
    if data != seal(name, content):
        raise Broken
    return content


def content_of(data: bytes) -> bytes:
    """Return what may once have been the content of a file, whatever state it is in: for a person to look at."""
    return data[_BEGIN:].removesuffix(_TAIL) if data.startswith(_HEAD) else data


def _sum(name: str, content: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + content).hexdigest().encode("ascii")
