"""What a fetch from a path sends: what is missing and nothing else, and nothing that is large or damaged."""

from __future__ import annotations

import os
import zlib
from dataclasses import replace
from io import BytesIO
from typing import TYPE_CHECKING

import pytest
from dulwich.objects import Blob, Commit, ObjectID, ShaFile, Tag, Tree
from dulwich.pack import write_pack_index_v2
from dulwich.repo import Repo

from peer_relay.errors import (
    MalformedPack,
    StateUnusable,
    TooLarge,
    TransportError,
)
from peer_relay.git.limits import MAX_STORED_BYTES
from peer_relay.git.local import LocalTransport
from peer_relay.git.packs import write_loose
from peer_relay.git.transport import FetchReply, FetchRequest
from tests.claims import claim
from tests.git.building import bare_commit, commit, delta, entry, line, raw_pack
from tests.servers import create_repository, run_git

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from peer_relay.deadline import Deadline
    from tests.git.building import Step

from tests.git.local_mailbox import REF, deadline, fetch, push, transport


@pytest.fixture
def mailbox(tmp_path: Path) -> Path:
    return create_repository(tmp_path / "mailbox.git")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    return create_repository(tmp_path / "clone.git")


# ---------------------------------------------------------------------------------------------------------------------
# What is sent


def test_an_incremental_pack_holds_what_is_new_and_nothing_else(mailbox: Path) -> None:
    steps = line(9)
    push(mailbox, steps)
    file = BytesIO()
    request = FetchRequest(ref=REF, have=steps[6].name, shallow=frozenset({steps[6].name}))
    assert transport(mailbox).fetch(request, file, deadline()) == FetchReply(tip=steps[8].name)
    names = {each.id for step in steps[7:] for each in step.objects}
    assert packed_names(file, mailbox.parent / "other.git", steps[6]) == names


def packed_names(file: BytesIO, path: Path, base: Step | None = None) -> set[bytes]:
    """Return the names of a pack's objects, as git sees them."""
    create_repository(path)
    run_git("unpack-objects", "-q", cwd=path, data=file.getvalue())
    shown = run_git("cat-file", "--batch-all-objects", "--batch-check=%(objectname)", cwd=path)
    assert base is None or base.name not in shown.split()
    return set(shown.split())


def test_a_merge_brings_the_other_line_and_a_revert_brings_nothing_twice(mailbox: Path, clone: Path) -> None:
    trunk = line(4)
    side = line(3, trunk[0], label="side")
    merge = commit(trunk[3], {"bob/0/merged.json": b"x"}, merged=[side[2]])
    push(mailbox, [*trunk, *side, merge])
    assert fetch(mailbox, FetchRequest(ref=REF, depth=1), clone).shallow == {merge.name}
    other = create_repository(clone.parent / "other.git")
    ref = b"refs/heads/peer-relay/trunk"
    push(mailbox, trunk, ref=ref)
    assert fetch(mailbox, FetchRequest(ref=ref), other) == FetchReply(tip=trunk[3].name)
    assert fetch(mailbox, FetchRequest(ref=REF, have=trunk[3].name), other) == FetchReply(tip=merge.name)
    run_git("update-ref", "refs/heads/x", merge.name.decode(), cwd=other)
    run_git("fsck", "--strict", "--connectivity-only", cwd=other)
    assert run_git("rev-list", "--count", "x", cwd=other).strip() == b"8"


@pytest.mark.parametrize("steps_known", [0, 1])
def test_a_folder_that_comes_back_as_it_once_was_is_sent_with_all_that_is_in_it(
    mailbox: Path, clone: Path, steps_known: int
) -> None:
    empty = commit(None, {"room.json": b"{}"})
    first = commit(empty, {"alice/0/one.json": b"1", "alice/0/two.json": b"2"})
    second = commit(first, {"alice/0/three.json": b"3"})
    tree = next(each.tree for each in first.objects if isinstance(each, Commit))
    third = replace(first, name=(again := bare_commit(tree, [second.name])).id, objects=[again])
    push(mailbox, [empty, first, second, third])
    if steps_known:
        push(mailbox, [empty], ref=b"refs/heads/peer-relay/start")
        fetch(mailbox, FetchRequest(ref=b"refs/heads/peer-relay/start"), clone)
    fetch(mailbox, FetchRequest(ref=REF, have=empty.name if steps_known else None), clone)
    run_git("update-ref", "refs/heads/x", third.name.decode(), cwd=clone)
    run_git("fsck", "--strict", "--connectivity-only", cwd=clone)


def test_a_branch_that_was_moved_back_needs_nothing(mailbox: Path) -> None:
    steps = line(9)
    push(mailbox, steps)
    push(mailbox, steps[6:7], expected=steps[8].name)
    file = BytesIO()
    assert transport(mailbox).fetch(FetchRequest(ref=REF, have=steps[8].name), file, deadline()).tip == steps[6].name
    assert file.getvalue() == b""


def test_a_known_commit_that_the_mailbox_lost_brings_everything(mailbox: Path, clone: Path) -> None:
    steps = line(3)
    push(mailbox, steps)
    request = FetchRequest(ref=REF, have=line(1, label="gone")[0].name)
    assert fetch(mailbox, request, clone) == FetchReply(tip=steps[2].name)
    assert run_git("rev-list", "--objects", steps[2].name.decode(), cwd=clone).count(b"\n") == 15


def test_a_shallow_mailbox_passes_its_boundary_on(mailbox: Path, tmp_path: Path, clone: Path) -> None:
    steps = line(6)
    push(mailbox, steps)
    shallow = tmp_path / "shallow.git"
    run_git("clone", "--quiet", "--bare", "--depth=3", f"--branch={REF[11:].decode()}", f"file://{mailbox}", shallow)
    reply = fetch(shallow, FetchRequest(ref=REF), clone)
    assert reply == FetchReply(tip=steps[5].name, shallow=frozenset({steps[3].name}))


def test_objects_of_an_alternate_are_read(mailbox: Path, tmp_path: Path, clone: Path) -> None:
    steps = line(3)
    push(mailbox, steps)
    run_git("gc", "--quiet", cwd=mailbox)
    borrowing = tmp_path / "borrowing.git"
    run_git("clone", "--quiet", "--bare", "--shared", mailbox, borrowing)
    assert fetch(borrowing, FetchRequest(ref=REF), clone) == FetchReply(tip=steps[2].name)


def test_deltas_of_a_repacked_mailbox_are_followed(mailbox: Path, clone: Path) -> None:
    text = b"".join(b"line %d\n" % number for number in range(2_000))
    base: Step | None = None
    steps: list[Step] = []
    for number in range(20):
        base = commit(base, {f"a/{number:02}": text + b"%d" % number})
        steps.append(base)
    push(mailbox, steps)
    for option in ("pack.depth=50", "repack.useDeltaBaseOffset=false"):
        run_git("-c", option, "repack", "-a", "-d", "-f", "-q", cwd=mailbox)
        assert fetch(mailbox, FetchRequest(ref=REF), clone) == FetchReply(tip=steps[-1].name)
    run_git("fsck", "--strict", cwd=clone)


# ---------------------------------------------------------------------------------------------------------------------
# What is not sent


def point(path: Path, objects: Sequence[ShaFile], tip: bytes) -> None:
    """Put a branch into a repository without any check, as somebody who shares the folder can."""
    with Repo(path) as repo:
        write_loose(repo.object_store, objects)
    (path / REF.decode()).parent.mkdir(parents=True, exist_ok=True)
    (path / REF.decode()).write_bytes(tip + b"\n")


def refused(path: Path, request: FetchRequest | None = None) -> TransportError:
    file = BytesIO()
    with pytest.raises(TransportError) as caught:
        transport(path).fetch(request or FetchRequest(ref=REF), file, deadline())
    return caught.value


@claim("memory-bounds")
@pytest.mark.parametrize("repack", [False, True])
def test_a_large_object_is_refused_before_it_is_built(mailbox: Path, *, repack: bool) -> None:
    step = commit(None, {"a": bytes(MAX_STORED_BYTES + 1)})
    point(mailbox, step.objects, step.name)
    if repack:
        run_git("repack", "-a", "-d", "-q", cwd=mailbox)
    error = refused(mailbox)
    assert isinstance(error, TooLarge)
    assert error.reason == f"an object of {MAX_STORED_BYTES + 1} bytes"


@claim("memory-bounds")
def test_a_small_object_on_a_large_base_is_refused(mailbox: Path) -> None:
    large = bytes(range(256)) * (MAX_STORED_BYTES // 128)
    step = commit(None, {"a": large[:500_000]})
    point(mailbox, [*step.objects, Blob.from_string(large)], step.name)
    names = b"".join(b"%s a\n" % each.id for each in [Blob.from_string(large), *step.objects])
    run_git("pack-objects", "-q", "--window=10", "objects/pack/pack", cwd=mailbox, data=names)
    run_git("prune-packed", cwd=mailbox)
    chains = run_git("verify-pack", "-v", *sorted((mailbox / "objects/pack").glob("*.idx")), cwd=mailbox)
    assert b"chain length = 1" in chains
    assert isinstance(refused(mailbox), TooLarge)


def test_a_large_file_that_claims_to_be_a_small_object_is_refused(mailbox: Path) -> None:
    step = commit(None, {"a": b"x"})
    point(mailbox, step.objects, step.name)
    blob = step.objects[-1] if isinstance(step.objects[-1], Blob) else Blob.from_string(b"x")
    path = mailbox / "objects" / blob.id[:2].decode() / blob.id[2:].decode()
    path.unlink()
    path.write_bytes(zlib.compress(b"blob 1\0x") + os.urandom(MAX_STORED_BYTES))
    assert isinstance(refused(mailbox), TooLarge)


def test_more_objects_than_the_pack_can_hold_are_refused_early(mailbox: Path) -> None:
    steps = line(40)
    push(mailbox, steps)
    file = BytesIO()
    with pytest.raises(TooLarge, match="objects or more"):
        transport(mailbox).fetch(FetchRequest(ref=REF, max_bytes=1_000), file, deadline())
    assert file.getvalue() == b""


def _tag(target: bytes) -> Tag:
    tag = Tag()
    tag.name, tag.object, tag.tagger, tag.message = b"t", (Commit, ObjectID(target)), b"a <a@b>", b"m"
    tag.tag_time = tag.tag_timezone = 0
    return tag


def _remove(path: Path, name: bytes) -> None:
    (path / "objects" / name[:2].decode() / name[2:].decode()).unlink()


@pytest.mark.parametrize("kind", [Commit, Tree, Blob])
@pytest.mark.parametrize("emptied", [False, True])
def test_a_missing_or_empty_object_is_reported(mailbox: Path, kind: type[ShaFile], *, emptied: bool) -> None:
    steps = line(2)
    push(mailbox, steps)
    name = next(each.id for each in steps[0].objects if isinstance(each, kind))
    _remove(mailbox, name)
    if emptied:
        (mailbox / "objects" / name[:2].decode() / name[2:].decode()).touch()
    assert isinstance(refused(mailbox), MalformedPack)


def test_a_tip_that_is_not_a_commit_is_reported(mailbox: Path) -> None:
    steps = line(1)
    tag = _tag(steps[0].name)
    point(mailbox, [*steps[0].objects, tag], tag.id)
    error = refused(mailbox)
    assert isinstance(error, MalformedPack)
    assert error.reason == "an object stands where a commit has to be"


def test_a_file_where_a_folder_has_to_be_is_reported(mailbox: Path) -> None:
    blob, tree = Blob.from_string(b"x"), Tree()
    tree.add(b"a", 0o040000, blob.id)
    made = bare_commit(tree.id)
    point(mailbox, [blob, tree, made], made.id)
    error = refused(mailbox)
    assert isinstance(error, MalformedPack)
    assert error.reason == "an object stands where a folder has to be"


def test_a_commit_of_another_repository_is_left_out(mailbox: Path) -> None:
    tree = Tree()
    tree.add(b"module", 0o160000, ObjectID(b"1" * 40))
    made = bare_commit(tree.id)
    point(mailbox, [tree, made], made.id)
    file = BytesIO()
    assert transport(mailbox).fetch(FetchRequest(ref=REF), file, deadline()).tip == made.id
    assert packed_names(file, mailbox.parent / "other.git") == {tree.id, made.id}


def test_a_chain_of_deltas_without_an_end_is_refused(mailbox: Path) -> None:
    a, b = Blob.from_string(b"0123456789" * 9), Blob.from_string(b"0123456789" * 9 + b"x")
    first = entry(7, delta(b.as_raw_string(), a.as_raw_string()), base=b.sha().digest())
    second = entry(7, delta(a.as_raw_string(), b.as_raw_string()), base=a.sha().digest())
    made = raw_pack([first, second]).getvalue()
    entries = sorted([(a.sha().digest(), 12, 0), (b.sha().digest(), 12 + len(first), 0)])
    (mailbox / "objects/pack/pack-0.pack").write_bytes(made)
    with (mailbox / "objects/pack/pack-0.idx").open("wb") as file:
        write_pack_index_v2(file, entries, made[-20:])
    tree = Tree()
    tree.add(b"a", 0o100644, a.id)
    tip = bare_commit(tree.id)
    point(mailbox, [tree, tip], tip.id)
    error = refused(mailbox)
    assert isinstance(error, MalformedPack)
    assert error.reason == "a delta has too many bases"


def test_a_repack_in_between_is_survived(mailbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = line(2)
    push(mailbox, steps)
    calls: list[int] = []
    fetch_once = LocalTransport._fetch

    def interrupted(self: LocalTransport, request: FetchRequest, sink: BytesIO, until: Deadline) -> FetchReply:
        calls.append(1)
        if len(calls) == 1:
            sink.write(b"half a pack")
            raise KeyError(b"moved into a pack")
        return fetch_once(self, request, sink, until)

    monkeypatch.setattr(LocalTransport, "_fetch", interrupted)
    file = BytesIO()
    assert transport(mailbox).fetch(FetchRequest(ref=REF), file, deadline()) == FetchReply(tip=steps[1].name)
    assert file.getvalue().startswith(b"PACK")


def test_a_full_disk_here_is_not_the_mailboxs_fault(mailbox: Path) -> None:
    push(mailbox, line(1))

    class Full(BytesIO):
        def write(self, _: object) -> int:
            raise OSError(28, "No space left on device")

    with pytest.raises(StateUnusable, match="No space left on device"):
        transport(mailbox).fetch(FetchRequest(ref=REF), Full(), deadline())
