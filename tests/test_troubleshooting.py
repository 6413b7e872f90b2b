"""The page about errors against the errors: each has its row, under whose fault it is, and each row is one of them."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from peer_relay.errors import LocalError, MailboxError, PeerRelayError, RequestError, TransportError
from tests.catalogue import entries
from tests.source import sources
from tests.test_error_catalogue import commands_in, is_command

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
PAGE = ROOT.joinpath("docs", "troubleshooting.md").read_text(encoding="utf-8")
SECTIONS: dict[str, type[PeerRelayError] | None] = {
    "Your request": RequestError,
    "The mailbox": MailboxError,
    "The way to the mailbox": TransportError,
    "This machine": LocalError,
    "Beside a result": None,
    "A defect": None,
}
# Where the sentences come from that are no errors of the tree.
SPEAKERS = ("notes", "rooms", "server.calls", "server.tools")


def rows(text: str) -> Iterator[str]:
    """Yield the texts of errors that a table of the page begins its rows with."""
    for line in text.splitlines():
        if found := re.match(r"\| `([^`]+)` \|", line):
            yield found[1]


def section(title: str) -> str:
    return re.split(r"^## ", PAGE.partition(f"\n## {title}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def says(row: str, text: str) -> bool:
    """Say whether the fixed parts of a row stand in this order in a text."""
    return re.search(".*".join(map(re.escape, row.split("…"))), text) is not None


@cache
def texts() -> list[str]:
    """Return every text that the speakers contain, with `…` for what is filled in at run time."""
    found = []
    for name in SPEAKERS:
        for node in ast.walk(ast.parse(sources()[name])):
            if isinstance(node, ast.JoinedStr):
                parts = (str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
                found.append("".join(parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return found


@pytest.fixture(scope="module")
def raised(tmp_path_factory: pytest.TempPathFactory) -> list[PeerRelayError]:
    """Give every error of the catalogue."""
    return [entry.error(tmp_path_factory.mktemp("entry")) for entry in entries().values()]


def test_the_sections_are_those_that_are_compared() -> None:
    assert re.findall(r"^## (.*)$", PAGE, re.MULTILINE) == list(SECTIONS)


def test_every_error_has_its_row_under_whose_fault_it_is(raised: list[PeerRelayError]) -> None:
    found = {branch: list(rows(section(title))) for title, branch in SECTIONS.items() if branch is not None}
    missing = [
        str(error)
        for error in raised
        for branch, texts_of_rows in found.items()
        if isinstance(error, branch) and not any(says(row, error.what) for row in texts_of_rows)
    ]
    assert missing == []


def test_every_row_is_something_that_is_said(raised: list[PeerRelayError]) -> None:
    said = [*(error.what for error in raised), *texts()]
    assert [row for row in rows(PAGE) if not any(says(row, text) for text in said)] == []


def test_no_row_stands_twice_or_would_fit_anything() -> None:
    everything = list(rows(PAGE))
    assert len(everything) == len(set(everything)) > 60
    assert [row for row in everything if len(re.findall(r"\w+", row)) < 3] == []


def test_a_row_is_compared_by_its_fixed_parts_in_their_order() -> None:
    assert says("… cannot be used: …", "/x cannot be used: full.")
    assert not says("… cannot be used: …", "/x cannot be used as a mailbox: full.")
    assert not says("first … then", "then … first")


def test_every_command_on_the_page_is_one_of_the_program() -> None:
    assert [typed for typed in commands_in(PAGE) if not is_command(typed)] == []


def test_the_rows_of_the_readme_are_rows_of_the_page() -> None:
    readme = ROOT.joinpath("README.md").read_text(encoding="utf-8").partition("\n## Troubleshooting\n")[2]
    shown = list(rows(readme.partition("\n## ")[0]))
    assert len(shown) >= 6
    assert [row for row in shown if row not in set(rows(PAGE))] == []
