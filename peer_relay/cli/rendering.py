"""Exchanges as a person reads them: who, when, and the words of each, on a terminal or as plain text.

1. Whose words a line holds can always be told: what a peer wrote has a margin on each of its lines, and what begins at
   the left edge is ours. No text can end its margin, and no width of a terminal can (see `lines`).
2. A question and its answer stand together under their id; one that is open says so beside it.
3. A peer has the same colour everywhere: this side's own is cyan, the other's magenta. No colour is the only sign of
   anything, and none is black or white, so that dark and light terminals, and those without colours, show the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from peer_relay.cli.lines import lines_of
from peer_relay.cli.moments import ago, local_time
from peer_relay.cli.output import console, say
from peer_relay.cli.terminal import printable
from peer_relay.times import parse_ms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from peer_relay.exchanges import Exchange

    Line = list[tuple[str, str]]
    """Pieces of text with their styles."""

_PLAIN_WIDTH = 80
"""Text in a pipe is read on a terminal in the end, and most are at least as wide."""
_WIDEST = 120
"""Longer lines are hard to read."""

_OWN, _OTHER = "cyan", "magenta"


@dataclass(frozen=True)
class Words:
    """What one peer wrote at one time.

    Attributes:
        peer: who.
        act: what it does by that, such as `asks`.
        at_ms: when, in milliseconds since 1970.
        text: the question or the answer.
        more: what goes with it, each with its label.
    """

    peer: str
    act: str
    at_ms: int
    text: str
    more: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Card:
    """One exchange as it is shown.

    Attributes:
        question_id: its id.
        words: the question, and the answer if it is to be shown.
        state: what stands out beside the id, such as `open`; may be empty.
        advice: a line of ours below it; may be empty.
    """

    question_id: str
    words: tuple[Words, ...]
    state: str = ""
    advice: str = ""


def question_words(peer: str, at_ms: int, text: str, hint: str | None = None) -> Words:
    """Return a question as it is shown."""
    return Words(peer, "asks", at_ms, text, () if hint is None else (("context", hint),))


def answer_words(peer: str, answered_at: str, text: str, sources: tuple[str, ...]) -> Words:
    """Return an answer as it is shown."""
    return Words(peer, "answers", parse_ms(answered_at), text, tuple(("source", each) for each in sources))


def card_of(exchange: Exchange) -> Card:
    """Return an exchange as it is shown."""
    question, answer, answerer = exchange.question, exchange.answer, exchange.answerer
    asks = question_words(question.asker_id, parse_ms(question.asked_at), question.question, question.context_hint)
    if answer is None or answerer is None:
        return Card(question.id, (asks,), "open")
    return Card(question.id, (asks, answer_words(answerer, answer.answered_at, answer.answer, answer.sources)))


class Page:
    """Prints one card below the other.

    Args:
        me: this side's peer id.
        now_ms: the time to which others are related, in milliseconds since 1970.
    """

    def __init__(self, me: str, now_ms: int) -> None:
        self._me = me
        self._now_ms = now_ms
        self._console = console()
        self._width = _PLAIN_WIDTH if self._console is None else min(self._console.width, _WIDEST)
        draws = self._console is not None and self._console.encoding.startswith("utf")
        self._margin, self._rule = ("┃ ", "─") if draws else ("  | ", "-")
        self._is_first = True

    def print(self, card: Card) -> None:
        """Print a card."""
        lines = [*([] if self._is_first else [[]]), *self._lines(card)]
        self._is_first = False
        if self._console is None:
            say("\n".join("".join(text for text, _ in line).rstrip() for line in lines))
            return
        from rich.text import Text  # noqa: PLC0415 - only a terminal needs it

        text = Text("\n").join(Text.assemble(*line) for line in lines)
        # The lines are broken already, and by stricter rules than those of the library.
        self._console.print(text, soft_wrap=True)

    def _lines(self, card: Card) -> Iterator[Line]:
        yield self._heading(card)
        for words in card.words:
            yield from self._by_whom(words)
            yield from self._said(words)
        if card.advice:
            yield [(printable(card.advice), "")]

    def _heading(self, card: Card) -> Line:
        """Return the line of the id, on a terminal as a rule across it."""
        question_id, state = printable(card.question_id), f" {card.state} " if card.state else ""
        if self._console is None:
            return [(question_id, ""), (f" {state}", "")]
        rest = max(1, self._width - len(question_id) - 4 - (len(state) + 3 if state else 0))
        begin: Line = [(f"{self._rule * 2} ", "dim"), (question_id, "bold"), (f" {self._rule * rest}", "dim")]
        return begin + ([(" ", ""), (state, "reverse"), (f" {self._rule}", "dim")] if state else [])

    def _by_whom(self, words: Words) -> Iterator[Line]:
        who = (f"{printable(words.peer)} {words.act}", f"bold {self._colour(words)}")
        when = (f"{local_time(words.at_ms)} ({ago(words.at_ms, self._now_ms)})", "dim")
        if len(who[0]) + len(when[0]) + 2 <= self._width:
            yield [who, ("  ", ""), when]
        else:
            yield [who]
            yield [("  ", ""), when]

    def _said(self, words: Words) -> Iterator[Line]:
        margin, width = (self._margin, self._colour(words)), max(2, self._width - len(self._margin))
        for line in lines_of(words.text, width):
            yield [margin, (line, "")]
        if words.more:
            yield [margin]
        for label, text in words.more:
            first, *others = lines_of(f"{label}: {text}", width)
            yield [margin, (first[: len(label) + 1], "dim"), (first[len(label) + 1 :], "")]
            for line in others:
                yield [margin, (line, "")]

    def _colour(self, words: Words) -> str:
        return _OWN if words.peer == self._me else _OTHER
