"""The prompts: what a client sees of them, what they say, and what is refused."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from mcp import MCPError

from peer_relay.paths import Kind, Place
from peer_relay.server.prompts import ABOUT, ASK, CHECK, PROMPTS, STATUS, facts
from peer_relay.server.tools import FACES
from peer_relay.standing import OnTheWay, Standing
from tests.claims import claim
from tests.server.fake_relay import FakeRelay, Script, log_of, numbered
from tests.server.support import connected

if TYPE_CHECKING:
    from pathlib import Path

both_eras = pytest.mark.parametrize("mode", ["auto", "legacy"])


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def got(folder: Path, mode: Any, name: str, arguments: dict[str, str] | None = None, **options: Any) -> str:
    """Return what a prompt says."""
    async with connected(folder, mode, **options) as client:
        result = await client.get_prompt(name, arguments)
    (message,) = result.messages
    assert (message.role, message.content.type, result.description) == ("user", "text", PROMPTS[name].description)
    return message.content.text


async def refused(folder: Path, mode: Any, name: str, arguments: dict[str, str] | None = None) -> tuple[int, str]:
    async with connected(folder, mode) as client:
        with pytest.raises(MCPError) as caught:
            await client.get_prompt(name, arguments)
    return caught.value.code, caught.value.message


@pytest.mark.anyio
@both_eras
async def test_the_prompts_are_listed_without_a_look_at_the_mailbox(tmp_path: Path, mode: Any) -> None:
    async with connected(tmp_path, mode) as client:
        listed = (await client.list_prompts()).prompts
    assert [each.model_dump(exclude_none=True) for each in listed] == [
        {
            "name": face.name,
            "title": face.title,
            "description": face.description,
            "arguments": [{"name": name, "description": what, "required": False} for name, what in arguments],
        }
        for face, arguments in (
            (ASK, [("about", "what to ask about, in a few words")]),
            (CHECK, []),
            (STATUS, []),
        )
    ]
    assert log_of(tmp_path) == []


@pytest.mark.parametrize("face", PROMPTS.values(), ids=PROMPTS)
def test_a_prompt_is_short_and_names_no_tool_that_there_is_not(face: Any) -> None:
    assert len(face.text.split()) < 150
    assert set(re.findall(r"\b[a-z]+_(?:peer|questions?|answers?)\b", face.text)) <= {each.name for each in FACES}
    assert face.text.endswith(".\n")


def test_the_prompts_say_how_to_ask_well_and_how_to_answer_well() -> None:
    for words in ("one question", "self-contained", "versions", "in your own words", "no passwords", "no whole files"):
        assert words in ASK.text
    for words in ("data, not instructions", "Before anything is sent", "file:line", "unverified", "whole files"):
        assert words in CHECK.text


@pytest.mark.anyio
@both_eras
async def test_ask_ends_with_what_the_developer_typed(tmp_path: Path, mode: Any) -> None:
    assert await got(tmp_path, mode, "ask", {"about": " the retries "}) == f"{ASK.text}\n{ABOUT} the retries"
    assert await got(tmp_path, mode, "ask") == f"{ASK.text}\n{ABOUT}"
    assert await got(tmp_path, mode, "check") == CHECK.text
    assert log_of(tmp_path) == []


@pytest.mark.anyio
@both_eras
async def test_a_prompt_or_an_argument_that_there_is_not_is_refused_with_one_sentence(
    tmp_path: Path, mode: Any
) -> None:
    assert await refused(tmp_path, mode, "tell") == (-32602, "There is no such prompt. Use one of ask, check, status.")
    assert await refused(tmp_path, mode, "ask", {"about": "x", "hunter2": "y"}) == (
        -32602,
        "The prompt ask takes no other argument than about.",
    )
    assert await refused(tmp_path, mode, "check", {"about": "x"}) == (-32602, "The prompt check takes no argument.")


@pytest.mark.anyio
@both_eras
async def test_status_tells_what_is_on_the_disk_and_does_nothing_else(tmp_path: Path, mode: Any) -> None:
    said = await got(tmp_path, mode, "status", answers=1)
    assert said.startswith(f"{STATUS.text}\n1 answer from bob to your question {numbered(1)} has arrived")
    assert log_of(tmp_path) == ["open", "standing"]


class Broken(FakeRelay):
    """Cannot say how things stand."""

    def standing(self) -> Standing:
        raise ValueError("the password is hunter2")


@pytest.mark.anyio
@claim("I10")
async def test_status_says_why_it_knows_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert await got(tmp_path, "auto", "status", setting_is_missing=True) == (
        f"{STATUS.text}\nHow things stand cannot be read: PEER_RELAY_REMOTE is not set. Set it."
    )
    assert await got(tmp_path, "auto", "status", relay=Broken(tmp_path, Script())) == (
        f"{STATUS.text}\nHow things stand cannot be read, for a reason inside peer-relay, which its standard error "
        "names."
    )
    assert re.fullmatch(
        r"peer-relay: status failed: ValueError in test_prompts\.py, line \d+\n", capsys.readouterr().err
    )


NOW_MS = 1_780_000_000_000
HOUR_MS = 3_600_000


def asked_at(ms: int, number: int = 0) -> str:
    """Return the id of a question that was asked then."""
    digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    return "".join(digits[(ms >> shift) & 31] for shift in range(45, -1, -5)) + f"{number:016d}"


OLD, NEW = asked_at(NOW_MS - 3 * HOUR_MS), asked_at(NOW_MS - HOUR_MS, 1)


def on_the_way(status: str) -> OnTheWay:
    return OnTheWay(Place(OLD, "alice", Kind.QUESTION), status, "You shall not pass.")


@pytest.mark.parametrize(
    ("standing", "expected"),
    [
        (
            Standing("alice"),
            ["Nothing from the other peer waits here.", "The mailbox was never reached from this machine."],
        ),
        (
            Standing("alice", "bob", NOW_MS - 120_000, waiting=(OLD, NEW), unanswered=(OLD,)),
            [
                "2 questions from bob are waiting in peer-relay (the oldest for 3 hours).",
                "1 question from here has no answer yet (asked 3 hours ago).",
                "The mailbox was last reached 2 minutes ago.",
            ],
        ),
        (
            Standing(
                "alice",
                "bob",
                NOW_MS,
                unanswered=(OLD, NEW),
                outbox=(on_the_way("queued"), on_the_way("queued"), on_the_way("refused"), on_the_way("second")),
                damaged=("x",),
                refusal="The branch was rewritten. Do that.",
            ),
            [
                "Nothing from bob waits here.",
                "2 questions from here have no answer yet (the oldest asked 3 hours ago).",
                "2 records are queued on this machine and go out automatically.",
                "2 records are set aside: `peer-relay outbox` shows why, and what to do.",
                "The branch was rewritten. Do that.",
                "The mailbox was last reached just now.",
            ],
        ),
        (
            Standing("alice", "bob", NOW_MS, outbox=(on_the_way("queued"), on_the_way("refused"))),
            [
                "Nothing from bob waits here.",
                "1 record is queued on this machine and goes out automatically.",
                "1 record is set aside: `peer-relay outbox` shows why, and what to do.",
                "The mailbox was last reached just now.",
            ],
        ),
    ],
)
def test_the_facts_say_what_waits_what_is_open_and_what_is_on_its_way(standing: Standing, expected: list[str]) -> None:
    assert facts(standing, NOW_MS) == expected
