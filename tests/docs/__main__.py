"""`python -m tests.docs`: write what the documented commands really print into the pages of docs/, and the pictures.

Arguments: names of pages, such as `ask`, or `pictures`; without any, all pages.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.docs.pages import DOCS, rewritten
from tests.docs.pictures import draw
from tests.docs.world import World


def main(names: list[str]) -> None:
    """Rewrite the pages that are named, or draw the pictures."""
    for name in names or sorted(path.stem for path in DOCS.glob("*.md")):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder).resolve() / "world"
            if name == "pictures":
                draw(root)
                continue
            path = DOCS / f"{name}.md"
            before = path.read_text(encoding="utf-8")
            after = rewritten(before, World(root))
            path.write_text(after, encoding="utf-8")
            print(f"{path.name}: {'rewritten' if after != before else 'true as it was'}")


main(sys.argv[1:])
