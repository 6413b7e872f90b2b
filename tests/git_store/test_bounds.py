"""What a look at a room costs: memory, and what has to be fetched, however large or old the room is."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path
from random import Random
from typing import Any

import pytest

from peer_relay.git.history import line_between
from peer_relay.git.trees import Draft
from tests.claims import claim
from tests.independent import START_MS, Room
from tests.servers import run_git

LIMIT_KIB = 64 << 10
STEP_MS = 600_000

pytestmark = pytest.mark.usefixtures("unmeasured_processes")
only_linux = pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is read from /proc")


def measure(folder: Path, room: Room, *commits: str) -> list[dict[str, Any]]:
    """Look at each commit in turn in a new process, and return what it tells of each look."""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "tests.git_store.measured", str(folder), str(room.git_dir), room.branch, *commits]
    done = subprocess.run(command, cwd=root, capture_output=True, check=True, timeout=55)
    return [json.loads(line) for line in done.stdout.splitlines()]


def grow(room: Room, exchanges: int) -> None:
    """Let a room begin and hold this many answered exchanges, archived whenever that is due."""
    with room.in_bulk():
        room.open()
        for number in range(exchanges):
            asked = room.ask(START_MS + number * STEP_MS, room.peers[number % 2], f"Question {number}?")
            room.answer(asked, f"Answer {number}.")
    run_git("repack", "-adq", cwd=room.git_dir)


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Room:
    room = Room(tmp_path_factory.mktemp("old") / "mailbox.git")
    grow(room, 5_108)
    return room


@only_linux
@claim("memory-bounds")
def test_the_largest_tip_of_an_honest_room_fits_into_64_mb(tmp_path: Path) -> None:
    room, random = Room(tmp_path / "mailbox.git"), Random(3)  # noqa: S311 - a test's data
    # Han characters of four bytes each, in an order that does not compress.
    pool = "".join(map(chr, random.choices(range(0x20000, 0x2A000), k=200_000)))

    def text(length: int) -> str:
        start = random.randrange(len(pool) - length)
        return pool[start : start + length]

    with room.in_bulk(level=0):
        room.open()
        for number in range(552):
            asked = room.ask(START_MS + number * STEP_MS, "alice", text(12_000), text(500))
            if number >= 40:
                room.answer(asked, text(24_000), [text(200) for _ in range(30)])
    [found] = measure(tmp_path / "bob", room, room.commit_ids[-1])
    assert (found["answered"], found["open"]) == (512, 40)
    assert found["pack_bytes"] > 48 << 20
    assert found["grown_kib"] < LIMIT_KIB


@only_linux
@claim("memory-bounds")
def test_whoever_was_away_for_thousands_of_commits_catches_up_within_64_mb(old: Room, tmp_path: Path) -> None:
    first, found = measure(tmp_path / "bob", old, old.commit_ids[-2_500], old.commit_ids[-1])
    archived = sum(b" archives " in old.commits[each] for each in old.commit_ids[-2_499:])
    assert (found["tip"], found["arrivals"]) == (old.commit_ids[-1], 2_499 - archived)
    assert first["grown_kib"] < found["grown_kib"] < LIMIT_KIB


@only_linux
def test_a_first_look_at_five_thousand_exchanges_costs_what_one_at_five_hundred_does(
    old: Room, tmp_path: Path, record_property: Any
) -> None:
    young = Room(tmp_path / "mailbox.git")
    grow(young, 500)
    [few] = measure(tmp_path / "few", young, young.commit_ids[-1])
    [many] = measure(tmp_path / "many", old, old.commit_ids[-1])
    assert len(old.commit_ids) > 9 * len(young.commit_ids)
    assert few["answered"] == many["answered"] == 500
    assert many["pack_bytes"] < 1.1 * few["pack_bytes"]
    assert many["grown_kib"] < few["grown_kib"] + (4 << 10)
    record_property("time of the large room, by that of the small one", many["seconds"] / few["seconds"])


@pytest.mark.parametrize("junk", [b"7", b"7 ", b"7 7"])
def test_a_folder_that_was_made_to_be_searched_for_long_takes_no_longer_than_any_other(junk: bytes) -> None:
    """Found by reading: one commit of a hostile holder of the token stopped the other peer for minutes."""
    content = b"100644 room.json\0" + bytes(20) + junk * (250_000 // len(junk))

    class Hostile:
        def raw(self, *_: str) -> bytes:
            return content

    began = time.process_time()
    with pytest.raises(ValueError, match="a folder in it cannot be read"):
        Draft(Hostile()).entries("ab" * 20)
    assert time.process_time() - began < 2


@claim("memory-bounds")
def test_merges_that_name_the_same_commits_again_and_again_are_followed_in_little_memory() -> None:
    """Found by reading: each merge had all its parents wait, and 20,000 merges of 16 parents took 45 MB."""
    count = 4_000

    class Hostile:
        def has(self, commit: str) -> bool:
            return int(commit, 16) < count

        def raw(self, _: str, commit: str) -> bytes:
            parents = range(int(commit, 16) - 1, max(int(commit, 16) - 17, -1), -1)
            return b"tree %040x\n" % 0 + b"".join(b"parent %040x\n" % each for each in parents)

    tracemalloc.start()
    line = line_between(Hostile(), f"{0:040x}", f"{count - 1:040x}")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert line == [f"{each:040x}" for each in range(1, count)]
    assert peak < 1_000 * count
