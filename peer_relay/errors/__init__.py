"""Every error that peer-relay raises on purpose, split by whose fault it is.

1. `error.what` is one plain sentence: what happened. `error.remedy` is one more: what to do about it, or that nothing
   has to be done. `str(error)` is both. All three are one line, fit for a person as well as for a model.
2. No error ever carries a secret: remotes are redacted before they get here (I10), and words of a remote or a
   peer have had their control characters removed (I9).
3. `retryable` says whether the same act may succeed later without anybody changing anything.

The four branches: `RequestError` (the caller asked for something that cannot be), `MailboxError` (what is stored in
the mailbox is not acceptable), `TransportError` (the way to the mailbox) and `LocalError` (this machine).
"""

from __future__ import annotations

from peer_relay.errors.base import (
    PeerRelayError,
    in_quotes,
)
from peer_relay.errors.local import (
    Busy,
    ClockUnusable,
    CopyIncomplete,
    DamagedClone,
    HeldBack,
    LocalError,
    SigningFailed,
    StateUnusable,
)
from peer_relay.errors.mailbox import (
    BranchDeleted,
    BranchSetBack,
    HistoryRewritten,
    IllegalStep,
    MailboxError,
    PeerNotInRoom,
    RefusedCommit,
    RoomExists,
    RoomNotFound,
    UnsupportedFormat,
)
from peer_relay.errors.request import (
    AlreadyAnswered,
    AlreadyAsked,
    AlreadyQueued,
    InvalidInvite,
    InvalidRecord,
    InvalidRemote,
    InvalidSetting,
    InvalidToken,
    NotYourQuestion,
    OwnQuestion,
    Problem,
    RequestError,
    TooManyOpen,
    UnknownQuestion,
)
from peer_relay.errors.secret import (
    Secret,
    SecretFound,
)
from peer_relay.errors.transport import (
    AccessDenied,
    AuthenticationFailed,
    BranchLocked,
    DeadlineExceeded,
    MalformedPack,
    Moved,
    NotAGitServer,
    OutcomeUnknown,
    PushBlocked,
    PushRefused,
    RateLimited,
    RepositoryNotFound,
    TooLarge,
    TransportError,
    Unreachable,
)

__all__ = [
    "AccessDenied",
    "AlreadyAnswered",
    "AlreadyAsked",
    "AlreadyQueued",
    "AuthenticationFailed",
    "BranchDeleted",
    "BranchLocked",
    "BranchSetBack",
    "Busy",
    "ClockUnusable",
    "CopyIncomplete",
    "DamagedClone",
    "DeadlineExceeded",
    "HeldBack",
    "HistoryRewritten",
    "IllegalStep",
    "InvalidInvite",
    "InvalidRecord",
    "InvalidRemote",
    "InvalidSetting",
    "InvalidToken",
    "LocalError",
    "MailboxError",
    "MalformedPack",
    "Moved",
    "NotAGitServer",
    "NotYourQuestion",
    "OutcomeUnknown",
    "OwnQuestion",
    "PeerNotInRoom",
    "PeerRelayError",
    "Problem",
    "PushBlocked",
    "PushRefused",
    "RateLimited",
    "RefusedCommit",
    "RepositoryNotFound",
    "RequestError",
    "RoomExists",
    "RoomNotFound",
    "Secret",
    "SecretFound",
    "SigningFailed",
    "StateUnusable",
    "TooLarge",
    "TooManyOpen",
    "TransportError",
    "UnknownQuestion",
    "Unreachable",
    "UnsupportedFormat",
    "in_quotes",
]
