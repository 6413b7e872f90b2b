"""The root of the tree of errors."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar


def _rebuild(cls: type[PeerRelayError], fields: dict[str, Any]) -> PeerRelayError:
    return cls(**fields)


@dataclass(eq=False, kw_only=True)
class PeerRelayError(Exception):
    """The root of the tree. Keyword fields only; hashable by identity; picklable."""

    retryable: ClassVar[bool] = False

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by the keyword fields, because `Exception` alone would pickle by positional arguments."""
        return _rebuild, (type(self), {each.name: getattr(self, each.name) for each in fields(self)})

    def __str__(self) -> str:
        """Return the sentence for a person or a model."""
        return "Something went wrong in peer-relay."
