"""How a mailbox at a path grows: packed as it goes, never packed, and collected by git in the end."""

from __future__ import annotations

import contextlib
import shutil
import statistics
import time
from typing import TYPE_CHECKING
from unittest import mock

from benchmarks.measure import Comparison, milliseconds
from peer_relay import app
from peer_relay.config import RelayConfig
from peer_relay.git import packs, upkeep
from tests.servers import create_repository, run_git

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from benchmarks.setting import Setting
    from peer_relay.relay import Relay

QUESTION = "Why does the session token expire after 15 minutes? Mobile users are logged out. Case {}."
GROWN, QUICK_GROWN = 2_500, 150
"""Numbers of exchanges."""

NEWEST = 100
"""How many of the last questions are timed."""


def growth(setting: Setting) -> Iterator[Comparison]:
    """Write many exchanges into two mailboxes by turns, of which the owner of one does not want it packed.

    The times are those of the newest questions, the files and sizes those of the repositories in the end.
    """
    packed, left = (create_repository(setting.folder / name) for name in ("packed.git", "left.git"))
    run_git("config", "gc.auto", "0", cwd=left)
    asks: tuple[list[float], list[float]] = ([], [])
    exchanges = QUICK_GROWN if setting.quick else GROWN
    with _timed() as longest, contextlib.ExitStack() as opened:
        rooms = [_Room(path, setting.folder, opened) for path in (packed, left)]
        for number in range(exchanges):
            for place, room in (*enumerate(rooms),) if number % 2 else reversed((*enumerate(rooms),)):
                asks[place].append(room.exchange(number))
    what, newest = f"after {2 * exchanges:,} records, local", slice(-NEWEST, None)
    never = "a mailbox that is never packed"
    yield Comparison(f"ask {what}", never, asks[0][newest], asks[1][newest])
    for each, taken in longest.items():
        yield Comparison(
            f"the longest time that packing took {each}", "a median ask", [taken], [statistics.median(asks[0])]
        )
    collected = shutil.copytree(left, setting.folder / "collected.git")
    run_git("gc", "--quiet", cwd=collected)
    for against, path in ((never, left), ("the same after `git gc`", collected)):
        for unit, ours, theirs in zip(("files", "MiB"), _taken(packed), _taken(path), strict=True):
            yield Comparison(f"the mailbox {what}", against, [ours], [theirs], unit)


class _Room:
    """Two peers with a mailbox."""

    def __init__(self, mailbox: Path, folder: Path, opened: contextlib.ExitStack) -> None:
        token, peers = app.new_token(), ("alice", "bob")
        homes = {peer: folder / f"{mailbox.name}-{peer}" for peer in peers}
        configs = [RelayConfig(remote=str(mailbox), token=token, peer_id=peer, home=homes[peer]) for peer in peers]
        app.create_room(configs[0], peers[1], {})
        self._alice, self._bob = (opened.enter_context(contextlib.closing(_open(each))) for each in configs)

    def exchange(self, number: int) -> float:
        """Ask and answer a question; return how long asking took."""
        asked: list[str] = []
        taken = milliseconds(lambda: asked.append(self._alice.ask(QUESTION.format(number)).question_id))
        self._bob.questions()
        assert self._bob.answer(asked[0], "Because an access token cannot be revoked.", ["src/auth.py:42"]).delivered
        self._alice.mark_read(each.question_id for each in self._alice.answers().items)
        return taken


def _open(config: RelayConfig) -> Relay:
    return app.open_relay(config, {})


@contextlib.contextmanager
def _timed() -> Iterator[dict[str, float]]:
    """Note the longest time that packing took, in mailboxes and in clones."""
    longest = {"in a mailbox": 0.0, "in a clone": 0.0}

    def noted(what: str, act: Callable[..., bool]) -> Callable[..., bool]:
        def timed(*given: object, **named: object) -> bool:
            begun = time.perf_counter()
            try:
                return act(*given, **named)
            finally:
                longest[what] = max(longest[what], (time.perf_counter() - begun) * 1000)

        return timed

    with (
        mock.patch.object(upkeep, "tend", noted("in a mailbox", upkeep.tend)),
        mock.patch.object(packs, "tend", noted("in a clone", packs.tend)),
    ):
        yield longest


def _taken(repository: Path) -> tuple[float, float]:
    """Return how many files a repository has and how many MiB they take on the disk."""
    files = [path for path in repository.rglob("*") if path.is_file()]
    return len(files), sum(path.stat().st_blocks for path in files) / 2048
