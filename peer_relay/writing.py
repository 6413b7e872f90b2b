"""The records that a peer writes: made of what a face was given, and looked through before anything keeps them.

1. No record that looks as if it held a secret leaves here, unless a person allowed that. Whatever keeps or sends a
   record, the outbox first of all, comes later.
2. A room token and a login for a mailbox never leave here, whoever allows it (I10).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from peer_relay.errors import Secret, SecretFound
from peer_relay.ids import ulid_ms
from peer_relay.records import Answer, Question, make
from peer_relay.times import format_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from peer_relay.clock import Clock
    from peer_relay.guard.known import KnownSecret


class Writer:
    """Makes the records of one peer in one room.

    Args:
        me: the peer's id.
        room_id: the room's.
        clock: for times and ids.
        known: gives what this machine knows to be secret; asked for each record.
    """

    def __init__(self, me: str, room_id: str, clock: Clock, known: Callable[[], Iterable[KnownSecret]]) -> None:
        self._me = me
        self._room_id = room_id
        self._clock = clock
        self._known = known

    def question(self, question: str, context_hint: str | None, *, allow_secret: bool) -> tuple[Question, list[str]]:
        """Return a new question, and a note for each secret that was allowed.

        Raises:
            InvalidRecord, ClockUnusable: it cannot be stored.
            SecretFound: it looks as if it held a secret.
        """
        question_id = self._clock.new_id()
        record = make(
            Question,
            id=question_id,
            room=self._room_id,
            asker_id=self._me,
            question=question,
            context_hint=context_hint,
            asked_at=format_ms(ulid_ms(question_id)),
        )
        fields = {"the question": question, "the context hint": context_hint or ""}
        return record, self._look_through(fields, "ask", allow_secret=allow_secret)

    def answer(
        self, question_id: str, answer: str, sources: Sequence[str], *, allow_secret: bool
    ) -> tuple[Answer, list[str]]:
        """Return an answer, and a note for each secret that was allowed.

        Raises:
            InvalidRecord, ClockUnusable: it cannot be stored.
            SecretFound: it looks as if it held a secret.
        """
        record = make(
            Answer,
            id=question_id,
            room=self._room_id,
            answer=answer,
            sources=tuple(sources),
            answered_at=format_ms(self._clock.now_ms()),
        )
        fields = {"the answer": answer, **{f"source {number}": each for number, each in enumerate(sources, 1)}}
        return record, self._look_through(fields, "answer", allow_secret=allow_secret)

    def _look_through(self, fields: dict[str, str], command: str, *, allow_secret: bool) -> list[str]:
        from peer_relay.guard.scan import find_secrets  # noqa: PLC0415 - for those who write alone

        known = tuple(self._known())
        found = [(name, each) for name, text in fields.items() for each in find_secrets(text, known)]
        secrets = tuple(Secret(each.kind, name, each.line) for name, each in found)
        is_own = any(each.is_own for _, each in found)
        if secrets and (is_own or not allow_secret):
            raise SecretFound(found=secrets, command=None if is_own else command)
        return [f"It was taken although it seems to hold {each}." for each in secrets]
