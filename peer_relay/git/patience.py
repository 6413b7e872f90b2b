"""A transport that keeps to what the remote asked for: no request in a pause, and no login that was refused often.

1. While a pause lasts nothing is sent: every call raises at once, with the time from which the remote is asked again.
   Nothing sleeps.
2. A pause ends after `LONGEST_PAUSE_S`, whatever the remote asks for, and one without a length lasts `USUAL_PAUSE_S`.
3. After `MOST_REFUSED` refused logins within `REFUSED_WITHIN_S` the login is kept back until that is long enough ago:
   GitLab bans an address for an hour after 30 in three minutes. One that was changed meanwhile is tried at once where
   this machine can tell that it was, unless `MOST_REFUSED_IN_ALL` were refused in that time.
4. Reading goes on where only pushes are refused.
5. The memory is this process's: a command that a person runs tries in any case.
"""

from __future__ import annotations

import math
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, BinaryIO, Final, Literal

from peer_relay.clock import Clock
from peer_relay.errors import AuthenticationFailed, RateLimited
from peer_relay.git.credentials import NONE_FOUND
from peer_relay.times import MAX_MS, format_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from dulwich.objects import ShaFile

    from peer_relay.deadline import Deadline
    from peer_relay.git.transport import FetchReply, FetchRequest, Transport

USUAL_PAUSE_S: Final = 60.0
LONGEST_PAUSE_S: Final = 600.0
REFUSED_WITHIN_S: Final = 180.0
MOST_REFUSED: Final = 3
MOST_REFUSED_IN_ALL: Final = 6


Act = Literal["read", "write"]


@dataclass(frozen=True)
class _Refused:
    """A login that was refused: when, on the monotonic clock and for display, and in which words."""

    at: float
    at_ms: int
    act: Act
    error: AuthenticationFailed


class PatientTransport:
    """The `Transport` inside, asked no more often than the remote wants.

    Args:
        inner: does the work.
        has_other_login: says whether another login than the refused one would be tried by now.
        clock: for the lengths of pauses, and for the times that are shown.
    """

    def __init__(
        self,
        inner: Transport,
        has_other_login: Callable[[Deadline], bool] = lambda _: False,
        clock: Clock | None = None,
    ) -> None:
        self._inner = inner
        self._has_other_login = has_other_login
        self._clock = clock or Clock()
        self._pause_ends = 0.0
        self._pause: RateLimited | None = None
        self._refused: list[_Refused] = []
        self._refused_in_all: deque[float] = deque([-math.inf] * MOST_REFUSED_IN_ALL, MOST_REFUSED_IN_ALL)

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
        with self._patience("read", deadline):
            return self._inner.read_ref(ref, deadline)

    def fetch(self, request: FetchRequest, sink: BinaryIO, deadline: Deadline) -> FetchReply:
        """See `Transport.fetch`."""
        with self._patience("read", deadline):
            return self._inner.fetch(request, sink, deadline)

    def push(
        self, ref: bytes, expected: bytes | None, new: bytes, objects: Sequence[ShaFile], deadline: Deadline
    ) -> None:
        """See `Transport.push`."""
        with self._patience("write", deadline):
            self._inner.push(ref, expected, new, objects, deadline)

    def check_write(self, ref: bytes, deadline: Deadline) -> None:
        """See `Transport.check_write`."""
        with self._patience("write", deadline):
            self._inner.check_write(ref, deadline)

    def default_branch(self, deadline: Deadline) -> bytes | None:
        """See `Transport.default_branch`."""
        with self._patience("read", deadline):
            return self._inner.default_branch(deadline)

    def close(self) -> None:
        """See `Transport.close`."""
        self._inner.close()

    @contextmanager
    def _patience(self, act: Act, deadline: Deadline) -> Iterator[None]:
        """Let an operation through or not, and remember what becomes of it.

        Raises:
            RateLimited, AuthenticationFailed: it is not tried.
        """
        if self._pause is not None and self._clock.monotonic() < self._pause_ends:
            raise replace(self._pause)
        self._check_login(act, deadline)
        try:
            yield
        except RateLimited as error:
            self._begin_pause(error)
            raise
        except AuthenticationFailed as error:
            if error.source != NONE_FOUND:  # without a login there was none to refuse
                self._remember(act, error)
            raise
        self._refused = [each for each in self._refused if act == "read" and each.act == "write"]

    def _begin_pause(self, error: RateLimited) -> None:
        asked_s = USUAL_PAUSE_S if error.retry_after_s is None else error.retry_after_s
        pause_s = min(asked_s, LONGEST_PAUSE_S)
        self._pause_ends = self._clock.monotonic() + pause_s
        self._pause = replace(error, next_try=_moment(self._clock.observed_ms(), pause_s))

    def _remember(self, act: Act, error: AuthenticationFailed) -> None:
        now = self._clock.monotonic()
        self._refused.append(_Refused(now, self._clock.observed_ms(), act, error))
        self._refused_in_all.append(now)

    def _check_login(self, act: Act, deadline: Deadline) -> None:
        """Keep a login back that was refused often, unless there is another one."""
        since = self._clock.monotonic() - REFUSED_WITHIN_S
        self._refused = [each for each in self._refused if each.at > since]
        counted = [each for each in self._refused if act == "write" or each.act == "read"]
        if len(counted) < MOST_REFUSED:
            return
        if self._refused_in_all[0] <= since and self._has_other_login(deadline):
            self._refused.clear()
            return
        error, until = counted[-1].error, _moment(counted[-MOST_REFUSED].at_ms, REFUSED_WITHIN_S)
        raise replace(error, source=f"{error.source}, so no further login is tried before {until}")


def _moment(ms: int, later_s: float) -> str:
    return format_ms(min(ms + round(later_s * 1000), MAX_MS))
