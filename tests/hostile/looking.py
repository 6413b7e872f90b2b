"""Run by `test_mailbox.py` in a process of its own: looks at hostile mailboxes, and tells what that costs.

Usage: looking.py FOLDER MAILBOX, with a JSON object on standard input: `good` and `later`, two honest tips; `bad`, by
the name of each case the commit that is to be refused; and `packs`, by the name of each case the file of a pack. A line
of JSON is printed for each case.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from peer_relay.deadline import Deadline
from peer_relay.errors import PeerRelayError
from peer_relay.git.clone import Clone
from peer_relay.git.connect import connect
from peer_relay.git.environment import NetworkEnvironment
from peer_relay.git.exact import Examiner
from peer_relay.git.keyring import Keyring
from peer_relay.git.local import LocalTransport
from peer_relay.git.remote import parse_remote
from peer_relay.git.replay import replay_in_place
from peer_relay.git.store import GitStore
from peer_relay.git.transport import FetchReply
from peer_relay.paths import branch_ref
from tests.git_store.measured import peak_kib
from tests.relay.support import FakeTime, Machine
from tests.store.benches import KEYS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from peer_relay.git.transport import FetchRequest, Transport
    from peer_relay.store import Snapshot

TIP = b"ee" * 20


class Sending(LocalTransport):
    """A mailbox that for a while sends the bytes of a file instead of a pack, as any server could.

    Attributes:
        pack: the file, while it does.
    """

    pack: Path | None = None

    def read_ref(self, ref: bytes, deadline: Deadline) -> bytes | None:
        return super().read_ref(ref, deadline) if self.pack is None else TIP

    def fetch(self, request: FetchRequest, sink: BinaryIO, deadline: Deadline) -> FetchReply:
        if self.pack is None:
            return super().fetch(request, sink, deadline)
        sink.write(self.pack.read_bytes())
        return FetchReply(TIP)


def machine(folder: Path, transport: Transport) -> Machine[GitStore]:
    """Return bob's machine, with its state in a folder."""
    return Machine(
        "bob", GitStore(transport, Clone(folder / "clone", transport.remote), Keyring(KEYS)), folder, FakeTime()
    )


def connected(address: str, settings: Mapping[str, str]) -> Transport:
    """Return the way to a mailbox at any address."""
    return connect(parse_remote(address), NetworkEnvironment.from_environ({**os.environ, **settings}))


def seen(of: Machine[GitStore]) -> tuple[list[str], str]:
    """Return the ids of what a look serves, and what it says of the mailbox."""
    try:
        listing = of.relay.questions()
    except PeerRelayError as error:
        return [], error.what
    return [each.question_id for each in listing.items], " ".join(listing.notes)


def verified(transport: LocalTransport) -> str | None:
    """Return why a replay of the whole history, read where it is, refuses the mailbox; None if it does not."""
    deadline = Deadline(60, time.monotonic)
    try:
        tip = transport.read_ref(branch_ref(KEYS.room_id).encode(), deadline)
        assert tip is not None
        found = replay_in_place(transport, tip.decode(), Examiner(KEYS), deadline)
        assert found is not None
        for _ in found.commits:
            pass
    except PeerRelayError as error:
        return error.what
    return None


def known(of: Machine[GitStore]) -> Snapshot | None:
    """Return what a machine has verified, as its checkpoint says."""
    checkpoint = of.state.load()
    return None if checkpoint is None else checkpoint.snapshot


class Trial:
    """Two of bob's machines before, while and after something hostile is in the mailbox.

    Args:
        folder: for their states.
        transport: their way to the mailbox, which is honest yet.
    """

    def __init__(self, folder: Path, transport: Sending) -> None:
        self._transport = transport
        self._old, self._new = machine(folder / "old", transport), machine(folder / "new", transport)
        self.told: dict[str, Any] = {"before": seen(self._old)}
        self._known = known(self._old)

    def during(self) -> None:
        """Look at what is hostile: twice where the room is known, then for the first time, then at all of it."""
        for name, machine in (("known", self._old), ("again", self._old), ("first", self._new)):
            with self._timed():
                self.told[name] = seen(machine)
        if self._transport.pack is None:
            with self._timed():
                self.told["verified"] = verified(self._transport)
        self.told["kept"] = known(self._old) == self._known

    @contextlib.contextmanager
    def _timed(self) -> Iterator[None]:
        """Remember how long the longest look took the processor, in seconds."""
        began = time.process_time()
        yield
        self.told["seconds"] = max(self.told.get("seconds", 0.0), time.process_time() - began)

    def after(self) -> None:
        """Look at what is honest again."""
        self.told["later"] = seen(self._old), seen(self._new)


def main(folder: str, mailbox: str) -> None:
    asked, at, transport = json.load(sys.stdin), Path(mailbox, branch_ref(KEYS.room_id)), Sending(parse_remote(mailbox))

    def point(commit: str) -> None:
        at.write_text(f"{commit}\n", encoding="ascii")

    point(asked["good"])
    Trial(Path(folder, "idle"), transport).during()
    idle = peak_kib()
    for number, (name, bad) in enumerate([*asked["bad"].items(), *asked["packs"].items()]):
        point(asked["good"])
        trial = Trial(Path(folder, str(number)), transport)
        if name in asked["bad"]:
            point(bad)
        else:
            transport.pack = Path(bad)
        trial.during()
        transport.pack = None
        point(asked["later"])
        trial.after()
        print(json.dumps({"name": name, "grown_kib": peak_kib() - idle, **trial.told}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
