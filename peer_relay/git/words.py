"""The words of a remote, or of a program on the way to it, made fit to be shown to a person or a model.

1. The result is one line of printable characters: no control characters, no ANSI escapes, no direction overrides (I9).
2. No secret that the caller names is in the result, and no user information of an address (I10).
3. The result is never longer than its limit.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

LIMIT = 600
# dulwich has turned the escape character of sideband text into a question mark already.
_ANSI = re.compile(r"(?:\x1b|\?)\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b.?")
_USER_INFORMATION = re.compile(r"(?<=://)[^\s/]*@")
_HIDDEN = "[hidden]"


def clean(text: str | bytes, *, secrets: Iterable[str] = (), limit: int = LIMIT) -> str:
    """Return a text as one line that may be shown.

    Args:
        text: what the remote said; bytes are taken as UTF-8, as far as they are.
        secrets: strings to hide wherever they appear.
        limit: the length of the result, at most, in characters.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, _HIDDEN)
    text = _USER_INFORMATION.sub("", _ANSI.sub("", text))
    shown = "".join(each if each.isprintable() else " " if each.isspace() else "" for each in text)
    shown = " ".join(shown.split())
    return shown if len(shown) <= limit else shown[: limit - 1].rstrip() + "…"


def last_lines(text: str | bytes, count: int) -> str:
    """Return the last lines of a text that are not empty, each as it was."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    lines = [line for line in re.split(r"[\r\n]+", text) if line.strip()]
    return "\n".join(lines[-count:])
