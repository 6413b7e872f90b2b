"""Clients that misbehave, on real servers: whatever they do, records are safe, and nothing is left of the server."""

from __future__ import annotations

import contextlib
import getpass
import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from peer_relay import app
from peer_relay.config import RelayConfig
from tests.claims import claim
from tests.e2e.support import NO_ANSWERS, Mailbox, Person, Stage, ends, runs
from tests.server.session import INITIALIZE, INITIALIZED, Client, call, notification, request
from tests.server.test_serve import SOON_S
from tests.servers import create_repository

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PATIENCE_S = 50.0


@contextlib.contextmanager
def session_of(person: Person, **changes: str) -> Iterator[Client]:
    """Start a real server with a client that decides about each byte, and check at the end what the server wrote."""
    with Client([sys.executable, "-m", "peer_relay", "serve"], person.variables(changes)) as session:
        pids = person.stage.folder / "sessions"
        pids.mkdir(exist_ok=True)
        (pids / f"raw-{session.pid}.pid").write_text(str(session.pid))
        yield session.initialize()
    assert {json.loads(line)["jsonrpc"] for line in session.lines} == {"2.0"}
    assert session.stderr == ""


def wait_until(condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.01)


def content_of(response: dict[str, Any]) -> dict[str, Any] | None:
    """Return the structured result of a call, or None if it was refused."""
    content: dict[str, Any] | None = response["result"].get("structuredContent")
    return content


# ---------------------------------------------------------------------------------------------------------------------
# Many sessions


@claim("I3", "I4", "I7", "first-answer-wins")
def test_four_servers_of_one_peer_work_at_once_while_some_are_killed(stage: Stage, tmp_path: Path) -> None:
    repository = create_repository(tmp_path / "mailbox.git")
    room = {"PEER_RELAY_REMOTE": str(repository), "PEER_RELAY_ROOM_TOKEN": stage.open_room(repository)}
    alice, bob = (stage.person(name, **room, PEER_RELAY_PEER_ID=name) for name in ("alice", "bob"))
    with contextlib.ExitStack() as stack:
        his, *hers = [stack.enter_context(session_of(person)) for person in (bob, *[alice] * 4)]
        his.send(*(call(i, "ask_peer", question=f"bob {i}") for i in range(4)))
        contested = [content_of(his.receive(i))["question_id"] for i in range(4)]  # type: ignore[index]
        for n, session in enumerate(hers):
            asks = [call(f"ask {i}", "ask_peer", question=f"alice {n}.{i}") for i in range(3)]
            answers = [call(i, "answer_question", question_id=i, answer=f"from {n}") for i in contested]
            session.send(*asks, call("look", "check_questions"), *answers)
        his.send(call("look", "check_questions"), call("read", "check_answers"))
        hers[3].signal(signal.SIGKILL)
        told = [{i: content_of(each.receive(i)) for i in ("ask 0", "ask 1", "ask 2", *contested)} for each in hers[:3]]
        assert content_of(his.receive("look")) is not None
        hers[0].ask(call("flush", "check_questions"))
        assert alice.kept("outbox") == []

        records = [commit.record for commit in Mailbox(repository, room["PEER_RELAY_ROOM_TOKEN"]).history()]
        asked = Counter(each["question"] for each in records if "question" in each)
        acknowledged = {f"alice {n}.{i}" for n in range(3) for i in range(3)} | {f"bob {i}" for i in range(4)}
        assert set(asked.values()) == {1}
        assert acknowledged <= set(asked) <= acknowledged | {f"alice 3.{i}" for i in range(3)}
        answered = {each["id"]: each["answer"] for each in records if "answer" in each}
        assert sorted(answered) == sorted(contested)
        for n, content in enumerate(told):
            assert all(content[f"ask {i}"] is not None for i in range(3))
            assert {i for i in contested if content[i]} == {i for i in contested if answered[i] == f"from {n}"}

        waiting = [
            each["question_id"] for each in his.ask(call("open", "check_questions"))["structuredContent"]["questions"]
        ]
        his.send(*(call(i, "answer_question", question_id=i, answer="So.") for i in waiting))
        assert all(content_of(his.receive(i)) for i in waiting)
        for session in hers[:3]:
            session.send(call("read", "check_answers"))
        for session in hers[:3]:
            shown = session.receive("read")["result"]["structuredContent"]["answers"]
            assert [each["question_id"] for each in shown] == sorted(waiting)
        hers[0].signal(signal.SIGKILL)
        again = hers[1].ask(call("again", "check_answers"))["structuredContent"]
        assert again == NO_ANSWERS  # its own request proved that it had seen them, and for the peer that is enough
        assert alice.kept("asked") == []
        assert hers[2].ask(call("again", "check_answers"))["structuredContent"] == NO_ANSWERS


# ---------------------------------------------------------------------------------------------------------------------
# The end, in the middle of a call


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Give a port where connections are accepted, and nobody is there."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as listener:
        yield listener.getsockname()[1]


def knows_its_room(stage: Stage, name: str, repository: Path, token: str) -> tuple[Person, RelayConfig]:
    """Return somebody whose machine has looked at the room before."""
    alice = stage.person("alice", name, PEER_RELAY_ROOM_TOKEN=token, PEER_RELAY_PEER_ID="alice")
    config = RelayConfig(remote=str(repository), token=token, peer_id="alice", home=alice.home)
    app.open_relay(config, {}).questions()
    return alice, config


def noting_ssh(folder: Path) -> Path:
    """Return a program that writes down its process id and becomes ssh."""
    program = folder / "ssh"
    program.write_text(f'#!/bin/sh\necho $$ >>"{folder}/ssh-$PEER.pid"\nexec {shutil.which("ssh")} -F /dev/null "$@"\n')
    program.chmod(0o755)
    return program


@claim("I4", "delivered-or-queued", "stdout-is-json-rpc")
@pytest.mark.parametrize("ways", [("http", ["TERM", "EOF"]), ("ssh", ["INT", "HUP", "KILL"])], ids=["http", "ssh"])
def test_an_end_in_the_middle_of_a_call_is_quick_and_leaves_the_records_and_nothing_else(
    ways: tuple[str, list[str]], stage: Stage, tmp_path: Path, silent_port: int
) -> None:
    transport, ends_by = ways
    user = f"{getpass.getuser()}@" if transport == "ssh" else ""
    remote = f"{transport}://{user}127.0.0.1:{silent_port}/room.git"
    repository = create_repository(tmp_path / "mailbox.git")
    token = stage.open_room(repository)
    ssh = noting_ssh(tmp_path)
    with contextlib.ExitStack() as stack:
        sessions = {}
        for way in ends_by:
            alice, config = knows_its_room(stage, way, repository, token)
            variables = {"PEER_RELAY_REMOTE": remote, "GIT_SSH_COMMAND": str(ssh), "PEER": way}
            sessions[way] = alice, config, stack.enter_context(session_of(alice, **variables))
        for way, (alice, config, session) in sessions.items():
            pids = tmp_path / f"ssh-{way}.pid"
            session.send(call(1, "ask_peer", question="Cancelled?"))
            wait_until(lambda alice=alice, pids=pids: alice.kept("outbox") and (transport == "http" or pids.exists()))  # type: ignore[misc]
            session.send(notification("notifications/cancelled", requestId=1), call(2, "ask_peer", question="Cut off?"))
            assert session.ask(request(3, "ping")) == {}
            wait_until(lambda alice=alice: len(alice.kept("outbox")) == 2)  # type: ignore[misc]
            session.end_input() if way == "EOF" else session.signal(getattr(signal, f"SIG{way}"))
            status, took = session.wait()
            assert (status, took < SOON_S) == (-signal.SIGKILL if way == "KILL" else 0, True)
            assert 1 not in [json.loads(line).get("id") for line in session.lines]
            started = [int(pid) for pid in pids.read_text().split()] if pids.exists() else []
            assert way == "KILL" or [pid for pid in started if runs(pid)] == []
            assert [record["question"] for record in alice.queued()] == ["Cancelled?", "Cut off?"]
            assert way == "KILL" or list(alice.home.rglob(".tmp-*")) == []
            begun = time.monotonic()
            assert app.open_relay(config, {}).deliver()  # no lock is held
            assert time.monotonic() - begun < SOON_S
            assert alice.kept("outbox") == []
            for pid in started:
                subprocess.run(["kill", "-9", str(pid)], check=False, capture_output=True)
    asked = Counter(commit.record["question"] for commit in Mailbox(repository, token).history())
    assert asked == {"Cancelled?": len(ends_by), "Cut off?": len(ends_by)}


_CLIENT = """
import subprocess, sys
server = subprocess.Popen([sys.executable, "-m", "peer_relay", "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
server.stdin.write(sys.stdin.buffer.read())
server.stdin.flush()
print(server.pid, flush=True)
server.wait()
"""


@claim("I4")
def test_a_server_ends_with_a_client_that_is_killed(stage: Stage, tmp_path: Path, silent_port: int) -> None:
    repository = create_repository(tmp_path / "mailbox.git")
    alice, _ = knows_its_room(stage, "alice", repository, stage.open_room(repository))
    variables = alice.variables({"PEER_RELAY_REMOTE": f"http://127.0.0.1:{silent_port}/room.git"})
    said = [INITIALIZE, INITIALIZED, call(1, "ask_peer", question="Are you there?")]
    argv = [sys.executable, "-c", _CLIENT]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=variables) as client:
        client.stdin.write(b"".join(json.dumps(each).encode() + b"\n" for each in said))  # type: ignore[union-attr]
        client.stdin.close()  # type: ignore[union-attr]
        server = int(client.stdout.readline())  # type: ignore[union-attr]
        wait_until(lambda: alice.kept("outbox") != [])
        client.kill()
        begun = time.monotonic()
        assert ends(server)
        assert time.monotonic() - begun < SOON_S
    assert [record["question"] for record in alice.queued()] == ["Are you there?"]


def test_a_client_that_no_longer_reads_ends_nothing_and_is_told_nothing(stage: Stage, tmp_path: Path) -> None:
    repository = create_repository(tmp_path / "mailbox.git")
    token = stage.open_room(repository)
    alice, _ = knows_its_room(stage, "alice", repository, token)
    variables = alice.variables({"PEER_RELAY_REMOTE": str(repository)})
    with Client([sys.executable, "-m", "peer_relay", "serve"], variables, reads=False) as session:
        session.end_output()
        session.send(INITIALIZE, INITIALIZED, *(call(i, "ask_peer", question=f"Heard {i}?") for i in range(3)))
        wait_until(lambda: Mailbox(repository, token).has("Heard 2?"))
        session.end_input()
        status, took = session.wait()
    assert (status, took < SOON_S, session.stderr) == (0, True, "")
    assert len(Mailbox(repository, token).history()) == 3
