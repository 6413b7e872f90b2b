"""What outlives a session: an answer that may not have been seen, and a record that is still to go out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.claims import claim
from tests.e2e.support import ANSWERED, CLAIMS_NOTE, NO_ANSWERS, NO_QUESTIONS, Mailbox, Stage, until
from tests.servers import create_repository

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

AGAIN_NOTE = f"{CLAIMS_NOTE} Of these, 1 may have been shown to you before."


def room_of(stage: Stage, repository: Path) -> dict[str, Any]:
    return {"PEER_RELAY_REMOTE": str(repository), "PEER_RELAY_ROOM_TOKEN": stage.open_room(repository)}


@claim("I7")
async def test_an_answer_is_shown_again_until_a_request_proves_that_it_arrived(stage: Stage, tmp_path: Path) -> None:
    room = room_of(stage, create_repository(tmp_path / "mailbox.git"))
    alice, bob = (stage.person(name, **room, PEER_RELAY_PEER_ID=name) for name in ("alice", "bob"))
    async with alice.serve("legacy") as her, bob.serve() as his:
        question_id = (await her.call("ask_peer", question="Why?"))["question_id"]
        assert await his.call("answer_question", question_id=question_id, answer="Because.") == ANSWERED
        first = await her.call("check_answers")
        assert (first["answers"][0]["answer"], first["note"]) == ("Because.", CLAIMS_NOTE)
        await her.kill()
    again = first | {"note": AGAIN_NOTE}
    async with alice.serve() as her:
        assert await her.call("check_answers") == again  # and then the end of input, which proves nothing
    async with alice.serve("legacy") as her:
        assert await her.call("check_answers") == again
        assert await her.call("check_questions") == NO_QUESTIONS
        assert alice.kept("asked") == []
        await her.kill()
    async with alice.serve() as her:
        assert await her.call("check_answers") == NO_ANSWERS
        assert await her.call("check_answers", question_id=question_id) == first
        assert await her.call("check_answers", include_read=True) == first


@claim("I4", "I8", "delivered-or-queued")
async def test_what_was_queued_survives_a_kill_and_goes_out_once_when_the_next_server_starts(
    stage: Stage, tmp_path: Path
) -> None:
    repository = create_repository(tmp_path / "mailbox.git")
    room = room_of(stage, repository)
    mailbox = Mailbox(repository, room["PEER_RELAY_ROOM_TOKEN"])
    alice, bob = (stage.person(name, **room, PEER_RELAY_PEER_ID=name) for name in ("alice", "bob"))
    async with alice.serve() as her, bob.serve() as his:
        asked = (await her.call("ask_peer", question="Why?"))["question_id"]
        assert len((await his.call("check_questions"))["questions"]) == 1
        repository.rename(tmp_path / "away.git")
        assert (await his.call("answer_question", question_id=asked, answer="Because."))["status"] == "queued"
        assert (await his.call("ask_peer", question="And why not?"))["status"] == "queued"
        assert await his.refusal("answer_question", question_id=asked, answer="Or because?") == (
            f"An answer to question {asked} is in this machine's outbox already. Nothing has to be done: it goes out "
            "by itself, unless the mailbox refused it, and then a person decides with `peer-relay outbox`."
        )
        await his.kill()
    assert [record.get("answer") or record["question"] for record in bob.queued()] == ["Because.", "And why not?"]
    (tmp_path / "away.git").rename(repository)
    async with bob.serve("legacy") as his:
        await until(lambda: bob.kept("outbox") == [])
        assert await his.call("check_questions") == NO_QUESTIONS
        delivered = mailbox.tip()
        async with alice.serve() as her:
            (answer,) = (await her.call("check_answers"))["answers"]
            (question,) = (await her.call("check_questions"))["questions"]
    assert (answer["answer"], question["question"]) == ("Because.", "And why not?")
    assert mailbox.tip() == delivered
    assert [commit.subject for commit in mailbox.history()] == [
        "alice asks: Why?",
        "bob answers: Because.",
        "bob asks: And why not?",
    ]
