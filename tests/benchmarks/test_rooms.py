"""The generator of old rooms: it makes what the plain second implementation makes, and only when it is needed.

That the large ones are exact down to the last archive commit is what the benchmarks prove of them each time.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from benchmarks import rooms
from tests import independent
from tests.servers import run_git

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

EXCHANGES = 3


def test_a_room_is_the_one_that_the_plain_implementation_makes(tmp_path: Path) -> None:
    plain = independent.Room(None)
    plain.open(independent.START_MS - (EXCHANGES + 1) * rooms.BETWEEN_MS)
    for number in range(EXCHANGES):
        asked_ms = independent.START_MS - (EXCHANGES - number) * rooms.BETWEEN_MS
        question_id = independent.ulid(asked_ms, min(number + 1, 2))  # from the two commits that are remembered
        asked = plain.ask(question_id, ("alice", "bob")[number % 2], rooms.QUESTION.format(number))
        plain.answer(asked, rooms.ANSWER, rooms.SOURCES)
    made = rooms.make_room(tmp_path / "room.git", EXCHANGES)
    assert run_git("rev-parse", plain.branch, cwd=made).decode().strip() == plain.commit_ids[-1]


def test_a_room_is_generated_once_and_again_if_it_is_not_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    room = rooms.cached_room(tmp_path, 1)
    assert rooms.cached_room(tmp_path, 1) == room
    assert capsys.readouterr().err.count("generating") == 1
    pack = next(room.glob("objects/pack/*.pack"))
    os.truncate(pack, 20)
    assert rooms.cached_room(tmp_path, 1) == room
    assert capsys.readouterr().err.count("generating") == 1
    assert next(room.glob("objects/pack/*.pack")).stat().st_size > 20
