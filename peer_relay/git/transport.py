"""The contract of a transport: one branch of one remote repository, read, fetched and pushed at the lowest level.

A transport moves bytes and reports outcomes. It knows nothing of rooms, records or trust: what `fetch` brings is
unverified, and the store decides. The same suite, `tests/git/test_transport_contract.py`, runs against each.

1. Every method ends by its deadline, whatever the remote does (DNS resolution is bounded by the resolver's own limits).
2. Every failure is one of the `TransportError`s named at the method; no dulwich, urllib3 or OS exception leaves.
3. `push` is a compare-and-swap (I5). `Moved`, `PushRefused`, `AccessDenied`, `AuthenticationFailed`, `Unreachable` mean
   that the branch was not changed by it; `OutcomeUnknown` means that it may have been.
4. A transport is used by one thread at a time, under the clone's lock. It may keep a connection between calls.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Protocol

from peer_relay.git.limits import FIRST_FETCH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dulwich.objects import ShaFile

    from peer_relay.deadline import Deadline


@dataclass(frozen=True)
class FetchRequest:
    """What to fetch.

    Attributes:
        ref: full name, such as `b"refs/heads/peer-relay/abc"`.
        have: the 40 hex digits of the one commit offered as known, or None for a fetch from nothing.
        shallow: the clone's shallow boundary (commits that are here without their parents); only with `have`.
        depth: how many commits of history to bring; only without `have`. None brings everything that is missing.
        max_bytes: the pack's largest acceptable size in bytes.
        max_objects: how many objects it may hold, for a transport that makes it itself.
        seen: where the caller has just read that the branch is. A transport may fetch that without looking again.
    """

    ref: bytes
    have: bytes | None = None
    shallow: frozenset[bytes] = frozenset()
    depth: int | None = None
    max_bytes: int = FIRST_FETCH.max_pack_bytes
    max_objects: int = FIRST_FETCH.max_objects
    seen: bytes | None = None


@dataclass(frozen=True)
class FetchReply:
    """What came.

    Attributes:
        tip: the commit that the branch pointed to when this pack was decided on, which may be the one of the request's
            `seen`; None if there is no such branch.
        shallow: commits that the remote declared as having no parents here (to add to the boundary).
        unshallow: commits whose parents came after all (to take off the boundary).
    """

    tip: bytes | None
    shallow: frozenset[bytes] = frozenset()
    unshallow: frozenset[bytes] = frozenset()


class Transport(Protocol):
    """One remote repository."""

    @property
    def remote(self) -> str:
        """The remote's address as it may be shown: no password in it."""

    @property
    def login(self) -> str:
        """How the last contact was let in, as a short clause without anything secret; empty before there was one."""

    def read_ref(self, ref: bytes, deadline: Deadline) -> bytes | None:
        """Return the commit that a branch points to, or None if there is no such branch. One ref listing, no more.

        Raises:
            Unreachable, DeadlineExceeded, RateLimited, NotAGitServer: try again later.
            AuthenticationFailed, AccessDenied, RepositoryNotFound: somebody has to change something.
        """

    def fetch(self, request: FetchRequest, sink: BinaryIO, deadline: Deadline) -> FetchReply:
        """Write one pack (or nothing at all, if nothing is missing) to `sink` and return what it is about.

        The pack may be thin with respect to `have`. It is streamed; `sink` is a file.

        Raises:
            The errors of `read_ref`; TooLarge when the pack grows past `max_bytes`.
        """

    def push(
        self, ref: bytes, expected: bytes | None, new: bytes, objects: Sequence[ShaFile], deadline: Deadline
    ) -> None:
        """Move `ref` from `expected` (None: it must not exist) to `new`, sending exactly `objects`.

        On return the branch points to `new` in the remote (or did, before somebody else built on it).

        Raises:
            Moved: the branch is not at `expected`.
            PushRefused: the remote declined, with its own words.
            OutcomeUnknown: the objects were sent and no believable reply came.
            The errors of `read_ref`: nothing was changed.
        """

    def check_write(self, ref: bytes, deadline: Deadline) -> None:
        """Go as far as a push to a branch goes before it sends anything. Nothing is left behind in the repository.

        It shows whether this login may push at all. Not promised: what a remote decides only when it has a push, such
        as a hook, a protected branch, or a full disk over there.

        Raises:
            The errors of `push`, without `Moved` and `OutcomeUnknown`.
        """

    def default_branch(self, deadline: Deadline) -> bytes | None:
        """Return the full name of the branch that the repository's HEAD names. One ref listing, no more.

        None if that branch does not exist, or if the remote does not say, as old ones do not. The name is the remote's
        own, and has to be cleaned before it is shown.

        Raises:
            The errors of `read_ref`.
        """

    def close(self) -> None:
        """Give back connections and processes. May be called again; a later call of another method reconnects."""
