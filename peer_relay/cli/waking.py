"""`wait --rewake`: waits behind an agent's session, and wakes it when there is something that it does not know.

It is for Claude Code's hooks with `asyncRewake`, which run in the background and wake the session when they end with
status 2; what they wrote to standard error becomes a message to the agent.

1. What the session was told of never wakes it. That it is told now is remembered before it is woken: otherwise it would
   stop, begin another wait and be woken by the same, for ever.
2. One process waits for a session. A second one ends at once.
3. It ends when nobody is left to be woken, and waits for nobody where no person is: there such a hook runs in the
   foreground, and the agent would wait for it.
4. Nothing of it goes wrong aloud, see `unheard`.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import click

from peer_relay import attempts, disk
from peer_relay.cli.command import manners
from peer_relay.cli.hookinput import read_event
from peer_relay.cli.lookout import Lookout, is_read
from peer_relay.cli.offline import look_at_disk
from peer_relay.cli.unheard import is_during
from peer_relay.clock import system_ms
from peer_relay.news import News
from peer_relay.told import Told

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

WAKES = 2
"""The exit status that wakes the session."""
HEAD_START_S = 2.0
"""How long to wait at first, in seconds: a hook that speaks at the same event does so meanwhile."""
ATTENDED = "CLAUDE_CODE_SESSION_ATTENDED"
"""The variable that Claude Code sets to 0 for what it starts where no person is, such as by `claude -p`."""


def wake(kinds: Collection[str], timeout_s: float | None) -> None:
    """Wait until there is something that the session does not know, and end with the status that wakes it.

    Args:
        kinds: of `KINDS`, those that matter.
        timeout_s: how long at most, in seconds; None for ever.
    """
    is_during("wait --rewake")
    if os.environ.get(ATTENDED) == "0":
        return
    news = _wait(kinds, timeout_s)
    if news is not None:
        click.echo("\n".join(news.sentences(system_ms())), err=True)
        raise click.exceptions.Exit(WAKES)


def _wait(kinds: Collection[str], timeout_s: float | None) -> News | None:
    """Return what waits once there is something that the session does not know; None if the wait ends otherwise."""
    parent = os.getppid()
    session = _session()
    known = look_at_disk(lambda _sentence: None, manners().room)
    told = Told(known.folder, session)
    with _alone(told.path) as alone, closing(Lookout(manners().room, lambda _sentence: None)) as lookout:
        if not alone:
            return None
        attempts.at_telling(known.chosen.config.home).note()
        time.sleep(HEAD_START_S)
        for now in lookout.looks(timeout_s):
            if os.getppid() != parent or not is_read(sys.stderr):
                return None
            if now is None:
                continue
            news, before = News.of(now.standing, kinds), told.ids()
            if news.ids - before:
                told.remember((before & News.of(now.standing).ids) | news.ids)
                return news
    return None


def _session() -> str:
    try:
        return read_event(sys.stdin).session
    except ValueError:
        raise click.UsageError("standard input does not say in JSON which session this is.") from None


@contextmanager
def _alone(path: Path) -> Iterator[bool]:
    """Say whether nobody else waits for the session, and keep others from it.

    Args:
        path: the file of what the session was told of.
    """
    disk.make_folder(path.parent)
    with disk.lock_file(path.with_suffix(".lock"), 0) as got:
        yield got
