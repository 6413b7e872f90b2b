"""The root of the tree of errors, and how an error becomes a text."""

from __future__ import annotations

from dataclasses import MISSING, Field, dataclass, fields
from typing import Any, ClassVar, dataclass_transform

_written_out = dataclass(init=False, repr=False, eq=False, match_args=False, kw_only=True)
"""Makes a class a dataclass and generates none of its methods."""


def _rebuild(cls: type[PeerRelayError], fields: dict[str, Any]) -> PeerRelayError:
    return cls(**fields)


@dataclass_transform(eq_default=False, kw_only_default=True)
@_written_out
class PeerRelayError(Exception):
    """The root of the tree. Keyword fields only; hashable by identity; picklable.

    A subclass says `what` happened and gives the `remedy`, one whole sentence each. Where the remedy depends on who
    raises it, the class has a field `advice` for it.

    Every class of the tree is a dataclass without a decorator. Its methods are those here and not generated ones,
    because compiling those of some forty classes took a short command a tenth of its time.
    """

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
    retryable: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        """Make the class a dataclass."""
        _written_out(cls)

    def __init__(self, **given: Any) -> None:  # noqa: ANN401 - type checkers see the fields of the class instead
        for each in fields(self):
            value = given.pop(each.name, each.default)
            if value is MISSING:
                raise TypeError(f"{type(self).__name__} needs {each.name}")
            setattr(self, each.name, value)
        if given:
            raise TypeError(f"{type(self).__name__} has no {', '.join(given)}")

    def __repr__(self) -> str:
        """Return the class with its fields."""
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self._values().items())})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by the keyword fields, because `Exception` alone would pickle by positional arguments."""
        return _rebuild, (type(self), self._values())

    def _values(self) -> dict[str, Any]:
        return {each.name: getattr(self, each.name) for each in fields(self)}

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
