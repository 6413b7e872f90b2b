"""What waits, in sentences: facts alone, for one and for many."""

from __future__ import annotations

import pytest

from peer_relay.ids import ulid_ms
from peer_relay.news import ANSWERS, QUESTIONS, News
from peer_relay.standing import Standing

FIRST, SECOND = "01KAN3F8Q4T7V9X2B5D8G1J4M7", "01KAN3F8Q4T7V9X2B5D8G1J4M8"
LATER_MS = ulid_ms(FIRST) + 3 * 3_600_000


@pytest.mark.parametrize(
    ("standing", "sentences"),
    [
        (Standing("alice", "bob"), []),
        (Standing("alice", "bob", waiting=(FIRST,)), ["1 question from bob is waiting in peer-relay (for 3 hours)."]),
        (
            Standing("alice", "bob", waiting=(FIRST, SECOND)),
            ["2 questions from bob are waiting in peer-relay (the oldest for 3 hours)."],
        ),
        (
            Standing("alice", None, unread=(FIRST,)),
            [f"1 answer from the other peer to your question {FIRST} has arrived in peer-relay."],
        ),
        (
            Standing("alice", "bob", unread=(FIRST,) * 7),
            [f"7 answers from bob to your questions {', '.join([FIRST] * 5)} and 2 more have arrived in peer-relay."],
        ),
    ],
)
def test_there_is_a_sentence_for_each_kind_of_which_there_is_something(
    standing: Standing, sentences: list[str]
) -> None:
    assert News.of(standing).sentences(LATER_MS) == sentences


def test_a_kind_that_does_not_matter_is_left_out() -> None:
    standing = Standing("alice", "bob", waiting=(FIRST,), unread=(SECOND,))
    assert News.of(standing, (QUESTIONS,)) == News("bob", questions=(FIRST,))
    assert News.of(standing, (ANSWERS,)) == News("bob", answers=(SECOND,))
    assert News.of(standing).ids == {FIRST, SECOND}


def test_what_has_certain_ids_can_be_picked_out() -> None:
    news = News("bob", questions=(FIRST,), answers=(SECOND,))
    assert (news.among({SECOND}), news.among(())) == (News("bob", answers=(SECOND,)), News("bob"))
