"""How long the first look at a room takes, from a machine that knows nothing."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from benchmarks.measure import Comparison, compare
from peer_relay import app
from peer_relay.config import RelayConfig
from tests import independent

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.setting import Setting

SMALL, LARGE = 500, 10_228
"""Numbers of exchanges; after archiving, 500 of them are at the tip in both rooms, so only the history differs."""

BETWEEN_MS = 36 * 60_000
QUESTION = "Why does the session token expire after 15 minutes? Mobile users are logged out. Case {}."


def first_look(setting: Setting) -> Iterator[Comparison]:
    """Compare first looks at two rooms, at a path and over http."""
    rooms = {number: _make_room(setting.folder / f"{number}.git", number) for number in (SMALL, LARGE)}
    yield _first_looks("local", str(rooms[SMALL]), str(rooms[LARGE]), setting)
    server = setting.servers.http()
    for number, path in rooms.items():
        path.rename(server.root / f"{number}.git")
    small, large = (server.url(f"{number}.git", access="public") for number in rooms)
    yield _first_looks("http", small, large, setting)


def _make_room(path: Path, exchanges: int) -> Path:
    """Make a room of many exchanges, object by object, in one pack."""
    room = independent.Room(path)
    with room.in_bulk():
        room.open()
        for number in range(exchanges):
            asked = room.ask(independent.START_MS + number * BETWEEN_MS, "alice", QUESTION.format(number))
            room.answer(asked, "Because an access token cannot be revoked.", ["src/auth/session.py:42"])
    return path


def _first_looks(where: str, small: str, large: str, setting: Setting) -> Comparison:
    numbers = itertools.count()

    def look(remote: str) -> None:
        home = setting.folder / f"home-{where}-{next(numbers)}"
        app.inspect_room(RelayConfig(remote=remote, token=independent.TOKEN, peer_id="bob", home=home), {})

    what = f"first look at {LARGE:,} exchanges, {where}"
    return compare(what, lambda: look(large), f"at {SMALL}", lambda: look(small), setting.runs)
