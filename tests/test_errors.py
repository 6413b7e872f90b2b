"""The error tree as a whole: every class keeps the same promises, also those that are added later.

What the texts are like is the matter of `test_error_catalogue`.
"""

from __future__ import annotations

import dataclasses
import pickle
import types
import typing
from typing import Any, Union

import pytest

from peer_relay import errors
from peer_relay.errors import LocalError, MailboxError, PeerRelayError, RequestError, TransportError

SAMPLES: dict[type, Any] = {str: "sample", int: 7, float: 2.5, bool: True, bytes: b"sample", type(None): None}
BRANCHES = (RequestError, MailboxError, TransportError, LocalError)


def family(root: type[PeerRelayError]) -> list[type[PeerRelayError]]:
    return [root, *(member for child in root.__subclasses__() for member in family(child))]


def sample(hint: Any) -> Any:
    """Return a value of an annotated type, made of the samples."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):
        return sample(arguments[0])
    if origin is tuple:
        return tuple(sample(argument) for argument in arguments if argument is not Ellipsis)
    if issubclass(hint, tuple):
        return hint(**{name: sample(each) for name, each in typing.get_type_hints(hint).items()})
    return SAMPLES[hint]


def build(cls: Any) -> Any:
    """Return an error with a sample in every field."""
    hints = typing.get_type_hints(cls)
    return cls(**{field.name: sample(hints[field.name]) for field in dataclasses.fields(cls)})


every_error = pytest.mark.parametrize("error", family(PeerRelayError), ids=lambda cls: cls.__name__)


def test_every_exception_of_the_module_is_in_the_tree() -> None:
    defined = {cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, BaseException)}
    assert defined == set(family(PeerRelayError))


@every_error
def test_an_error_says_whose_fault_it_is(error: type[PeerRelayError]) -> None:
    assert sum(issubclass(error, branch) for branch in BRANCHES) == (error is not PeerRelayError)


@every_error
def test_an_error_takes_keywords_only(error: type[PeerRelayError]) -> None:
    assert [field.name for field in dataclasses.fields(error) if not field.kw_only] == []
    with pytest.raises(TypeError):
        error("positional")


@every_error
def test_an_error_is_hashable_by_identity(error: type[PeerRelayError]) -> None:
    one, other = build(error), build(error)
    assert {one, one, other} == {other, one}
    assert len({one, other}) == 2


@every_error
def test_an_error_survives_pickling(error: type[PeerRelayError]) -> None:
    original = build(error)
    copy = pickle.loads(pickle.dumps(original))  # noqa: S301 - pickled a moment ago
    assert (type(copy), str(copy), vars(copy)) == (error, str(original), vars(original))


@every_error
def test_an_error_says_what_happened_and_what_to_do_and_nothing_more(error: type[PeerRelayError]) -> None:
    one = build(error)
    assert str(one) == f"{one.what} {one.remedy}"
    assert [cls for cls in family(PeerRelayError)[1:] if "__str__" in vars(cls)] == []


@every_error
def test_an_error_that_is_raised_has_texts_of_its_own(error: type[PeerRelayError]) -> None:
    has_own = {"what", "remedy"} <= vars(error).keys()
    assert has_own == (error not in BRANCHES)


@every_error
def test_the_advice_of_an_error_is_its_remedy(error: type[PeerRelayError]) -> None:
    if "advice" in {field.name for field in dataclasses.fields(error)}:
        assert build(error).remedy == "sample"


@every_error
def test_whether_to_try_again_is_known_of_the_class(error: type[PeerRelayError]) -> None:
    assert isinstance(error.retryable, bool)
    assert "retryable" not in {field.name for field in dataclasses.fields(error)}


@every_error
def test_an_error_has_a_docstring_of_its_own(error: type[PeerRelayError]) -> None:
    generated = f"{error.__name__}("
    assert error.__doc__ is not None
    assert not error.__doc__.startswith(generated)
