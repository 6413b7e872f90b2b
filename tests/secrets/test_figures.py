"""What the documentation says of the guard's figures, on a part of what `python -m tests.secrets` measures."""

from __future__ import annotations

from peer_relay.guard.formats import FORMATS
from peer_relay.guard.scan import find_secrets
from tests.claims import claim
from tests.secrets import figures
from tests.secrets.corpus import makers, seeded


@claim("no-secret-goes-out")
def test_nearly_every_secret_of_every_format_is_found_wherever_it_stands() -> None:
    found = figures.recall(12)
    assert {kind: each for kind, each in found.items() if each.found < 0.9 * each.of} == {}
    assert sum(each.found for each in found.values()) >= 0.95 * sum(each.of for each in found.values())


def test_what_happens_to_a_secret_by_itself_hides_few() -> None:
    found = figures.recall_after_changes(1)
    assert {name: each for name, each in found.items() if each.found < 0.85 * each.of} == {}


def test_there_is_no_false_alarm_in_three_hundred_texts_of_developers() -> None:
    assert figures.false_alarms_synthetic(300) == []


def test_there_is_no_false_alarm_in_real_source() -> None:
    assert figures.false_alarms_real(200) == []


def test_every_format_is_in_the_corpus() -> None:
    assert set(makers()) == {each.kind for each in FORMATS}


def test_a_secret_is_found_as_its_own_kind_alone() -> None:
    doubled = {}
    for kind, ways in makers().items():
        kinds = {each.kind for each in find_secrets(f"It is\n{ways[0](seeded(7))}\n")}
        if kinds != {kind}:
            doubled[kind] = kinds
    assert doubled == {}
