"""A signature is let through if it is an SSH signature for git in its one spelling, and nothing else is."""

from __future__ import annotations

import base64
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from peer_relay.commits import take_apart
from peer_relay.sshsig import MAX_SIGNATURE_BYTES, is_exact_signature
from tests.claims import claim

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Git

needs_ssh_keygen = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed")
MAGIC = b"SSHSIG\x00\x00\x00\x01"
FIELDS = (b"the key", b"git", b"", b"sha512", b"the signature")


def strings(*fields: bytes) -> bytes:
    return b"".join(len(field).to_bytes(4) + field for field in fields)


def armour(blob: bytes, width: int = 70) -> bytes:
    text = base64.b64encode(blob)
    lines = [text[start : start + width] for start in range(0, len(text), width)]
    return b"\n".join([b"-----BEGIN SSH SIGNATURE-----", *lines, b"-----END SSH SIGNATURE-----"])


GOOD = armour(MAGIC + strings(*FIELDS))


def signed_by_ssh_keygen(folder: Path, kind: str, namespace: str = "git", *options: str) -> bytes:
    key = folder / kind
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", key], check=True, timeout=30)
    command = ["ssh-keygen", "-Y", "sign", "-n", namespace, *options, "-f", str(key)]
    return subprocess.run(command, input=b"tree ...", check=True, capture_output=True, timeout=30).stdout.rstrip(b"\n")


@needs_ssh_keygen
@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
@pytest.mark.parametrize("hash_name", ["sha256", "sha512"])
def test_a_signature_of_ssh_keygen_is_let_through(tmp_path: Path, kind: str, hash_name: str) -> None:
    assert is_exact_signature(signed_by_ssh_keygen(tmp_path, kind, "git", "-O", f"hashalg={hash_name}"))


@needs_ssh_keygen
def test_a_signature_for_another_purpose_is_refused(tmp_path: Path) -> None:
    assert not is_exact_signature(signed_by_ssh_keygen(tmp_path, "ed25519", "file"))


@needs_ssh_keygen
def test_a_commit_that_git_signs_holds_the_signature_where_and_as_it_must_be(tmp_path: Path, git: Git) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True, timeout=30)
    git(tmp_path, "init", "--quiet")
    tree = git(tmp_path, "hash-object", "-w", "-t", "tree", "--stdin", data=b"")
    message = f"alice opens the room with bob\n\nRoom-Mac: {'0' * 64}\n".encode()
    who = ["-c", "user.name=alice", "-c", "user.email=alice@peer-relay.invalid", "-c", "gpg.format=ssh"]
    commit = git(tmp_path, *who, "-c", f"user.signingkey={key}", "commit-tree", "-S", tree, data=message)
    raw = git(tmp_path, "cat-file", "commit", commit).encode() + b"\n"
    parsed = take_apart(raw)
    assert parsed.signature is not None
    assert parsed.signature.startswith(b"-----BEGIN SSH SIGNATURE-----\n")
    assert b"gpgsig" not in parsed.unsigned
    assert len(parsed.unsigned) == len(raw) - len(b"gpgsig \n" + parsed.signature.replace(b"\n", b"\n "))


def test_a_signature_that_is_built_from_its_description_is_let_through() -> None:
    assert is_exact_signature(GOOD)
    assert is_exact_signature(armour(MAGIC + strings(b"k", b"git", b"", b"sha256", b"s")))


def of_size(size: int) -> bytes:
    """Return the longest well-formed signature whose armour has at most `size` bytes."""
    candidates = (armour(MAGIC + strings(b"k", b"git", b"", b"sha512", b"s" * n)) for n in range(2_700, 3_100))
    return max((text for text in candidates if len(text) <= size), key=len)


def test_a_signature_may_have_4_kib_and_no_more() -> None:
    longest, too_long = of_size(MAX_SIGNATURE_BYTES), of_size(MAX_SIGNATURE_BYTES + 5)
    assert MAX_SIGNATURE_BYTES - 5 < len(longest) <= MAX_SIGNATURE_BYTES < len(too_long)
    assert is_exact_signature(longest)
    assert not is_exact_signature(too_long)


def with_fields(**changes: bytes) -> bytes:
    names = ("key", "namespace", "reserved", "hash", "signature")
    return armour(MAGIC + strings(*(changes.get(name, field) for name, field in zip(names, FIELDS, strict=True))))


def last_bits_set() -> bytes:
    """Return the good signature with a one among the bits that base64 leaves over, which decodes to the same bytes."""
    text = GOOD.replace(b"SSH SIGNATURE", b"")
    position = text.rindex(b"=\n") - 1
    while text[position : position + 1] == b"=":
        position -= 1
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    changed = alphabet[alphabet.index(text[position]) | 1]
    return GOOD.replace(text[position - 8 : position + 1], text[position - 8 : position] + bytes([changed]))


TAMPERED = {
    "empty": b"",
    "only the frame": armour(b""),
    "line feed at the end": GOOD + b"\n",
    "line feed at the beginning": b"\n" + GOOD,
    "space at the end": GOOD + b" ",
    "carriage returns": GOOD.replace(b"\n", b"\r\n"),
    "blank line": GOOD.replace(b"-----\n", b"-----\n\n", 1),
    "space at the end of a line": GOOD.replace(b"\n-----END", b" \n-----END"),
    "space at the beginning of a line": GOOD.replace(b"-----\n", b"-----\n ", 1),
    "longer lines": armour(MAGIC + strings(*FIELDS), 76),
    "shorter lines": armour(MAGIC + strings(*FIELDS), 64),
    "no end": GOOD.replace(b"-----END SSH SIGNATURE-----", b""),
    "no beginning": GOOD.replace(b"-----BEGIN SSH SIGNATURE-----\n", b""),
    "twice": GOOD + b"\n" + GOOD,
    "PGP": GOOD.replace(b"SSH", b"PGP"),
    "header inside": GOOD.replace(b"-----\n", b"-----\nComment: hello\n", 1),
    "letters beside base64": GOOD.replace(b"U1NI", b"U1N!"),
    "URL alphabet": armour(MAGIC + strings(b"\xfb\xff" * 9, *FIELDS[1:])).replace(b"+", b"-").replace(b"/", b"_"),
    "no padding": GOOD.replace(b"=", b""),
    "more padding": GOOD.replace(b"\n-----END", b"=\n-----END"),
    "spare bits": last_bits_set(),
    "not SSHSIG": armour(b"SSHSIX\x00\x00\x00\x01" + strings(*FIELDS)),
    "version 2": armour(b"SSHSIG\x00\x00\x00\x02" + strings(*FIELDS)),
    "only the magic": armour(MAGIC),
    "another namespace": with_fields(namespace=b"file"),
    "longer namespace": with_fields(namespace=b"git\x00"),
    "empty namespace": with_fields(namespace=b""),
    "text in the reserved field": with_fields(reserved=b"hello"),
    "unknown hash": with_fields(hash=b"md5"),
    "no key": with_fields(key=b""),
    "no signature": with_fields(signature=b""),
    "a field less": armour(MAGIC + strings(*FIELDS[:-1])),
    "a field more": armour(MAGIC + strings(*FIELDS, b"hello")),
    "an empty field more": armour(MAGIC + strings(*FIELDS, b"")),
    "bytes behind the last field": armour(MAGIC + strings(*FIELDS) + b"abc"),
    "a last field that is cut": armour((MAGIC + strings(*FIELDS))[:-1]),
    "a huge length": armour(MAGIC + b"\xff\xff\xff\xff" + strings(*FIELDS)),
}


@claim("I2", "trust-model")
@pytest.mark.parametrize("case", TAMPERED)
def test_anything_else_is_refused(case: str) -> None:
    assert TAMPERED[case] != GOOD
    assert not is_exact_signature(TAMPERED[case])
