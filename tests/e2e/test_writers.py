"""Many writers at once: nothing is lost, nothing is there twice, and every commit is exact."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from tests import independent
from tests.claims import claim
from tests.e2e.support import ANSWERED, Mailbox, Stage
from tests.git.fault_server import PUSHING, FaultServer, applied_and, fault_server, hang_up

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["fault_server"]

WRITER = Path(__file__).with_name("writer.py")
QUESTIONS_EACH, ANSWERS_EACH = 15, 10


@dataclass(frozen=True)
class Order:
    """What one process is to write."""

    peer: str
    home: Path
    questions: Sequence[str]
    answers: Sequence[tuple[str, str]] = ()


def write_at_once(remote: str, token: str, orders: Sequence[Order], **environment: str) -> list[dict[str, list[str]]]:
    """Start a process for each order, let them begin at the same time, and return what each was told."""
    with ExitStack() as stack:
        writers = [stack.enter_context(_start(remote, token, order, environment)) for order in orders]
        for writer in writers:
            stack.callback(writer.kill)
        assert [writer.stdout.readline() for writer in writers] == ["ready\n"] * len(orders)
        for writer in writers:
            writer.stdin.write("begin\n")
            writer.stdin.flush()
        return [json.loads(writer.communicate(timeout=50)[0]) for writer in writers]


def _start(remote: str, token: str, order: Order, environment: dict[str, str]) -> subprocess.Popen[str]:
    writer = subprocess.Popen(
        [sys.executable, WRITER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    assert writer.stdin is not None
    content = {**vars(order), "remote": remote, "token": token}
    writer.stdin.write(json.dumps(content, default=str) + "\n")
    writer.stdin.flush()
    return writer


def texts_in(mailbox: Mailbox) -> Counter[str]:
    """Return the questions and answers of a mailbox, each with how often it is there."""
    records = (commit.record for commit in mailbox.history())
    return Counter(record.get("question") or record["answer"] for record in records)


@claim("I1", "I3", "I4", "I5", "first-answer-wins")
def test_eight_processes_on_four_machines_lose_nothing_and_write_nothing_twice(stage: Stage, tmp_path: Path) -> None:
    seeded = independent.Room(tmp_path / "mailbox.git")
    stage.keep_secret(independent.TOKEN)
    ids: dict[str, list[str]] = {"alice": [], "bob": []}
    with seeded.in_bulk():
        seeded.open()
        for number in range(4 * ANSWERS_EACH - 2):
            for asker, asked in ids.items():
                asked.append(seeded.ask(independent.START_MS + number, asker, f"{asker}, before {number}"))
    orders = []
    for peer, other in (("alice", "bob"), ("bob", "alice")):
        # Two of the four answer the same question on different machines, and the other two another one.
        contested, own = ids[other][:2], ids[other][2:]
        for number in range(4):
            answered = [contested[number % 2], *own[number * 9 : number * 9 + 9]]
            orders.append(
                Order(
                    peer=peer,
                    home=tmp_path / f"{peer}-{number // 2}",
                    questions=[f"{peer} {number}, question {each}" for each in range(QUESTIONS_EACH)],
                    answers=[(each, f"{peer} {number}, answer to {each}") for each in answered],
                )
            )
    told = write_at_once(str(tmp_path / "mailbox.git"), independent.TOKEN, orders)
    delivered = [text for each in told for text in each["delivered"]]
    assert [each["queued"] for each in told] == [[]] * 8
    assert [sum(len(texts) for texts in each.values()) for each in told] == [25] * 8
    assert sorted(text.partition(" ")[0] for each in told for text in each["second"]) == ["alice"] * 2 + ["bob"] * 2
    before = [f"{asker}, before {number}" for asker in ids for number in range(4 * ANSWERS_EACH - 2)]
    assert texts_in(Mailbox(tmp_path / "mailbox.git", independent.TOKEN)) == Counter([*before, *delivered])
    assert list(tmp_path.glob("*/rooms/*/*/outbox/*")) == []


@claim("I3", "I5")
@pytest.mark.parametrize("transport", ["ssh", "http"])
def test_two_machines_of_one_peer_and_one_of_the_other_write_at_once(
    transport: str, stage: Stage, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    server = request.getfixturevalue(f"{transport}_server")
    repository = server.create(f"{uuid4().hex}.git")
    if transport == "ssh":
        remote, environment = server.url(repository), {"GIT_SSH_COMMAND": server.ssh_command}
    else:
        remote, environment = server.url(repository, access="public"), {}
    token = stage.open_room(repository)
    orders = [
        Order(peer, tmp_path / home, [f"{home} {number}" for number in range(2)])
        for peer, home in (("alice", "alice-0"), ("alice", "alice-1"), ("bob", "bob-0"))
    ]
    told = write_at_once(remote, token, orders, **environment)
    assert told == [{"delivered": [*order.questions], "queued": [], "second": []} for order in orders]
    assert texts_in(Mailbox(repository, token)) == Counter(text for order in orders for text in order.questions)


@claim("I3", "first-answer-wins")
@pytest.mark.anyio
async def test_of_two_machines_that_answer_the_one_whose_reply_was_lost_still_was_first(
    stage: Stage, fault_server: FaultServer
) -> None:
    repository = fault_server.root / "mailbox.git"
    token = stage.open_room(repository)
    room: dict[str, Any] = {"PEER_RELAY_REMOTE": fault_server.url(), "PEER_RELAY_ROOM_TOKEN": token}
    alice = stage.person("alice", **room, PEER_RELAY_PEER_ID="alice")
    desk, laptop = (stage.person("bob", home, **room, PEER_RELAY_PEER_ID="bob") for home in ("desk", "laptop"))
    async with alice.serve() as her, desk.serve() as first, laptop.serve() as second:
        question_id = (await her.call("ask_peer", question="Which of you?"))["question_id"]
        for bob in (first, second):
            (waiting,) = (await bob.call("check_questions"))["questions"]
            assert waiting["question_id"] == question_id
        fault_server.faults[PUSHING] = applied_and(hang_up)
        assert await first.call("answer_question", question_id=question_id, answer="The desk.") == ANSWERED
        fault_server.faults.clear()
        assert await second.refusal("answer_question", question_id=question_id, answer="The laptop.") == (
            f"Question {question_id} was answered already; the first answer wins, so this one came second and was not "
            "stored. Nothing more is needed."
        )
        (answer,) = (await her.call("check_answers"))["answers"]
        assert answer["answer"] == "The desk."
    assert Mailbox(repository, token).subjects() == ["alice asks: Which of you?", "bob answers: The desk."]
    assert (desk.kept("outbox"), laptop.kept("outbox")) == ([], [])
