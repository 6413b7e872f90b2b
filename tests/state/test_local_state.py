"""The folder of one peer: one lock, and a checkpoint that is read without it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from peer_relay.checkpoint import Checkpoint
from peer_relay.deadline import Deadline
from peer_relay.errors import Busy, StateUnusable
from peer_relay.ledger import Ledger
from peer_relay.local_state import LocalState
from peer_relay.store import Snapshot
from tests.store.benches import ROOM, START_MS, a_deadline

if TYPE_CHECKING:
    from pathlib import Path

HOLD = """
import sys, time
from pathlib import Path
from peer_relay.deadline import Deadline
from peer_relay.local_state import LocalState
with LocalState(Path(sys.argv[1])).locked(Deadline(10, time.monotonic)):
    print("held", flush=True)
    sys.stdin.read()
"""


def no_time() -> Deadline:
    return Deadline(0, lambda: 0.0)


@pytest.fixture
def state(tmp_path: Path) -> LocalState:
    return LocalState(tmp_path / "rooms" / "alice")


def test_nothing_is_made_before_it_is_needed(state: LocalState, tmp_path: Path) -> None:
    assert (state.load(), state.outbox.entries(), state.asked.ids(), list(tmp_path.iterdir())) == (None, [], [], [])


def test_the_lock_keeps_out_other_objects_of_the_same_process(state: LocalState) -> None:
    with state.locked(a_deadline()):
        with pytest.raises(Busy), state.locked(no_time()):
            pass
        with pytest.raises(Busy), LocalState(state.folder).locked(no_time()):
            pass
    with state.locked(no_time()):
        pass


def test_the_lock_keeps_out_other_threads_until_it_is_given_back(state: LocalState) -> None:
    entered = threading.Event()

    def enter() -> None:
        with state.locked(a_deadline()):
            entered.set()

    thread = threading.Thread(target=enter)
    with state.locked(a_deadline()):
        thread.start()
        assert not entered.wait(0.05)
    assert entered.wait(10)
    thread.join(10)


def test_the_lock_is_given_back_when_something_goes_wrong(state: LocalState) -> None:
    with pytest.raises(ZeroDivisionError), state.locked(a_deadline()):
        raise ZeroDivisionError
    with state.locked(no_time()):
        pass


@pytest.mark.skipif(os.name == "nt", reason="kill -9")
def test_the_lock_of_another_process_holds_and_that_of_a_killed_one_does_not(state: LocalState) -> None:
    command = [sys.executable, "-c", HOLD, str(state.folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(Busy), state.locked(no_time()):
            pass
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    with state.locked(no_time()):
        pass


def test_a_folder_that_cannot_be_used_is_reported_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StateUnusable) as caught, LocalState(tmp_path / "file" / "alice").locked(a_deadline()):
        pass
    assert str(tmp_path / "file") in str(caught.value)


def test_a_lock_that_cannot_be_opened_is_reported_by_its_path(state: LocalState) -> None:
    (state.folder / "lock").mkdir(parents=True)
    with pytest.raises(StateUnusable) as caught, state.locked(a_deadline()):
        pass
    assert caught.value.path == str(state.folder / "lock")


def test_a_checkpoint_is_saved_and_read(state: LocalState) -> None:
    known = Checkpoint(Snapshot("ab" * 20, Ledger(ROOM)), None, START_MS)
    state.save(known)
    assert state.load() == known
    state.note_contact(START_MS + 5)
    assert state.load() == Checkpoint(known.snapshot, None, START_MS + 5)
