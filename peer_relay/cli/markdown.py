"""A transcript of a room in Markdown, made to be read on GitHub and to be kept beside the code.

1. The same exchanges give the same bytes, on either side and at any time: times are in UTC, and none is "now".
2. The headings are ours: one for the transcript, one for each exchange, one for each answer. What a peer wrote stands
   in quotations and in code, and cannot leave them (see `quoting`).
3. An exchange can be linked to: its id is an anchor.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from peer_relay.cli.moments import counted
from peer_relay.cli.quoting import code_span, prose, quoted
from peer_relay.cli.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from peer_relay.exchanges import Exchange

_CLAIMS = (
    "Questions and answers are shown as the peers or their agents wrote them. An answer is a claim: it is worth as "
    "much as the sources that it cites. Times are in UTC."
)


def transcript(exchanges: Sequence[Exchange], peers: Sequence[str], left_out: int = 0) -> str:
    """Return the transcript.

    Args:
        exchanges: what is in it, in this order.
        peers: the room's two, in any order.
        left_out: how many older ones are not in it.
    """
    lines = [f"# {' and '.join(map(prose, map(printable, sorted(peers))))}", "", _about(exchanges, left_out), ""]
    lines.append(_CLAIMS)
    for exchange in exchanges:
        lines += ["", *_exchange(exchange)]
    return "\n".join(lines) + "\n"


def _about(exchanges: Sequence[Exchange], left_out: int) -> str:
    if not exchanges:
        return "A transcript without an exchange."
    still_open = sum(exchange.answer is None for exchange in exchanges)
    older = f"; {left_out:,} older {'is' if left_out == 1 else 'are'} not in it" if left_out else ""
    room = code_span(exchanges[0].question.room)
    return f"A transcript of the room {room}: {counted(len(exchanges), 'exchange')}, {still_open:,} open{older}."


def _exchange(exchange: Exchange) -> Iterator[str]:
    question, answer = exchange.question, exchange.answer
    anchor = f'<a id="{html.escape(printable(question.id))}"></a>'
    yield f"## {anchor}{_name(question.asker_id)} asks, {_utc(question.asked_at)}"
    yield ""
    hint = "" if question.context_hint is None else f" · context: {code_span(question.context_hint)}"
    yield f"{code_span(question.id)}{hint}"
    yield ""
    yield from quoted(question.question)
    yield ""
    if answer is None or exchange.answerer is None:
        yield "*Not answered yet.*"
        return
    yield f"### {_name(exchange.answerer)} answers, {_utc(answer.answered_at)}"
    yield ""
    yield from quoted(answer.answer)
    if answer.sources:
        yield from ("", "Sources:", "")
        yield from (f"- {code_span(source)}" for source in answer.sources)


def _name(peer: str) -> str:
    return prose(printable(peer))


def _utc(time: str) -> str:
    """Return the written form of a time to the second, as it is read."""
    return f"{printable(time[:19]).replace('T', ' ')} UTC"
