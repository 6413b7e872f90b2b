"""The room against the checkpoint: found, the right two, and nothing rewritten; looked at without changing anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from peer_relay.doctor.findings import Finding, State, failed, info, ok
from peer_relay.doctor.room import check_history, check_room
from peer_relay.errors import (
    BranchDeleted,
    HistoryRewritten,
    MailboxError,
    PeerNotInRoom,
    RefusedCommit,
    RoomNotFound,
    Unreachable,
    UnsupportedFormat,
)
from peer_relay.ledger import Ledger
from peer_relay.paths import Kind, Place
from peer_relay.store import Arrival, Refreshed, Refusal, Snapshot
from tests.claims import claim
from tests.store.benches import ROOM

if TYPE_CHECKING:
    from collections.abc import Callable

TIP = "ab" * 20
SNAPSHOT = Snapshot(TIP, Ledger(ROOM))


def raising(error: Exception) -> Callable[[], Refreshed]:
    def look() -> Refreshed:
        raise error

    return look


def test_a_room_is_told_with_its_two_and_its_format() -> None:
    found = check_room(lambda: Refreshed(SNAPSHOT), "bob")
    assert found == ok("alice and bob, you are bob; format 1, not signed.")


def test_a_room_that_is_not_there_or_is_anothers_needs_an_invite() -> None:
    missing = RoomNotFound(remote="it")
    assert check_room(raising(missing), "bob") == failed(missing.what, fix="peer-relay join")
    anothers = PeerNotInRoom(peer_id="carol", peers=("alice", "bob"))
    assert check_room(lambda: Refreshed(SNAPSHOT), "carol") == failed(anothers.what, fix="peer-relay join")


@pytest.mark.parametrize(
    "error", [RefusedCommit(commit=TIP, reason="it is odd"), UnsupportedFormat(found="2", newer=True)]
)
def test_a_room_that_is_refused_at_first_sight_says_why(error: MailboxError) -> None:
    assert check_room(raising(error), "bob") == failed(error.what, advice=error.remedy)


def test_a_mailbox_that_went_away_meanwhile_is_left_to_whoever_asked() -> None:
    with pytest.raises(Unreachable):
        check_room(raising(Unreachable(remote="it", reason="the network is down")), "bob")


@claim("I6")
@pytest.mark.parametrize(
    "error",
    [RefusedCommit(commit=TIP, reason="it is odd"), HistoryRewritten(commit=TIP), BranchDeleted(commit=TIP)],
)
def test_a_branch_that_is_not_accepted_is_a_failure_by_name(error: MailboxError) -> None:
    found: Finding = check_history(Refreshed(SNAPSHOT, refusal=Refusal(None, error)), TIP)
    assert found == failed(error.what, advice=error.remedy)
    assert "`peer-relay restore`" in error.remedy
    assert found.state is State.FAILED


def test_a_history_that_goes_on_is_well() -> None:
    arrival = Arrival(TIP, Place("0" * 26, "alice", Kind.QUESTION))
    assert check_history(Refreshed(SNAPSHOT), TIP) == ok("Nothing was rewritten; nothing is new.")
    assert check_history(Refreshed(SNAPSHOT, (arrival,)), TIP) == ok("Nothing was rewritten; 1 record to be fetched.")


def test_without_a_checkpoint_nothing_is_claimed_about_the_past() -> None:
    expected = "Exact at its tip. There is nothing yet that it could be compared with."
    assert check_history(Refreshed(SNAPSHOT), None) == info(expected)
