"""What the pages of docs/ show is what the program does: their commands are run, and their outputs compared."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from tests.docs.pages import DOCS, normalised, play, rewritten, steps
from tests.docs.pictures import FOLDER, PICTURES, draw
from tests.docs.world import World

if TYPE_CHECKING:
    from pathlib import Path

README = DOCS.parent / "README.md"
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in sorted(DOCS.glob("*.md"))}
TASKS = (
    "pair",
    "ask",
    "audit",
    "signing",
    "rotate-the-token",
    "second-machine",
    "more-rooms",
    "deploy-key",
    "restore",
    "troubleshooting",
)


@pytest.fixture(autouse=True)
def _unmeasured(unmeasured_processes: None) -> None:
    """Start many programs: what they do is measured elsewhere."""


def test_there_is_a_page_for_every_task() -> None:
    assert [name for name in TASKS if name not in PAGES] == []


@pytest.mark.usefixtures("unmeasured_processes")
@pytest.mark.parametrize("name", [name for name, page in PAGES.items() if any(steps(page))])
def test_the_commands_of_a_page_print_what_it_says(name: str, tmp_path: Path) -> None:
    for step, printed in play(PAGES[name], World(tmp_path.resolve() / "world")):
        assert normalised(printed) == normalised(step.output), step.command


def test_the_quick_start_of_the_readme_prints_what_it_says(tmp_path: Path) -> None:
    world = World(tmp_path.resolve() / "world")
    world.run("alice", "gh repo create mailbox --private")
    told = list(play(README.read_text(encoding="utf-8"), world))
    assert [step.command.split()[1] for step, _ in told] == ["init", "join", "ping"]
    for step, printed in told:
        assert normalised(printed) == normalised(step.output), step.command


@pytest.mark.parametrize("name", PAGES)
def test_every_terminal_of_a_page_is_one_that_is_run(name: str) -> None:
    """A block that is no terminal, or whose prompt is mistyped, would be compared with nothing."""
    blocks = re.findall(r"^```console\n(.*?)^```$", PAGES[name], re.MULTILINE | re.DOTALL)
    assert [block for block in blocks if re.match(r"(alice|bob)\$ ", block) is None] == []
    assert [line for block in blocks for line in block.splitlines() if re.match(r"[a-z]+[$#] |[$] ", line)] == [
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


def test_a_picture_is_what_a_terminal_shows(tmp_path: Path) -> None:
    draw(tmp_path.resolve() / "world", ("status",), tmp_path)
    text = shown_in(tmp_path / "status.svg")
    assert ("alice (you) and bob" in text, "1 answer from bob" in text, "git@github.com" in text) == (True, True, True)


@pytest.mark.parametrize("name", PICTURES)
def test_the_pictures_of_the_readme_are_there_and_hold_nothing_of_the_machine_that_drew_them(name: str) -> None:
    assert f"](docs/pictures/{name}.svg)" in README.read_text(encoding="utf-8")
    picture = (FOLDER / f"{name}.svg").read_text(encoding="utf-8")
    assert [each for each in ("@font-face", sys.prefix, str(DOCS.parent)) if each in picture] == []
    assert len(shown_in(FOLDER / f"{name}.svg")) > 100


def shown_in(picture: Path) -> str:
    """Return the text of a picture, as far as it stands in one piece."""
    drawn = ET.parse(picture).iter("{http://www.w3.org/2000/svg}text")  # noqa: S314 - our own
    return "\n".join("".join(each.itertext()).replace("\xa0", " ") for each in drawn)
