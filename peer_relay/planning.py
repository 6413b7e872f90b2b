"""What one push would take out of the outbox. It decides nothing for ever: it is planned again on each new state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from peer_relay.errors import AlreadyAnswered, AlreadyAsked, IllegalStep, RequestError, TooManyOpen
from peer_relay.records import Question

if TYPE_CHECKING:
    from collections.abc import Sequence

    from peer_relay.ledger import Ledger, Step
    from peer_relay.outbox import OutboxEntry


@dataclass(frozen=True)
class Plan:
    """What one push would do.

    Attributes:
        entries: the records that go, in the order of acceptance.
        steps: the same as steps of the room, with the archive steps that the rule demands.
        waiting: whether a question waits for room.
        impossible: what can never go in, with the reason.
    """

    entries: tuple[OutboxEntry, ...]
    steps: tuple[Step, ...]
    waiting: bool
    impossible: tuple[tuple[OutboxEntry, str], ...]


def plan_push(entries: Sequence[OutboxEntry], ledger: Ledger, at_most: int) -> Plan:
    """Plan as many records as may go in one push. None of them is at the tip."""
    steps: list[Step] = []
    going: list[OutboxEntry] = []
    impossible: list[tuple[OutboxEntry, str]] = []
    waiting = False
    for entry in entries:
        if len(going) == at_most:
            break
        try:
            more, ledger = _plan_one(ledger, entry)
        except TooManyOpen:
            waiting = True  # it waits for room; answers behind it may go
        except (AlreadyAnswered, AlreadyAsked):
            pass  # another one ahead of it in this push has its place; what becomes of that one decides
        except (RequestError, IllegalStep) as error:
            impossible.append((entry, error.what))
        else:
            steps += more
            going.append(entry)
    return Plan(tuple(going), tuple(steps), waiting, tuple(impossible))


def _plan_one(ledger: Ledger, entry: OutboxEntry) -> tuple[tuple[Step, ...], Ledger]:
    if isinstance(entry.record, Question):
        return ledger.plan_ask(entry.record)
    return ledger.plan_answer(entry.record, entry.author)
