"""Whether a `gpgsig` header is an SSH signature in its one spelling, so that it cannot carry anything else.

The form is OpenSSH's PROTOCOL.sshsig, version 1, with the namespace `git` and an empty reserved field. Whether the
signature is right, and whose it is, is decided in `signatures`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import NamedTuple

MAX_SIGNATURE_BYTES = 4096

_BEGIN = b"-----BEGIN SSH SIGNATURE-----\n"
_END = b"-----END SSH SIGNATURE-----"
_MAGIC = b"SSHSIG\x00\x00\x00\x01"
_SIGNED_MAGIC = b"SSHSIG"
_NAMESPACE = b"git"
_LINE = 70
_HASHES = (b"sha256", b"sha512")


class Signature(NamedTuple):
    """What is in a signature.

    Attributes:
        key: the public key's bytes.
        hash_name: `sha256` or `sha512`.
        algorithm: the name of how it was made, such as `ssh-ed25519`.
        value: the signature itself, in the form of that algorithm.
    """

    key: bytes
    hash_name: str
    algorithm: bytes
    value: bytes


def is_exact_signature(armoured: bytes) -> bool:
    """Return whether an armoured signature (without a newline at its end) parses and is spelt as it would be written.

    Args:
        armoured: the header's value, continuation spaces removed.
    """
    if len(armoured) > MAX_SIGNATURE_BYTES or not armoured.startswith(_BEGIN) or not armoured.endswith(_END):
        return False
    try:
        blob = base64.b64decode(armoured[len(_BEGIN) : -len(_END)].replace(b"\n", b""), validate=True)
    except binascii.Error:
        return False
    return _armour(blob) == armoured and _is_signature_blob(blob)


def parse_signature(armoured: bytes) -> Signature:
    """Return what is in a signature in its one spelling."""
    blob = base64.b64decode(armoured[len(_BEGIN) : -len(_END)].replace(b"\n", b""))
    key, _, _, hash_name, signature = strings(blob[len(_MAGIC) :]) or [b""] * 5
    parts = strings(signature) or []
    algorithm, value = parts if len(parts) == len(("algorithm", "value")) else (b"", b"")
    return Signature(key, hash_name.decode("ascii"), algorithm, value)


def signed_data(content: bytes, hash_name: str) -> bytes:
    """Return the bytes that are signed in the place of a content.

    Args:
        content: the raw commit without its signature header.
        hash_name: `sha256` or `sha512`.
    """
    fields = (_NAMESPACE, b"", hash_name.encode("ascii"), hashlib.new(hash_name, content).digest())
    return _SIGNED_MAGIC + b"".join(len(field).to_bytes(4, "big") + field for field in fields)


def _armour(blob: bytes) -> bytes:
    text = base64.b64encode(blob)
    lines = [text[start : start + _LINE] + b"\n" for start in range(0, len(text), _LINE)]
    return _BEGIN + b"".join(lines) + _END


def _is_signature_blob(blob: bytes) -> bool:
    if not blob.startswith(_MAGIC):
        return False
    fields = strings(blob[len(_MAGIC) :])
    if fields is None or len(fields) != len(("key", "namespace", "reserved", "hash", "signature")):
        return False
    key, namespace, reserved, hash_name, signature = fields
    return bool(key and signature) and namespace == _NAMESPACE and reserved == b"" and hash_name in _HASHES


def strings(data: bytes) -> list[bytes] | None:
    """Split a sequence of SSH strings (RFC 4251, section 5: a 32-bit length, then the bytes), or return None."""
    fields = []
    while data:
        length = int.from_bytes(data[:4], "big")
        if len(data) < 4 + length:
            return None
        fields.append(data[4 : 4 + length])
        data = data[4 + length :]
    return fields
