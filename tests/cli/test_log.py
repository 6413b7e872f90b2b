"""`peer-relay log`: readable for people, one object a line for programs, and nothing that acts on a terminal."""

from __future__ import annotations

import json

import pytest

from tests.claims import claim
from tests.cli.support import FakeRelay, exchange, run


def test_an_exchange_reads_from_the_question_to_the_sources(relay: FakeRelay) -> None:
    relay.exchanged = (exchange(hint="src/auth.py", text="Why 15 minutes?\n\nAnd why not 30?"),)
    shown = run("log")
    question = relay.exchanged[0].question
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert shown.stdout == (
        f"{question.asked_at[:10]} {question.asked_at[11:16]}  alice asks  {question.id}\n"
        "    Why 15 minutes?\n\n    And why not 30?\n"
        "    context: src/auth.py\n"
        "2026-11-23 10:00  bob answers\n"
        "    Because.\n"
        "    source: docs/a.md\n    source: src/b.py:7\n"
    )


def test_a_question_without_an_answer_is_marked_open(relay: FakeRelay) -> None:
    relay.exchanged = (exchange(answered=False),)
    assert run("log").stdout.endswith("    Why?\n    open: not answered yet\n")


def test_the_newest_fifty_are_shown_and_the_newest_is_last(relay: FakeRelay) -> None:
    relay.exchanged = tuple(exchange(number) for number in range(60))
    newest = [each.question.id for each in relay.exchanged[10:]]
    lines = run("log", "--json").stdout.splitlines()
    assert [json.loads(line)["question_id"] for line in lines] == newest
    assert run("log").stdout.count("alice asks") == 50
    assert relay.acts == ["exchanges whole_history=False", "close"] * 2


def test_all_means_the_whole_history(relay: FakeRelay) -> None:
    relay.exchanged = tuple(exchange(number) for number in range(60))
    assert len(run("log", "--all", "--json").stdout.splitlines()) == 60
    assert relay.acts == ["exchanges whole_history=True", "close"]


def test_json_has_every_field_on_every_line(relay: FakeRelay) -> None:
    relay.exchanged = (exchange(0, hint="here", text="Größe 🙂\n?"), exchange(1, answered=False))
    answered, still_open = (json.loads(line) for line in run("log", "--json").stdout.splitlines())
    question = relay.exchanged[0].question
    assert answered == {
        "question_id": question.id,
        "asker": "alice",
        "question": "Größe 🙂\n?",
        "context_hint": "here",
        "asked_at": question.asked_at,
        "answerer": "bob",
        "answer": "Because.",
        "sources": ["docs/a.md", "src/b.py:7"],
        "answered_at": "2026-11-23T10:00:00.000Z",
    }
    nothing_yet = ("context_hint", "answerer", "answer", "sources", "answered_at")
    assert {name for name, value in still_open.items() if value is None} == set(nothing_yet)
    assert list(still_open) == list(answered)


@pytest.mark.parametrize("arguments", [["log"], ["log", "--json"]])
def test_notes_go_to_standard_error(relay: FakeRelay, arguments: list[str]) -> None:
    relay.exchanged, relay.notes = (exchange(),), ("The mailbox was last reached a day ago.",)
    shown = run(*arguments)
    assert shown.stderr == "note: The mailbox was last reached a day ago.\n"
    assert "a day ago" not in shown.stdout


def test_an_empty_room_prints_nothing_to_standard_output(relay: FakeRelay) -> None:
    shown = run("log")
    assert (shown.exit_code, shown.stdout) == (0, "")
    assert shown.stderr == "note: no question has been asked in this room yet.\n"


@claim("I9")
def test_a_text_that_slipped_through_cannot_act_on_the_terminal(relay: FakeRelay) -> None:
    evil = "red \x1b[31m bell \x07 back\rforth \x9b \u202e end\r\ntab\t"
    one = exchange(answered=False)
    slipped = one.question.model_copy(update={"question": evil, "asker_id": "al\x1bice"})
    relay.exchanged, relay.notes = (type(one)(slipped, None, None),), (evil,)
    shown = run("log")
    text = "red \ufffd[31m bell \ufffd back\ufffdforth \ufffd \ufffd end\n{indent}tab\t\n"
    assert text.format(indent="    ") in shown.stdout
    assert shown.stderr == "note: " + text.format(indent="")
    assert [each for each in "\x1b\x07\r\x9b\u202e" if each in shown.output] == []
