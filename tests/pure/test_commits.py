"""Commits are built to the byte, and only commits in the form of a room's are taken apart."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peer_relay.commits import (
    MAX_COMMIT_BYTES,
    Message,
    ParsedCommit,
    Stamp,
    answer_message,
    archive_message,
    build,
    commit_id,
    cut,
    has_right_mac,
    question_message,
    room_message,
    take_apart,
)
from tests.claims import claim
from tests.independent import cut as independent_cut
from tests.pure.samples import GOLDEN, ID, MAC_KEY, a_question, a_room, an_answer, ids, peers, texts
from tests.pure.test_sshsig import GOOD as SIGNATURE
from tests.pure.test_sshsig import of_size

if TYPE_CHECKING:
    from collections.abc import Callable

ROOM_TREE = "a2a930d15f1a4f9598311bfc8d2faf79c8b66a97"
QUESTION_TREE = "72e3854bb83d4ff203bfaa231094ae89d33bfce9"
ANSWER_TREE = "a78095207613c0d8ce97a74855a12917b15f61a9"
ROOM_COMMIT = "970f81dd888344e0d0e245a2ca1a2993b874f69e"
QUESTION_COMMIT = "f71b1bf6298058d8a3269d35050df0dce464abf6"
ANSWER_COMMIT = "2b82e898b7d0e551aed56c9103d7c82df4dade15"
ARCHIVE_COMMIT = "c4d62a36a3905241ba41bb85483528543fe9ec81"


def golden(name: str) -> bytes:
    return (GOLDEN / f"{name}.commit").read_bytes()


BUILT = {
    "room": (build(ROOM_TREE, None, room_message(a_room()), MAC_KEY), ROOM_COMMIT),
    "question": (build(QUESTION_TREE, ROOM_COMMIT, question_message(a_question()), MAC_KEY), QUESTION_COMMIT),
    "answer": (build(ANSWER_TREE, QUESTION_COMMIT, answer_message(an_answer(), "bob"), MAC_KEY), ANSWER_COMMIT),
    "archive": (
        build(ANSWER_TREE, ANSWER_COMMIT, archive_message(Stamp("bob", 1_795_340_060)), MAC_KEY),
        ARCHIVE_COMMIT,
    ),
}


@claim("I2", "trust-model")
@pytest.mark.parametrize("name", BUILT)
def test_each_kind_of_commit_is_built_as_its_golden_file(name: str) -> None:
    raw, sha = BUILT[name]
    assert raw == golden(name)
    assert commit_id(raw) == sha


# ----------------------------------------------------------------------------------------------------------------------
# Subjects


@pytest.mark.parametrize(
    ("text", "subject"),
    [
        ("short", "short"),
        ("x" * 72, "x" * 72),
        ("x" * 73, "x" * 71 + "…"),
        ("\U0001f600" * 72, "\U0001f600" * 72),
        ("\U0001f600" * 73, "\U0001f600" * 71 + "…"),
        ("x" * 72 + " ", "x" * 72),
        ("x" * 71 + "\ty", "x" * 71 + "…"),
        ("x" * 70 + " y z", "x" * 70 + " …"),
        ("first\nsecond", "first"),
        ("first\r\nsecond", "first"),
        ("first \t\r\nsecond", "first"),
        (" \t\r\n\n  first", "first"),
        ("\n" * 100 + "first", "first"),
        ("a\tb\u2028c\u2029d", "a b c d"),
        ("a\t", "a"),
        ("a\u2028", "a "),
        ("\u2028a", " a"),
        ("\u2028\nb", " "),
        ("\u00a0 a \u00a0", "\u00a0 a \u00a0"),
        ("a  b", "a  b"),
    ],
)
def test_the_beginning_of_a_text_is_cut_for_the_subject(text: str, subject: str) -> None:
    assert cut(text) == subject == independent_cut(text)


@given(texts(100))
def test_a_subject_of_any_legal_text_is_one_short_line(text: str) -> None:
    subject = cut(text)
    assert subject == independent_cut(text)
    assert 1 <= len(subject) <= 72
    assert not set(subject) & set("\t\n\r\u2028\u2029")


# ----------------------------------------------------------------------------------------------------------------------
# Taking apart

stamps = st.builds(Stamp, peers, st.integers(0, 253_402_300_799))
subjects = st.builds("{} {}".format, peers, texts(100).map(cut))
messages = st.builds(Message, stamps, subjects, st.none() | ids)
shas = st.binary(min_size=20, max_size=20).map(bytes.hex)
keys = st.binary(min_size=32, max_size=32)


@given(shas, st.none() | shas, messages, keys)
def test_a_commit_that_was_built_is_taken_apart_into_what_it_was_built_from(
    tree: str, parent: str | None, message: Message, key: bytes
) -> None:
    raw = build(tree, parent, message, key)
    parsed = take_apart(raw)
    assert parsed == ParsedCommit(tree=tree, parent=parent, message=message, unsigned=raw, signature=None)
    assert has_right_mac(parsed, key)
    assert not has_right_mac(parsed, bytes(32) if key != bytes(32) else b"\x01" * 32)


def header(signature: bytes) -> bytes:
    return b"gpgsig " + signature.replace(b"\n", b"\n ") + b"\n"


def signed(raw: bytes, signature: bytes = SIGNATURE) -> bytes:
    return raw.replace(b"\n\n", b"\n" + header(signature) + b"\n", 1)


@pytest.mark.parametrize("name", ["room", "question", "answer"])
def test_a_signature_is_set_aside_and_the_mac_does_not_cover_it(name: str) -> None:
    raw = golden(name)
    parsed = take_apart(signed(raw))
    assert (parsed.unsigned, parsed.signature) == (raw, SIGNATURE)
    assert has_right_mac(parsed, MAC_KEY)


@claim("I2", "isolation")
@pytest.mark.parametrize("name", BUILT)
def test_a_commit_with_any_bit_flipped_is_refused_or_has_a_wrong_mac(name: str) -> None:
    raw = golden(name)
    for bit in range(len(raw) * 8):
        changed = bytearray(raw)
        changed[bit // 8] ^= 1 << bit % 8
        try:
            parsed = take_apart(bytes(changed))
        except ValueError:
            continue
        assert not has_right_mac(parsed, MAC_KEY)


def test_the_mac_covers_all_but_its_own_line() -> None:
    raw = golden("question")
    covered, _, mac = raw.rpartition(b"Room-Mac: ")
    assert hmac.new(MAC_KEY, covered, hashlib.sha256).hexdigest().encode() == mac.rstrip(b"\n")


FORM = "its headers or its message are not in the form of a room's commits"
MERGE = "it is a merge"
NO_MAC = "it bears no Room-Mac"
SIGNATURE_FORM = "its signature is not an SSH signature for git in its one spelling"
AUTHOR = b"author alice <alice@peer-relay.invalid> 1795340000 +0000\n"
COMMITTER = b"committer alice <alice@peer-relay.invalid> 1795340000 +0000\n"
PARENT = b"parent 970f81dd888344e0d0e245a2ca1a2993b874f69e\n"
TREE = b"tree 72e3854bb83d4ff203bfaa231094ae89d33bfce9\n"
TRAILER = f"Question-Id: {ID}\n".encode()


def swap(old: bytes, new: bytes, times: int = 1) -> Callable[[bytes], bytes]:
    def change(raw: bytes) -> bytes:
        assert raw.count(old) == times
        return raw.replace(old, new)

    return change


def stamped(stamp: bytes) -> Callable[[bytes], bytes]:
    return swap(b"1795340000 +0000", stamp, 2)


REFUSED: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "merge": (swap(PARENT, PARENT + PARENT.replace(b"9", b"8")), MERGE),
    "octopus": (swap(PARENT, PARENT * 3), MERGE),
    "no tree": (swap(TREE, b""), FORM),
    "two trees": (swap(TREE, TREE * 2), FORM),
    "capital hex": (swap(b"tree 72e3854bb83d", b"tree 72E3854bb83d"), FORM),
    "SHA-256": (swap(TREE, b"tree " + b"7" * 64 + b"\n"), FORM),
    "parent before the tree": (swap(TREE + PARENT, PARENT + TREE), FORM),
    "encoding": (swap(COMMITTER, COMMITTER + b"encoding UTF-8\n"), FORM),
    "merge tag": (swap(COMMITTER, COMMITTER + b"mergetag object\n"), FORM),
    "unknown header": (swap(COMMITTER, COMMITTER + b"x-payload hello\n"), FORM),
    "unknown header first": (swap(TREE, b"x-payload hello\n" + TREE), FORM),
    "two authors": (swap(AUTHOR, AUTHOR * 2), FORM),
    "two committers": (swap(COMMITTER, COMMITTER * 2), FORM),
    "no author": (swap(AUTHOR, b""), FORM),
    "no committer": (swap(COMMITTER, b""), FORM),
    "committer before author": (swap(AUTHOR + COMMITTER, COMMITTER + AUTHOR), FORM),
    "another committer": (swap(b"committer alice <alice", b"committer bob <bob"), FORM),
    "another committer time": (swap(COMMITTER, COMMITTER.replace(b"000 +", b"001 +")), FORM),
    "another name than address": (swap(b"alice <", b"bob <", 2), FORM),
    "a real address": (swap(b"@peer-relay.invalid", b"@example.com", 2), FORM),
    "a dot for any letter": (swap(b"@peer-relay.invalid", b"@peer-relay-invalid", 2), FORM),
    "capital peer": (swap(b"alice <alice@", b"Alice <Alice@", 2), FORM),
    "long peer": (swap(b"alice <alice@", b"a" * 33 + b" <" + b"a" * 33 + b"@", 2), FORM),
    "another zone": (stamped(b"1795340000 +0100"), FORM),
    "minus zero zone": (stamped(b"1795340000 -0000"), FORM),
    "no zone": (stamped(b"1795340000"), FORM),
    "negative time": (stamped(b"-1795340000 +0000"), FORM),
    "leading zero": (stamped(b"01795340000 +0000"), FORM),
    "plus sign": (stamped(b"+1795340000 +0000"), FORM),
    "fraction": (stamped(b"1795340000.5 +0000"), FORM),
    "13 digits": (stamped(b"1795340000000 +0000"), FORM),
    "two spaces": (stamped(b" 1795340000 +0000"), FORM),
    "digits of another alphabet": (stamped("١٧٩٥٣٤٠٠٠٠ +0000".encode()), FORM),
    "line ends of Windows": (lambda raw: raw.replace(b"\n", b"\r\n"), NO_MAC),
    "carriage return behind a header": (swap(AUTHOR, AUTHOR.replace(b"\n", b"\r\n")), FORM),
    "no line feed at the end": (lambda raw: raw[:-1], FORM),
    "two line feeds at the end": (lambda raw: raw + b"\n", FORM),
    "text at the end": (lambda raw: raw + b"hello\n", FORM),
    "no message": (lambda raw: raw.partition(b"\n\n")[0] + b"\n\n", NO_MAC),
    "headers only": (lambda raw: raw.partition(b"\n\n")[0] + b"\n", NO_MAC),
    "empty": (lambda _: b"", NO_MAC),
    "no subject": (swap(b"alice asks: Why does the session token expire after 15 minutes?\n", b""), FORM),
    "empty subject": (swap(b"alice asks: Why does the session token expire after 15 minutes?", b""), FORM),
    "body": (swap(b"minutes?\n", b"minutes?\n\nA body.\n"), FORM),
    "second line": (swap(b"minutes?\n", b"minutes?\nmore\n"), FORM),
    "two blank lines": (swap(b"minutes?\n\n", b"minutes?\n\n\n"), FORM),
    "another trailer": (swap(TRAILER, TRAILER + b"Signed-off-by: alice\n"), FORM),
    "two ids": (swap(TRAILER, TRAILER * 2), FORM),
    "lower case id": (swap(TRAILER, f"Question-Id: {ID.lower()}\n".encode()), FORM),
    "short id": (swap(TRAILER, f"Question-Id: {ID[:-1]}\n".encode()), FORM),
    "trailers in the other order": (
        lambda raw: raw.replace(TRAILER, b"") + TRAILER,
        FORM,
    ),
    "no MAC": (lambda raw: raw.partition(b"Room-Mac")[0], NO_MAC),
    "two MACs": (lambda raw: raw + raw[-75:], FORM),
    "MAC among the headers": (
        lambda raw: raw.partition(b"Room-Mac")[0].replace(b"\n\n", b"\n" + raw[-75:] + b"\n", 1),
        NO_MAC,
    ),
    "capital MAC": (lambda raw: raw[:-65] + raw[-65:].upper(), FORM),
    "short MAC": (lambda raw: raw[:-2] + b"\n", FORM),
    "MAC with a space at the end": (lambda raw: raw[:-1] + b" \n", FORM),
    "subject that is not UTF-8": (swap(b"Why", b"\xff"), "its subject is not UTF-8"),
    "null byte": (swap(AUTHOR, AUTHOR.replace(b"alice <", b"alice\0<")), FORM),
    "17 KiB": (swap(b"Why", b"Why" * 6_000), "it is larger than 16,384 bytes"),
    # Signatures
    "signature before the tree": (lambda raw: header(SIGNATURE) + raw, FORM),
    "signature before the parent": (swap(PARENT, header(SIGNATURE) + PARENT), FORM),
    "signature before the author": (swap(AUTHOR, header(SIGNATURE) + AUTHOR), FORM),
    "signature before the committer": (swap(COMMITTER, header(SIGNATURE) + COMMITTER), FORM),
    "signature in the message": (swap(TRAILER, header(SIGNATURE) + TRAILER), FORM),
    "two signatures": (lambda raw: signed(signed(raw)), FORM),
    "signature by another header": (lambda raw: signed(raw).replace(b"gpgsig ", b"gpgsig-sha256 "), FORM),
    "empty signature": (lambda raw: signed(raw, b""), SIGNATURE_FORM),
    "signature that is text": (lambda raw: signed(raw, b"hello"), SIGNATURE_FORM),
    "PGP signature": (lambda raw: signed(raw, SIGNATURE.replace(b"SSH", b"PGP")), SIGNATURE_FORM),
    "blank line in the signature": (lambda raw: signed(raw, SIGNATURE + b"\n"), SIGNATURE_FORM),
    "two spaces in the signature": (
        lambda raw: signed(raw).replace(b"\n -----END", b"\n  -----END"),
        SIGNATURE_FORM,
    ),
    "no space in the signature": (lambda raw: signed(raw).replace(b"\n -----END", b"\n-----END"), FORM),
    "carriage returns in the signature": (
        lambda raw: signed(raw, SIGNATURE.replace(b"\n", b"\r\n")),
        SIGNATURE_FORM,
    ),
}


@claim("I2", "trust-model")
@pytest.mark.parametrize("case", REFUSED)
def test_a_commit_in_another_form_is_refused_by_what_is_wrong_with_it(case: str) -> None:
    change, reason = REFUSED[case]
    with pytest.raises(ValueError) as caught:
        take_apart(change(golden("question")))
    assert str(caught.value) == reason


@claim("I2", "archive-rule")
def test_an_archive_commit_is_never_signed() -> None:
    with pytest.raises(ValueError) as caught:
        take_apart(signed(golden("archive")))
    assert str(caught.value) == "it is signed and adds no record"


def test_the_largest_legal_commit_is_taken_apart() -> None:
    wide = "\U0001f600"
    message = answer_message(an_answer(answer=wide * 24_000, answered_at="9999-12-31T23:59:59.999Z"), "b" * 32)
    raw = signed(build(ANSWER_TREE, QUESTION_COMMIT, message, MAC_KEY), of_size(4096))
    assert len(raw) < MAX_COMMIT_BYTES
    subject = "b" * 32 + " answers: " + wide * 71 + "…"
    assert take_apart(raw).message == Message(Stamp("b" * 32, 253_402_300_799), subject, ID)
