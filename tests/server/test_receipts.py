"""What confirms an answer and what does not (I7)."""

from __future__ import annotations

import pytest

from peer_relay.server.receipts import Receipts
from tests.claims import claim


def write(receipts: Receipts, request_id: int | str, *question_ids: str) -> None:
    """Play the result of a request that shows answers."""
    receipts.show(request_id, question_ids)
    with receipts.last_byte_of(request_id):
        pass


@claim("I7")
def test_a_request_confirms_all_results_from_before_it_and_each_once() -> None:
    receipts = Receipts()
    write(receipts, 1, "a", "b")
    write(receipts, 2, "c")
    assert receipts.request_read(3, receipts.moment()) == {"a", "b", "c"}
    assert receipts.request_read(4, receipts.moment()) == frozenset()


@claim("I7")
def test_a_request_whose_first_byte_came_before_the_result_confirms_it_not() -> None:
    receipts = Receipts()
    write(receipts, 1, "a")
    moment = receipts.moment()
    write(receipts, 2, "b")
    assert receipts.request_read(3, moment) == {"a"}
    assert receipts.request_read(4, receipts.moment()) == {"b"}


@claim("I7")
def test_a_result_that_is_not_completely_written_is_not_confirmed() -> None:
    receipts = Receipts()
    receipts.show(1, ["a"])
    assert receipts.request_read(2, receipts.moment()) == frozenset()


@claim("I7")
@pytest.mark.parametrize("cancelled_as", [1, "1"])
def test_a_cancelled_result_is_never_confirmed_however_far_it_came(cancelled_as: int | str) -> None:
    before, between, after = Receipts(), Receipts(), Receipts()
    before.cancelled(cancelled_as)
    write(before, 1, "a")
    between.show(1, ["a"])
    between.cancelled(cancelled_as)
    with between.last_byte_of(1):
        pass
    write(after, 1, "a")
    after.cancelled(cancelled_as)
    assert [each.request_read(2, each.moment()) for each in (before, between, after)] == [frozenset()] * 3


def test_an_id_may_be_used_again_after_it_was_cancelled() -> None:
    receipts = Receipts()
    receipts.cancelled(1)
    receipts.request_read(1, receipts.moment())
    write(receipts, 1, "a")
    assert receipts.request_read(2, receipts.moment()) == {"a"}


def test_a_result_that_shows_nothing_confirms_nothing() -> None:
    receipts = Receipts()
    with receipts.last_byte_of(1):
        pass
    assert receipts.moment() == 1
    assert receipts.request_read(2, 1) == frozenset()


def test_a_result_whose_last_byte_fails_does_not_count_as_written() -> None:
    receipts = Receipts()
    receipts.show(1, ["a"])
    with pytest.raises(OSError, match="gone"), receipts.last_byte_of(1):
        raise OSError("gone")
    assert receipts.request_read(2, receipts.moment()) == frozenset()
