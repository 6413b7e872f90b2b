"""One fault at one place in front of one call of a real relay, and whether every promise held.

1. A call ends within its deadline and `GRACE_S`; where a fault need not be waited for, within `AT_ONCE_S`.
2. What it says is true: `delivered` is in the mailbox at that moment as plain git sees it, `queued` is in the outbox,
   and what was refused is nowhere. What was known is still served.
3. When the fault is lifted, the next call brings everything in, once. After a pause that a host asked for that is the
   next process, because the same one keeps to the pause.
4. The sentences name the cause and a remedy, come from errors of ours, and hold no secret and no control character.
5. A call makes no more requests than the catalogue allows, and none while a pause lasts.
"""

from __future__ import annotations

import base64
import os
import re
import shutil
import time
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from peer_relay.errors import PeerRelayError
from tests.faults.catalogue import LOOKS, SENT, Fault, Place, Way
from tests.faults.gate import GateRemote
from tests.faults.scene import AFTER, BEFORE, PATIENCE_S, Scene, records_in
from tests.faults.shell import ShellRemote
from tests.faults.web import USERNAME, WebRemote
from tests.servers import run_git

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from peer_relay.relay import Relay
    from tests.servers import SshServer

GRACE_S = 1.5
AT_ONCE_S = 5.0
_ENOUGH_S = 10.0
_TEXT = "What became of this?"
_LONGEST = 1500


class Remote(Protocol):
    """A mailbox, and its faults."""

    url: str
    environ: Mapping[str, str]
    secrets: tuple[str, ...]

    def strike(self, name: str, place: Place, seed: int) -> None: ...
    def lift(self) -> None: ...
    def count(self) -> int: ...
    def has_struck(self) -> bool: ...
    def close(self) -> None: ...


@dataclass(frozen=True)
class Trial:
    """What is tried.

    Attributes:
        seed: decides which call meets the fault, and the like.
        times: how many times the usual time limit the call gets, where what comes before the fault is slow.
    """

    fault: Fault
    way: Way
    place: Place
    seed: int = 0
    times: int = 1

    @property
    def act(self) -> str:
        """The call that meets the fault."""
        if self.place in (Place.PUSH_LISTING, *SENT):
            return ("ask", "answer")[self.seed % 2]
        return (("ask", "questions") if self.place is Place.FIRST else ("questions", "answers"))[self.seed % 2]

    @property
    def moment(self) -> str:
        """The state of the mailbox when the trial begins."""
        lags = self.fault.name == "stale replica" and self.place is Place.PUSH_LISTING
        return AFTER if lags or self.place in (Place.FIRST, Place.LISTING, Place.FETCH) else BEFORE

    @property
    def known(self) -> str | None:
        """What alice knows when the trial begins."""
        if self.place is Place.FIRST:
            return None
        return AFTER if self.fault.name == "stale replica" and self.place is Place.LISTING else BEFORE

    @property
    def warm(self) -> bool:
        """Whether a connection is there already, which is kept from a call before."""
        is_push = self.place in (Place.PUSH_LISTING, *SENT)
        return self.way is Way.HTTP and is_push and self.seed % 2 == 1 and self.moment == self.known

    @property
    def deadline_s(self) -> float:
        """The time limit of the call."""
        if not self.fault.waits:
            return _ENOUGH_S
        return (0.5 if self.place in LOOKS else 1.0) * self.times


@dataclass
class Verdict:
    """What came of a trial; `broken` names each promise that did not hold, in a sentence."""

    seconds: float = 0.0
    requests: int = 0
    delivered: bool = False
    lost: int = 0
    duplicated: int = 0
    stuck: int = 0
    said: str = ""
    broken: list[str] = field(default_factory=list)

    def hold(self, kept: bool, otherwise: str) -> bool:
        """Note a promise that did not hold."""
        if not kept:
            self.broken.append(otherwise)
        return kept


@dataclass(frozen=True)
class _Call:
    """What one call came to."""

    error: PeerRelayError | None
    notes: tuple[str, ...]
    cause: PeerRelayError | None
    delivered: bool
    items: tuple[str, ...]


def run(trial: Trial, scene: Scene, folder: Path, server: SshServer | None = None) -> Verdict:
    """Carry out a trial.

    Args:
        trial: what is tried.
        scene: copied from.
        folder: empty, for everything that the trial needs.
        server: a real sshd, where the trial wants one.
    """
    return _Run(trial, scene, folder, server).verdict()


class _Run:
    def __init__(self, trial: Trial, scene: Scene, folder: Path, server: SshServer | None) -> None:
        self._trial, self._scene, self._folder = trial, scene, folder
        self._mailbox = folder / "served" / "mailbox.git"
        # git and the relay replace files and never write into one, so links do, and cost a third.
        shutil.copytree(scene.folder / trial.moment / "mailbox.git", self._mailbox, copy_function=os.link)
        self._home = folder / "home"
        if trial.known:
            shutil.copytree(scene.folder / trial.known / "home", self._home)
        self._remote = self._make_remote(server)
        self._verdict = Verdict()

    def _make_remote(self, server: SshServer | None) -> Remote:
        replica = self._scene.folder / BEFORE
        if self._trial.way is Way.HTTP:
            return WebRemote(self._folder / "served", replica)
        if self._trial.way is Way.SSH:
            return ShellRemote(self._folder / "ssh", self._mailbox, replica / "mailbox.git", server)
        assert server is not None
        return GateRemote(server, self._mailbox)

    def verdict(self) -> Verdict:
        """Carry out the trial."""
        verdict, trial = self._verdict, self._trial
        with closing(self._remote), closing(self._relay(trial.deadline_s)) as relay:
            if trial.warm:
                _patient(relay).reach()
                relay._timeout_s = trial.deadline_s
                self._remote.count()
            self._remote.strike(trial.fault.name, trial.place, trial.seed)
            begun = time.monotonic()
            call = self._call(relay)
            verdict.seconds = time.monotonic() - begun
            verdict.requests = self._remote.count()
            verdict.hold(self._remote.has_struck(), "the fault did not strike")
            self._check_time()
            self._check_truth(call)
            self._check_words(call)
            if trial.fault.pauses:
                self._check_pause(relay)
            self._remote.lift()
            if not trial.fault.pauses:
                self._check_afterwards(_patient(relay), call)
                return verdict
            with closing(self._relay(PATIENCE_S)) as next_process:
                self._check_afterwards(next_process, call)
        return verdict

    def _relay(self, timeout_s: float) -> Relay:
        return self._scene.relay(self._remote.url, self._home, self._remote.environ, timeout_s)

    def _call(self, relay: Relay) -> _Call:
        try:
            if self._trial.act == "ask":
                sent = relay.ask(_TEXT)
            elif self._trial.act == "answer":
                sent = relay.answer(self._scene.known, _TEXT)
            else:
                listing = relay.questions() if self._trial.act == "questions" else relay.answers()
                return _Call(None, listing.notes, listing.stale, False, tuple(i.question_id for i in listing.items))
        except PeerRelayError as error:
            return _Call(error, (str(error),), error, False, ())
        return _Call(None, sent.notes, sent.blocked, sent.delivered, (sent.question_id,))

    # -- the promises -------------------------------------------------------------------------------------------------

    def _check_time(self) -> None:
        verdict, trial = self._verdict, self._trial
        limit = trial.deadline_s + GRACE_S if trial.fault.waits else AT_ONCE_S
        if not verdict.hold(verdict.seconds <= limit, f"the call took {verdict.seconds:.1f} seconds"):
            verdict.stuck += 1
        verdict.hold(verdict.requests <= trial.fault.most, f"the call made {verdict.requests} requests")

    def _check_truth(self, call: _Call) -> None:
        verdict, trial, found = self._verdict, self._trial, self._records()
        verdict.delivered = call.delivered
        own = [path for path in found if path not in self._scene.records[trial.moment]]
        if trial.act not in ("ask", "answer"):
            verdict.hold(own == [], "reading wrote to the mailbox")
            served = set(call.items) if call.error is None else set()
            wanted = {self._scene.known} if trial.act == "questions" and trial.known else set()
            verdict.hold(wanted <= served, "what was known is not served")
            verdict.hold(call.error is None or trial.known is None, "a read raised although something is known")
            return
        mine = [path for path in self._kept("outbox") if _TEXT.encode() in path.read_bytes()]
        if call.error is not None:
            asked = [path.name for path in self._kept("asked")]
            nowhere = (own, mine, asked) == ([], [], [self._scene.waiting] if trial.known else [])
            verdict.hold(nowhere, "what was refused is somewhere")
            verdict.hold(trial.known is None, "a record was refused although the room is known")
        elif call.delivered:
            if not verdict.hold(len(own) == 1 and _TEXT in self._text(own[0]), "what was delivered is not there"):
                verdict.lost += 1
        elif not verdict.hold(len(mine) == 1, "what was queued is not in the outbox"):
            verdict.lost += 1

    def _check_words(self, call: _Call) -> None:
        verdict, fault = self._verdict, self._trial.fault
        verdict.said = " ".join(call.notes)
        verdict.hold(verdict.said.isprintable(), "a control character is in what was said")
        verdict.hold(len(verdict.said) <= _LONGEST, "too much was said")
        token = self._scene.token
        secrets = [token, *self._remote.secrets, *map(_as_login, self._remote.secrets)]
        verdict.hold(not any(each in verdict.said for each in secrets), "a secret was said")
        if call.cause is not None:
            verdict.hold(str(call.cause) in verdict.said, "the cause is not said with its remedy")
            verdict.hold(call.cause.remedy.endswith("."), "the remedy is no sentence")
        if call.delivered or not fault.says:
            verdict.hold(fault.says != "" or self._succeeded(call), "a call failed that could succeed")
            return
        verdict.hold(re.search(fault.says, verdict.said) is not None, f"the cause is not named: {verdict.said!r}")

    def _succeeded(self, call: _Call) -> bool:
        return (
            call.cause is None and call.notes == () and (call.delivered or self._trial.act in ("questions", "answers"))
        )

    def _check_pause(self, relay: Relay) -> None:
        """Ask twice more in the same process: the remote must not notice."""
        for _ in range(2):
            said = _read(relay)
            self._verdict.hold("It is not asked again before 20" in said, f"a pause is not told of: {said!r}")
        self._verdict.hold(self._remote.count() == 0, "a request was made in a pause")

    def _check_afterwards(self, relay: Relay, call: _Call) -> None:
        """Call once more, and look at everything."""
        verdict, trial, scene = self._verdict, self._trial, self._scene
        listing = relay.questions()
        verdict.hold(listing.stale is None and listing.notes == (), f"the next call says: {' '.join(listing.notes)}")
        if not verdict.hold(self._kept("outbox") == [], "the next call left something in the outbox"):
            verdict.stuck += 1
        records, expected = self._records(), [*scene.records[trial.moment]]
        own = [path for path in records if path not in expected]
        wrote = trial.act in ("ask", "answer") and call.error is None
        verdict.lost += not verdict.hold(len(own) >= wrote, "a record was lost")
        verdict.lost += not verdict.hold(set(expected) <= set(records), "a record of the mailbox was lost")
        verdict.duplicated += len(own) - len(own[:wrote]) + len(records) - len(set(records))
        verdict.hold(verdict.duplicated == 0, f"there is too much: {records}")
        if own:
            kind, place = ("answer", scene.known) if trial.act == "answer" else ("question", call.items[0])
            verdict.hold(own[0].endswith(f"/{place}.{kind}.json") and _TEXT in self._text(own[0]), "it is another one")
        self._check_view(relay)

    def _check_view(self, relay: Relay) -> None:
        """Compare what alice's machine knows with what the mailbox holds."""
        trial, scene, standing = self._trial, self._scene, relay.standing()
        waiting = [scene.known] * (trial.act != "answer") + [scene.news] * (trial.moment == AFTER)
        self._verdict.hold([*standing.waiting] == waiting, f"waiting are {standing.waiting}")
        unread = [scene.waiting] * (trial.moment == AFTER and trial.known is not None)
        self._verdict.hold([*standing.unread] == unread, f"unread are {standing.unread}")

    # -- other eyes ---------------------------------------------------------------------------------------------------

    def _records(self) -> tuple[str, ...]:
        return records_in(self._mailbox, self._scene.branch)

    def _text(self, path: str) -> str:
        return run_git("cat-file", "blob", f"{self._scene.branch}:{path}", cwd=self._mailbox).decode()

    def _kept(self, name: str) -> list[Path]:
        return sorted(self._home.glob(f"rooms/*/*/{name}/*"))


def _read(relay: Relay) -> str:
    try:
        return " ".join(relay.questions().notes)
    except PeerRelayError as error:
        return str(error)


def _patient(relay: Relay) -> Relay:
    """Give a relay more time: what it does from now on is expected to succeed."""
    relay._timeout_s = PATIENCE_S
    return relay


def _as_login(password: str) -> str:
    return base64.b64encode(f"{USERNAME}:{password}".encode()).decode()
