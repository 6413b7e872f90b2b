"""The root of the tree of errors, and how an error becomes a text."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar


def _rebuild(cls: type[PeerRelayError], fields: dict[str, Any]) -> PeerRelayError:
    return cls(**fields)


@dataclass(eq=False, kw_only=True)
class PeerRelayError(Exception):
    """The root of the tree. Keyword fields only; hashable by identity; picklable.

    A subclass says `what` happened and gives the `remedy`, one whole sentence each. Where the remedy depends on who
    raises it, the class has a field `advice` for it.
    """

    retryable: ClassVar[bool] = False

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by the keyword fields, because `Exception` alone would pickle by positional arguments."""
        return _rebuild, (type(self), {each.name: getattr(self, each.name) for each in fields(self)})

    @property
    def what(self) -> str:
        """What happened."""
        return "Something went wrong in peer-relay."

    @property
    def remedy(self) -> str:
        """What to do about it, or that nothing has to be done."""
        return "Do the same once more, and report it if it happens again."

    def __str__(self) -> str:
        """Return both sentences, for a person or a model."""
        return f"{self.what} {self.remedy}"


def in_quotes(words: str) -> str:
    """Return somebody else's words in quotation marks, so that it is clear where they end."""
    return '"' + words.replace('"', "'") + '"'
