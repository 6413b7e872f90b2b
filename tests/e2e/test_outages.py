"""A mailbox that cannot be reached or written to: what each tool says, what is kept, and that it goes out later.

Each test has two parts where they differ: a room that this machine never reached, and one that it knows.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from typing import TYPE_CHECKING
from urllib.parse import quote
from uuid import uuid4

import anyio
import pytest

from peer_relay.invite import Invite, format_invite
from tests import independent
from tests.claims import claim
from tests.e2e.gate import gate_to
from tests.e2e.support import (
    ASKED_NOTE,
    NO_ANSWERS,
    NO_QUESTIONS,
    QUEUED_NOTE,
    Agent,
    Mailbox,
    Person,
    Stage,
    until,
)
from tests.servers import HttpServer, SshServer, create_repository

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.anyio

UNKNOWN_ID = independent.ulid(independent.START_MS)
MISSING = "There is no git repository at {}, or this login may not see it. Check the address, and your access to it."
LIMIT_S = 2
SLOW_MACHINE_S = 6


def known_until(note: str, sentence: str) -> str:
    """Return the time of the last contact out of the note that goes with a result from before."""
    beginning, _, rest = note.partition(" This result is what was known at ")
    assert beginning == sentence
    assert rest.endswith("Z.")
    return rest[:-1]


async def nothing_works(agent: Agent, sentence: str, *, refused_login: bool = False) -> None:
    """Check that every tool says the same sentence, which is how it is in a room that was never reached.

    A login that was refused three times is kept back, which the fourth call says.
    """
    assert await agent.refusal("ask_peer", question="Never reached?") == sentence
    assert await agent.refusal("check_questions") == sentence
    assert await agent.refusal("answer_question", question_id=UNKNOWN_ID, answer="Because.") == sentence
    fourth = await agent.refusal("check_answers")
    assert re.subn(r", so no further login is tried before \S+Z", "", fourth) == (sentence, refused_login)


async def is_served_from_before(agent: Agent, sentence: str) -> None:
    """Check that reading goes on with what is known, and says so."""
    for tool, key, empty in (
        ("check_questions", "questions", NO_QUESTIONS),
        ("check_answers", "answers", NO_ANSWERS),
    ):
        result = await agent.call(tool)
        assert (result[key], result["more"]) == ([], 0)
        known_until(result["note"].removeprefix(f"{empty['note']} "), sentence)


async def is_queued(person: Person, agent: Agent, question: str, sentence: str) -> str:
    """Check that a question is kept on this machine; return its id."""
    asked = await agent.call("ask_peer", question=question)
    question_id: str = asked["question_id"]
    assert asked == {"question_id": question_id, "status": "queued", "note": f"{QUEUED_NOTE} {sentence}"}
    assert [(queued["id"], queued["question"]) for queued in person.queued()] == [(question_id, question)]
    assert person.kept("asked") == [question_id]
    return question_id


def went_out(person: Person, mailbox: Mailbox, *questions: str) -> None:
    """Check that exactly these questions are in the mailbox, in this order, and nothing waits any more."""
    assert [commit.record["question"] for commit in mailbox.history()] == [*questions]
    assert person.kept("outbox") == []


# ---------------------------------------------------------------------------------------------------------------------
# A path


@claim("delivered-or-queued", "I4")
async def test_a_missing_repository_is_named_and_what_was_queued_goes_out_with_the_next_call(stage: Stage) -> None:
    repository = create_repository(stage.folder.parent / "mailbox.git")
    token = stage.open_room(repository)
    mailbox = Mailbox(repository, token)
    away = repository.with_name("away.git")
    alice = stage.person(
        "alice", PEER_RELAY_REMOTE=str(repository), PEER_RELAY_ROOM_TOKEN=token, PEER_RELAY_PEER_ID="alice"
    )
    sentence = MISSING.format(repository)
    async with alice.serve() as her:
        repository.rename(away)
        await nothing_works(her, sentence)
        assert (alice.kept("outbox"), alice.kept("asked")) == ([], [])
        away.rename(repository)
        assert await her.call("check_answers") == NO_ANSWERS
        repository.rename(away)
        await is_served_from_before(her, sentence)
        question_id = await is_queued(alice, her, "Are you away?", sentence)
        away.rename(repository)
        assert await her.call("check_answers", question_id=question_id) == {
            "answers": [],
            "more": 0,
            "note": f"Question {question_id} has no answer yet.",
        }
        went_out(alice, mailbox, "Are you away?")


def put_in_place(stage: Stage, name: str, command: str) -> Path:
    """Put a program in the place of another; it notes its arguments, its environment and its id, and runs the other.

    It appears whole, because a server may be starting it at the same time.
    """
    folder = stage.folder.parent / "bin"
    folder.mkdir(exist_ok=True)
    (stage.folder / "sessions").mkdir(exist_ok=True)
    calls, pids = stage.folder / f"{name}-calls", stage.folder / "sessions" / f"{name}.pid"
    new = folder / f"{name}.new"
    new.write_text(f'#!/bin/sh\n{{ echo "$@"; env; }} >>"{calls}"\necho $$ >>"{pids}"\nexec {command} "$@"\n')
    new.chmod(0o755)
    return new.rename(folder / name)


# ---------------------------------------------------------------------------------------------------------------------
# http


def over_http(stage: Stage, http: HttpServer, port: int) -> tuple[Mailbox, Person, str]:
    """Return a room, alice, whose git asks a helper that reads the file `logins`, and the address as it is shown."""
    stage.keep_secret(http.password, http.username)
    repository = http.create(f"{uuid4().hex}.git")
    token = stage.open_room(repository)
    remote = http.url(repository).replace(f":{http.port}/", f":{port}/")
    folder = stage.folder.parent
    put_in_place(stage, "git", str(shutil.which("git")))
    (folder / "gitconfig").write_text(f'[credential]\nhelper = store --file="{folder}/logins"\n')
    alice = stage.person(
        "alice",
        PEER_RELAY_REMOTE=remote,
        PEER_RELAY_ROOM_TOKEN=token,
        PEER_RELAY_PEER_ID="alice",
        GIT_CONFIG_GLOBAL=str(folder / "gitconfig"),
        PATH=f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
    )
    return Mailbox(repository, token), alice, remote


@claim("delivered-or-queued", "I4", "I10", "secrets-never-shown")
async def test_every_failure_over_http_is_explained_and_loses_nothing(stage: Stage, http_server: HttpServer) -> None:
    logins = stage.folder.parent / "logins"

    def log_in_with(password: str) -> None:
        stage.keep_secret(password, http_server.username)
        login = f"http://{http_server.username}:{quote(password, safe='')}@127.0.0.1:{gate.port}"
        logins.write_text(f"{login}\n")

    async with gate_to(http_server.port) as gate:
        mailbox, alice, remote = over_http(stage, http_server, gate.port)
        no_login = (
            f"{remote} refused the login: no credentials were found. Set PEER_RELAY_GIT_USERNAME and "
            "PEER_RELAY_GIT_PASSWORD, or store a login in git's credential helper."
        )
        wrong_login = (
            f"{remote} refused the login: it does not accept what git's credential helper returned. Log in again with "
            "the helper, or set PEER_RELAY_GIT_USERNAME and PEER_RELAY_GIT_PASSWORD."
        )
        shut = f"{remote} cannot be reached: Connection refused. Check the network and the address."
        missing = MISSING.format(remote)
        async with alice.serve("legacy") as her:
            await nothing_works(her, no_login)
            log_in_with("the wrong pass/word")
            await nothing_works(her, wrong_login, refused_login=True)
            assert (alice.kept("outbox"), alice.kept("asked")) == ([], [])
            log_in_with(http_server.password)
            assert (await her.call("ask_peer", question="First?"))["note"] == ASKED_NOTE
            await gate.shut()
            await is_served_from_before(her, shut)
            asked = await her.call("ask_peer", question="Second?")
            assert (asked["status"], asked["note"]) == ("queued", f"{QUEUED_NOTE} {shut}")
            await gate.open()
            await until(lambda: alice.kept("outbox") == [])
            went_out(alice, mailbox, "First?", "Second?")
            mailbox.repository.rename(mailbox.repository.with_name("away.git"))
            await is_served_from_before(her, missing)
        mailbox.repository.with_name("away.git").rename(mailbox.repository)
        calls = (stage.folder / "git-calls").read_text()
        assert "credential.interactive=false credential fill\n" in calls
        assert "PEER_RELAY_" not in calls


@claim("delivered-or-queued", "I4")
async def test_what_may_not_be_written_waits_for_a_server_that_may(stage: Stage, http_server: HttpServer) -> None:
    mailbox, alice, _ = over_http(stage, http_server, http_server.port)
    readonly, public = (http_server.url(mailbox.repository, access=access) for access in ("readonly", "public"))
    sentence = f"{readonly} does not allow this login to write (HTTP 403 Forbidden). Ask its owner for write access."
    async with alice.serve(PEER_RELAY_REMOTE=readonly) as her:
        assert await her.call("check_questions") == NO_QUESTIONS
        await is_queued(alice, her, "May I?", sentence)
        assert await her.call("check_answers") == NO_ANSWERS | {
            "note": f"{NO_ANSWERS['note']} 1 record is queued on this machine and will be delivered automatically. "
            f"{sentence}"
        }
        assert mailbox.history() == []
        await her.kill()
    async with alice.serve(PEER_RELAY_REMOTE=public):
        await until(lambda: alice.kept("outbox") == [])
    went_out(alice, mailbox, "May I?")


@claim("secrets-never-shown")
@pytest.mark.parametrize("place", ["the address", "the variables"])
async def test_a_wrong_password_is_blamed_on_the_place_that_it_came_from(
    stage: Stage, http_server: HttpServer, place: str
) -> None:
    _, alice, remote = over_http(stage, http_server, http_server.port)
    stage.keep_secret("quite/wrong", http_server.username)
    if place == "the address":
        login = f"{http_server.username}:{quote('quite/wrong', safe='')}@"
        variables = {"PEER_RELAY_REMOTE": remote.replace("://", f"://{login}")}
        blamed = "it does not accept the user name and password in the address. Check both, and that they may write."
    else:
        variables = {"PEER_RELAY_GIT_USERNAME": http_server.username, "PEER_RELAY_GIT_PASSWORD": "quite/wrong"}
        blamed = (
            "it does not accept the user name and password from PEER_RELAY_GIT_USERNAME and PEER_RELAY_GIT_PASSWORD. "
            "Check both, and that the token may write."
        )
    async with alice.serve(**variables) as her:
        await nothing_works(her, f"{remote} refused the login: {blamed}", refused_login=True)


@claim("secrets-never-shown", "I10")
async def test_a_command_that_cannot_get_in_says_why_and_saves_nothing(stage: Stage, http_server: HttpServer) -> None:
    mailbox, alice, remote = over_http(stage, http_server, http_server.port)
    bob = stage.person("bob", **{**alice.environment, "PEER_RELAY_ROOM_TOKEN": ""})
    stage.keep_secret("quite/wrong", http_server.username)
    wrong = remote.replace("://", f"://{http_server.username}:{quote('quite/wrong', safe='')}@")
    invite = format_invite(Invite(remote=remote, token=mailbox.token, peer_id="bob"))
    assert bob.fail("init", remote, "--me", "bob", "--peer", "alice") == (
        f"error: {remote} refused the login: no credentials were found. Set PEER_RELAY_GIT_USERNAME and "
        "PEER_RELAY_GIT_PASSWORD, or store a login in git's credential helper."
    )
    assert bob.fail("join", "--remote", wrong, given=invite) == (
        f"error: {remote} refused the login: it does not accept the user name and password in the address. Check "
        "both, and that they may write. Nothing was saved, and the invite can be used again."
    )
    assert list(bob.home.glob("saved-rooms/*.json")) == []
    assert mailbox.branches() == [mailbox.branch]


# ---------------------------------------------------------------------------------------------------------------------
# ssh


def over_ssh(stage: Stage, ssh_server: SshServer, port: int) -> tuple[Mailbox, Person, Callable[[str], object], str]:
    """Return a room, alice, a function that chooses one of the server's ssh commands, and the address as it is shown.

    The host key is known by the server's own port.
    """

    def use(command: str) -> Path:
        return put_in_place(stage, "ssh", f"{command} -o HostKeyAlias=[127.0.0.1]:{ssh_server.port}")

    repository = create_repository(stage.folder.parent / "mailbox.git")
    token = stage.open_room(repository)
    remote = ssh_server.url(repository).replace(f":{ssh_server.port}/", f":{port}/")
    alice = stage.person(
        "alice",
        PEER_RELAY_REMOTE=remote,
        PEER_RELAY_ROOM_TOKEN=token,
        PEER_RELAY_PEER_ID="alice",
        GIT_SSH_COMMAND=str(use(ssh_server.ssh_command)),
    )
    return Mailbox(repository, token), alice, use, remote


@claim("delivered-or-queued", "I4", "I10", "secrets-never-shown")
async def test_every_failure_over_ssh_is_explained_and_loses_nothing(stage: Stage, ssh_server: SshServer) -> None:
    async with gate_to(ssh_server.port) as gate:
        mailbox, alice, use_ssh, remote = over_ssh(stage, ssh_server, gate.port)
        no_key = (
            f"{remote} refused the login: it accepts none of this machine's ssh keys. Load the right key with "
            "`ssh-add`, or add your public key to your account there."
        )
        no_host_key = (
            f"{remote} cannot be reached: its ssh host key is not known here or has changed. Connect once with "
            "`ssh` by hand, compare the fingerprint with the host's own, and accept it."
        )
        shut = (
            f'{remote} cannot be reached: "ssh: connect to host 127.0.0.1 port {gate.port}: Connection refused". Check '
            "the network and the address."
        )
        read_only = (
            f'{remote} does not allow this login to write ("ERROR: The key you are authenticating with has been marked '
            'as read only"). Ask its owner for write access.'
        )
        async with alice.serve() as her:
            use_ssh(ssh_server.ssh_command_without_key)
            assert await her.refusal("ask_peer", question="Never reached?") == no_key
            assert await her.refusal("check_answers") == no_key
            use_ssh(ssh_server.ssh_command_unknown_host)
            assert await her.refusal("check_questions") == no_host_key
            assert (alice.kept("outbox"), alice.kept("asked")) == ([], [])
            use_ssh(ssh_server.ssh_command)
            assert await her.call("check_answers") == NO_ANSWERS
            await gate.shut()
            await is_served_from_before(her, shut)
            await gate.open()
            mailbox.repository.rename(mailbox.repository.with_name("away.git"))
            await is_served_from_before(her, MISSING.format(remote))
            mailbox.repository.with_name("away.git").rename(mailbox.repository)
            use_ssh(ssh_server.ssh_command_read_only)
            await is_queued(alice, her, "May I?", read_only)
            use_ssh(ssh_server.ssh_command)
            await until(lambda: alice.kept("outbox") == [])
            went_out(alice, mailbox, "May I?")
        calls = (stage.folder / "ssh-calls").read_text()
        assert "git-receive-pack" in calls
        assert "PEER_RELAY_" not in calls


# ---------------------------------------------------------------------------------------------------------------------
# A server that says nothing


@claim("deadline", "delivered-or-queued")
@pytest.mark.parametrize("transport", ["http", "ssh"])
async def test_a_silent_server_holds_no_call_for_longer_than_the_time_limit(
    transport: str, stage: Stage, request: pytest.FixtureRequest
) -> None:
    server = request.getfixturevalue(f"{transport}_server")
    async with gate_to(server.port) as gate:
        if transport == "http":
            mailbox, alice, _ = over_http(stage, server, gate.port)
            remote = alice.environment["PEER_RELAY_REMOTE"].replace("/private/", "/public/")
        else:
            mailbox, alice, _, remote = over_ssh(stage, server, gate.port)
        sentence = (
            f"{remote} did not answer within {LIMIT_S} seconds. If the line is slow, set PEER_RELAY_TIMEOUT to more "
            "seconds."
        )
        await gate.be_silent()
        async with alice.serve(PEER_RELAY_REMOTE=remote, PEER_RELAY_TIMEOUT=str(LIMIT_S)) as her:
            begun = time.monotonic()
            assert await her.refusal("check_answers") == sentence
            after_reading = time.monotonic()
            await is_queued(alice, her, "Anybody there?", sentence)
            after_asking = time.monotonic()
            assert LIMIT_S <= after_reading - begun < SLOW_MACHINE_S
            assert LIMIT_S <= after_asking - after_reading < SLOW_MACHINE_S
            await gate.open()
            await until(lambda: alice.kept("outbox") == [])
            went_out(alice, mailbox, "Anybody there?")
            await gate.be_silent()
            with anyio.move_on_after(0.3):  # and the session ends while the server waits for the remote
                await her.call("check_answers")
