"""What a caller may not do, in the words that it hears from a real server, and that nothing is left of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from peer_relay import app
from tests import independent
from tests.claims import claim
from tests.e2e.support import ANSWERED, NO_QUESTIONS, Agent, Mailbox, Person, Stage
from tests.servers import create_repository

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

FORMS = "Use a path, file://, ssh://, user@host:path, https://, or http:// to this machine only."
AGAIN = "Correct that and send it again."
RIGHT_IDS = "Use an id exactly as a tool returned it, or as `peer-relay log` shows it."
UNKNOWN_ID = independent.ulid(independent.START_MS)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return create_repository(tmp_path / "mailbox.git")


def enter(stage: Stage, repository: Path, name: str, token: str, peer_id: str | None = None) -> Person:
    """Return somebody whose agent is configured by variables."""
    return stage.person(
        name,
        PEER_RELAY_REMOTE=str(repository),
        PEER_RELAY_ROOM_TOKEN=token,
        PEER_RELAY_PEER_ID=peer_id or name,
    )


async def each_tool(agent: Agent) -> set[str]:
    """Call every tool with legal arguments; return the sentences of their refusals."""
    return {
        await agent.refusal("ask_peer", question="Why?"),
        await agent.refusal("check_questions"),
        await agent.refusal("answer_question", question_id=UNKNOWN_ID, answer="Because."),
        await agent.refusal("check_answers"),
        await agent.refusal("check_answers", include_read=True, wait_seconds=1),
        await agent.refusal("check_answers", question_id=UNKNOWN_ID),
    }


# ---------------------------------------------------------------------------------------------------------------------
# Requests

REFUSED_TEXTS = [
    ("\0", "U+0000 (a control character"),
    ("\x0b", "U+000B (a control character"),
    ("\x1b", "U+001B (a control character"),
    ("\x7f", "U+007F (a control character"),
    ("\x9b", "U+009B (a control character"),
    ("\r", "U+000D (a carriage return without a line feed"),
    ("\u202e", "U+202E (a control of the writing direction"),
    ("\u2066", "U+2066 (a control of the writing direction"),
    ("\ufdd0", "U+FDD0 (not a character"),
    ("\uffff", "U+FFFF (not a character"),
    ("\U0010fffe", "U+10FFFE (not a character"),
    ("\U000e0001", "U+E0001 (an invisible tag"),
    ("\U000e0041", "U+E0041 (an invisible tag"),
]

REFUSED_QUESTIONS: list[tuple[dict[str, Any], str]] = [
    ({"question": ""}, "question must not be empty"),
    ({"question": " \t\r\n\u3000"}, "question must not be empty"),
    ({"question": "x" * 12_001}, "question must be at most 12,000 characters long and has 12,001"),
    ({"question": '"' * 6_001}, "question must be at most 12,000 characters long and has 12,002"),
    ({"question": "Why?", "context_hint": ""}, "context_hint must not be empty"),
    (
        {"question": "Why?", "context_hint": "x" * 501},
        "context_hint must be at most 500 characters long and has 501",
    ),
    *(({"question": f"ab{text}c"}, f"question must not contain {name}, character 3)") for text, name in REFUSED_TEXTS),
]

REFUSED_ANSWERS: list[tuple[dict[str, Any], str]] = [
    ({"answer": ""}, "answer must not be empty"),
    ({"answer": "x" * 24_001}, "answer must be at most 24,000 characters long and has 24,001"),
    ({"answer": "\x1b[2J"}, "answer must not contain U+001B (a control character, character 1)"),
    ({"answer": "Because.", "sources": ["a", ""]}, "sources[1] must not be empty"),
    ({"answer": "Because.", "sources": ["x"] * 31}, "sources must be at most 30 and are 31"),
]


@claim("I9", "first-answer-wins", "trust-model")
async def test_a_request_that_cannot_be_carried_out_is_refused_and_leaves_nothing_behind(
    stage: Stage, repository: Path
) -> None:
    token = stage.open_room(repository)
    mailbox = Mailbox(repository, token)
    alice, bob = (enter(stage, repository, name, token) for name in ("alice", "bob"))
    async with alice.serve("legacy") as her, bob.serve() as his:
        for arguments, problem in REFUSED_QUESTIONS:
            assert await her.refusal("ask_peer", **arguments) == f"This question cannot be stored: {problem}. {AGAIN}"
        assert mailbox.history() == []
        question_id = (await her.call("ask_peer", question="x" * 12_000))["question_id"]
        for arguments, problem in REFUSED_ANSWERS:
            sentence = await his.refusal("answer_question", question_id=question_id, **arguments)
            assert sentence == f"This answer cannot be stored: {problem}. {AGAIN}"
        assert await her.refusal("answer_question", question_id=question_id, answer="Because.") == (
            f"Question {question_id} was asked by your own side, so only the other peer can answer it. Wait for that "
            "answer, or ask a better question."
        )
        unknown = f"There is no open question {UNKNOWN_ID} in this room. {RIGHT_IDS}"
        assert await his.refusal("answer_question", question_id=UNKNOWN_ID, answer="Because.") == unknown
        assert await her.refusal("check_answers", question_id=UNKNOWN_ID) == unknown
        assert await his.refusal("check_answers", question_id=question_id) == (
            f"Question {question_id} was asked by the other peer. Answer it with answer_question or `peer-relay "
            "answer`."
        )
        assert len(mailbox.history()) == 1
        assert await his.call("answer_question", question_id=question_id, answer="y" * 24_000) == ANSWERED
        assert await his.refusal("answer_question", question_id=question_id, answer="Or because?") == (
            f"Question {question_id} was answered already; the first answer wins, so this one came second and was not "
            "stored. Nothing more is needed."
        )
        (answer,) = (await her.call("check_answers"))["answers"]
        assert answer["answer"] == "y" * 24_000
        assert await his.call("check_questions") == NO_QUESTIONS
    assert [commit.subject[:16] for commit in mailbox.history()] == ["alice asks: xxxx", "bob answers: yyy"]
    assert (alice.kept("outbox"), bob.kept("outbox")) == ([], [])


@claim("I9")
async def test_half_of_a_surrogate_pair_is_refused_although_json_can_spell_it(stage: Stage, repository: Path) -> None:
    token = stage.open_room(repository)
    call = (
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call",'
        b'"params":{"name":"ask_peer","arguments":{"question":"ab\\ud800c"}}}\n'
    )
    result = enter(stage, repository, "alice", token).converse(call)["result"]
    assert result["isError"] is True
    assert result["content"][0]["text"] == (
        "This question cannot be stored: question must not contain U+D800 (half of a surrogate pair, character 3). "
        f"{AGAIN}"
    )
    assert Mailbox(repository, token).history() == []


# ---------------------------------------------------------------------------------------------------------------------
# Rooms


@claim("isolation", "secrets-never-shown")
async def test_a_token_or_a_name_of_no_room_opens_nothing(stage: Stage, repository: Path) -> None:
    token, stranger = stage.open_room(repository), app.new_token()
    stage.keep_secret(stranger)
    mailbox = Mailbox(repository, token)
    paired = (
        "is not a peer of this room, which pairs alice with bob. Set PEER_RELAY_PEER_ID to your own of the two, or run "
        "`peer-relay join` with an invite of your own."
    )
    intruders = {
        enter(stage, repository, "dora", stranger, "alice").serve: (
            f"There is no such room for this token in {repository}. Ask your peer for the invite and run "
            "`peer-relay join`, or open a room with `peer-relay init`."
        ),
        enter(stage, repository, "carol", token).serve: f"carol {paired}",
        enter(stage, repository, "alise", token).serve: f"alise {paired}",
    }
    for serve, sentence in intruders.items():
        async with serve() as agent:
            assert await each_tool(agent) == {sentence}
    assert mailbox.history() == []
    assert mailbox.branches() == [mailbox.branch]
    assert list(stage.folder.rglob("outbox/*")) == []
    assert list(stage.folder.rglob("asked/*")) == []


@claim("isolation")
async def test_two_rooms_in_one_repository_do_not_see_each_other(stage: Stage, repository: Path) -> None:
    first, second = stage.open_room(repository), stage.open_room(repository, "alice", "carol")
    rooms = {"bob": first, "carol": second}
    asked = {}
    for peer, token in rooms.items():
        async with enter(stage, repository, "alice", token).serve() as her:
            asked[peer] = (await her.call("ask_peer", question=f"For {peer}?"))["question_id"]
    for peer, other in (("bob", "carol"), ("carol", "bob")):
        async with enter(stage, repository, peer, rooms[peer]).serve() as agent:
            (waiting,) = (await agent.call("check_questions"))["questions"]
            assert (waiting["question_id"], waiting["question"]) == (asked[peer], f"For {peer}?")
            assert await agent.refusal("answer_question", question_id=asked[other], answer="Me too.") == (
                f"There is no open question {asked[other]} in this room. {RIGHT_IDS}"
            )
            answered = await agent.call("answer_question", question_id=asked[peer], answer=f"From {peer}.")
            assert answered == ANSWERED
    mailboxes = [Mailbox(repository, token) for token in rooms.values()]
    assert [mailbox.subjects() for mailbox in mailboxes] == [
        [f"alice asks: For {peer}?", f"{peer} answers: From {peer}."] for peer in rooms
    ]
    assert [len(mailbox.history()) for mailbox in mailboxes] == [2, 2]
    assert mailboxes[0].branches() == sorted(mailbox.branch for mailbox in mailboxes)


# ---------------------------------------------------------------------------------------------------------------------
# Settings


@claim("stdout-is-json-rpc")
async def test_a_server_without_settings_starts_and_says_what_is_missing(stage: Stage) -> None:
    nobody = stage.person("nobody", PEER_RELAY_ROOM_TOKEN="${TEAM_TOKEN}")
    sentence = (
        "PEER_RELAY_REMOTE, PEER_RELAY_ROOM_TOKEN and PEER_RELAY_PEER_ID are not set (PEER_RELAY_ROOM_TOKEN arrived as "
        "the literal text ${...}: what it stands for is not set where the agent was started), and no room is "
        f"saved in {nobody.home}/saved-rooms. Run `peer-relay join` with your peer's invite, or `peer-relay init` to "
        "open a room, or set them."
    )
    stage.expected_errors.add(f"peer-relay: {sentence}")
    async with nobody.serve() as agent:
        assert await each_tool(agent) == {sentence}
        tools = (await agent.client.list_tools()).tools
        assert [tool.name for tool in tools] == ["ask_peer", "check_questions", "answer_question", "check_answers"]
        assert agent.standard_error() == [f"peer-relay: {sentence}"]
    assert not nobody.home.exists()


@claim("secrets-never-shown", "I10")
@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    ids=["a mistyped token", "a helper", "plain http"],
    argvalues=[
        (
            "PEER_RELAY_ROOM_TOKEN",
            "prt1-tevgomzuyyal3v3e4djcpugkik6kvhi4627apod7pjnoppznkvrqron6",
            (
                "The room token is not valid: its checksum is wrong, so a character is missing or mistyped. Copy it "
                "whole into PEER_RELAY_ROOM_TOKEN again."
            ),
        ),
        (
            "PEER_RELAY_REMOTE",
            "ext::sh -c hunter2",
            f"ext:: cannot be used as a mailbox: it names a remote helper, which could run any program. {FORMS}",
        ),
        (
            "PEER_RELAY_REMOTE",
            "http://me:hunter2@forge.example/mailbox.git",
            (
                "http://…@forge.example/mailbox.git cannot be used as a mailbox: http:// shows the login and the room "
                "to everybody on the way. Use https:// instead."
            ),
        ),
    ],
)
async def test_a_setting_that_cannot_be_right_is_named_without_any_contact(
    stage: Stage, repository: Path, variable: str, value: str, sentence: str
) -> None:
    alice = enter(stage, repository, "alice", stage.open_room(repository))
    stage.secrets |= {"hunter2", value}
    stage.expected_errors.add(f"peer-relay: {sentence}")
    async with alice.serve(**{variable: value}) as agent:
        assert await agent.refusal("check_answers") == sentence
    assert not alice.home.exists()
