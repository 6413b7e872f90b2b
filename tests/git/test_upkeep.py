"""What a push does for the mailbox at a path besides: it stays small, and no push is the worse for it."""

from __future__ import annotations

import os
import time
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from dulwich.objects import ObjectID
from dulwich.repo import Repo

from peer_relay import crash_points
from peer_relay.crash_points import CrashPoint
from peer_relay.git import merging, newpack, packing, upkeep
from peer_relay.git.collect import Collector
from peer_relay.git.limits import FIRST_FETCH
from peer_relay.git.packfile import scan_pack
from peer_relay.git.transport import FetchReply, FetchRequest
from peer_relay.git.upkeep import Upkeep
from tests.git.building import Step, line
from tests.git.local_mailbox import REF, deadline, fetch, push, transport
from tests.servers import create_repository, run_git

if TYPE_CHECKING:
    from peer_relay.git.local import LocalTransport

STEPS = line(45)


@pytest.fixture
def mailbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a mailbox where a few objects are many, and settled at once."""
    monkeypatch.setattr(packing, "CROWDED", 40)
    monkeypatch.setattr(packing, "SLICE_OBJECTS", 16)
    monkeypatch.setattr(merging, "_SMALLEST_LEVEL", 16)
    monkeypatch.setattr(packing, "_SLICE_S", 60.0)
    monkeypatch.setattr(upkeep, "_SETTLED_S", 0.0)
    monkeypatch.setattr(upkeep, "_TURN", 1)
    return create_repository(tmp_path / "mailbox.git")


def write(opened: LocalTransport, steps: list[Step], tip: bytes | None = None) -> None:
    """Push steps, some at a time."""
    for at in range(0, len(steps), 3):
        some = steps[at : at + 3]
        opened.push(REF, tip, some[-1].name, [each for step in some for each in step.objects], deadline())
        tip = some[-1].name


def loose(mailbox: Path) -> int:
    return sum(1 for _ in (mailbox / "objects").glob("??/*"))


def packed(mailbox: Path) -> int:
    return sum(1 for _ in (mailbox / "objects/pack").glob("*.pack"))


def test_a_mailbox_that_grows_stays_small_and_whole(mailbox: Path, tmp_path: Path) -> None:
    write(transport(mailbox), STEPS)
    assert loose(mailbox) < 100
    assert 0 < packed(mailbox) < 3 * merging.MERGED
    run_git("fsck", "--strict", cwd=mailbox)
    clone = create_repository(tmp_path / "clone.git")
    assert fetch(mailbox, FetchRequest(ref=REF), clone) == FetchReply(tip=STEPS[-1].name)
    run_git("update-ref", "refs/heads/x", STEPS[-1].name.decode(), cwd=clone)
    run_git("fsck", "--strict", "--connectivity-only", cwd=clone)


def test_a_fetch_finds_what_is_packed_and_merged_between_any_two_objects(
    mailbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(transport(mailbox), STEPS[:15])
    for name, few in (("packing.CROWDED", -1), ("packing.SLICE_OBJECTS", 2), ("merging._SMALLEST_LEVEL", 2)):
        monkeypatch.setattr(f"peer_relay.git.{name}", few)
    acts = list[bool]()

    def tick() -> None:
        with Repo(mailbox) as other:
            acts.append(packing.tend(other.object_store, durable=False))

    file = BytesIO()
    with Repo(mailbox) as repo, Collector(repo, str(mailbox), tick) as collector:
        collector.collect(ObjectID(STEPS[14].name), FetchRequest(ref=REF))
        collector.write(file, 1 << 20)
    assert len(scan_pack(file, FIRST_FETCH, remote="test").offsets) == len(
        [each for step in STEPS[:15] for each in step.objects]
    )
    assert sum(acts) > 20


@pytest.mark.parametrize("setting", [("gc.auto", "0"), ("receive.autogc", "false")])
def test_an_owner_who_told_git_to_leave_it_alone_is_heard(mailbox: Path, setting: tuple[str, str]) -> None:
    run_git("config", *setting, cwd=mailbox)
    write(transport(mailbox), STEPS[:30])
    assert packed(mailbox) == 0
    run_git("config", "gc.auto", "many", cwd=mailbox)
    run_git("config", "receive.autogc", "true", cwd=mailbox)
    push(mailbox, STEPS[30:31], expected=STEPS[29].name)
    assert packed(mailbox) == 1


def test_what_fails_fails_no_push_and_rests_for_a_while(mailbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now, tries, opened = [0.0], list[float](), transport(mailbox)
    opened._upkeep = Upkeep(lambda: now[0])

    def fail(*_: object, **__: object) -> bool:
        tries.append(now[0])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(upkeep, "tend", fail)
    write(opened, STEPS[:30])
    assert transport(mailbox).read_ref(REF, deadline()) == STEPS[29].name
    assert tries == [0.0]
    now[0] = 601.0
    opened.push(REF, STEPS[29].name, STEPS[30].name, STEPS[30].objects, deadline())
    assert tries == [0.0, 601.0]


def test_what_was_written_just_now_is_left_and_looked_at_later(mailbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "_SETTLED_S", 3_600.0)
    tries, opened, tend = list[bool](), transport(mailbox), packing.tend
    monkeypatch.setattr(upkeep, "tend", lambda *given, **named: tries.append(tend(*given, **named)) or tries[-1])
    write(opened, STEPS[:40])
    assert (packed(mailbox), tries) == (0, [False])


def test_a_push_that_has_little_time_left_packs_nothing(mailbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "CROWDED", 1_000)
    write(transport(mailbox), STEPS[:6])
    monkeypatch.setattr(packing, "CROWDED", -1)
    with Repo(mailbox) as repo:
        Upkeep().after_push(repo, deadline(0.5))
        assert packed(mailbox) == 0
        Upkeep().after_push(repo, deadline(20.0))
        assert packed(mailbox) == 1


def test_leftovers_of_killed_writers_go_and_files_of_others_stay(mailbox: Path) -> None:
    opened = transport(mailbox)
    write(opened, STEPS[:20])
    left, other = mailbox / "objects" / f"tmp_obj_{'a' * 16}", mailbox / "objects" / "pack" / "tmp_pack_XyZ123"
    keep = mailbox / "objects" / "pack" / f"pack-{'a' * 32}{newpack.MARK}.keep"
    for path in (left, keep, other):
        path.touch()
        os.utime(path, (time.time() - 7_200,) * 2)
    write(opened, STEPS[20:40], STEPS[19].name)
    assert (left.exists(), keep.exists(), other.exists()) == (False, False, True)


def test_objects_are_on_the_disk_in_a_pack_before_their_own_files_go(
    mailbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("only Linux tells which file a descriptor is")
    monkeypatch.setattr(packing, "CROWDED", 1_000)
    write(transport(mailbox), STEPS[:9])
    seen, real, unlink = list[str](), os.fsync, Path.unlink

    def synced(descriptor: int) -> None:
        seen.append(f"sync {Path(f'/proc/self/fd/{descriptor}').readlink().suffix}")
        real(descriptor)

    def unlinked(path: Path, *, missing_ok: bool = False) -> None:
        seen.append("gone" if len(path.parent.name) == 2 else "tidied")
        unlink(path, missing_ok=missing_ok)

    with Repo(mailbox) as repo, monkeypatch.context() as patch:
        patch.setattr(packing, "CROWDED", -1)
        patch.setattr(os, "fsync", synced)
        patch.setattr(Path, "unlink", unlinked)
        assert packing.tend(repo.object_store, durable=True)
    assert [each for each in seen if each != "tidied"] == ["sync .pack", "sync .idx", "sync ", *["gone"] * 16]


def test_a_large_push_is_one_pack_with_three_fsyncs_that_no_repacking_drops(
    mailbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced, kept, real = list[int](), list[str](), os.fsync

    def repack(point: CrashPoint) -> None:
        if point is CrashPoint.OBJECTS_DURABLE:
            synced.append(len(synced))
            kept.extend(path.suffix for path in (mailbox / "objects/pack").iterdir())
            run_git("repack", "-q", "-a", "-d", cwd=mailbox)

    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(descriptor) or real(descriptor))
    crash_points.arm(repack)
    try:
        push(mailbox, STEPS)
    finally:
        crash_points.arm(None)
    assert synced[3] == 3
    assert sorted(kept) == [".idx", ".keep", ".pack"]
    assert (loose(mailbox), list(mailbox.rglob("*.keep"))) == (0, [])
    run_git("fsck", "--strict", cwd=mailbox)
    assert transport(mailbox).read_ref(REF, deadline()) == STEPS[-1].name


def test_a_large_push_is_no_pack_where_packs_would_pile_up(mailbox: Path) -> None:
    run_git("config", "gc.auto", "0", cwd=mailbox)
    push(mailbox, STEPS)
    assert (packed(mailbox), loose(mailbox)) == (0, len({each.id for step in STEPS for each in step.objects}))


def test_what_else_there_is_to_pack_is_looked_at_with_the_first_push_of_a_process_and_every_eighth_after_it(
    mailbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = list[bool]()
    monkeypatch.setattr(upkeep, "_TURN", 8)
    monkeypatch.setattr(upkeep, "is_due", lambda _: looks.append(True))
    write(transport(mailbox), STEPS[:30])
    assert len(looks) == 2


def test_packs_of_a_shared_mailbox_can_be_read_by_its_group(tmp_path: Path, mailbox: Path) -> None:
    shared = tmp_path / "shared.git"
    run_git("init", "--quiet", "--bare", "--shared=group", shared)
    old = os.umask(0o077)
    try:
        write(transport(shared), STEPS[:30])
    finally:
        os.umask(old)
    assert mailbox
    made = list((shared / "objects" / "pack").iterdir())
    assert made
    assert {path.stat().st_mode & 0o777 for path in made} == {0o440}
