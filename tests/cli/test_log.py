"""`peer-relay log`: which exchanges it shows, and how it reaches people, programs and files."""

from __future__ import annotations

import json
import os
import stat
import time
from typing import TYPE_CHECKING

import pytest

from peer_relay import app
from peer_relay.errors import RefusedCommit, Unreachable
from tests.claims import claim
from tests.cli.support import exchange, run
from tests.cli.talk import HOSTILE, ID_1, ID_2, ID_3, TALK, UNSEEN, TalkRelay, in_berlin, on_terminal, said, slipped
from tests.cli.talk import without_colours as plain

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from peer_relay.exchanges import Exchange
    from tests.cli.support import FakeRelay

GONE = Unreachable(remote="git.example", reason="the name is not known")


@pytest.fixture
def room(relay: FakeRelay, monkeypatch: pytest.MonkeyPatch) -> Iterator[TalkRelay]:
    """Stand the small fixed room in for the configured one; the time zone is that of Berlin."""
    talk = TalkRelay(TALK)
    with monkeypatch.context() as patch:
        patch.setattr(app, "open_relay", lambda *_, **__: talk)
        in_berlin(patch)
        yield talk
    time.tzset()


def ids(*arguments: str) -> list[str]:
    """Return the ids that `log` shows."""
    shown = run("log", "--json", *arguments)
    assert shown.exit_code == 0
    return [json.loads(line)["question_id"] for line in shown.stdout.splitlines()]


# ---------------------------------------------------------------------------------------------------------------------
# What is shown


def test_the_newest_exchange_is_last_and_nothing_is_said_besides(room: TalkRelay) -> None:
    shown = run("log")
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert [line for line in shown.stdout.splitlines() if "01M8" in line] == [ID_1, ID_2, f"{ID_3}  open"]
    assert room.acts == ["tip", "close"]


def test_json_has_every_field_on_every_line(room: TalkRelay) -> None:
    answered, _, still_open = (json.loads(line) for line in run("log", "--json").stdout.splitlines())
    question, answer = TALK[0].question, TALK[0].answer
    assert answer is not None
    assert answered == {
        "question_id": ID_1,
        "asker": "alice",
        "question": question.question,
        "context_hint": "src/auth/session.py",
        "asked_at": "2026-11-22T09:30:05.250Z",
        "answerer": "bob",
        "answer": answer.answer,
        "sources": ["docs/adr/7.md", "commit 3f9c2d1"],
        "answered_at": "2026-11-22T09:41:00.000Z",
    }
    nothing_yet = ("context_hint", "answerer", "answer", "sources", "answered_at")
    assert {name for name, value in still_open.items() if value is None} == set(nothing_yet)
    assert list(still_open) == list(answered)


@pytest.mark.parametrize(
    ("arguments", "first", "note"),
    [
        ([], 10, "10 older exchanges are left out; `--limit 60` shows all of these."),
        (["--limit", "59"], 1, "1 older exchange is left out; `--limit 60` shows all of these."),
        (["--limit", "60"], 0, ""),
        (["--all"], 0, ""),
        (["--all", "--limit", "3"], 57, "57 older exchanges are left out; `--limit 60` shows all of these."),
    ],
)
def test_the_newest_are_shown_and_how_many_are_not(
    room: TalkRelay, arguments: list[str], first: int, note: str
) -> None:
    room.exchanged = tuple(exchange(number) for number in range(60))
    assert ids(*arguments) == [each.question.id for each in room.exchanged[first:]]
    assert run("log", *arguments).stderr == (f"note: {note}\n" if note else "")
    assert set(room.acts) == {"whole history" if "--all" in arguments else "tip", "close"}


def test_open_questions_are_found_without_the_history(room: TalkRelay) -> None:
    assert (ids("--open"), ids("--open", "--all")) == ([ID_3], [ID_3])
    assert room.acts == ["tip", "close"] * 2


@pytest.mark.parametrize(
    ("when", "shown"),
    [
        ("2026-11-20", [ID_1, ID_2, ID_3]),
        ("2026-11-22T10:41", [ID_1, ID_2, ID_3]),  # when it was answered, in Berlin
        ("2026-11-22T10:42", [ID_2, ID_3]),
        (" 2026-11-24T17:20 ", [ID_2, ID_3]),
        ("3d", [ID_2, ID_3]),
        ("18h", [ID_2, ID_3]),
        ("17h", [ID_3]),
        ("3m", [ID_3]),
        ("1m", []),
        ("999999999d", [ID_1, ID_2, ID_3]),
    ],
)
def test_since_goes_by_the_question_and_by_the_answer(room: TalkRelay, when: str, shown: list[str]) -> None:
    assert ids("--since", when) == shown


@pytest.mark.parametrize(
    "when", ["", "yesterday", "3w", "-3d", "2026-02-30", "2026-11-20 10:00", "2026-11-20T25:00", "٣d"]
)
def test_a_time_that_is_none_is_wrong_usage_and_the_forms_are_named(room: TalkRelay, when: str) -> None:
    shown = run("log", f"--since={when}")
    assert (shown.exit_code, shown.stdout, room.acts) == (2, "", [])
    assert "2026-11-20 or 2026-11-20T10:00, or how long ago: 3d, 2h or 90m." in " ".join(shown.stderr.split())


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "no question has been asked in this room yet."),
        (["--open"], "no question is open."),
        (["--open", "--since", "3d"], "no question that was asked since then is open."),
        (["--since", "3d"], "nothing was asked or answered since then."),
    ],
)
@pytest.mark.parametrize("as_json", [False, True])
def test_where_there_is_nothing_standard_output_stays_empty(
    room: TalkRelay, arguments: list[str], sentence: str, as_json: bool
) -> None:
    room.exchanged = ()
    shown = run("log", *arguments, *["--json"] * as_json)
    note = json.dumps({"note": sentence}) if as_json else f"note: {sentence}"
    assert (shown.exit_code, shown.stdout, shown.stderr) == (0, "", f"{note}\n")


# ---------------------------------------------------------------------------------------------------------------------
# What was archived


def answered(number: int, day: int) -> Exchange:
    """Return an exchange with an id that grows with its number, answered on a day of November."""
    question_id = f"{ID_1[:-4]}{number:04}"
    return said(question_id, "alice", "?", answer="!", answered_at=f"2026-11-{day:02}T12:00:00.000Z")


@pytest.mark.parametrize(
    ("days", "whole"),
    [
        ([24] * 255, False),  # an archive commit leaves 256, so there was none
        ([24] * 256, True),
        ([20] * 256 + [24] * 10, True),  # the last archive commit may be of either time
        ([20] * 257 + [24] * 10, False),  # it is older than these
    ],
)
def test_the_history_is_read_if_what_was_answered_since_may_be_archived(
    room: TalkRelay, days: list[int], whole: bool
) -> None:
    room.exchanged = tuple(answered(number, day) for number, day in enumerate(days, 1))
    room.everything = (answered(0, 23), *room.exchanged)
    shown = ids("--since", "2026-11-22T23:00", "--limit", "999")
    recent = [each.question.id for each, day in zip(room.exchanged, days, strict=True) if day == 24]
    assert shown == [*[room.everything[0].question.id] * whole, *recent]
    assert room.acts == ["tip", *["whole history"] * whole, "close"]


def test_what_was_archived_and_cannot_be_fetched_is_not_left_out_silently(room: TalkRelay) -> None:
    room.exchanged, room.history = tuple(answered(number, 24) for number in range(256)), GONE
    shown = run("log", "--since", "2d", "--limit", "256", "--json")
    assert (shown.exit_code, len(shown.stdout.splitlines())) == (5, 256)
    assert [json.loads(line) for line in shown.stderr.splitlines()] == [
        {"note": f"{GONE} Archived exchanges are left out."}
    ]


def test_a_history_that_is_refused_is_an_error(room: TalkRelay) -> None:
    room.exchanged = tuple(answered(number, 24) for number in range(256))
    room.history = RefusedCommit(commit="0" * 40, reason="it merges")
    shown = run("log", "--since", "2d")
    assert (shown.exit_code, shown.stdout, shown.stderr) == (1, "", f"error: {room.history}\n")


@pytest.mark.parametrize("output", [[], ["--json"], ["--markdown", "-"]])
def test_what_is_from_before_is_shown_and_ends_with_status_five(room: TalkRelay, output: list[str]) -> None:
    room.stale, room.notes = GONE, ("This is from before.",)
    shown = run("log", *output)
    assert (shown.exit_code, ID_3 in shown.stdout, "This is from before." in shown.stderr) == (5, True, True)


# ---------------------------------------------------------------------------------------------------------------------
# A transcript


def test_a_transcript_is_put_in_place_whole(room: TalkRelay, tmp_path: Path) -> None:
    path = tmp_path / "talk.md"
    assert (run("log", "--markdown", str(path)).output, stat.S_IMODE(path.stat().st_mode)) == ("", 0o644)
    text = path.read_text(encoding="utf-8")
    assert text == run("log", "--markdown").stdout == run("log", "--markdown", "-").stdout
    assert text.startswith("# alice and bob\n")
    assert text.endswith("\n> Is the limit still 5?\n\n*Not answered yet.*\n")
    path.chmod(0o600)
    assert run("log", "--limit", "1", "--markdown", str(path)).exit_code == 0
    assert "1 exchange, 1 open; 2 older are not in it." in path.read_text(encoding="utf-8")
    assert ([each.name for each in tmp_path.iterdir()], stat.S_IMODE(path.stat().st_mode)) == (["talk.md"], 0o600)


def test_a_link_is_followed_and_a_device_is_written_to(room: TalkRelay, tmp_path: Path) -> None:
    target, link = tmp_path / "target.md", tmp_path / "link.md"
    target.write_text("old", encoding="utf-8")
    link.symlink_to(target)
    assert [run("log", "--markdown", each).output for each in (str(link), os.devnull)] == ["", ""]
    assert link.is_symlink()
    assert target.read_text(encoding="utf-8").startswith("# alice and bob\n")


@pytest.mark.parametrize("asked", [True, False])
def test_the_title_names_both_peers_as_far_as_they_are_known(room: TalkRelay, asked: bool) -> None:
    room.exchanged = TALK[2:] if asked else ()
    shown = run("log", "--markdown", "-").stdout
    assert shown.splitlines()[0] == ("# alice and bob" if asked else "# alice and the other peer")


def test_a_place_that_cannot_be_written_is_found_out_before_anything_is_read(
    room: TalkRelay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = tmp_path / "closed.md"
    closed.touch()
    monkeypatch.setattr(os, "access", lambda path, _mode: path != closed)
    for place, reason in (
        (tmp_path, "it is a folder"),
        (tmp_path / "none" / "talk.md", "its folder is not there"),
        (closed, "you may not write there"),
    ):
        shown = run("log", "--markdown", str(place))
        assert (shown.exit_code, shown.stdout) == (1, "")
        assert shown.stderr == f"error: {place} was not written: {reason}. Name a file that can be written.\n"
    assert room.acts == []


@pytest.mark.parametrize("special", [False, True])
def test_a_disk_that_is_full_leaves_the_old_transcript(
    room: TalkRelay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, special: bool
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "talk.md"
    path.write_text("old", encoding="utf-8")
    place = "/dev/full" if special else str(path)
    if not special:
        monkeypatch.setattr(os, "fsync", full)
    shown = run("log", "--markdown", place)
    assert (shown.exit_code, path.read_text(encoding="utf-8")) == (1, "old")
    assert (
        shown.stderr == f"error: {place} was not written: No space left on device. Name a file that can be written.\n"
    )
    assert [each.name for each in tmp_path.iterdir()] == ["talk.md"]


def test_a_transcript_is_not_json(room: TalkRelay) -> None:
    shown = run("log", "--markdown", "-", "--json")
    assert (shown.exit_code, json.loads(shown.stderr)["error"]["message"]) == (
        2,
        "--markdown and --json exclude each other.",
    )


# ---------------------------------------------------------------------------------------------------------------------
# Nothing comes through


@claim("I9")
@pytest.mark.parametrize("output", ["terminal", "plain", "json", "markdown"])
def test_hostile_texts_come_through_no_output(room: TalkRelay, monkeypatch: pytest.MonkeyPatch, output: str) -> None:
    room.exchanged = tuple(slipped(text, number) for number, text in enumerate(HOSTILE))
    room.notes = HOSTILE[:2]
    screen = on_terminal(monkeypatch, 80) if output == "terminal" else None
    shown = run("log", "--all", *{"json": ["--json"], "markdown": ["--markdown", "-"]}.get(output, []))
    assert shown.exit_code == 0
    written = shown.output + (plain(screen.getvalue()) if screen else "")
    assert UNSEEN.findall(written.replace("\n", "").replace("\t", "")) == []
    if output == "json":
        assert written.isascii()
        texts = [json.loads(line)["answer"] for line in shown.stdout.splitlines()]
        assert texts == list(HOSTILE)
