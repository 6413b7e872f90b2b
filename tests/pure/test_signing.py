"""Keys as lines, fingerprints and words; whose signature counts where; and signatures by every kind of key."""

from __future__ import annotations

import base64
import subprocess
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from peer_relay.signatures import check_usable, is_signed_by
from peer_relay.signing import Pin, Signing, format_pin, parse_pin
from peer_relay.sshkeys import PublicKey, _word, parse_public_key
from tests.signing_keys import ALICES, BOBS, OTHERS, ssh_string

if TYPE_CHECKING:
    from pathlib import Path

COMMIT, LATER = "a" * 40, "b" * 40
LINE = ALICES.public.line


def test_a_key_is_read_from_its_line_and_shown_as_openssh_does(tmp_path: Path) -> None:
    file = ALICES.save(tmp_path).with_suffix(".pub")
    key = parse_public_key(file.read_text())
    assert key == ALICES.public
    shown = subprocess.run(["ssh-keygen", "-l", "-f", file], capture_output=True, check=True, text=True, timeout=30)
    assert shown.stdout.split()[1] == key.fingerprint


def test_words_are_proquints_and_eight_of_them() -> None:
    assert (_word(0x7F00), _word(0x0001), _word(0x3F54), _word(0xDCC1)) == ("lusab", "babad", "gutih", "tugad")
    assert [len(word) for word in ALICES.public.words.split("-")] == [5] * 8
    assert ALICES.public.words != BOBS.public.words


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("", "it is not one line"),
        (LINE.split()[1], "it is not one line"),
        (f"{LINE}\n{LINE}", "it is not one line"),
        (f"{LINE} {'x' * 5000}", "it is not one line"),
        (LINE.replace("ssh-ed25519", "ssh-dss"), "its kind is none of"),
        (LINE.replace("ssh-ed25519", "ssh-rsa"), "it is not whole"),
        (f"{LINE[:-1]}!", "it is not whole"),
        (LINE.replace(" ", " A"), "it is not whole"),
        (f"{LINE}=", "it is not whole"),
    ],
)
def test_what_is_no_key_is_refused(line: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_public_key(line)


def test_a_key_that_is_cut_or_weak_cannot_be_used() -> None:
    with pytest.raises(ValueError, match="damaged"):
        check_usable(PublicKey("ssh-ed25519", ALICES.public.blob[:-4]))
    private = rsa.generate_private_key(65537, 1024)  # noqa: S505 - that is the point
    weak = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    with pytest.raises(ValueError, match="less than 2048 bits"):
        check_usable(parse_public_key(weak.decode()))


@pytest.mark.parametrize("kind", [("ed25519",), ("ecdsa", "-b", "256"), ("ecdsa", "-b", "521"), ("rsa", "-b", "2048")])
def test_what_ssh_keygen_signed_is_right_for_that_content_and_that_key_alone(
    kind: tuple[str, ...], tmp_path: Path
) -> None:
    file = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", *kind, "-N", "", "-f", file], check=True, timeout=30)
    sign = ["ssh-keygen", "-q", "-Y", "sign", "-n", "git", "-f", file]
    made = subprocess.run(sign, input=b"content", capture_output=True, check=True, timeout=30).stdout.strip()
    key = parse_public_key(file.with_suffix(".pub").read_text())
    assert is_signed_by(made, b"content", [OTHERS.public, key])
    assert not is_signed_by(made, b"Content", [key])
    assert not is_signed_by(made, b"content", [OTHERS.public])
    assert not is_signed_by(made, b"content", [])


def test_a_signature_of_another_kind_than_its_key_is_wrong() -> None:
    made = ALICES.signature(b"content")
    assert is_signed_by(made, b"content", [ALICES.public])
    assert not is_signed_by(made, b"content", [PublicKey("ecdsa-sha2-nistp256", ALICES.public.blob)])


@pytest.mark.parametrize("kind", [("ecdsa", "ecdsa-sha2-nistp256"), ("rsa", "ssh-rsa")])
def test_a_signature_that_names_an_old_hash_or_has_no_two_numbers_is_wrong(kind: tuple[str, str]) -> None:
    private = rsa.generate_private_key(65537, 2048) if kind[0] == "rsa" else ec.generate_private_key(ec.SECP256R1())
    line = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    key = parse_public_key(line.decode())
    value = ssh_string(kind[1].encode()) + ssh_string(b"three")
    fields = [key.blob, b"git", b"", b"sha512", value]
    blob = base64.b64encode(b"SSHSIG\0\0\0\1" + b"".join(map(ssh_string, fields)))
    made = b"-----BEGIN SSH SIGNATURE-----\n" + blob + b"\n-----END SSH SIGNATURE-----"
    assert not is_signed_by(made, b"content", [key])


def test_a_pin_is_a_line_and_comes_back_as_it_was() -> None:
    for pin in (Pin("alice", ALICES.public), Pin("bob", BOBS.public, COMMIT), Pin("bob", BOBS.public, COMMIT, LATER)):
        assert parse_pin(format_pin(pin)) == pin
    assert format_pin(Pin("bob", BOBS.public, until=LATER)) == f"bob - {LATER} {BOBS.public.line}"
    for line in ("", f"bob - {LINE}", f"Bob - - {LINE}", f"bob - - {LINE} comment", f"bob - x {LINE}"):
        with pytest.raises(ValueError, match=r"not a pinned key|not whole|is none of"):
            parse_pin(line)


def test_a_peer_is_bound_from_its_first_pin_on_and_by_a_retired_key_too() -> None:
    signing = Signing((Pin("alice", ALICES.public, COMMIT, LATER),))
    before, between, after = frozenset({COMMIT, LATER}), frozenset({LATER}), frozenset[str]()
    assert [signing.is_bound("alice", ahead) for ahead in (before, between, after)] == [False, True, True]
    assert [signing.keys_of("alice", ahead) for ahead in (between, after)] == [[ALICES.public], []]
    assert (signing.is_bound("bob"), signing.keys_of("bob")) == (False, [])
    assert signing.marks == {COMMIT, LATER}
    assert signing.ahead_of(["c" * 40, LATER]) == {LATER}


def test_a_key_is_pinned_once_and_a_retired_one_can_count_again() -> None:
    one = Signing().with_pin(Pin("alice", ALICES.public))
    assert one.with_pin(Pin("alice", ALICES.public, COMMIT)) == one
    retired = one.with_retired(ALICES.public, LATER)
    assert retired.pins == (Pin("alice", ALICES.public, until=LATER),)
    assert retired.with_retired(ALICES.public, COMMIT) == retired
    assert retired.with_pin(Pin("alice", ALICES.public, COMMIT)) == one
