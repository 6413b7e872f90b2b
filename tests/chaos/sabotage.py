"""Faults of the program itself, built in on purpose: the harness has to find each, or it proves nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from peer_relay.contact import Contacts
from peer_relay.delivery import Delivery
from peer_relay.errors import OutcomeUnknown
from peer_relay.git.store import GitStore
from peer_relay.relay import Relay

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def forget_before_the_push() -> None:
    """Have a record out of the outbox while it is pushed, and so lose it if the process ends in that moment."""
    publish = Delivery._publish

    def careless(self: Delivery, plan: Any, known: Any, run: Any) -> Any:
        for entry in plan.entries:
            self._state.outbox.remove(entry)
        try:
            return publish(self, plan, known, run)
        finally:
            for entry in plan.entries:
                if entry.name not in run.delivered:
                    self._state.outbox.save(entry)

    Delivery._publish = careless  # type: ignore[method-assign]


def take_an_unknown_outcome_for_a_success() -> None:
    """Believe that a push whose reply was lost was carried out."""
    push = GitStore._push

    def trusting(self: GitStore, *arguments: Any) -> None:
        try:
            push(self, *arguments)
        except OutcomeUnknown:
            return

    GitStore._push = trusting  # type: ignore[assignment, method-assign]


def give_a_lost_question_a_new_id() -> None:
    """Send a record whose push was not confirmed again as a new one, as a script without I3 would."""
    ask = Relay.ask

    def repeating(self: Relay, *arguments: Any) -> Any:
        sent = ask(self, *arguments)
        return sent if sent.delivered else ask(self, *arguments)

    Relay.ask = repeating  # type: ignore[assignment, method-assign]


def skip_the_search() -> None:
    """Try again after a lost reply without looking whether the record is there."""
    Delivery._find = lambda *_: {}  # type: ignore[method-assign]


def count_as_read_when_shown() -> None:
    """Count an answer as read as soon as it is handed out, and so never show again what did not arrive."""

    def eager(self: Relay, question_ids: Iterable[str]) -> None:
        self.mark_read(question_ids)

    Relay.mark_shown = eager  # type: ignore[method-assign]


def say_nothing_of_staleness() -> None:
    """Show what was known before without a word about it."""
    make = Contacts.make

    def silent(self: Contacts, deadline: Any) -> Any:
        contact = make(self, deadline)
        return type(contact)(contact.known, None, contact.blocked)

    Contacts.make = silent  # type: ignore[method-assign]


SABOTAGES: dict[str, Callable[[], None]] = {
    sabotage.__name__: sabotage
    for sabotage in (
        forget_before_the_push,
        take_an_unknown_outcome_for_a_success,
        give_a_lost_question_a_new_id,
        skip_the_search,
        count_as_read_when_shown,
        say_nothing_of_staleness,
    )
}
