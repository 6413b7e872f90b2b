"""A relay without a mailbox: it plays a script, keeps what is read in files, and writes down each call in order."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from peer_relay.errors import InvalidSetting, UnknownQuestion
from peer_relay.reports import Listing, ReceivedAnswer, Sent, WaitingQuestion
from peer_relay.standing import Standing

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

PATIENCE_S = 20.0
ASKED_AT = "2026-11-22T10:00:00.000Z"
ANSWERED_AT = "2026-11-22T11:00:00.000Z"


def numbered(number: int) -> str:
    """Return a question id."""
    return f"01KAN3{number:020d}"


@dataclass(frozen=True)
class Script:
    """What a fake relay does.

    Attributes:
        answers: how many answers there are; the first has the id `numbered(1)`.
        questions: how many questions wait.
        looks_in_vain: how many calls of `answers` and `questions` find nothing before the rest find everything.
        delivered: what ask and answer report.
        failures: how many tries of `deliver` fail.
        gate: `answers` waits until there is a file `go` in the folder.
        setting_is_missing: opening fails.
        crash: each call but `close` and `deliver` raises an exception that holds a secret.
        prints: each call prints to standard output.
        notes: of each result.
    """

    answers: int = 0
    questions: int = 0
    looks_in_vain: int = 0
    delivered: bool = True
    failures: int = 0
    gate: bool = False
    setting_is_missing: bool = False
    crash: bool = False
    prints: bool = False
    notes: tuple[str, ...] = ()

    def save(self, folder: Path) -> None:
        (folder / "script.json").write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Script:
        content = json.loads((folder / "script.json").read_text(encoding="utf-8"))
        return cls(**{**content, "notes": tuple(content["notes"])})


def log_of(folder: Path) -> list[str]:
    """Return the calls that fake relays in a folder got, in order."""
    path = folder / "log"
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def wait_for_log(folder: Path, line: str, count: int = 1) -> list[str]:
    """Wait until a line is in the log so many times, and return the log."""
    until = time.monotonic() + PATIENCE_S
    while log_of(folder).count(line) < count:
        assert time.monotonic() < until, f"no {line!r} in {log_of(folder)}"
        time.sleep(0.005)
    return log_of(folder)


class FakeRelay:
    """Has the methods of `Relay` that a server calls."""

    near = False

    def __init__(self, folder: Path, script: Script) -> None:
        self.script = script
        self.folder = self._folder = folder
        self._lock = threading.Lock()
        self._looks = 0
        self._failures = script.failures
        self._queued = 0

    @classmethod
    def open(cls, folder: Path, script: Script) -> FakeRelay:
        relay = cls(folder, script)
        relay._log("open")
        if script.setting_is_missing:
            raise InvalidSetting(name="PEER_RELAY_REMOTE", reason="is not set", advice="Set it.")
        return relay

    def having_waited(self, _waited_s: float) -> FakeRelay:
        return self

    def ask(self, question: str, context_hint: str | None = None) -> Sent:
        self._begin(f"ask {question} {context_hint}")
        return self._send(numbered(1))

    def answer(self, question_id: str, answer: str, sources: Sequence[str] = ()) -> Sent:
        self._begin(f"answer {question_id} {answer} {list(sources)}")
        if question_id == "unknown":
            raise UnknownQuestion(question_id=question_id)
        return self._send(question_id)

    def questions(self) -> Listing[WaitingQuestion]:
        self._begin("questions")
        count = self.script.questions if self._finds() else 0
        items = [WaitingQuestion(numbered(i), f"Why {i}?", None, ASKED_AT) for i in range(1, count + 1)]
        return Listing(tuple(items), self.script.notes)

    def answers(self, *, include_read: bool = False, question_id: str | None = None) -> Listing[ReceivedAnswer]:
        self._begin("answers")
        count = self.script.answers if self._finds() else 0
        shown = self._kept("shown")
        wanted = [numbered(i) for i in range(1, count + 1)]
        if question_id is not None:
            wanted = [each for each in wanted if each == question_id]
        elif not include_read:
            wanted = [each for each in wanted if each not in self._kept("read")]
        items = [ReceivedAnswer(i, "Why?", "Because.", ("a.py:1",), ANSWERED_AT, i in shown) for i in wanted]
        return Listing(tuple(items), self.script.notes)

    def standing(self) -> Standing:
        self._log("standing")
        read = self._kept("read")
        unread = [each for each in map(numbered, range(1, self.script.answers + 1)) if each not in read]
        waiting = map(numbered, range(1, self.script.questions + 1))
        return Standing("alice", "bob", 0, waiting=tuple(waiting), unread=tuple(unread))

    def mark_shown(self, question_ids: Iterable[str]) -> None:
        self._keep("shown", question_ids)

    def mark_read(self, question_ids: Iterable[str]) -> None:
        self._keep("read", question_ids)

    def deliver(self) -> bool:
        with self._lock:
            self._failures -= 1
            if self._failures < 0:
                self._queued = 0
            left = self._queued
        self._log("deliver")
        return left == 0

    def held_back_s(self) -> float:
        return 0.0

    def pending(self) -> int:
        self._log("pending")
        with self._lock:
            return self._queued

    def close(self) -> None:
        self._log("close")

    def _begin(self, line: str) -> None:
        self._log(line)
        if self.script.prints:
            print("not JSON-RPC", flush=True)
        if self.script.crash:
            raise ValueError("the password is hunter2")
        if self.script.gate:
            until = time.monotonic() + PATIENCE_S
            while not (self._folder / "go").exists() and time.monotonic() < until:
                time.sleep(0.002)

    def _finds(self) -> bool:
        with self._lock:
            self._looks += 1
            return self._looks > self.script.looks_in_vain

    def _send(self, question_id: str) -> Sent:
        if not self.script.delivered:
            with self._lock:
                self._queued += 1
        return Sent(question_id, self.script.delivered, self.script.notes)

    def _log(self, line: str) -> None:
        with self._lock, (self._folder / "log").open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"{line}\n")

    def _kept(self, name: str) -> set[str]:
        path = self._folder / name
        return set(path.read_text(encoding="utf-8").split()) if path.exists() else set()

    def _keep(self, name: str, question_ids: Iterable[str]) -> None:
        with self._lock, (self._folder / name).open("a", encoding="utf-8") as file:
            file.writelines(f"{each}\n" for each in sorted(question_ids))
        self._log(name)
