"""A minute of `make chaos`: processes of two peers at work while a nemesis does what it can.

`PEER_RELAY_CHAOS_SEED` takes the place of the seeds below. A failure names the seed, the kept history and the command.
"""

from __future__ import annotations

import os

import pytest

from tests.chaos.run import Plan, run
from tests.claims import claim

SECONDS = 9.0
"""How long things break in each run; with its start and its calm end, the three of them take less than a minute."""

SLICE = (("path", 4, 13), ("http", 2, 16), ("ssh", 1, 15))


@claim("I1", "I3", "I4", "I5", "I7", "I10", "deadline", "first-answer-wins")
@pytest.mark.timeout(240)
@pytest.mark.parametrize(("transport", "processes", "seed"), SLICE)
def test_whatever_breaks_nothing_is_lost_and_nothing_is_there_twice(
    transport: str, processes: int, seed: int, unmeasured_processes: None
) -> None:
    given = int(os.environ.get("PEER_RELAY_CHAOS_SEED", seed))
    outcome = run(Plan(transport, processes, given, seconds=SECONDS))
    assert outcome.findings == [], str(outcome)
    assert outcome.stored > 0
    assert outcome.faults != {}
