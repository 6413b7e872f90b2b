"""How a mailbox at a path grows: packed as it goes, never packed, and collected by git in the end."""

from __future__ import annotations

import contextlib
import shutil
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from unittest import mock

from benchmarks.measure import Comparison, seconds
from peer_relay import app
from peer_relay.config import RelayConfig
from peer_relay.git import packs, upkeep
from tests.servers import create_repository, run_git

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from peer_relay.relay import Relay

QUESTION = "Why does the session token expire after 15 minutes? Mobile users are logged out. Case {}."
NEWEST = 100
"""How many of the last questions are timed."""


@dataclass
class Grown:
    """What came out of it.

    Attributes:
        asking: the newest questions in the packed mailbox, compared with those in the other one.
        rows: what each repository takes, as rows of a table.
        longest_s: the longest time that packing a little took.
    """

    asking: Comparison
    rows: list[str]
    longest_s: dict[str, float] = field(default_factory=dict)

    @property
    def table(self) -> str:
        """The sizes as a table in Markdown, and the longest acts as a sentence."""
        head = "| repository | files | packs | MiB on the disk |\n|---|---|---|---|"
        longest = ", ".join(f"{what} {taken * 1000:.0f} ms" for what, taken in self.longest_s.items())
        return "\n".join([head, *self.rows, "", f"Packing a little took at most: {longest}."])


def grow(folder: Path, exchanges: int) -> Grown:
    """Write so many exchanges into two mailboxes by turns, of which the owner of one does not want it packed.

    Args:
        folder: for everything.
        exchanges: how many; each is two records.
    """
    packed, left = (create_repository(folder / name) for name in ("packed.git", "left.git"))
    run_git("config", "gc.auto", "0", cwd=left)
    asks: tuple[list[float], list[float]] = ([], [])
    with _timed() as longest, contextlib.ExitStack() as opened:
        rooms = [_Room(path, folder, opened) for path in (packed, left)]
        for number in range(exchanges):
            for place, room in (*enumerate(rooms),) if number % 2 else reversed((*enumerate(rooms),)):
                asks[place].append(room.exchange(number))
    what, newest = f"ask after {2 * exchanges:,} records, local path", slice(-NEWEST, None)
    collected = shutil.copytree(left, folder / "collected.git")
    run_git("gc", "--quiet", cwd=collected)
    rows = {"packed as it goes": packed, "never packed": left, "never packed, then `git gc`": collected}
    rows["the asker's clone"] = next((folder / "packed.git-alice").glob("rooms/*/*/clone"))
    compared = Comparison(what, "a mailbox that is never packed", asks[0][newest], asks[1][newest])
    return Grown(compared, [_row(name, path) for name, path in rows.items()], longest)


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
        taken = seconds(lambda: asked.append(self._alice.ask(QUESTION.format(number)).question_id))
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
                longest[what] = max(longest[what], time.perf_counter() - begun)

        return timed

    with (
        mock.patch.object(upkeep, "tend", noted("in a mailbox", upkeep.tend)),
        mock.patch.object(packs, "tend", noted("in a clone", packs.tend)),
    ):
        yield longest


def _row(name: str, repository: Path) -> str:
    files = [path for path in repository.rglob("*") if path.is_file()]
    count = sum(path.suffix == ".pack" for path in files)
    return f"| {name} | {len(files):,} | {count} | {sum(path.stat().st_blocks for path in files) / 2048:.1f} |"
