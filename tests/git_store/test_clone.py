"""What becomes of the clone's folder when it is thrown away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dulwich.objects import Commit, Tree

from peer_relay.git.clone import Clone
from tests.claims import claim

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Git


@claim("I6")
def test_a_clone_that_keeps_a_lost_tip_is_put_aside_once_and_any_other_is_removed(tmp_path: Path, git: Git) -> None:
    clone = Clone(tmp_path / "clone", "the mailbox")
    aside = tmp_path / "clone-with-lost-history"
    for number in range(2):
        with clone.opened() as opened:
            tree, who = Tree(), f"a <a@x> {number} +0000"
            content = f"tree {tree.id.decode()}\nauthor {who}\ncommitter {who}\n\nx\n".encode()
            lost = Commit.from_string(content)
            opened.add([tree, lost])
            opened.keep(lost.id.decode())
        clone.wipe()
        assert sorted(path.name for path in tmp_path.iterdir()) == [aside.name]
    assert git(aside, "log", "--all", "--format=%at") == "0"
    with clone.opened():
        pass
    clone.wipe()
    assert sorted(path.name for path in tmp_path.iterdir()) == [aside.name]
