"""The documents against the program: every table, file and command of the README is compared with the real
thing, and so are the layers in CONTRIBUTING and the list of decisions.

The README's example room is made again from the files that it shows, so every id and every output of git in it is
checked to the byte.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import subprocess
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest

from peer_relay import app
from peer_relay.cli import COMMANDS, commands
from peer_relay.cli.command import GLOBAL_OPTIONS
from peer_relay.config import RelayConfig
from peer_relay.records import (
    MAX_ANSWER,
    MAX_CONTEXT_HINT,
    MAX_QUESTION,
    MAX_SOURCES,
    MAX_SOURCES_TOGETHER,
    Answer,
    Question,
    Room,
    parse,
)
from peer_relay.server.tools import FACES, schema_of
from peer_relay.settings import DEFAULT_TIMEOUT_S, LONGEST_TIMEOUT_S, SHORTEST_TIMEOUT_S, Settings
from peer_relay.times import parse_ms
from tests import independent
from tests.claims import claim
from tests.cli.support import program
from tests.servers import create_repository
from tests.source import sources
from tests.test_imports import LAYERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Shell = Callable[[Sequence[str]], list[str]]

ROOT = Path(__file__).parents[1]
README = ROOT.joinpath("README.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    """Return the text from a heading to the next one of its level or above."""
    level = re.search(rf"^(#+) {re.escape(title)}$", README, re.MULTILINE)
    assert level is not None, title
    rest = README[level.end() :]
    end = re.search(rf"^#{{1,{len(level[1])}}} ", rest, re.MULTILINE)
    return rest[: end.start()] if end else rest


def rows(title: str) -> list[list[str]]:
    """Return the cells of the first table of a section, without its head."""
    lines = section(title).split("\n")
    first = next(number for number, line in enumerate(lines) if line.startswith("|"))
    table = []
    for line in lines[first + 2 :]:
        if not line.startswith("|"):
            break
        table.append([cell.strip() for cell in line.strip("|").split("|")])
    return table


def blocks(title: str, language: str) -> list[str]:
    """Return the code blocks of a language in a section."""
    return re.findall(rf"^```{language}\n(.*?)^```$", section(title), re.MULTILINE | re.DOTALL)


def quoted(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


# ---------------------------------------------------------------------------------------------------------------------
# Tables


def test_the_settings_table_names_every_variable_of_the_program_and_no_other() -> None:
    named = {name for row in rows("Settings") for name in quoted(row[0])}
    source = "".join(sources().values())
    own = {f"PEER_RELAY_{each.name.upper()}" for each in dataclasses.fields(Settings)}
    own |= set(re.findall(r"\bPEER_RELAY_[A-Z]+(?:_[A-Z]+)*\b", source))
    assert {name for name in named if name.startswith("PEER_RELAY_")} == own
    others = {*("GITHUB_TOKEN", "GH_TOKEN", "GIT_SSH_COMMAND", "GIT_SSH", "SSL_CERT_FILE", "GIT_SSL_CAINFO")}
    others |= {*("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"), *(f"{kind}_proxy" for kind in ("http", "https", "all", "no"))}
    assert named - own == others
    assert [name for name in others if name not in source and not name.endswith("_proxy")] == []


def test_the_default_and_the_range_of_the_timeout_are_the_ones_that_hold() -> None:
    row = next(row for row in rows("Settings") if "PEER_RELAY_TIMEOUT" in row[0])
    expected = f"{SHORTEST_TIMEOUT_S} to {LONGEST_TIMEOUT_S}, default {DEFAULT_TIMEOUT_S:g}"
    assert expected in row[1]


def test_the_commands_table_names_every_command_with_all_its_options() -> None:
    table = {row[0].strip("`").split()[1]: set(quoted(row[1])) for row in rows("Commands")}
    context = click.Context(commands)
    real = {}
    for name in COMMANDS:
        command = commands.get_command(context, name)
        assert command is not None
        options = {each.opts[0] for each in command.params if isinstance(each, click.Option) and not each.hidden}
        real[name] = options - {each.opts[0] for each in GLOBAL_OPTIONS}
    assert (list(table), table) == (list(COMMANDS), real)


def names_of(schema: dict[str, Any]) -> Iterator[str]:
    """Yield the fields of a result in their order, each list followed by the fields of its items."""
    for name, field in schema["properties"].items():
        yield name
        yield from names_of(field["items"]) if "properties" in field.get("items", {}) else ()


def test_the_tools_have_the_arguments_and_results_of_the_table() -> None:
    real = []
    for face in FACES:
        arguments = schema_of(face.arguments)
        required = arguments.get("required", [])
        given = [name if name in required else f"{name}?" for name in arguments["properties"]]
        real.append([[face.name], given, list(names_of(schema_of(face.result)))])
    assert [[quoted(cell) for cell in row] for row in rows("The four tools")] == real


def test_the_limits_are_the_ones_that_hold() -> None:
    said = " ".join(section("Limits").split())
    assert f"A question has at most {MAX_QUESTION:,} characters, its context hint {MAX_CONTEXT_HINT}," in said
    assert f"an answer {MAX_ANSWER:,}; at most {MAX_SOURCES} sources with {MAX_SOURCES_TOGETHER:,} characters" in said


# ---------------------------------------------------------------------------------------------------------------------
# Links


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)]+)\)", README))))
def test_a_link_leads_somewhere(link: str) -> None:
    headings = re.findall(r"^#+ (.+)$", README, re.MULTILINE)
    anchors = {"#" + re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}
    assert link in anchors or (ROOT / link).is_file()


# ---------------------------------------------------------------------------------------------------------------------
# What can be copied


def test_the_agent_configurations_are_those_of_the_examples() -> None:
    examples = [ROOT / "examples" / f"dev-{side}.mcp.json" for side in "ab"]
    assert blocks("Configuration by variables", "json") == [path.read_text(encoding="utf-8") for path in examples]


@pytest.mark.usefixtures("unmeasured_processes")
def test_the_excerpt_of_the_demonstration_is_what_it_prints() -> None:
    (excerpt,) = re.findall(r"^```text\n(  alice > ask_peer.*?)^```$", README, re.MULTILINE | re.DOTALL)
    done = program("demo")
    assert (done.returncode, excerpt in done.stdout) == (0, True)


@pytest.fixture(scope="module")
def stored() -> dict[str, Any]:
    """Give the three files that the README shows, as their text and as records."""
    texts = blocks("What is stored", "json")
    models: tuple[type[Any], ...] = (Room, Question, Answer)
    return {"texts": texts, "records": [parse(model, text.encode()) for model, text in zip(models, texts, strict=True)]}


@pytest.fixture
def mailbox(tmp_path: Path, stored: dict[str, Any]) -> Path:
    """Make the README's room again, from its files alone, with the other implementation of the format."""
    opened, question, answer = stored["records"]
    path = create_repository(tmp_path / "mailbox.git")
    room = independent.Room(path, peers=opened.peers)
    room.open(parse_ms(opened.created_at))
    room.ask(question.id, question.asker_id, question.question, question.context_hint)
    room.answer(question.id, answer.answer, answer.sources, parse_ms(answer.answered_at))
    return path


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """Give a shell: it runs lines in one session and returns what each of them printed."""

    def run(lines: Sequence[str]) -> list[str]:
        mark = "-- next --"
        script = "\n".join(f"{line}\necho '{mark}'" for line in lines)
        done = subprocess.run(
            ["sh", "-eu", "-c", script], capture_output=True, cwd=tmp_path, env=os.environ, timeout=50, check=False
        )
        assert (done.returncode, done.stderr.decode()) == (0, "")
        return done.stdout.decode().split(f"{mark}\n")[:-1]

    return run


def typed(block: str) -> tuple[list[str], list[str]]:
    """Return the commands of a terminal's text, and what each of them printed."""
    starts = [match.start() for match in re.finditer(r"^\$ ", block, re.MULTILINE)]
    parts = [block[start:end] for start, end in pairwise([*starts, len(block)])]
    return [part[2:].split("\n", 1)[0] for part in parts], [part.split("\n", 1)[1] for part in parts]


AUDIT = [typed(block) for block in blocks("Audit with plain git", "console")]


@claim("trust-model")
def test_the_room_that_is_shown_is_to_the_byte_what_its_files_demand(
    mailbox: Path, shell: Shell, stored: dict[str, Any]
) -> None:
    commands_typed = [*AUDIT[0][0], *AUDIT[1][0]]
    commands_typed[0] = commands_typed[0].replace("git@github.com:alice/mailbox.git", f"'{mailbox}'")
    assert len(AUDIT[1][0]) == 4
    assert shell(commands_typed) == [*AUDIT[0][1], *AUDIT[1][1]]
    paths = [line.split()[0] for line in blocks("What is stored", "text")[0].splitlines()]
    shown = shell([f"git -C '{mailbox}' show peer-relay/{stored['records'][0].room}:{path}" for path in paths])
    assert shown == stored["texts"]


def audit(shell: Shell, mailbox: Path, room_id: str) -> list[str]:
    """Run the four commands of the README."""
    return shell([f"cd '{mailbox}'; BRANCH=peer-relay/{room_id}", *AUDIT[1][0]])[1:]


@claim("trust-model")
def test_the_four_commands_print_nothing_about_a_room_that_the_program_made(tmp_path: Path, shell: Shell) -> None:
    token, mailbox = app.new_token(), tmp_path / "made.git"
    alice, bob = (RelayConfig(remote=str(mailbox), token=token, peer_id=p, home=tmp_path / p) for p in ("alice", "bob"))
    room = app.create_room(alice, "bob", {})
    with contextlib.ExitStack() as stack:
        asking, answering = (stack.enter_context(contextlib.closing(app.open_relay(c, {}))) for c in (alice, bob))
        for number in range(3):
            sent = asking.ask(f"Question {number}?")
            assert answering.questions().items[0].question_id == sent.question_id
            assert answering.answer(sent.question_id, f"Answer {number}.").delivered
    assert audit(shell, mailbox, room.room) == ["", "", "", ""]


@claim("archive-rule")
def test_in_a_room_that_was_archived_the_fourth_command_prints_the_archive_commits(
    tmp_path: Path, shell: Shell
) -> None:
    room = independent.Room(tmp_path / "archived.git")
    with room.in_bulk():
        room.open()
        for number in range(513):
            asked = room.ask(independent.START_MS + 1000 * number, "alice", f"Question {number}?")
            room.answer(asked, f"Answer {number}.")
    *others, deletions = audit(shell, tmp_path / "archived.git", room.room_id)
    assert others == ["", "", ""]
    assert re.findall(r"^    (\w.*)$", deletions, re.MULTILINE)[::2] == ["bob archives 256 exchanges"]


def change_a_file(room: independent.Room) -> None:
    path = room.open_questions()[0]
    room.files[path] = room.write_blob(b"{}\n")


def take_a_file_away(room: independent.Room) -> None:
    del room.files[room.open_questions()[0]]


@claim("trust-model")
@pytest.mark.parametrize(("damage", "noticed_by"), [(change_a_file, 1), (take_a_file_away, 3)])
def test_a_command_shows_what_was_done_to_a_room(
    tmp_path: Path, shell: Shell, damage: Callable[[independent.Room], None], noticed_by: int
) -> None:
    room = independent.Room(tmp_path / "damaged.git")
    room.open()
    room.ask(independent.START_MS, "alice", "Why?")
    damage(room)
    damaged = room.push(room.raw_commit("alice", 1_795_340_999, "alice asks: Why?"))
    printed = audit(shell, tmp_path / "damaged.git", room.room_id)
    assert [number for number, text in enumerate(printed) if damaged in text] == [noticed_by]


@claim("trust-model")
def test_the_commands_show_a_merge_and_a_file_that_was_put_in_twice(tmp_path: Path, shell: Shell) -> None:
    room = independent.Room(tmp_path / "damaged.git")
    first = room.open()
    room.ask(independent.START_MS, "alice", "Why?")
    path, files = room.open_questions()[0], dict(room.files)
    for without in (True, False):
        room.files = {name: blob for name, blob in files.items() if not without or name != path}
        room.push(room.raw_commit("alice", 1_795_340_999, "alice asks: Why?"))
    merge = room.push(room.raw_commit("alice", 1_795_340_999, "merge", parents=[room.commit_ids[-1], first]))
    merges, _, twice, deletions = audit(shell, tmp_path / "damaged.git", room.room_id)
    assert (merges, twice) == (f"{merge}\n", f"{path}\n")
    assert room.commit_ids[2] in deletions


def test_every_block_of_json_is_valid() -> None:
    found = re.findall(r"^```json\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert [type(json.loads(block)) for block in found] == [dict] * 5


def test_the_layers_in_contributing_are_those_that_are_enforced() -> None:
    text = ROOT.joinpath("CONTRIBUTING.md").read_text(encoding="utf-8")
    table = re.findall(r"^\| (\w+) \| (`.+?`) \|", text.partition("| layer |")[2], re.MULTILINE)
    shown = {layer: set(quoted(modules)) for layer, modules in table if layer in LAYERS}
    assert list(shown) == list(reversed(LAYERS))
    assert shown == {name: set(layer.modules) - {"__init__"} for name, layer in LAYERS.items()}


def test_every_decision_is_in_the_list_under_its_title() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = re.findall(
        r"^\| \[(\d{4})\]\((.+?)\) \| (.+?) \| accepted \|$", (folder / "README.md").read_text(), re.MULTILINE
    )
    titles = {path.name: path.read_text(encoding="utf-8").split("\n")[0] for path in sorted(folder.glob("[0-9]*.md"))}
    assert {name: f"# {number}. {title}" for number, name, title in listed} == titles
