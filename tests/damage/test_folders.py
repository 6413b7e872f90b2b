"""Folders that are gone, or have something else in their place; nothing outside of the clone is touched."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.damage.trial import PLANS, judge, run
from tests.damage.world import build

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.damage.world import World

PLAN = PLANS[2]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return build(tmp_path_factory.mktemp("folders") / "world", "loose")


def vanish(folder: Path, _: Path) -> None:
    shutil.rmtree(folder)


def become_a_file(folder: Path, _: Path) -> None:
    shutil.rmtree(folder)
    folder.write_bytes(b"in the way")


def become_a_link(folder: Path, elsewhere: Path) -> None:
    folder.rename(elsewhere)
    folder.symlink_to(elsewhere)


def lead_nowhere(folder: Path, elsewhere: Path) -> None:
    shutil.rmtree(folder)
    folder.symlink_to(elsewhere)


@pytest.mark.parametrize("damage", [vanish, become_a_file, become_a_link, lead_nowhere])
def test_a_damaged_folder_of_the_clone_is_made_again(
    world: World, tmp_path: Path, damage: Callable[[Path, Path], None]
) -> None:
    world.reset()
    truth = run(world, PLAN, offline=False)
    for number, name in enumerate(("", "objects", "objects/pack", "refs", "refs/peer-relay/lost")):
        world.reset()
        elsewhere = tmp_path / str(number)
        damage(world.state / "clone" / name, elsewhere)
        before = sorted(elsewhere.rglob("*"))
        outcome = judge(run(world, PLAN, offline=False), truth, "folder")
        assert (outcome.healed, outcome.wrong, outcome.lost) == (True, (), ()), name
        assert [path for path in before if not path.exists()] == [], name


@pytest.mark.parametrize("damage", [become_a_file, lead_nowhere])
@pytest.mark.parametrize("name", ["outbox", "asked", ""])
def test_a_folder_that_is_never_disposable_and_cannot_be_used_is_refused_with_a_sentence(
    world: World, tmp_path: Path, name: str, damage: Callable[[Path, Path], None]
) -> None:
    world.reset()
    damage(world.state / name, tmp_path / "nowhere" / "at all")
    seen = run(world, ("exchanges", "ask"), offline=False)
    assert seen.broken == []
    refused = [act for act, told in seen.online.items() if told.sentence is not None]
    # Whoever only reads the room does not ask which answers are waited for.
    assert refused == (["ask"] if name == "asked" else ["exchanges", "ask"])
