"""Whether a signature of a commit is right, and by one of the keys that are asked for.

The check itself is that of `cryptography`, in this process: a program for each commit would take 5 ms each. It is
loaded when there is something to check, so that a room without signatures does not pay for it.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from peer_relay.sshsig import Signature, parse_signature, signed_data, strings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from peer_relay.sshkeys import PublicKey

_LEAST_RSA_BITS = 2048
_CURVE_HASHES = {"nistp256": "SHA256", "nistp384": "SHA384", "nistp521": "SHA512"}
_RSA_HASHES = {b"rsa-sha2-256": "SHA256", b"rsa-sha2-512": "SHA512"}


def is_signed_by(armoured: bytes, content: bytes, keys: Iterable[PublicKey]) -> bool:
    """Return whether one of the keys signed a content for git.

    Args:
        armoured: a signature in its one spelling (`sshsig.is_exact_signature`).
        content: what was signed.
        keys: those that are accepted.
    """
    signature = parse_signature(armoured)
    key = next((each for each in keys if each.blob == signature.key), None)
    return key is not None and _is_right(key, signature, signed_data(content, signature.hash_name))


def check_usable(key: PublicKey) -> None:
    """Check that signatures by a key can be checked here.

    Raises:
        ValueError: they cannot; the text is a clause about the key.
    """
    _load(key)


def _is_right(key: PublicKey, signature: Signature, data: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - see above

    try:
        _verify(key, signature, data)
    except (InvalidSignature, ValueError):
        return False
    return True


def _verify(key: PublicKey, signature: Signature, data: bytes) -> None:
    """Verify by the rules of each kind of key: RFC 8709, RFC 5656 and RFC 8332.

    Raises:
        InvalidSignature, ValueError: it is not right.
    """
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 - see above
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature  # noqa: PLC0415

    loaded = _load(key)
    if isinstance(loaded, rsa.RSAPublicKey):
        if signature.algorithm not in _RSA_HASHES:
            raise ValueError("it is by an RSA key and an old hash")
        hash_of = getattr(hashes, _RSA_HASHES[signature.algorithm])()
        loaded.verify(signature.value, data, padding.PKCS1v15(), hash_of)
        return
    if signature.algorithm != key.algorithm.encode():
        raise ValueError("it is of another kind than its key")
    if isinstance(loaded, ed25519.Ed25519PublicKey):
        loaded.verify(signature.value, data)
    elif isinstance(loaded, ec.EllipticCurvePublicKey):
        numbers = strings(signature.value) or []
        if len(numbers) != len("rs"):
            raise ValueError("it does not consist of two numbers")
        encoded = encode_dss_signature(*(int.from_bytes(each, "big", signed=True) for each in numbers))
        hash_of = getattr(hashes, _CURVE_HASHES[key.algorithm.rpartition("-")[2]])()
        loaded.verify(encoded, data, ec.ECDSA(hash_of))


@functools.lru_cache(16)
def _load(key: PublicKey) -> object:
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - see above
    from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_ssh_public_key  # noqa: PLC0415

    try:
        loaded = load_ssh_public_key(key.line.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("it is damaged") from None
    if isinstance(loaded, rsa.RSAPublicKey) and loaded.key_size < _LEAST_RSA_BITS:
        raise ValueError(f"it is an RSA key of less than {_LEAST_RSA_BITS} bits")
    return loaded
