"""`docs/reliability.md` names every bug that has a reproduction, and no other."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reliability.md"
REPRODUCTIONS = ROOT / "tests" / "reproductions"


def bugs_with_a_reproduction() -> set[tuple[str, str]]:
    """Return the file and the name of each, the name as words."""
    return {
        (path.name, _words(each.name.removeprefix("test_")))
        for path in REPRODUCTIONS.glob("test_*.py")
        for each in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) and each.name.startswith("test_")
    }


def bugs_on_the_page() -> list[tuple[str, str]]:
    """Return the same of each row of the table of bugs."""
    rows = re.findall(
        r"^\| (.+?) \| .+ \| \[\w+\]\(\.\./tests/reproductions/(\w+\.py)\) \|$", PAGE.read_text(), re.MULTILINE
    )
    return [(file, _words(bug)) for bug, file in rows]


def _words(text: str) -> str:
    return " ".join(re.findall(r"[a-z0-9]+", text.lower().replace("'", "")))


def test_the_page_lists_each_bug_that_has_a_reproduction_once() -> None:
    listed = bugs_on_the_page()
    assert len(listed) == len(set(listed))
    assert set(listed) == bugs_with_a_reproduction()


def test_every_part_of_the_program_that_the_page_names_is_there() -> None:
    named = set(re.findall(r"`((?:tests|peer_relay)(?:/\w+)+(?:\.py)?)`", PAGE.read_text(encoding="utf-8")))
    assert len(named) > 5
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []
