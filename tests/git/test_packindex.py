"""Indexes of packs: every object is found where it is, and little is read for it."""

from __future__ import annotations

import hashlib
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from dulwich.pack import write_pack_index

from peer_relay.git.packindex import PackIndex

if TYPE_CHECKING:
    from pathlib import Path

MANY = 5_000


def _name(number: int) -> bytes:
    return hashlib.sha1(str(number).encode(), usedforsecurity=False).digest()


def _written(folder: Path, offsets: dict[bytes, int], version: int = 2) -> Path:
    path = folder / f"{version}-{len(offsets)}.idx"
    with path.open("wb") as file:
        write_pack_index(file, sorted((name, at, 0) for name, at in offsets.items()), bytes(20), version=version)
    return path


@pytest.mark.parametrize("version", [1, 2])
def test_every_object_is_found_where_it_is(tmp_path: Path, version: int) -> None:
    evenly = {_name(number): number + 12 for number in range(MANY)}
    # What only somebody who chooses them can make: hundreds that begin alike, and repeat themselves.
    crowded = {bytes([200]) * 18 + number.to_bytes(2): 99_000 + number for number in range(900)}
    with closing(PackIndex(_written(tmp_path, evenly | crowded, version))) as index:
        assert {name: index.find(name) for name in evenly | crowded} == evenly | crowded
        absent = [_name(-1), bytes(20), b"\xff" * 20, bytes([200]) * 19 + b"\xff", bytes([200]) * 17 + b"\0\0\0"]
        assert [index.find(name) for name in absent] == [None] * len(absent)


def test_offsets_beyond_two_gibibytes_are_found(tmp_path: Path) -> None:
    offsets = {_name(number): 12 + (number << 30) for number in range(9)}
    with closing(PackIndex(_written(tmp_path, offsets))) as index:
        assert {name: index.find(name) for name in offsets} == offsets


def test_an_object_is_found_with_a_little_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read, names = list[int](), [_name(number) for number in range(MANY)]
    with closing(PackIndex(_written(tmp_path, dict.fromkeys(names, 12)))) as index:
        real = index._read
        monkeypatch.setattr(index, "_read", lambda at, length: (read.append(length), real(at, length))[1])
        for name in names[:100]:
            index.find(name)
    assert sum(read) < 100 * 4096
    assert len(read) <= 2 * 100


def test_no_objects_are_found_in_an_empty_index(tmp_path: Path) -> None:
    with closing(PackIndex(_written(tmp_path, {}))) as index:
        assert index.find(_name(0)) is None


def test_an_index_that_is_cut_is_damaged(tmp_path: Path) -> None:
    path = _written(tmp_path, {_name(number): 12 for number in range(9)})
    whole = path.read_bytes()
    for length in (0, 7, 100, 1031, 1032 + 9 * 28 - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"an index is (cut short|shorter than it says)"):
            PackIndex(path)
    path.write_bytes(whole)
    with closing(PackIndex(path)) as index:
        path.write_bytes(whole[:1032])
        with pytest.raises(ValueError, match="cut short"):
            index.find(_name(0))
