"""Errors of what is stored: the mailbox was reached, and what it holds is not acceptable."""

from __future__ import annotations

from typing import ClassVar

from peer_relay.errors.base import PeerRelayError


class MailboxError(PeerRelayError):
    """The mailbox was reached, and what it holds is not acceptable."""


class RoomNotFound(MailboxError):
    """The mailbox has no branch for this token: the relay's 401."""

    remote: str

    @property
    def what(self) -> str:
        """Name the mailbox; the token may be as wrong as the address."""
        return f"There is no such room for this token in {self.remote}."

    @property
    def remedy(self) -> str:
        """Say what each of the two sides can do."""
        return "Ask your peer for the invite and run `peer-relay join`, or open a room with `peer-relay init`."


class PeerNotInRoom(MailboxError):
    """The configured peer id is not one of the room's two."""

    peer_id: str
    peers: tuple[str, str]

    @property
    def what(self) -> str:
        """Name the id that was used and the two that exist."""
        return f"{self.peer_id} is not a peer of this room, which pairs {self.peers[0]} with {self.peers[1]}."

    @property
    def remedy(self) -> str:
        """The id came from a variable, or from the invite of somebody else."""
        return "Set PEER_RELAY_PEER_ID to your own of the two, or run `peer-relay join` with an invite of your own."


class IllegalStep(MailboxError):
    """A step or a list of names that the rules of a room do not allow. `reason` is a clause about the commit."""

    reason: str

    @property
    def what(self) -> str:
        """Say the clause as a sentence."""
        return f"The rules of the room do not allow this commit: {self.reason}."

    @property
    def remedy(self) -> str:
        """The rules hold in both directions."""
        return "Nothing has to be done: such a commit is neither written nor read."


class RefusedCommit(MailboxError):
    """A commit of the branch is not exactly the commit that its record demands (I2).

    `reason` is a clause, `advice` a sentence. Who raises it for a commit with a right `Room-Mac` gives `BY_A_HOLDER`,
    and `UNSIGNED` if nothing but the signature is wrong.
    """

    BY_A_HOLDER: ClassVar[str] = (
        "Ask your peer which peer-relay wrote it: upgrade the older one, or `peer-relay restore` takes it off."
    )
    UNSIGNED: ClassVar[str] = (
        "Ask its author, or look at your other machines: `peer-relay keys --pin`, or `peer-relay restore` takes it off."
    )
    commit: str
    reason: str
    advice: str = "Ask your peer who pushed it; `peer-relay restore` takes it off the branch again."

    @property
    def what(self) -> str:
        """Name the commit and the first thing that is wrong with it."""
        return f"Commit {self.commit} of the room is refused, and nothing from it on is read: {self.reason}."

    @property
    def remedy(self) -> str:
        """Only people can find out who wrote it, and only a holder of the token can have a newer program."""
        return self.advice


class HistoryRewritten(MailboxError):
    """The branch no longer contains the newest commit that this machine verified (I6)."""

    commit: str

    @property
    def what(self) -> str:
        """Name the commit that is gone."""
        return (
            f"The history of the room was rewritten: it no longer contains commit {self.commit}, which this machine "
            "verified."
        )

    @property
    def remedy(self) -> str:
        """Only people can say who did that, and decide that it is put back."""
        return (
            "Ask your peer who did that: `peer-relay restore` puts it back from this machine's copy, and nothing new "
            "is read until then."
        )


class BranchSetBack(HistoryRewritten):
    """The branch is at a commit from before the newest one that this machine verified (I6)."""

    found: str

    @property
    def what(self) -> str:
        """Name both commits."""
        return (
            f"The branch of the room shows an older state, commit {self.found}, and not commit {self.commit}, which "
            "this machine verified."
        )

    @property
    def remedy(self) -> str:
        """A host with several copies may show an old one for a while; else it is as for any other rewriting."""
        return (
            "It ends by itself if the host is only catching up; otherwise ask your peer, and `peer-relay restore` puts "
            "the branch back."
        )


class BranchDeleted(MailboxError):
    """The branch of a room that this machine knows is gone (I6)."""

    commit: str

    @property
    def what(self) -> str:
        """Name the newest commit that is known here."""
        return f"The branch of the room was deleted from the mailbox; the newest commit verified here is {self.commit}."

    @property
    def remedy(self) -> str:
        """Only people can say who did that, and decide that it is put back."""
        return (
            "Ask your peer who did that: `peer-relay restore` puts it back from this machine's copy, and nothing new "
            "is read until then."
        )


class UnsupportedFormat(MailboxError):
    """The room's format is not the one this program writes."""

    found: str
    newer: bool
    older: bool = False

    @property
    def what(self) -> str:
        """Name both formats."""
        return f"The room's format is {self.found}, and this program knows format 1."

    @property
    def remedy(self) -> str:
        """Say which side has to change."""
        if self.newer:
            return "Upgrade peer-relay on this machine."
        if self.older:
            return "Ask your peer to upgrade peer-relay, and open a new room with `peer-relay init`."
        return "Ask your peer which repository is meant: this is not a room of peer-relay."


class RoomExists(MailboxError):
    """`init` found another room under the same token."""

    peers: tuple[str, str]

    @property
    def what(self) -> str:
        """Name the peers of the room that is there."""
        return f"A room for this token exists already and pairs {self.peers[0]} with {self.peers[1]}."

    @property
    def remedy(self) -> str:
        """Either the names or the token have to be others."""
        return "Use the names of that room, or another token: `peer-relay token` makes one."
