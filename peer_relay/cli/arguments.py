"""Values on the command line: a question's id as people paste it, completed from the disk; a length of time."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from peer_relay.cli.command import Manners
from peer_relay.errors import PeerRelayError
from peer_relay.ids import ULID_PATTERN, ulid_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from peer_relay.standing import Standing


class QuestionId(click.ParamType[str]):
    """An id, with spaces around it and in small letters if need be.

    Args:
        offered: which ids completion offers, by how things stand in the room.
    """

    name = "ID"

    def __init__(self, offered: Callable[[Standing], Iterable[str]]) -> None:
        self._offered = offered

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the id in the form in which it is stored; what cannot be one is wrong usage."""
        question_id = value.strip().upper()
        if re.fullmatch(ULID_PATTERN, question_id) is None:
            self.fail("must be an id of 26 letters and digits, as `peer-relay log` shows it.", param, ctx)
        return question_id

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002 - click's signature
        """Offer the ids that are known on this machine, without any contact; nothing if that cannot be read."""
        from peer_relay.cli.moments import ago  # noqa: PLC0415 - only completion needs these here
        from peer_relay.cli.offline import look_at_disk  # noqa: PLC0415
        from peer_relay.clock import Clock  # noqa: PLC0415

        try:
            known = look_at_disk(lambda _: None, ctx.find_root().ensure_object(Manners).room)
        except PeerRelayError:
            return []
        now_ms = Clock().now_ms()
        ids = dict.fromkeys(self._offered(known.standing))
        begun = incomplete.strip().upper()
        return [CompletionItem(i, help=f"asked {ago(ulid_ms(i), now_ms)}") for i in ids if i.startswith(begun)]


class QuestionIdOrFile(QuestionId):
    """The same, or the name of a damaged file of the outbox."""

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the id in the form in which it is stored, or the name as it is."""
        return value if {"-", "."} & set(value) else super().convert(value, param, ctx)


WAITING = QuestionId(lambda standing: standing.waiting)
"""A question that waits for an answer from here."""

OWN = QuestionId(lambda standing: (*standing.unread, *standing.unanswered))
"""A question that was asked from here; unread answers first."""

ANY = QuestionId(lambda standing: (*standing.unread, *standing.waiting, *standing.unanswered))
"""A question of either side."""


def _set_aside(standing: Standing) -> Iterable[str]:
    return (each.place.question_id for each in standing.outbox if each.status == "refused")


SET_ASIDE = QuestionId(_set_aside)
"""The question of a record that the mailbox refused."""

DROPPABLE = QuestionIdOrFile(_set_aside)
"""The same, or a damaged file of the outbox."""


class Seconds(click.FloatRange):
    """A length of time. `nan` is a number for Python, and in no range and out of none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:  # noqa: ANN401 - click's signature
        """Return the number of seconds."""
        seconds: float = super().convert(value, param, ctx)
        if math.isnan(seconds):
            self.fail("must be a number of seconds.", param, ctx)
        return seconds
