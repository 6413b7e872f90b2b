"""The whole product over each kind of mailbox: two real servers, the official client of both eras, and plain git."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from uuid import uuid4

import anyio
import pytest

from tests import independent
from tests.claims import claim
from tests.e2e.support import (
    ANSWERED,
    ASKED_NOTE,
    CLAIMS_NOTE,
    DATA_NOTE,
    NO_ANSWERS,
    NO_QUESTIONS,
    Agent,
    Commit,
    Mailbox,
    Mode,
    Person,
    Stage,
)
from tests.servers import create_repository

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("unmeasured_processes")]

QUESTION = 'Why does the token expire after 15 minutes?\n\n\tSee "SESSION_TTL" \\ 900 s — bitte auf Deutsch \U0001f3f4.'
HINT = "src/auth/session.py: SESSION_TTL = 900"
ANSWER = "  On purpose:\r\n- an access token cannot be revoked,\r\n- so 15 minutes is how long a stolen one works."
SOURCES = ["docs/decisions/0007-short-lived-tokens.md", "src/auth/session.py:42", "commit 3f9c2d1"]
AT_ONCE = 2


@dataclass(frozen=True)
class Site:
    """A place for a mailbox: the repository on this machine, and how both sides get there.

    Attributes:
        repository: the bare repository.
        remote: what both sides type.
        display: the address as it is shown.
        environment: what both sides set.
        login_in_address: whether `remote` holds a login, which the invite then leaves out.
    """

    repository: Path
    remote: str
    display: str
    environment: dict[str, str] = field(default_factory=dict)
    login_in_address: bool = False


def _site(kind: str, stage: Stage, request: pytest.FixtureRequest) -> Site:
    local = stage.folder.parent / "mailbox.git"
    if kind in ("local", "file"):
        remote = str(local) if kind == "local" else f"file://{local}"
        return Site(local, remote, str(local))
    if kind == "ssh":
        ssh = request.getfixturevalue("ssh_server")
        remote = ssh.url(create_repository(local))
        return Site(local, remote, remote, {"GIT_SSH_COMMAND": ssh.ssh_command})
    return _http_site(kind, stage, request.getfixturevalue("http_server"))


def _http_site(kind: str, stage: Stage, http: Any) -> Site:
    repository = http.create(f"{uuid4().hex}.git")
    stage.keep_secret(http.password, http.username)
    remote = http.url(repository, tls=kind == "https")
    login = f"{http.username}:{quote(http.password, safe='')}@"
    if kind == "http, login in the address":
        return Site(repository, remote.replace("://", f"://{login}"), remote, login_in_address=True)
    if kind == "http, login from git's helper":
        (stage.folder.parent / "logins").write_text(remote.replace("://", f"://{login}") + "\n")
        config = stage.folder.parent / "gitconfig"
        config.write_text(f'[credential]\nhelper = store --file="{stage.folder.parent}/logins"\n')
        return Site(repository, remote, remote, {"GIT_CONFIG_GLOBAL": str(config)})
    variables = {"PEER_RELAY_GIT_USERNAME": http.username, "PEER_RELAY_GIT_PASSWORD": http.password}
    if kind == "https":
        variables["SSL_CERT_FILE"] = str(http.ca_file)
    return Site(repository, remote, remote, variables)


def _pair(stage: Stage, site: Site) -> tuple[Person, Person, Mailbox]:
    """Open the room and enter it with the real commands."""
    alice, bob = (stage.person(name, **site.environment) for name in ("alice", "bob"))
    printed = alice.run("init", site.remote, "--me", "alice", "--peer", "bob")
    (invite,) = (line for line in printed.splitlines() if line.startswith("pr1-"))
    own_address = ["--remote", site.remote] if site.login_in_address else []
    entered = bob.run("join", *own_address, given=f"{invite}\n")
    assert entered.startswith(f"You are bob, paired with alice in {site.display}. The room is saved as bob-alice.\n")
    token = alice.saved_room()["token"]
    stage.keep_secret(token)
    assert [secret for secret in stage.secrets if secret in printed + entered] == []
    address = site.display if site.remote.startswith("file:") else site.remote
    saved = {"remote": address, "token": token, "peer_id": "alice", "other_peer": "bob"}
    assert alice.saved_room() == saved
    assert bob.saved_room() == saved | {"peer_id": "bob", "other_peer": "alice"}
    mailbox = Mailbox(site.repository, token)
    assert mailbox.history() == []
    return alice, bob, mailbox


def _question(commit: Commit) -> dict[str, Any]:
    """Return what check_questions says of a stored question."""
    record = commit.record
    return {
        "question_id": record["id"],
        "question": record["question"],
        "context_hint": record.get("context_hint"),
        "asked_at": independent.written(independent.ulid_ms(record["id"])),
    }


async def _exchange(asker: Agent, answerer: Agent) -> str:
    """Let one ask and the other answer; return the question's id."""
    asked = await asker.call("ask_peer", question=QUESTION, context_hint=HINT)
    question_id: str = asked["question_id"]
    assert asked == {"question_id": question_id, "status": "delivered", "note": ASKED_NOTE}
    assert await answerer.call("check_questions", wait_seconds=10) == {
        "questions": [
            {
                "question_id": question_id,
                "question": QUESTION,
                "context_hint": HINT,
                "asked_at": independent.written(independent.ulid_ms(question_id)),
            }
        ],
        "more": 0,
        "note": DATA_NOTE,
    }
    assert await answerer.call("answer_question", question_id=question_id, answer=ANSWER, sources=SOURCES) == ANSWERED
    assert await answerer.call("check_questions") == NO_QUESTIONS
    return question_id


async def _both_at_once(alice: Agent, bob: Agent) -> None:
    """Let both ask several questions at the same time: each push meets others' pushes."""
    results: list[dict[str, Any]] = []

    async def ask(agent: Agent, text: str) -> None:
        results.append(await agent.call("ask_peer", question=text))

    async with anyio.create_task_group() as tasks:
        for number in range(AT_ONCE):
            tasks.start_soon(ask, alice, f"alice {number}")
            tasks.start_soon(ask, bob, f"bob {number}")
    assert [(each["status"], each["note"]) for each in results] == [("delivered", ASKED_NOTE)] * 2 * AT_ONCE
    assert len({each["question_id"] for each in results}) == 2 * AT_ONCE


@claim("I4", "I5", "stdout-is-json-rpc", "secrets-never-shown", "trust-model")
@pytest.mark.parametrize(
    ("kind", "alices_era", "bobs_era"),
    [
        ("local", "auto", "auto"),
        ("local", "legacy", "legacy"),
        ("file", "auto", "legacy"),
        ("ssh", "legacy", "auto"),
        ("http, login in the address", "auto", "legacy"),
        ("http, login from variables", "legacy", "auto"),
        ("http, login from git's helper", "auto", "legacy"),
        ("https", "legacy", "auto"),
    ],
)
async def test_two_agents_exchange_questions_and_answers(
    kind: str, alices_era: Mode, bobs_era: Mode, stage: Stage, request: pytest.FixtureRequest
) -> None:
    if kind == "local":
        stage.forks = None  # the others only save what the start costs
    alice, bob, mailbox = _pair(stage, _site(kind, stage, request))
    async with alice.serve(alices_era) as her, bob.serve(bobs_era) as his:
        question_id = await _exchange(her, his)
        answers = await her.call("check_answers", wait_seconds=10)
        asked, answered = mailbox.history()
        assert answers == {
            "answers": [
                {
                    "question_id": question_id,
                    "question": QUESTION,
                    "answer": ANSWER,
                    "sources": SOURCES,
                    "answered_at": answered.record["answered_at"],
                }
            ],
            "more": 0,
            "note": CLAIMS_NOTE,
        }
        assert await her.call("check_answers") == NO_ANSWERS
        await _both_at_once(her, his)
        later = mailbox.history()[2:]
        for agent, asker in ((her, "bob"), (his, "alice")):
            waiting = [_question(commit) for commit in later if commit.record["asker_id"] == asker]
            listed = sorted(waiting, key=lambda question: question["question_id"])
            assert await agent.call("check_questions") == {"questions": listed, "more": 0, "note": DATA_NOTE}
    day = asked.record["asked_at"][:10]
    assert (asked.author, asked.subject, asked.path) == (
        "alice <alice@peer-relay.invalid>",
        "alice asks: Why does the token expire after 15 minutes?",
        f"alice/{day}/{question_id}.question.json",
    )
    assert (answered.author, answered.subject, answered.path) == (
        "bob <bob@peer-relay.invalid>",
        "bob answers: On purpose:",
        f"alice/{day}/{question_id}.answer.json",
    )
    texts = [f"{name} asks: {name} {number}" for name in ("alice", "bob") for number in range(AT_ONCE)]
    assert sorted(commit.subject for commit in later) == texts
    assert (alice.kept("outbox"), bob.kept("outbox")) == ([], [])
