"""The id of a question as an argument: what shells complete, from this machine's disk and without any contact."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import click
import pytest

from peer_relay.checkpoint import Checkpoint
from peer_relay.cli import commands
from peer_relay.cli.arguments import ANY, OWN, SET_ASIDE, WAITING, QuestionId
from peer_relay.cli.command import Manners
from peer_relay.ledger import Ledger
from peer_relay.local_state import LocalState
from peer_relay.outbox import Status
from peer_relay.paths import Kind, Place
from peer_relay.rooms import SavedRoom
from peer_relay.settings import read_settings
from peer_relay.standing import folder_of
from peer_relay.store import Snapshot
from tests.store.benches import KEYS, ROOM, TOKEN, question

if TYPE_CHECKING:
    from pathlib import Path

OPEN, READ_ME, THEIRS, REFUSED = question(1), question(2), question(3, "bob"), question(4)


@pytest.fixture(autouse=True)
def known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalState:
    """Keep a room with one question of each sort, under a name of its own beside another one."""
    monkeypatch.setenv("PEER_RELAY_HOME", str(tmp_path))
    monkeypatch.setenv("PEER_RELAY_ROOM", "mine")
    room = SavedRoom(remote="/nowhere/x.git", token=TOKEN, peer_id="alice", other_peer="bob")
    read_settings().rooms.save(room, "mine")
    state = LocalState(folder_of(tmp_path, KEYS.room_id, "alice"))
    state.save(Checkpoint(Snapshot("ab" * 20, Ledger(ROOM, {OPEN.id: "alice", THEIRS.id: "bob"})), None, 7))
    for each in (OPEN, READ_ME):
        state.asked.add(each.id)
    entry = state.outbox.accept(Place(REFUSED.id, "alice", Kind.QUESTION), REFUSED, "alice", None)
    state.outbox.save(replace(entry, status=Status.REFUSED))
    return state


def completed(kind: QuestionId, begun: str = "", *, room: str | None = None) -> list[str]:
    context = click.Context(commands)
    if room is not None:
        context.obj = Manners(room=room)  # as `--room` leaves it
    return [item.value for item in kind.shell_complete(context, click.Argument(["question_id"]), begun)]


@pytest.mark.parametrize(
    ("kind", "offered"),
    [
        (WAITING, [THEIRS.id]),
        (OWN, [READ_ME.id, OPEN.id, REFUSED.id]),
        (ANY, [READ_ME.id, THEIRS.id, OPEN.id, REFUSED.id]),
        (SET_ASIDE, [REFUSED.id]),
    ],
)
def test_what_fits_the_command_is_offered(kind: QuestionId, offered: list[str]) -> None:
    assert completed(kind) == offered


def test_what_was_begun_is_completed_in_small_letters_too() -> None:
    assert completed(ANY, OPEN.id[:4].lower()) == [READ_ME.id, THEIRS.id, OPEN.id, REFUSED.id]
    assert completed(ANY, THEIRS.id.lower()) == [THEIRS.id]
    assert completed(ANY, "X") == []


def test_each_id_is_offered_with_its_age() -> None:
    (item,) = WAITING.shell_complete(click.Context(commands), click.Argument(["question_id"]), "")
    assert item.help is not None
    assert item.help.startswith("asked ")


def test_what_cannot_be_found_out_is_no_error() -> None:
    assert completed(WAITING, room="another") == []


@pytest.mark.parametrize(("words", "offered"), [("answer", THEIRS.id), ("outbox --retry", REFUSED.id)])
def test_a_shell_gets_the_ids_from_the_program(words: str, offered: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "peer_relay"],
        env=os.environ
        | {
            "_PEER_RELAY_COMPLETE": "bash_complete",
            "COMP_WORDS": f"peer-relay {words} ",
            "COMP_CWORD": str(len(words.split()) + 1),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert (done.stdout, done.stderr) == (f"plain,{offered}\n", "")
