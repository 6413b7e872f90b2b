"""Whether a `gpgsig` header is an SSH signature in its one spelling, so that it cannot carry anything else.

The form is OpenSSH's PROTOCOL.sshsig, version 1, with the namespace `git` and an empty reserved field. Whether the
signature is right, and whose it is, is not decided here.
"""

from __future__ import annotations

import base64
import binascii

MAX_SIGNATURE_BYTES = 4096

_BEGIN = b"-----BEGIN SSH SIGNATURE-----\n"
_END = b"-----END SSH SIGNATURE-----"
_MAGIC = b"SSHSIG\x00\x00\x00\x01"
_LINE = 70
_HASHES = (b"sha256", b"sha512")


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


def _armour(blob: bytes) -> bytes:
    text = base64.b64encode(blob)
    lines = [text[start : start + _LINE] + b"\n" for start in range(0, len(text), _LINE)]
    return _BEGIN + b"".join(lines) + _END


def _is_signature_blob(blob: bytes) -> bool:
    if not blob.startswith(_MAGIC):
        return False
    fields = _strings(blob[len(_MAGIC) :])
    if fields is None or len(fields) != len(("key", "namespace", "reserved", "hash", "signature")):
        return False
    key, namespace, reserved, hash_name, signature = fields
    return bool(key and signature) and namespace == b"git" and reserved == b"" and hash_name in _HASHES


def _strings(data: bytes) -> list[bytes] | None:
    """Split a sequence of SSH strings (RFC 4251, section 5: a 32-bit length, then the bytes), or return None."""
    fields = []
    while data:
        length = int.from_bytes(data[:4], "big")
        if len(data) < 4 + length:
            return None
        fields.append(data[4 : 4 + length])
        data = data[4 + length :]
    return fields
