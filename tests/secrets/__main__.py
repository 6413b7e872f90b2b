"""`python -m tests.secrets`: measure the guard, print its figures, and write them into docs/secrets.md."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from tests.secrets import figures

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).parents[2] / "docs" / "secrets.md"
EACH, EACH_CHANGED, SYNTHETIC, CHUNKS = 120, 24, 300, 5_000


def lines() -> Iterator[str]:
    """Yield the tables."""
    found = figures.recall(EACH)
    total = figures.Recall(sum(each.found for each in found.values()), sum(each.of for each in found.values()))
    yield "| texts | the guard found something in |"
    yield "|---|---|"
    yield f"| a secret of one of {len(found)} kinds, in prose, code, configuration or logs | {total} |"
    yield from (f"| the same, {name} | {each} |" for name, each in figures.recall_after_changes(EACH_CHANGED).items())
    made_up, real = figures.false_alarms_synthetic(SYNTHETIC), figures.false_alarms_real(CHUNKS)
    yield f"| no secret, made up: hashes, ids, configurations, lock files, logs | {len(made_up)} of {SYNTHETIC} |"
    yield f"| no secret, 40 lines of installed Python source | {len(real)} of {CHUNKS:,} |"
    yield ""
    missed = {kind: each for kind, each in found.items() if each.found < each.of}
    yield (
        f"Of each kind {EACH} were made. Not all were found of: "
        + (
            ", ".join(f"{kind.partition(' ')[2]} ({each.of - each.found} missed)" for kind, each in missed.items())
            or "none"
        )
        + "."
    )


def main() -> None:
    """Print the tables and put them into the page."""
    table = "\n".join(lines())
    print(table)
    page = PAGE.read_text(encoding="utf-8")
    marked = re.compile(r"(<!-- figures -->\n\n).*?(\n\n<!-- end of figures -->)", re.DOTALL)
    PAGE.write_text(marked.sub(lambda match: match[1] + table + match[2], page), encoding="utf-8")


main()
