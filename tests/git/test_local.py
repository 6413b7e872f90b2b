"""What only the transport for a path has to deal with: locks, permissions, and files that anybody may have written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
import tracemalloc
from contextlib import nullcontext
from io import BytesIO
from pathlib import Path

import pytest
from dulwich.refs import DiskRefsContainer

from peer_relay.errors import (
    AccessDenied,
    BranchLocked,
    DeadlineExceeded,
    MalformedPack,
    Moved,
    NotAGitServer,
    OutcomeUnknown,
    PushBlocked,
    RepositoryNotFound,
    TransportError,
    Unreachable,
)
from peer_relay.git.limits import MOST_BYTES
from peer_relay.git.transport import FetchReply, FetchRequest
from tests.claims import claim
from tests.git.building import line
from tests.git.local_mailbox import REF, deadline, fetch, push, transport
from tests.servers import create_repository, run_git


@pytest.fixture
def mailbox(tmp_path: Path) -> Path:
    return create_repository(tmp_path / "mailbox.git")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    return create_repository(tmp_path / "clone.git")


def test_the_address_is_shown_and_closing_does_nothing(mailbox: Path) -> None:
    opened = transport(mailbox)
    opened.close()
    opened.close()
    assert (opened.remote, opened.read_ref(REF, deadline())) == (str(mailbox), None)


@pytest.mark.parametrize(("created", "used"), [("work", "work"), ("work", "work/.git"), ("mailbox.git", "mailbox")])
def test_a_repository_is_found_where_git_finds_it(tmp_path: Path, created: str, used: str) -> None:
    run_git("init", "--quiet", *(["--bare"] if created.endswith(".git") else []), tmp_path / created)
    steps = line(1)
    push(tmp_path / used, steps)
    assert run_git("rev-parse", REF.decode(), cwd=tmp_path / created).strip() == steps[-1].name


def test_a_repository_whose_objects_have_other_names_is_refused(tmp_path: Path) -> None:
    run_git("init", "--quiet", "--bare", "--object-format=sha256", tmp_path / "new.git")
    with pytest.raises(NotAGitServer):
        transport(tmp_path / "new.git").read_ref(REF, deadline())


@pytest.mark.parametrize("setting", [("extensions.unheard", "true"), ("extensions.refStorage", "reftable")])
def test_a_repository_that_needs_a_newer_git_is_refused(mailbox: Path, setting: tuple[str, str]) -> None:
    run_git("config", "core.repositoryFormatVersion", "1", cwd=mailbox)
    run_git("config", *setting, cwd=mailbox)
    with pytest.raises(NotAGitServer):
        transport(mailbox).read_ref(REF, deadline())


def test_a_folder_without_a_repository_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(RepositoryNotFound) as caught:
        transport(tmp_path).read_ref(REF, deadline())
    assert caught.value.remote == str(tmp_path)


def test_a_branch_is_found_when_it_is_packed(mailbox: Path, clone: Path) -> None:
    steps = line(3)
    push(mailbox, steps[:2])
    run_git("gc", "--quiet", cwd=mailbox)
    run_git("pack-refs", "--all", cwd=mailbox)
    assert not (mailbox / REF.decode()).exists()
    assert fetch(mailbox, FetchRequest(ref=REF, depth=2), clone) == FetchReply(tip=steps[1].name, shallow=frozenset())
    push(mailbox, steps[2:], expected=steps[1].name)
    assert transport(mailbox).read_ref(REF, deadline()) == steps[2].name
    with pytest.raises(Moved):
        push(mailbox, line(1, steps[1], label="late"), expected=steps[1].name)


def test_a_branch_among_many_packed_ones_is_found_without_taking_the_list_apart(
    mailbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = line(1)
    push(mailbox, steps)
    tip = steps[0].name
    others = (b"create refs/%s-%03d %s\n" % (kind, n, tip) for kind in (b"heads/other", b"tags/v") for n in range(100))
    run_git("update-ref", "--stdin", cwd=mailbox, data=b"".join(others))
    person = ("-c", "user.name=alice", "-c", "user.email=alice@example.com")
    run_git(*person, "tag", "-a", "-m", "with a line of its own", "v", tip.decode(), cwd=mailbox)
    run_git("pack-refs", "--all", cwd=mailbox)
    monkeypatch.setattr(DiskRefsContainer, "get_packed_refs", None)
    names = (REF, b"refs/heads/other-000", b"refs/heads/other-099", b"refs/tags/v-042", b"refs/tags/v-099")
    assert {transport(mailbox).read_ref(name, deadline()) for name in names} == {tip}


@pytest.mark.parametrize("content", [b"ref: refs/heads/main\n", b"\0" * 41, b"", b"x" * 5000])
def test_a_damaged_branch_file_is_neither_absent_nor_overwritten(mailbox: Path, content: bytes) -> None:
    path = mailbox / REF.decode()
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(MalformedPack, match="the branch's file does not hold the name of a commit"):
        transport(mailbox).read_ref(REF, deadline())
    with pytest.raises(MalformedPack):
        push(mailbox, line(1))
    assert path.read_bytes() == content


@claim("deadline")
@claim("memory-bounds")
@pytest.mark.parametrize("name", MOST_BYTES)
def test_a_file_of_the_repository_that_is_far_too_large_is_not_read(mailbox: Path, name: str) -> None:
    with (mailbox / name).open("ab") as file:
        file.truncate(1 << 30)
    tracemalloc.start()
    with pytest.raises(MalformedPack, match="an object or file of the repository cannot be read"):
        transport(mailbox).fetch(FetchRequest(ref=REF), BytesIO(), deadline())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 << 20


def test_an_expired_deadline_ends_every_call(mailbox: Path) -> None:
    steps = line(2)
    push(mailbox, steps)
    opened, late = transport(mailbox), deadline(0.0)
    for call in (
        lambda: opened.read_ref(REF, late),
        lambda: opened.fetch(FetchRequest(ref=REF), BytesIO(), late),
        lambda: opened.push(REF, steps[1].name, steps[0].name, [], late),
    ):
        with pytest.raises(DeadlineExceeded):
            call()


# ---------------------------------------------------------------------------------------------------------------------
# Writing


def lock_of(mailbox: Path) -> Path:
    path = mailbox / f"{REF.decode()}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


@pytest.mark.parametrize("meanwhile", ["nothing", "the same", "another"])
def test_a_push_waits_for_another_writer_and_looks_again(
    mailbox: Path, monkeypatch: pytest.MonkeyPatch, meanwhile: str
) -> None:
    lock, step, other = lock_of(mailbox), line(1)[0], line(1, label="other")[0]
    written = {"nothing": None, "the same": step.name, "another": other.name}[meanwhile]

    def let_it_finish(seconds: float) -> None:
        assert seconds < 1
        if written is None:
            lock.unlink()
        else:
            lock.write_bytes(written + b"\n")
            lock.replace(mailbox / REF.decode())

    monkeypatch.setattr(time, "sleep", let_it_finish)
    with pytest.raises(Moved) if meanwhile == "another" else nullcontext():
        push(mailbox, [step])
    assert transport(mailbox).read_ref(REF, deadline()) == (written or step.name)
    assert not list(mailbox.rglob("*.lock"))


@claim("deadline")
def test_a_lock_that_stays_ends_with_the_deadline_and_is_not_broken(mailbox: Path) -> None:
    lock, step = lock_of(mailbox), line(1)[0]
    with pytest.raises(BranchLocked) as caught:
        transport(mailbox).push(REF, None, step.name, step.objects, deadline(0.2))
    assert caught.value.reason == f"another program holds its lock {lock}"
    assert lock.exists()


def test_an_abandoned_lock_is_named_at_once(mailbox: Path) -> None:
    lock, step = lock_of(mailbox), line(1)[0]
    long_ago = time.time() - 1_800
    os.utime(lock, (long_ago, long_ago))
    with pytest.raises(BranchLocked) as caught:
        transport(mailbox).push(REF, None, step.name, step.objects, deadline())
    assert caught.value.reason == f"its lock {lock} is 30 minutes old"
    assert lock.exists()


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("other", [b"refs/heads/peer-relay", REF + b"/below"])
def test_a_branch_in_the_way_is_explained(mailbox: Path, other: bytes, *, packed: bool) -> None:
    push(mailbox, line(1), ref=other)
    if packed:
        run_git("pack-refs", "--all", "--prune", cwd=mailbox)
    with pytest.raises(PushBlocked) as caught:
        push(mailbox, line(1))
    assert caught.value.words == "there is another branch whose name begins with the room's, or is the beginning of it"
    assert transport(mailbox).read_ref(REF, deadline()) is None
    assert not list(mailbox.rglob("*.lock"))


def test_a_branch_far_below_another_is_explained(mailbox: Path) -> None:
    push(mailbox, line(1), ref=b"refs/heads/peer-relay")
    with pytest.raises(PushBlocked):
        push(mailbox, line(1), ref=REF + b"/far/below")


@pytest.mark.parametrize(
    ("number", "expected"), [(28, PushBlocked), (30, AccessDenied), (13, AccessDenied), (5, Unreachable)]
)
def test_what_the_system_refuses_is_told_apart(
    mailbox: Path, monkeypatch: pytest.MonkeyPatch, number: int, expected: type[TransportError]
) -> None:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("peer_relay.git.packs.os.fsync", fail)
    with pytest.raises(expected):
        push(mailbox, line(1))
    monkeypatch.undo()
    assert transport(mailbox).read_ref(REF, deadline()) is None
    assert not [path for path in mailbox.rglob("*") if "tmp" in path.name or path.suffix == ".lock"]


@pytest.mark.parametrize(
    ("number", "expected"), [(28, PushBlocked), (30, AccessDenied), (13, AccessDenied), (5, Unreachable)]
)
def test_what_the_system_refuses_shows_before_a_push(
    mailbox: Path, monkeypatch: pytest.MonkeyPatch, number: int, expected: type[TransportError]
) -> None:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    before = sorted(mailbox.rglob("*"))
    monkeypatch.setattr("peer_relay.git.local.os.fsync", fail)
    with pytest.raises(expected):
        transport(mailbox).check_write(REF, deadline())
    assert sorted(mailbox.rglob("*")) == before


def test_a_branch_in_the_way_shows_before_a_push(mailbox: Path) -> None:
    push(mailbox, line(1), ref=REF + b"/below")
    with pytest.raises(PushBlocked):
        transport(mailbox).check_write(REF, deadline())
    transport(mailbox).check_write(REF + b"/beside", deadline())


@pytest.mark.parametrize(
    "head",
    [b"", b"ref: refs/heads/main\n", b"ref: refs/heads/../../config", b"ref: refs/tags/x\n", b"ref: ", b"\0" * 41],
)
def test_a_head_that_names_no_branch_has_no_default_branch(mailbox: Path, head: bytes) -> None:
    (mailbox / "HEAD").write_bytes(head)
    assert transport(mailbox).default_branch(deadline()) is None


def test_the_default_branch_is_found_when_it_is_packed(mailbox: Path) -> None:
    push(mailbox, line(1), ref=b"refs/heads/main")
    run_git("pack-refs", "--all", cwd=mailbox)
    assert not (mailbox / "refs" / "heads" / "main").exists()
    assert transport(mailbox).default_branch(deadline()) == b"refs/heads/main"


def test_a_failure_after_the_branch_was_moved_leaves_the_outcome_open(
    mailbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Path) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("peer_relay.git.local.sync_folder", fail)
    with pytest.raises(OutcomeUnknown):
        push(mailbox, line(1))
    assert transport(mailbox).read_ref(REF, deadline()) is not None


def test_a_failure_while_the_branch_is_written_leaves_no_lock(mailbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = line(2)
    push(mailbox, steps[:1])

    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(Unreachable):
        push(mailbox, steps[1:], expected=steps[0].name)
    monkeypatch.undo()
    assert transport(mailbox).read_ref(REF, deadline()) == steps[0].name
    assert not list(mailbox.rglob("*.lock"))


def test_objects_are_durable_before_the_branch_and_the_branch_before_the_return(
    mailbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, synced = os.fsync, list[str]()

    def note(descriptor: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink().relative_to(mailbox)))
        real(descriptor)

    if not Path("/proc/self/fd").is_dir():
        pytest.skip("only Linux tells which file a descriptor is")
    monkeypatch.setattr(os, "fsync", note)
    step = line(1)[0]
    push(mailbox, [step])
    folders = sorted({f"objects/{each.id[:2].decode()}" for each in step.objects})
    files, synced_folders = synced[: len(step.objects)], synced[len(step.objects) :]
    assert all(each.startswith("objects/tmp_obj_") for each in files)
    own = r"refs/heads/peer-relay/room\.[0-9a-f]{16}\.lock"
    assert [re.sub(own, "the new value", each) for each in synced_folders] == (
        ["objects", *folders, "the new value", "refs/heads/peer-relay", "refs/heads"]
    )


def test_the_folders_of_a_shared_mailbox_stay_writable_for_its_group(tmp_path: Path) -> None:
    run_git("init", "--quiet", "--bare", "--shared=group", tmp_path / "shared.git")
    old = os.umask(0o077)
    try:
        push(tmp_path / "shared.git", line(1))
    finally:
        os.umask(old)
    path = tmp_path / "shared.git" / REF.decode()
    assert path.parent.stat().st_mode & 0o2770 == 0o2770
    assert path.stat().st_mode & 0o777 == 0o660


KILL_SCRIPT = """
import sys, time
from pathlib import Path
from peer_relay.deadline import Deadline
from peer_relay.git import branch_lock
from peer_relay.git.local import LocalTransport
from tests.git.building import line
from peer_relay.git.remote import parse_remote
from tests.git.local_mailbox import REF
branch_lock.STALE_S = 0.0
print("ready", flush=True)
transport, steps, tip = LocalTransport(parse_remote(sys.argv[1])), line(1), None
while True:
    transport.push(REF, tip, steps[-1].name, steps[-1].objects, Deadline(20, time.monotonic))
    tip, steps = steps[-1].name, [line(1, steps[-1], label=str(time.monotonic_ns()))[0]]
"""


@pytest.mark.usefixtures("unmeasured_processes")
def test_a_writer_that_is_killed_leaves_a_sound_mailbox(mailbox: Path) -> None:
    tip: bytes | None = None
    for round_ in range(5):
        with subprocess.Popen([sys.executable, "-c", KILL_SCRIPT, mailbox], stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            limit = time.monotonic() + 10
            while transport(mailbox).read_ref(REF, deadline()) == tip and time.monotonic() < limit:
                pass
            writer.kill()
        tip = transport(mailbox).read_ref(REF, deadline())
        assert tip is not None
        run_git("fsck", "--strict", cwd=mailbox)
        (mailbox / REF.decode()).rename(mailbox / "refs" / "heads" / f"round-{round_}")
        tip = None
