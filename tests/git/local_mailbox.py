"""A mailbox at a path, used through its transport: what the tests of that transport share."""

from __future__ import annotations

import time
from io import BytesIO
from typing import TYPE_CHECKING

from dulwich.repo import Repo

from peer_relay.deadline import Deadline
from peer_relay.git.limits import FIRST_FETCH
from peer_relay.git.local import LocalTransport
from peer_relay.git.packs import ingest
from peer_relay.git.remote import parse_remote

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from peer_relay.git.transport import FetchReply, FetchRequest
    from tests.git.building import Step

REF = b"refs/heads/peer-relay/room"


def transport(path: Path) -> LocalTransport:
    return LocalTransport(parse_remote(str(path)))


def deadline(seconds: float = 20.0) -> Deadline:
    return Deadline(seconds, time.monotonic)


def push(path: Path, steps: Sequence[Step], expected: bytes | None = None, ref: bytes = REF) -> None:
    objects = [each for step in steps for each in step.objects]
    transport(path).push(ref, expected, steps[-1].name, objects, deadline())


def fetch(path: Path, request: FetchRequest, into: Path) -> FetchReply:
    """Fetch and take in what came, as the clone does."""
    file = BytesIO()
    reply = transport(path).fetch(request, file, deadline())
    with Repo(into) as clone:
        ingest(clone, file, remote=str(path), limits=FIRST_FETCH)
    return reply
