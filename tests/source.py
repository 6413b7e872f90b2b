"""The package's own source as the tests about it see it: module names, syntax trees, imports."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "peer_relay"


@dataclass(frozen=True)
class Import:
    """One imported thing: `module` is the module it is taken from, `name` what is taken, or None for all of it."""

    module: str
    name: str | None = None

    @property
    def top(self) -> str:
        return self.module.partition(".")[0]


def module_name(path: Path) -> str:
    """Return a file's dotted name without the package's, such as `git.transport`, or `git.__init__`."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


def sources() -> dict[str, str]:
    """Return the text of every module of the package by its name."""
    return {module_name(path): path.read_text(encoding="utf-8") for path in sorted(PACKAGE.rglob("*.py"))}


@cache
def imports_of(source: str) -> list[Import]:
    """Return every import of a module, also those inside functions and those for types only."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [Import(alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            found += [Import(module, alias.name) for alias in node.names]
    return found
