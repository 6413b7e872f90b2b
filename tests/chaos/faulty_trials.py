"""One call in which an operation on a file fails, and what must hold afterwards."""

from __future__ import annotations

import traceback
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dulwich.repo import Repo

from peer_relay.errors import PeerRelayError
from tests.chaos.killing_trials import is_swept
from tests.chaos.killing_worlds import BRANCH, UNREAD, name_in_subject, name_of

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from peer_relay.relay import Relay
    from tests.chaos.killing_worlds import World

SCENARIOS = (
    ("known", "ask"),
    ("known", "read"),
    ("new", "ask"),
    ("up to date", "answer"),
    ("up to date", "ask"),
    ("up to date", "read"),
    ("new", "read"),
    ("queued", "deliver"),
    ("queued, never reached", "deliver"),
    ("torn", "read"),
)


@dataclass(frozen=True)
class Finding:
    """What went wrong, at which operation."""

    number: int
    operation: str
    what: str


@dataclass(frozen=True)
class Outcome:
    """What a call said.

    Attributes:
        delivered: what it said of its record, if it said something.
        error: the sentence of its error.
        read: the names of the questions whose answers were counted as read.
        silent: whether it gave a list and said nothing beside it.
        bug: the traceback of what must not be raised.
    """

    delivered: bool | None = None
    error: str = ""
    read: frozenset[str] = frozenset()
    silent: bool = False
    bug: str = ""


def try_once(
    world: World, before: Counter[str], scenario: tuple[str, str], faults: AbstractContextManager[object]
) -> str | None:
    """Make a call while something fails, and return the first thing that is wrong then or afterwards."""
    situation, action = scenario
    queued_before = world.queued()
    relay = world.relay("alice")
    with faults:
        outcome = _call(relay, action)
    if outcome.bug:
        return outcome.bug
    stored, queued = stored_in(world), world.queued()
    unread = UNREAD.get(situation, {"alice-0", "alice-1"})
    if outcome.silent and outcome.read != unread:
        return f"it listed the answers to {sorted(outcome.read)} without a word about the others"
    if wrong := _untrue(outcome, action, stored, queued):
        return wrong
    accepted = {*before, *queued_before} | ({action} if outcome.delivered is not None else set())
    try:
        maybe = unread if action == "read" and outcome.error else set()
        return _goes_on(world, relay, accepted, unread - outcome.read, maybe)
    except Exception:  # noqa: BLE001 - whatever it is, it is what is to be found
        return f"{outcome}; then {traceback.format_exc()}"


def stored_in(world: World) -> Counter[str]:
    """Return the names of all records of the branch's history; quicker than by git, which others ask."""
    with Repo(str(world.repository)) as repository:
        walk = repository.get_walker([repository.refs[BRANCH.encode()]])
        subjects = (each.commit.message.decode().partition("\n")[0] for each in walk)
        return Counter(name for each in subjects if (name := name_in_subject(each)))


def _call(relay: Relay, action: str) -> Outcome:
    try:
        return _act(relay, action)
    except PeerRelayError as error:
        return Outcome(error=str(error))
    except BaseException:  # noqa: BLE001 - the same
        return Outcome(bug=traceback.format_exc())


def _act(relay: Relay, action: str) -> Outcome:
    if action == "ask":
        return Outcome(delivered=relay.ask("ask: ?").delivered)
    if action == "answer":
        listing = relay.questions()
        if not listing.items:
            return Outcome(
                error="; ".join(listing.notes), bug="" if listing.notes else "no question, and no word of it"
            )
        waiting = listing.items[0]
        return Outcome(delivered=relay.answer(waiting.question_id, "answer: !").delivered)
    if action == "deliver":
        relay.deliver()
        return Outcome()
    listing = relay.answers()
    items = listing.items
    ids = [each.question_id for each in items]
    relay.mark_shown(ids)
    relay.mark_read(ids)
    return Outcome(read=frozenset(name_of(each.question) for each in items), silent=not listing.notes)


def _untrue(outcome: Outcome, action: str, stored: Counter[str], queued: set[str]) -> str | None:
    if outcome.delivered is True and action not in stored:
        return "it was told to be delivered, and is not in the mailbox"
    if outcome.delivered is False and action not in {*stored, *queued}:
        return "it was told to be queued, and is nowhere"
    if action in ("ask", "answer") and outcome.delivered is None and action in {*stored, *queued}:
        return f"it was told to have failed ({outcome.error}), and is in the mailbox or the outbox"
    return None


def _goes_on(world: World, relay: Relay, accepted: set[str], unread: set[str], maybe: set[str]) -> str | None:
    """Go on without faults: in the same process, then in another one, then on the other side and back.

    Args:
        world: where it goes on.
        relay: the process in which something failed.
        accepted: what has to be in the mailbox at the end.
        unread: the questions whose answers were not read by then.
        maybe: those of them that were perhaps counted as read, by a call that failed in the middle of it.
    """
    if not relay.deliver():
        return "the outbox is not empty after the next delivery"
    alice, bob = world.relay("alice"), world.relay("bob")
    sent = alice.ask("next: ?")
    if not sent.delivered:
        return f"the next question is not delivered: {sent.notes}"
    for waiting in bob.questions().items:
        bob.answer(waiting.question_id, "to: !")
    stored = stored_in(world)
    expected = accepted | {"next"}
    del stored["to"]
    if stored != Counter(dict.fromkeys(expected, 1)):
        return f"the mailbox holds {dict(stored)} and not each of {sorted(expected)} once"
    listing = alice.answers()
    shown = {name_of(each.question) for each in listing.items}
    due = unread | {each for each in expected if each in {"ask", "next"} or each.startswith("queued-")}
    if not due >= shown >= due - maybe or listing.notes:
        return f"unread are {shown} and not {due}, with the notes {listing.notes}"
    return _left_over(world, shown)


def _left_over(world: World, unread: set[str]) -> str | None:
    known, clone = world.state.load(), world.clone
    if problem := clone.problem(known.snapshot.tip if known else None):
        return f"the clone is damaged: {problem}"
    if locks := [*clone.stale_locks(), *(each for each in world.repository.rglob("*.lock") if not is_swept(each))]:
        return f"locks are left: {locks}"
    if len(world.state.asked.ids()) != len(unread):
        return f"{len(world.state.asked.ids())} answers are waited for, and {len(unread)} are unread"
    return None
