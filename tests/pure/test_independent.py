"""The package and a second implementation, written from the description alone, make the same commits.

The package's half is its pure core: records, paths, ledger and commits decide every byte, and only the git objects
around them are made here, in plain code.
"""

from __future__ import annotations

import ast
import hashlib
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from peer_relay.commits import (
    Message,
    answer_message,
    archive_message,
    build,
    commit_id,
    has_right_mac,
    question_message,
    room_message,
    take_apart,
)
from peer_relay.keys import RoomKeys, format_token
from peer_relay.ledger import Archive, Ledger, Step
from peer_relay.paths import ROOM_FILE, Kind, branch_ref, parse_path, path_for
from peer_relay.records import Answer, Question, Room, canonical_bytes, make, parse
from peer_relay.times import format_ms
from tests import independent
from tests.claims import claim
from tests.independent import START_MS
from tests.pure.samples import GOLDEN, ID, texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.conftest import Git

PEERS = ("alice", "bob")
ODD = ["", "wört\t", "\u2028\U0001f600", "\r\n", "\n\n", '"\\']


def object_id(kind: str, content: bytes) -> str:
    return hashlib.sha1(f"{kind} {len(content)}\0".encode() + content, usedforsecurity=False).hexdigest()


class Folder:
    """A tree that remembers its id until something below it changes."""

    def __init__(self) -> None:
        self.folders: dict[str, Folder] = {}
        self.blobs: dict[str, str] = {}
        self._id: str | None = None

    def put(self, path: str, blob: str) -> None:
        self._id = None
        name, slash, rest = path.partition("/")
        if slash:
            self.folders.setdefault(name, Folder()).put(rest, blob)
        else:
            self.blobs[name] = blob

    def drop(self, path: str) -> None:
        self._id = None
        name, slash, rest = path.partition("/")
        if not slash:
            del self.blobs[name]
            return
        self.folders[name].drop(rest)
        if not self.folders[name].blobs and not self.folders[name].folders:
            del self.folders[name]

    @property
    def id(self) -> str:
        if self._id is None:
            entries = [(name.encode(), b"100644", blob) for name, blob in self.blobs.items()]
            entries += [(name.encode(), b"40000", folder.id) for name, folder in self.folders.items()]
            entries.sort(key=lambda entry: entry[0] + b"/" * (entry[1] == b"40000"))
            lines = (b"%s %s\0%s" % (mode, name, bytes.fromhex(sha)) for name, mode, sha in entries)
            self._id = object_id("tree", b"".join(lines))
        return self._id


class Package:
    """A room as the package writes it: what `open`, `ask` and `answer` do is planned by the ledger."""

    def __init__(self, token: str = independent.TOKEN, peers: tuple[str, str] = PEERS) -> None:
        self.keys = RoomKeys.from_token(token)
        self.peers = peers
        self.tip = Folder()
        self.commit_ids: list[str] = []
        self.ledger: Ledger

    def open(self, created_ms: int = START_MS) -> None:
        room = make(Room, format=1, room=self.keys.room_id, peers=self.peers, created_at=format_ms(created_ms))
        self.tip.put(ROOM_FILE, object_id("blob", canonical_bytes(room)))
        self._commit(room_message(room))
        self.ledger = Ledger(room)

    def ask(self, question_id: str, asker: str, text: str, hint: str | None = None) -> None:
        question = make(
            Question,
            id=question_id,
            room=self.keys.room_id,
            asker_id=asker,
            question=text,
            context_hint=hint,
            asked_at=format_ms(independent.ulid_ms(question_id)),
        )
        steps, self.ledger = self.ledger.plan_ask(question)
        self._carry_out(steps)

    def answer(self, question_id: str, text: str, sources: Sequence[str], answered_ms: int) -> None:
        answer = make(
            Answer,
            id=question_id,
            room=self.keys.room_id,
            answer=text,
            sources=tuple(sources),
            answered_at=format_ms(answered_ms),
        )
        answerer = self.ledger.other(self.ledger.open[question_id])
        steps, self.ledger = self.ledger.plan_answer(answer, answerer)
        self._carry_out(steps)

    def _carry_out(self, steps: tuple[Step, ...]) -> None:
        for step in steps:
            if isinstance(step, Archive):
                for place in step.places:
                    self.tip.drop(path_for(place))
                self._commit(archive_message(self._message.stamp))
                continue
            self.tip.put(path_for(step.place), object_id("blob", canonical_bytes(step.record)))
            if isinstance(step.record, Question):
                self._commit(question_message(step.record))
            else:
                self._commit(answer_message(step.record, step.author))

    def _commit(self, message: Message) -> None:
        parent = self.commit_ids[-1] if self.commit_ids else None
        self._message = message
        self.commit_ids.append(commit_id(build(self.tip.id, parent, message, self.keys.mac_key)))


def play(room: independent.Room, package: Package, exchanges: int, random: Random) -> None:
    """Let both sides go through the same exchanges; up to a dozen questions stay open at a time."""
    waiting: list[str] = []
    for number in range(exchanges):
        ms = START_MS + random.randrange(40 * 86_400_000)
        asker, hint = random.choice(PEERS), random.choice([None, f"hint {number}"])
        text = f"question {number}: " + random.choice(ODD) + "x" * random.randrange(90)
        question_id = room.ask(ms, asker, text, hint)
        package.ask(question_id, asker, text, hint)
        waiting.append(question_id)
        while len(waiting) > random.randrange(12):
            chosen = waiting.pop(random.randrange(len(waiting)))
            sources = [f"src/file_{number}.py:{line}" for line in range(random.randrange(3))]
            answered_ms = START_MS + random.randrange(10**9)
            room.answer(chosen, f"\n answer {number}", sources, answered_ms)
            package.answer(chosen, f"\n answer {number}", sources, answered_ms)


@claim("I2", "trust-model", "archive-rule")
def test_a_room_of_1050_exchanges_that_was_archived_several_times_has_the_same_commits() -> None:
    room, package = independent.Room(None), Package()
    room.open()
    package.open()
    play(room, package, 1_050, Random(1))  # noqa: S311 - a game
    archives = sum(b" archives 256 exchanges\n" in raw for raw in room.commits.values())
    assert archives == 3
    assert len(package.commit_ids) == len(set(package.commit_ids)) > 2_000
    assert package.commit_ids == room.commit_ids


@claim("I2", "trust-model")
@settings(max_examples=25)
@given(
    st.binary(min_size=32, max_size=32),
    st.lists(st.tuples(st.sampled_from(PEERS), texts(100), st.none() | texts(10), st.lists(texts(10), max_size=3))),
)
def test_any_texts_make_the_same_commits(
    secret: bytes, exchanges: list[tuple[str, str, str | None, list[str]]]
) -> None:
    token = format_token(secret)
    room, package = independent.Room(None, token), Package(token)
    room.open()
    package.open()
    for number, (asker, text, hint, sources) in enumerate(exchanges):
        question_id = room.ask(START_MS + number, asker, text, hint)
        package.ask(question_id, asker, text, hint)
        if number % 3:
            room.answer(question_id, text, sources, START_MS + 999)
            package.answer(question_id, text, sources, START_MS + 999)
    assert package.commit_ids == room.commit_ids


def test_both_know_the_room_by_the_same_branch() -> None:
    room_id = RoomKeys.from_token(independent.TOKEN).room_id
    assert independent.Room(None).branch == branch_ref(room_id) == "refs/heads/peer-relay/duphlmqjg6ppk7fb"


@claim("trust-model", "I1", "I2")
def test_plain_git_finds_a_sound_room_and_the_package_reads_every_byte_of_it(tmp_path: Path, git: Git) -> None:
    mailbox = tmp_path / "mailbox.git"
    room, package = independent.Room(mailbox), Package()
    with room.in_bulk():
        room.open()
        package.open()
        play(room, package, 530, Random(2))  # noqa: S311 - a game
    assert git(mailbox, "rev-parse", room.branch) == package.commit_ids[-1]
    assert git(mailbox, "fsck", "--strict", "--full") == ""
    for raw in room.commits.values():
        parsed = take_apart(raw)
        assert has_right_mac(parsed, package.keys.mac_key)
    names = git(mailbox, "ls-tree", "-r", "--name-only", room.branch).split("\n")
    assert Ledger.from_paths(package.ledger.room, names) == package.ledger
    kinds: dict[Kind, type[Question | Answer]] = {Kind.QUESTION: Question, Kind.ANSWER: Answer}
    for name in names[:-1][:: len(names) // 20]:
        data = git(mailbox, "cat-file", "blob", f"{room.branch}:{name}").encode() + b"\n"
        record = parse(kinds[parse_path(name).kind], data)
        package.ledger.check_record(parse_path(name), record)


@claim("trust-model", "I1")
def test_the_audit_with_plain_git_finds_nothing_in_a_room_that_was_archived(tmp_path: Path, git: Git) -> None:
    room = independent.Room(tmp_path / "mailbox.git")
    with room.in_bulk():
        room.open()
        for number in range(520):
            room.answer(room.ask(START_MS + number, PEERS[number % 2], f"question {number}"), "answer")
    mailbox = tmp_path / "mailbox.git"
    assert git(mailbox, "rev-list", "--min-parents=2", room.branch) == ""
    changes = ("log", "-m", "--first-parent", "--no-renames", "--diff-filter=CMRTUX")
    assert git(mailbox, *changes, room.branch) == ""
    additions = ("log", "--no-renames", "--diff-filter=A", "--name-only", "--format=")
    added = git(mailbox, *additions, room.branch).split("\n")
    assert len(added) == len(set(added)) == 1 + 2 * 520
    assert (
        git(mailbox, "log", "--diff-filter=D", "--format=%an|%s", room.branch) == "alice|alice archives 256 exchanges"
    )


# ----------------------------------------------------------------------------------------------------------------------
# The second implementation itself


def test_it_imports_nothing_of_the_package() -> None:
    tree = ast.parse(Path(independent.__file__).read_text(encoding="utf-8"))
    imported = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    imported += [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    assert not [name for name in imported if name.startswith(("peer_relay", "pydantic", "dulwich", "ulid"))]


def test_it_makes_the_golden_files() -> None:
    room = independent.Room(None)
    room.open()
    room.ask(ID, "alice", "Why does the session token expire after 15 minutes?")
    room.answer(ID, "The auditors asked for it.", (), 1_795_340_060_000)
    golden = [(GOLDEN / f"{name}.commit").read_bytes() for name in ("room", "question", "answer", "archive")]
    assert [*room.commits.values()] == golden[:3]
    assert room.raw_commit("bob", 1_795_340_060, "bob archives 256 exchanges") == golden[3]


def three_exchanges(room: independent.Room) -> None:
    room.open()
    for number in range(3):
        room.answer(room.ask(START_MS + number, "alice", "why? " * 300 * number + "?"), "because", ["a", "b"])


def test_loose_objects_and_a_pack_hold_the_same_room(tmp_path: Path, git: Git) -> None:
    loose, packed = independent.Room(tmp_path / "loose.git"), independent.Room(tmp_path / "packed.git")
    three_exchanges(loose)
    with packed.in_bulk():
        three_exchanges(packed)
    listings = []
    for mailbox in (tmp_path / "loose.git", tmp_path / "packed.git"):
        assert git(mailbox, "rev-parse", loose.branch) == loose.commit_ids[-1] == packed.commit_ids[-1]
        assert git(mailbox, "fsck", "--strict", "--full") == ""
        listings.append(git(mailbox, "ls-tree", "-r", loose.branch))
    assert listings[0] == listings[1]
    assert not [*(tmp_path / "packed.git" / "objects").glob("??/*")]


def test_git_itself_computes_the_same_ids(tmp_path: Path, git: Git) -> None:
    room = independent.Room(tmp_path / "mailbox.git")
    room.open()
    raw = room.commits[room.commit_ids[0]]
    assert git(tmp_path, "hash-object", "-t", "commit", "--stdin", data=raw) == room.commit_ids[0]
    blob = (GOLDEN / "room.json").read_bytes()
    assert git(tmp_path, "hash-object", "-t", "blob", "--stdin", data=blob) == room.files["room.json"]
    listing = f"100644 blob {room.files['room.json']}\troom.json\n".encode()
    tree = git(tmp_path / "mailbox.git", "mktree", data=listing)
    assert tree == room.tip_tree()
    assert raw.startswith(f"tree {tree}\n".encode())
