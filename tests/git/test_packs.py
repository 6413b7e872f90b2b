"""Taking packs in: bounded, all or nothing, and with one kind of error for everything that can be wrong."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from dulwich.objects import Blob, Commit, ObjectID, ShaFile, Tag
from dulwich.refs import Ref
from dulwich.repo import Repo
from hypothesis import given
from hypothesis import strategies as st

from peer_relay.errors import DamagedClone, MalformedPack, PeerRelayError, StateUnusable, TooLarge
from peer_relay.git.limits import FIRST_FETCH, PackLimits
from peer_relay.git.packfile import scan_pack
from peer_relay.git.packing import SLICE_OBJECTS
from peer_relay.git.packs import ingest, maintain, needs_refetch, write_loose
from tests.claims import claim
from tests.git.building import comb, commit, delta, entry, header, line, pack, raw_pack, varint
from tests.servers import run_git

if TYPE_CHECKING:
    from collections.abc import Iterator

REMOTE = "ssh://host/mailbox.git"
LIMITS = PackLimits(max_objects=100, max_object_bytes=10_000, max_total_bytes=50_000, max_pack_bytes=50_000)
BASE = b"0123456789" * 100


@pytest.fixture
def clone(tmp_path: Path) -> Iterator[Repo]:
    with Repo.init_bare(tmp_path / "clone.git", mkdir=True) as repo:
        yield repo


def stored(repo: Repo) -> set[str]:
    """Return every file of the object store, as paths below it."""
    root = Path(repo.object_store.path)
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


WHOLE = entry(3, BASE)
TARGET = BASE + b"more"


def test_a_small_pack_becomes_loose_objects(clone: Repo) -> None:
    steps = line(3)
    objects = [each for step in steps for each in step.objects]
    assert ingest(clone, pack(objects), remote=REMOTE, limits=FIRST_FETCH) == len(objects)
    assert stored(clone) == {f"{each.id[:2].decode()}/{each.id[2:].decode()}" for each in objects}
    assert all(clone.object_store[each.id] == each for each in objects)
    run_git("fsck", "--strict", cwd=Path(clone.path))
    run_git("rev-list", "--objects", steps[-1].name.decode(), cwd=Path(clone.path))


def test_a_large_pack_is_kept_as_a_pack(clone: Repo) -> None:
    steps = line(200)
    objects = [each for step in steps for each in step.objects]
    assert ingest(clone, pack(objects), remote=REMOTE, limits=FIRST_FETCH) == len(objects) > 500
    assert {Path(name).suffix for name in stored(clone)} == {".pack", ".idx"}
    assert len(stored(clone)) == 2
    run_git("fsck", "--strict", cwd=Path(clone.path))
    assert all(clone.object_store[each.id] == each for each in objects)


def test_an_empty_file_and_an_empty_pack_are_nothing(clone: Repo) -> None:
    assert ingest(clone, BytesIO(), remote=REMOTE, limits=FIRST_FETCH) == 0
    assert ingest(clone, pack([]), remote=REMOTE, limits=FIRST_FETCH) == 0
    assert stored(clone) == set()


@pytest.mark.parametrize("padding", [0, 600])
def test_a_thin_pack_is_completed_from_the_clone(clone: Repo, padding: int) -> None:
    base = Blob.from_string(BASE)
    write_loose(clone.object_store, [base])
    others = [entry(3, b"%d" % number) for number in range(padding)]
    thin = raw_pack([entry(7, delta(BASE, TARGET), base=base.sha().digest()), *others])
    assert ingest(clone, thin, remote=REMOTE, limits=FIRST_FETCH) == 1 + padding
    assert clone.object_store[Blob.from_string(TARGET).id].as_raw_string() == TARGET
    run_git("fsck", "--strict", cwd=Path(clone.path))


@pytest.mark.parametrize("padding", [0, 600])
def test_a_thin_pack_whose_base_is_damaged_here_is_the_clones_fault(clone: Repo, padding: int) -> None:
    base = Blob.from_string(BASE)
    write_loose(clone.object_store, [base])
    path = Path(clone.object_store.path, base.id[:2].decode(), base.id[2:].decode())
    path.chmod(0o644)
    path.write_bytes(b"")
    others = [entry(3, b"%d" % number) for number in range(padding)]
    thin = raw_pack([entry(7, delta(BASE, TARGET), base=base.sha().digest()), *others])
    with pytest.raises(DamagedClone):
        ingest(clone, thin, remote=REMOTE, limits=FIRST_FETCH)
    write_loose(clone.object_store, [base])
    assert clone.object_store[base.id] == base


def _tag() -> Tag:
    tag = Tag()
    tag.name, tag.object, tag.tagger, tag.message = b"t", (Blob, Blob.from_string(b"x").id), b"a <a@b>", b"m"
    tag.tag_time = tag.tag_timezone = 0
    return tag


GARBAGE: dict[str, tuple[BytesIO, str]] = {
    "not a pack": (BytesIO(b"<html>" * 20), "it is not a pack"),
    "too short": (BytesIO(b"PACK"), "it is not a pack"),
    "version 3": (raw_pack([WHOLE], version=3), "its format is version 3"),
    "bad checksum": (BytesIO(raw_pack([WHOLE]).getvalue()[:-1] + b"?"), "its checksum does not fit"),
    "cut in the middle": (BytesIO(raw_pack([WHOLE]).getvalue()[:-4]), "its checksum does not fit"),
    "fewer objects than it says": (raw_pack([WHOLE], count=2), "the pack is cut short"),
    "more objects than it says": (raw_pack([WHOLE, WHOLE], count=1), "there is something behind its last object"),
    "something behind": (raw_pack([WHOLE], behind=b"x"), "there is something behind its last object"),
    "unknown kind": (raw_pack([entry(5, b"")]), "an object is of no known kind"),
    "endless size": (raw_pack([b"\xb0" + b"\x80" * 12]), "an object's size is not a number"),
    "not inflatable": (raw_pack([header(3, 10) + b"garbage garbage"]), "an object cannot be inflated"),
    "shorter than declared": (
        raw_pack([entry(3, b"abc", size=4)]),
        "an object does not have the size that it declares",
    ),
    "longer than declared": (raw_pack([entry(3, b"abc", size=2)]), "an object does not have the size that it declares"),
    "delta without sizes": (
        raw_pack([WHOLE, entry(7, b"\x80", base=b"x" * 20)]),
        "a delta does not say the size of its result",
    ),
    "base before the first": (
        raw_pack([entry(6, delta(BASE, TARGET), base=b"\x7f")]),
        "a delta's base does not come before it",
    ),
    "base is itself": (
        raw_pack([WHOLE, entry(6, delta(BASE, TARGET), base=b"\x00")]),
        "a delta's base does not come before it",
    ),
    "base far before": (
        raw_pack([WHOLE, entry(6, delta(BASE, TARGET), base=b"\xff" * 30 + b"\x01")]),
        "a delta's base does not come before it",
    ),
    "base between objects": (
        raw_pack([WHOLE, entry(6, delta(BASE, TARGET), base=b"\x01")]),
        "a delta's base is not an object",
    ),
    "base that is not there": (
        raw_pack([entry(7, delta(BASE, TARGET), base=b"x" * 20)]),
        "an object cannot be decoded",
    ),
    "delta of another base": (
        raw_pack([WHOLE, entry(6, delta(b"other" * 9, TARGET), base=bytes([len(WHOLE)]))]),
        "an object cannot be decoded",
    ),
    "tag": (pack([_tag()]), "it holds something else than blobs, trees and commits"),
}


@pytest.mark.parametrize("name", sorted(GARBAGE))
def test_a_bad_pack_is_refused_and_nothing_is_written(clone: Repo, name: str) -> None:
    file, reason = GARBAGE[name]
    with pytest.raises(MalformedPack) as caught:
        ingest(clone, BytesIO(file.getvalue()), remote=REMOTE, limits=FIRST_FETCH)
    # Which of dulwich's errors it was stands behind the colon.
    assert (caught.value.remote, caught.value.reason.partition(":")[0]) == (REMOTE, reason)
    assert stored(clone) == set()


@pytest.mark.parametrize("padding", [10, 600])
def test_one_bad_object_keeps_the_good_ones_out(clone: Repo, padding: int) -> None:
    good: list[ShaFile] = [Blob.from_string(b"%d" % number) for number in range(padding)]
    with pytest.raises(MalformedPack):
        ingest(clone, pack([*good, _tag()]), remote=REMOTE, limits=FIRST_FETCH)
    assert stored(clone) == set()


@pytest.mark.parametrize("padding", [10, 600])
def test_what_is_malformed_comes_in_as_it_is(clone: Repo, padding: int) -> None:
    """Whoever reads it can then refuse it by name."""
    others = [entry(3, b"%d" % number) for number in range(padding)]
    malformed = {(1, b"nonsense\n"), (2, b"nonsense"), (2, b"100644 ..\0" + b"x" * 20)}
    file = raw_pack([*others, *(entry(kind, content) for kind, content in malformed)])
    assert ingest(clone, file, remote=REMOTE, limits=FIRST_FETCH) == padding + 3
    names = run_git(
        "cat-file", "--batch-all-objects", "--batch-check=%(objecttype) %(objectname)", cwd=Path(clone.path)
    )
    found = {
        (1 if name.startswith("commit") else 2, run_git("cat-file", *name.split(), cwd=Path(clone.path)))
        for name in names.decode().splitlines()
        if not name.startswith("blob")
    }
    assert found == malformed


LARGE: dict[str, tuple[BytesIO, str]] = {
    "too many objects": (pack([Blob.from_string(b"%d" % n) for n in range(101)]), "101 objects, and 100 are allowed"),
    "millions declared": (raw_pack([], count=4_000_000_000), "4000000000 objects, and 100 are allowed"),
    "large object": (pack([Blob.from_string(b"x" * 10_001)]), "an object of 10001 bytes, and 10000 are allowed"),
    "declared large": (
        raw_pack([entry(3, b"x", size=1 << 40)]),
        "an object of 1099511627776 bytes, and 10000 are allowed",
    ),
    "large result of a delta": (
        raw_pack([WHOLE, entry(6, varint(len(BASE)) + varint(700 << 20) + b"\x80", base=bytes([len(WHOLE)]))]),
        "an object of 734003200 bytes, and 10000 are allowed",
    ),
    "large in all": (
        pack([Blob.from_string(b"%d" % n + b"x" * 9_900) for n in range(6)]),
        "more than 50000 bytes in all",
    ),
}


@claim("memory-bounds")
@pytest.mark.parametrize("name", sorted(LARGE))
def test_a_pack_that_is_too_large_is_refused_by_its_headers(clone: Repo, name: str) -> None:
    file, reason = LARGE[name]
    with pytest.raises(TooLarge) as caught:
        ingest(clone, BytesIO(file.getvalue()), remote=REMOTE, limits=LIMITS)
    assert (caught.value.remote, caught.value.reason) == (REMOTE, reason)
    assert stored(clone) == set()


@claim("memory-bounds")
def test_how_much_a_pack_may_hold_follows_what_was_sent(clone: Repo) -> None:
    file = comb(300, 250_000)
    size = len(file.getvalue())
    limits = replace(FIRST_FETCH, max_total_bytes=100 << 20, max_growth=1_000)
    with pytest.raises(TooLarge) as caught:
        ingest(clone, file, remote=REMOTE, limits=limits)
    assert caught.value.reason == f"more than {(100 << 20) + 1_000 * (size - 20)} bytes in all"
    assert ingest(clone, comb(2, 250_000), remote=REMOTE, limits=limits) == 5


@claim("memory-bounds")
def test_what_others_are_built_on_is_held_within_a_bound(clone: Repo) -> None:
    """Found by reading: a pack of 1 MB made a fetch take 4.7 GB."""
    with pytest.raises(MalformedPack) as caught:
        ingest(clone, comb(140, 250_000), remote=REMOTE, limits=FIRST_FETCH)
    assert caught.value.reason == "too many of its objects are built on one another"
    assert stored(clone) == set()
    assert ingest(clone, comb(140, 200), remote=REMOTE, limits=FIRST_FETCH) == 281


def test_the_scan_reads_what_git_packs(tmp_path: Path) -> None:
    with Repo.init_bare(tmp_path / "source.git", mkdir=True) as source:
        large = [Blob.from_string(random.Random(seed).randbytes(60_000)) for seed in range(3)]  # noqa: S311 - a test's data
        steps = line(60)
        write_loose(source.object_store, [*large, *(each for step in steps for each in step.objects)])
        source.refs[Ref(b"refs/heads/main")] = ObjectID(steps[-1].name)
        names = b"".join(each.id + b"\n" for each in [*large, *(each for step in steps for each in step.objects)])
    for option in ("--delta-base-offset", "--no-reuse-delta"):
        made = run_git("pack-objects", "--stdout", option, cwd=tmp_path / "source.git", data=names)
        assert len(scan_pack(BytesIO(made), FIRST_FETCH, remote=REMOTE).offsets) == len(names) // 41


@given(st.data())
def test_a_damaged_pack_is_refused_or_harmless(data: st.DataObject) -> None:
    whole = bytearray(raw_pack([WHOLE, entry(6, delta(BASE, TARGET), base=bytes([len(WHOLE)]))]).getvalue()[:-20])
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    file = BytesIO(bytes(whole) + hashlib.sha1(whole, usedforsecurity=False).digest())
    try:
        assert len(scan_pack(file, LIMITS, remote=REMOTE).offsets) <= LIMITS.max_objects
    except PeerRelayError as error:
        assert isinstance(error, MalformedPack | TooLarge)  # noqa: PT017 - nothing else may leave


INGEST_SCRIPT = """
import resource, sys
from dulwich.refs import Ref
from dulwich.repo import Repo
from peer_relay.git.packing import SLICE_OBJECTS
from peer_relay.git.limits import FIRST_FETCH
from peer_relay.git.packs import ingest
with Repo(sys.argv[1]) as repo, open(sys.argv[2], "rb") as file:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    count = ingest(repo, file, remote="test", limits=FIRST_FETCH)
    print(count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@claim("memory-bounds")
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in KiB on Linux only")
@pytest.mark.parametrize(("count", "size"), [(4_000, 38_000), (400, 200_000)])
def test_memory_follows_the_largest_object_and_not_the_pack(clone: Repo, tmp_path: Path, count: int, size: int) -> None:
    passage = random.Random(7).randbytes(1_500).hex().encode()  # noqa: S311 - a test's data
    texts = (b"%d" % number + passage * (size // len(passage)) for number in range(count))
    (tmp_path / "pack").write_bytes(pack([Blob.from_string(text) for text in texts]).getbuffer())
    command = [sys.executable, "-c", INGEST_SCRIPT, clone.path, str(tmp_path / "pack")]
    done = subprocess.run(command, capture_output=True, check=True, timeout=50)
    taken, grown_kib = map(int, done.stdout.split())
    assert taken == count
    assert grown_kib < 64 << 10


def test_leftovers_of_killed_processes_are_removed(clone: Repo) -> None:
    root = Path(clone.object_store.path)
    for name in ("tmp_pack_x", "tmp_obj_y", "pack/tmpz.pack", "pack/pack-0.idx.lock"):
        (root / name).touch()
    maintain(clone)
    assert stored(clone) == set()


def test_a_failed_write_leaves_no_temporary_file(clone: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = [Blob.from_string(b"%d" % number) for number in range(600)]

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("peer_relay.git.packs.write_pack_index", full)
    with pytest.raises(StateUnusable) as caught:
        ingest(clone, pack(objects), remote=REMOTE, limits=FIRST_FETCH)
    assert (caught.value.path, caught.value.reason) == (clone.path, "No space left on device")
    assert not [name for name in stored(clone) if "tmp" in name or "lock" in name]
    monkeypatch.undo()
    assert ingest(clone, pack(objects), remote=REMOTE, limits=FIRST_FETCH) == 600
    assert all(each.id in clone.object_store for each in objects)


def test_many_loose_objects_are_packed_little_by_little_and_few_are_left_alone(
    clone: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects: list[ShaFile] = [Blob.from_string(b"%d" % number) for number in range(500)]
    write_loose(clone.object_store, objects)
    maintain(clone)
    assert len(stored(clone)) == 500
    objects += [Blob.from_string(b"%d" % number) for number in range(500, 1_500)]
    write_loose(clone.object_store, objects)
    monkeypatch.setattr("peer_relay.git.packing._SLICE_S", 60.0)
    maintain(clone)
    assert sorted(Counter(Path(name).suffix for name in stored(clone)).items()) == [
        ("", 1_500 - SLICE_OBJECTS),
        (".idx", 1),
        (".pack", 1),
    ]
    assert all(clone.object_store[each.id] == each for each in objects)


def test_a_damaged_index_asks_for_a_new_clone(clone: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("peer_relay.git.packing.CROWDED", 0)
    write_loose(clone.object_store, [Blob.from_string(b"%d" % number) for number in range(400)])
    for suffix in (".idx", ".pack"):
        Path(clone.object_store.pack_dir, f"pack-{'0' * 40}{suffix}").write_bytes(b"\xfftOc cut short")
    with pytest.raises(DamagedClone):
        maintain(clone)
    assert len(stored(clone)) == 402


def test_maintenance_of_a_clone_that_is_gone_names_its_folder(clone: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    (Path(clone.object_store.path) / "tmp_obj_x").touch()
    monkeypatch.setattr(os, "unlink", denied)
    with pytest.raises(StateUnusable) as caught:
        maintain(clone)
    assert caught.value.path == clone.path


def test_more_than_32_packs_ask_for_a_new_clone(clone: Repo) -> None:
    folder = Path(clone.object_store.pack_dir)
    for number in range(32):
        (folder / f"pack-{number}.pack").touch()
    assert not needs_refetch(clone)
    (folder / "pack-32.pack").touch()
    assert needs_refetch(clone)
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    assert not needs_refetch(clone)


def test_loose_objects_are_as_git_wants_them_and_heal(clone: Repo) -> None:
    step = commit(None, {"a/b": b"text"})
    write_loose(clone.object_store, step.objects, durable=True)
    path = Path(clone.object_store.path, step.name[:2].decode(), step.name[2:].decode())
    assert path.stat().st_mode & 0o777 == 0o444
    path.unlink()
    path.touch()
    write_loose(clone.object_store, step.objects)
    assert isinstance(clone.object_store[ObjectID(step.name)], Commit)
    run_git("fsck", "--strict", cwd=Path(clone.path))


def test_a_file_that_cannot_be_replaced_counts_if_it_is_there(clone: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    blob = Blob.from_string(b"text")
    write_loose(clone.object_store, [blob])

    def read_only(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", read_only)
    write_loose(clone.object_store, [blob])
    with pytest.raises(PermissionError):
        write_loose(clone.object_store, [Blob.from_string(b"other")])
    assert stored(clone) == {f"{blob.id[:2].decode()}/{blob.id[2:].decode()}"}


def test_a_shared_repository_stays_writable_for_its_group(tmp_path: Path) -> None:
    run_git("init", "--quiet", "--bare", "--shared=group", tmp_path / "shared.git")
    step = commit(None, {"a": b"text"})
    old = os.umask(0o077)
    try:
        with Repo(tmp_path / "shared.git") as repo:
            write_loose(repo.object_store, step.objects)
    finally:
        os.umask(old)
    for each in step.objects:
        folder = tmp_path / "shared.git" / "objects" / each.id[:2].decode()
        assert folder.stat().st_mode & 0o2770 == 0o2770
        assert (folder / each.id[2:].decode()).stat().st_mode & 0o777 == 0o440
