"""What the runs of `tests.chaos` found: one test for each fault of the program."""

from __future__ import annotations

import gc
import resource
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from peer_relay import app, crash_points
from peer_relay.config import RelayConfig
from peer_relay.crash_points import CrashPoint
from peer_relay.errors import DeadlineExceeded, RepositoryNotFound, StateUnusable
from peer_relay.git import fetching, local
from peer_relay.git.clone import Clone
from peer_relay.git.exact import Examiner
from tests.relay.support import TIMEOUT_S, FakeTime, Machine
from tests.servers import run_git
from tests.store.benches import ROOM, GitBench, a_deadline

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dulwich.repo import Repo

    from peer_relay.store import Verified


@contextmanager
def no_byte_left() -> Iterator[None]:
    """Let no file of this process get a byte more; as on a full disk, files and folders can still be made."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def opened(folder: Path) -> RelayConfig:
    """Open a room in a repository on this machine."""
    config = RelayConfig(
        remote=str(folder / "mailbox.git"), token=app.new_token(), peer_id="alice", home=folder / "alice", timeout_s=20
    )
    app.create_room(config, "bob", {})
    return config


def test_a_disk_that_is_full_when_what_was_fetched_is_put_away_is_named_and_not_taken_for_a_bug(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # path, 2 processes, seed 34: `check_questions failed for a reason inside peer-relay` while the disk was full.
    config = opened(tmp_path)
    monkeypatch.setattr(fetching.tempfile, "TemporaryFile", lambda **_: Path("/dev/full").open("w+b"))  # noqa: SIM115
    with pytest.raises(StateUnusable, match="No space left on device"):
        app.inspect_room(RelayConfig(**{**vars(config), "home": tmp_path / "other"}), {})


def test_a_clone_that_is_made_anew_on_a_full_disk_leaves_nothing_on_standard_error(tmp_path: Path) -> None:
    # path, 1 process, seed 1: `Exception ignored in: <function _GitFile.__del__` and a traceback.
    clone = Clone(tmp_path / "clone", "mailbox")
    with no_byte_left(), pytest.raises(StateUnusable, match="File too large"), clone.opened():
        pass
    gc.collect()  # pytest makes a failure of what is raised now
    with clone.opened() as opened_later:
        assert opened_later.fresh
    run_git("fsck", "--strict", cwd=clone.path)
    assert [path.name for path in clone.path.rglob("*.lock")] == []


def test_a_mailbox_that_is_taken_away_during_a_push_gets_no_hollow_one_in_its_place(tmp_path: Path) -> None:
    # path, 4 processes, seed 13: a machine was cut off in the middle of a push, and could never be connected again.
    config = opened(tmp_path)
    mailbox, away = tmp_path / "mailbox.git", tmp_path / "away.git"
    relay = app.open_relay(config, {})
    relay.reach()
    crash_points.arm(lambda point: mailbox.rename(away) if point is CrashPoint.OBJECTS_DURABLE else None)
    try:
        assert not relay.ask("Why?").delivered
    finally:
        crash_points.arm(None)
    assert not mailbox.exists()
    away.rename(mailbox)
    assert relay.deliver()


def test_a_part_of_what_is_new_that_the_time_allowed_to_verify_looked_like_all_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # path, 4 processes, seed 202, at load 14: questions that were delivered seconds before were not shown, and no word.
    bench = GitBench(tmp_path)
    bench.store().create(ROOM, a_deadline())
    alice = Machine("alice", bench.store(), tmp_path / "alice", FakeTime())
    bob = Machine("bob", bench.store(), tmp_path / "bob", FakeTime())
    bob.relay.questions()
    for number in range(3):
        alice.relay.ask(f"Question {number}?")
    real = Examiner.next

    def slow(*given: Any) -> Verified:
        bob.time.seconds += TIMEOUT_S
        return real(*given)

    monkeypatch.setattr(Examiner, "next", slow)
    found = bob.relay.questions()
    assert ([each.question for each in found.items], type(found.stale)) == (["Question 0?"], DeadlineExceeded)
    monkeypatch.undo()
    found = bob.relay.questions()
    assert (len(found.items), found.notes) == (3, ())


def test_a_mailbox_that_is_moved_away_while_its_branch_is_looked_for_was_told_to_have_lost_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Found by reading, after a run had made the same move at another moment.
    relay = app.open_relay(opened(tmp_path), {})
    relay.reach()
    mailbox, away = tmp_path / "mailbox.git", tmp_path / "away.git"
    real = local._ref_name

    def late(repo: Repo, ref: bytes) -> str:
        if mailbox.exists():
            mailbox.rename(away)
        return real(repo, ref)

    monkeypatch.setattr(local, "_ref_name", late)
    assert type(relay.reach().stale) is RepositoryNotFound
    monkeypatch.undo()
    away.rename(mailbox)
    assert relay.reach().stale is None
