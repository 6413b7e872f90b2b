"""`wait --rewake` as a hook of Claude Code, with the lines that its page gives."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING

from peer_relay import disk
from tests.claims import claim
from tests.clients.model import playing, say
from tests.clients.programs import ROOT
from tests.clients.sessions import PROMPT, on_terminal, session

if TYPE_CHECKING:
    from pathlib import Path

    from tests.clients.people import Pair
    from tests.clients.programs import Program

QUESTION = "Why is a subject cut at 72 characters?"


def hooks() -> tuple[str, str]:
    """Return the options that give Claude Code the hooks of the page."""
    page = (ROOT / "docs" / "claude-code.md").read_text(encoding="utf-8")
    (given,) = [each for each in re.findall(r"```json\n(.*?)```", page, re.DOTALL) if "--rewake" in each]
    return "--settings", given


@claim("hook-is-silent")
def test_what_arrives_wakes_an_idle_session_once_and_nobody_waits_for_one_that_was_killed(
    claude: Program, people: Pair
) -> None:
    bob = people.bob
    with playing(say("Good morning.")) as model:
        with on_terminal(claude, bob, model.url, *hooks()) as terminal:
            terminal.wait_for(lambda screen: PROMPT in screen)
            terminal.type("Good morning.\r")
            terminal.wait_for(lambda _: len(model.requests) == 1)
            people.alice.run("ask", QUESTION)
            terminal.wait_for(lambda _: len(model.requests) == 2)
            people.alice.run("ask", QUESTION)
            terminal.wait_for(lambda _: len(model.requests) == 3)
            (lock,) = bob.home.glob("peer-relay/rooms/*/*/told/*.lock")
        until_free(lock)  # of the process that waited: it is in a group of its own, so it was not killed
    sent = [json.dumps(request) for request in model.requests]
    assert [each.count(" from alice is waiting in peer-relay (for ") for each in sent] == [0, 1, 1]
    assert [each.count("2 questions from alice are waiting in peer-relay") for each in sent] == [0, 0, 1]
    assert (QUESTION in "".join(sent), model.refused) == (False, [])


def until_free(lock: Path) -> None:
    """Wait until nobody holds a lock."""
    end = time.monotonic() + 20
    while True:
        with disk.lock_file(lock, 0.1) as got:
            if got:
                return
        assert time.monotonic() < end


def test_nobody_waits_where_no_person_is(claude: Program, people: Pair) -> None:
    model = session(claude, people.bob, say("Good morning."), options=hooks(), prompt="Good morning.")
    assert len(model.requests) == 1
