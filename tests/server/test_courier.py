"""The background task: when it delivers, how often, and what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest
from anyio import to_thread

from peer_relay.server import courier
from peer_relay.server.courier import LONGEST_PAUSE_S, Courier, pause_s
from peer_relay.server.mailbox import Mailbox
from tests.claims import claim
from tests.server.fake_relay import FakeRelay, Script, log_of, wait_for_log
from tests.server.support import mailbox_of

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier, "FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(courier, "LONGEST_PAUSE_S", 0.01)


async def run_until(mailbox: Mailbox, folder: Path, line: str, count: int) -> list[str]:
    """Run a courier until a line is in the log so many times."""
    async with anyio.create_task_group() as tasks:
        start = anyio.Event()
        start.set()
        tasks.start_soon(Courier(mailbox).run, start)
        log = await to_thread.run_sync(wait_for_log, folder, line, count)
        tasks.cancel_scope.cancel()
    return log


def test_pauses_double_up_to_a_minute_and_are_never_the_same_twice() -> None:
    pauses = [[pause_s(failures) for _ in range(50)] for failures in range(2_000)]
    assert all(0.5 <= each <= 1 for each in pauses[0])
    assert all(2 <= each <= 4 for each in pauses[2])
    assert all(LONGEST_PAUSE_S / 2 <= each <= LONGEST_PAUSE_S for each in pauses[-1])
    assert len(set(pauses[-1])) > 1


async def test_it_waits_for_its_start(tmp_path: Path) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(Courier(mailbox_of(tmp_path, Script())).run, anyio.Event())
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert log_of(tmp_path) == []


@claim("delivered-or-queued")
@pytest.mark.usefixtures("_fast")
async def test_it_tries_again_until_nothing_is_left(tmp_path: Path) -> None:
    relay = FakeRelay(tmp_path, Script(delivered=False, failures=3))
    relay.ask("Why?")
    mailbox = Mailbox(lambda: relay)  # type: ignore[arg-type, return-value]
    log = await run_until(mailbox, tmp_path, "pending", 6)
    assert log.count("deliver") == 4


@claim("delivered-or-queued")
async def test_what_waits_for_its_turn_goes_out_when_that_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class HeldBack(FakeRelay):
        def held_back_s(self) -> float:
            return 17.0

    rests: list[float] = []
    sleep = anyio.sleep

    async def rest(seconds: float) -> None:
        rests.append(seconds)
        await sleep(0)

    monkeypatch.setattr("anyio.sleep", rest)
    relay = HeldBack(tmp_path, Script(delivered=False, failures=10))
    relay.ask("Why?")
    mailbox = Mailbox(lambda: relay)  # type: ignore[arg-type, return-value]
    await run_until(mailbox, tmp_path, "deliver", 9)
    assert set(rests[:8]) == {17.0}


@claim("I8")
@pytest.mark.usefixtures("_fast")
async def test_while_nothing_is_queued_it_contacts_nobody(tmp_path: Path) -> None:
    log = await run_until(mailbox_of(tmp_path, Script()), tmp_path, "pending", 5)
    assert "deliver" not in log


async def test_what_is_queued_while_it_rests_wakes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier, "FIRST_PAUSE_S", 0.001)
    relay = FakeRelay(tmp_path, Script(delivered=False))
    subject = Courier(Mailbox(lambda: relay))  # type: ignore[arg-type, return-value]
    async with anyio.create_task_group() as tasks:
        start = anyio.Event()
        start.set()
        tasks.start_soon(subject.run, start)
        await to_thread.run_sync(wait_for_log, tmp_path, "pending")
        relay.ask("Why?")
        subject.queued()
        await to_thread.run_sync(wait_for_log, tmp_path, "deliver")
        tasks.cancel_scope.cancel()


@pytest.mark.usefixtures("_fast")
async def test_what_stands_in_its_way_is_said_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    await run_until(mailbox_of(tmp_path, Script(setting_is_missing=True)), tmp_path, "open", 4)
    assert capsys.readouterr() == ("", "peer-relay: PEER_RELAY_REMOTE is not set. Set it.\n")


@pytest.mark.usefixtures("_fast")
async def test_an_unforeseen_exception_does_not_end_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class Crashes(FakeRelay):
        def pending(self) -> int:
            super().pending()
            raise ValueError("hunter2")

    relay = Crashes(tmp_path, Script())
    await run_until(Mailbox(lambda: relay), tmp_path, "pending", 3)  # type: ignore[arg-type, return-value]
    said = capsys.readouterr().err
    assert said.startswith("peer-relay: delivering failed: ValueError in test_courier.py, line ")
    assert "hunter2" not in said
