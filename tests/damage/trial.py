"""One trial: damage a file of alice's machine, let her work, and compare everything with what an undamaged one gives.

1. What is shown equals what the undamaged machine shows, or it is refused with a sentence of ours.
2. Then a second process, after the first has healed what it could, shows all of it, unless it refuses everything still.
3. What is never disposable (a record on its way, an answer that is waited for) may be missing if its own file was
   damaged, and only that; a damaged record is named.
4. The mailbox holds what the undamaged machine's would hold, each record once.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from peer_relay.errors import PeerRelayError
from peer_relay.git.clone import Clone
from tests.servers import run_git

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path
    from random import Random

    from peer_relay.relay import Relay
    from peer_relay.reports import Listing
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
        damaged: the names of damaged outbox files that notes gave.
        problem: what is wrong with the clone at the end.
        broken: calls that ended with something else than our errors.
    """

    offline: dict[str, Told] = field(default_factory=dict)
    online: dict[str, Told] = field(default_factory=dict)
    later: dict[str, Told] = field(default_factory=dict)
    mailbox: Counter[str] = field(default_factory=Counter)
    damaged: set[str] = field(default_factory=set)
    problem: str | None = None
    broken: list[str] = field(default_factory=list)


def _ask(relay: Relay) -> Told:
    return Told((str(relay.ask(ASKED).delivered),))


def _answer(relay: Relay) -> Told:
    found = relay.questions()
    waiting = [each.question_id for each in found.items if each.question == _LATER]
    sent = tuple(str(relay.answer(question_id, ANSWERED).delivered) for question_id in waiting)
    return Told(sent, found.stale and str(found.stale))


def _listed(found: Listing[Any]) -> Told:
    return Told(tuple(str(_plain(each)) for each in found.items), found.stale and str(found.stale))


ACTS: dict[str, Callable[[Relay], Told]] = {
    "questions": lambda relay: _listed(relay.questions()),
    "answers": lambda relay: _listed(relay.answers()),
    "ask": _ask,
    "all answers": lambda relay: _listed(relay.answers(include_read=True)),
    "exchanges": lambda relay: _listed(relay.exchanges()),
    "answer": _answer,
    "whole history": lambda relay: _listed(relay.exchanges(whole_history=True)),
}
READING = tuple(name for name in ACTS if name not in {"ask", "answer"})


def _plain(item: Any) -> object:
    """Return an item, or only its texts if times and ids in it were minted in the trial."""
    parts = [getattr(item, name, None) for name in ("question", "answer")]
    texts = [getattr(part, name, part) for part, name in zip(parts, ("question", "answer"), strict=True)]
    return texts if {ASKED, ANSWERED} & set(texts) else item


def run(world: World, order: int, *, offline: bool) -> Seen:
    """Let alice work on whatever is there.

    Args:
        world: where.
        order: which call comes first.
        offline: whether the mailbox is away at first.
    """
    seen, names = Seen(), [*ACTS][order:] + [*ACTS][:order]
    if offline:
        with world.unreachable():
            seen.offline = _act(world, seen, [name for name in names if name in READING])
    seen.online = _act(world, seen, names)
    seen.later = _act(world, seen, READING)
    seen.mailbox = mailbox_of(world)
    try:
        known = world.parts.state.load()
        seen.problem = Clone(world.state / "clone", "the mailbox").problem(known.snapshot.tip if known else None)
    except PeerRelayError as error:
        seen.problem = str(error)
    return seen


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
        order, offline = chance.randrange(len(ACTS)), chance.random() < 0.5
        self.world.reset()
        damage(path, chance)
        name = str(path.relative_to(self.world.home))
        kind = kind_of(name)
        seen = run(self.world, order, offline=offline)
        truths = [self._truth(order, None, offline=offline)]
        if kind in PRECIOUS:
            truths.append(self._truth(order, path, offline=offline))
        return min((judge(seen, truth, kind) for truth in truths), key=lambda outcome: len(outcome.wrong))

    def _truth(self, order: int, without: Path | None, *, offline: bool) -> Seen:
        """Return what an undamaged machine gives, or one that never had a file."""
        key = (order, without, offline)
        if key not in self._truths:
            self.world.reset()
            if without is not None:
                without.unlink()
            self._truths[key] = run(self.world, order, offline=offline)
        return self._truths[key]


@dataclass(frozen=True)
class Outcome:
    """How a trial ended.

    Attributes:
        kind: what the damaged file was for.
        healed: whether all was there in the end.
        sentence: the first refusal, if there was one.
        wrong: what was not as it had to be.
    """

    kind: str
    healed: bool
    sentence: str | None
    wrong: tuple[str, ...]


def judge(seen: Seen, truth: Seen, kind: str) -> Outcome:
    """Compare a damaged machine with an undamaged one."""
    wrong = list(seen.broken)
    for phase in ("offline", "online", "later"):
        told, expected = getattr(seen, phase), getattr(truth, phase)
        wrong += [
            f"{phase}, {name}: {_differ(told[name], expected[name])}"
            for name in told
            if not told[name].agrees_with(expected[name])
        ]
    healed = seen.later == truth.later and seen.mailbox == truth.mailbox and seen.problem is None
    refused = [told.sentence for phase in (seen.online, seen.later) for told in phase.values() if told.sentence]
    if more := seen.mailbox - truth.mailbox:
        wrong.append(f"in the mailbox, and should not be: {dict(more)}")
    if not healed and not refused:
        wrong.append(f"neither healed nor refused: clone {seen.problem}, mailbox lacks {truth.mailbox - seen.mailbox}")
    return Outcome(kind, healed, refused[0] if refused else None, tuple(wrong))


def _differ(told: Told, expected: Told) -> str:
    missing = [each for each in expected.items if each not in told.items]
    return f"not {missing} but {[each for each in told.items if each not in expected.items]}, {told.sentence}"
