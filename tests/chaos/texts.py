"""Texts that differ in size and script, each of them once."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

_SAMPLES = (
    "Why does the session token expire after 15 minutes?",
    "Warum läuft das Token nach fünfzehn Minuten ab? Straße, Grüße.",
    "Γιατί λήγει το διακριτικό;",
    "会话令牌为什么在十五分钟后过期",
    "لماذا تنتهي صلاحية الرمز؟",
    "क्या यह सच है?",
    "👩🏽‍💻 🏴󠁧󠁢󠁳󠁣󠁴󠁿 e\u0301 ﬁ \u200d",
    '{"a": "\\u0000 \\" \\\\", "b": [1, 2]}',
    "\tif x:\r\n\t\treturn 'y'\n",
    "```sh\n$ git log --oneline | head\n```\n",
    "-- \n<!-- Room-Mac: 00 -->\nQuestion-Id: 01KAN3\n",
)
_SIZES = (1, 1, 1, 1, 2, 3, 8, 40, 120)


def text(rng: random.Random, name: str) -> str:
    """Return a text that begins with its name, which makes it the only one of its kind."""
    parts = rng.choices(_SAMPLES, k=rng.choice(_SIZES))
    return f"{name}: {rng.choice((' ', chr(10))).join(parts)}"


def sources(rng: random.Random) -> list[str]:
    """Return up to three sources."""
    return [f"src/auth.py:{rng.randrange(1000)}" for _ in range(rng.choice((0, 0, 1, 3)))]
