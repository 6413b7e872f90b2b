"""Rooms of many exchanges, generated once and kept: what an old mailbox looks like on a host that collects garbage.

Everything in them is made by `tests.independent`, the second implementation of the format, so that nothing of
peer-relay decides how long peer-relay takes. A room is written straight into one pack, because a hundred thousand
exchanges do not fit into memory, and packed again by git, as a host does.

The rooms end at the same moment and hold the same number of exchanges at the tip; only the history differs.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
import zlib
from pathlib import Path
from typing import IO, TYPE_CHECKING, Self

from tests import independent
from tests.servers import GIT_ENVIRONMENT, create_repository, run_git

if TYPE_CHECKING:
    from collections.abc import Sequence

YOUNG, GROWN, OLD = 300, 10_028, 100_140
"""Numbers of exchanges. Each archive commit leaves 256 at the tip, so all three rooms have 300 there."""

QUESTION = "Why does the session token expire after 15 minutes? Mobile users are logged out. Case {}."
ANSWER = "Because an access token cannot be revoked: 15 minutes is how long a stolen one works."
SOURCES = ("docs/decisions/0007-short-lived-tokens.md", "src/auth/session.py:42")

BETWEEN_MS = 36 * 60_000
KEPT = 256
FULL = 512
_HEADER_BYTES = 12
_STRETCH_BYTES = 1 << 20


def make_room(path: Path, exchanges: int) -> Path:
    """Make a bare repository with one room, packed as `git gc` packs it.

    Args:
        path: where; nothing is there yet.
        exchanges: how many, each with its answer.

    Returns:
        The path.
    """
    create_repository(path)
    with _PackFile(path.with_suffix(".pack")) as pack:
        room = _Line(pack)
        room.open(independent.START_MS - (exchanges + 1) * BETWEEN_MS)
        for number in range(exchanges):
            asked_ms = independent.START_MS - (exchanges - number) * BETWEEN_MS
            room.exchange(asked_ms, ("alice", "bob")[number % 2], QUESTION.format(number))
    pack.move_to(path)
    run_git("update-ref", room.branch, room.tip, cwd=path)
    # What `git gc` does, except that it would find no differences between objects that came in one pack. The reverse
    # index is written by default since git 2.41; without it each fetch makes one, which takes 60 ms of an old room's.
    _git(path, "-c", "pack.writeReverseIndex=true", "repack", "-a", "-d", "-f", "-q", "--write-bitmap-index")
    _git(path, "pack-refs", "--all")
    _git(path, "commit-graph", "write", "--reachable", "--no-progress")
    return path


def cached_room(cache: Path, exchanges: int) -> Path:
    """Return a room that must not be changed, generated the first time; its folder is called after what made it."""
    path = cache / f"room-{exchanges}-{_maker()}.git"
    stamp = path.with_suffix(".json")
    if stamp.exists() and path.is_dir() and json.loads(stamp.read_text()) == _contents(path):
        return path
    print(f"generating a room of {exchanges:,} exchanges, once", file=sys.stderr)
    begun = time.monotonic()
    stamp.unlink(missing_ok=True)
    shutil.rmtree(path, ignore_errors=True)
    cache.mkdir(parents=True, exist_ok=True)
    make_room(path, exchanges)
    stamp.write_text(json.dumps(_contents(path)))
    print(f"generated in {time.monotonic() - begun:.0f} s", file=sys.stderr)
    return path


def copied(room: Path, to: Path) -> Path:
    """Return a copy of a room that may be changed."""
    return shutil.copytree(room, to)


def _git(repository: Path, *arguments: str, stdin: IO[bytes] | None = None) -> None:
    """Run git for as long as it takes."""
    environment = os.environ | GIT_ENVIRONMENT
    command = ["git", "-C", str(repository), *arguments]
    subprocess.run(command, env=environment, check=True, stdin=stdin, stdout=subprocess.DEVNULL)


def _maker() -> str:
    """Return what tells one generator from another: the beginning of the hash of its source."""
    sources = (Path(__file__), Path(independent.__file__))
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:12]


def _contents(path: Path) -> dict[str, str | int]:
    """Return the tip, and each file of a repository with its size."""
    found: dict[str, str | int] = {
        file.relative_to(path).as_posix(): file.stat().st_size for file in sorted(path.rglob("*")) if file.is_file()
    }
    return found | {"tip": run_git("for-each-ref", "--format=%(objectname)", cwd=path).decode().strip()}


class _PackFile:
    """A pack that is written object by object, with no more in memory than the names of what is in it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._names: set[bytes] = set()

    def __enter__(self) -> Self:
        self._file = self._path.open("w+b")
        self._file.write(bytes(_HEADER_BYTES))
        return self

    def __exit__(self, *_error: object) -> None:
        self._file.seek(0)
        self._file.write(b"PACK" + (2).to_bytes(4) + len(self._names).to_bytes(4))
        self._file.seek(0)
        sum_of_all = hashlib.sha1(usedforsecurity=False)
        while stretch := self._file.read(_STRETCH_BYTES):
            sum_of_all.update(stretch)
        self._file.write(sum_of_all.digest())
        self._file.close()

    def add(self, kind: str, content: bytes) -> str:
        """Add an object unless it is there; return its name."""
        name = hashlib.sha1(f"{kind} {len(content)}\0".encode() + content, usedforsecurity=False)
        if name.digest() not in self._names:
            self._names.add(name.digest())
            self._file.write(_head(kind, len(content)) + zlib.compress(content, 1))
        return name.hexdigest()

    def move_to(self, repository: Path) -> None:
        """Give the pack to a repository."""
        with self._path.open("rb") as file:
            _git(repository, "index-pack", "--stdin", stdin=file)
        self._path.unlink()


def _head(kind: str, size: int) -> bytes:
    head, size = independent.KINDS.index(kind) << 4 | size & 15, size >> 4
    data = bytearray()
    while size:
        data.append(head | 128)
        head, size = size & 127, size >> 7
    return bytes([*data, head])


class _Line(independent.Room):
    """A room that remembers its tip alone, so that the next record costs the same at any age."""

    def __init__(self, pack: _PackFile) -> None:
        super().__init__(None)
        self._pack = pack
        self._days: dict[str, dict[str, dict[str, tuple[str, str]]]] = {}
        self._day_trees: dict[str, dict[str, tuple[str, str]]] = {}
        self._answered: list[tuple[str, str, str]] = []

    @property
    def tip(self) -> str:
        """The newest commit's name."""
        return self.commit_ids[-1]

    def exchange(self, asked_ms: int, asker: str, question: str) -> None:
        """Ask and answer a question."""
        question_id = self.ask(asked_ms, asker, question)
        self.answer_at(f"{asker}/{independent.written(asked_ms)[:10]}/{question_id}.question.json")

    def answer_at(self, path: str) -> None:
        """Answer a question that the other peer asked."""
        self.archive_if_due()
        asker, day, name = path.split("/")
        question_id = name.partition(".")[0]
        peer = self.peers[1 - self.peers.index(asker)]
        ms = independent.ulid_ms(question_id) + 60_000
        answer = {"id": question_id, "room": self.room_id, "answer": ANSWER, "sources": [*SOURCES]}
        answer["answered_at"] = independent.written(ms)
        self._answered.append((question_id, asker, day))
        path = path.replace(".question.json", ".answer.json")
        self.add(path, answer, peer, ms // 1000, f"{peer} answers: {independent.cut(ANSWER)}", question_id)

    def archive_if_due(self) -> bool:
        """Add the archive commit if it is due; ids grow, so the oldest ones come first."""
        if len(self._answered) < FULL:
            return False
        stamp = self.commits[self.tip].split(b"\nauthor ")[1].split(b"\n")[0].decode()
        peer, seconds = stamp.split(" ")[0], int(stamp.split(" ")[2])
        gone, self._answered = self._answered[:-KEPT], self._answered[-KEPT:]
        for question_id, asker, day in gone:
            for kind in ("question", "answer"):
                del self._days[asker][day][f"{question_id}.{kind}.json"]
        for asker, day in {(asker, day) for _, asker, day in gone}:
            self._write_day(asker, day)
        self.push(self.raw_commit(peer, seconds, f"{peer} archives {KEPT} exchanges"))
        return True

    def add(self, path: str, fields: object, peer: str, seconds: int, *message: str) -> str:
        """Add one record."""
        blob = self.write_blob(independent.canonical(fields))  # type: ignore[arg-type]
        folder, _, name = path.rpartition("/")
        if folder:
            asker, day = folder.split("/")
            self._days.setdefault(asker, {}).setdefault(day, {})[name] = (independent.FILE, blob)
            self._write_day(asker, day)
        else:
            self.files[name] = blob
        return self.push(self.raw_commit(peer, seconds, *message))

    def tip_tree(self) -> str:
        """Write the root's tree; those of the days are written."""
        entries = {name: (independent.FILE, blob) for name, blob in self.files.items()}
        for asker, days in self._day_trees.items():
            if days:
                entries[asker] = (independent.FOLDER, self.write_tree(days))
        return self.write_tree(entries)

    def push(self, raw: bytes) -> str:
        """Write a commit, and forget the one before it."""
        commit = self.write_commit(raw)
        self.commit_ids, self.commits = [*self.commit_ids[-1:], commit], {commit: raw}
        return commit

    def write(self, kind: str, content: bytes) -> str:
        """Write any object."""
        return self._pack.add(kind, content)

    def _write_day(self, asker: str, day: str) -> None:
        files, trees = self._days[asker][day], self._day_trees.setdefault(asker, {})
        if files:
            trees[day] = (independent.FOLDER, self.write_tree(files))
        else:
            del self._days[asker][day], trees[day]


def main(arguments: Sequence[str]) -> None:
    """Make rooms of given sizes in a folder: `python -m benchmarks.rooms FOLDER NUMBER...`."""
    folder, *numbers = arguments
    for number in map(int, numbers):
        print(make_room(Path(folder) / f"{number}.git", number))


if __name__ == "__main__":
    main(sys.argv[1:])
