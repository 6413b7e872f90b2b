"""A server that keeps to git's protocol and lies in it: nothing false is shown, and nothing is lost."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from peer_relay import app
from peer_relay.config import RelayConfig
from peer_relay.errors import BranchSetBack, PeerRelayError
from peer_relay.paths import branch_ref
from peer_relay.restoring import open_restoration
from tests.claims import claim
from tests.git.fault_server import (
    FETCHING,
    PUSHING,
    FaultServer,
    Handler,
    Reply,
    changed,
    fault_server,
    result,
)
from tests.hostile.server import band, line
from tests.servers import run_git
from tests.store.benches import KEYS, TOKEN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from peer_relay.relay import Relay

__all__ = ["fault_server"]

BRANCH = branch_ref(KEYS.room_id)
REPORTED = band(1, line(b"unpack ok\n") + line(b"ok " + BRANCH.encode() + b"\n") + b"0000") + b"0000"
STRANGE = b"1" * 40


@contextlib.contextmanager
def relay(server: FaultServer, folder: Path, peer: str = "alice") -> Iterator[Relay]:
    with contextlib.closing(app.open_relay(config(server, folder, peer), {"PATH": ""})) as opened:
        yield opened


def config(server: FaultServer, folder: Path, peer: str = "alice") -> RelayConfig:
    return RelayConfig(remote=server.url(), token=TOKEN, peer_id=peer, home=folder / peer, pushes_per_minute=0)


@pytest.fixture
def room(fault_server: FaultServer, tmp_path: Path) -> FaultServer:
    """Give a server with a room in which alice has asked something."""
    app.create_room(config(fault_server, tmp_path), "bob", {"PATH": ""})
    with relay(fault_server, tmp_path) as alice:
        assert alice.ask("Is this the first?").delivered
    return fault_server


def tip(server: FaultServer) -> str:
    return run_git("rev-parse", BRANCH, cwd=server.root / "mailbox.git").decode().strip()


def subjects(server: FaultServer) -> list[str]:
    return run_git("log", "--reverse", "--format=%s", BRANCH, cwd=server.root / "mailbox.git").decode().splitlines()


def kept(folder: Path) -> str:
    """Return the commit that the branch has lost, as alice's copy keeps it."""
    (lost,) = folder.glob("alice/rooms/*/alice/clone/refs/peer-relay/lost/*")
    return lost.name


@claim("I4", "I6")
def test_a_push_that_was_reported_and_not_carried_out_is_noticed_at_the_next_look(
    room: FaultServer, tmp_path: Path
) -> None:
    before = tip(room)
    with relay(room, tmp_path) as alice:
        room.faults[PUSHING] = result(REPORTED)
        asked = alice.ask("Where does this go?")
        room.faults.clear()
        assert asked.delivered  # by the word of the one who keeps the mailbox
        assert tip(room) == before
        assert alice.answers().notes == (str(BranchSetBack(commit=kept(tmp_path), found=before)),)
        with open_restoration(config(room, tmp_path), {"PATH": ""}) as restoration:
            assert restoration.carry_out(restoration.look()).blocked is None
        assert alice.answers().notes == ()
    assert subjects(room)[-1] == "alice asks: Where does this go?"


@claim("I3", "I4")
def test_a_push_that_was_carried_out_and_reported_for_another_branch_is_looked_up(
    room: FaultServer, tmp_path: Path
) -> None:
    false = band(1, line(b"unpack ok\n") + line(b"ok refs/heads/other\n") + b"0000") + b"0000"

    def applied(handler: Handler, body: bytes) -> None:
        handler.server.backend(handler, body)
        result(false)(handler, body)

    with relay(room, tmp_path) as alice:
        room.faults[PUSHING] = applied
        alice.ask("Is this there?")
        room.faults.clear()
        alice.answers()
    assert subjects(room)[1:] == ["alice asks: Is this the first?", "alice asks: Is this there?"]


def with_boundary(*said: bytes) -> Callable[[Reply], Reply]:
    """Return a change that puts a list of commits without parents before a pack, in the place of another."""
    lines = b"".join(line(each + b"\n") for each in (b"shallow-info", *said)) + b"0001"

    def change(reply: Reply) -> Reply:
        _, packfile, after = reply.body.partition(line(b"packfile\n"))
        if not packfile:
            return reply
        return Reply(reply.status, reply.headers, lines + packfile + after)

    return change


@claim("I2", "I6")
@pytest.mark.parametrize(
    "said",
    [
        (b"shallow " + STRANGE,),
        (b"shallow TIP",),
        tuple(b"shallow %040x" % number for number in range(1_000)),
    ],
    ids=("a commit that is not there", "the newest commit", "very many"),
)
def test_a_list_of_commits_without_parents_that_lies_hides_nothing(
    room: FaultServer, tmp_path: Path, said: tuple[bytes, ...]
) -> None:
    newest = tip(room).encode()
    room.faults[FETCHING] = changed(with_boundary(*(each.replace(b"TIP", newest) for each in said)))
    for _ in range(2):
        with relay(room, tmp_path, "bob") as bob, contextlib.suppress(PeerRelayError):
            assert [each.question for each in bob.questions().items] == ["Is this the first?"]
    room.faults.clear()
    with relay(room, tmp_path) as alice:
        assert alice.ask("And this the second?").delivered
    with relay(room, tmp_path, "bob") as bob:
        assert [each.question for each in bob.questions().items] == ["Is this the first?", "And this the second?"]
