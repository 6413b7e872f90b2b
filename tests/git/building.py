"""Commits made by hand, for tests of what moves them around: a line of commits that each add files."""

from __future__ import annotations

import hashlib
import stat
import struct
import zlib
from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING

from dulwich.object_format import DEFAULT_OBJECT_FORMAT
from dulwich.objects import Blob, Commit, ObjectID, ShaFile, Tree
from dulwich.pack import create_delta, full_unpacked_object, write_pack_data

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True)
class Step:
    """One commit: its name, all files that it shows, and the objects that it adds to those of its first parent."""

    name: bytes
    files: Mapping[str, bytes]
    objects: Sequence[ShaFile] = field(repr=False)


def commit(
    base: Step | None, files: Mapping[str, bytes], *, message: str = "test", merged: Sequence[Step] = ()
) -> Step:
    """Build a commit on top of `base` that adds files, given by path; writes nothing."""
    after = {**(base.files if base else {}), **files}
    objects: dict[bytes, ShaFile] = {}
    made = bare_commit(_tree(after, objects), [step.name for step in ([base] if base else []) + list(merged)], message)
    objects[made.id] = made
    old = _names(base.files) if base else set()
    return Step(name=made.id, files=after, objects=[each for name, each in objects.items() if name not in old])


def bare_commit(tree: bytes, parents: Sequence[bytes] = (), message: str = "test") -> Commit:
    """Build a commit object alone."""
    made = Commit()
    made.tree = ObjectID(tree)
    made.parents = [ObjectID(parent) for parent in parents]
    made.author = made.committer = b"alice <alice@peer-relay.invalid>"
    made.author_time = made.commit_time = 1_800_000_000
    made.author_timezone = made.commit_timezone = 0
    made.message = message.encode()
    return made


def line(count: int, base: Step | None = None, *, label: str = "") -> list[Step]:
    """Build `count` commits in a line, each adding one file in a folder."""
    steps: list[Step] = []
    for number in range(count):
        path = f"{label or 'alice'}/{number % 3}/{label}{number:04}.json"
        base = commit(base, {path: f"{label}{number}\n".encode() * 20}, message=f"{label}{number}")
        steps.append(base)
    return steps


def pack(objects: Sequence[ShaFile]) -> BytesIO:
    """Write a pack of whole objects."""
    file = BytesIO()
    records = (full_unpacked_object(each) for each in objects)
    write_pack_data(file.write, records, num_records=len(objects), object_format=DEFAULT_OBJECT_FORMAT)
    return file


def raw_pack(entries: Sequence[bytes], *, count: int | None = None, version: int = 2, behind: bytes = b"") -> BytesIO:
    """Put entries, as they are, between a header and a checksum that fits."""
    body = b"PACK" + struct.pack(">LL", version, len(entries) if count is None else count) + b"".join(entries) + behind
    return BytesIO(body + hashlib.sha1(body, usedforsecurity=False).digest())


def header(kind: int, size: int) -> bytes:
    first, size = kind << 4 | size & 15, size >> 4
    rest = bytearray()
    while size:
        rest.append(size & 0x7F)
        size >>= 7
    made = bytes([first, *rest])
    return bytes(byte | 0x80 for byte in made[:-1]) + made[-1:]


def entry(kind: int, content: bytes, *, size: int | None = None, base: bytes = b"") -> bytes:
    return header(kind, len(content) if size is None else size) + base + zlib.compress(content)


def comb(levels: int, size: int) -> BytesIO:
    """Write a small pack of deltas on deltas: on each of a line of objects of this size stands one more beside it."""
    entries = [entry(3, bytes(size))]
    base, end = 12, 12 + len(entries[0])
    head = varint(size) + varint(size) + b"\xf0" + (size - 4).to_bytes(3, "little") + b"\x04"
    for level in range(levels):
        beside = entry(6, head + level.to_bytes(4), base=_distance(end - base))
        further = entry(6, head + (levels + level).to_bytes(4), base=_distance(end + len(beside) - base))
        entries += [beside, further]
        base, end = end + len(beside), end + len(beside) + len(further)
    return raw_pack(entries)


def _distance(number: int) -> bytes:
    made = bytearray([number & 0x7F])
    while number := number >> 7:
        number -= 1
        made.insert(0, number & 0x7F | 0x80)
    return bytes(made)


def varint(number: int) -> bytes:
    made = bytearray()
    while number > 0x7F:
        made.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*made, number])


def delta(base: bytes, target: bytes) -> bytes:
    return b"".join(create_delta(base, target))


def _names(files: Mapping[str, bytes]) -> set[bytes]:
    objects: dict[bytes, ShaFile] = {}
    _tree(files, objects)
    return set(objects)


def _tree(files: Mapping[str, bytes], objects: dict[bytes, ShaFile]) -> ObjectID:
    tree, folders = Tree(), dict[str, dict[str, bytes]]()
    for path, content in files.items():
        folder, slash, rest = path.partition("/")
        if slash:
            folders.setdefault(folder, {})[rest] = content
        else:
            blob = Blob.from_string(content)
            objects[blob.id] = blob
            tree.add(path.encode(), 0o100644, blob.id)
    for folder, inside in folders.items():
        tree.add(folder.encode(), stat.S_IFDIR, _tree(inside, objects))
    objects[tree.id] = tree
    return tree.id
