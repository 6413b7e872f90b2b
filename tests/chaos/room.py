"""The mailbox of a run as plain git and a second implementation see it, archive commits included."""

from __future__ import annotations

import calendar
import json
import time
from typing import TYPE_CHECKING, Any

from tests import independent
from tests.chaos.checker import Stored
from tests.servers import run_git

if TYPE_CHECKING:
    from pathlib import Path


def stored_in(repository: Path, token: str) -> list[Stored]:
    """Return the records of a room in the order of its branch.

    Raises:
        AssertionError: git finds something wrong with the repository, something was changed, or a commit is not, byte
            for byte, the one that a program written from the description of the format makes of the same records.
    """
    branch = independent.Room(None, token).branch
    _audit(repository, branch)
    commits = _commits(repository, branch)
    first, records = commits[0][1], commits[1:]
    replay = independent.Room(None, token, tuple(first["peers"]))
    replay.open(_ms(first["created_at"]))
    for path, record in records:
        if path.endswith(".question.json"):
            replay.ask(record["id"], record["asker_id"], record["question"], record.get("context_hint"))
        else:
            replay.answer(record["id"], record["answer"], record["sources"], _ms(record["answered_at"]))
    assert _git(repository, "rev-list", "--reverse", branch).split() == replay.commit_ids
    return [_stored(path, record, replay.peers) for path, record in records]


def _stored(path: str, record: dict[str, Any], peers: tuple[str, str]) -> Stored:
    asker = path.partition("/")[0]
    if path.endswith(".question.json"):
        return Stored(is_answer=False, question_id=record["id"], author=asker, text=record["question"])
    other = peers[1 - peers.index(asker)]
    return Stored(is_answer=True, question_id=record["id"], author=other, text=record["answer"])


def _audit(repository: Path, branch: str) -> None:
    """Ask what anybody can ask who has nothing but git."""
    _git(repository, "fsck", "--strict", "--no-dangling")
    assert _git(repository, "rev-list", "--min-parents=2", branch) == ""
    changed = ("log", "-m", "--first-parent", "--no-renames", "--diff-filter=CMRTUX", branch)
    assert _git(repository, *changed) == ""
    added = _git(repository, "log", "--no-renames", "--diff-filter=A", "--name-only", "--format=", branch).split()
    assert len(added) == len(set(added))
    removing = _git(repository, "log", "--no-renames", "--diff-filter=D", "--format=%s", branch).splitlines()
    assert [subject for subject in removing if not subject.endswith(" archives 256 exchanges")] == []


def _commits(repository: Path, branch: str) -> list[tuple[str, dict[str, Any]]]:
    """Return what each commit added, oldest first: its path and its record."""
    what = ("--no-renames", "--diff-filter=A", "--name-only", "--format=%x00%H")
    parts = [part.split() for part in _git(repository, "log", "--reverse", *what, branch).split("\0")[1:]]
    asked = [(commit, path) for commit, *paths in parts for path in paths]
    names = "".join(f"{commit}:{path}\n" for commit, path in asked)
    blobs = run_git("cat-file", "--batch", cwd=repository, data=names.encode())
    found, at = [], 0
    for _, path in asked:
        begin = blobs.index(b"\n", at) + 1
        end = begin + int(blobs[at:begin].split()[2])
        found.append((path, json.loads(blobs[begin:end])))
        at = end + 1
    return found


def _git(repository: Path, *arguments: str) -> str:
    return run_git(*arguments, cwd=repository).decode()


def _ms(written: str) -> int:
    return calendar.timegm(time.strptime(written[:19], "%Y-%m-%dT%H:%M:%S")) * 1000 + int(written[20:23])
