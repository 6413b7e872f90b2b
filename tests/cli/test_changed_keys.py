"""Keys that a person changes while a server runs, and machines that would write with a key that nobody knows of."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from peer_relay.rooms import Rooms
from tests.claims import claim
from tests.cli.people import init
from tests.cli.support import run
from tests.cli.test_signing import ask, keys, pair
from tests.server.session import Client, call
from tests.signing_keys import ALICES, BOBS, OTHERS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.people import Person

NOTHING = '{"note": "no question is waiting."}\n'
SERVE = [sys.executable, "-m", "peer_relay", "serve"]


@pytest.fixture
def session(alice: Person, bob: Person, mailbox: Path, tmp_path: Path) -> Iterator[Client]:
    """Run a server for alice, in a room in which both sign and each has pinned the other's key."""
    pair(alice, bob, mailbox, tmp_path)
    keys(alice, "--of", "bob", "--pin", BOBS.public.line)
    OTHERS.save(tmp_path, "new")
    with alice, Client(SERVE) as session:
        session.initialize()
        yield session


def asked(session: Client, number: int, text: str) -> dict[str, Any]:
    """Ask through the server, and return what its agent is told."""
    result = session.ask(call(number, "ask_peer", question=text))
    return result.get("structuredContent") or {"refused": result["content"][0]["text"]}


def questions(person: Person) -> tuple[list[str], str]:
    """Return the texts of the questions that wait for somebody, and what was said beside them."""
    with person:
        shown = run("questions", "--json")
    return [json.loads(line)["question"] for line in shown.stdout.splitlines()], shown.stderr.replace(NOTHING, "")


@claim("signed-by-the-pinned-key")
def test_a_server_that_runs_signs_with_the_key_that_was_changed_meanwhile(
    session: Client, alice: Person, bob: Person, tmp_path: Path
) -> None:
    assert asked(session, 1, "With the first key?")["status"] == "delivered"
    keys(bob, "--of", "alice", "--pin", OTHERS.public.line)
    keys(alice, "--sign", str(tmp_path / "new"))
    for person in (alice, bob):
        keys(person, "--retire", ALICES.public.fingerprint)
    assert asked(session, 2, "With the second one?")["status"] == "delivered"
    assert questions(bob) == (["With the first key?", "With the second one?"], "")


@claim("signed-by-the-pinned-key")
def test_a_server_that_runs_goes_by_what_was_pinned_and_retired_meanwhile(
    session: Client, alice: Person, bob: Person, tmp_path: Path
) -> None:
    with bob:
        assert run("keys", "--sign", str(tmp_path / "new")).exit_code == 0
    ask(bob, "By which key?")
    refused = session.ask(call(1, "check_questions"))
    assert "is not signed by the key that is pinned for bob" in json.dumps(refused)
    keys(alice, "--pin", OTHERS.public.line)
    shown = session.ask(call(2, "check_questions"))["structuredContent"]
    assert [each["question"] for each in shown["questions"]] == ["By which key?"]
    keys(alice, "--retire", OTHERS.public.fingerprint)
    ask(bob, "And now?")
    assert "is not signed by the key that is pinned for bob" in json.dumps(session.ask(call(3, "check_questions")))


@claim("delivered-or-queued")
def test_what_the_peer_would_refuse_stays_here_and_is_told(session: Client, bob: Person, tmp_path: Path) -> None:
    for name in ("alices", "alices.pub"):  # as `ssh-keygen` does when it makes a new key in the place of the old one
        (tmp_path / name.replace("alices", "new")).replace(tmp_path / name)
    queued = asked(session, 1, "With a key that nobody pinned?")
    assert queued["status"] == "queued"
    assert f"{tmp_path / 'alices'}: it is not a key that is pinned for alice" in json.dumps(queued)
    assert questions(bob) == ([], "")


@claim("delivered-or-queued")
@pytest.mark.parametrize("damage", ["", "{"])
def test_a_saved_room_that_is_lost_or_damaged_is_not_one_without_keys(
    session: Client, alice: Person, bob: Person, damage: str
) -> None:
    assert session.ask(call(0, "check_questions"))["structuredContent"]["questions"] == []
    (saved,) = alice.saved
    before = saved.read_text()
    saved.write_text(damage) if damage else saved.unlink()
    assert "is no longer there, or is damaged" in json.dumps(session.ask(call(1, "check_questions")))
    queued = asked(session, 2, "Signed?")
    assert "is no longer there, or is damaged" in json.dumps(queued)
    assert questions(bob) == ([], "")
    saved.write_text(before)
    session.ask(call(3, "check_answers"))
    assert questions(bob) == (["Signed?"], "")


def test_a_server_stops_with_the_room_that_was_left(session: Client, alice: Person, bob: Person) -> None:
    assert asked(session, 1, "Before?")["status"] == "delivered"
    with alice:
        left = run("leave", "--yes")
    assert (left.exit_code, left.stderr) == (0, "")
    assert "is no longer there" in json.dumps(session.ask(call(2, "check_answers")))
    assert "is no longer there" in json.dumps(asked(session, 3, "After?"))
    assert questions(bob) == (["Before?"], "")


def test_a_second_machine_begins_with_a_key_that_the_others_know(
    alice: Person, bob: Person, mailbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair(alice, bob, mailbox, tmp_path)
    keys(alice, "--of", "bob", "--pin", BOBS.public.line)
    OTHERS.save(tmp_path, "new")
    second = type(bob)(tmp_path / "second", monkeypatch)

    def enter() -> Any:
        with bob:
            invite = run("invite", "--for-me", "--json").stdout
        with second:
            return run("join", f"--sign={tmp_path / 'new'}", given=json.loads(invite)["invite"])

    refused = enter()
    assert refused.exit_code == 1
    assert f"peer-relay keys --of bob --pin '{OTHERS.public.line}'" in refused.stderr.replace("\n", " ")
    assert second.saved == []
    for person in (alice, bob):
        keys(person, "--of", "bob", "--pin", OTHERS.public.line)
    entered = enter()
    assert (entered.exit_code, entered.stderr, "For your signatures to count" in entered.stdout) == (0, "", False)
    assert f"\nYour key: {OTHERS.public.fingerprint}, " in entered.stdout
    assert f"\nA key of yours elsewhere: {BOBS.public.fingerprint}, " in entered.stdout
    ask(second, "From the second machine?")
    ask(bob, "From the first one?")
    assert questions(alice) == (["From the second machine?", "From the first one?"], "")


@claim("signed-by-the-pinned-key")
@pytest.mark.parametrize("act", ["--pin", "--retire"])
def test_what_comes_while_a_key_is_pinned_or_retired_is_not_shown_first_and_refused_ever_after(
    alice: Person, bob: Person, mailbox: Path, monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    if act == "--retire":
        pair(alice, bob, mailbox, mailbox.parent)
        keys(bob, "--of", "alice", "--pin", OTHERS.public.line)
    else:
        with alice:
            invite = init(mailbox)
        with bob:
            assert run("join", given=invite).exit_code == 0
        ask(alice, "Before?")
    sign, shown = Rooms.sign, []

    def slowly(*arguments: Any) -> Any:
        ask(alice, "Meanwhile?")
        another = [*SERVE[:-1], "questions"]
        impatient = {**os.environ, "PEER_RELAY_TIMEOUT": "1"}
        shown.append(subprocess.run(another, env=impatient, capture_output=True, text=True, check=False).stdout)
        return sign(*arguments)

    monkeypatch.setattr(Rooms, "sign", slowly)
    key = {"--pin": ALICES.public.line, "--retire": ALICES.public.fingerprint}[act]
    keys(bob, act, key)
    assert (len(shown), "Meanwhile?" in shown[0]) == (1, False)
    texts, said = questions(bob)
    assert texts == ([] if act == "--retire" else ["Before?"])
    assert "is not signed by the key that is pinned for alice" in said


@pytest.mark.skipif(shutil.which("ssh-agent") is None, reason="there is no ssh-agent")
@claim("signed-by-the-pinned-key")
def test_a_key_that_is_in_the_agent_alone_signs(
    alice: Person, bob: Person, mailbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair(alice, bob, mailbox, tmp_path)
    socket = tmp_path / "agent"
    with subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL) as agent:
        while not socket.exists():
            assert agent.poll() is None
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        subprocess.run(["ssh-add", "-q", str(tmp_path / "alices")], check=True, timeout=30)
        (tmp_path / "alices").unlink()
        ask(alice, "By the agent?")
        agent.kill()
    with alice:
        assert run("ask", "Without it?").exit_code == 5
    assert questions(bob) == (["By the agent?"], "")
