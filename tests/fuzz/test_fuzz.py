"""Every target of `make fuzz` for a moment, and every finding of a long run for ever."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.claims import claim
from tests.fuzz import __main__ as long_run
from tests.fuzz.inputs import changed
from tests.fuzz.targets import TARGETS, Target

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
@settings(max_examples=min(settings().max_examples, 15))
def test_whatever_comes_only_our_own_errors_leave(name: str, data: st.DataObject) -> None:
    TARGETS[name].run(data.draw(changed(TARGETS[name].seeds)))


def test_the_long_run_says_how_much_it_did_and_what_it_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def careless(data: bytes) -> int:
        return data[0]

    monkeypatch.setattr(long_run, "_BATCH", 30)
    few = ["--seconds", "0", "--unguided", "--target", "token"]
    assert long_run.main(few) == 0
    assert re.fullmatch(r"token +\d+  nothing found\n", capsys.readouterr().out)
    monkeypatch.setitem(TARGETS, "token", Target(careless, (b"",)))
    assert long_run.main(few) == 1
    assert "IndexError('index out of range')" in capsys.readouterr().out
