"""What the tests of the command line share: running a command, and a relay that answers from a list."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from click.testing import CliRunner, Result

from peer_relay.cli import commands
from peer_relay.errors import UnknownQuestion
from peer_relay.exchanges import Exchange
from peer_relay.ids import ulid_ms
from peer_relay.keys import format_token
from peer_relay.records import Answer, Question, make
from peer_relay.reports import Listing
from peer_relay.standing import Standing
from peer_relay.times import format_ms

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from peer_relay.outbox import DamagedFile, OutboxEntry

TOKEN = format_token(b"a token that the tests look for!")
ROOM = "aaaaaaaaaaaaaaaa"
FIRST_ID = "01KAN3X1Y00000000000000000"


def run(*arguments: str, given: str | None = None) -> Result:
    """Run a command in this process, with the environment that the test has set."""
    return CliRunner().invoke(commands, list(arguments), input=given, prog_name="peer-relay")


def program(
    *arguments: str, given: str = "", environment: Mapping[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the real program."""
    return subprocess.run(
        [sys.executable, "-m", "peer_relay", *arguments],
        input=given,
        capture_output=True,
        encoding="utf-8",
        env=os.environ | (environment or {}),
        cwd=cwd,
        timeout=50,
        check=False,
    )


def exchange(number: int = 0, *, answered: bool = True, hint: str | None = None, text: str = "Why?") -> Exchange:
    """Return an exchange that alice began, with an id that grows with its number."""
    question_id = f"{FIRST_ID[:-4]}{number:04}"
    question = make(
        Question,
        id=question_id,
        room=ROOM,
        asker_id="alice",
        question=text,
        context_hint=hint,
        asked_at=format_ms(ulid_ms(question_id)),
    )
    answer = make(
        Answer,
        id=question_id,
        room=ROOM,
        answer="Because.",
        sources=("docs/a.md", "src/b.py:7"),
        answered_at="2026-11-23T10:00:00.000Z",
    )
    return Exchange(question, answer, "bob") if answered else Exchange(question, None, None)


@dataclass
class FakeRelay:
    """Stands in for the relay of the configured room, and remembers what was done."""

    exchanged: tuple[Exchange, ...] = ()
    waiting: tuple[OutboxEntry, ...] = ()
    notes: tuple[str, ...] = ()
    acts: list[str] = field(default_factory=list)
    stands: Standing = field(default_factory=lambda: Standing("alice"))
    broken: tuple[DamagedFile, ...] = ()
    me: str = "alice"

    def exchanges(self, *, whole_history: bool = False) -> Listing[Exchange]:
        self.acts.append(f"exchanges whole_history={whole_history}")
        return Listing(self.exchanged, self.notes)

    def outbox(self) -> tuple[OutboxEntry, ...]:
        return self.waiting

    def standing(self) -> Standing:
        return self.stands

    def _known(self, question_id: str) -> None:
        if question_id not in {entry.place.question_id for entry in self.waiting}:
            raise UnknownQuestion(question_id=question_id)

    def retry(self, question_id: str) -> None:
        self._known(question_id)
        self.acts.append(f"retry {question_id}")

    def deliver(self) -> bool:
        self.acts.append("deliver")
        self.waiting = self.waiting[1:]
        return not self.waiting

    def drop(self, question_id: str) -> None:
        self._known(question_id)
        self.acts.append(f"drop {question_id}")

    def damaged(self) -> tuple[DamagedFile, ...]:
        return self.broken

    def drop_damaged(self, name: str) -> bool:
        self.acts.append(f"drop damaged {name}")
        return name in {file.name for file in self.broken}

    def close(self) -> None:
        self.acts.append("close")
