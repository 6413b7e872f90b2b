"""Whatever is damaged on alice's machine: it heals or is refused with a sentence, and nothing wrong is ever shown.

A seeded selection: each kind of file with each damage, once. `python -m tests.damage` does all of it.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.claims import claim
from tests.damage.commands import Commands
from tests.damage.damages import DAMAGES, chance_of
from tests.damage.trial import KINDS, PRECIOUS, Bench, kind_of
from tests.damage.world import SHAPES, build

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.damage.world import World

SEED = 4
MAJOR = ("checkpoint", "outbox record", "loose object")
MINOR = tuple(kind for kind in KINDS if kind not in {*MAJOR, "saved room"})
CHOSEN = [
    *((kind, way) for kind in MAJOR for way in DAMAGES),
    *((kind, way) for kind in MINOR for way in ("one bit flipped", "a folder in its place")),
    ("asked", "deleted"),
]
"""Saved rooms are for the command line alone, so they are not among these."""


@pytest.fixture(scope="module")
def worlds() -> Iterator[list[World]]:
    """Give the machine in both shapes, in memory if there is a folder for that, and without forcing it to a disk."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of its own is made there
    with (
        tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr("os.fsync", lambda _: None)
        yield [build(Path(folder) / shape, shape) for shape in SHAPES]


@pytest.fixture(scope="module")
def benches(worlds: list[World]) -> list[Bench]:
    return [Bench(world) for world in worlds]


def choose(worlds: list[World], kind: str, seed: str) -> tuple[int, Path]:
    """Return one of the worlds, and one of its files of a kind."""
    found = [
        (number, path)
        for number, world in enumerate(worlds)
        for path in world.files()
        if kind_of(str(path.relative_to(world.home))) == kind
    ]
    return chance_of(seed).choice(found)


@claim("I3")
@pytest.mark.parametrize(("kind", "way"), CHOSEN)
def test_a_damaged_file_is_healed_or_refused_and_never_shown_or_sent(
    worlds: list[World], benches: list[Bench], kind: str, way: str
) -> None:
    seed = f"{SEED} {kind} {way}"
    number, path = choose(worlds, kind, seed)
    outcome = benches[number].trial(path, DAMAGES[way], chance_of(seed))
    assert (outcome.wrong, outcome.lost) == ((), ()), (seed, path)
    assert outcome.healed or outcome.sentence, (seed, path)


@pytest.fixture(scope="module")
def commands(worlds: list[World]) -> Commands:
    return Commands(worlds[0])


@pytest.mark.parametrize(
    ("kind", "way"),
    [
        ("saved room", "one bit flipped"),
        ("saved room", "truncated"),
        ("checkpoint", "one bit flipped"),
        ("outbox record", "unreadable"),
        ("clone's own file", "overwritten"),
        ("lock", "a folder in its place"),
    ],
)
def test_no_command_fails_without_a_sentence_and_the_doctor_names_the_damage(
    worlds: list[World], commands: Commands, kind: str, way: str
) -> None:
    seed = f"{SEED} {kind} {way}"
    _, path = choose(worlds[:1], kind, seed)
    outcome = commands.examine(path, DAMAGES[way], chance_of(seed))
    assert outcome.wrong == (), (seed, path)
    assert outcome.healed or outcome.sentence or kind in PRECIOUS, (seed, path)
