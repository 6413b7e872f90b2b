"""Asking and looking against git's own program, wherever the mailbox is, and against what no program can do without."""

from __future__ import annotations

import contextlib
import itertools
import os
from functools import partial
from typing import TYPE_CHECKING
from unittest import mock

from benchmarks import places
from benchmarks.measure import PROCESSOR, Comparison, at_most, by_turns, compare, faster, milliseconds, processor_ms
from benchmarks.places import FAR_S, Mailbox
from benchmarks.script import QUESTION
from tests.servers import run_git

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from benchmarks.measure import Goal
    from benchmarks.places import Place
    from benchmarks.setting import Setting
    from peer_relay.relay import Relay

SCRIPT, FETCH = "a script of git commands", "`git fetch`"
SHARED = ("ControlMaster=auto", "ControlPath=FOLDER/master", "ControlPersist=60")
"""How users let one ssh session serve many programs."""


def local(setting: Setting) -> Iterator[Comparison]:
    """Measure a mailbox at a path, also against the disk."""
    with places.local(setting) as place:
        yield from _compared(place, setting, ask=faster(8))
        yield from _processor_times(place, setting)
        yield _durably(place, setting)
        for limit in (_its_fsyncs, _least_write):
            with Mailbox(place, setting) as mailbox:
                yield from limit(asking(mailbox.relay()), setting)


def http(setting: Setting) -> Iterator[Comparison]:
    """Measure a mailbox behind nginx, near and far."""
    for delay_s in (None, FAR_S):
        with places.http(setting, delay_s) as place:
            yield from _compared(place, setting, ask=faster(3), look=faster(3))


def ssh(setting: Setting) -> Iterator[Comparison]:
    """Measure a mailbox behind sshd, near and far, and for a user whose ssh keeps its session."""
    for delay_s in (None, FAR_S):
        with places.ssh(setting, delay_s) as place:
            yield from _compared(place, setting, look=faster(3))
    with (
        places.ssh(setting, None, *SHARED) as shared,
        places.ssh(setting) as place,
        Mailbox(shared, setting) as mailbox,
        Mailbox(place, setting) as other,
    ):
        script, sharing, alone = mailbox.script(), mailbox.relay(), other.relay()
        config = "with ControlMaster in the user's configuration"
        yield compare("ask, ssh", asking(alone), f"{SCRIPT}, {config}", script.ask, setting.runs)
        yield compare("look, nothing new, ssh", alone.questions, f"{FETCH} {config}", script.poll, setting.runs)
        what = f"look, nothing new, ssh {config}"
        yield compare(what, sharing.questions, f"{FETCH}, the same", script.poll, setting.runs)


def asking(relay: Relay) -> Callable[[], None]:
    """Return what asks one more question and sees it delivered."""
    numbers = itertools.count()

    def ask() -> None:
        assert relay.ask(QUESTION.format(next(numbers))).delivered

    return ask


def _compared(
    place: Place, setting: Setting, *, ask: Goal | None = None, look: Goal | None = None
) -> Iterator[Comparison]:
    """Compare asking, looking in vain, and looking when there is one new record."""
    with Mailbox(place, setting) as mailbox:
        script = mailbox.script()
        ours = asking(mailbox.relay())
        yield compare(f"ask, {place.name}", ours, SCRIPT, script.ask, setting.runs, goal=ask)
    with Mailbox(place, setting) as mailbox:
        script, relay = mailbox.script(), mailbox.relay()
        yield compare(f"look, nothing new, {place.name}", relay.questions, FETCH, script.poll, setting.runs, goal=look)
        yield Comparison(
            f"look, one new question, {place.name}", FETCH, *_one_new(mailbox, relay, script.poll, setting)
        )


def _processor_times(place: Place, setting: Setting) -> Iterator[Comparison]:
    """Compare what asking and looking take of the processor, which the disk and other programs do not change much."""
    with Mailbox(place, setting) as mailbox:
        script, relay = mailbox.script(), mailbox.relay()
        for what, ours, against, theirs in (
            ("ask", asking(relay), SCRIPT, script.ask),
            ("look, nothing new", relay.questions, FETCH, script.poll),
        ):
            figures = by_turns(partial(processor_ms, ours), partial(processor_ms, theirs), setting.runs)
            yield Comparison(f"{what}, {place.name}", against, *figures, unit=PROCESSOR)


def _durably(place: Place, setting: Setting) -> Comparison:
    """Compare asking with a script whose git waits for the disk in the clone and in the mailbox, as peer-relay does."""
    with Mailbox(place, setting) as mailbox:
        script = mailbox.script()
        for repository in (mailbox.path, script.clone):
            run_git("config", "core.fsync", "all", cwd=repository)
        against = "the same script with `core.fsync=all`"
        return compare(f"ask, {place.name}", asking(mailbox.relay()), against, script.ask, setting.runs)


def _one_new(
    mailbox: Mailbox, relay: Relay, fetch: Callable[[], None], setting: Setting
) -> tuple[list[float], list[float]]:
    """Measure looks that find one record more; what puts it there is not measured."""
    others = asking(mailbox.relay("bob", beside=True)), mailbox.script("another", beside=True).ask

    def measured(prepare: Callable[[], None], act: Callable[[], object]) -> float:
        prepare()
        return milliseconds(act)

    return by_turns(partial(measured, others[0], relay.questions), partial(measured, others[1], fetch), setting.runs)


def _its_fsyncs(ask: Callable[[], None], setting: Setting) -> Iterator[Comparison]:
    """Compare asking with the part of it that waits for the disk."""
    whole, waiting, counts = [], [], []
    for _ in range(setting.runs):
        with _fsyncs() as waits:
            whole.append(milliseconds(ask))
        waiting.append(sum(waits))
        counts.append(len(waits))
    yield Comparison("ask, local", "its own fsyncs", whole, waiting, goal=at_most(3))
    yield Comparison("ask, local", "one fsync", counts, [1] * len(counts), "fsyncs")


def _least_write(ask: Callable[[], None], setting: Setting) -> Iterator[Comparison]:
    """Compare asking with the least that a durable write can cost."""
    least = partial(_write_one, setting.folder, itertools.count())
    yield compare("ask, local", ask, "writing one small file with its fsync", least, setting.runs)


@contextlib.contextmanager
def _fsyncs() -> Iterator[list[float]]:
    """Give a list that is told how long each fsync of this process took, in milliseconds."""
    waits: list[float] = []
    with contextlib.ExitStack() as patched:
        for name in ("fsync", "fdatasync"):
            real = getattr(os, name)
            noted = lambda descriptor, real=real: waits.append(milliseconds(partial(real, descriptor)))  # noqa: E731
            patched.enter_context(mock.patch.object(os, name, noted))
        yield waits


def _write_one(folder: Path, numbers: Iterator[int]) -> None:
    with (folder / f"small-{next(numbers)}").open("wb") as file:
        file.write(QUESTION.encode())
        file.flush()
        os.fsync(file.fileno())
