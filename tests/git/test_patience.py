"""What a transport remembers of a remote: the pauses that it asked for, and the logins that it refused."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from peer_relay.deadline import Deadline
from peer_relay.errors import AuthenticationFailed, PeerRelayError, RateLimited, Unreachable
from peer_relay.git.credentials import FROM_HELPER, NONE_FOUND
from peer_relay.git.patience import PatientTransport
from peer_relay.git.transport import FetchReply, FetchRequest
from peer_relay.times import format_ms
from tests.relay.support import FakeTime

if TYPE_CHECKING:
    from collections.abc import Callable

REF, TIP = b"refs/heads/peer-relay/room", b"1" * 40
REFUSED = AuthenticationFailed(remote="R", source=FROM_HELPER, advice="Log in.")


class Remote:
    """A transport that does nothing but to count, and to fail as a test says."""

    remote, login = "R", "somebody"

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.failures: dict[str, PeerRelayError] = {}
        self.closed = False

    def _do(self, name: str) -> None:
        self.asked.append(name)
        if name in self.failures:
            raise self.failures[name]

    def read_ref(self, *_: object) -> bytes:
        self._do("read_ref")
        return TIP

    def fetch(self, *_: object) -> FetchReply:
        self._do("fetch")
        return FetchReply(TIP)

    def push(self, *_: object) -> None:
        self._do("push")

    def check_write(self, *_: object) -> None:
        self._do("check_write")

    def default_branch(self, *_: object) -> bytes:
        self._do("default_branch")
        return REF

    def close(self) -> None:
        self.closed = True


class Bench:
    """A patient transport, with a clock and a helper that may have another login."""

    def __init__(self) -> None:
        self.remote, self.time, self.other_login = Remote(), FakeTime(), False
        self.transport = PatientTransport(self.remote, lambda _: self.other_login, self.time.clock())
        until = Deadline(20, self.time.monotonic)
        self.calls: dict[str, Callable[[], object]] = {
            "read_ref": lambda: self.transport.read_ref(REF, until),
            "fetch": lambda: self.transport.fetch(FetchRequest(REF), io.BytesIO(), until),
            "push": lambda: self.transport.push(REF, None, TIP, (), until),
            "check_write": lambda: self.transport.check_write(REF, until),
            "default_branch": lambda: self.transport.default_branch(until),
        }

    def fails(self, name: str) -> PeerRelayError:
        with pytest.raises(PeerRelayError) as caught:
            self.calls[name]()
        return caught.value

    def tries(self, name: str) -> bool:
        """Return whether a call reaches the remote."""
        before = len(self.remote.asked)
        self.fails(name)
        return len(self.remote.asked) > before


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_remote_that_asks_for_nothing_is_asked_every_time(bench: Bench) -> None:
    results = {name: call() for name, call in bench.calls.items()}
    assert results == {
        "read_ref": TIP,
        "fetch": FetchReply(TIP),
        "push": None,
        "check_write": None,
        "default_branch": REF,
    }
    assert bench.remote.asked == list(bench.calls)
    assert (bench.transport.remote, bench.transport.login) == ("R", "somebody")
    bench.transport.close()
    assert bench.remote.closed


@pytest.mark.parametrize(
    ("asked_s", "kept_s"), [(1.0, 1.0), (90.0, 90.0), (3600.0, 600.0), (86_400.0, 600.0), (None, 60.0)]
)
def test_a_pause_holds_every_call_back_for_as_long_as_was_asked_but_not_for_hours(
    bench: Bench, asked_s: float | None, kept_s: float
) -> None:
    bench.remote.failures["push"] = RateLimited(remote="R", retry_after_s=asked_s)
    assert bench.tries("push")
    moment = format_ms(bench.time.ms + round(kept_s * 1000))
    told = {str(bench.fails(name)) for name in bench.calls}
    length = "" if asked_s is None else f" of {asked_s:g} seconds"
    assert told == {f"R asks for a pause{length}. It is not asked again before {moment}."}
    bench.time.seconds += kept_s - 0.1
    assert not bench.tries("read_ref")
    assert bench.remote.asked == ["push"]
    bench.time.seconds += 0.1
    assert bench.calls["read_ref"]() == TIP


def test_a_pause_of_no_seconds_holds_nothing_back(bench: Bench) -> None:
    bench.remote.failures["read_ref"] = RateLimited(remote="R", retry_after_s=0.0)
    assert [bench.tries("read_ref") for _ in range(3)] == [True, True, True]


def test_other_failures_hold_nothing_back(bench: Bench) -> None:
    bench.remote.failures["read_ref"] = Unreachable(remote="R", reason="it is away")
    assert [bench.tries("read_ref") for _ in range(5)] == [True] * 5


def test_a_login_that_is_refused_is_tried_three_times_in_three_minutes(bench: Bench) -> None:
    bench.remote.failures["read_ref"] = REFUSED
    tried = []
    for _ in range(3600):
        if bench.tries("read_ref"):
            tried.append(bench.time.seconds)
        bench.time.seconds += 1
    assert all(later - earlier >= 180 for earlier, later in zip(tried, tried[3:], strict=False))
    assert tried[:6] == [0, 1, 2, 180, 181, 182]


def test_a_login_that_is_kept_back_says_until_when(bench: Bench) -> None:
    bench.remote.failures["read_ref"] = REFUSED
    first = format_ms(bench.time.ms + 1 + 180_000)
    assert [str(bench.fails("read_ref")) for _ in range(3)] == [str(REFUSED)] * 3
    source = f"{FROM_HELPER}, so no further login is tried before {first}"
    kept_back = AuthenticationFailed(remote="R", source=source, advice="Log in.")
    assert [str(bench.fails("read_ref")) for _ in range(2)] == [str(kept_back)] * 2
    assert str(bench.fails("push")) == str(kept_back)


def test_having_no_login_at_all_is_no_refused_login(bench: Bench) -> None:
    bench.remote.failures["read_ref"] = AuthenticationFailed(remote="R", source=NONE_FOUND)
    assert [bench.tries("read_ref") for _ in range(9)] == [True] * 9


def test_a_changed_login_is_tried_at_once_but_not_without_end(bench: Bench) -> None:
    bench.remote.failures["read_ref"] = REFUSED
    bench.other_login = True
    assert [bench.tries("read_ref") for _ in range(9)] == [True] * 6 + [False] * 3
    bench.time.seconds += 180
    assert bench.tries("read_ref")


def test_a_login_that_was_changed_for_the_better_is_not_kept_back(bench: Bench) -> None:
    bench.remote.failures["push"] = REFUSED
    assert [bench.tries("push") for _ in range(4)] == [True] * 3 + [False]
    bench.other_login, bench.remote.failures = True, {}
    bench.calls["read_ref"]()
    bench.calls["push"]()
    bench.other_login = False
    bench.calls["push"]()


def test_reading_goes_on_where_only_pushes_are_refused(bench: Bench) -> None:
    bench.remote.failures["push"] = REFUSED
    for _ in range(9):
        bench.calls["read_ref"]()
        bench.fails("push")
    assert bench.remote.asked.count("read_ref") == 9
    assert bench.remote.asked.count("push") == 3


def test_a_login_that_was_accepted_between_refusals_is_not_counted_out(bench: Bench) -> None:
    for _ in range(5):
        bench.remote.failures["push"] = REFUSED
        assert bench.tries("push")
        bench.remote.failures = {}
        bench.calls["push"]()
