"""A transport that tells somebody what it does: for a log of git operations, and for a progress bar.

1. Whatever it tells is one line that may be shown: the remote as it may be shown, and cleaned words (I9, I10).
2. It changes nothing: each call, its result and its error are those of the transport inside.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, cast

from peer_relay.errors import PeerRelayError
from peer_relay.git.words import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from dulwich.objects import ShaFile

    from peer_relay.deadline import Deadline
    from peer_relay.git.transport import FetchReply, FetchRequest, Transport

_STEP_BYTES = 64 << 10
_SHOWN_DIGITS = 12
_BRANCHES = b"refs/heads/"


class Observer(Protocol):
    """Follows the git operations of a transport, in the thread in which they happen. What it raises ends them."""

    def began(self, act: str) -> None:
        """Hear that an operation begins, such as `read branch peer-relay/abc of git@host:x`."""

    def received(self, total_bytes: int) -> None:
        """Hear how much of a pack has come, about every 64 KiB and at its end. It begins anew with each fetch."""

    def ended(self, act: str, outcome: str, seconds: float) -> None:
        """Hear what became of an operation: what it found or did, or the sentence of its error."""


class ObservedTransport:
    """The `Transport` inside, observed.

    Args:
        inner: does the work.
        observer: is told of it.
        monotonic: a clock that never runs backwards, in seconds.
    """

    def __init__(self, inner: Transport, observer: Observer, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._inner = inner
        self._observer = observer
        self._monotonic = monotonic

    @property
    def remote(self) -> str:
        """See `Transport.remote`."""
        return self._inner.remote

    @property
    def login(self) -> str:
        """See `Transport.login`."""
        return self._inner.login

    def read_ref(self, ref: bytes, deadline: Deadline) -> bytes | None:
        """See `Transport.read_ref`."""
        with self._observed(f"read {_branch(ref)} of {self.remote}") as outcome:
            tip = self._inner.read_ref(ref, deadline)
            outcome.say(_place(tip))
        return tip

    def fetch(self, request: FetchRequest, sink: BinaryIO, deadline: Deadline) -> FetchReply:
        """See `Transport.fetch`."""
        with self._observed(f"fetch {_wanted(request)} of {self.remote}") as outcome:
            counting = _CountingSink(sink, self._observer)
            reply = self._inner.fetch(request, cast("BinaryIO", counting), deadline)
            counting.finish()
            outcome.say(f"{counting.size:,} bytes; {_place(reply.tip)}" if counting.size else _place(reply.tip))
        return reply

    def push(
        self, ref: bytes, expected: bytes | None, new: bytes, objects: Sequence[ShaFile], deadline: Deadline
    ) -> None:
        """See `Transport.push`."""
        start = "as a new branch" if expected is None else f"on {_short(expected)}"
        with self._observed(f"push {len(objects)} objects to {_branch(ref)} of {self.remote} {start}") as outcome:
            self._inner.push(ref, expected, new, objects, deadline)
            outcome.say(_place(new))

    def check_write(self, ref: bytes, deadline: Deadline) -> None:
        """See `Transport.check_write`."""
        with self._observed(f"check that {_branch(ref)} of {self.remote} can be written") as outcome:
            self._inner.check_write(ref, deadline)
            outcome.say("nothing stands against it")

    def default_branch(self, deadline: Deadline) -> bytes | None:
        """See `Transport.default_branch`."""
        with self._observed(f"read the default branch of {self.remote}") as outcome:
            name = self._inner.default_branch(deadline)
            outcome.say("it is not known" if name is None else f"it is {_branch(name)}")
        return name

    def close(self) -> None:
        """See `Transport.close`."""
        self._inner.close()

    @contextmanager
    def _observed(self, act: str) -> Iterator[_Outcome]:
        """Tell of the beginning and of the end of what happens inside."""
        outcome, started = _Outcome(), self._monotonic()
        self._observer.began(act)
        try:
            yield outcome
        except PeerRelayError as error:
            outcome.say(clean(error.what))
            raise
        finally:
            self._observer.ended(act, outcome.words, self._monotonic() - started)


class _Outcome:
    """What is said at the end of an operation; what nobody explained was broken off, as by Ctrl-C."""

    words = "it was broken off"

    def say(self, words: str) -> None:
        """Take the words for the end."""
        self.words = words


class _CountingSink:
    """Writes to a file and tells how much of it is there. Everything else is done by the file itself.

    The position is what counts, because a transport may go back and begin again.
    """

    def __init__(self, sink: BinaryIO, observer: Observer) -> None:
        self._sink = sink
        self._observer = observer
        self._start = sink.tell()
        self._told = 0

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - it is the file's
        return getattr(self._sink, name)

    @property
    def size(self) -> int:
        """How many bytes are there."""
        return self._sink.tell() - self._start

    def write(self, data: bytes) -> int:
        """Write a piece of the pack."""
        written = self._sink.write(data)
        if abs(self.size - self._told) >= _STEP_BYTES:
            self._tell()
        return written

    def finish(self) -> None:
        """Tell of the last bytes."""
        if self.size != self._told:
            self._tell()

    def _tell(self) -> None:
        self._told = self.size
        self._observer.received(self._told)


def _wanted(request: FetchRequest) -> str:
    branch = _branch(request.ref)
    if request.have is not None:
        return f"what follows {_short(request.have)} on {branch}"
    if request.depth is not None:
        return f"the newest commits ({request.depth} deep) of {branch}"
    return f"all of {branch}"


def _branch(ref: bytes) -> str:
    return clean(b"branch " + ref.removeprefix(_BRANCHES), limit=100)


def _place(tip: bytes | None) -> str:
    return "there is no such branch" if tip is None else f"it is at {_short(tip)}"


def _short(commit: bytes) -> str:
    return commit[:_SHOWN_DIGITS].decode("ascii")
