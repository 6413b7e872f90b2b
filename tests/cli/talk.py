"""A small fixed room for the tests of what people read, its relay, and texts that mean harm."""

from __future__ import annotations

import io
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rich.console import Console

from peer_relay.exchanges import Exchange
from peer_relay.ids import ulid_ms
from peer_relay.records import Answer, Question, make
from peer_relay.reports import Listing, ReceivedAnswer, WaitingQuestion
from peer_relay.standing import Standing
from peer_relay.times import format_ms, parse_ms
from tests.cli.support import ROOM, FakeRelay
from tests.hostile.texts import REFUSED, STORABLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pytest

    from peer_relay.errors import PeerRelayError

NOW_MS = parse_ms("2026-11-25T10:00:00.000Z")
ID_1, ID_2, ID_3 = "01M819ERJ2C6926308KQFDJK2C", "01M84BDBY0V2WRHG3TZ6MRXMSW", "01M8927E0MYZXJAY0HYRD2BSKP"


def said(
    question_id: str,
    asker: str,
    text: str,
    *,
    hint: str | None = None,
    answer: str | None = None,
    sources: Sequence[str] = (),
    answered_at: str = "2026-11-24T16:20:00.000Z",
) -> Exchange:
    """Return an exchange of alice and bob; without an answer it is open."""
    asked_at = format_ms(ulid_ms(question_id))
    question = make(
        Question, id=question_id, room=ROOM, asker_id=asker, question=text, context_hint=hint, asked_at=asked_at
    )
    if answer is None:
        return Exchange(question, None, None)
    reply = make(Answer, id=question_id, room=ROOM, answer=answer, sources=tuple(sources), answered_at=answered_at)
    return Exchange(question, reply, {"alice": "bob", "bob": "alice"}[asker])


TALK = (
    said(
        ID_1,
        "alice",
        "Why does the session token expire after 15 minutes? Mobile users are logged out while they fill in a form.",
        hint="src/auth/session.py",
        answer="It is **on purpose**:\n\n```python\nTTL = 900\n```\n\n- see `TTL`\n  - and __init__",
        sources=("docs/adr/7.md", "commit 3f9c2d1"),
        answered_at="2026-11-22T09:41:00.000Z",
    ),
    said(ID_2, "bob", "Who calls /v1/orders?", answer="Only checkout. From memory."),
    said(ID_3, "alice", "Is the limit still 5?"),
)

LONG = 1_000
HOSTILE = (
    "bell \u0007 escape \u001b[31mred\u001b[0m csi \u009b2J link \u001b]8;;http://evil\u001b\\here\u001b]8;;\u001b\\",
    "over\rwritten, \u202etxt.exe\u202c and \u2066isolated\u2069",
    "marks \u200e\u200f\u061c, separators \u2028\u2029, nothing \u200b\u200c\u200d\u2060\ufeff\u00ad\u034f\u3164 there",
    "flag \U0001f3f4" + "".join(chr(0xE0000 + ord(each)) for each in "do evil") + "\U000e007f, tag \U000e0041",
    "selectors x\ufe00\ufe01\U000e0100, more z" + "\u0301" * 40,
    "[bold red]markup[/] [link=http://evil]x[/link] :smile: :boom: \\[x]",
    "```\nunclosed\n# heading\n",
    "~~~ mermaid\ngraph TD;\n~~~\n````\n```\nnested\n````\n",
    "# heading\nsetext\n===\nmore\n---\n> quote\n* list\n1. one\n    code\n\tcode",
    "<details><summary>x</summary>\n<b>bold\n<!-- never closed\n</blockquote></td><script>x</script><a id='q'>",
    "![i](http://evil/x.png) [here](http://evil) [a]: http://evil\n[^1]: note\n[!NOTE]\n- [ ] task",
    "| a | b |\n|---|---|\n| `x | <b>` | y |\n\na|b\n:-|-:\n1|2",
    "`lone ``two `` ```three``` <b>`</b>` \\` \\\\` **bold `code`** __init__ *args ~~gone~~ $x$ &lt; https://a.b/c_d(e)",
    "x\n" * 3 + "\n" * 3000 + "2026-11-23 bob answers\n    not at all",
    "y" * 3000 + " " * 500 + "bob answers  2026-11-23 10:00:00 +0000 (now)",
    "漢字" * 100 + " \U0001f469\u200d\U0001f4bb \u2764\ufe0f 1\ufe0f\u20e3 \u0645\u06cc\u200c\u062e\u0648",
    *(text for text in (*STORABLE.values(), *REFUSED.values()) if text.strip() and len(text) < LONG),
)
"""Some of these could never be read from a mailbox; they must do no harm all the same."""

UNSEEN = re.compile(
    "[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u00ad\u034f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff"
    "\U000e0001\U000e0041\U000e0100]"
)
"""What must never come out; a line feed may."""

_SGR = re.compile("\u001b\\[[0-9;]*m")


def without_colours(text: str) -> str:
    return _SGR.sub("", text)


def slipped(text: str, number: int) -> Exchange:
    """Return an exchange that holds a text everywhere, unchecked."""
    question_id = f"{ID_1[:-4]}{number:04}"
    one = said(question_id, "alice", "?", hint="?", answer="!", sources=["."])
    question = one.question.model_copy(update={"question": text, "context_hint": text})
    assert one.answer is not None
    return Exchange(question, one.answer.model_copy(update={"answer": text, "sources": (text, text)}), "bob")


@dataclass
class TalkRelay(FakeRelay):
    """Answers from a list, as a relay of alice would, and remembers what was done."""

    everything: tuple[Exchange, ...] | None = None
    unread: tuple[str, ...] = ()
    shown_before: tuple[str, ...] = ()
    stale: PeerRelayError | None = None
    history: PeerRelayError | None = None
    acts: list[str] = field(default_factory=list)

    def exchanges(self, *, whole_history: bool = False) -> Listing[Exchange]:
        self.acts.append("whole history" if whole_history else "tip")
        if whole_history and self.history is not None:
            raise self.history
        everything = self.exchanged if self.everything is None else self.everything
        return Listing(everything if whole_history else self.exchanged, self.notes, self.stale)

    def exchange(self, question_id: str) -> Listing[Exchange]:
        return Listing(self._of([question_id]), self.notes, self.stale)

    def questions(self) -> Listing[WaitingQuestion]:
        waiting = [
            each.question for each in self.exchanged if each.answer is None and each.question.asker_id != self.me
        ]
        items = (WaitingQuestion(each.id, each.question, each.context_hint, each.asked_at) for each in waiting)
        return Listing(tuple(items), self.notes, self.stale)

    def answers(self, *, include_read: bool = False, question_id: str | None = None) -> Listing[ReceivedAnswer]:
        mine = [each for each in self.exchanged if each.answer is not None and each.question.asker_id == self.me]
        wanted = [question_id] if question_id else [m.question.id for m in mine] if include_read else self.unread
        return Listing(tuple(self._received(self._of(wanted))), self.notes, self.stale)

    def mark_read(self, question_ids: Iterable[str]) -> None:
        self.acts += [f"read {question_id}" for question_id in question_ids]

    def standing(self) -> Standing:
        return Standing(self.me, "bob" if self.exchanged else None)

    def _of(self, ids: Iterable[str]) -> tuple[Exchange, ...]:
        wanted = set(ids)
        return tuple(each for each in self.exchanged if each.question.id in wanted)

    def _received(self, exchanges: Iterable[Exchange]) -> Iterable[ReceivedAnswer]:
        for each in exchanges:
            if each.answer is not None:
                question, answer, again = each.question, each.answer, each.question.id in self.shown_before
                yield ReceivedAnswer(
                    question.id, question.question, answer.answer, answer.sources, answer.answered_at, again
                )


def in_berlin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the zone and the clock of this process; the zone is undone by `time.tzset` once the variable is."""
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    for module in ("log", "reading", "since"):
        monkeypatch.setattr(f"peer_relay.cli.{module}.system_ms", lambda: NOW_MS)


def on_terminal(monkeypatch: pytest.MonkeyPatch, width: int, **options: Any) -> io.StringIO:
    """Let what a page prints go to a terminal; return what is written there."""
    screen = io.StringIO()
    kinds = {"force_terminal": True, "color_system": "standard", "legacy_windows": False, "_environ": {}}
    kinds |= {"highlight": False, "emoji": False, "markup": False, "file": screen, "width": width}
    monkeypatch.setattr("peer_relay.cli.rendering.console", lambda: Console(**(kinds | options)))
    return screen
