"""Each documented promise has a test, and each claim of a test is a documented promise."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from tests.claims import CLAIMS

if TYPE_CHECKING:
    from collections.abc import Iterator

TESTS = Path(__file__).parent


def claims_in(source: str) -> Iterator[tuple[str, str]]:
    """Yield each test's name with each name that its `@claim(...)` decorators hold."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            for decorator in node.decorator_list:
                if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "claim":
                    yield from ((node.name, ast.literal_eval(argument)) for argument in decorator.args)


@cache
def all_claims() -> list[tuple[str, str]]:
    """Return the claims of all test files, read from their source so that no test needs to run for it."""
    sources = ((path.relative_to(TESTS), path.read_text(encoding="utf-8")) for path in sorted(TESTS.rglob("test_*.py")))
    claiming = ((path, source) for path, source in sources if "@claim(" in source)
    return [(f"{path}::{test}", name) for path, source in claiming for test, name in claims_in(source)]


def test_each_promise_has_a_test() -> None:
    assert sorted(CLAIMS.keys() - {name for _, name in all_claims()}) == []


def test_each_claim_of_a_test_is_a_promise() -> None:
    assert [(test, name) for test, name in all_claims() if name not in CLAIMS] == []


def test_claims_are_read_from_decorators_of_functions_and_classes() -> None:
    source = '@claim("I1", "I2")\ndef test_a(): ...\n\n@claim("deadline")\nclass TestB: ...\n\ndef test_c(): ...\n'
    assert list(claims_in(source)) == [("test_a", "I1"), ("test_a", "I2"), ("TestB", "deadline")]
