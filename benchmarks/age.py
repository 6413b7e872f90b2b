"""What the age of a room costs: every operation in a room of 100,140 exchanges, against the same in one of 300.

Both rooms hold 300 answered exchanges at the tip, so only the history behind it differs. One round is an exchange, and
each of its acts is done in both rooms by turns.
"""

from __future__ import annotations

import contextlib
import gc
import itertools
from collections import defaultdict
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.measure import PROCESSOR, WARM_UPS, Comparison, at_most, by_turns, milliseconds, processor_ms
from benchmarks.peak import peak_of
from benchmarks.processes import environment_of
from benchmarks.rooms import ANSWER, GROWN, OLD, QUESTION, SOURCES, YOUNG, cached_room, copied
from peer_relay import app
from peer_relay.config import RelayConfig
from tests.independent import TOKEN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from benchmarks.setting import Setting
    from peer_relay.reports import Listing

GOAL = at_most(1.25)


def age(setting: Setting) -> Iterator[Comparison]:
    """Compare the old room with the young one, at a path and over http."""
    sizes = (GROWN if setting.quick else OLD, YOUNG)
    rooms = [cached_room(setting.cache, size) for size in sizes]
    at_paths = [copied(room, setting.folder / f"{size}.git") for room, size in zip(rooms, sizes, strict=True)]
    yield from _compared("local", sizes, [str(path) for path in at_paths], setting)
    server = setting.servers.http()
    names = [f"age-{size}.git" for size in sizes]
    for path, name in zip(at_paths, names, strict=True):
        path.rename(server.root / name)
    yield from _compared("http", sizes, [server.url(name, access="public") for name in names], setting)


def _compared(where: str, sizes: tuple[int, int], remotes: list[str], setting: Setting) -> Iterator[Comparison]:
    sides = [_Side(remote, setting.folder / f"{where}-{size}") for remote, size in zip(remotes, sizes, strict=True)]
    old, young = sizes
    against = f"the same at {young}"
    with contextlib.ExitStack() as opened:
        for side in sides:
            opened.enter_context(contextlib.closing(side))
        for (what, unit), figures in _rounds(sides, setting.runs).items():
            if unit != PROCESSOR or where == "local":
                yield Comparison(f"{what} at {old:,} exchanges, {where}", against, *figures, unit, GOAL)
        for command, peak in (("answer", _Side.peak_of_answering), ("questions", _Side.peak_of_a_first_look)):
            figures = by_turns(partial(peak, sides[0]), partial(peak, sides[1]), setting.runs)
            what = f"memory of `peer-relay {command}` at {old:,} exchanges, {where}"
            yield Comparison(what, against, *figures, unit="MiB", goal=GOAL)


def _rounds(sides: list[_Side], runs: int) -> dict[tuple[str, str], tuple[list[float], list[float]]]:
    """Do every act in both rooms by turns, each time in another one first; return the times by act and unit."""
    figures: dict[tuple[str, str], tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
    gc.disable()
    try:
        for run in range(-WARM_UPS, runs):
            for what, act in _Side.ACTS.items():
                for place in (0, 1) if run % 2 else (1, 0):
                    for unit, figure in _times(partial(act, sides[place])).items():
                        if run >= 0:
                            figures[what, unit][place].append(figure)
            gc.collect()
    finally:
        gc.enable()
    return figures


def _times(act: Callable[[], object]) -> dict[str, float]:
    taken: list[float] = []
    processor = processor_ms(lambda: taken.append(milliseconds(act)))
    return {"ms": taken[0], PROCESSOR: processor}


@dataclass
class _Side:
    """Two peers of one of the rooms, who know it."""

    remote: str
    folder: Path
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _asked: str = ""

    def __post_init__(self) -> None:
        self.folder.mkdir()
        self._alice, self._bob = (app.open_relay(self._config(peer), {}) for peer in ("alice", "bob"))
        self._look(), self._bob.questions()

    def close(self) -> None:
        """Give back what both hold."""
        self._alice.close()
        self._bob.close()

    def _config(self, peer: str, home: str = "") -> RelayConfig:
        return RelayConfig(remote=self.remote, token=TOKEN, peer_id=peer, home=self.folder / (home or peer))

    def _look(self) -> None:
        assert not self._alice.answers().items

    def _ask(self) -> None:
        sent = self._alice.ask(QUESTION.format(next(self._numbers)))
        assert sent.delivered
        self._asked = sent.question_id

    def _fetch_question(self) -> None:
        _only(self._bob.questions())

    def _answer(self) -> None:
        assert self._bob.answer(self._asked, ANSWER, SOURCES).delivered

    def _fetch_answer(self) -> None:
        self._alice.mark_read([_only(self._alice.answers())])

    def _status(self) -> None:
        assert self._alice.standing().other == "bob"

    def _first_look(self) -> None:
        home = f"new-{next(self._numbers)}"
        with contextlib.closing(app.open_relay(self._config("bob", home), {})) as relay:
            assert not relay.questions().items

    ACTS = {  # noqa: RUF012 - a constant of the class
        "check_answers, nothing new,": _look,
        "ask_peer": _ask,
        "check_questions, one new,": _fetch_question,
        "answer_question": _answer,
        "check_answers, one new,": _fetch_answer,
        "status --offline": _status,
        "first look": _first_look,
    }

    def peak_of_answering(self) -> float:
        """Return the peak of a process that fetches a question and answers it."""
        self._ask()
        return self._peak(self._config("bob"), "answer", self._asked, ANSWER)

    def peak_of_a_first_look(self) -> float:
        """Return the peak of a process that sees the room for the first time."""
        return self._peak(self._config("bob", f"new-{next(self._numbers)}"), "questions")

    def _peak(self, config: RelayConfig, *command: str) -> float:
        return peak_of([*command], environment_of(config), self.folder / "peak.json")["mib"]


def _only(found: Listing[object]) -> str:
    (item,) = found.items
    return item.question_id  # type: ignore[attr-defined, no-any-return]
