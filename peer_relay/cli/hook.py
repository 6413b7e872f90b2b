"""`hook`: tells a coding agent what is new, at moments at which the agent asks for it.

1. It speaks in facts alone, and only of what the session was not told of yet; nothing that a peer wrote is in it.
2. It reads this machine's disk and contacts nobody: neither git nor the models of the records are loaded. What is known
   is kept fresh behind it, see `refreshing`.
3. Nothing of it goes wrong aloud, see `unheard`.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from peer_relay import attempts
from peer_relay.cli import refreshing
from peer_relay.cli.command import command, manners
from peer_relay.cli.hookinput import read_event
from peer_relay.cli.offline import look_at_disk
from peer_relay.cli.output import say
from peer_relay.cli.unheard import is_during
from peer_relay.clock import system_ms
from peer_relay.news import News
from peer_relay.told import Told

if TYPE_CHECKING:
    from peer_relay.cli.hookinput import Event
    from peer_relay.cli.offline import Known

_BEGINS = {
    "SessionStart": True,
    "UserPromptSubmit": False,
    "BeforeAgent": False,  # Gemini CLI's name for the same
    "Stop": False,
}
"""The events at which there may be something to say, and whether the agent knows nothing of before then."""


@command(
    examples=[
        "peer-relay hook  # as an agent's hook calls it",
        "peer-relay hook --max-age 300 --room work",
    ],
    enters_room=True,
)
@click.option(
    "--max-age",
    "max_age_s",
    type=click.IntRange(min=0),
    default=60,
    show_default=True,
    metavar="SECONDS",
    help="How old may be what is known before it is refreshed.",
)
@click.option("--refresh", "refreshes", is_flag=True, hidden=True)
def hook(max_age_s: int, refreshes: bool) -> None:  # noqa: FBT001 - click passes flags by name
    """Tell an agent's hook what is new, and nothing otherwise.

    An agent calls this at the beginning of a session, before it reads a prompt and before it stops, and says which of
    them on standard input, in JSON. The reply is JSON too: how many questions and answers are there, and from whom. It
    comes from this machine's disk; if that is older than --max-age, the mailbox is looked at in the background.

    Failures are silent and the exit status is always 0: `peer-relay doctor` tells of them.
    """
    if refreshes:
        is_during("a look at the mailbox")
        refreshing.refresh(manners().room)
        return
    event = _event()
    if event.name not in _BEGINS:
        return
    is_during(event.name)
    known = look_at_disk(lambda _sentence: None, manners().room)
    if not event.stop_hook_active:
        _tell(known, event)
    attempts.at_telling(known.chosen.config.home).note()
    refreshing.begin_if_due(known, max_age_s, manners().room)


def _event() -> Event:
    try:
        return read_event(sys.stdin)
    except ValueError:
        raise click.UsageError("standard input does not say in JSON which session this is.") from None


def _tell(known: Known, event: Event) -> None:
    """Say what waits, if the session does not know."""
    news, told = News.of(known.standing), Told(known.folder, event.session)
    if not news.ids or not (_BEGINS[event.name] or news.ids - told.ids()):
        return
    reply = json.dumps(_reply(event, " ".join(news.sentences(system_ms()))))
    if event.name != "Stop":
        say(reply)
        told.remember(news.ids)
        return
    before = told.ids()
    told.remember(news.ids)  # first: where nothing can be remembered, the agent would be kept from each stop anew
    try:
        say(reply)
    except OSError:
        told.remember(before)
        raise


def _reply(event: Event, facts: str) -> dict[str, object]:
    """Return what lets the model and the person read the facts.

    When Codex is about to stop, it takes no context and calls a reply with one a failure. What blocks it has the facts
    as its reason and in the place of a prompt. Claude Code would show that as a problem, and take it for an order.
    """
    if event.is_codex and event.name == "Stop":
        return {"decision": "block", "reason": facts}
    return {"systemMessage": facts, "hookSpecificOutput": {"hookEventName": event.name, "additionalContext": facts}}
