"""The keys of a room as they are pinned now: what checks commits by them, and what signs this machine's own.

1. They are read when they are asked for and not kept: a person may change them while a server runs.
2. What is signed here is accepted by whoever goes by the same keys. Where that cannot be, nothing is written.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from peer_relay.errors import SigningFailed
from peer_relay.git.exact import Examiner
from peer_relay.git.sshkeygen import Signer
from peer_relay.signing import Signing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from peer_relay.deadline import Deadline
    from peer_relay.git.exact import Sign
    from peer_relay.keys import RoomKeys


_ADVICE = "`peer-relay keys --sign FILE` takes the key of a file and pins it here; `peer-relay keys` shows what counts."


@dataclass(frozen=True)
class Keyring:
    """The keys of one room.

    Attributes:
        keys: the room's id and MAC key.
        pinned: reads which keys of the peers are pinned, and with which one this machine signs.
        environ: the environment of `ssh-keygen`.
    """

    keys: RoomKeys
    pinned: Callable[[], Signing] = Signing
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)

    def examiner(self) -> Examiner:
        """Return what checks commits by the keys that are pinned now."""
        return Examiner(self.keys, self.pinned())

    def signs(self, author: str, signing: Signing, deadline: Deadline) -> Sign | None:
        """Return what signs a commit of a peer; None to leave it unsigned.

        Args:
            author: the peer.
            signing: what is pinned.
            deadline: by when a signature has to be made.

        Raises:
            SigningFailed: a commit of that peer has to be signed, and this machine has no key that counts for it.
        """
        if signing.key_file is None:
            if signing.is_bound(author):
                raise _without_key(author)
            return None
        signer = Signer(signing.key_file, self.environ)
        key = signer.public_key()
        if signing.is_bound(author) and key not in signing.keys_of(author):
            reason = f"it is not a key that is pinned for {author}"
            raise SigningFailed(key=signer.key_file, reason=reason, advice=_ADVICE)
        return partial(signer.sign, deadline=deadline, key=key)


def _without_key(author: str) -> SigningFailed:
    reason = f"there is none, and what {author} writes has to be signed"
    return SigningFailed(key="a key of this machine", reason=reason, advice=_ADVICE)
