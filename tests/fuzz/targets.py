"""What reads bytes that a stranger wrote, each as a function of any bytes, and what must hold of it whatever they are.

1. It returns, or it raises one of our errors (or what its own documentation names), and never anything else.
2. What is shown of it is one short line of printable characters (I9).
3. What it accepts is what it would have written itself, where there is one spelling (I2), and a push counts as taken
   only if the server said so (I4).
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import socket
import struct
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from typing import TYPE_CHECKING, cast

from dulwich.client import TraditionalGitClient
from dulwich.protocol import Protocol
from dulwich.repo import Repo
from urllib3 import HTTPResponse

from peer_relay import commits, invite, keys, paths, records, sshsig
from peer_relay.errors import InvalidInvite, InvalidRecord, PeerRelayError, TransportError, UnsupportedFormat
from peer_relay.git.environment import NetworkEnvironment
from peer_relay.git.http import HttpTransport
from peer_relay.git.limits import PackLimits
from peer_relay.git.outcomes import contact_failure, push_refusal
from peer_relay.git.packs import ingest
from peer_relay.git.remembered import Remembered
from peer_relay.git.remote import parse_remote
from peer_relay.git.smart import SmartTransport
from peer_relay.git.status import Answer, status_error
from peer_relay.git.transport import FetchRequest
from peer_relay.git.trees import Draft, files_of
from peer_relay.git.words import clean, last_lines
from tests.git.building import delta, entry, header, line, pack, raw_pack
from tests.git.fault_server import REF, deadline
from tests.hostile import server
from tests.hostile.server import DISCOVERY, FETCH, HONEST, LS_REFS, OBJECTS, PUSH_DISCOVERY, REPORT, TIP
from tests.pure import samples

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from peer_relay.git.smart import Operation
    from peer_relay.git.transport import Transport

REMOTE = "https://host.example/mailbox.git"
LIMITS = PackLimits(max_objects=100, max_object_bytes=100_000, max_total_bytes=1 << 20, max_pack_bytes=1 << 20)
_NOW = datetime(2026, 11, 22, tzinfo=UTC)
_LONGEST_SENTENCE = 2_000
_HASH_BYTES = 20


@dataclass(frozen=True)
class Target:
    """What is fuzzed.

    Attributes:
        run: takes any bytes, and raises for what must not happen.
        seeds: bytes that it is meant for, from which others are made.
    """

    run: Callable[[bytes], object]
    seeds: tuple[bytes, ...]


def shown(error: PeerRelayError) -> None:
    """Fail if what is shown of an error is anything but a line."""
    text = str(error)
    assert text.isprintable(), text
    assert len(text) < _LONGEST_SENTENCE, text


# ---------------------------------------------------------------------------------------------------------------------
# A conversation with a server


class _Told(SmartTransport):
    """A conversation over a stream, as ssh holds it, whose other side was written beforehand."""

    _path = b"mailbox.git"
    login = ""

    def __init__(self, said: bytes) -> None:
        super().__init__(parse_remote(REMOTE))
        self._said = said

    @contextmanager
    def _open(self, operation: Operation) -> Iterator[TraditionalGitClient]:
        yield _Client(self._said, operation)

    def close(self) -> None:
        """Do nothing."""


class _Client(TraditionalGitClient):
    def __init__(self, said: bytes, operation: Operation) -> None:
        super().__init__()
        self._said = io.BytesIO(said)
        self._operation = operation

    def _connect(self, *_: object, **__: object) -> tuple[Protocol, Callable[[], bool], None]:
        def read(size: int) -> bytes:
            data = self._said.read(size)
            self._operation.spend(len(data))
            return data

        return Protocol(self._operation.counted(read), len), bool, None


class _Pool:
    """A connection whose responses were written beforehand, each after its length in two bytes."""

    num_connections = 0

    def __init__(self, said: bytes) -> None:
        self._said = io.BytesIO(said)

    def urlopen(self, method: str, url: str, **_: object) -> HTTPResponse:
        service = url.partition("git-")[2] if "?" in url else url.rpartition("git-")[2]
        kind = f"application/x-git-{service}-{'advertisement' if method == 'GET' else 'result'}"
        length = int.from_bytes(self._said.read(2))
        body = io.BytesIO(self._said.read(length))
        return HTTPResponse(body, {"Content-Type": kind}, 200, preload_content=False)


def converse(transport: Transport, act: int, said: bytes) -> None:
    """Do one of the five acts of a transport."""
    sink = io.BytesIO()
    acts: tuple[Callable[[], object], ...] = (
        lambda: transport.read_ref(REF, deadline()),
        lambda: transport.fetch(FetchRequest(REF, depth=2, max_bytes=1 << 16), sink, deadline()),
        lambda: transport.push(REF, None, TIP, OBJECTS, deadline()),
        lambda: transport.check_write(REF, deadline()),
        lambda: transport.default_branch(deadline()),
    )
    try:
        acts[act % len(acts)]()
    except TransportError as error:
        shown(error)
    else:
        if act % len(acts) == 2:
            assert b"ok " + REF in said or TIP + b" " + REF in said.replace(b"\t", b" ")


def stream(data: bytes) -> None:
    """Hold a conversation over a stream; the first byte says which."""
    said = data[1:]
    converse(_Told(said), data[0] if data else 0, said)


def http(data: bytes) -> None:
    """Hold a conversation over http; the first byte says which."""
    said = data[1:]
    transport = HttpTransport(parse_remote(REMOTE), NetworkEnvironment(environ={"PATH": ""}))
    pool = _Pool(said)
    transport._connections.pool = lambda: pool  # type: ignore[assignment, method-assign, return-value]
    converse(transport, data[0] if data else 0, said)


def responses(data: bytes) -> None:
    """Hold a conversation over connections that each bring any bytes; the first byte says which conversation."""
    said, opened = io.BytesIO(data[1:]), list[socket.socket]()

    def connect(*_: object) -> socket.socket:
        ours, theirs = socket.socketpair()
        opened.extend((ours, theirs))
        theirs.sendall(said.read(int.from_bytes(said.read(2))))
        theirs.shutdown(socket.SHUT_WR)
        return ours

    transport = HttpTransport(parse_remote("http://localhost/mailbox.git"), NetworkEnvironment(environ={"PATH": ""}))
    transport._connections.watch.connect = connect  # type: ignore[method-assign]
    try:
        converse(transport, data[0] if data else 0, data)
    finally:
        transport.close()
        for each in opened:
            each.close()


def status(data: bytes) -> None:
    """Read a status and headers of an answer of http, which come as text of single bytes."""
    number, *rest = data.decode("latin-1").split("\n", 3)
    names = ("Location", "Retry-After", "Content-Type")
    answer = Answer(
        url=REMOTE,
        status=int.from_bytes(number.encode("latin-1")[:2]) % 1_000,
        headers=dict(zip(names, rest, strict=False)),
        words=clean(data),
        is_push=bool(data) and data[-1] % 2 == 1,
        act="read",
    )
    shown(status_error(REMOTE, answer, _NOW))


def words(data: bytes) -> None:
    """Clean words of a remote, and say what they mean."""
    text = data.decode("utf-8", "replace")
    for limit in (60, 600):
        cleaned = clean(data, secrets=["secret"], limit=limit)
        assert len(cleaned) <= limit
        assert cleaned.isprintable()
        assert "secret" not in cleaned
    reason, _, said = text.partition("\n")
    shown(push_refusal(REMOTE, reason, said))
    shown(contact_failure(REMOTE, "read", last_lines(data, 6)))


def remembered(data: bytes) -> None:
    """Remember what a server says of itself before a push, and repeat it."""
    kept = Remembered()
    kept.keep_pushing(data)
    if (announced := kept.pushing(REF, TIP)) is not None:
        assert announced.endswith(b"0000")


# ---------------------------------------------------------------------------------------------------------------------
# Objects


@cache
def _clone() -> Repo:
    folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    repo = Repo.init_bare(folder.name)
    repo.fuzzed_in = folder  # type: ignore[attr-defined]
    return repo


def packs(data: bytes) -> None:
    """Take in a pack whose number of objects and checksum are right."""
    count, body = data[0] if data else 0, data[1:]
    content = b"PACK" + struct.pack(">LL", 2, count) + body
    file = io.BytesIO(content + hashlib.sha1(content, usedforsecurity=False).digest())
    try:
        assert ingest(_clone(), file, remote=REMOTE, limits=LIMITS) == count
    except PeerRelayError as error:
        shown(error)


def raw_packs(data: bytes) -> None:
    """Take in any bytes as a pack."""
    try:
        ingest(_clone(), io.BytesIO(data), remote=REMOTE, limits=LIMITS)
    except PeerRelayError as error:
        shown(error)


class _OneTree:
    """A source in which every tree is the same, so that a tree that names any other has no end."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def raw(self, kind: str, object_id: str) -> bytes:  # noqa: ARG002 - the contract of a source
        return self._content


def trees(data: bytes) -> None:
    """List the files of a tree."""
    with contextlib.suppress(ValueError, PeerRelayError):
        files_of(Draft(_OneTree(data)), "1" * 40)


def commit(data: bytes) -> None:
    """Take a commit apart."""
    with contextlib.suppress(ValueError):
        parsed = commits.take_apart(data)
        commits.has_right_mac(parsed, b"k" * 32)


def signature(data: bytes) -> None:
    """Read a signature."""
    if sshsig.is_exact_signature(data):
        sshsig.parse_signature(data)


# ---------------------------------------------------------------------------------------------------------------------
# Texts


def record(kind: type[records.Question | records.Answer | records.Room], data: bytes) -> None:
    """Read a record."""
    try:
        found = records.parse(kind, data)
    except (InvalidRecord, UnsupportedFormat) as error:
        shown(error)
    else:
        assert records.canonical_bytes(found) == data


def token(data: bytes) -> None:
    """Read a token."""
    text = data.decode("utf-8", "replace")
    try:
        assert keys.format_token(keys.parse_token(text)) == text
    except PeerRelayError as error:
        shown(error)


def invitation(data: bytes) -> None:
    """Read an invite."""
    text = data.decode("utf-8", "replace")
    try:
        assert invite.format_invite(invite.parse_invite(text)) == text.strip()
    except InvalidInvite as error:
        shown(error)


def address(data: bytes) -> None:
    """Read an address of a mailbox."""
    try:
        assert parse_remote(data.decode("utf-8", "replace")).display.isprintable()
    except PeerRelayError as error:
        shown(error)


def path(data: bytes) -> None:
    """Read the path of a record, and the name of a file of the outbox."""
    text = data.decode("utf-8", "replace")
    paths.parse_entry_name(text)
    with contextlib.suppress(ValueError):
        assert paths.path_for(paths.parse_path(text)) == text


# ---------------------------------------------------------------------------------------------------------------------
# All of them


def _said(*phases: str) -> tuple[bytes, ...]:
    return tuple(cast("bytes", HONEST[phase]) for phase in phases)


def _responses(*phases: str) -> bytes:
    service = b"receive-pack" if REPORT in phases else b"upload-pack"
    greeting = b"%04x# service=git-%s\n0000" % (len(service) + 19, service)
    first, *others = _said(*phases)
    return b"".join(struct.pack(">H", len(each)) + each for each in (greeting + first, *others))


def _raw(*phases: str) -> bytes:
    """Return whole responses of http, each after its length in two bytes."""
    said, whole, kind = io.BytesIO(_responses(*phases)), b"", b"advertisement"
    service = b"receive-pack" if REPORT in phases else b"upload-pack"
    while length := int.from_bytes(said.read(2)):
        head = server.ok(b"application/x-git-%s-%s" % (service, kind), b"Content-Length: %d" % length)
        whole += struct.pack(">H", len(head) + length) + head + said.read(length)
        kind = b"result"
    return whole


_READING = (DISCOVERY, LS_REFS, FETCH)
_PUSHING = (PUSH_DISCOVERY, REPORT)
_V0 = b"".join(
    (
        *(server.line(TIP + b" " + REF + b"\0shallow side-band-64k"), b"0000"),
        *(server.line(b"shallow " + TIP), b"0000", server.line(b"NAK\n"), server.band(1, b"PACK"), b"0000"),
    )
)
_STREAMS = (
    *(bytes([act]) + b"".join(_said(*_READING)) for act in (0, 1, 4)),
    b"\2" + b"".join(_said(*_PUSHING)),
    b"\1" + _V0,
)
_RAW = (*(bytes([act]) + _raw(*_READING) for act in (0, 1)), b"\2" + _raw(*_PUSHING))
_RESPONSES = (*(bytes([act]) + _responses(*_READING) for act in (0, 1, 4)), b"\2" + _responses(*_PUSHING))
_LINE = [each for step in line(4) for each in step.objects]
_SMALL = b"0123456789" * 9
_DELTA = raw_pack(
    [entry(3, _SMALL), entry(6, delta(_SMALL, _SMALL[::2]), base=bytes([len(entry(3, _SMALL))]))], count=2
)
_PACKS = (pack(_LINE).getvalue(), _DELTA.getvalue(), raw_pack([header(3, 3)], count=1).getvalue())
_QUESTION, _ANSWER, _ROOM = samples.a_question(), samples.an_answer(), samples.a_room()
_TREE = next(each.as_raw_string() for each in _LINE if each.type_name == b"tree")
_COMMIT = commits.build("1" * 40, "2" * 40, commits.question_message(_QUESTION), b"k" * 32)
_TOKEN = keys.format_token(b"the room of the fuzzed functions")

TARGETS: Mapping[str, Target] = {
    "stream": Target(stream, _STREAMS),
    "http": Target(http, _RESPONSES),
    "responses": Target(responses, _RAW),
    "status": Target(
        status,
        (b"\0\xc8\nhttps://a.example/x\n7\ntext/plain", b"\1\x2e\n//b@c/info/refs\nSun, 22 Nov 2026 12:00:30 GMT"),
    ),
    "words": Target(
        words, (b"failed to update ref\nremote: \x1b[31mno\x1b[0m ://a@b/", b"unable to create x.lock: File exists")
    ),
    "remembered": Target(remembered, (_responses(*_PUSHING)[2:],)),
    "packs": Target(packs, tuple(bytes([each[11]]) + each[12:-_HASH_BYTES] for each in _PACKS)),
    "raw packs": Target(raw_packs, _PACKS),
    "trees": Target(trees, (_TREE,)),
    "commit": Target(commit, (_COMMIT,)),
    "signature": Target(signature, (b"-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n-----END SSH SIGNATURE-----",)),
    "question": Target(partial(record, records.Question), (records.canonical_bytes(_QUESTION),)),
    "answer": Target(partial(record, records.Answer), (records.canonical_bytes(_ANSWER),)),
    "room": Target(partial(record, records.Room), (records.canonical_bytes(_ROOM),)),
    "token": Target(token, (_TOKEN.encode(),)),
    "invite": Target(
        invitation, (invite.format_invite(invite.Invite(remote=REMOTE, token=_TOKEN, peer_id="bob")).encode(),)
    ),
    "address": Target(address, (REMOTE.encode(), b"me@host:x.git", b"ssh://a:b@[::1]:22/~/x", b"ext::sh -c x")),
    "path": Target(path, (b"alice/2026-11-22/01KAN3QXHR8W2Z5V6T7Y8B9CDE.question.json",)),
}
"""By name."""
