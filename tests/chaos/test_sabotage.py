"""A harness that cannot find a fault that was built in on purpose proves nothing."""

from __future__ import annotations

import shutil

import pytest

from tests.chaos.history import read
from tests.chaos.nemesis import CUT, PART
from tests.chaos.run import Plan, run
from tests.chaos.sabotage import SABOTAGES


@pytest.mark.timeout(240)
def test_a_program_that_asks_again_because_it_does_not_know_is_found_out(unmeasured_processes: None) -> None:
    # All but the network is left out, so that it is found soon.
    plan = Plan("path", 1, 3, seconds=4.0, sabotage="give_a_lost_question_a_new_id", only=frozenset({CUT, PART}))
    outcome = run(plan)
    assert "nothing_is_there_twice" in {finding.rule for finding in outcome.findings}
    assert outcome.plan.sabotage in SABOTAGES
    assert outcome.kept is not None
    assert read(outcome.kept / "history.jsonl") != []
    assert "again: python -m tests.chaos --transport path --processes 1 --seed 3 --seconds 4 --sabotage" in str(outcome)
    shutil.rmtree(outcome.kept)
