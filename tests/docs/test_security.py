"""The page on security names tests that exist, figures that hold, and of each actor what is not promised."""

from __future__ import annotations

import ast
import re

from peer_relay.git import limits
from tests.docs.pages import DOCS

PAGE = (DOCS / "security.md").read_text(encoding="utf-8")
TESTS = DOCS.parent / "tests"
ACTORS, _, LIMITS = PAGE.partition("## What a fetch may bring")
PACKS = (limits.FIRST_FETCH, limits.CATCH_UP, limits.WHOLE)
KIB, MIB = 1 << 10, 1 << 20


def test_every_test_that_is_named_is_there() -> None:
    named = {(file, name) for file, name in re.findall(r"`([\w/]+\.py)(?:::(\w+))?`", ACTORS) if file[:6] != "tests/"}
    assert len(named) > 30
    gone = [file for file, _ in named if not (TESTS / file).is_file()]
    assert gone == []
    functions = {file: defined(file) for file, _ in named}
    assert [(file, name) for file, name in named if name and name not in functions[file]] == []


def defined(file: str) -> set[str]:
    """Return the names of the functions of a file of tests."""
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_row_names_a_test_and_every_actor_has_something_that_is_not_promised() -> None:
    actors = ACTORS.split("\n## ")[1:]
    assert len(actors) == 9
    assert [each.splitlines()[0] for each in actors if each.count("**Not promised**") != 1] == []
    rows = [line for line in ACTORS.splitlines() if line.startswith("| ") and not line.startswith("| cannot ")]
    assert [row for row in rows if ".py" not in row.split("|")[3]] == []


def test_the_limits_of_a_fetch_are_those_that_hold() -> None:
    lines = [line for line in LIMITS.splitlines() if line.startswith("| ")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    figures = [[int(cell.replace(",", "")) for cell in row[1:]] for row in rows if row[1][0].isdigit()]
    assert figures == [
        [each.max_object_bytes // KIB for each in PACKS],
        [each.max_objects for each in PACKS],
        [each.max_pack_bytes // MIB for each in PACKS],
        [each.max_total_bytes // MIB for each in PACKS],
        [each.max_growth for each in PACKS],
        [limits.MAX_HELD_BYTES // MIB] * 3,
        [limits.MAX_LISTING_BYTES // MIB],
        [limits.MAX_LISTING_LINES],
        [limits.MAX_REPORT_BYTES // MIB],
        [limits.MAX_STDERR_BYTES // MIB],
        [limits.MAX_STORED_BYTES // KIB],
        [limits.FOLDER_BYTES // MIB],
        [limits.FOLDER_BYTES_OF_A_COMMIT // MIB],
    ]
