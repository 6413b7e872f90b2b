"""The answers that are waited for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from peer_relay.asked import Asked
from tests.claims import claim
from tests.store.benches import question

if TYPE_CHECKING:
    from pathlib import Path

IDS = [question(number).id for number in (1, 2, 3)]


@pytest.fixture
def asked(tmp_path: Path) -> Asked:
    return Asked(tmp_path / "asked")


def test_what_is_waited_for_is_listed_oldest_first_by_every_process(asked: Asked, tmp_path: Path) -> None:
    assert asked.ids() == []
    for question_id in (IDS[2], IDS[0], IDS[1], IDS[0]):
        asked.add(question_id)
    assert Asked(tmp_path / "asked").ids() == IDS


@claim("I7")
def test_that_an_answer_was_shown_is_kept_until_it_is_waited_for_no_longer(asked: Asked, tmp_path: Path) -> None:
    for question_id in IDS:
        asked.add(question_id)
    asked.mark_shown(IDS[:2])
    assert [Asked(tmp_path / "asked").was_shown(question_id) for question_id in IDS] == [True, True, False]
    asked.add(IDS[0])
    assert asked.was_shown(IDS[0])
    asked.remove(IDS[1:])
    asked.remove(IDS[1:])
    assert (asked.ids(), asked.was_shown(IDS[1])) == (IDS[:1], False)
    assert sorted(path.name for path in (tmp_path / "asked").iterdir()) == [IDS[0], f"{IDS[0]}.shown"]


def test_names_that_are_no_ids_are_passed_over(asked: Asked, tmp_path: Path) -> None:
    asked.add(IDS[0])
    for name in (".DS_Store", "notes.txt", f"{IDS[1]}.shown", f"{IDS[1]}~"):
        (tmp_path / "asked" / name).touch()
    assert asked.ids() == IDS[:1]
