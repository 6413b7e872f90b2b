"""One trial: damage a file of alice's machine, let her work, and compare everything with what an undamaged one gives.

1. What is shown equals what the undamaged machine shows, or it is refused with a sentence of ours.
2. Then a second process, after the first has healed what it could, shows all of it, unless it refuses everything still.
3. What is never disposable (a record on its way, an answer that is waited for) may be missing if its own file was
   damaged, and only that; a damaged record is named.
4. The mailbox holds what the undamaged machine's would hold, each record once.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from peer_relay.errors import PeerRelayError
from peer_relay.git.clone import Clone
from tests.servers import run_git

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path
    from random import Random

    from peer_relay.relay import Relay
    from peer_relay.reports import Listing, Sent
    from tests.damage.damages import Damage
    from tests.damage.world import World

ASKED, ANSWERED = "Asked on a damaged machine?", "Answered on a damaged machine."
_LATER = "Question 5 of bob?"
"""The question of bob's that no trial's world has an answer to, at first."""

_KINDS = (
    (r"saved-rooms/.*\.json", "saved room"),
    (r".*/checkpoint\.json", "checkpoint"),
    (r".*/outbox/.*", "outbox record"),
    (r".*/asked/.*", "asked"),
    (r".*/clone-with-lost-history/.*", "clone put aside"),
    (r".*/clone/objects/..?/.{38}", "loose object"),
    (r".*/clone/objects/.*\.pack", "pack"),
    (r".*/clone/objects/.*\.idx", "pack index"),
    (r".*/clone/refs/.*", "kept ref"),
    (r".*/clone/(HEAD|config|packed-refs|shallow)", "clone's own file"),
    (r".*/clone/.*", "clone's other file"),
    (r".*lock", "lock"),
)
KINDS = tuple(kind for _, kind in _KINDS)
PRECIOUS = ("outbox record", "asked")


def kind_of(path: str) -> str:
    """Return what a file of alice's home is for."""
    return next(kind for pattern, kind in _KINDS if re.fullmatch(pattern, path))


@dataclass(frozen=True)
class Told:
    """What a call gave.

    Attributes:
        items: a line for each, without what differs from run to run.
        sentence: why it may not be all, or why there is nothing, or None.
    """

    items: tuple[str, ...]
    sentence: str | None = None

    def agrees_with(self, truth: Told) -> bool:
        """Say whether nothing in it is wrong: it is all of the truth, or says that it may be less."""
        return self.items == truth.items or (self.sentence is not None and set(self.items) <= set(truth.items))


@dataclass
class Seen:
    """What came of one run.

    Attributes:
        offline: what each call gave while the mailbox was away, if it was, by its name.
        online: what each call gave when it was there.
        later: what each call gave in a second process.
        mailbox: the texts in the mailbox's history at the end, each with how often it was added.
        notes: what was said beside the results in the second process.
        problem: what is wrong with the clone at the end.
        broken: calls that ended with something else than our errors.
    """

    offline: dict[str, Told] = field(default_factory=dict)
    online: dict[str, Told] = field(default_factory=dict)
    later: dict[str, Told] = field(default_factory=dict)
    mailbox: Counter[str] = field(default_factory=Counter)
    notes: tuple[str, ...] = ()
    problem: str | None = None
    broken: list[str] = field(default_factory=list)


def _ask(relay: Relay) -> Told:
    return _sent(relay.ask(ASKED))


def _answer(relay: Relay) -> Told:
    found = relay.questions()
    waiting = [each.question_id for each in found.items if each.question == _LATER]
    if not waiting:
        return Told((), None if found.stale is None else str(found.stale))
    return _sent(relay.answer(waiting[0], ANSWERED))


def _sent(sent: Sent) -> Told:
    """Return what a sender is told: delivered, or why not yet."""
    return Told(("delivered",)) if sent.delivered else Told((), " ".join(sent.notes))


def _listed(found: Listing[Any]) -> Told:
    return Told(tuple(str(_plain(each)) for each in found.items), None if found.stale is None else str(found.stale))


ACTS: dict[str, Callable[[Relay], Told]] = {
    "questions": lambda relay: _listed(relay.questions()),
    "answers": lambda relay: _listed(relay.answers()),
    "ask": _ask,
    "all answers": lambda relay: _listed(relay.answers(include_read=True)),
    "exchanges": lambda relay: _listed(relay.exchanges()),
    "answer": _answer,
    "whole history": lambda relay: _listed(relay.exchanges(whole_history=True)),
}
READING = ("questions", "all answers", "exchanges")
PLANS = (
    ("questions", "ask", "all answers", "answer"),
    ("answers", "answer", "whole history"),
    ("exchanges", "ask", "questions"),
    ("ask", "answers", "exchanges"),
    ("whole history", "answer", "questions"),
)
"""What alice does in one process, so that each call is once the first to meet the damage."""


def _plain(item: Any) -> object:
    """Return an item, or only its texts if times and ids in it were minted in the trial."""
    parts = [getattr(item, name, None) for name in ("question", "answer")]
    texts = [getattr(part, name, part) for part, name in zip(parts, ("question", "answer"), strict=True)]
    return texts if {ASKED, ANSWERED} & set(texts) else item


def run(world: World, plan: Sequence[str], *, offline: bool) -> Seen:
    """Let alice work on whatever is there.

    Args:
        world: where.
        plan: the calls, in their order.
        offline: whether the mailbox is away at first.
    """
    seen = Seen()
    if offline:
        with world.unreachable():
            seen.offline = _act(world, seen, [name for name in plan if name not in {"ask", "answer"}])
    seen.online = _act(world, seen, plan)
    seen.later = _act(world, seen, READING)
    with world.relay() as relay, contextlib.suppress(PeerRelayError):
        seen.notes = relay.questions().notes
    seen.mailbox = mailbox_of(world)
    with contextlib.suppress(PeerRelayError):
        _mend(world, seen)
    return seen


def _mend(world: World, seen: Seen) -> None:
    """Do as the doctor does with damage in a part of the clone that no call needed, and look at the clone again."""
    known = world.parts.state.load()
    clone, tip = Clone(world.state / "clone", "the mailbox"), known.snapshot.tip if known else None
    if clone.problem(tip) is not None:
        clone.wipe()
        _act(world, seen, READING)
    seen.problem = clone.problem(tip)


def _act(world: World, seen: Seen, names: Iterable[str]) -> dict[str, Told]:
    """Do things in one process."""
    found = {}
    with world.relay() as relay:
        for name in names:
            try:
                found[name] = ACTS[name](relay)
            except PeerRelayError as error:
                found[name] = Told((), str(error))
            except Exception as error:  # noqa: BLE001 - that is what is looked for
                seen.broken.append(f"{name} ended with {type(error).__name__}: {error}")
    return found


def mailbox_of(world: World) -> Counter[str]:
    """Return the texts of the records in the mailbox's history, each with how often it was added."""
    log = run_git("log", "--no-renames", "--diff-filter=A", "-p", "-U0", "--format=", "--all", cwd=world.mailbox)
    return Counter(re.findall(r'^\+  "(?:question|answer)": "(.*)",$', log.decode(), re.MULTILINE))


@dataclass
class Bench:
    """Makes trials in one world, and remembers what undamaged machines give.

    Args:
        world: the machine and its mailbox.
    """

    world: World
    _truths: dict[tuple[object, ...], Seen] = field(default_factory=dict)

    def trial(self, path: Path, damage: Damage, chance: Random) -> Outcome:
        """Damage one file, let alice work, and judge what came of it."""
        plan, offline = chance.choice(PLANS), chance.random() < 0.3
        self.world.reset()
        damage(path, chance)
        kind = kind_of(str(path.relative_to(self.world.home)))
        is_left = os.path.lexists(path)
        seen = run(self.world, plan, offline=offline)
        truths = [self._truth(plan, None, offline=offline)]
        if kind in PRECIOUS:
            truths.append(self._truth(plan, path, offline=offline))
        outcome = min((judge(seen, truth, kind) for truth in truths), key=lambda each: len(each.wrong + each.lost))
        if kind == "outbox record" and is_left and not any(path.name in note for note in seen.notes):
            outcome = replace(outcome, lost=(*outcome.lost, "the damaged record is not named"))
        return outcome

    def _truth(self, plan: Sequence[str], without: Path | None, *, offline: bool) -> Seen:
        """Return what an undamaged machine gives, or one that never had a file."""
        key = (plan, without, offline)
        if key not in self._truths:
            self.world.reset()
            if without is not None:
                without.unlink()
            self._truths[key] = run(self.world, plan, offline=offline)
        return self._truths[key]


@dataclass(frozen=True)
class Outcome:
    """How a trial ended.

    Attributes:
        kind: what the damaged file was for.
        healed: whether all was there in the end.
        sentence: the first refusal, if there was one.
        wrong: what was shown or written and should not have been, and calls that ended with something else than a
            result or one of our errors.
        lost: what was missing in the end although nothing was refused, and damaged records that were not named.
    """

    kind: str
    healed: bool
    sentence: str | None
    wrong: tuple[str, ...]
    lost: tuple[str, ...]


def judge(seen: Seen, truth: Seen, kind: str) -> Outcome:
    """Compare a damaged machine with an undamaged one."""
    wrong = list(seen.broken)
    for phase in ("offline", "online", "later"):
        told, expected = getattr(seen, phase), getattr(truth, phase)
        differing = [name for name in told if not told[name].agrees_with(expected[name])]
        wrong += [f"{phase}, {name}: {_difference(told[name], expected[name])}" for name in differing]
    if more := seen.mailbox - truth.mailbox:
        wrong.append(f"in the mailbox, and should not be: {dict(more)}")
    healed = seen.later == truth.later and seen.mailbox == truth.mailbox and seen.problem is None
    refused = [told.sentence for phase in (seen.online, seen.later) for told in phase.values() if told.sentence]
    lost = []
    if not (healed or refused):
        lost.append(f"not in the mailbox: {dict(truth.mailbox - seen.mailbox)}; the clone: {seen.problem}")
    return Outcome(kind, healed, refused[0] if refused else None, tuple(wrong), tuple(lost))


def _difference(told: Told, expected: Told) -> str:
    missing = [each for each in expected.items if each not in told.items]
    return f"not {missing} but {[each for each in told.items if each not in expected.items]}, {told.sentence}"
