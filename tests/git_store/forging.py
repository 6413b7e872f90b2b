"""Commits that a holder of the room token could push, and that a room does not allow.

Every forgery bears a right Room-Mac unless that is what is wrong with it, so that it is refused for what it is.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Any

from tests.independent import START_MS, canonical, cut, ulid, ulid_ms, written

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.independent import Room


HOUR_MS = 3_600_000
ANSWERED, OPEN, BOBS = (ulid(START_MS + number * HOUR_MS, number) for number in (1, 2, 3))
"""The questions of `tell`: alice's that bob answered, alice's that is open, bob's that is open."""

GOOD, NEW, LATER = (ulid(START_MS + number * HOUR_MS, number) for number in (4, 5, 6))
"""Ids that are still free then."""


def tell(room: Room) -> None:
    """Let a room begin: an answered question and two open ones."""
    room.open()
    room.ask(ANSWERED, "alice", "Why fifteen minutes?", "session tokens")
    room.answer(ANSWERED, "Because of the audit.", ["docs/audit.md:12"])
    room.ask(OPEN, "alice", "And who decided?")
    room.ask(BOBS, "bob", "Which branch?")


def question(room: Room, question_id: str = NEW, asker: str = "alice", **changes: object) -> dict[str, Any]:
    """Return the fields of a question, some of them changed."""
    fields = {"id": question_id, "room": room.room_id, "asker_id": asker, "question": "What now?"}
    return fields | {"asked_at": written(ulid_ms(question_id))} | changes


def answer(room: Room, question_id: str = OPEN, **changes: object) -> dict[str, Any]:
    """Return the fields of an answer, some of them changed."""
    fields = {"id": question_id, "room": room.room_id, "answer": "This.", "sources": []}
    return fields | {"answered_at": written(ulid_ms(question_id) + 1000)} | changes


def path_of(question_id: str, kind: str = "question", asker: str = "alice") -> str:
    return f"{asker}/{written(ulid_ms(question_id))[:10]}/{question_id}.{kind}.json"


def seal(room: Room, raw: bytes) -> bytes:
    """Replace the Room-Mac of a commit by the right one for whatever it says now."""
    covered = raw[: raw.rindex(b"Room-Mac: ")]
    return covered + b"Room-Mac: " + hmac.new(room.mac_key, covered, hashlib.sha256).hexdigest().encode() + b"\n"


def commit_question(
    room: Room,
    fields: Mapping[str, Any] | None = None,
    *,
    data: bytes | None = None,
    edit: Callable[[bytes], bytes] = bytes,
    path: str | None = None,
    others: Mapping[str, str | None] | None = None,
    peer: str | None = None,
    **parts: Any,
) -> str:
    """Push the commit of a question, some parts of it other than they should be.

    Args:
        room: gets the commit.
        fields: of the question; those of a good one by default.
        data: the file instead.
        edit: changes the commit before it is sealed.
        path: where the file is put.
        others: blob ids by path of files to add or, with None, to remove.
        peer: the author.
        parts: seconds, subject and question_id, and tree, parents and signature as for `raw_commit`.
    """
    fields = question(room) if fields is None else fields
    asker, ms = fields["asker_id"], ulid_ms(fields["id"])
    blob = room.write_blob(canonical(fields) if data is None else data)
    files = room.files | {path or path_of(fields["id"], asker=asker): blob, **(others or {})}
    return _push(
        room,
        {name: blob for name, blob in files.items() if blob is not None},
        edit,
        parts,
        peer=peer or asker,
        seconds=ms // 1000,
        subject=f"{peer or asker} asks: {cut(fields['question'])}",
        question_id=fields["id"],
    )


def commit_answer(
    room: Room,
    fields: Mapping[str, Any] | None = None,
    *,
    data: bytes | None = None,
    asker: str = "alice",
    peer: str = "bob",
    path: str | None = None,
    **parts: Any,
) -> str:
    """Push the commit of an answer, some parts of it other than they should be."""
    fields = answer(room) if fields is None else fields
    blob = room.write_blob(canonical(fields) if data is None else data)
    return _push(
        room,
        room.files | {path or path_of(fields["id"], "answer", asker): blob},
        bytes,
        parts,
        peer=peer,
        seconds=ulid_ms(fields["id"]) // 1000 + 1,
        subject=f"{peer} answers: {cut(fields['answer'])}",
        question_id=fields["id"],
    )


def commit_archive(room: Room, gone: list[str], **parts: Any) -> str:
    """Push an archive commit that takes these exchanges off the tip."""
    files = {path: blob for path, blob in room.files.items() if not any(each in path for each in gone)}
    stamp = room.commits[room.commit_ids[-1]].split(b"\nauthor ")[1].split(b"\n")[0].decode().split(" ")
    subject = f"{stamp[0]} archives 256 exchanges"
    return _push(room, files, bytes, parts, peer=stamp[0], seconds=int(stamp[2]), subject=subject)


def _push(
    room: Room, files: Mapping[str, str], edit: Callable[[bytes], bytes], parts: Mapping[str, Any], **usual: Any
) -> str:
    arguments = {"tree": room.tree_of(files), **usual, **parts}
    return room.push(seal(room, edit(room.raw_commit(**arguments))))
