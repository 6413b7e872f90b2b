"""The lock of a branch at a path: what is broken, what is never broken, and how it gets on with git's own."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from peer_relay.errors import BranchLocked, Moved, OutcomeUnknown
from peer_relay.git import branch_lock
from peer_relay.git.branch_lock import BranchLock
from tests.claims import claim
from tests.git.building import line
from tests.git.local_mailbox import REF, deadline, push, transport
from tests.servers import create_repository, run_git

if TYPE_CHECKING:
    from tests.git.building import Step

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there the lock is a plain file")

LEFT = f"{REF.decode()}.0123456789abcdef.lock"


@pytest.fixture
def mailbox(tmp_path: Path) -> Path:
    """Give a mailbox with one commit on the room's branch."""
    path = create_repository(tmp_path / "mailbox.git")
    push(path, STEPS[:1])
    return path


STEPS = line(3)


def tip(mailbox: Path) -> bytes | None:
    return transport(mailbox).read_ref(REF, deadline())


def push_next(mailbox: Path, limit_s: float = 20.0) -> None:
    step = STEPS[1]
    transport(mailbox).push(REF, STEPS[0].name, step.name, step.objects, deadline(limit_s))


def locks_in(mailbox: Path) -> list[str]:
    return sorted(str(path.relative_to(mailbox)) for path in mailbox.rglob("*.lock"))


def lock_of(mailbox: Path) -> Path:
    return mailbox / f"{REF.decode()}.lock"


def leave_lock(mailbox: Path) -> Path:
    """Leave what a process leaves that is killed while it holds the lock."""
    (mailbox / LEFT).write_bytes(STEPS[2].name + b"\n")
    lock_of(mailbox).hardlink_to(mailbox / LEFT)
    return lock_of(mailbox)


def fail_with(number: int) -> object:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


# ---------------------------------------------------------------------------------------------------------------------
# What is broken


def test_the_lock_of_a_killed_process_is_removed_after_a_moment(mailbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(branch_lock, "STALE_S", 0.05)
    leave_lock(mailbox)
    push_next(mailbox)
    assert (tip(mailbox), locks_in(mailbox)) == (STEPS[1].name, [LEFT])


def test_a_lock_of_a_killed_process_stays_for_as_long_as_a_machine_elsewhere_may_hold_it(mailbox: Path) -> None:
    leave_lock(mailbox)
    with pytest.raises(BranchLocked):
        push_next(mailbox, 0.1)
    assert (tip(mailbox), lock_of(mailbox).exists()) == (STEPS[0].name, True)


def test_a_clock_that_was_set_back_keeps_no_lock_in_place(mailbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock, real = leave_lock(mailbox), os.utime

    def a_day_ago(file: int) -> None:
        real(file, (time.time() - 86_400, time.time() - 86_400))

    monkeypatch.setattr(os, "utime", a_day_ago)
    push_next(mailbox)
    assert not lock.exists()


def test_what_killed_processes_left_long_ago_is_swept(mailbox: Path) -> None:
    old, young = mailbox / LEFT, mailbox / LEFT.replace("0", "f")
    of_another_room, held = mailbox / LEFT.replace("room.", "room-2."), mailbox / LEFT.replace("0", "e")
    with ExitStack() as stack:
        for path in (old, young, of_another_room, held):
            path.write_bytes(b"")
        assert branch_lock._lock_at_once(stack.enter_context(held.open("rb")).fileno())
        for path in (old, of_another_room, held):
            os.utime(path, (time.time() - 4000, time.time() - 4000))
        push_next(mailbox)
        assert [path.exists() for path in (old, young, of_another_room, held)] == [False, True, True, True]


# ---------------------------------------------------------------------------------------------------------------------
# What is never broken


def test_the_lock_of_a_process_that_lives_is_not_broken_however_old_it_is(
    mailbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(branch_lock, "STALE_S", 0.0)
    with BranchLock(mailbox / REF.decode(), STEPS[2].name + b"\n", None) as held:
        assert held.take()
        with pytest.raises(BranchLocked):
            push_next(mailbox, 0.1)
        assert held.move_branch()
    with pytest.raises(Moved):
        push_next(mailbox)
    assert (tip(mailbox), locks_in(mailbox)) == (STEPS[2].name, [])


@pytest.mark.parametrize("copied", [False, True])
def test_a_lock_of_another_program_is_not_broken_however_old_it_is(
    mailbox: Path, monkeypatch: pytest.MonkeyPatch, *, copied: bool
) -> None:
    monkeypatch.setattr(branch_lock, "STALE_S", 0.0)
    lock_of(mailbox).touch()
    if copied:  # as a backup makes it, with hard links
        (mailbox.parent / "backup").hardlink_to(lock_of(mailbox))
    with pytest.raises(BranchLocked):
        push_next(mailbox, 0.1)
    assert locks_in(mailbox) == [f"{REF.decode()}.lock"]


def test_a_lock_that_may_not_be_opened_for_writing_is_looked_at_all_the_same(
    mailbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(branch_lock, "STALE_S", 0.0)
    lock, real = leave_lock(mailbox), os.open

    def refuse_writing(path: Path, flags: int, *rest: int) -> int:
        if path == lock and flags & os.O_RDWR:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return real(path, flags, *rest)

    monkeypatch.setattr(os, "open", refuse_writing)
    push_next(mailbox)
    assert tip(mailbox) == STEPS[1].name


# ---------------------------------------------------------------------------------------------------------------------
# Whoever lost the lock


def test_whoever_lost_the_lock_moves_nothing_and_leaves_the_lock_of_another_alone(mailbox: Path) -> None:
    lock = lock_of(mailbox)
    with BranchLock(mailbox / REF.decode(), STEPS[2].name + b"\n", None) as robbed:
        assert robbed.take()
        lock.unlink()
        lock.write_bytes(b"of git")
        assert not robbed.move_branch()
    assert (tip(mailbox), lock.read_bytes()) == (STEPS[0].name, b"of git")


def test_a_push_that_lost_the_lock_has_an_unknown_outcome(mailbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = BranchLock.move_branch

    def be_robbed(lock: BranchLock) -> bool:
        lock.path.unlink()
        return real(lock)

    monkeypatch.setattr(BranchLock, "move_branch", be_robbed)
    with pytest.raises(OutcomeUnknown) as caught:
        push_next(mailbox)
    assert caught.value.reason == "somebody removed the branch's lock meanwhile"
    assert (tip(mailbox), locks_in(mailbox)) == (STEPS[0].name, [])


def test_a_branch_that_does_not_hold_what_was_put_there_has_an_unknown_outcome(
    mailbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.replace

    def be_late(source: Path | str, target: Path | str) -> None:
        real(source, target)
        if isinstance(target, Path):  # the branch, and not an object
            target.unlink()
            target.write_bytes(STEPS[2].name + b"\n")

    monkeypatch.setattr(os, "replace", be_late)
    with pytest.raises(OutcomeUnknown):
        push_next(mailbox)
    assert (tip(mailbox), locks_in(mailbox)) == (STEPS[2].name, [])


def test_a_lock_whose_reply_a_network_disk_lost_is_taken(mailbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.link

    def link_and_ask_again(source: Path, target: Path) -> None:
        real(source, target)
        real(source, target)

    monkeypatch.setattr(os, "link", link_and_ask_again)
    push_next(mailbox)
    assert (tip(mailbox), locks_in(mailbox)) == (STEPS[1].name, [])


# ---------------------------------------------------------------------------------------------------------------------
# Where it is a plain file


@pytest.mark.parametrize("missing", ["links", "flock"])
def test_without_links_or_flock_the_lock_is_a_plain_file(
    mailbox: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setattr(branch_lock, "STALE_S", 0.0)
    if missing == "links":
        monkeypatch.setattr(os, "link", fail_with(errno.EPERM))
    else:
        monkeypatch.setattr("fcntl.flock", fail_with(errno.ENOLCK))
    with BranchLock(mailbox / REF.decode(), STEPS[2].name + b"\n", None) as held:
        assert held.take()
        assert (locks_in(mailbox), held.path.stat().st_nlink) == ([f"{REF.decode()}.lock"], 1)
        with pytest.raises(BranchLocked):
            push_next(mailbox, 0.1)
    assert locks_in(mailbox) == []
    push_next(mailbox)
    assert (tip(mailbox), locks_in(mailbox)) == (STEPS[1].name, [])


def test_another_failure_to_link_is_reported_and_leaves_nothing(mailbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", fail_with(errno.EIO))
    with pytest.raises(OSError, match="Input/output"), BranchLock(mailbox / REF.decode(), b"", None) as lock:
        lock.take()
    assert locks_in(mailbox) == []


# ---------------------------------------------------------------------------------------------------------------------
# Beside git


_HOOK = """#!/bin/sh
case "$1" in prepared) touch {folder}/holds; until [ -e {folder}/go ]; do sleep 0.01; done ;; esac
"""


def add_commit(repository: Path, parent: Step) -> str:
    """Add the objects of one more commit with git, and return its name."""
    who = ["-c", "user.name=git", "-c", "user.email=git@example.org"]
    of = parent.name.decode()
    return run_git(*who, "commit-tree", f"{of}^{{tree}}", "-p", of, "-m", "by git", cwd=repository).decode().strip()


@pytest.mark.parametrize("how", ["update-ref", "push"])
def test_git_that_holds_the_lock_is_waited_for_and_not_overwritten(mailbox: Path, tmp_path: Path, how: str) -> None:
    commit = add_commit(mailbox, STEPS[0])
    command = ["update-ref", REF.decode(), commit, STEPS[0].name.decode()]
    if how == "push":
        run_git("clone", "--quiet", "--bare", mailbox, tmp_path / "clone.git")
        run_git("fetch", "--quiet", mailbox, f"{REF.decode()}:refs/heads/x", cwd=tmp_path / "clone.git")
        commit = add_commit(tmp_path / "clone.git", STEPS[0])
        command = ["push", "--quiet", str(mailbox), f"{commit}:{REF.decode()}"]
    hook = mailbox / "hooks" / "reference-transaction"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(_HOOK.format(folder=tmp_path))
    hook.chmod(0o755)
    where = tmp_path / "clone.git" if how == "push" else mailbox
    with subprocess.Popen(["git", *command], cwd=where) as git:
        limit = time.monotonic() + 20
        while not (tmp_path / "holds").exists() and time.monotonic() < limit:
            pass
        with pytest.raises(BranchLocked):
            push_next(mailbox, 0.1)
        (tmp_path / "go").touch()
        with pytest.raises(Moved):
            push_next(mailbox)
        assert git.wait(20) == 0
    assert (tip(mailbox), locks_in(mailbox)) == (commit.encode(), [])


@pytest.mark.parametrize("left", [False, True])
def test_git_respects_the_lock_and_sees_no_branch_in_its_files(mailbox: Path, *, left: bool) -> None:
    commit = add_commit(mailbox, STEPS[0])
    with ExitStack() as stack:
        if left:
            leave_lock(mailbox)
        else:
            lock = stack.enter_context(BranchLock(mailbox / REF.decode(), STEPS[2].name + b"\n", None))
            assert lock.take()
        with pytest.raises(AssertionError, match=r"room\.lock': File exists"):
            run_git("update-ref", REF.decode(), commit, cwd=mailbox)
        assert run_git("for-each-ref", "--format=%(refname)", cwd=mailbox).decode().split() == [REF.decode()]
        run_git("fsck", "--strict", cwd=mailbox)
    assert tip(mailbox) == STEPS[0].name


_WRITER = """
import os, random, signal, sys, time
from peer_relay import crash_points
from peer_relay.deadline import Deadline
from peer_relay.errors import Moved
from peer_relay.git import branch_lock
from tests.git.building import bare_commit, line
from tests.git.local_mailbox import REF, deadline, transport
from pathlib import Path
tree = next(each.tree for each in line(1)[0].objects if each.type_name == b"commit")
branch_lock.STALE_S = 0.0
mailbox, label, count, dies = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4] == "dies"
done = 0
def kill(point):
    if point is crash_points.CrashPoint.BRANCH_LOCKED and dies and done == count - 1:
        os.kill(os.getpid(), signal.SIGKILL)
crash_points.arm(kill)
while done < count:
    tip = transport(mailbox).read_ref(REF, deadline())
    made = bare_commit(tree, [tip], f"{label}, {done}")
    try:
        transport(mailbox).push(REF, tip, made.id, [made], deadline())
    except Moved:
        continue
    print(made.id.decode(), flush=True)
    done += 1
"""


@pytest.mark.usefixtures("unmeasured_processes")
@claim("I3", "I5")
def test_writers_that_are_killed_under_the_lock_and_git_beside_them_lose_nothing(mailbox: Path) -> None:
    tip_name = REF.decode()
    told: list[str] = []
    with ExitStack() as stack:
        for number in range(4):
            how = "dies" if number % 2 else "lives"
            command = [sys.executable, "-c", _WRITER, str(mailbox), f"writer {number}", "8", how]
            writer = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
            stack.callback(writer.kill)
            told.append("")
            stack.callback(lambda at, each: told.__setitem__(at, each.communicate(timeout=30)[0]), number, writer)
        limit, by_git = time.monotonic() + 30, []
        while len(by_git) < 8 and time.monotonic() < limit:
            old = run_git("rev-parse", tip_name, cwd=mailbox).decode().strip()
            who = ["-c", "user.name=git", "-c", "user.email=git@example.org"]
            new = run_git(*who, "commit-tree", f"{old}^{{tree}}", "-p", old, "-m", f"{len(by_git)}", cwd=mailbox)
            command = ["git", "update-ref", tip_name, new.decode().strip(), old]
            if subprocess.run(command, cwd=mailbox, capture_output=True, check=False).returncode == 0:
                by_git.append(new.decode().strip())
    acknowledged = {*by_git, *" ".join(told).split()}
    history = run_git("rev-list", tip_name, cwd=mailbox).decode().split()
    assert (len(by_git), [len(each.split()) for each in told]) == (8, [8, 7, 8, 7])
    assert acknowledged <= set(history)
    assert len(history) == 1 + len(acknowledged)
