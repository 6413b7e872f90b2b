"""The checker finds every broken promise, and none where there is none. A rule that cannot fail would prove nothing."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.chaos import history
from tests.chaos.checker import RULES, Finding, Left, Stored, check
from tests.chaos.history import Event

if TYPE_CHECKING:
    from collections.abc import Sequence

QUESTION, REPLY, SECOND_REPLY = "Why?", "Because.", "For no reason."


class Story:
    """Writes a history, call by call."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def invoke(self, session: str, kind: str, **more: Any) -> int:
        """Begin a call and return its number."""
        call = len(self.events)
        self._add(session, kind, history.INVOKED, call, **more)
        return call

    def end(self, call: int, phase: str, **more: Any) -> None:
        """Tell the outcome of a call."""
        began = self.events[call]
        self._add(began.session, began.kind, phase, call, **more)

    def call(self, session: str, kind: str, phase: str, *, text: str | None = None, **more: Any) -> None:
        """Make a call and tell its outcome at once."""
        asked = more.pop("answers", None)
        self.end(self.invoke(session, kind, text=text, question_id=asked), phase, **more)

    def _add(self, session: str, kind: str, phase: str, call: int, **more: Any) -> None:
        machine, n = session.partition("#")[0], len(self.events)
        peer = machine.partition("/")[0]
        self.events.append(Event(n, n / 10, kind, phase, session, machine, peer, call, **more))


def a_calm_run() -> tuple[list[Event], list[Stored]]:
    """Return a run in which alice asks, bob answers, and alice sees it and goes on."""
    story = Story()
    story.call("alice/0#1", "ask", history.DELIVERED, text=QUESTION, question_id="Q1")
    story.call("bob/0#1", "check_questions", history.RETURNED, shown=(("Q1", QUESTION),))
    story.call("bob/0#1", "log", history.RETURNED, view=(("Q1", False),))
    story.call("bob/0#1", "answer", history.QUEUED, text=REPLY, answers="Q1")
    story.call("alice/0#1", "check_answers", history.RETURNED, shown=(("Q1", REPLY),))
    story.call("alice/0#1", "log", history.RETURNED, view=(("Q1", True),))
    return story.events, [Stored(False, "Q1", "alice", QUESTION), Stored(True, "Q1", "bob", REPLY)]


def rules_broken(events: Sequence[Event], stored: Sequence[Stored], **left: Left) -> set[str]:
    """Return the names of the rules that a run breaks."""
    return {
        finding.rule for finding in check(events, stored, {name.replace("_", "/"): one for name, one in left.items()})
    }


def test_nothing_is_wrong_with_a_calm_run() -> None:
    events, stored = a_calm_run()
    assert check(events, stored, {"alice/0": Left(), "bob/0": Left()}) == []


def test_a_record_that_was_told_to_be_delivered_and_is_not_there_is_lost() -> None:
    events, stored = a_calm_run()
    assert check(events, stored[:0], {})[0] == Finding(
        "what_was_delivered_is_there", "alice/0#1 was told that 'Why?' is delivered, and it is lost"
    )


def test_a_record_that_was_told_to_be_queued_and_never_arrives_is_lost() -> None:
    events, stored = a_calm_run()
    assert "what_was_queued_arrives" in rules_broken(events, stored[:1])


def test_a_queued_answer_may_come_second() -> None:
    events, stored = a_calm_run()
    story = Story()
    story.events = events
    story.call("bob/1#1", "answer", history.DELIVERED, text=SECOND_REPLY, answers="Q1")
    shown = [replace(each, shown=(("Q1", SECOND_REPLY),)) if each.kind == "check_answers" else each for each in events]
    assert rules_broken(shown, [stored[0], Stored(True, "Q1", "bob", SECOND_REPLY)]) == set()


@pytest.mark.parametrize("where", ["stored", "queued", "set aside"])
def test_a_record_that_was_told_to_be_refused_may_be_nowhere(where: str) -> None:
    events, stored = a_calm_run()
    refused = [replace(each, phase="refused") if each.phase == history.QUEUED else each for each in events]
    left = {"queued": Left(queued=frozenset({REPLY})), "set aside": Left(set_aside=frozenset({REPLY}))}
    there = stored if where == "stored" else stored[:1]
    assert "what_was_refused_is_nowhere" in rules_broken(refused, there, bob_0=left.get(where, Left()))


@pytest.mark.parametrize(
    "more",
    [
        Stored(False, "Q2", "alice", QUESTION),
        Stored(True, "Q1", "bob", SECOND_REPLY),
        Stored(True, "Q9", "bob", SECOND_REPLY),
    ],
    ids=["a record twice", "two answers", "an answer without its question"],
)
def test_nothing_may_be_there_twice(more: Stored) -> None:
    events, stored = a_calm_run()
    assert "nothing_is_there_twice" in rules_broken(events, [*stored, more])


def test_nobody_may_write_in_the_name_of_the_other() -> None:
    events, stored = a_calm_run()
    forged = [stored[0], stored[1]._replace(author="alice")]
    assert rules_broken(events, forged) == {"everything_was_written_by_its_author"}


@pytest.mark.parametrize("left", [Left(queued=frozenset({"x"})), Left(set_aside=frozenset({"x"}))])
def test_nothing_may_be_stuck_at_the_end(left: Left) -> None:
    assert rules_broken(*a_calm_run(), bob_0=left) == {"nothing_is_stuck"}


def test_two_questions_of_a_machine_may_not_change_places() -> None:
    story = Story()
    for text in ("First", "Second"):
        story.call("alice/0#1", "ask", history.QUEUED, text=text, question_id=text)
    stored = [Stored(False, text, "alice", text) for text in ("First", "Second")]
    assert rules_broken(story.events, stored) == set()
    assert rules_broken(story.events, stored[::-1]) == {"questions_keep_their_order"}


def test_questions_that_were_asked_at_the_same_time_have_no_order() -> None:
    story = Story()
    calls = [story.invoke(f"alice/0#{text}", "ask", text=text) for text in ("First", "Second")]
    for call in calls:
        story.end(call, history.DELIVERED)
    assert rules_broken(story.events, [Stored(False, text, "alice", text) for text in ("Second", "First")]) == set()


@pytest.mark.parametrize("kind", ["check_questions", "check_answers"])
def test_no_reader_may_be_shown_another_text(kind: str) -> None:
    events, stored = a_calm_run()
    changed = [replace(each, shown=(("Q1", "Oops"),)) if each.kind == kind else each for each in events]
    assert rules_broken(changed, stored) == {"what_is_shown_is_what_was_written"}


def viewed(*views: tuple[tuple[tuple[str, bool], ...], bool]) -> set[str]:
    """Return what is broken when somebody sees these views, each of them stale or not, after a calm run."""
    events, stored = a_calm_run()
    story = Story()
    story.events = events
    for view, stale in views:
        story.call("bob/0#2", "log", history.RETURNED, view=view, stale=stale)
    return rules_broken(story.events, stored)


def test_a_view_must_be_a_prefix_of_the_branch() -> None:
    assert viewed(((("Q2", False),), True)) == {"views_are_prefixes_that_grow"}


def test_a_reader_may_not_go_backwards_even_if_it_says_that_it_is_old() -> None:
    assert viewed(((("Q1", True),), False), ((("Q1", False),), True)) == {"views_are_prefixes_that_grow"}


def test_a_view_that_is_old_must_say_so() -> None:
    assert viewed(((("Q1", False),), True)) == set()
    events, stored = a_calm_run()
    delivered = [replace(each, phase="delivered") if each.phase == history.QUEUED else each for each in events]
    story = Story()
    story.events = delivered
    story.call("bob/0#2", "log", history.RETURNED, view=(("Q1", False),))
    assert rules_broken(story.events, stored) == {"views_are_prefixes_that_grow"}


def test_a_view_shows_what_the_archive_leaves_at_the_tip() -> None:
    ids = [f"{number:04}" for number in range(514)]
    stored = [each for i in ids for each in (Stored(False, i, "alice", i), Stored(True, i, "bob", f"re {i}"))]
    story = Story()
    for i in ids:
        story.call("alice/0#1", "ask", history.DELIVERED, text=i, question_id=i)
        story.call("bob/0#1", "answer", history.DELIVERED, text=f"re {i}", answers=i)
    story.call("alice/0#1", "check_answers", history.RETURNED, shown=tuple((i, f"re {i}") for i in ids))
    # With the 512th answer the tip is full; the next record takes all but the newest 256 off it.
    story.call("alice/0#1", "log", history.RETURNED, view=tuple((i, True) for i in ids[256:]))
    assert rules_broken(story.events, stored) == set()
    story.call("alice/0#1", "log", history.RETURNED, view=tuple((i, True) for i in ids))
    assert rules_broken(story.events, stored) == {"views_are_prefixes_that_grow"}


def test_a_look_that_does_not_say_that_it_is_old_may_not_overlook_a_question() -> None:
    events, stored = a_calm_run()
    for changes, is_broken in (({"shown": ()}, True), ({"shown": (), "stale": True}, False)):
        blind = [replace(each, **changes) if each.shown == (("Q1", QUESTION),) else each for each in events]
        assert rules_broken(blind, stored) == ({"no_question_is_overlooked"} if is_broken else set())


def test_a_question_that_a_session_of_the_same_peer_is_answering_need_not_be_shown() -> None:
    events, stored = a_calm_run()
    story = Story()
    story.events = events
    story.call("bob/1#1", "check_questions", history.RETURNED)
    assert rules_broken(story.events, stored) == set()


def test_a_look_that_does_not_say_that_it_is_old_may_not_overlook_an_answer() -> None:
    story = Story()
    story.call("alice/0#1", "ask", history.DELIVERED, text=QUESTION, question_id="Q1")
    story.call("bob/0#1", "answer", history.DELIVERED, text=REPLY, answers="Q1")
    for more in ({"stale": True}, {"more": 1}, {}):
        story.call("alice/0#1", "check_answers", history.RETURNED, **more)
        stored = [Stored(False, "Q1", "alice", QUESTION), Stored(True, "Q1", "bob", REPLY)]
        expected = set() if more else {"no_answer_is_overlooked"}
        assert rules_broken(story.events, stored) - {"every_answer_reaches_its_asker"} == expected


def test_an_answer_that_was_shown_before_its_writer_heard_that_it_is_delivered_is_not_missed_later() -> None:
    story = Story()
    story.call("alice/0#1", "ask", history.DELIVERED, text=QUESTION, question_id="Q1")
    answering = story.invoke("bob/0#1", "answer", text=REPLY, question_id="Q1")
    story.call("alice/0#1", "check_answers", history.RETURNED, shown=(("Q1", REPLY),))
    story.end(answering, history.DELIVERED)
    story.call("alice/0#1", "check_answers", history.RETURNED)
    stored = [Stored(False, "Q1", "alice", QUESTION), Stored(True, "Q1", "bob", REPLY)]
    assert rules_broken(story.events, stored) == set()


def test_an_answer_that_never_reaches_its_asker_is_lost() -> None:
    events, stored = a_calm_run()
    unseen = [replace(each, shown=()) if each.kind == "check_answers" else each for each in events]
    assert rules_broken(unseen, stored, alice_0=Left(unread=frozenset({"Q1"}))) == {"every_answer_reaches_its_asker"}


def test_an_answer_may_count_as_read_only_after_another_request_of_the_session_that_was_shown_it() -> None:
    events, stored = a_calm_run()
    ended = events[:-2]
    assert rules_broken(ended, stored, alice_0=Left()) == {"every_answer_reaches_its_asker"}
    assert rules_broken(ended, stored, alice_0=Left(unread=frozenset({"Q1"}))) == set()


def test_no_call_may_take_longer_than_its_limit() -> None:
    events, stored = a_calm_run()
    slow = [replace(each, seconds=2.0, limit_s=1.5) if each.kind == "log" else each for each in events]
    assert rules_broken(slow, stored) == {"every_call_ends_in_time"}


def test_every_rule_has_been_seen_to_be_broken() -> None:
    broken_here = set(re.findall(r'"([a-z_]+)"', Path(__file__).read_text(encoding="utf-8")))
    assert [rule.__name__ for rule in RULES if rule.__name__ not in broken_here] == []


def test_a_history_can_be_kept_and_judged_again(tmp_path: Path) -> None:
    events, _ = a_calm_run()
    history.write(tmp_path / "history.jsonl", events)
    assert history.read(tmp_path / "history.jsonl") == events
