"""The error of a request whose text looks as if it held a secret; nothing was stored."""

from __future__ import annotations

from typing import NamedTuple

from peer_relay.errors.request import RequestError

_SHOWN = 2


class Secret(NamedTuple):
    """Where something looks like a secret: `kind` and `field` have their articles, `line` is counted from 1."""

    kind: str
    field: str
    line: int

    def __str__(self) -> str:
        """Return the clause, such as `a GitHub token (line 3 of the question)`."""
        return f"{self.kind} (line {self.line} of {self.field})"


class SecretFound(RequestError):
    """A text looks as if it held secrets, and git never forgets. `found` names them, never their text.

    `command` is the one by which a person can send it all the same; None if nobody may.
    """

    found: tuple[Secret, ...]
    command: str | None

    @property
    def what(self) -> str:
        """Name the kind and the place of the first few."""
        shown = ", ".join(map(str, self.found[:_SHOWN]))
        more = len(self.found) - _SHOWN
        return f"Nothing was stored, because it seems to hold {shown}{f' and {more} more' if more > 0 else ''}."

    @property
    def remedy(self) -> str:
        """Say that it has to go, and who may decide otherwise."""
        if self.command is None:
            return "Take it out: a room token, an invite or a login for a mailbox is never sent."
        return (
            "Take it out, or say where it is kept; if it is harmless, a person can send it by "
            f"`peer-relay {self.command} --allow-secret`."
        )
