"""Signatures by the user's own ssh key, made by OpenSSH's `ssh-keygen`.

The program finds the key where OpenSSH finds it: in the file if that is not encrypted, or else in the agent. So no
private key is ever read here, and no passphrase asked for: a key that needs one and is in no agent cannot sign.
"""

from __future__ import annotations

import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from peer_relay import disk
from peer_relay.errors import SigningFailed, in_quotes
from peer_relay.git import process
from peer_relay.git.words import clean, last_lines
from peer_relay.signatures import check_usable, is_signed_by
from peer_relay.sshkeys import PublicKey, parse_public_key
from peer_relay.sshsig import is_exact_signature

if TYPE_CHECKING:
    from collections.abc import Mapping

    from peer_relay.deadline import Deadline

_PUBLIC = ".pub"
_SHOWN = 200
_TRIAL = b"peer-relay tries a key"


class Signer:
    """Signs with one key.

    Args:
        key_file: the file of the private key, or that of the public key, whose private one may be in an agent.
        environ: the environment of `ssh-keygen`, which says where the agent is.
    """

    def __init__(self, key_file: str, environ: Mapping[str, str]) -> None:
        self.key_file = key_file
        self._environ = environ

    def public_key(self) -> PublicKey:
        """Return the public key, from the file itself or from the one beside it.

        Raises:
            SigningFailed: there is none, or it is of a kind that is not checked here.
        """
        path = Path(self.key_file)
        for each in (path, path.with_name(path.name + _PUBLIC)):
            data = disk.read_if_there(each) if each.is_file() else None
            text = "" if data is None else data.decode(errors="replace")
            if text and "PRIVATE KEY" not in text:
                return self._parsed(text)
        advice = (
            "Name a key that has its public key beside it; in a saved room `peer-relay keys --sign FILE` does that."
        )
        raise SigningFailed(key=self.key_file, reason="there is no public key in it or beside it", advice=advice)

    def sign(self, content: bytes, deadline: Deadline, key: PublicKey | None = None) -> bytes:
        """Return the armoured signature of a content, which was checked.

        Args:
            content: what to sign.
            deadline: by when to return.
            key: the one that has to sign, whatever is in the file by now; None for the one of the file.

        Raises:
            SigningFailed: it could not be made.
        """
        key = key or self.public_key()
        armoured = self._run(content, deadline).rstrip(b"\n")
        if not is_exact_signature(armoured) or not is_signed_by(armoured, content, [key]):
            raise SigningFailed(key=self.key_file, reason="what `ssh-keygen` made is not a signature by that key")
        return armoured

    def try_out(self, deadline: Deadline) -> PublicKey:
        """Sign something that nobody sees, and return the public key.

        Raises:
            SigningFailed: the key cannot sign, or not without somebody who is asked.
        """
        self.sign(_TRIAL, deadline)
        return self.public_key()

    def _run(self, content: bytes, deadline: Deadline) -> bytes:
        argv = ["ssh-keygen", "-Y", "sign", "-n", "git", "-f", self.key_file]
        try:
            child = process.start(argv, self._environ, stderr=subprocess.PIPE)
        except OSError as error:
            reason = f"the program ssh-keygen cannot be run ({error.strerror})"
            raise SigningFailed(key=self.key_file, reason=reason, advice="Install OpenSSH.") from error
        try:
            with suppress(subprocess.TimeoutExpired):
                printed, said = child.communicate(content, timeout=max(0.0, deadline.remaining_s()))
                if child.returncode == 0:
                    return printed
                raise SigningFailed(key=self.key_file, reason=_reason(said))
            raise SigningFailed(key=self.key_file, reason="it took `ssh-keygen` too long")
        finally:
            process.kill(child)
            process.end(child, 1.0)
            if child.stderr is not None:
                child.stderr.close()

    def _parsed(self, text: str) -> PublicKey:
        try:
            key = parse_public_key(text)
            check_usable(key)
        except ValueError as error:
            advice = "`ssh-keygen -t ed25519` makes one that can be used."
            raise SigningFailed(key=self.key_file, reason=f"as a public key, {error}", advice=advice) from None
        return key


def _reason(said: bytes) -> str:
    words = clean(last_lines(said.decode(errors="replace"), 1), limit=_SHOWN).rstrip(".")
    return f"the program ssh-keygen said {in_quotes(words)}" if words else "the program ssh-keygen failed"
