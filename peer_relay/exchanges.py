"""Questions with their answers, read from wherever in the history they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from peer_relay.paths import Kind, Place
from peer_relay.store import Arrival

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from peer_relay.deadline import Deadline
    from peer_relay.ledger import Ledger
    from peer_relay.records import Answer, Question
    from peer_relay.store import Snapshot, Store


@dataclass(frozen=True)
class Exchange:
    """A question, and its answer if there is one.

    Attributes:
        question: the question's record; its asker is in it.
        answer: the answer's record, or None while the question is open.
        answerer: the peer that answered, or None.
    """

    question: Question
    answer: Answer | None
    answerer: str | None


@dataclass(frozen=True)
class Whereabouts:
    """Where an exchange can be read.

    Attributes:
        commit: a verified commit whose tree holds it.
        asker: the peer that asked.
        answered: whether the answer is there too.
    """

    commit: str
    asker: str
    answered: bool


def at_tip(snapshot: Snapshot, question_id: str) -> Whereabouts | None:
    """Return where an exchange is if the tip holds it."""
    asker = snapshot.ledger.asker_of(question_id)
    return None if asker is None else Whereabouts(snapshot.tip, asker, question_id in snapshot.ledger.answered)


def find_archived(
    store: Store, snapshot: Snapshot, ids: Collection[str], deadline: Deadline, since: str | None = None
) -> dict[str, Whereabouts]:
    """Look exchanges up in history, going back no further than needed.

    The tree of the commit that added an answer holds its question as well.

    Args:
        store: the mailbox.
        snapshot: where to begin.
        ids: what to look for.
        deadline: by when to return.
        since: a commit up to which history is known not to hold them.

    Raises:
        MailboxError, TransportError: as `Store.walk` says.
    """
    found: dict[str, Whereabouts] = {}
    wanted = set(ids)
    for arrival in store.walk(snapshot, deadline, since):
        place = arrival.place
        if place.question_id in wanted:
            wanted.discard(place.question_id)
            found[place.question_id] = Whereabouts(arrival.commit, place.asker, place.kind is Kind.ANSWER)
            if not wanted:
                break
    return found


def everywhere(store: Store, snapshot: Snapshot, deadline: Deadline) -> dict[str, Whereabouts]:
    """Return where every exchange of the room is, in the order in which the questions were asked.

    Raises:
        MailboxError, TransportError: as `Store.walk` says.
    """
    found: dict[str, Whereabouts] = {}
    order: list[str] = []
    for arrival in store.walk(snapshot, deadline):
        place = arrival.place
        found.setdefault(place.question_id, Whereabouts(arrival.commit, place.asker, place.kind is Kind.ANSWER))
        if place.kind is Kind.QUESTION:
            order.append(place.question_id)
    return {question_id: found[question_id] for question_id in reversed(order)}


def read_exchanges(
    store: Store, places: Mapping[str, Whereabouts], ledger: Ledger, deadline: Deadline
) -> dict[str, Exchange]:
    """Read exchanges.

    Args:
        store: the mailbox.
        places: where each is, by its id.
        ledger: the room, to tell who answers whom.
        deadline: by when to return.

    Raises:
        MailboxError, TransportError: as `Store.read` says.
    """
    wanted = [
        Arrival(where.commit, Place(question_id, where.asker, kind))
        for question_id, where in places.items()
        for kind in ((Kind.QUESTION, Kind.ANSWER) if where.answered else (Kind.QUESTION,))
    ]
    records = dict(zip((each.place for each in wanted), store.read(wanted, deadline), strict=True))
    return {
        question_id: Exchange(
            question=cast("Question", records[Place(question_id, where.asker, Kind.QUESTION)]),
            answer=cast("Answer | None", records.get(Place(question_id, where.asker, Kind.ANSWER))),
            answerer=ledger.other(where.asker) if where.answered else None,
        )
        for question_id, where in places.items()
    }
