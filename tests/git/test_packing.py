"""Packing a little at a time: bounded work, nothing ever unreadable, and nobody else's files touched."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import time
import zlib
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from dulwich.objects import Blob, ShaFile
from dulwich.repo import Repo

from peer_relay.git import merging, packing
from peer_relay.git.newpack import OUR_PACK, packed, write_pack
from peer_relay.git.packing import is_due, sweep, tend
from peer_relay.git.packs import write_loose
from tests.git.building import line
from tests.servers import create_repository, run_git

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from dulwich.object_store import DiskObjectStore

CROWDED, SLICE = 40, 16
STEPS = line(60, label="01KAN3DEFGHJKMNPQRSTVWXY")
OBJECTS = [each for step in STEPS for each in step.objects]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a few objects be many, so that the tests are quick."""
    monkeypatch.setattr(packing, "CROWDED", CROWDED)
    monkeypatch.setattr(packing, "SLICE_OBJECTS", SLICE)
    monkeypatch.setattr(packing, "_SLICE_S", 60.0)
    monkeypatch.setattr(merging, "_SMALLEST_LEVEL", SLICE)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DiskObjectStore]:
    with Repo(create_repository(tmp_path / "mailbox.git")) as repo:
        write_loose(repo.object_store, OBJECTS)
        now_ns = time.time_ns()
        for age, each in enumerate(reversed(OBJECTS)):  # the system's clock gives many of them one time
            name = each.id.decode()
            os.utime(Path(repo.object_store.path, name[:2], name[2:]), ns=(now_ns - age * 1_000,) * 2)
        yield repo.object_store


def loose(store: DiskObjectStore) -> int:
    return sum(len(path.parent.name) == 2 for path in Path(store.path).rglob("*"))


def packs(store: DiskObjectStore) -> set[str]:
    return {path.stem for path in Path(store.pack_dir).glob("*.idx")}


def work(store: DiskObjectStore, *, durable: bool = False) -> int:
    """Tend a store until there is nothing more to do; return how often."""
    for times in range(200):
        if not is_due(store):
            return times
        tend(store, durable=durable)
    raise AssertionError("it does not come to an end")


def check_with_git(store: DiskObjectStore, objects: Sequence[ShaFile] = OBJECTS) -> None:
    """Let git look at every object."""
    root = Path(store.path).parent
    names = b"".join(each.id + b"\n" for each in objects)
    shown = run_git("cat-file", "--batch-check=%(objecttype) %(objectname)", cwd=root, data=names)
    assert shown == b"".join(b"%s %s\n" % (each.type_name, each.id) for each in objects)
    run_git("fsck", "--strict", "--full", cwd=root)


def check_all(store: DiskObjectStore, objects: Sequence[ShaFile] = OBJECTS) -> None:
    """Read every object as a process does that opens the store now."""
    with Repo(Path(store.path).parent) as repo:
        assert [repo.object_store.get_raw(each.id) for each in objects] == [
            (each.type_num, each.as_raw_string()) for each in objects
        ]


def test_everything_is_still_there_for_git_and_for_us(store: DiskObjectStore, tmp_path: Path) -> None:
    assert work(store) > 10
    assert loose(store) < 2 * CROWDED
    assert len(packs(store)) < 3 * merging.MERGED
    assert all(OUR_PACK.fullmatch(each) for each in packs(store))
    check_all(store)
    check_with_git(store)
    run_git("verify-pack", *sorted(Path(store.pack_dir).glob("*.idx")), cwd=tmp_path)
    root = Path(store.path).parent
    run_git("update-ref", "refs/heads/main", STEPS[-1].name.decode(), cwd=root)
    run_git("clone", "--quiet", "--bare", "--branch=main", f"file://{root}", tmp_path / "copy.git")
    assert run_git("rev-list", "--count", "main", cwd=tmp_path / "copy.git").strip() == b"60"


def test_one_call_is_bounded_in_objects(store: DiskObjectStore) -> None:
    before = loose(store)
    seen = Counter[str]()
    while is_due(store):
        there = packs(store)
        tend(store, durable=False)
        after, made, gone = loose(store), packs(store) - there, there - packs(store)
        assert len(made) == 1
        assert 0 < before - after <= SLICE if not gone else before == after
        assert len(gone) == (merging.MERGED if gone else 0)
        seen["merge" if gone else "slice"] += 1
        before = after
    assert seen["slice"] > 10
    assert seen["merge"] > 3


def test_one_call_is_bounded_in_bytes_and_in_time(store: DiskObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "SLICE_BYTES", 1)
    before = loose(store)
    tend(store, durable=False)
    assert loose(store) == before - 1
    monkeypatch.setattr(packing, "SLICE_BYTES", 1 << 20)
    monkeypatch.setattr(packing, "_SLICE_S", 0.0)
    monkeypatch.setattr(packing, "_LEAST_OBJECTS", 5)
    tend(store, durable=False)
    assert loose(store) == before - 6


def test_a_merge_is_bounded_and_large_packs_stay(store: DiskObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merging, "MERGE_OBJECTS", 3 * SLICE)
    work(store)
    with Repo(Path(store.path).parent) as repo:
        sizes = sorted(len(pack) for pack in repo.object_store.packs)
    assert sizes[-1] == 3 * SLICE
    assert len([size for size in sizes if size <= SLICE]) < merging.MERGED
    check_all(store)


def test_the_oldest_go_first_and_the_young_stay(store: DiskObjectStore) -> None:
    root = Path(store.path)
    old = OBJECTS[100 : 100 + SLICE // 2]
    for each in old:
        os.utime(root / each.id[:2].decode() / each.id[2:].decode(), (1, 1))
    before = loose(store)
    tend(store, durable=False, settled_s=3_600.0)
    assert loose(store) == before - len(old)
    with Repo(root.parent) as repo:
        (pack,) = repo.object_store.packs
        assert set(pack) == {each.id for each in old}
    tend(store, durable=False, settled_s=3_600.0)
    assert loose(store) == before - len(old)


def test_successive_folders_are_stored_as_differences(store: DiskObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "SLICE_OBJECTS", 10 * SLICE)
    work(store)
    shown = [run_git("verify-pack", "-v", each, cwd=Path(store.path)) for each in Path(store.pack_dir).glob("*.idx")]
    differences = sum(int(each) for each in re.findall(rb"chain length = \d+: (\d+) object", b"".join(shown)))
    assert differences > len(STEPS) / 3
    packed_bytes = sum(path.stat().st_size for path in Path(store.pack_dir).glob("*.pack"))
    assert packed_bytes < sum(len(zlib.compress(each.as_raw_string())) for each in OBJECTS)


# ---------------------------------------------------------------------------------------------------------------------
# When something goes wrong


def test_after_any_file_operation_that_fails_nothing_is_lost_or_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For every N: the Nth operation fails; whatever happens, each object can be read, and then work goes on."""
    for name, few in (("packing.CROWDED", -1), ("packing.SLICE_OBJECTS", 4), ("merging._SMALLEST_LEVEL", 4)):
        monkeypatch.setattr(f"peer_relay.git.{name}", few)
    source, objects = create_repository(tmp_path / "source.git"), OBJECTS[:30]
    with Repo(source) as repo:
        write_loose(repo.object_store, objects)
        for _ in range(merging.MERGED - 1):
            tend(repo.object_store, durable=True)
    for number in range(1, 200):
        copy = shutil.copytree(source, tmp_path / f"{number}.git")
        with Repo(copy) as repo, monkeypatch.context() as patch:
            counted = fail_at(patch, number)
            with suppress(OSError):
                for _ in range(2):  # a slice, and then a merge
                    tend(repo.object_store, durable=True)
            patch.undo()
            check_all(repo.object_store, objects)
            assert not list(copy.rglob("tmp_*"))
            for _ in range(12):
                tend(repo.object_store, durable=False)
            sweep(repo.object_store, 0.0)
            check_all(repo.object_store, objects)
            assert loose(repo.object_store) == 0
            assert len(list(copy.rglob("*.pack"))) == len(list(copy.rglob("*.idx"))) < 3 * merging.MERGED
        shutil.rmtree(copy)
        if counted[0] < number:
            break
    assert number > 20


def fail_at(patch: pytest.MonkeyPatch, number: int) -> list[int]:
    """Let the Nth of all operations that change files fail for want of space; return how many there were."""
    count = [0]

    def counted(real: Callable[..., object]) -> Callable[..., object]:
        def act(*arguments: object, **named: object) -> object:
            count[0] += 1
            if count[0] == number:
                raise OSError(28, "No space left on device")
            return real(*arguments, **named)

        return act

    patch.setattr(Path, "replace", counted(Path.replace))
    for name in ("open", "fsync"):
        patch.setattr(os, name, counted(getattr(os, name)))
    unlink = Path.unlink

    def unlinked(path: Path, *, missing_ok: bool = False) -> None:
        # Taking back what failed is no part of what may fail.
        (unlink if path.name.startswith("tmp_") else counted(unlink))(path, missing_ok=missing_ok)

    patch.setattr(Path, "unlink", unlinked)
    return count


def test_objects_that_were_packed_by_somebody_who_was_killed_are_not_packed_again(store: DiskObjectStore) -> None:
    oldest = sorted(Path(store.path).glob("??/*"), key=lambda path: path.stat().st_mtime_ns)[:SLICE]
    kept = {path: path.read_bytes() for path in oldest}
    tend(store, durable=False)
    for path, content in kept.items():
        path.write_bytes(content)
        os.utime(path, (1, 1))
    before = packs(store)
    tend(store, durable=False)
    assert packs(store) == before
    assert not any(path.exists() for path in kept)


def test_what_is_packed_twice_at_once_is_there_once_after_a_merge(store: DiskObjectStore, tmp_path: Path) -> None:
    root = Path(store.path).parent
    for number in range(merging.MERGED):
        # Somebody who sees the same objects in another order.
        other = shutil.copytree(root, tmp_path / f"{number}.git")
        for place, path in enumerate(sorted((other / "objects").glob("??/*"))):
            os.utime(path, (place * (number + 1) % 97, place * (number + 1) % 97))
        with Repo(other) as repo:
            tend(repo.object_store, durable=False)
        for path in (other / "objects" / "pack").iterdir():
            shutil.copy2(path, store.pack_dir)
    assert len(packs(store)) == merging.MERGED
    tend(store, durable=False)
    with Repo(root) as repo:
        (pack,) = repo.object_store.packs
        names = list(pack)
        assert SLICE < len(names) == len(set(names)) < merging.MERGED * SLICE
    run_git("verify-pack", *Path(store.pack_dir).glob("*.idx"), cwd=root)
    check_with_git(store)


def test_what_is_damaged_or_large_or_no_object_stays_where_it_is(store: DiskObjectStore) -> None:
    root = Path(store.path)
    lying = b"blob 9\0short"
    odd = [
        _put(root, b"blob 5\0short", zlib.compress(b"blob 5\0other")),
        _put(root, b"a", b""),
        _put(root, b"b", b"not compressed"),
        _put(root, lying, zlib.compress(lying)),
        _put(root, b"note 1\0x", zlib.compress(b"note 1\0x")),
        _put(root, large := b"blob 600000\0" + bytes(600_000), zlib.compress(large)),
        root / "18" / "tmp_obj_x",
    ]
    odd[-1].parent.mkdir(exist_ok=True)
    odd[-1].touch()
    before = {path: path.read_bytes() for path in odd}
    for path in odd:
        os.utime(path, (1, 1))
    assert work(store) > 5
    assert {path: path.read_bytes() for path in odd} == before
    check_all(store)


def _put(root: Path, data: bytes, stored: bytes) -> Path:
    name = hashlib.sha1(data, usedforsecurity=False).hexdigest()
    path = root / name[:2] / name[2:]
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(stored)
    return path


def test_a_pack_that_somebody_else_merges_meanwhile_is_left_out(
    store: DiskObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(merging.MERGED):
        tend(store, durable=False)
    chosen = merging.mergeable(store)
    monkeypatch.setattr(packing, "mergeable", lambda _: chosen)
    kept = {path: path.read_bytes() for path in (chosen[0].stem.with_suffix(ending) for ending in (".idx", ".pack"))}
    for path in kept:
        path.unlink()
    assert tend(store, durable=False)
    assert len(packs(store)) == 1
    for path, content in kept.items():
        path.write_bytes(content)
    check_all(store)


def test_a_damaged_pack_is_left_out_of_a_merge(store: DiskObjectStore) -> None:
    for _ in range(merging.MERGED):
        tend(store, durable=False)
    damaged = min(Path(store.pack_dir).glob("*.pack"))
    data = damaged.read_bytes()
    damaged.chmod(0o644)
    damaged.write_bytes(data[:40] + bytes([data[40] ^ 1]) + data[41:])
    tend(store, durable=False)
    assert len(packs(store)) == 2
    assert damaged.stem in packs(store)
    damaged.write_bytes(data)
    check_all(store)


def test_a_folder_that_may_not_be_written_to_is_left_alone(
    store: DiskObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, closed = os.access, {path for path in Path(store.path).glob("??") if path.name < "f0"}
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) not in closed and real(path, mode))
    before = {path for folder in closed for path in folder.iterdir()}
    tend(store, durable=False)
    assert {path for folder in closed for path in folder.iterdir()} == before
    assert len(packs(store)) == 1
    closed.add(Path(store.pack_dir))
    assert not merging.mergeable(store)


# ---------------------------------------------------------------------------------------------------------------------
# What belongs to others


def test_packs_of_git_and_packs_that_somebody_keeps_are_never_touched(store: DiskObjectStore) -> None:
    root = Path(store.path).parent
    names = b"".join(each.id + b"\n" for each in OBJECTS[:50])
    for number in range(merging.MERGED + 1):
        run_git("pack-objects", "-q", "objects/pack/pack", cwd=root, data=names[41 * number :])
    for _ in range(merging.MERGED - 1):
        tend(store, durable=False)
    mine = sorted(each for each in packs(store) if OUR_PACK.fullmatch(each))
    for stem, ending in zip(mine, ("keep", "bitmap", "promisor"), strict=False):
        Path(store.pack_dir, f"{stem}.{ending}").touch()
    before = packs(store)
    while is_due(store):
        tend(store, durable=False)
    assert before <= packs(store)


def test_packs_that_an_index_across_packs_names_are_not_merged(store: DiskObjectStore) -> None:
    for _ in range(merging.MERGED):
        tend(store, durable=False)
    root = Path(store.path).parent
    run_git("multi-pack-index", "write", cwd=root)
    before = packs(store)
    work(store)
    assert before < packs(store)
    assert len(packs(store)) < len(before) + 3 * merging.MERGED
    check_with_git(store)
    Path(store.pack_dir, "multi-pack-index.d").mkdir()
    assert not merging.mergeable(store)


def test_git_takes_over_and_hands_back(store: DiskObjectStore) -> None:
    root = Path(store.path).parent
    run_git("update-ref", "refs/heads/main", STEPS[-1].name.decode(), cwd=root)
    work(store)
    run_git("gc", "--quiet", cwd=root)
    assert [OUR_PACK.fullmatch(each) for each in packs(store)] == [None]
    more = [Blob.from_string(b"%d" % number) for number in range(100)]
    with Repo(root) as repo:
        write_loose(repo.object_store, more)
        work(repo.object_store)
        check_all(repo.object_store, [*OBJECTS, *more])
    check_with_git(store)


def test_only_old_leftovers_of_our_own_are_swept(store: DiskObjectStore) -> None:
    root, folder = Path(store.path), Path(store.pack_dir)
    name = write_pack(store, [packed(b"x" * 20, 3, b"x")], durable=False)
    folder.joinpath(f"{name}.idx").unlink()
    ours = [root / f"tmp_obj_{'0' * 16}", folder / f"tmp_pack_{'1' * 16}.idx", folder / f"{name}.pack"]
    theirs = [root / "tmp_obj_AbCdEf", folder / "tmp_pack_AbCdEf", folder / f"pack-{'0' * 40}.pack", root / "x.lock"]
    for path in [*ours, *theirs]:
        path.touch()
        os.utime(path, (time.time() - 4_000,) * 2)
    young = root / f"tmp_obj_{'2' * 16}"
    young.touch()
    sweep(store, 3_600.0)
    assert [path.exists() for path in [*ours, *theirs, young]] == [False] * 3 + [True] * 5
