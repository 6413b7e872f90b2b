"""What becomes of the clone's folder when it is thrown away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dulwich.objects import Commit, Tree

from peer_relay.git.clone import Clone
from tests.claims import claim

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Git

ASIDE = "clone-with-lost-history"


def lose(clone: Clone, number: int) -> str:
    """Keep a commit that the branch lost, throw the clone away, and return the commit."""
    with clone.opened() as opened:
        tree, who = Tree(), f"a <a@x> {number} +0000"
        content = f"tree {tree.id.decode()}\nauthor {who}\ncommitter {who}\n\nx\n".encode()
        lost = Commit.from_string(content)
        opened.add([tree, lost])
        opened.keep(lost.id.decode())
    clone.wipe()
    return lost.id.decode()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@claim("I6")
def test_each_clone_that_keeps_a_lost_tip_is_put_aside_and_any_other_is_removed(tmp_path: Path, git: Git) -> None:
    clone = Clone(tmp_path / "clone", "the mailbox")
    aside = [ASIDE, f"{ASIDE}-2", f"{ASIDE}-3"]
    for number in range(3):
        lose(clone, number)
        assert names(tmp_path) == aside[: number + 1]
    assert [git(tmp_path / name, "log", "--all", "--format=%at") for name in aside] == ["0", "1", "2"]
    with clone.opened():
        pass
    clone.wipe()
    assert names(tmp_path) == aside


@claim("I6")
def test_a_clone_that_was_put_aside_goes_when_the_branch_has_its_commit_again(tmp_path: Path, git: Git) -> None:
    clone = Clone(tmp_path / "clone", "the mailbox")
    first, second = lose(clone, 1), lose(clone, 2)
    git(tmp_path / f"{ASIDE}-2", "update-ref", f"refs/peer-relay/lost/{first}", second)
    clone.release(first)
    assert names(tmp_path) == [f"{ASIDE}-2"]
    lose(clone, 3)
    assert names(tmp_path) == [ASIDE, f"{ASIDE}-2"]
    clone.release(second)
    clone.release("00" * 20)
    assert names(tmp_path) == [ASIDE]
