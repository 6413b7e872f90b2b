"""What the tests of the git store share: a reader of a bare repository, and a count of what it asked of the remote."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

from peer_relay.deadline import Deadline
from peer_relay.git.clone import Clone
from peer_relay.git.connect import connect
from peer_relay.git.environment import NetworkEnvironment
from peer_relay.git.keyring import Keyring
from peer_relay.git.remote import parse_remote
from peer_relay.git.store import GitStore
from peer_relay.keys import RoomKeys
from peer_relay.paths import Kind, Place
from peer_relay.signing import Signing
from peer_relay.store import Arrival
from tests import independent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from dulwich.objects import ShaFile

    from peer_relay.git.transport import FetchReply, FetchRequest, Transport

KEYS = RoomKeys.from_token(independent.TOKEN)


def soon(seconds: float = 50.0) -> Deadline:
    return Deadline(seconds, time.monotonic)


@dataclass
class Watched:
    """A transport that counts, and that lets something happen before a fetch.

    Attributes:
        requests: those of all fetches.
        packs: the bytes that each brought.
        listings: how often the branch was looked at.
        failure: raised instead of whatever is asked for.
        before_fetch: called before each fetch.
    """

    inner: Transport
    requests: list[FetchRequest] = field(default_factory=list)
    packs: list[int] = field(default_factory=list)
    listings: int = 0
    failure: Exception | None = None
    before_fetch: Callable[[], object] = bool

    @property
    def remote(self) -> str:
        return self.inner.remote

    def read_ref(self, ref: bytes, deadline: Deadline) -> bytes | None:
        self.listings += 1
        if self.failure:
            raise self.failure
        return self.inner.read_ref(ref, deadline)

    def fetch(self, request: FetchRequest, sink: BinaryIO, deadline: Deadline) -> FetchReply:
        if self.failure:
            raise self.failure
        self.before_fetch()
        self.requests.append(request)
        reply = self.inner.fetch(request, sink, deadline)
        self.packs.append(sink.tell())
        return reply

    def push(
        self, ref: bytes, expected: bytes | None, new: bytes, objects: Sequence[ShaFile], deadline: Deadline
    ) -> None:
        self.inner.push(ref, expected, new, objects, deadline)

    def close(self) -> None:
        self.inner.close()


@dataclass
class Reader:
    """A store with a clone of its own."""

    store: GitStore
    transport: Watched
    folder: Path


def reader(
    folder: Path,
    address: str | Path,
    settings: Mapping[str, str] | None = None,
    signing: Signing | None = None,
) -> Reader:
    """Return a store for the room of `independent.TOKEN` at an address, with an empty clone in a folder."""
    environment = NetworkEnvironment.from_environ({**os.environ, **(settings or {})})
    transport = Watched(connect(parse_remote(str(address)), environment))
    keyring = Keyring(KEYS, lambda: signing or Signing(), environment.environ)
    store = GitStore(transport, Clone(folder / "clone", transport.remote), keyring)
    return Reader(store, transport, folder / "clone")


def question(commit: str, question_id: str, asker: str = "alice") -> Arrival:
    return Arrival(commit, Place(question_id, asker, Kind.QUESTION))


def answer(commit: str, question_id: str, asker: str = "alice") -> Arrival:
    return Arrival(commit, Place(question_id, asker, Kind.ANSWER))
