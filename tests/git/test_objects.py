"""Reading objects: what was just taken in is not read from the disk again."""

from __future__ import annotations

import hashlib
import tracemalloc
import zlib
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from dulwich.repo import Repo

from peer_relay.errors import DamagedClone
from peer_relay.git.limits import FIRST_FETCH
from peer_relay.git.objects import Objects
from peer_relay.git.packs import ingest
from peer_relay.git.trees import checked, object_id
from tests.claims import claim
from tests.git.building import delta, entry, raw_pack

if TYPE_CHECKING:
    from pathlib import Path

REMOTE = "ssh://host/mailbox.git"
BASE = b"0123456789" * 100


def _name(content: bytes) -> bytes:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).digest()


def _objects(folder: Path) -> Objects:
    return Objects([str(folder / "objects")], REMOTE, 1 << 20)


def test_what_a_pack_holds_is_kept_under_its_names(tmp_path: Path) -> None:
    targets = [BASE + b"%d" % number for number in range(3)]
    sent = raw_pack([entry(3, BASE), *(entry(7, delta(BASE, each), base=_name(BASE)) for each in targets)])
    with Repo.init_bare(tmp_path / "clone.git", mkdir=True) as repo, closing(_objects(tmp_path / "none")) as empty:
        assert ingest(repo, sent, remote=REMOTE, limits=FIRST_FETCH, keep=empty.keep) == 4
        assert [empty.read(_name(each)) for each in (BASE, *targets)] == [(3, each) for each in (BASE, *targets)]
    with closing(_objects(tmp_path / "clone.git")) as objects:
        assert [objects.read(_name(each)) for each in (BASE, *targets)] == [(3, each) for each in (BASE, *targets)]


def test_no_more_is_kept_than_the_records_of_a_tip(tmp_path: Path) -> None:
    with closing(_objects(tmp_path)) as objects:
        for number in range(40):
            objects.keep(number.to_bytes(20), 3, bytes(100_000))
        objects.keep(bytes(range(20)), 3, b"short")
        assert objects.read(bytes(range(20))) == (3, b"short")
        with pytest.raises(KeyError):
            objects.read((39).to_bytes(20))


@claim("memory-bounds")
def test_a_file_that_fills_its_beginning_and_goes_on_is_read_no_further(tmp_path: Path) -> None:
    """Found by reading: where what is read first was one byte more than the object has, "0 bytes more" meant all."""
    name, data = hashlib.sha1(b"x", usedforsecurity=False), b"blob 55\0" + bytes(8 << 20)
    path = tmp_path / name.hexdigest()[:2] / name.hexdigest()[2:]
    path.parent.mkdir()
    path.write_bytes(zlib.compress(data))
    tracemalloc.start()
    with closing(Objects([str(tmp_path)], REMOTE, 1 << 20)) as objects, pytest.raises(ValueError, match="longer than"):
        objects.read(name.digest())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 << 20


@pytest.mark.parametrize("number", [0, 5])
def test_a_thing_of_no_known_kind_is_damage_and_not_an_accident(number: int) -> None:
    with pytest.raises(DamagedClone, match="is not what its id says"):
        checked("blob", "1" * 40, number, b"text")


def test_only_what_an_id_says_and_of_the_right_kind_is_given_out() -> None:
    name = object_id("blob", b"text")
    assert checked("blob", name, 3, b"text") == b"text"
    with pytest.raises(ValueError, match="a blob is where a tree must be"):
        checked("tree", name, 3, b"text")
    with pytest.raises(DamagedClone):
        checked("blob", name, 3, b"test")
