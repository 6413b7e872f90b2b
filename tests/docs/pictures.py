"""Pictures of what people see: SVG that rich exports from real runs on a real terminal.

`make pictures` draws them anew. Each is what the program sent to the terminal, colours and all, and nothing else.
"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

from tests.docs.pages import DOCS
from tests.docs.world import World

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = DOCS / "pictures"
COLUMNS = 100
PICTURES = ("log", "status", "doctor", "demo")

# rich names a font of a host on the internet; the picture does with the fonts that its reader has.
_FONT_FACE = re.compile(r"\s*@font-face \{.*?\}", re.DOTALL)
_QUESTIONS = (
    ("alice", "Why does the session token expire after 15 minutes?", "src/auth/session.py: SESSION_TTL = 900"),
    ("bob", "Does anything outside the checkout service call POST /orders?", ""),
    ("alice", "Which feature flag turns the new search on?", ""),
)
_ANSWER = (
    "It is on purpose: an access token cannot be revoked, so 15 minutes is how long a stolen one works. The client is "
    "meant to renew it with the refresh token."
)


def draw(root: Path, names: tuple[str, ...] = PICTURES, folder: Path = FOLDER) -> None:
    """Draw pictures.

    Args:
        root: a folder for the world of the run, not there yet.
        names: which.
        folder: where to put them.
    """
    world = World(root, columns=COLUMNS)
    talk(world)
    folder.mkdir(exist_ok=True)
    for name in names:
        # What moves goes to standard error, and a picture stands still.
        sent = world.run_on_terminal("alice", f"peer-relay {name} 2>/dev/null")
        folder.joinpath(f"{name}.svg").write_text(picture(name, sent), encoding="utf-8")


def talk(world: World) -> None:
    """Let alice and bob pair and exchange a few words."""
    world.run("alice", "gh repo create mailbox --private")
    world.run("alice", "peer-relay init git@github.com:alice/mailbox.git --me alice --peer bob")
    world.run("bob", "peer-relay join")
    for person, question, hint in _QUESTIONS:
        asked = world.run(person, f"peer-relay ask '{question}'" + (f" --hint '{hint}'" if hint else ""))
        if hint:
            (question_id,) = re.findall(r"\b01[0-9A-Z]{24}\b", asked)[:1]
            sources = "--source docs/decisions/0007-short-lived-tokens.md --source src/auth/session.py:42"
            world.run("bob", f"peer-relay answer {question_id} '{_ANSWER}' {sources}")


def picture(name: str, sent: str) -> str:
    """Return the picture of what a terminal was sent."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text.from_ansi(sent.rstrip("\n")))
    drawn = console.export_svg(title=f"peer-relay {name}", theme=MONOKAI, unique_id=f"peer-relay-{name}")
    return _FONT_FACE.sub("", drawn)
