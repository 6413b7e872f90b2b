"""What the pages of docs/ show is what the program does: their commands are run, and their outputs compared."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.docs.pages import DOCS, normalised, play, rewritten, steps
from tests.docs.world import World

if TYPE_CHECKING:
    from pathlib import Path

PAGES = {path.stem: path.read_text(encoding="utf-8") for path in sorted(DOCS.glob("*.md"))}
TASKS = ("pair", "ask", "audit", "rotate-the-token", "second-machine", "more-rooms", "deploy-key", "troubleshooting")


@pytest.fixture(autouse=True)
def _unmeasured(unmeasured_processes: None) -> None:
    """Start many programs: what they do is measured elsewhere."""


def test_there_is_a_page_for_every_task() -> None:
    assert [name for name in TASKS if name not in PAGES] == []


@pytest.mark.parametrize("name", [name for name, page in PAGES.items() if any(steps(page))])
def test_the_commands_of_a_page_print_what_it_says(name: str, tmp_path: Path) -> None:
    for step, printed in play(PAGES[name], World(tmp_path.resolve() / "world")):
        assert normalised(printed) == normalised(step.output), step.command


@pytest.mark.parametrize("name", PAGES)
def test_every_terminal_of_a_page_is_one_that_is_run(name: str) -> None:
    """A block that is no terminal, or whose prompt is mistyped, would be compared with nothing."""
    blocks = re.findall(r"^```console\n(.*?)^```$", PAGES[name], re.MULTILINE | re.DOTALL)
    assert [block for block in blocks if re.match(r"(alice|bob)\$ ", block) is None] == []
    assert [line for block in blocks for line in block.splitlines() if re.match(r"[a-z]*[$#] ", line)] == [
        line for block in blocks for line in block.splitlines() if re.match(r"(alice|bob)\$ ", line)
    ]


@pytest.mark.parametrize("name", PAGES)
def test_every_link_of_a_page_leads_somewhere(name: str) -> None:
    own = {"#" + re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings(PAGES[name])}
    links = re.findall(r"\]\(([^)\s]+)\)", PAGES[name])
    outside = [link for link in links if not link.startswith(("https://", "#"))]
    assert [link for link in links if link.startswith("#") and link not in own] == []
    assert [link for link in outside if not (DOCS / link.partition("#")[0]).exists()] == []


def headings(page: str) -> list[str]:
    return re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", page, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)


def test_an_output_that_is_not_true_is_noticed_and_can_be_written_anew(tmp_path: Path) -> None:
    page = "```console\nalice$ peer-relay token\nprt1-aa\nalice$ echo $?\n1\n```\n"
    told = [(step.command, printed) for step, printed in play(page, World(tmp_path.resolve() / "world"))]
    assert [(command, normalised(printed)) for command, printed in told] == [
        ("peer-relay token", "<token>\n"),
        ("echo $?", "0\n"),
    ]
    assert rewritten(page, World(tmp_path.resolve() / "again")) == page.replace("\n1\n", "\n0\n")
