"""`peer-relay outbox`: what waits is listed, and only a person throws something away."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from peer_relay.cli import commands
from peer_relay.outbox import DamagedFile, OutboxEntry, Status
from peer_relay.paths import Kind, Place
from tests.cli.support import FakeRelay, exchange, run

QUESTION = exchange(1).question
REFUSED = OutboxEntry(
    1, Place(QUESTION.id, "alice", Kind.QUESTION), QUESTION, "alice", status=Status.REFUSED, words="pre-receive: no"
)
QUEUED = OutboxEntry(2, Place(exchange(2).question.id, "alice", Kind.QUESTION), exchange(2).question, "alice")


@pytest.fixture
def filled(relay: FakeRelay) -> FakeRelay:
    relay.waiting = (REFUSED, QUEUED)
    return relay


def test_each_record_is_listed_with_what_became_of_it(filled: FakeRelay) -> None:
    shown = run("outbox")
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert shown.stdout == (
        f"{QUESTION.id}  question  refused\n    pre-receive: no\n{QUEUED.place.question_id}  question  queued\n"
    )


def test_an_empty_outbox_says_that_all_is_well(relay: FakeRelay) -> None:
    shown = run("outbox")
    assert (shown.exit_code, shown.stdout, shown.stderr) == (0, "", "note: everything is delivered.\n")


DAMAGED = DamagedFile("00000009-odd.json", Path("/state/outbox/00000009-odd.json"), "Wh\ufffd\x1b[2Jy?\n" + "a" * 3000)
HOW = "note: a damaged file is not sent. Ask or answer anew, then throw it away with `peer-relay outbox --drop NAME`.\n"


def test_a_damaged_file_is_shown_with_what_can_be_read_of_it_and_nothing_of_it_acts(relay: FakeRelay) -> None:
    relay.broken = (DAMAGED, replace(DAMAGED, name="x\udc80\x1b.json", text=""))
    shown = run("outbox")
    assert (shown.exit_code, shown.stderr) == (0, HOW)
    assert shown.stdout.splitlines() == [
        "00000009-odd.json  damaged",
        "    in /state/outbox",
        "    what can be read of it, unchecked:",
        "    Wh\ufffd\ufffd[2Jy?",
        f"    {'a' * 1990}…",
        "x\ufffd\ufffd.json  damaged",
        "    in /state/outbox",
    ]


def test_a_damaged_file_is_thrown_away_by_its_name(relay: FakeRelay) -> None:
    relay.broken = (DAMAGED,)
    shown = run("outbox", "--drop", DAMAGED.name, "--yes")
    assert (shown.exit_code, shown.stdout) == (0, f"{DAMAGED.name} was thrown away.\n")
    assert relay.acts == [f"drop damaged {DAMAGED.name}", "close"]


def test_a_name_that_no_damaged_file_has_is_a_sentence(filled: FakeRelay) -> None:
    shown = run("outbox", "--drop", "00000001-not-there.json", "--yes")
    assert (shown.exit_code, shown.stdout) == (1, "")
    assert shown.stderr == (
        "error: No damaged file of that name is in the outbox. `peer-relay outbox` lists those that are.\n"
    )


def test_a_program_gets_an_object_for_each_record_and_for_each_file_that_cannot_be_read(filled: FakeRelay) -> None:
    filled.broken = (DAMAGED,)
    shown = run("outbox", "--json")
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert [json.loads(line) for line in shown.stdout.splitlines()] == [
        {"question_id": QUESTION.id, "kind": "question", "status": "refused", "words": "pre-receive: no"},
        {"question_id": QUEUED.place.question_id, "kind": "question", "status": "queued", "words": None},
        {"damaged": DAMAGED.name, "path": str(DAMAGED.path), "text": DAMAGED.text},
    ]


def test_a_program_is_told_nothing_of_an_empty_outbox_and_the_id_of_what_it_dropped(relay: FakeRelay) -> None:
    assert run("outbox", "--json").output == ""
    relay.waiting = (REFUSED,)
    shown = run("outbox", "--json", "--drop", QUESTION.id, "--yes")
    assert (json.loads(shown.stdout), shown.stderr, relay.acts[-2]) == (
        {"dropped": QUESTION.id},
        "",
        f"drop {QUESTION.id}",
    )


def test_retry_tries_once_more_and_shows_what_is_left(filled: FakeRelay) -> None:
    shown = run("outbox", "--retry", QUESTION.id)
    assert (shown.exit_code, shown.stdout) == (0, f"{QUEUED.place.question_id}  question  queued\n")
    assert filled.acts == [f"retry {QUESTION.id}", "deliver", "close"]


def test_drop_with_yes_throws_it_away(filled: FakeRelay) -> None:
    shown = run("outbox", "--drop", f" {QUESTION.id.lower()}", "--yes")  # as somebody may paste it
    assert (shown.exit_code, shown.stdout) == (0, f"{QUESTION.id} was thrown away.\n")
    assert filled.acts == [f"drop {QUESTION.id}", "close"]


def test_where_nobody_can_be_asked_drop_needs_yes(filled: FakeRelay) -> None:
    shown = run("outbox", "--drop", QUESTION.id)
    assert (shown.exit_code, filled.acts) == (2, ["close"])
    assert "--drop needs --yes where nobody can be asked." in shown.stderr


@pytest.mark.parametrize(("reply", "status", "acts"), [("y", 0, [f"drop {QUESTION.id}"]), ("n", 1, []), ("", 1, [])])
def test_on_a_terminal_drop_asks(
    filled: FakeRelay, monkeypatch: pytest.MonkeyPatch, reply: str, status: int, acts: list[str]
) -> None:
    monkeypatch.setattr("peer_relay.cli.outbox.on_terminal", lambda: True)
    shown = run("outbox", "--drop", QUESTION.id, given=f"{reply}\n")
    assert (shown.exit_code, filled.acts) == (status, [*acts, "close"])
    assert "Nobody will see it [y/N]" in shown.stderr
    assert ("Nothing was thrown away." in shown.stderr) == (status == 1)


def test_ctrl_c_at_the_question_throws_nothing_away(filled: FakeRelay, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_prompt: str = "") -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("peer_relay.cli.outbox.on_terminal", lambda: True)
    monkeypatch.setattr("click.termui.visible_prompt_func", interrupt)
    with pytest.raises(SystemExit) as end:
        commands(["outbox", "--drop", QUESTION.id], prog_name="peer-relay")
    assert (end.value.code, filled.acts) == (130, ["close"])


@pytest.mark.parametrize("option", ["--retry", "--drop"])
def test_an_id_that_is_not_there_is_a_sentence(filled: FakeRelay, option: str) -> None:
    shown = run("outbox", option, exchange(9).question.id, "--yes")
    assert shown.exit_code == 1
    assert shown.stderr == (
        f"error: No record of {exchange(9).question.id} is set aside. `peer-relay outbox` lists those that are.\n"
    )


def test_retry_and_drop_exclude_each_other(filled: FakeRelay) -> None:
    shown = run("outbox", "--retry", QUESTION.id, "--drop", QUESTION.id)
    assert (shown.exit_code, filled.acts) == (2, [])
    assert "--retry and --drop exclude each other." in shown.stderr
