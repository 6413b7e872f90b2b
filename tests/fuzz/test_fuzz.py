"""Every target of `make fuzz` for a moment, and every finding of a long run for ever."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.claims import claim
from tests.fuzz.inputs import changed
from tests.fuzz.targets import TARGETS

FINDINGS: dict[str, tuple[bytes, ...]] = {
    # A number after what is white space for `strip` and not for `float`.
    "status": (b"r\xf5\n\n\x1e0",),
}
"""What was found once, by target."""


@pytest.mark.parametrize("name", TARGETS)
def test_what_a_target_is_meant_for_passes(name: str) -> None:
    for seed in (*TARGETS[name].seeds, *FINDINGS.get(name, ()), b""):
        TARGETS[name].run(seed)


@claim("I9")
@pytest.mark.parametrize("name", TARGETS)
@given(data=st.data())
# Most of the time of an example is hypothesis's own.
@settings(max_examples=min(settings().max_examples, 25))
def test_whatever_comes_only_our_own_errors_leave(name: str, data: st.DataObject) -> None:
    TARGETS[name].run(data.draw(changed(TARGETS[name].seeds)))
