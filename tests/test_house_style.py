"""What the linter does not count: how long functions and files are."""

from __future__ import annotations

import ast

from tests.source import sources


def body_lengths(source: str) -> dict[str, int]:
    """Return the length in lines of every function, its docstring not counted."""
    lengths = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = ast.get_docstring(node, clean=False)
            documented = 0 if docstring is None else docstring.count("\n") + 1
            lengths[f"{node.name}:{node.lineno}"] = (node.end_lineno or node.lineno) - node.lineno + 1 - documented
    return lengths


def test_no_function_is_longer_than_sixty_lines() -> None:
    lengths = {f"{name}.{key}": size for name, text in sources().items() for key, size in body_lengths(text).items()}
    assert {name: size for name, size in lengths.items() if size > 60} == {}


def test_nine_functions_of_ten_are_shorter_than_thirty_lines() -> None:
    lengths = [size for text in sources().values() for size in body_lengths(text).values()]
    assert sum(size < 30 for size in lengths) >= 0.9 * len(lengths)


def test_no_file_is_longer_than_four_hundred_lines() -> None:
    assert {name for name, text in sources().items() if text.count("\n") > 400} == set()


def test_a_docstring_does_not_count_as_length() -> None:
    assert body_lengths('def f():\n    """One.\n\n    Two.\n    """\n    return 1\n') == {"f:1": 2}
