"""Keys that sign commits as OpenSSH does, without a process for each signature; and a room whose peers sign."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from peer_relay.sshkeys import PublicKey, parse_public_key
from tests.independent import Room

if TYPE_CHECKING:
    from pathlib import Path

_AUTHOR = re.compile(rb"\nauthor ([^ ]+) ")
_OF_RECORD = re.compile(rb" (?:asks: |answers: |opens the room with )")


def ssh_string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


@dataclass(frozen=True)
class Key:
    """A key of Ed25519; the number makes it the same in every run."""

    private: Ed25519PrivateKey

    @classmethod
    def numbered(cls, number: int) -> Key:
        return cls(Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32))

    @property
    def public(self) -> PublicKey:
        line = self.private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
        return parse_public_key(line.decode())

    def signature(self, content: bytes, namespace: bytes = b"git") -> bytes:
        """Return the armoured signature of a content, without a newline at its end."""
        digest = hashlib.sha512(content).digest()
        common = [namespace, b"", b"sha512"]
        signed = self.private.sign(b"SSHSIG" + b"".join(map(ssh_string, [*common, digest])))
        value = ssh_string(b"ssh-ed25519") + ssh_string(signed)
        blob = b"SSHSIG\0\0\0\1" + b"".join(map(ssh_string, [self.public.blob, *common, value]))
        text = base64.b64encode(blob)
        lines = [text[at : at + 70] for at in range(0, len(text), 70)]
        return b"\n".join([b"-----BEGIN SSH SIGNATURE-----", *lines, b"-----END SSH SIGNATURE-----"])

    def sign(self, raw: bytes) -> bytes:
        """Return a commit with a signature."""
        headers, _, message = raw.partition(b"\n\n")
        return headers + b"\ngpgsig " + self.signature(raw).replace(b"\n", b"\n ") + b"\n\n" + message

    def save(self, folder: Path, name: str = "id_ed25519") -> Path:
        """Write the files of the private and the public key; return the private one's."""
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / name
        file.write_bytes(self.private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
        file.chmod(0o600)
        file.with_suffix(".pub").write_text(f"{self.public.line} somebody@somewhere\n")
        return file


ALICES, BOBS, OTHERS = map(Key.numbered, (1, 2, 3))


class SignedRoom(Room):
    """A room in which the peers that have a key sign their commits."""

    def __init__(self, git_dir: Path | None, **keys: Key) -> None:
        super().__init__(git_dir)
        self.keys = keys

    def push(self, raw: bytes) -> str:
        """Sign the commit of a record, unless it bears a signature already."""
        author = _AUTHOR.search(raw)
        key = self.keys.get(author[1].decode()) if author else None
        if key is not None and _OF_RECORD.search(raw) and b"\ngpgsig " not in raw:
            raw = key.sign(raw)
        return super().push(raw)
