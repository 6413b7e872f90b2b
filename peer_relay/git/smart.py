"""The part that ssh and http share: git's smart protocol by way of dulwich at its lowest level, and one error map.

1. `read_ref` is one ref listing. `fetch` offers one *have* at most and asks for one branch (protocol version 2).
2. `push` sends exactly the given objects. It compares with the expected commit against what the remote announces in the
   same conversation, and the remote compares once more under its own lock: together a compare-and-swap (I5).
3. Until the remote can have taken the push a failure is a definite error. From then on only the remote's own report
   is believed, and anything else is `OutcomeUnknown` (I3). An empty report proves nothing. See `Operation.sent`.
4. What a remote may make this process hold is bounded: `MAX_LISTING_BYTES` and `MAX_LISTING_LINES` for a list and for
   what comes before a pack, `MAX_REPORT_BYTES` for what comes after a push, and `max_bytes` for a pack, which goes to
   the sink piece by piece. What was sent before the deadline is not read after it.
5. No exception of dulwich, urllib3 or the operating system leaves.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, Final

from dulwich.errors import GitProtocolError, HangupException, SendPackError
from dulwich.objects import ZERO_SHA, ObjectID
from dulwich.pack import full_unpacked_object
from dulwich.refs import HEADREF, LOCAL_BRANCH_PREFIX, Ref

from peer_relay import disk
from peer_relay.crash_points import CrashPoint, reached
from peer_relay.errors import (
    DeadlineExceeded,
    Moved,
    NotAGitServer,
    OutcomeUnknown,
    PeerRelayError,
    TooLarge,
    TransportError,
    Unreachable,
    in_quotes,
)
from peer_relay.git.limits import MAX_LISTING_BYTES, MAX_LISTING_LINES, MAX_REPORT_BYTES
from peer_relay.git.outcomes import contact_failure, push_refusal
from peer_relay.git.transport import FetchReply, FetchRequest
from peer_relay.git.words import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from dulwich.client import GitClient
    from dulwich.objects import ShaFile
    from dulwich.pack import UnpackedObject

    from peer_relay.deadline import Deadline
    from peer_relay.git.remote import Remote

_READS_A_LINE = 2  # its length, and what it is about
_MAX_SAID_BYTES = 16 << 10
_COMMIT_ID = re.compile(rb"[0-9a-f]{40}")
_UNPACKED = "unpack "  # as every report begins
NOT_GIT: Final = "its answer is not git's protocol"
# How dulwich's GitProtocolError begins when it is about framing and not about what the remote said.
_GARBLED = re.compile(
    r"Invalid pkt-line length|Length of pkt|unexpected (first line|number of packets)|unknown command|"
    r"invalid (ref status|shallow line)|received more data after"
)

# What dulwich lets through when a remote breaks the protocol or the connection. TypeError, LookupError and the like
# come from parsing what the remote sent.
FOREIGN: tuple[type[Exception], ...] = (
    GitProtocolError,
    OSError,
    ValueError,
    AssertionError,
    TypeError,
    LookupError,
    NotImplementedError,
)


class Operation:
    """One call of a transport's method: what it may still take, and what is known of it so far.

    Attributes:
        remote: the address as it may be shown.
        act: `read` or `write`.
        deadline: by when it must end.
        asks_how: whether a person wants to know how the login is made, and not only that it is.
        sent: whether the remote may have taken a push. What refuses the push for certain takes it back.
        late: whether it failed because the deadline had passed.
    """

    def __init__(self, remote: str, act: str, deadline: Deadline, *, asks_how: bool = False) -> None:
        self.remote = remote
        self.act = act
        self.deadline = deadline
        self.asks_how = asks_how
        self.sent = False
        self.late = False
        self._said = bytearray()
        self.allow(MAX_LISTING_BYTES, "a list of branches")

    def allow(self, limit: int, what: str, *, max_lines: float = MAX_LISTING_LINES) -> None:
        """Begin a phase in which `limit` bytes may come, and so many lines of git's protocol."""
        self._left, self._limit, self._what = limit, limit, what
        self._reads_left, self._max_lines = _READS_A_LINE * max_lines, max_lines

    def spend(self, count: int) -> None:
        """Count bytes that came.

        Raises:
            TooLarge: they are more than the phase may bring.
            TimeoutError: they come too late. A connection that was cut at the deadline gives what it had got by then.
        """
        if self.sent:
            reached(CrashPoint.REPORT_COMES)
        if self.deadline.expired:
            raise TimeoutError
        self._left -= count
        if self._left < 0:
            raise TooLarge(remote=self.remote, reason=f"{self._what} of more than {self._limit:,} bytes")

    def counted(self, read: Callable[[int], bytes]) -> Callable[[int], bytes]:
        """Return the function with which dulwich reads pieces of lines, counting them.

        It raises `TooLarge` once there are more of them than the phase may bring.
        """

        def counting(size: int) -> bytes:
            self._reads_left -= 1
            if self._reads_left < 0:
                raise TooLarge(remote=self.remote, reason=f"{self._what} of more than {self._max_lines:,} lines")
            return read(size)

        return counting

    def hear(self, piece: bytes) -> None:
        """Take what the remote says beside its answer; what goes over a bound is dropped."""
        self._said += piece[: _MAX_SAID_BYTES - len(self._said)]

    @property
    def said(self) -> str:
        """What the remote said, as UTF-8 as far as it is."""
        return self._said.decode("utf-8", "replace")


class SmartTransport(ABC):
    """The `Transport` contract over a dulwich client that a subclass opens for each operation."""

    # The exceptions that `_explain` knows.
    _foreign: tuple[type[Exception], ...] = FOREIGN
    # What the client's methods are called with.
    _path: bytes

    def __init__(self, remote: Remote) -> None:
        self._remote = remote

    @property
    def remote(self) -> str:
        """The remote's address as it may be shown."""
        return self._remote.display

    @property
    @abstractmethod
    def login(self) -> str:
        """See `Transport.login`."""

    @abstractmethod
    def _open(self, operation: Operation) -> AbstractContextManager[GitClient]:
        """Open a client for one operation; leaving the context ends everything that the operation holds."""

    @abstractmethod
    def close(self) -> None:
        """Give back connections and processes."""

    def _last_words(self) -> str:
        """Return what a program on the way said about a failure, such as ssh."""
        return ""

    def _secrets(self) -> tuple[str, ...]:
        """Return what must not be shown even if the remote repeats it."""
        return ()

    def read_ref(self, ref: bytes, deadline: Deadline) -> bytes | None:
        """See `Transport.read_ref`."""
        with self._contact(Operation(self.remote, "read", deadline)) as client:
            listing = client.get_refs(self._path, ref_prefix=[ref])
            return self._commit_id(listing.refs, ref)

    def fetch(self, request: FetchRequest, sink: BinaryIO, deadline: Deadline) -> FetchReply:
        """See `Transport.fetch`."""
        operation = Operation(self.remote, "read", deadline)
        pack = _BoundedSink(sink, request.max_bytes, operation)
        tip: bytes | None = None

        def wants(refs: Mapping[Ref, ObjectID], depth: int | None = None) -> list[ObjectID]:  # noqa: ARG001
            nonlocal tip
            tip = self._commit_id(refs, request.ref)
            operation.allow(MAX_LISTING_BYTES, "what stands before a pack")
            return [] if tip in (None, request.have) else [ObjectID(tip)]

        with self._contact(operation) as client:
            result = client.fetch_pack(
                self._path,
                wants,
                _TipOnly(request),
                pack.write,
                depth=request.depth,
                ref_prefix=[request.ref],
            )
        if tip not in (None, request.have) and pack.size == 0:
            raise Unreachable(remote=self.remote, reason="it announced new commits and then sent none")
        return FetchReply(tip, frozenset(result.new_shallow or ()), frozenset(result.new_unshallow or ()))

    def push(
        self, ref: bytes, expected: bytes | None, new: bytes, objects: Sequence[ShaFile], deadline: Deadline
    ) -> None:
        """See `Transport.push`."""
        operation = Operation(self.remote, "write", deadline)
        announced: bytes | None = None

        def update_refs(refs: dict[Ref, ObjectID]) -> dict[Ref, ObjectID]:
            nonlocal announced
            announced = self._commit_id(refs, ref)
            # An empty answer makes dulwich leave without sending anything.
            return {Ref(ref): ObjectID(new)} if announced == expected else {}

        def generate(
            have: object, want: object, *, ofs_delta: bool = False, progress: object = None
        ) -> tuple[int, Iterator[UnpackedObject]]:
            del have, want, ofs_delta, progress
            operation.sent = True
            operation.allow(MAX_REPORT_BYTES, "a report")
            reached(CrashPoint.PUSH_BEGUN)
            return len(objects), _handed_over(objects)

        with self._contact(operation) as client:
            result = client.send_pack(self._path, update_refs, generate, progress=operation.hear)
            if operation.sent:
                reached(CrashPoint.REPORT_READ)
        if announced == new:
            return
        if announced != expected:
            raise Moved(remote=self.remote)
        self._judge(result.ref_status, ref, operation.said)

    def check_write(self, ref: bytes, deadline: Deadline) -> None:
        """See `Transport.check_write`."""

        def update_refs(refs: dict[Ref, ObjectID]) -> dict[Ref, ObjectID]:
            self._commit_id(refs, ref)
            return {}  # with which dulwich leaves, so that no pack is asked for

        with self._contact(Operation(self.remote, "write", deadline, asks_how=True)) as client:
            client.send_pack(self._path, update_refs, lambda *_, **__: (0, iter(())))

    def default_branch(self, deadline: Deadline) -> bytes | None:
        """See `Transport.default_branch`."""
        with self._contact(Operation(self.remote, "read", deadline)) as client:
            listing = client.get_refs(self._path, ref_prefix=[HEADREF])
            exists = self._commit_id(listing.refs, HEADREF) is not None
            name = listing.symrefs.get(HEADREF)
        return bytes(name) if exists and name is not None and name.startswith(LOCAL_BRANCH_PREFIX) else None

    def _judge(self, statuses: Mapping[bytes, str | None] | None, ref: bytes, said: str) -> None:
        """Believe a push's report only if it names the branch."""
        if statuses is None or ref not in statuses:
            words = clean(said, secrets=self._secrets()).rstrip(".")
            reason = in_quotes(words) if words else "it sent no report about the branch"
            raise OutcomeUnknown(remote=self.remote, reason=reason)
        refusal = statuses[ref]
        if refusal is not None:
            raise push_refusal(self.remote, refusal, said, self._secrets())

    def _commit_id(self, refs: Mapping[Ref, ObjectID] | Mapping[Ref, ObjectID | None], ref: bytes) -> bytes | None:
        found = refs.get(Ref(ref))
        if found is None or found == ZERO_SHA:
            return None
        if _COMMIT_ID.fullmatch(found) is None:
            raise NotAGitServer(remote=self.remote, reason="it names a commit by something else than 40 hex digits")
        return bytes(found)

    # -----------------------------------------------------------------------------------------------------------------
    # The one error map

    @contextmanager
    def _contact(self, operation: Operation) -> Iterator[GitClient]:
        """Open a client, and turn whatever goes wrong into an error of ours.

        What dulwich says may hold anything that the remote sent, so no chain of exceptions leaves (I9).
        """
        if operation.deadline.expired:
            raise DeadlineExceeded(remote=self.remote, seconds=operation.deadline.seconds)
        try:
            with self._open(operation) as client:
                try:
                    yield client
                except Exception:
                    # Ending what was opened takes time of its own, which is not the remote's fault.
                    operation.late = operation.deadline.expired
                    raise
        except SendPackError as error:
            words = _text(error)
            if not words.startswith(_UNPACKED):
                raise OutcomeUnknown(remote=self.remote, reason=NOT_GIT) from None
            raise push_refusal(self.remote, words, operation.said, self._secrets()) from None
        except PeerRelayError as error:
            if not operation.sent:
                raise
            raise OutcomeUnknown(remote=self.remote, reason=_clause(error)) from None
        except self._foreign as error:
            raise self._explain(error, operation) from None

    def _explain(self, error: Exception, operation: Operation) -> PeerRelayError:
        """Return the error of ours for one of `_foreign`."""
        seconds, failure = operation.deadline.seconds, self._failure(error, operation.act)
        if operation.sent:
            reason = f"no reply within {seconds:g} seconds" if operation.late else _clause(failure)
            return OutcomeUnknown(remote=self.remote, reason=reason)
        return DeadlineExceeded(remote=self.remote, seconds=seconds) if operation.late else failure

    def _nonsense(self, act: str) -> TransportError:  # noqa: ARG002 - for subclasses that know more
        """Return the error for an answer that is not git's protocol."""
        return NotAGitServer(remote=self.remote, reason=NOT_GIT)

    def _failure(self, error: Exception, act: str) -> TransportError:
        words = "" if isinstance(error, HangupException) else _text(error)
        if not isinstance(error, GitProtocolError | OSError) or _GARBLED.match(words):
            return self._nonsense(act)
        return contact_failure(self.remote, act, self._last_words() or words, self._secrets())


class _TipOnly:
    """Tells the remote of one commit that is known here: in a history that only grows it is the right base."""

    def __init__(self, request: FetchRequest) -> None:
        self._left = [] if request.have is None else [ObjectID(request.have)]
        self.shallow = {ObjectID(each) for each in request.shallow}

    def __next__(self) -> ObjectID | None:
        return self._left.pop() if self._left else None

    def ack(self, sha: ObjectID) -> None:
        """Ignore that the remote knows the commit, too."""

    def nak(self) -> None:
        """Ignore that the remote does not know the commit: it sends everything then."""


class _BoundedSink:
    """Writes to a file and counts."""

    def __init__(self, sink: BinaryIO, limit: int, operation: Operation) -> None:
        self._sink = sink
        self._limit = limit
        self._operation = operation
        self.size = 0

    def write(self, data: bytes) -> int:
        """Take a piece of the pack.

        Raises:
            TooLarge: the pack is larger than it may be.
            StateUnusable: the file cannot take it, as on a full disk.
        """
        if data and self.size == 0:
            # Beside the pack come framing and progress, which are a small part of it. None of its lines is kept.
            allowed = self._limit + self._limit // 16 + MAX_LISTING_BYTES
            self._operation.allow(allowed, "a pack", max_lines=math.inf)
        self.size += len(data)
        if self.size > self._limit:
            raise TooLarge(remote=self._operation.remote, reason=f"a pack of more than {self._limit:,} bytes")
        try:
            return self._sink.write(data)
        except OSError as error:
            raise disk.unusable(self._sink, error) from None


def _handed_over(objects: Sequence[ShaFile]) -> Iterator[UnpackedObject]:
    for each in objects:
        yield full_unpacked_object(each)
    reached(CrashPoint.PUSH_HANDED_OVER)


def _text(error: Exception) -> str:
    """Return what an exception says; dulwich's may hold bytes."""
    words = error.strerror or "" if isinstance(error, OSError) else error.args[0] if error.args else ""
    return words.decode("utf-8", "replace") if isinstance(words, bytes) else str(words)


def _clause(failure: PeerRelayError) -> str:
    """Return what went wrong without the address, which the caller adds again."""
    return str(getattr(failure, "reason", "the answer makes no sense"))
