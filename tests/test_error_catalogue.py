"""What every error says: one sentence of what happened and one of what to do, plain, short and without a secret."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Any

import click
import pytest
from pydantic import ValidationError

from peer_relay import errors
from peer_relay.cli import COMMANDS, commands
from peer_relay.errors import PeerRelayError
from peer_relay.server.tools import ANSWER_QUESTION, ASK_PEER, CHECK_ANSWERS, ToolFace, refusal
from tests.catalogue import SECRETS, Entry, entries
from tests.claims import claim
from tests.source import sources
from tests.test_errors import BRANCHES, family

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CATALOGUE = entries()
JARGON = re.compile(
    r"dulwich|urllib3|pydantic|filelock|pkt-line|sideband|hangup|errno|traceback|<class|object at 0x|\bb['\"]",
    re.IGNORECASE,
)
# Names of Python are jargon as they are written; "none is saved", "failed" and GitHub are words.
NAMES = re.compile(r"\bNone\b|\b(?!GitHub\b)[A-Z][a-z]+(?:[A-Z][a-z]+)+\b")
QUOTED = re.compile(r'"[^"]*"')
# What differs from case to case: quoted words, details in parentheses, paths and addresses, ids, names of variables.
VARIABLE = re.compile(r'"[^"]*"|\([^)]*\)|\S*[/@]\S*|\b[0-9a-f]{40}\b|\b[0-9A-Z]{26}\b|\b[A-Z]+(?:_[A-Z]+)+\b')
LONGEST = 230
"""The length of both sentences, in characters, without that."""


def sentences(text: str) -> list[str]:
    """Take a text apart into its sentences; what stands in quotation marks or backticks belongs to its own."""
    masked = re.sub(r'"[^"]*"|`[^`]*`|\$\{[^}]*\}', lambda match: "x" * len(match[0]), text)
    masked = re.sub(r"\b(?:e\.g|i\.e|etc|vs)\.", lambda match: "x" * len(match[0]), masked)
    ends = [match.end() for match in re.finditer(r"[.!?](?= +[A-Z`\"]|$)", masked)]
    starts = [0, *ends]
    return [text[start:end].strip() for start, end in zip(starts, [*ends, len(text)], strict=True) if text[start:end]]


def flaws(sentence: str) -> Iterator[str]:
    """Yield what is wrong with a text that is to be one sentence."""
    if len(sentences(sentence)) != 1:
        yield f"it is {len(sentences(sentence))} sentences"
    if not sentence.endswith(".") or sentence.endswith(".."):
        yield "it does not end with one full stop"
    if not sentence.isprintable():
        yield "it is not one printable line"
    if "  " in sentence or sentence != sentence.strip():
        yield "it has white space too much"
    if found := JARGON.search(sentence) or NAMES.search(QUOTED.sub("", sentence)):
        yield f"it holds jargon: {found[0]}"
    said = sentence.replace("--allow-secret", "")
    yield from (f"it holds a secret: {secret}" for secret in SECRETS if secret in said)


def flaws_of(what: str, remedy: str) -> Iterator[str]:
    """Yield what is wrong with the two sentences of an error."""
    yield from flaws(what)
    yield from flaws(remedy)
    if re.match(r"[A-Z`]", remedy) is None:
        yield "its remedy does not begin like a sentence"
    length = len(VARIABLE.sub("", f"{what} {remedy}"))
    if length > LONGEST:
        yield f"it is {length - LONGEST} characters too long"
    yield from (f"there is no such command: {typed}" for typed in commands_in(remedy) if not is_command(typed))


def commands_in(text: str) -> list[str]:
    return re.findall(r"`(peer-relay [^`]*)`", text)


def is_command(typed: str) -> bool:
    """Say whether a line, with capital letters for what differs, is one that the program takes."""
    _, name, *rest = typed.split()
    command = commands.get_command(click.Context(commands), name)
    known = {option for each in (command.params if command else ()) for option in each.opts}
    return command is not None and {each for each in rest if each.startswith("--")} <= known


@claim("secrets-never-shown", "I9", "I10")
@pytest.mark.parametrize("entry", CATALOGUE.values(), ids=CATALOGUE)
def test_an_error_is_one_sentence_of_what_happened_and_one_of_what_to_do(entry: Entry, tmp_path: Path) -> None:
    error = entry.error(tmp_path)
    assert list(flaws_of(error.what, error.remedy)) == [], str(error)


def test_every_error_is_in_the_catalogue(tmp_path_factory: pytest.TempPathFactory) -> None:
    found = {type(entry.error(tmp_path_factory.mktemp("entry"))) for entry in CATALOGUE.values()}
    assert set(family(PeerRelayError)) - found == set(BRANCHES)


@pytest.mark.parametrize(
    ("face", "arguments"),
    [
        (ASK_PEER, {"hunter2": 1}),
        (ANSWER_QUESTION, {"question_id": 1, "answer": ["hunter2"], "sources": ["a", 1]}),
        (CHECK_ANSWERS, {"wait_seconds": 111}),
    ],
)
def test_arguments_of_a_tool_that_do_not_fit_are_answered_alike(face: ToolFace, arguments: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        face.arguments.model_validate(arguments)
    what, remedy = sentences(refusal(face, caught.value))
    assert list(flaws_of(what, remedy)) == []


@pytest.mark.parametrize(
    ("what", "remedy", "flaw"),
    [
        ("It broke. Twice.", "Mend it.", "it is 2 sentences"),
        ("It broke.", "Mend it. Then go.", "it is 2 sentences"),
        ("It broke", "Mend it.", "it does not end with one full stop"),
        ("It broke..", "Mend it.", "it does not end with one full stop"),
        ("It \x1b[31mbroke.", "Mend it.", "it is not one printable line"),
        ("It\nbroke.", "Mend it.", "it is not one printable line"),
        ("It  broke.", "Mend it.", "it has white space too much"),
        ("It broke (KeyError).", "Mend it.", "it holds jargon: KeyError"),
        ("It is None.", "Mend it.", "it holds jargon: None"),
        ("It says: \"invalid b'x'\".", "Mend it.", "it holds jargon: b'"),
        ("It broke.", f"Use {SECRETS[0]}.", f"it holds a secret: {SECRETS[0]}"),
        ("It broke.", "mend it.", "its remedy does not begin like a sentence"),
        ("It broke.", f"Mend it{' and mend it' * 20}.", "it is 28 characters too long"),
        ("It broke.", "Run `peer-relay mend`.", "there is no such command: peer-relay mend"),
        ("It broke.", "Run `peer-relay log --mend`.", "there is no such command: peer-relay log --mend"),
    ],
)
def test_a_text_that_is_not_like_that_would_be_noticed(what: str, remedy: str, flaw: str) -> None:
    assert flaw in flaws_of(what, remedy)


def test_an_abbreviation_a_command_and_somebody_elses_words_end_no_sentence() -> None:
    text = 'a.example says: "No. Not now." and ${...}, e.g. This. Run `x. Y`, or Z.'
    assert sentences(text) == ['a.example says: "No. Not now." and ${...}, e.g. This.', "Run `x. Y`, or Z."]


# ---------------------------------------------------------------------------------------------------------------------
# Where errors are raised

CLAUSES = {"reason", "source"}
BEGINS = re.compile(r"[a-z0-9…\"]|HTTP|Errno")


def raised() -> Iterator[tuple[str, str, str]]:
    """Yield the module, the field and the text of each literal that an error is given in the source."""
    kinds = {cls.__name__ for cls in family(PeerRelayError)}
    for module, source in sources().items():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in kinds:
                for keyword in node.keywords:
                    if (text := text_of(keyword.value)) is not None:
                        yield module, str(keyword.arg), text


def text_of(node: ast.expr) -> str | None:
    """Return a literal text, with `…` for what is filled in at run time."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
    return None


RAISED = sorted(set(raised()))


@pytest.mark.parametrize(("module", "field", "text"), RAISED)
def test_a_clause_is_a_clause_and_an_advice_is_a_sentence(module: str, field: str, text: str) -> None:
    if field == "advice":
        assert list(flaws_of(f"{module} broke.", text)) == []
    elif field in CLAUSES:
        assert list(flaws(f"It broke: {text}.")) == []
        assert BEGINS.match(text)


def test_the_source_is_searched_for_clauses_and_advice() -> None:
    assert {"reason", "advice", "name", "act"} <= {field for _, field, _ in RAISED}
    assert len(RAISED) > 60


def test_every_command_has_a_name_that_the_check_knows() -> None:
    assert [name for name in COMMANDS if not is_command(f"peer-relay {name}")] == []
    assert errors.RoomNotFound(remote="x").remedy.count("`peer-relay ") == 2
