"""Bugs that came to light while mailboxes and clones were packed by several programs at once."""

from __future__ import annotations

import os
import tracemalloc
import zlib
from contextlib import closing
from pathlib import Path

import pytest
from dulwich.object_format import DEFAULT_OBJECT_FORMAT
from dulwich.objects import Blob
from dulwich.pack import load_pack_index
from dulwich.repo import Repo

from peer_relay.git import merging, packing
from peer_relay.git.newpack import Packed, write_pack
from peer_relay.git.packs import write_loose
from tests.git.building import line
from tests.git.local_mailbox import REF, deadline, push, transport
from tests.servers import create_repository, run_git


def test_a_folder_that_git_empties_and_removes_during_a_push_does_not_fail_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found by `tests.chaos.repacking`: "No such file or directory", while `git gc` was at work."""
    mailbox, step = create_repository(tmp_path / "mailbox.git"), line(1)[0]
    removed, replace = list[Path](), os.replace

    def after_git(path: Path | str, target: Path | str) -> None:
        folder = Path(target).parent
        if "tmp_obj_" in f"{path}" and folder.is_dir() and folder not in removed and not any(folder.iterdir()):
            folder.rmdir()
            removed.append(folder)
        replace(path, target)

    monkeypatch.setattr(os, "replace", after_git)
    push(mailbox, [step])
    assert len(removed) == len({each.id[:2] for each in step.objects})
    assert transport(mailbox).read_ref(REF, deadline()) == step.name
    run_git("fsck", "--strict", cwd=mailbox)


def test_a_slow_look_at_thousands_of_files_does_not_use_up_the_time_for_packing_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found by `tests.chaos.endurance` on a busy machine: nothing was packed any more, however much there was."""
    monkeypatch.setattr(packing, "CROWDED", 40)
    monkeypatch.setattr(packing, "_SLICE_S", 0.0)
    with Repo(create_repository(tmp_path / "mailbox.git")) as repo:
        write_loose(repo.object_store, [Blob.from_string(b"%d" % number) for number in range(200)])
        assert packing.tend(repo.object_store, durable=False)
        assert len([path for path in Path(repo.object_store.path).glob("??/*") if path.is_file()]) < 200


@pytest.mark.parametrize("entry", [b" no zlib" * 200, b"\xaf" * 2_000, b" " + zlib.compress(bytes(64 << 20), 1)])
def test_a_pack_that_unpacks_to_much_took_the_memory_of_who_pushes(tmp_path: Path, entry: bytes) -> None:
    """Found by reading: whoever may write to a mailbox at a path can put one there, or one that unpacks to nothing."""
    with Repo(create_repository(tmp_path / "mailbox.git")) as repo:
        store = repo.object_store
        for number in range(merging.MERGED):
            # Its first byte says that it is a tree.
            write_pack(store, [Packed(bytes([number]) * 20, entry + bytes([0x80 + number]))], durable=False)
        tracemalloc.start()
        try:
            assert packing.tend(store, durable=False)
            assert tracemalloc.get_traced_memory()[1] < 8 << 20
        finally:
            tracemalloc.stop()
        (index,) = Path(store.pack_dir).glob("*.idx")
        with closing(load_pack_index(index, DEFAULT_OBJECT_FORMAT)) as merged:
            assert len(merged) == merging.MERGED
