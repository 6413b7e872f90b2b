"""What is pushed and is not exactly a room's commit is refused by name, and nothing else is lost by it (I2, I6)."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from peer_relay.errors import RefusedCommit
from peer_relay.store import Refreshed, Refusal
from tests import independent
from tests.claims import claim
from tests.git_store import forging
from tests.git_store.conftest import FULL_IDS
from tests.git_store.forging import (
    ANSWERED,
    BOBS,
    GOOD,
    HOUR_MS,
    LATER,
    NEW,
    OPEN,
    answer,
    commit_answer,
    commit_archive,
    commit_question,
    path_of,
    question,
    seal,
)
from tests.git_store.reading import question as arrived
from tests.git_store.reading import reader, soon
from tests.independent import FILE, FOLDER, START_MS, Room, canonical, ulid, written

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from peer_relay.store import Snapshot
    from tests.git_store.reading import Reader

AFTER = ulid(START_MS + 600 * HOUR_MS, 600)
NOT_CANONICAL = "its question is not acceptable (the file must be in the canonical form, byte for byte)"
NOT_JSON = "its question is not acceptable (the file must be JSON)"
OTHER_FIELDS = (
    "its question is not acceptable (asker_id must be there; question must be there; asked_at must be there; "
    "the record must not have any other field than the documented ones)"
)
NOT_EXACT = "its files are not those of its parent and this one change"
NOT_ITS_MESSAGE = "its author, time or message is not what its record demands"
NO_FORM = "its headers or its message are not in the form of a room's commits"
NOT_THERE = "it does not hold the question that it names"

Forgery = tuple["Callable[[Room], object]", str]


def in_file(edit: Callable[[bytes], bytes], reason: str = NOT_CANONICAL) -> Forgery:
    """Return the forgery whose file alone is other than it should be."""
    return (lambda room: commit_question(room, data=edit(canonical(question(room))))), reason


def in_fields(reason: str, **changes: object) -> Forgery:
    return (lambda room: commit_question(room, question(room), data=canonical(question(room) | changes))), reason


def in_commit(edit: Callable[[bytes], bytes], reason: str) -> Forgery:
    return (lambda room: commit_question(room, edit=edit)), reason


def in_root(reason: str, **entries: tuple[str, Callable[[Room], str]]) -> Forgery:
    """Return the forgery whose root holds one more entry, given by its name as mode and object."""

    def commit(room: Room) -> None:
        tree = room.tree_of(room.files | {path_of(NEW): room.write_blob(canonical(question(room)))})
        raw = b"".join(_entry(mode, name, make(room)) for name, (mode, make) in entries.items())
        commit_question(room, tree=room.write("tree", _content(room, tree) + raw))

    return commit, reason


def in_folder(make: Callable[[bytes], bytes], reason: str) -> Forgery:
    """Return the forgery whose folder of the day is spelt otherwise."""

    def commit(room: Room) -> None:
        files = room.files | {path_of(NEW): room.write_blob(canonical(question(room)))}
        day = room.tree_of({path.split("/")[2]: blob for path, blob in files.items() if path.startswith("alice/")})
        day = room.write("tree", make(_content(room, day)))
        alice = room.write_tree({written(START_MS)[:10]: (FOLDER, day)})
        rest = {path.split("/", 1)[1]: blob for path, blob in files.items() if path.startswith("bob/")}
        bob, first = room.tree_of(rest), (FILE, files["room.json"])
        tree = room.write_tree({"alice": (FOLDER, alice), "bob": (FOLDER, bob), "room.json": first})
        commit_question(room, tree=tree)

    return commit, reason


def _content(room: Room, tree: str) -> bytes:
    assert room.git_dir is not None
    return independent.zlib.decompress((room.git_dir / "objects" / tree[:2] / tree[2:]).read_bytes()).partition(b"\0")[
        2
    ]


def _entry(mode: str, name: str, sha: str) -> bytes:
    return f"{mode} {name}\0".encode() + bytes.fromhex(sha)


def _entries(tree: bytes) -> list[bytes]:
    """Split a tree of plain files into its entries."""
    size = len(_entry(FILE, f"{NEW}.question.json", "0" * 40))
    whole = len(_entry(FILE, f"{NEW}.answer.json", "0" * 40))
    found = []
    while tree:
        length = whole if b".answer." in tree[:whole] else size
        found.append(tree[:length])
        tree = tree[length:]
    return found


def blob(room: Room) -> str:
    return room.write_blob(b"more\n")


def in_other_room(room: Room) -> dict[str, object]:
    return question(room) | {"room": Room(None, independent.make_token(bytes(32))).room_id}


def merge(room: Room) -> None:
    side = room.raw_commit("alice", START_MS // 1000, "alice asks: side", NEW, parents=[room.commit_ids[-2]])
    commit_question(room, parents=[room.commit_ids[-1], room.write_commit(seal(room, side))])


FORGERIES: dict[str, Forgery] = {
    # The file
    "a key twice": in_file(lambda data: data.replace(b'  "id"', b'  "id": "x",\n  "id"', 1)),
    "a field more": in_fields(
        "its question is not acceptable (the record must not have any other field than the documented ones)", mood="x"
    ),
    "another order": in_file(lambda data: canonical(dict(reversed(json.loads(data).items())))),
    "one line": in_file(lambda data: json.dumps(json.loads(data)).encode() + b"\n"),
    "no newline at the end": in_file(lambda data: data[:-1]),
    "two newlines at the end": in_file(lambda data: data + b"\n"),
    "other newlines": in_file(lambda data: data.replace(b"\n", b"\r\n")),
    "another indent": in_file(lambda data: data.replace(b"  ", b"\t")),
    "space at a line's end": in_file(lambda data: data.replace(b",\n", b", \n", 1)),
    "an escaped letter": in_file(lambda data: data.replace(b"What", b"\\u0057hat")),
    "an escaped slash": in_file(lambda data: data.replace(b"What", b"\\/hat")),
    "a hint that is null": in_file(lambda data: data.replace(b',\n  "asked', b',\n  "context_hint": null,\n  "asked')),
    "a byte order mark": in_file(lambda data: b"\xef\xbb\xbf" + data, NOT_JSON),
    "not UTF-8": in_file(lambda data: data.replace(b"What", b"\xff"), NOT_JSON),
    "not JSON": in_file(lambda _: b"What now?\n", NOT_JSON),
    "nothing": in_file(lambda _: b"", NOT_JSON),
    "a list": in_file(
        lambda data: b"[" + data + b"]", "its question is not acceptable (the record must be of the documented type)"
    ),
    "a file beyond its size": in_file(
        lambda data: data + b" " * (256 << 10),
        "its question is not acceptable (the file must be at most 262,144 bytes and has 262,307)",
    ),
    "a text beyond its length": in_fields(
        "its question is not acceptable (question must be at most 12,000 characters long and has 12,001)",
        question="x" * 12_001,
    ),
    "a refused code point": in_fields(
        "its question is not acceptable (question must not contain U+202E (a control of the writing direction, "
        "character 2))",
        question="a\u202eb",
    ),
    "a time that is not the id's": in_fields(
        "its question is not acceptable (asked_at must be the time in the id)", asked_at=written(START_MS)
    ),
    "an id that is not its name": (
        lambda room: commit_question(room, data=canonical(question(room, LATER))),
        "the question in it says another id or asker than its path",
    ),
    "an asker that is not its folder": (
        lambda room: commit_question(room, data=canonical(question(room) | {"asker_id": "bob"})),
        "the question in it says another id or asker than its path",
    ),
    "a record of another room": (
        lambda room: commit_question(room, data=canonical(in_other_room(room))),
        "the question in it belongs to another room",
    ),
    "an answer in a question's file": (
        lambda room: commit_question(room, data=canonical(answer(room, NEW))),
        OTHER_FIELDS,
    ),
    # The other files
    "a file more": (lambda room: commit_question(room, others={"notes.txt": blob(room)}), NOT_EXACT),
    "a record more": (
        lambda room: commit_question(room, others={path_of(LATER): room.write_blob(canonical(question(room, LATER)))}),
        NOT_EXACT,
    ),
    "a changed file": (lambda room: commit_question(room, others={path_of(OPEN): blob(room)}), NOT_EXACT),
    "a changed room": (lambda room: commit_question(room, others={"room.json": blob(room)}), NOT_EXACT),
    "a file less": (lambda room: commit_question(room, others={path_of(BOBS, asker="bob"): None}), NOT_EXACT),
    "no change at all": (lambda room: commit_question(room, tree=room.tip_tree()), NOT_THERE),
    "another day": (lambda room: commit_question(room, path=f"alice/2026-11-23/{NEW}.question.json"), NOT_THERE),
    "another folder": (lambda room: commit_question(room, path=path_of(NEW, asker="bob")), NOT_THERE),
    "no folder": (lambda room: commit_question(room, path=f"{NEW}.question.json"), NOT_THERE),
    "a deeper folder": (lambda room: commit_question(room, path="alice/" + path_of(NEW)), NOT_THERE),
    "a path in one name": in_root(
        "a folder in it cannot be read", **{path_of(LATER): (FILE, lambda room: room.files[path_of(OPEN)])}
    ),
    "a folder without a name": in_root("a folder in it cannot be read", **{"": (FOLDER, Room.tip_tree)}),
    "an executable": in_root("it holds something else than plain files and folders", zz=("100755", blob)),
    "a file of an old mode": in_root("it holds something else than plain files and folders", zz=("100664", blob)),
    "a mode with a zero": in_root("it holds something else than plain files and folders", zz=("0100644", blob)),
    "a link": in_root("it holds something else than plain files and folders", zz=("120000", blob)),
    "a repository": in_root(
        "it holds something else than plain files and folders", zz=("160000", lambda room: room.commit_ids[-1])
    ),
    "an empty folder": in_root(NOT_EXACT, zz=(FOLDER, lambda room: room.write("tree", b""))),
    "a folder more": in_root(NOT_EXACT, zz=(FOLDER, Room.tip_tree)),
    "an entry out of order": in_root("a folder in it is not spelt as git spells it", aa=(FILE, blob)),
    "an entry twice": in_root("a folder in it is not spelt as git spells it", **{"room.json": (FILE, blob)}),
    "records out of order": in_folder(
        lambda tree: b"".join(reversed(_entries(tree))), "a folder in it is not spelt as git spells it"
    ),
    "a record twice": in_folder(lambda tree: tree + _entries(tree)[-1], "a folder in it is not spelt as git spells it"),
    "an executable record": in_folder(
        lambda tree: tree.replace(f"100644 {NEW}".encode(), f"100755 {NEW}".encode()),
        "it holds something else than plain files and folders",
    ),
    "a record that is a link": in_folder(
        lambda tree: tree.replace(f"100644 {NEW}".encode(), f"120000 {NEW}".encode()),
        "it holds something else than plain files and folders",
    ),
    # The commit
    "a wrong Room-Mac": (
        lambda room: room.push(room.commits[commit_question(room)][:-2] + b"x\n"),
        NO_FORM,
    ),
    "the Room-Mac of another key": (
        lambda room: room.push(_with_other_key(room, commit_question)),
        "its Room-Mac is wrong",
    ),
    "no Room-Mac": (
        lambda room: room.push(room.commits[commit_question(room)].split(b"Room-Mac")[0]),
        "it bears no Room-Mac",
    ),
    "another author": (lambda room: commit_question(room, peer="bob"), NOT_THERE),
    "a third author": (lambda room: commit_question(room, peer="carol"), "its author is not a peer of this room"),
    "another committer": in_commit(lambda raw: raw.replace(b"committer alice", b"committer bob"), NO_FORM),
    "another address": in_commit(lambda raw: raw.replace(b"@peer-relay.invalid", b"@example.org"), NO_FORM),
    "another time": (lambda room: commit_question(room, seconds=START_MS // 1000), NOT_ITS_MESSAGE),
    "a time with a zero": (lambda room: commit_question(room, seconds="01795340000"), NO_FORM),
    "a negative time": (lambda room: commit_question(room, seconds=-1), NO_FORM),
    "another time zone": in_commit(lambda raw: raw.replace(b"+0000", b"+0100"), NO_FORM),
    "the other zero": in_commit(lambda raw: raw.replace(b"+0000", b"-0000"), NO_FORM),
    "another encoding": in_commit(lambda raw: raw.replace(b"\n\n", b"\nencoding latin1\n\n", 1), NO_FORM),
    "another header": in_commit(lambda raw: raw.replace(b"\n\n", b"\nx-note hidden\n\n", 1), NO_FORM),
    "another signature": in_commit(lambda raw: raw.replace(b"\n\n", b"\ngpgsig-sha256 x\n\n", 1), NO_FORM),
    "a signature that is none": (
        lambda room: commit_question(room, signature="-----BEGIN PGP SIGNATURE-----\n\nx\n"),
        "its signature is not an SSH signature for git in its one spelling",
    ),
    "a signature cut short": (
        lambda room: commit_question(
            room, signature="-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n-----END SSH SIGNATURE-----"
        ),
        "its signature is not an SSH signature for git in its one spelling",
    ),
    "another subject": (lambda room: commit_question(room, subject="alice asks: What then?"), NOT_ITS_MESSAGE),
    "a subject that is not UTF-8": in_commit(lambda raw: raw.replace(b"What now", b"\xff"), "its subject is not UTF-8"),
    "no subject": (lambda room: commit_question(room, subject=""), NO_FORM),
    "a body": in_commit(lambda raw: raw.replace(b"\n\nQuestion", b"\n\nbody\n\nQuestion"), NO_FORM),
    "another trailer": in_commit(lambda raw: raw.replace(b"\nQuestion", b"\nNote: x\nQuestion"), NO_FORM),
    "another id in the trailer": (lambda room: commit_question(room, question_id=LATER), NOT_THERE),
    "an id beyond all time": (
        lambda room: commit_question(room, question_id="7" + "Z" * 25),
        "its Question-Id is of a time after the year 9999",
    ),
    "no id in the trailer": (
        lambda room: commit_question(room, question_id=None),
        "it is none of the commits that a room consists of",
    ),
    "a newline more": in_commit(lambda raw: raw.replace(b"\n\nQuestion", b"\n\n\nQuestion"), NO_FORM),
    "a merge": (merge, "it is a merge"),
    # The rules
    "the same question again": (
        lambda room: commit_question(room, question(room, OPEN)),
        "it adds a question whose id is at the tip already",
    ),
    "an answer to one's own question": (
        lambda room: commit_answer(room, peer="alice"),
        "it does not hold the answer that it names",
    ),
    "an answer to an unknown question": (
        lambda room: commit_answer(room, answer(room, NEW)),
        "it answers a question that is not open",
    ),
    "a second answer": (
        lambda room: commit_answer(room, answer(room, ANSWERED)),
        "it answers a question that is answered already",
    ),
    "an answer beside no question": (
        lambda room: commit_answer(room, path=f"alice/2026-11-23/{OPEN}.answer.json"),
        "it does not hold the answer that it names",
    ),
    "an answer to bob's own": (
        lambda room: commit_answer(room, answer(room, BOBS), asker="bob", peer="bob"),
        "it does not hold the answer that it names",
    ),
    "a question of a third peer": (
        lambda room: commit_question(room, question(room, asker="carol")),
        "its author is not a peer of this room",
    ),
    "an archive commit too early": (
        lambda room: commit_archive(room, [ANSWERED]),
        "it archives where no archive commit is due",
    ),
}


def _with_other_key(room: Room, make: Callable[[Room], str]) -> bytes:
    other = copy.copy(room)
    other.mac_key, other.commit_ids = bytes(32), list(room.commit_ids)
    return room.commits[make(other)]


@pytest.fixture
def mailbox(tmp_path: Path) -> Room:
    room = Room(tmp_path / "mailbox.git")
    forging.tell(room)
    return room


def look(each: Reader, known: Snapshot | None, refusal: Refusal | None = None) -> Refreshed:
    return each.store.refresh(known, refusal, soon())


@claim("I2", "I6")
@pytest.mark.parametrize("name", FORGERIES)
def test_a_commit_that_is_not_exact_is_refused_by_name_and_work_goes_on_without_it(
    mailbox: Room, tmp_path: Path, name: str
) -> None:
    forge, reason = FORGERIES[name]
    bob = reader(tmp_path, tmp_path / "mailbox.git")
    known = look(bob, None).snapshot
    mailbox.ask(GOOD, "alice", "Is this still read?")
    good = mailbox.commit_ids[-1]
    forge(mailbox)
    bad = mailbox.commit_ids[-1]
    tip = commit_question(mailbox, question(mailbox, LATER))

    found = look(bob, known)

    assert found.refusal is not None
    assert (found.refusal.tip, found.refusal.error.what) == (tip, RefusedCommit(commit=bad, reason=reason).what)
    assert (found.snapshot.tip, found.arrivals) == (good, (arrived(good, GOOD),))
    assert set(found.snapshot.ledger.open) == {OPEN, BOBS, GOOD}
    assert [record.id for record in bob.store.read([arrived(good, GOOD), arrived(good, OPEN)], soon())] == [GOOD, OPEN]

    requests = list(bob.transport.requests)
    assert look(bob, found.snapshot, found.refusal) == replace(found, arrivals=())
    assert bob.transport.requests == requests

    mailbox.set_branch(good)
    assert look(bob, found.snapshot, found.refusal) == Refreshed(found.snapshot)
    mailbox.commit_ids = mailbox.commit_ids[: mailbox.commit_ids.index(good) + 1]
    later = commit_question(mailbox, question(mailbox, LATER))
    healed = look(bob, found.snapshot, found.refusal)
    assert (healed.snapshot.tip, healed.arrivals, healed.refusal) == (later, (arrived(later, LATER),), None)


BY_A_STRANGER = ("a wrong Room-Mac", "the Room-Mac of another key", "no Room-Mac")
BY_A_HOLDER = (
    *("a field more", "an answer in a question's file", "a file more", "a text beyond its length"),
    *("no id in the trailer", "another trailer", "another header", "a body", "a second answer"),
)


@claim("I2")
@pytest.mark.parametrize("name", [*BY_A_STRANGER, *BY_A_HOLDER])
def test_that_versions_may_differ_is_said_of_what_a_holder_of_the_token_wrote_and_of_nothing_else(
    mailbox: Room, tmp_path: Path, name: str
) -> None:
    bob = reader(tmp_path, tmp_path / "mailbox.git")
    known = look(bob, None).snapshot
    FORGERIES[name][0](mailbox)
    found = look(bob, known)
    assert found.refusal is not None
    assert found.refusal.error.remedy == (
        "Ask your peer who pushed it; `peer-relay restore` takes it off the branch again."
        if name in BY_A_STRANGER
        else "Ask your peer which peer-relay wrote it: upgrade the older one, or `peer-relay restore` takes it off."
    )


@claim("I2")
@pytest.mark.parametrize("name", FORGERIES)
def test_a_first_look_at_a_tip_that_is_not_exact_refuses_the_room_as_a_whole(
    mailbox: Room, tmp_path: Path, name: str
) -> None:
    good = mailbox.commit_ids[-1]
    FORGERIES[name][0](mailbox)
    bob = reader(tmp_path, tmp_path / "mailbox.git")
    for _ in range(2):
        with pytest.raises(RefusedCommit) as caught:
            look(bob, None)
        assert caught.value.commit == mailbox.commit_ids[-1]
    assert len(bob.transport.requests) == 1
    mailbox.set_branch(good)
    assert set(look(bob, None).snapshot.ledger.open) == {OPEN, BOBS}


RULE = FULL_IDS[1:257]

FULL_FORGERIES: dict[str, Forgery] = {
    "a record where the archive commit is due": (
        lambda room: commit_question(room, question(room, AFTER)),
        "it adds a record where the archive commit is due",
    ),
    "an answer where the archive commit is due": (
        lambda room: commit_answer(room, answer(room, FULL_IDS[0])),
        "it adds a record where the archive commit is due",
    ),
    "one exchange less": (lambda room: commit_archive(room, RULE[:-1]), NOT_EXACT),
    "one exchange more": (lambda room: commit_archive(room, FULL_IDS[1:258]), NOT_EXACT),
    "the newest": (lambda room: commit_archive(room, FULL_IDS[257:]), NOT_EXACT),
    "an open question": (lambda room: commit_archive(room, FULL_IDS[:257]), NOT_EXACT),
    "a file more": (
        lambda room: commit_archive(room, RULE, tree=_archived_with(room, {"notes.txt": blob(room)})),
        NOT_EXACT,
    ),
    "a changed file": (
        lambda room: commit_archive(room, RULE, tree=_archived_with(room, {"room.json": blob(room)})),
        NOT_EXACT,
    ),
    "another peer": (
        lambda room: commit_archive(room, RULE, peer="alice", subject="alice archives 256 exchanges"),
        NOT_ITS_MESSAGE,
    ),
    "another time": (lambda room: commit_archive(room, RULE, seconds=START_MS // 1000), NOT_ITS_MESSAGE),
    "another number": (
        lambda room: commit_archive(room, RULE, subject="bob archives 255 exchanges"),
        "it is none of the commits that a room consists of",
    ),
    "a third peer": (
        lambda room: commit_archive(room, RULE, peer="carol", subject="carol archives 256 exchanges"),
        NOT_ITS_MESSAGE,
    ),
}


def _archived_with(room: Room, others: dict[str, str]) -> str:
    files = {path: blob for path, blob in room.files.items() if not any(each in path for each in RULE)}
    return room.tree_of(files | others)


@claim("archive-rule", "I1")
@pytest.mark.parametrize("name", FULL_FORGERIES)
def test_what_follows_a_full_tip_and_is_not_the_archive_commit_is_refused(
    full: Room, tmp_path: Path, name: str
) -> None:
    forge, reason = FULL_FORGERIES[name]
    bob = reader(tmp_path, tmp_path / "mailbox.git")
    known = look(bob, None).snapshot
    forge(full)
    bad = full.commit_ids[-1]
    error = RefusedCommit(commit=bad, reason=reason)

    found = look(bob, known)
    assert (found.snapshot, found.arrivals) == (known, ())
    assert found.refusal is not None
    assert (found.refusal.tip, found.refusal.error.what) == (bad, error.what)
    with pytest.raises(RefusedCommit) as caught:
        look(reader(tmp_path / "first", tmp_path / "mailbox.git"), None)
    assert caught.value.commit == bad

    full.set_branch(known.tip)
    del full.commit_ids[full.commit_ids.index(known.tip) + 1 :]
    full.ask(AFTER, "alice", "And now?")
    healed = look(bob, found.snapshot, found.refusal)
    assert (healed.refusal, healed.arrivals) == (None, (arrived(full.commit_ids[-1], AFTER),))
    assert sorted(healed.snapshot.ledger.answered) == sorted(FULL_IDS[257:])


@claim("archive-rule")
def test_a_reader_accepts_an_archive_commit_as_the_tip(full: Room, tmp_path: Path) -> None:
    bob = reader(tmp_path, tmp_path / "mailbox.git")
    known = look(bob, None).snapshot
    full.archive_if_due()
    found = look(bob, known)
    assert (found.snapshot.tip, found.arrivals, found.refusal) == (full.commit_ids[-1], (), None)
    assert look(reader(tmp_path / "first", tmp_path / "mailbox.git"), None).snapshot == found.snapshot
    assert sorted(found.snapshot.ledger.answered) == sorted(FULL_IDS[257:])
    assert set(found.snapshot.ledger.open) == {FULL_IDS[0]}
