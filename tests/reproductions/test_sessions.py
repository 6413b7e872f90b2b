"""Bugs of a server whose client misbehaves, each as it was found by trying it on real processes."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from anyio import to_thread

from peer_relay import app
from peer_relay.config import RelayConfig
from peer_relay.deadline import Deadline
from peer_relay.errors import Busy
from peer_relay.git import process as children
from peer_relay.local_state import LocalState
from peer_relay.server import ending, process
from peer_relay.server.lines import MAX_LINE_BYTES, Lines
from peer_relay.server.mailbox import THREADS, Mailbox
from peer_relay.server.receipts import Receipts
from tests.claims import claim
from tests.server.fake_relay import FakeRelay, Script
from tests.server.session import INITIALIZE, Session, notification, request
from tests.server.support import connected
from tests.server.test_stdio import Bench, line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LIMIT_S = 1.0


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def serve_fake(folder: Path, script: Script | None = None, **options: Any) -> Session:
    (script or Script()).save(folder)
    return Session(folder, **options)


# -- many calls at once ------------------------------------------------------------------------------------------------


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Give a port where connections are accepted, and nobody is there."""
    with socket.create_server(("127.0.0.1", 0), backlog=500) as listener:
        yield listener.getsockname()[1]


@claim("deadline")
@pytest.mark.anyio
async def test_two_hundred_calls_at_once_on_a_silent_remote_end_within_the_time_limit_of_one(
    tmp_path: Path, silent_port: int
) -> None:
    # Found by sending 200 calls: each began its time when one of 40 threads was free, so the last took five limits.
    config = RelayConfig(
        remote=f"http://127.0.0.1:{silent_port}/room.git",
        token=app.new_token(),
        peer_id="alice",
        home=tmp_path,
        timeout_s=LIMIT_S,
    )
    async with connected(tmp_path, relay=app.open_relay(config, {})) as client:
        begun = time.monotonic()
        async with anyio.create_task_group() as calls:
            for _ in range(200):
                calls.start_soon(client.call_tool, "check_questions", {})
        took = time.monotonic() - begun
    assert LIMIT_S <= took < 4 * LIMIT_S


@pytest.mark.anyio
async def test_cancelled_calls_keep_no_more_threads_than_there_are_for_all(tmp_path: Path) -> None:
    # Found by 300 times a call and its cancellation: each left a thread behind, and a signal then took a second.
    relay, begun, go_on = FakeRelay(tmp_path, Script()), list[int](), threading.Event()
    mailbox = Mailbox(lambda: relay)  # type: ignore[arg-type, return-value]

    def work(_relay: object) -> None:
        begun.append(threading.get_ident())
        go_on.wait(20)

    try:
        async with anyio.create_task_group() as calls:
            for _ in range(100):
                calls.start_soon(mailbox.run, work)
            with anyio.fail_after(20):
                while len(begun) < THREADS:  # noqa: ASYNC110 - a thread has no event for this loop
                    await anyio.sleep(0.005)
            calls.cancel_scope.cancel()
        assert len(begun) == THREADS
    finally:
        go_on.set()
    await to_thread.run_sync(mailbox.settle)
    assert len(begun) == len(set(begun)) == THREADS


# -- the end -----------------------------------------------------------------------------------------------------------


def test_who_waits_for_the_lock_waits_no_longer_when_the_relay_is_closed(tmp_path: Path) -> None:
    # Found by SIGTERM among ten calls: they went on one after the other, and the process was cut off in the midst.
    holder, waiter = LocalState(tmp_path), LocalState(tmp_path)
    outcome: list[str] = []

    def wait() -> None:
        try:
            with waiter.locked(Deadline(60, time.monotonic)):
                outcome.append("got it")
        except Busy:
            outcome.append("gave up")

    thread = threading.Thread(target=wait)
    with holder.locked(Deadline(20, time.monotonic)):
        thread.start()
        waiter.close()
        thread.join(20)
        assert outcome == ["gave up"]
    with pytest.raises(Busy), waiter.locked(Deadline(20, time.monotonic)):
        pass


_CUT_OFF_WHILE_WRITING = """
import os, sys, threading, time
from pathlib import Path
from peer_relay import disk
from peer_relay.server.ending import Ending

folder = Path(sys.argv[1])
os.fsync = lambda _: threading.Event().wait()
threading.Thread(target=disk.write_atomically, args=(folder / "record", b"half"), daemon=True).start()
while not list(folder.iterdir()):
    time.sleep(0.001)
print([path.name[:5] for path in folder.iterdir()])
ending = Ending()
ending.prepare(stop=lambda: None, close=lambda: None, clean=disk.abandon)
sys.stdout.flush()
ending.leave()
"""


@pytest.mark.usefixtures("unmeasured_processes")
def test_an_end_in_the_middle_of_a_write_leaves_no_unfinished_file(tmp_path: Path) -> None:
    # Found by SIGTERM at random moments: files named .tmp- were left in the outbox, one for each call on its way.
    argv = [sys.executable, "-c", _CUT_OFF_WHILE_WRITING, str(tmp_path)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=50, check=True)
    assert (done.stdout, done.stderr) == ("['.tmp-']\n", "")
    assert list(tmp_path.iterdir()) == []


def test_no_child_is_started_once_the_process_is_ending(monkeypatch: pytest.MonkeyPatch) -> None:
    # Found by a credential helper that asks somebody in vain: it outlived the server, and so did git, without an end.
    monkeypatch.setattr(children, "_RUNNING", children._Running())
    child = children.start(["sleep", "97"], os.environ)
    ended = children.start(["true"], os.environ)
    children.end(ended, 20)
    children.end_all()
    assert child.wait(20) == -signal.SIGKILL
    with pytest.raises(OSError) as caught:
        children.start(["sleep", "97"], os.environ)
    assert caught.value.errno == errno.ECANCELED
    children.end(child, 20)
    assert children._RUNNING.children == set()


async def _scope_of_a_loop() -> anyio.CancelScope:
    return anyio.CancelScope()


def test_a_second_signal_after_the_loop_has_ended_changes_nothing() -> None:
    # Found by reading: agents send SIGINT and then SIGTERM, and the second raised out of its handler.
    scope = asyncio.run(_scope_of_a_loop())
    loop = asyncio.new_event_loop()
    loop.close()
    process._cancel(loop, scope)
    assert not scope.cancel_called


def test_a_signal_while_the_process_is_being_left_does_not_wait_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    # Found by reading: the handler runs in the thread that holds the lock.
    subject, exits = ending.Ending(), list[int]()

    def leave(status: int) -> None:
        exits.append(status)
        if len(exits) == 1:
            subject._on_signal(signal.SIGTERM, None)

    monkeypatch.setattr(os, "_exit", leave)
    subject._on_signal(signal.SIGINT, None)
    assert exits == [0, 0]


# -- what is read and written ------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("unmeasured_processes")
def test_the_end_of_input_is_noticed_while_refusals_wait_for_a_client_that_reads_nothing(tmp_path: Path) -> None:
    # Found by invalid requests until the pipe was full: the server waited for its client, which had gone, for ever.
    invalid = '{"id": "' + "x" * 1000 + '", "method": "ping"}\n'
    with serve_fake(tmp_path, reads=False) as session:
        session.write(invalid * 100)
        session.end_input()
        assert session.wait()[0] == 0


@pytest.mark.timeout(20)
def test_the_end_of_input_is_noticed_while_the_last_byte_of_a_result_cannot_be_written() -> None:
    # Found by reading: that byte is written under a lock, and reading took the lock before it looked for the end.
    bench = Bench()
    with bench.receipts.last_byte_of(1):
        assert bench.wire._read() is None
    assert bench.ends == 1


@claim("memory-bounds")
def test_a_line_without_an_end_takes_neither_the_memory_nor_the_time_of_what_is_dropped(
    capsys: pytest.CaptureFixture[str],
) -> None:
    # Found by a line of 30 MB: it was kept, and each chunk copied all of it, which took five seconds.
    lines, chunk = Lines(), b"x" * 65_536
    for _ in range(3200):  # 200 MB, of which a copy at each chunk would make 320 GB
        assert list(lines.feed(chunk, 1)) == []
        assert len(lines._rest) <= MAX_LINE_BYTES
    assert list(lines.feed(b"y\nnext\nand", 2)) == [(b"next", 2)]
    assert list(lines.feed(b" more\n", 3)) == [(b"and more", 2)]
    assert capsys.readouterr().err == ("peer-relay: a line of more than 4,194,304 bytes from the client was dropped.\n")


@pytest.mark.usefixtures("unmeasured_processes")
@pytest.mark.skipif(not hasattr(os, "set_blocking"), reason="pipes of this system always block")
def test_standard_input_that_does_not_block_is_waited_for(tmp_path: Path) -> None:
    # Found by reading: a client may share its own pipe, and nothing to read yet looked like the end of input.
    ours, theirs = os.pipe()
    os.set_blocking(ours, False)
    with open(theirs, "wb") as pipe, serve_fake(tmp_path, stdin=ours) as session:  # noqa: PTH123 - a descriptor
        os.close(ours)
        for message in (INITIALIZE, request(1, "tools/list"), request(2, "ping")):
            pipe.write(line(message))
            pipe.flush()
            assert "result" in session.receive(message["id"])


@pytest.mark.anyio
async def test_a_cancelled_request_is_not_waited_for_at_the_end_of_input() -> None:
    # Found by reading: it stayed among those without an answer, so each end took the whole moment of grace.
    bench = Bench(line(request(1, "tools/call")), line(notification("notifications/cancelled", requestId="1")))
    await bench.serve(answer=False)
    assert bench.wire._unanswered == {}


@claim("I7")
def test_of_two_requests_with_one_id_neither_result_confirms_what_only_the_other_shows() -> None:
    # Found by reading: the first result that went out confirmed what the second one would have shown.
    receipts = Receipts()
    receipts.show(1, ["a"])
    receipts.show(1, ["a", "b"])
    with receipts.last_byte_of(1):
        pass
    assert receipts.request_read(2, receipts.moment()) == frozenset()
