"""A branch that somebody damaged: it is refused by name, what was known is served, and work goes on afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests import independent
from tests.claims import claim
from tests.e2e.support import DATA_NOTE, NO_QUESTIONS, QUEUED_NOTE, Mailbox, Stage
from tests.servers import run_git

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio


def ask_with_a_tenth_field(room: independent.Room) -> str:
    """Push a question that is right in everything, but has a field that does not exist; return the commit's id."""
    question_id = independent.ulid(independent.START_MS + 1000)
    fields = {"id": question_id, "room": room.room_id, "asker_id": "alice", "question": "What?", "metadata": "host"}
    fields["asked_at"] = independent.written(independent.START_MS + 1000)
    path = f"alice/{fields['asked_at'][:10]}/{question_id}.question.json"
    return room.add(path, fields, "alice", independent.START_MS // 1000 + 1, "alice asks: What?", question_id)


@claim("I2", "I6", "I9")
async def test_a_damaged_branch_is_refused_by_name_and_nothing_known_or_queued_is_lost(
    stage: Stage, tmp_path: Path
) -> None:
    room = independent.Room(tmp_path / "mailbox.git")
    room.open()
    question_id = room.ask(independent.START_MS, "alice", "Why?")
    mailbox = Mailbox(tmp_path / "mailbox.git", independent.TOKEN)
    stage.keep_secret(independent.TOKEN)
    bob = stage.person(
        "bob",
        PEER_RELAY_REMOTE=str(mailbox.repository),
        PEER_RELAY_ROOM_TOKEN=independent.TOKEN,
        PEER_RELAY_PEER_ID="bob",
    )

    def move_branch_to(commit: str) -> None:
        run_git("update-ref", mailbox.branch, commit, cwd=mailbox.repository)

    async with bob.serve() as his:
        listed = await his.call("check_questions")
        assert ([each["question_id"] for each in listed["questions"]], listed["note"]) == ([question_id], DATA_NOTE)
        good = mailbox.tip()

        bad = ask_with_a_tenth_field(room)
        refused = (
            f"Commit {bad} of the room is refused, and nothing from it on is read: its question is not acceptable (the "
            "record must not have any other field than the documented ones). Ask your peer which peer-relay wrote "
            "it: upgrade the older one, or `peer-relay restore` takes it off."
        )
        assert await his.call("check_questions") == listed | {"note": f"{DATA_NOTE} {refused}"}
        answered = await his.call("answer_question", question_id=question_id, answer="Because.")
        assert answered == {
            "ok": True,
            "status": "queued",
            "note": QUEUED_NOTE.replace("again. ", f"again. {refused} "),
        }
        assert mailbox.tip() == bad
        move_branch_to(good)
        assert await his.call("check_questions") == NO_QUESTIONS
        assert [commit.subject for commit in mailbox.history()] == ["alice asks: Why?", "bob answers: Because."]

        newest = mailbox.tip()
        run_git("update-ref", "-d", mailbox.branch, cwd=mailbox.repository)
        assert await his.call("check_questions") == NO_QUESTIONS | {
            "note": f"{NO_QUESTIONS['note']} The branch of the room was deleted from the mailbox; the newest commit "
            f"verified here is {newest}. Ask your peer who did that: `peer-relay restore` puts it back from this "
            "machine's copy, and nothing new is read until then."
        }
        move_branch_to(good)
        assert await his.call("check_questions") == NO_QUESTIONS | {
            "note": f"{NO_QUESTIONS['note']} The branch of the room shows an older state, commit {good}, and not "
            f"commit {newest}, which this machine verified. It ends by itself if the host is only catching up; "
            "otherwise ask your peer, and `peer-relay restore` puts the branch back."
        }
        move_branch_to(newest)
        assert (await his.call("ask_peer", question="All well?"))["status"] == "delivered"
    assert mailbox.subjects()[-1] == "bob asks: All well?"
    assert len(mailbox.history()) == 3
