"""One process that is killed, what must hold afterwards, and what was found.

After each kill a new process carries out the next command, without any repair, and then it must hold that

1. *not lost*: what was accepted is in the mailbox, now or after the next delivery, and what was there before is still;
   what was told to be delivered is there at once; what is unread stays unread, and what was read stays read;
2. *not duplicated*: every record is there once, and none that was never accepted;
3. *not stuck*: the next command succeeds, everything goes out, and neither the clone nor the mailbox needs a repair.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from peer_relay.crash_points import CrashPoint
from tests.chaos import texts
from tests.chaos.dice import dice
from tests.chaos.killing_process import live
from tests.chaos.killing_worlds import TOKEN, UNREAD, name_of
from tests.chaos.room import stored_in

if TYPE_CHECKING:
    import random
    from collections import Counter
    from collections.abc import Callable
    from pathlib import Path

    from peer_relay.relay import Relay
    from tests.chaos.killing_process import Life, Tell
    from tests.chaos.killing_worlds import World

LIMIT_S = 20.0
"""How long the next command may take: the time limit of a call."""

_SERIES = 40


@dataclass
class Row:
    """What became of the trials at one point on one transport.

    Attributes:
        trials: how many processes were killed there.
        lost, duplicated, stuck: sentences, see above.
        longest_s: how long the longest next command took.
    """

    point: str
    transport: str
    trials: int = 0
    lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    longest_s: float = 0.0

    @property
    def is_good(self) -> bool:
        """Whether there were trials, and none of them went wrong."""
        return self.trials > 0 and not (self.lost or self.duplicated or self.stuck)


# ---------------------------------------------------------------------------------------------------------------------
# What the processes do


def act_on(relay: Relay, action: str, name: str, rng: random.Random, tell: Tell) -> None:
    """Carry out one call, and report what it was told."""
    if action == "ask":
        tell(name=name, delivered=relay.ask(texts.text(rng, name)).delivered)
    elif action == "answer":
        (waiting,) = relay.questions().items
        tell(name=name, delivered=relay.answer(waiting.question_id, texts.text(rng, name)).delivered)
    elif action == "deliver":
        tell(done=relay.deliver())
    else:
        ids = [each.question_id for each in relay.answers().items]
        relay.mark_shown(ids)
        relay.mark_read(ids)
        tell(read=len(ids))


def series(world: World, seed: int) -> Callable[[Tell], None]:
    """Return what asks, answers and reads until it is killed."""

    def act(tell: Tell) -> None:
        rng = dice(seed)
        relay = world.relay("alice")
        act_on(relay, "answer", "series-answer", rng, tell)
        for number in range(_SERIES):
            act_on(relay, "read" if number % 4 == 3 else "ask", f"series-{number}", rng, tell)

    return act


def _meanwhile(world: World) -> Callable[[Tell], None]:
    """Return what bob does before alice's machine is heard of again."""

    def act(tell: Tell) -> None:
        tell(name="bob-2", delivered=world.relay("bob").ask("bob-2: ?").delivered)

    return act


def _afterwards(world: World, action: str, seed: int) -> Callable[[Tell], None]:
    """Return what the first process after a kill does: the next command, and then a delivery of the rest."""

    def act(tell: Tell) -> None:
        relay = world.relay("alice")
        begun = time.monotonic()
        act_on(relay, action, "next", dice(seed), tell)
        tell(seconds=time.monotonic() - begun)
        tell(deliver=relay.deliver())
        relay.close()

    return act


def _at_last(world: World) -> Callable[[Tell], None]:
    """Return what shows how things stand: bob answers everything, and alice looks at what is new to her."""

    def act(tell: Tell) -> None:
        bob, alice = world.relay("bob"), world.relay("alice")
        for waiting in bob.questions().items:
            bob.answer(waiting.question_id, f"to-{name_of(waiting.question)}: !")
        listing = alice.answers()
        alice.close()
        tell(unread=[name_of(each.question) for each in listing.items], notes=listing.notes)
        known, clone = world.state.load(), world.clone
        tell(problem=clone.problem(known.snapshot.tip if known else None), locks=list(map(str, clone.stale_locks())))

    return act


# ---------------------------------------------------------------------------------------------------------------------
# What must hold


class Trial:
    """One process that was killed, and what was found afterwards."""

    def __init__(self, world: World, before: Counter[str], situation: str, row: Row, where: str) -> None:
        self.world = world
        self._situation = situation
        self._row = row
        self._where = where
        self._before = before
        self._queued = world.queued()

    def judge(self, life: Life, rng: random.Random, *, audited: bool) -> None:
        """Go on after the kill, and note what is wrong."""
        self._row.trials += 1
        if life.failure:
            self._row.stuck.append(f"{self._where}: it failed before it was killed: {life.failure}")
        stored, queued = {*self.world.stored()}, self.world.queued()
        accepted = {*self._before, *self._queued, *queued, *stored, *_named(life)}
        self._check_told(life, stored, queued)
        if rng.random() < 0.5:  # or the same commits would be built again, on the same parent
            accepted |= _named(live(_meanwhile(self.world)))
        following = live(_afterwards(self.world, rng.choice(("ask", "read", "deliver")), rng.randrange(1 << 30)))
        self._check_next(following)
        accepted |= _named(following)
        self._check_stored(accepted)
        self._check_standing(life, following, accepted)
        if audited:
            stored_in(self.world.repository, TOKEN)

    def _check_told(self, life: Life, stored: set[str], queued: set[str]) -> None:
        for each in life.told:
            if each.get("delivered") is True and each["name"] not in stored:
                self._row.lost.append(f"{self._where}: {each['name']} was told to be delivered and is not")
            if each.get("delivered") is False and each["name"] not in {*stored, *queued}:
                self._row.lost.append(f"{self._where}: {each['name']} was told to be queued and is nowhere")
        if CrashPoint.ACCEPTED.name in life.points and not {*stored, *queued} - {*self._before, *self._queued}:
            self._row.lost.append(f"{self._where}: what was accepted is nowhere")

    def _check_next(self, following: Life) -> None:
        facts = {key: value for each in following.told for key, value in each.items()}
        seconds = facts.get("seconds", following.seconds)
        self._row.longest_s = max(self._row.longest_s, seconds)
        if following.failure:
            self._row.stuck.append(f"{self._where}: the next command failed: {following.failure}")
        elif facts.get("delivered") is False or facts.get("done") is False or facts["deliver"] is False:
            self._row.stuck.append(f"{self._where}: something stays queued: {facts}")
        if seconds > LIMIT_S:
            self._row.stuck.append(f"{self._where}: the next command took {seconds:.1f} s")
        if locks := [str(path) for path in self.world.repository.rglob("*.lock") if not is_swept(path)]:
            self._row.stuck.append(f"{self._where}: locks are left in the mailbox: {locks}")

    def _check_stored(self, accepted: set[str]) -> None:
        stored = self.world.stored()
        if missing := [name for name in accepted if name not in stored]:
            self._row.lost.append(f"{self._where}: {missing} are not in the mailbox")
        if left := self.world.queued():
            self._row.stuck.append(f"{self._where}: {left} are in the outbox still")
        if more := [name for name, times in stored.items() if times > 1 or name not in accepted]:
            self._row.duplicated.append(f"{self._where}: {more} are there twice, or came from nowhere")

    def _check_standing(self, life: Life, following: Life, accepted: set[str]) -> None:
        last = live(_at_last(self.world))
        if last.failure:
            self._row.stuck.append(f"{self._where}: the room cannot be read: {last.failure}")
            return
        facts = {key: value for each in last.told for key, value in each.items()}
        if facts["problem"] or facts["locks"] or facts["notes"]:
            self._row.stuck.append(f"{self._where}: something is left to be repaired: {facts}")
        unread = UNREAD.get(self._situation, {"alice-0", "alice-1"})
        unread = unread | {name for name in accepted if name.startswith(("ask", "queued", "next", "series-"))}
        unread -= {"series-answer"}
        # Read in the order in which they were asked: what was asked in this trial has no answer before the end.
        reads = life.points.count(CrashPoint.READ.name) + following.points.count(CrashPoint.READ.name)
        expected = sorted(unread - set(sorted(each for each in unread if each.startswith("alice"))[:reads]))
        if sorted(facts["unread"]) != expected:
            self._row.lost.append(f"{self._where}: unread are {sorted(facts['unread'])} and not {expected}")


def _named(life: Life) -> set[str]:
    """Return the names of the records that a process was told something of."""
    return {each["name"] for each in life.told if "name" in each}


def is_swept(path: Path) -> bool:
    """Return whether a file is one that a later push removes by itself, and that stops nobody."""
    return path.name.count(".") > 1
