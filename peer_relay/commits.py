"""The exact bytes of every commit of a room, and how a commit is taken apart to be compared with them.

1. A commit is a pure function of its tree, its parent, its record and the room token; only a signature is not (I2).
2. `Room-Mac` is the lower-case hex HMAC-SHA256 over the raw commit content without the signature header and without
   the `Room-Mac` line itself. Through the tree it covers every file, through the parent all history.
3. The seconds are those of the record, always in UTC: neither this machine's clock nor its identity enters.
4. A signature stands in one place, after the committer, in one spelling. Archive commits bear none.

This module knows the bytes of commits and nothing of object stores; object ids are 40 hex digits.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from peer_relay.ids import PEER_PATTERN, ULID_PATTERN, ulid_ms
from peer_relay.sshsig import is_exact_signature
from peer_relay.times import parse_ms

if TYPE_CHECKING:
    from peer_relay.records import Answer, Question, Room

MAX_COMMIT_BYTES = 16 * 1024
MAX_SUBJECT_CUT = 72
ARCHIVED_PER_COMMIT = 256

_STRIPPED_FROM_START = " \t\r\n"
_STRIPPED_FROM_END = " \t\r"
_SPACES = str.maketrans("\t\u2028\u2029", "   ")

_FORM = re.compile(
    rb"tree (?P<tree>[0-9a-f]{40})\n"
    rb"(?:parent (?P<parent>[0-9a-f]{40})\n)?"
    rb"author (?P<author>(?P<peer>PEER) <(?P=peer)@peer-relay\.invalid> (?P<seconds>0|[1-9][0-9]{0,11}) \+0000)\n"
    rb"committer (?P=author)\n"
    rb"(?P<header>gpgsig (?P<signature>[^\n]*(?:\n [^\n]*)*)\n)?"
    rb"\n"
    rb"(?P<subject>[^\n]+)\n"
    rb"\n"
    rb"(?:Question-Id: (?P<question_id>ULID)\n)?"
    rb"Room-Mac: (?P<mac>[0-9a-f]{64})\n".replace(b"PEER", PEER_PATTERN.encode()).replace(
        b"ULID", ULID_PATTERN.encode()
    )
)
# The same of a commit that is in no form that is known here.
_SIGNATURE = re.compile(rb"\ngpgsig [^\n]*(?:\n [^\n]*)*\n")
_ENDING = re.compile(rb"(?<=\n)Room-Mac: (?P<mac>[0-9a-f]{64})\n\Z")
_MAC_LINE_BYTES = len(b"Room-Mac: \n") + 64


@dataclass(frozen=True)
class Stamp:
    """Who and when: the author and the committer of a commit are both this.

    Attributes:
        peer: a peer id.
        seconds: whole seconds since 1970.
    """

    peer: str
    seconds: int


@dataclass(frozen=True)
class Message:
    """What a commit says.

    Attributes:
        stamp: author and committer.
        subject: the first line.
        question_id: the `Question-Id` trailer, for questions and answers.
    """

    stamp: Stamp
    subject: str
    question_id: str | None = None


@dataclass(frozen=True)
class ParsedCommit:
    """A commit in the form of a room, taken apart; nothing of it is proved by that.

    Attributes:
        tree: id of its tree.
        parent: id of its parent, None for the room's first.
        message: author, subject and trailer.
        unsigned: the raw content without its signature header.
        signature: the armoured signature, or None.
    """

    tree: str
    parent: str | None
    message: Message
    unsigned: bytes
    signature: bytes | None


def cut(text: str) -> str:
    """Return the beginning of a text for a subject line: at most 72 characters of its first line."""
    line = text.lstrip(_STRIPPED_FROM_START).split("\n", 1)[0].rstrip(_STRIPPED_FROM_END).translate(_SPACES)
    return line if len(line) <= MAX_SUBJECT_CUT else line[: MAX_SUBJECT_CUT - 1] + "…"


def room_message(room: Room) -> Message:
    """Return what the room's first commit says."""
    opener, other = room.peers
    return Message(Stamp(opener, parse_ms(room.created_at) // 1000), f"{opener} opens the room with {other}")


def question_message(question: Question) -> Message:
    """Return what the commit of a question says."""
    stamp = Stamp(question.asker_id, ulid_ms(question.id) // 1000)
    return Message(stamp, f"{question.asker_id} asks: {cut(question.question)}", question.id)


def answer_message(answer: Answer, answerer: str) -> Message:
    """Return what the commit of an answer says.

    Args:
        answer: the record, which does not name its author.
        answerer: the peer that did not ask.
    """
    stamp = Stamp(answerer, parse_ms(answer.answered_at) // 1000)
    return Message(stamp, f"{answerer} answers: {cut(answer.answer)}", answer.id)


def archive_message(parent: Stamp) -> Message:
    """Return what an archive commit says: it bears the stamp of its parent."""
    return Message(parent, f"{parent.peer} archives {ARCHIVED_PER_COMMIT} exchanges")


def build(tree: str, parent: str | None, message: Message, mac_key: bytes) -> bytes:
    """Return the raw content of an unsigned commit.

    Args:
        tree: id of the tree.
        parent: id of the parent, None for the room's first.
        message: what it says.
        mac_key: the room's.
    """
    who = f"{message.stamp.peer} <{message.stamp.peer}@peer-relay.invalid> {message.stamp.seconds} +0000"
    lines = [f"tree {tree}"]
    if parent is not None:
        lines.append(f"parent {parent}")
    lines += [f"author {who}", f"committer {who}", "", message.subject, ""]
    if message.question_id is not None:
        lines.append(f"Question-Id: {message.question_id}")
    content = ("\n".join(lines) + "\n").encode()
    return content + f"Room-Mac: {_mac(content, mac_key)}\n".encode()


def with_signature(unsigned: bytes, armoured: bytes) -> bytes:
    """Return the raw content of a commit with a signature of its unsigned content.

    Args:
        unsigned: as `build` returns it.
        armoured: the signature in its one spelling.
    """
    headers, _, message = unsigned.partition(b"\n\n")
    return headers + b"\ngpgsig " + armoured.replace(b"\n", b"\n ") + b"\n\n" + message


def commit_id(raw: bytes) -> str:
    """Return the object id of a commit's raw content (SHA-1, as git computes it)."""
    return hashlib.sha1(b"commit %d\0" % len(raw) + raw, usedforsecurity=False).hexdigest()


@functools.lru_cache(4)
def take_apart(raw: bytes) -> ParsedCommit:
    """Take a commit apart; the one before was mostly taken apart just now.

    Args:
        raw: the content of the object, without git's header.

    Raises:
        ValueError: it is not in the form of a room's commits; the text is a clause that says what is wrong.
    """
    if len(raw) > MAX_COMMIT_BYTES:
        raise ValueError(f"it is larger than {MAX_COMMIT_BYTES:,} bytes")
    match = _FORM.fullmatch(raw)
    if match is None:
        raise ValueError(_what_is_wrong(raw))
    parent, question_id = match["parent"], match["question_id"]
    signature = _signature(match)
    if signature is not None and parent and not question_id:
        raise ValueError("it is signed and adds no record")
    start, end = match.span("header") if signature is not None else (0, 0)
    return ParsedCommit(
        tree=match["tree"].decode(),
        parent=parent.decode() if parent else None,
        message=Message(
            Stamp(match["peer"].decode(), int(match["seconds"])),
            _subject(match),
            question_id.decode() if question_id else None,
        ),
        unsigned=raw[:start] + raw[end:],
        signature=signature,
    )


def ends_with_right_mac(raw: bytes, mac_key: bytes) -> bool:
    """Return whether a commit was made by a holder of the room's key, be it in a form that is not known here.

    Args:
        raw: the content of the object, without git's header.
        mac_key: the room's.
    """
    match = _ENDING.search(_SIGNATURE.sub(b"\n", raw, count=1))
    return match is not None and hmac.compare_digest(
        match["mac"].decode(), _mac(match.string[: match.start()], mac_key)
    )


def has_right_mac(commit: ParsedCommit, mac_key: bytes) -> bool:
    """Return whether the commit was made by a holder of the room token. Needs neither its parent nor its tree."""
    covered, mac_line = commit.unsigned[:-_MAC_LINE_BYTES], commit.unsigned[-_MAC_LINE_BYTES:]
    return hmac.compare_digest(mac_line, f"Room-Mac: {_mac(covered, mac_key)}\n".encode())


def _mac(content: bytes, mac_key: bytes) -> str:
    # At once in C, where an `HMAC` object takes three times as long.
    return hmac.digest(mac_key, content, "sha256").hex()


def _subject(match: re.Match[bytes]) -> str:
    try:
        return match["subject"].decode()
    except UnicodeDecodeError:
        raise ValueError("its subject is not UTF-8") from None


def _signature(match: re.Match[bytes]) -> bytes | None:
    """Return the armoured signature without the spaces that begin its further lines in the header."""
    if match["header"] is None:
        return None
    armoured = match["signature"].replace(b"\n ", b"\n")
    if not is_exact_signature(armoured):
        raise ValueError("its signature is not an SSH signature for git in its one spelling")
    return armoured


def _what_is_wrong(raw: bytes) -> str:
    """Say the most telling thing about a commit that is not in the form."""
    headers, _, message = raw.partition(b"\n\n")
    if headers.count(b"\nparent ") > 1:
        return "it is a merge"
    if b"\nRoom-Mac: " not in message:
        return "it bears no Room-Mac"
    return "its headers or its message are not in the form of a room's commits"
