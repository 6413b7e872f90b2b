"""What somebody who may push to a mailbox, or write to its folder, can put there: one builder for each case.

A builder gets a room whose commits it may add to, and leaves the branch on what is to be refused. Whatever is in the
form of a commit bears a right Room-Mac unless that is what is wrong with it, so that it is refused for what it is.
"""

from __future__ import annotations

import copy
import hashlib
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dulwich.pack import write_pack_index_v2

from tests import independent
from tests.git.building import comb, entry, raw_pack, varint
from tests.git_store.forging import ANSWERED, NEW, answer, commit_answer, commit_question, path_of, question, seal
from tests.independent import FILE, FOLDER, START_MS, Files, Room, canonical

if TYPE_CHECKING:
    from collections.abc import Callable

NO_FORM = "its headers or its message are not in the form of a room's commits"
NOT_EXACT = "its files are not those of its parent and this one change"
NOT_PLAIN = "it holds something else than plain files and folders"
NOT_SPELT = "a folder in it is not spelt as git spells it"
TOO_LARGE = "sent more than a room can hold (an object of {} bytes"
UNREADABLE = "sent damaged or unusable objects (an object or file of the repository cannot be read)"
TOO_DEEP = "its folders are too deep"
NO_RECORD = "its tip holds a file that is no record"
NOT_SO_LONG = "it is larger than 16,384 bytes"
REWRITTEN = "The history of the room was rewritten: it no longer contains commit"
NOTHING = "nothing"
"""What is said of what only those who know the room can tell from an honest one."""

MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Case:
    """One hostile mailbox.

    Attributes:
        build: makes it.
        why: what is said of it by whoever knows the room.
        first: what is said of it at a first look, if that is something else.
        verified: what a replay of the whole history says of it, if that is something else.
    """

    build: Callable[[Room], object]
    why: str
    first: str = ""
    verified: str = ""


def another(room: Room) -> Room:
    """Return the same room to be gone on with on its own, in the same repository."""
    made = copy.copy(room)
    made.files, made.commit_ids, made.commits = Files(room.files), [*room.commit_ids], dict(room.commits)
    return made


# ---------------------------------------------------------------------------------------------------------------------
# Trees


def spelt(mode: str, name: bytes, sha: str) -> bytes:
    return mode.encode() + b" " + name + b"\0" + bytes.fromhex(sha)


def rooted(mode: str, name: bytes, of: Callable[[Room], str], place: int | None = None) -> Callable[[Room], object]:
    """Return the builder of a commit whose root holds one more entry: where git would put it, or at a place."""

    def build(room: Room) -> None:
        room.files[path_of(NEW)] = room.write_blob(canonical(question(room)))
        room.tip_tree()
        entries = [(each.encode() + b"/", spelt(FOLDER, each.encode(), room.files.trees[each])) for each in room.peers]
        entries.append((b"room.json", spelt(FILE, b"room.json", room.files["room.json"])))
        more = (name + b"/" * (mode == FOLDER), spelt(mode, name, of(room)))
        entries = sorted([*entries, more]) if place is None else [*entries[:place], more, *entries[place:]]
        commit_question(room, tree=room.write("tree", b"".join(each for _, each in entries)))

    return build


def text(room: Room) -> str:
    return room.write_blob(b"/etc/passwd")


def of_a_folder(count: int, name: str = "{:05}") -> Callable[[Room], str]:
    """Return what makes a tree of so many files."""

    def make(room: Room) -> str:
        blob = room.write_blob(b"more\n")
        return room.write("tree", b"".join(spelt(FILE, name.format(each).encode(), blob) for each in range(count)))

    return make


def deep(room: Room) -> str:
    """Make folders within folders, 3,000 deep."""
    with room.in_bulk():
        tree = room.write_tree({"x": (FILE, room.write_blob(b"more\n"))})
        for _ in range(3_000):
            tree = room.write_tree({"x": (FOLDER, tree)})
    return tree


def wide(room: Room) -> str:
    """Make three levels of which each shows the one below it 7,000 times: 343 thousand million files."""
    tree = of_a_folder(7_000)(room)
    for _ in range(2):
        tree = room.write("tree", b"".join(spelt(FOLDER, f"{each:05}".encode(), tree) for each in range(7_000)))
    return tree


def long(room: Room) -> str:
    """Make 200 folders of 7,000 files each."""
    blob = room.write_blob(b"more\n")
    content = b"".join(spelt(FILE, f"{each:05}".encode(), blob) for each in range(7_000))
    with room.in_bulk():
        trees = {
            f"{each}": (FOLDER, room.write("tree", content + spelt(FILE, b"z%d" % each, blob))) for each in range(200)
        }
        return room.write_tree(trees)


def missing(_: Room) -> str:
    return "12" * 20


# ---------------------------------------------------------------------------------------------------------------------
# Objects


def put(room: Room, sha: str, data: bytes) -> str:
    """Put a file of an object into the mailbox, whatever is in it."""
    assert room.git_dir is not None
    path = room.git_dir / "objects" / sha[:2] / sha[2:]
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    return sha


def inflating(head: bytes, megabytes: int) -> tuple[str, bytes]:
    """Return the name and the compressed file of an object that ends in so many megabytes of zeros."""
    digest, packer, piece = hashlib.sha1(head, usedforsecurity=False), zlib.compressobj(1), bytes(MEGABYTE)
    start = packer.compress(head) + packer.flush(zlib.Z_FULL_FLUSH)
    again = packer.compress(piece) + packer.flush(zlib.Z_FULL_FLUSH)  # which does not depend on what came before
    check = zlib.adler32(head)
    for _ in range(megabytes):
        digest.update(piece)
        check = zlib.adler32(piece, check)
    return digest.hexdigest(), start + megabytes * again + b"\x03\x00" + check.to_bytes(4)


def large_blob(room: Room) -> None:
    sha, data = inflating(b"blob %d\0" % (200 * MEGABYTE), 200)
    commit_question(room, others={"notes.txt": put(room, sha, data)})


def bomb(room: Room) -> None:
    """Put an object there that says it is small and inflates to 200 MB: with its header it fills what is read first."""
    commit_question(room, others={"notes.txt": put(room, "ab" * 20, inflating(b"blob 55\0", 200)[1])})


def delta_bomb(room: Room) -> None:
    """Put a pack of some hundred bytes there that asks for 700 MB."""
    base = entry(3, b"0123456789" * 100)
    made = raw_pack([base, entry(6, varint(1_000) + varint(700 * MEGABYTE) + b"\x80" * 99, base=bytes([len(base)]))])
    packed(room, made.getvalue(), [(b"\xba" * 20, 12), (b"\xcd" * 20, 12 + len(base))])
    commit_question(room, others={"notes.txt": "cd" * 20})


def packed(room: Room, data: bytes, entries: list[tuple[bytes, int]]) -> None:
    assert room.git_dir is not None
    path = room.git_dir / "objects" / "pack" / f"pack-{hashlib.sha256(data).hexdigest()[:40]}"
    path.with_suffix(".pack").write_bytes(data)
    with path.with_suffix(".idx").open("wb") as file:
        write_pack_index_v2(file, sorted((name, offset, 0) for name, offset in entries), data[-20:])


def many_objects(room: Room) -> str:
    """Make 21,000 files that all differ."""
    with room.in_bulk():
        names = {f"{each:05}": (FILE, room.write_blob(b"%d" % each)) for each in range(21_000)}
        trees = {str(each): (FOLDER, room.write_tree(dict([*names.items()][each::5]))) for each in range(5)}
        return room.write_tree(trees)


# ---------------------------------------------------------------------------------------------------------------------
# Commits


def edited(*changes: tuple[bytes, bytes]) -> Callable[[Room], object]:
    def edit(raw: bytes) -> bytes:
        for old, new in changes:
            raw = raw.replace(old, new, 1)
        return raw

    return lambda room: commit_question(room, edit=edit)


def long_message(room: Room) -> None:
    head = seal(room, room.raw_commit("alice", START_MS // 1000, "alice asks: What now?", NEW))
    sha, data = inflating(b"commit %d\0" % (len(head) + 50 * MEGABYTE) + head, 50)
    put(room, sha, data)
    room.set_branch(sha)
    room.commit_ids.append(sha)


def many_parents(count: int) -> Callable[[Room], object]:
    def build(room: Room) -> None:
        tree, base = room.tip_tree(), room.commit_ids[-1]
        with room.in_bulk():
            others = [room.write_commit(room.raw_commit("alice", each, "x", tree=tree)) for each in range(count - 1)]
        commit_question(room, parents=[base, *others])

    return build


def old_state(room: Room) -> None:
    """Go back to what the tip showed two commits before, by a new commit."""
    old = room.commits[room.commit_ids[-3]].split(b"\n")[0].removeprefix(b"tree ").decode()
    commit_question(room, tree=old)


def old_commit(room: Room) -> None:
    """Set the branch back by two commits."""
    room.commit_ids.append(room.commit_ids[-3])
    room.set_branch(room.commit_ids[-1])


def of_another_room(room: Room) -> None:
    """Push a commit of another room with the same two peers, on top of this one."""
    other = another(room)
    token = independent.make_token(bytes(32))
    other.mac_key, other.room_id = independent.derive(token, "peer-relay/1/mac", 32), Room(None, token).room_id
    room.push(other.commits[commit_question(other)])


# ---------------------------------------------------------------------------------------------------------------------

CASES: dict[str, Case] = {
    "a folder that leads up": Case(rooted(FOLDER, b"..", Room.tip_tree), NOT_EXACT, TOO_DEEP),
    "a file that leads up": Case(rooted(FILE, b"..", text), NOT_EXACT, NO_RECORD),
    "a folder of git's": Case(rooted(FOLDER, b".git", of_a_folder(2)), NOT_EXACT, NO_RECORD),
    "an absolute path": Case(rooted(FILE, b"/etc/passwd", text), "a folder in it cannot be read"),
    "a name that is no text": Case(rooted(FILE, b"zz\xff\xfe", text), NOT_EXACT, "it holds a name that is not ASCII"),
    "a link": Case(rooted("120000", b"zz", text), NOT_PLAIN),
    "another repository": Case(rooted("160000", b"zz", missing), NOT_PLAIN),
    "an executable": Case(rooted("100755", b"zz", text), NOT_PLAIN),
    "an entry twice": Case(rooted(FILE, b"room.json", text, 2), NOT_SPELT),
    "an entry out of order": Case(rooted(FILE, b"zz", text, 0), NOT_SPELT),
    "a folder of 100,000": Case(
        rooted(FOLDER, b"zz", of_a_folder(100_000)), TOO_LARGE.format(3_300_000), verified=NOT_EXACT
    ),
    "a folder of 7,000": Case(rooted(FOLDER, b"zz", of_a_folder(7_000)), NOT_EXACT, "it holds more than 4,096 files"),
    "folders 3,000 deep": Case(rooted(FOLDER, b"zz", deep), NOT_EXACT, TOO_DEEP),
    "folders that multiply": Case(rooted(FOLDER, b"zz", wide), NOT_EXACT, TOO_DEEP),
    "folders of 46 MB": Case(
        rooted(FOLDER, b"zz", long), "(folders that are far too large together)", verified=NOT_EXACT
    ),
    "a file that is missing": Case(rooted(FILE, b"zz", missing), UNREADABLE, verified=NOT_EXACT),
    "a folder that is missing": Case(rooted(FOLDER, b"zz", missing), UNREADABLE, verified=NOT_EXACT),
    "a file that is a folder": Case(rooted(FILE, b"zz", Room.tip_tree), NOT_EXACT, NO_RECORD),
    "a folder that is a file": Case(
        rooted(FOLDER, b"zz", text), "an object stands where a folder has to be", verified=NOT_EXACT
    ),
    "a blob of 200 MB": Case(large_blob, TOO_LARGE.format(200 * MEGABYTE), verified=NOT_EXACT),
    "a file that inflates": Case(bomb, UNREADABLE, verified=NOT_EXACT),
    "a delta of 700 MB": Case(delta_bomb, TOO_LARGE.format(700 * MEGABYTE), verified=NOT_EXACT),
    "21,000 objects": Case(
        rooted(FOLDER, b"zz", many_objects), NOT_EXACT, "sent more than a room can hold (20001 objects or more)"
    ),
    "a tree twice": Case(edited((b"tree ", b"tree " + b"1" * 40 + b"\ntree ")), UNREADABLE, verified=NO_FORM),
    "an author twice": Case(edited((b"author ", b"author eve <e@example.org> 1 +0000\nauthor ")), NO_FORM),
    "a message of 50 MB": Case(
        long_message, "sent more than a room can hold (an object of 524", verified="the mailbox does not send all"
    ),
    "10,000 parents": Case(
        many_parents(10_000), TOO_LARGE.format(480_302) + ", and 266240 are allowed)", verified=NOT_SO_LONG
    ),
    "5,000 parents": Case(many_parents(5_000), NOT_SO_LONG),
    "the year 40,000": Case(lambda room: commit_question(room, seconds=1_200_000_000_000), NO_FORM),
    "before 1970": Case(lambda room: commit_question(room, seconds=-86_400), NO_FORM),
    "a subject that is no text": Case(edited((b"What now", b"\xff\xfe")), "its subject is not UTF-8"),
    "an author that is no text": Case(edited((b"author alice", b"author \xff\xfe")), NO_FORM),
    "a record that is no text": Case(
        lambda room: commit_question(room, data=canonical(question(room)).replace(b"What", b"\xff\xfe")),
        "its question is not acceptable (the file must be JSON)",
    ),
    "80,000 sources": Case(
        lambda room: commit_answer(room, data=sources(room)),
        "its answer is not acceptable (sources[0] must not be empty)",
    ),
    "a record 250,000 deep": Case(
        lambda room: commit_question(room, data=b"[" * 250_000),
        "its question is not acceptable (the file must be JSON)",
    ),
    "an old state": Case(old_state, "it does not hold the question that it names"),
    "an old tip": Case(old_commit, "shows an older state", NOTHING, NOTHING),
    "a record of another room": Case(
        lambda room: commit_question(room, data=canonical(question(room) | {"room": "a" * 16})),
        "the question in it belongs to another room",
    ),
    "a commit of another room": Case(of_another_room, "its Room-Mac is wrong"),
    "an answer before its question": Case(
        lambda room: commit_answer(room, answer(room, NEW)),
        "it answers a question that is not open",
        "its tip holds an answer without its question",
    ),
    "an answer once more": Case(
        lambda room: commit_answer(room, answer(room, ANSWERED)), "it answers a question that is answered already"
    ),
}


def sources(room: Room) -> bytes:
    """Return an answer that names nothing 80,000 times."""
    fields = canonical(answer(room))
    return fields.replace(b'"sources": []', b'"sources": [' + b'"",' * 79_999 + b'""]')


# ---------------------------------------------------------------------------------------------------------------------
# What a server could send as a pack, whatever is in its repository


def with_bad_checksum() -> bytes:
    return raw_pack([entry(3, b"x")]).getvalue()[:-1] + b"?"


def many_bombs() -> bytes:
    """Return a pack of 300 KB with 270 MB of zeros in it."""
    return raw_pack([entry(3, bytes(260_000))] * 1_040).getvalue()


PACKS: dict[str, tuple[Callable[[], bytes], str, str]] = {
    "a pack with a bad checksum": (with_bad_checksum, "its checksum does not fit", ""),
    "a pack of deltas that branch": (
        lambda: comb(200, 250_000).getvalue(),
        "too many of its objects are built on one another",
        "",
    ),
    "a pack of deltas without end": (lambda: comb(3_000, 250_000).getvalue(), "bytes in all", ""),
    "a pack of bombs": (many_bombs, REWRITTEN, "more than 268435456 bytes in all"),
    "a pack of too many": (lambda: raw_pack([], count=(1 << 20) + 1).getvalue(), "1048577 objects, and ", ""),
    "a pack without the commit": (lambda: raw_pack([entry(3, b"x")]).getvalue(), REWRITTEN, "cannot be read"),
}
"""What makes each; what is said of it by whoever knows the room; and at a first look, if that is something else."""
