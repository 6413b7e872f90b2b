"""A mailbox that is a repository with ten thousand other branches, against one that holds the room alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks import places
from benchmarks.git_itself import asking
from benchmarks.measure import at_most, compare
from benchmarks.places import Mailbox
from tests.servers import run_git

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from benchmarks.measure import Comparison
    from benchmarks.places import Place
    from benchmarks.setting import Setting

OTHERS = 10_000
LONELY = "the room's branch alone"


def many_refs(setting: Setting) -> Iterator[Comparison]:
    """Compare looks and asks, at a path and over http."""
    ways: tuple[Callable[[Setting], AbstractContextManager[Place]], ...] = (places.local, places.http)
    for way in ways:
        with way(setting) as place, Mailbox(place, setting) as crowded, Mailbox(place, setting) as lonely:
            _crowd(crowded)
            ours, theirs = crowded.relay(), lonely.relay()
            what = f"look, nothing new, {OTHERS:,} other branches, {place.name}"
            yield compare(what, ours.questions, LONELY, theirs.questions, setting.runs, goal=at_most(1.2))
            what = f"ask, {OTHERS:,} other branches, {place.name}"
            yield compare(what, asking(ours), LONELY, asking(theirs), setting.runs)


def _crowd(mailbox: Mailbox) -> None:
    """Give a mailbox other branches, in the file in which git keeps many; one by one each would be an fsync."""
    run_git("pack-refs", "--all", cwd=mailbox.path)
    tip = run_git("rev-parse", mailbox.ref, cwd=mailbox.path).decode().strip()
    packed = mailbox.path / "packed-refs"
    head, *lines = packed.read_text().splitlines()
    lines += [f"{tip} refs/heads/other-{number:05}" for number in range(OTHERS)]
    packed.write_text("\n".join([head, *sorted(lines, key=lambda line: line.split(" ")[1]), ""]))
    assert len(run_git("for-each-ref", cwd=mailbox.path).splitlines()) == len(lines)
