"""Bugs that came to light while mailboxes and clones were packed by several programs at once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dulwich.objects import Blob
from dulwich.repo import Repo

from peer_relay.git import packing
from peer_relay.git.packs import write_loose
from tests.git.building import line
from tests.git.local_mailbox import REF, deadline, push, transport
from tests.servers import create_repository, run_git

if TYPE_CHECKING:
    import pytest


def test_a_folder_that_git_empties_and_removes_during_a_push_does_not_fail_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found by `tests.chaos.repacking`: "No such file or directory", while `git gc` was at work."""
    mailbox, step = create_repository(tmp_path / "mailbox.git"), line(1)[0]
    removed, replace = list[Path](), Path.replace

    def after_git(path: Path, target: Path) -> Path:
        if "tmp_obj_" in path.name and target.parent not in removed and not any(target.parent.iterdir()):
            target.parent.rmdir()
            removed.append(target.parent)
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", after_git)
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
