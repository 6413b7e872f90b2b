"""What an observer is told of git operations: one clean line each, and how a pack grows."""

from __future__ import annotations

import os
from io import BytesIO
from typing import TYPE_CHECKING

import pytest

from peer_relay.errors import Moved, Unreachable
from peer_relay.git.connect import connect
from peer_relay.git.environment import NetworkEnvironment
from peer_relay.git.observed import ObservedTransport
from peer_relay.git.remote import parse_remote
from peer_relay.git.transport import FetchReply, FetchRequest
from tests.claims import claim
from tests.git.building import commit, line
from tests.git.fault_server import FaultServer, fault_server
from tests.git.local_mailbox import REF, deadline
from tests.git.recorder import Recorder
from tests.servers import create_repository, run_git

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import BinaryIO

    from tests.git.building import Step

__all__ = ["fault_server"]

STEPS = line(3)
FIRST, SECOND, THIRD = (step.name.decode()[:12] for step in STEPS)
BRANCH = "branch peer-relay/room"


@pytest.fixture
def mailbox(tmp_path: Path) -> Path:
    return create_repository(tmp_path / "mailbox.git")


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def transport(mailbox: Path, recorder: Recorder) -> ObservedTransport:
    observed = connect(parse_remote(str(mailbox)), NetworkEnvironment(), recorder)
    assert isinstance(observed, ObservedTransport)
    return observed


def push(transport: ObservedTransport, steps: Sequence[Step], expected: bytes | None = None) -> None:
    transport.push(REF, expected, steps[-1].name, [each for step in steps for each in step.objects], deadline())


def test_each_operation_is_told_with_what_it_found(
    transport: ObservedTransport, recorder: Recorder, mailbox: Path
) -> None:
    transport.read_ref(REF, deadline())
    transport.check_write(REF, deadline())
    push(transport, STEPS[:2])
    push(transport, STEPS[2:], STEPS[1].name)
    transport.read_ref(REF, deadline())
    transport.default_branch(deadline())
    run_git("symbolic-ref", "HEAD", REF.decode(), cwd=mailbox)
    transport.default_branch(deadline())
    assert recorder.endings == [
        (f"read {BRANCH} of {mailbox}", "there is no such branch"),
        (f"check that {BRANCH} of {mailbox} can be written", "nothing stands against it"),
        (f"push 10 objects to {BRANCH} of {mailbox} as a new branch", f"it is at {SECOND}"),
        (f"push 5 objects to {BRANCH} of {mailbox} on {SECOND}", f"it is at {THIRD}"),
        (f"read {BRANCH} of {mailbox}", f"it is at {THIRD}"),
        (f"read the default branch of {mailbox}", "it is not known"),
        (f"read the default branch of {mailbox}", f"it is {BRANCH}"),
    ]
    assert recorder.acts == [act for act, _ in recorder.endings]
    assert min(recorder.seconds) >= 0


def test_what_is_fetched_is_told_with_its_size(transport: ObservedTransport, recorder: Recorder, mailbox: Path) -> None:
    push(transport, STEPS)
    recorder.endings.clear()
    sizes = []
    for request in (
        FetchRequest(REF, depth=2),
        FetchRequest(REF),
        FetchRequest(REF, have=STEPS[0].name),
        FetchRequest(REF, have=STEPS[2].name),
    ):
        sink = BytesIO()
        transport.fetch(request, sink, deadline())
        sizes.append(len(sink.getvalue()))
    wanted = [
        f"the newest commits (2 deep) of {BRANCH}",
        f"all of {BRANCH}",
        f"what follows {FIRST} on {BRANCH}",
        f"what follows {THIRD} on {BRANCH}",
    ]
    assert recorder.endings == [
        (f"fetch {what} of {mailbox}", f"{size} bytes; it is at {THIRD}" if size else f"it is at {THIRD}")
        for what, size in zip(wanted, sizes, strict=True)
    ]
    assert recorder.sizes == sizes[:3]


def test_a_large_pack_is_told_in_steps_and_counted_anew_when_it_begins_anew(mailbox: Path, recorder: Recorder) -> None:
    piece = bytes(8 << 10)

    class TwiceFetching:
        remote, login = str(mailbox), ""

        def fetch(self, _request: FetchRequest, sink: BinaryIO, _deadline: object) -> FetchReply:
            for _ in range(2):
                sink.seek(0)
                sink.truncate()
                for _ in range(20):
                    assert sink.write(piece) == len(piece)
            return FetchReply(None)

    sink = BytesIO()
    ObservedTransport(TwiceFetching(), recorder).fetch(FetchRequest(REF), sink, deadline())  # type: ignore[arg-type]
    assert recorder.sizes == [65_536, 131_072, 8_192, 73_728, 139_264, 163_840]
    assert len(sink.getvalue()) == 163_840


def test_a_pack_that_comes_over_the_network_is_counted_as_it_comes(
    fault_server: FaultServer, recorder: Recorder
) -> None:
    transport = connect(parse_remote(fault_server.url()), NetworkEnvironment(), recorder)
    push(transport, [commit(None, {"a": os.urandom(200_000)})])  # type: ignore[arg-type]
    sink = BytesIO()
    transport.fetch(FetchRequest(REF), sink, deadline())
    transport.close()
    assert recorder.sizes == sorted(recorder.sizes)
    assert recorder.sizes[-1] == len(sink.getvalue()) > 200_000
    assert min(b - a for a, b in zip([0, *recorder.sizes[:-2]], recorder.sizes[:-1], strict=True)) >= 64 << 10


@claim("I9")
def test_an_error_is_told_in_its_own_clean_words(
    transport: ObservedTransport, recorder: Recorder, mailbox: Path
) -> None:
    push(transport, STEPS[:1])
    with pytest.raises(Moved) as caught:
        push(transport, STEPS[2:], STEPS[1].name)
    assert recorder.endings[-1] == (f"push 5 objects to {BRANCH} of {mailbox} on {SECOND}", caught.value.what)

    class Odd:
        remote, login = "R", ""

        def read_ref(self, *_: object) -> bytes:
            raise Unreachable(remote="R", reason="\x1b[31mred\x1b[0m\nwords")

        def default_branch(self, *_: object) -> bytes:
            return b"refs/heads/\x1b[31mred\x1b[0m\n"

    odd = ObservedTransport(Odd(), recorder)  # type: ignore[arg-type]
    with pytest.raises(Unreachable):
        odd.read_ref(REF, deadline())
    assert odd.default_branch(deadline()) == b"refs/heads/\x1b[31mred\x1b[0m\n"
    assert [outcome for _, outcome in recorder.endings[-2:]] == ["R cannot be reached: red words.", "it is branch red"]


def test_what_is_broken_off_is_told_so(recorder: Recorder) -> None:
    class Interrupted:
        remote, login = "R", ""

        def read_ref(self, *_: object) -> bytes:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ObservedTransport(Interrupted(), recorder).read_ref(REF, deadline())  # type: ignore[arg-type]
    assert recorder.endings == [(f"read {BRANCH} of R", "it was broken off")]
