"""The judge of a trial sees what is wrong: without that, its silence would say nothing."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from tests.damage.trial import Outcome, Seen, Told, judge, kind_of

TRUTH = Seen(
    online={"questions": Told(("one", "two"))}, later={"questions": Told(("one",))}, mailbox=Counter({"Why?": 1})
)


def judged(**changes: object) -> Outcome:
    return judge(replace(TRUTH, **changes), TRUTH, "checkpoint")  # type: ignore[arg-type]


def test_what_is_as_on_an_undamaged_machine_is_healed() -> None:
    assert judged() == Outcome("checkpoint", healed=True, sentence=None, wrong=(), lost=())


def test_a_part_of_the_truth_is_fair_only_with_a_sentence() -> None:
    assert judged(online={"questions": Told(("two",), "It is damaged.")}).wrong == ()
    assert len(judged(online={"questions": Told(("two",))}).wrong) == 1


def test_what_is_refused_in_the_end_is_not_healed() -> None:
    outcome = judged(later={"questions": Told((), "It is damaged.")})
    assert outcome == Outcome("checkpoint", healed=False, sentence="It is damaged.", wrong=(), lost=())


@pytest.mark.parametrize(
    "changes",
    [
        {"online": {"questions": Told(("three",), "It is damaged.")}},
        {"online": {"questions": Told(("one", "two", "three"))}},
        {"mailbox": Counter({"Why?": 2})},
        {"mailbox": Counter({"Why?": 1, "Wh!?": 1})},
        {"broken": ["questions ended with KeyError"]},
    ],
    ids=["another item", "one too many", "twice in the mailbox", "another text in the mailbox", "another error"],
)
def test_what_is_shown_or_sent_and_should_not_be_is_wrong(changes: dict[str, object]) -> None:
    assert len(judged(**changes).wrong) == 1


@pytest.mark.parametrize("changes", [{"mailbox": Counter()}, {"problem": "it is not a git repository any more"}])
def test_what_is_missing_in_the_end_without_a_sentence_is_lost(changes: dict[str, object]) -> None:
    assert len(judged(**changes).lost) == 1


def test_every_file_of_a_home_is_of_one_kind() -> None:
    state = "rooms/duphlmqjg6ppk7fb/alice"
    found = [kind_of(f"{state}/{name}") for name in ("clone/shallow", "clone/objects/pack/pack-1.idx", "outbox/x.json")]
    assert found == ["clone's own file", "pack index", "outbox record"]
