"""A repository is opened in its parts only where that is all that `Repo` would find."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from dulwich.errors import NotGitRepository
from dulwich.repo import Repo

from peer_relay.git.opening import Opening, Parts
from tests.claims import claim
from tests.servers import create_repository, run_git

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def mailbox(tmp_path: Path) -> Path:
    return create_repository(tmp_path / "mailbox.git")


def kind_of(path: Path) -> type[Parts | Repo]:
    with Opening(str(path)).parts() as opened:
        return type(opened)


@pytest.mark.parametrize(
    "said",
    [
        b"[core]\n\tbare = true\n",
        b"[core]\n\trepositoryformatversion = 0\n\tsharedRepository = group\n[gc]\n\tauto = 0\n",
    ],
)
def test_a_plain_repository_is_opened_in_parts_that_say_what_a_whole_one_says(mailbox: Path, said: bytes) -> None:
    (mailbox / "config").write_bytes(said)
    with Opening(str(mailbox)).parts() as parts, Repo(str(mailbox)) as whole:
        assert isinstance(parts, Parts)
        assert parts.refs.path == whole.refs.path  # type: ignore[attr-defined]
        assert parts.object_store.path == whole.object_store.path
        assert parts.object_store.shared_perm == whole.object_store.shared_perm
        assert parts.get_config() == whole.get_config()


@pytest.mark.parametrize(
    "said",
    [
        b"[core]\n\trepositoryformatversion = 1\n",
        b"[core]\n\tworktree = ..\n",
        b"[extensions]\n\tworktreeConfig = true\n",
    ],
)
def test_what_a_configuration_says_beyond_that_is_left_to_a_whole_one(mailbox: Path, said: bytes) -> None:
    opening = Opening(str(mailbox))
    opening.parts().close()
    (mailbox / "config").write_bytes(said)
    with opening.parts() as opened:
        assert isinstance(opened, Repo)


@claim("I9", "deadline")
@pytest.mark.skipif(os.name == "nt", reason="pipes and devices of POSIX")
@pytest.mark.parametrize("begin", [b"", b"[extensions]\n\tworktreeConfig = true\n"], ids=["in parts", "whole"])
@pytest.mark.parametrize("place", [b"/dev/zero", b"pipe", b"other"])
def test_no_other_file_is_included(mailbox: Path, begin: bytes, place: bytes) -> None:
    os.mkfifo(mailbox / "pipe")
    (mailbox / "other").write_text("[core]\n\tsharedRepository = group\n")
    said = begin + b"[core]\n\tbare = true\n[include]\n\tpath = " + place + b"\n"
    (mailbox / "config").write_bytes(said + b'[includeIf "hasconfig:core.bare:true"]\n\tpath = ' + place + b"\n")
    with Opening(str(mailbox)).parts() as opened:
        assert isinstance(opened, Repo) == bool(begin)
        config = opened.get_config()
    assert config.get_boolean((b"core",), b"bare")
    assert (b"core",) in config.sections()
    with pytest.raises(KeyError):
        config.get((b"core",), b"sharedRepository")


def test_a_configuration_that_cannot_be_read_is_left_to_a_whole_one(mailbox: Path) -> None:
    (mailbox / "config").write_bytes(b"[core\n")
    with pytest.raises(ValueError, match="expected trailing"):
        Opening(str(mailbox)).parts()
    (mailbox / "config").unlink()
    assert kind_of(mailbox) is not Parts


def test_files_in_several_places_are_left_to_a_whole_one(tmp_path: Path, mailbox: Path) -> None:
    run_git("init", "--quiet", "--separate-git-dir", tmp_path / "apart", tmp_path / "tree")
    run_git("init", "--quiet", tmp_path / "usual")
    assert kind_of(tmp_path / "tree") is not Parts
    assert kind_of(tmp_path / "usual") is Parts
    assert kind_of(tmp_path / "mailbox") is not Parts
    (mailbox / "commondir").write_text(".\n")
    assert kind_of(mailbox) is not Parts
    with pytest.raises(NotGitRepository):
        Opening(str(tmp_path)).parts()
