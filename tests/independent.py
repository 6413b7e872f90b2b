"""A second implementation of a room's format, written from its description alone; it imports nothing of peer_relay.

It makes legitimate rooms, on disk or, without a repository, in memory only, and it has the low-level means to make
rooms that are not. What it writes are git's own loose objects, so plain git can look at all of it.
"""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import hashlib
import hmac
import json
import subprocess
import zlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from pathlib import Path

DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
FILE, FOLDER = "100644", "40000"
KINDS = (None, "commit", "tree", "blob")
START_MS = 1_795_340_000_123
"""2026-11-22T09:33:20.123Z, when a room opens unless told otherwise."""


def make_token(secret: bytes) -> str:
    body = "prt1-" + base64.b32encode(secret).decode().lower().rstrip("=")
    return body + base64.b32encode(hashlib.sha256(body.encode()).digest()).decode().lower()[:4]


TOKEN = make_token(bytes(range(32)))


def derive(token: str, info: str, length: int) -> bytes:
    """HKDF-SHA256 with an empty salt: extract, then one block of expand (RFC 5869)."""
    secret = base64.b32decode(token[5:57].upper() + "====")
    key = hmac.new(b"", secret, hashlib.sha256).digest()
    return hmac.new(key, info.encode() + b"\x01", hashlib.sha256).digest()[:length]


def ulid(ms: int, random: int = 0) -> str:
    return "".join(DIGITS[(ms << 80 | random) >> shift & 31] for shift in range(125, -1, -5))


def ulid_ms(ulid: str) -> int:
    return sum(DIGITS.index(digit) << 5 * (9 - place) for place, digit in enumerate(ulid[:10]))


def written(ms: int) -> str:
    moment = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(milliseconds=ms)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03}Z"


def canonical(fields: Mapping[str, Any]) -> bytes:
    return (json.dumps(fields, ensure_ascii=False, indent=2) + "\n").encode()


def cut(text: str) -> str:
    line = text.lstrip(" \t\r\n").split("\n")[0].rstrip(" \t\r")
    line = line.replace("\t", " ").replace("\u2028", " ").replace("\u2029", " ")
    return line if len(line) <= 72 else line[:71] + "…"


def pack(objects: Collection[tuple[str, bytes]], level: int = 1) -> bytes:
    """Return a pack, version 2, of whole objects, each given as its kind and its content, compressed at `level`."""
    data = bytearray(b"PACK" + (2).to_bytes(4) + len(objects).to_bytes(4))
    for kind, content in objects:
        head, size = KINDS.index(kind) << 4 | len(content) & 15, len(content) >> 4
        while size:
            data.append(head | 128)
            head, size = size & 127, size >> 7
        data.append(head)
        data += zlib.compress(content, level)
    return bytes(data + hashlib.sha1(data, usedforsecurity=False).digest())


class Files(dict[str, str]):
    """Blob id by path, and beside it what a tree is made of: blob id by name, by folder.

    Attributes:
        trees: the id of each folder's tree that was written and is still true.
    """

    def __init__(self, files: Mapping[str, str]) -> None:
        super().__init__()
        self.names: dict[str, dict[str, str]] = {}
        self.trees: dict[str, str] = {}
        for path, blob in files.items():
            self[path] = blob

    def __setitem__(self, path: str, blob: str) -> None:
        super().__setitem__(path, blob)
        folder, _, name = path.rpartition("/")
        self.names.setdefault(folder, {})[name] = blob
        self._forget(folder)

    def __delitem__(self, path: str) -> None:
        super().__delitem__(path)
        folder, _, name = path.rpartition("/")
        del self.names[folder][name]
        if not self.names[folder]:
            del self.names[folder]
        self._forget(folder)

    def _forget(self, folder: str) -> None:
        while folder:
            self.trees.pop(folder, None)
            folder = folder.rpartition("/")[0]
        self.trees.pop("", None)


class Room:
    """A room that grows record by record.

    Attributes:
        commit_ids: every commit from the first on; the last is the tip.
        commits: raw content by commit id.
    """

    def __init__(self, git_dir: Path | None, token: str = TOKEN, peers: tuple[str, str] = ("alice", "bob")) -> None:
        self.git_dir, self.peers = git_dir, peers
        self.room_id = base64.b32encode(derive(token, "peer-relay/1/room-id", 10)).decode().lower()
        self.mac_key = derive(token, "peer-relay/1/mac", 32)
        self.branch = f"refs/heads/peer-relay/{self.room_id}"
        self.files = {}
        self.commit_ids: list[str] = []
        self.commits: dict[str, bytes] = {}
        self._bulk: dict[str, tuple[str, bytes]] | None = None
        if git_dir is not None and not (git_dir / "HEAD").exists():
            subprocess.run(["git", "init", "--quiet", "--bare", git_dir], check=True, timeout=30)

    @property
    def files(self) -> Files:
        """Blob id by path, as the tip shows them; what is changed here is in the next commit's tree."""
        return self._files

    @files.setter
    def files(self, files: Mapping[str, str]) -> None:
        self._files = Files(files)

    # What a peer does

    def open(self, created_ms: int = START_MS) -> str:
        opener, other = self.peers
        room = {"format": 1, "room": self.room_id, "peers": list(self.peers), "created_at": written(created_ms)}
        return self.add("room.json", room, opener, created_ms // 1000, f"{opener} opens the room with {other}")

    def ask(self, id_or_ms: str | int, asker: str, text: str, hint: str | None = None) -> str:
        """Add a question, after an archive commit if one is due; return its id."""
        self.archive_if_due()
        chosen = ulid(id_or_ms, len(self.commit_ids)) if isinstance(id_or_ms, int) else id_or_ms
        ms = ulid_ms(chosen)
        question = {"id": chosen, "room": self.room_id, "asker_id": asker, "question": text}
        if hint is not None:
            question["context_hint"] = hint
        question["asked_at"] = written(ms)
        path = f"{asker}/{written(ms)[:10]}/{chosen}.question.json"
        self.add(path, question, asker, ms // 1000, f"{asker} asks: {cut(text)}", chosen)
        return chosen

    def answer(self, question_id: str, text: str, sources: Sequence[str] = (), answered_ms: int | None = None) -> str:
        """Add the other peer's answer, a minute later unless told otherwise; return the commit's id."""
        self.archive_if_due()
        path = next(path for path in reversed(self.files) if question_id in path and self._is_open(path))
        peer = self.peers[1 - self.peers.index(path.split("/")[0])]
        ms = ulid_ms(question_id) + 60_000 if answered_ms is None else answered_ms
        answer: dict[str, Any] = {"id": question_id, "room": self.room_id, "answer": text}
        answer |= {"sources": [*sources], "answered_at": written(ms)}
        path = path.replace(".question.json", ".answer.json")
        return self.add(path, answer, peer, ms // 1000, f"{peer} answers: {cut(text)}", question_id)

    def archive_if_due(self) -> bool:
        """Add the archive commit if the tip holds 512 answered exchanges."""
        if len(self.files) < 2 * 512:
            return False
        answered = [path for path in self.files if path.endswith(".answer.json")]
        if len(answered) < 512:
            return False
        for path in sorted(answered, key=lambda path: path.split("/")[2])[:-256]:
            del self.files[path], self.files[path.replace(".answer.json", ".question.json")]
        stamp = self.commits[self.commit_ids[-1]].split(b"\nauthor ")[1].split(b"\n")[0].decode()
        peer, seconds = stamp.split(" ")[0], int(stamp.split(" ")[2])
        self.push(self.raw_commit(peer, seconds, f"{peer} archives 256 exchanges"))
        return True

    def open_questions(self) -> list[str]:
        return [path for path in self.files if self._is_open(path)]

    def _is_open(self, path: str) -> bool:
        return path.endswith(".question.json") and path.replace(".question.json", ".answer.json") not in self.files

    # What git does

    def add(self, path: str, fields: Mapping[str, Any], peer: str, seconds: int, *message: str) -> str:
        """Add one record of any content at any path; the message is its subject and, if there is one, its id."""
        self.files[path] = self.write_blob(canonical(fields))
        return self.push(self.raw_commit(peer, seconds, *message))

    def raw_commit(
        self,
        peer: str,
        seconds: int,
        subject: str,
        question_id: str | None = None,
        *,
        tree: str | None = None,
        parents: Sequence[str] | None = None,
        signature: str | None = None,
    ) -> bytes:
        """Return a commit with a right MAC; tree and parents are those of the tip unless told otherwise."""
        who = f"{peer} <{peer}@peer-relay.invalid> {seconds} +0000"
        headers = [f"tree {tree or self.tip_tree()}"]
        headers += [f"parent {parent}" for parent in (self.commit_ids[-1:] if parents is None else parents)]
        headers += [f"author {who}", f"committer {who}"]
        trailer = f"Question-Id: {question_id}\n" if question_id else ""
        message = f"\n{subject}\n\n{trailer}"
        covered = ("\n".join(headers) + "\n" + message).encode()
        mac = hmac.new(self.mac_key, covered, hashlib.sha256).hexdigest()
        if signature:
            headers.append("gpgsig " + signature.strip().replace("\n", "\n "))
        return ("\n".join(headers) + "\n" + message + f"Room-Mac: {mac}\n").encode()

    def push(self, raw: bytes) -> str:
        """Write a commit of any content and move the branch to it."""
        commit = self.write_commit(raw)
        self.commit_ids.append(commit)
        self.commits[commit] = raw
        self.set_branch(commit)
        return commit

    def tip_tree(self) -> str:
        """Write the trees of `files`; those of folders that did not change are remembered."""
        return self._tree_below("")

    def _tree_below(self, folder: str) -> str:
        names, trees = self.files.names, self.files.trees
        if folder not in trees:
            entries = {name: (FILE, blob) for name, blob in names.get(folder, {}).items()}
            above = f"{folder}/" if folder else ""
            inside = {each.removeprefix(above).partition("/")[0] for each in names if each.startswith(above)}
            for name in inside - {""}:
                entries[name] = (FOLDER, self._tree_below(above + name))
            trees[folder] = self.write_tree(entries)
        return trees[folder]

    def tree_of(self, files: Mapping[str, str]) -> str:
        """Write the trees of any files, given as blob ids by path; return the root's id."""
        entries: dict[str, tuple[str, str]] = {}
        below: dict[str, dict[str, str]] = {}
        for path, blob in files.items():
            name, slash, rest = path.partition("/")
            if slash:
                below.setdefault(name, {})[rest] = blob
            else:
                entries[name] = (FILE, blob)
        for name, inside in below.items():
            entries[name] = (FOLDER, self.tree_of(inside))
        return self.write_tree(entries)

    def write_tree(self, entries: Mapping[str, tuple[str, str]]) -> str:
        """Write one tree of (mode, id) by name, in git's order: a folder sorts as if its name ended in a slash."""
        ordered = sorted(entries.items(), key=lambda entry: entry[0] + "/" * (entry[1][0] == FOLDER))
        lines = (f"{mode} {name}\0".encode() + bytes.fromhex(sha) for name, (mode, sha) in ordered)
        return self.write("tree", b"".join(lines))

    def write_blob(self, data: bytes) -> str:
        return self.write("blob", data)

    def write_commit(self, raw: bytes) -> str:
        return self.write("commit", raw)

    def write(self, kind: str, content: bytes) -> str:
        data = f"{kind} {len(content)}\0".encode() + content
        sha = hashlib.sha1(data, usedforsecurity=False).hexdigest()
        if self._bulk is not None:
            self._bulk[sha] = (kind, content)
        elif self.git_dir is not None:
            path = self.git_dir / "objects" / sha[:2] / sha[2:]
            if not path.exists():
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(zlib.compress(data, 1))
        return sha

    def set_branch(self, commit: str) -> None:
        if self.git_dir is not None and self._bulk is None:
            path = self.git_dir / self.branch
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(commit + "\n")

    @contextlib.contextmanager
    def in_bulk(self, level: int = 1) -> Iterator[None]:
        """Write nothing inside the block, and at its end all of it as one pack: quick for thousands of records.

        Level 0 compresses nothing, which is the quickest for what hardly gets smaller.
        """
        self._bulk = {}
        yield
        objects, self._bulk = self._bulk, None
        if self.git_dir is not None and objects:
            command = ["git", "-C", str(self.git_dir), "index-pack", "--stdin"]
            subprocess.run(command, input=pack(objects.values(), level), check=True, capture_output=True, timeout=60)
            self.set_branch(self.commit_ids[-1])
