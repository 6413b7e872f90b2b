"""Errors of the caller's request, and of what was configured."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from peer_relay import app
from peer_relay.cli.config import _room
from peer_relay.cli.pairing import find_place
from peer_relay.cli.pasting import understand
from peer_relay.errors import AlreadyQueued, InvalidRecord, NotYourQuestion, Problem, Secret, SecretFound
from peer_relay.git.environment import NetworkEnvironment
from peer_relay.git.remote import parse_remote
from peer_relay.git.rewriting import leads_to
from peer_relay.invite import parse_invite
from peer_relay.keys import base32, checksum, parse_token
from peer_relay.ledger import Ledger
from peer_relay.records import Answer, Question, Room, make, parse
from peer_relay.rooms import Rooms, SavedRoom
from peer_relay.settings import Settings, choose_room
from tests.catalogue.entry import INVITE, OTHER_TOKEN, PASSWORD, SSH, TOKEN, Entry, config
from tests.git.test_remote import REFUSED as REFUSED_ADDRESSES
from tests.pure.samples import ANSWER, ID, QUESTION, ROOM

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def _ledger(**more: dict[str, str]) -> Ledger:
    return Ledger(make(Room, **ROOM), **more)


def _encoded(content: str) -> str:
    """Return an invite with a right checksum."""
    body = f"pr1-{base32(content.encode())}"
    return body + checksum(body, 8)


def _rooms(folder: Path, *names: str) -> Rooms:
    rooms = Rooms(folder / "saved-rooms")
    for number, name in enumerate(names):
        rooms.save(SavedRoom(SSH, (TOKEN, OTHER_TOKEN)[number], "alice", "bob"), name)
    return rooms


def _chosen(folder: Path, variables: dict[str, str], *names: str) -> object:
    """Choose a room in an environment that has nothing but these variables, and these saved rooms."""
    _rooms(folder, *names)
    before = dict(os.environ)
    try:
        os.environ.update({"PEER_RELAY_HOME": str(folder), **variables})
        return choose_room(print)
    finally:
        os.environ.clear()
        os.environ.update(before)


def _room_for_agent(rooms: Rooms, folder: Path) -> object:
    assert len(rooms.names()) == 2
    return _room(Settings.from_environ({"PEER_RELAY_HOME": str(folder)}), None)


def _damaged_room(folder: Path) -> object:
    rooms = _rooms(folder, "alice-bob")
    (folder / "saved-rooms" / "alice-bob.json").write_text('{"token": "secret"}')
    return rooms.load("alice-bob")


def _newer_room(folder: Path) -> object:
    rooms = _rooms(folder, "alice-bob")
    saved = folder / "saved-rooms" / "alice-bob.json"
    saved.write_text(saved.read_text().replace("{", '{"new": "secret",', 1))
    return rooms.load("alice-bob")


def _locked_rooms(folder: Path) -> object:
    rooms = _rooms(folder)
    with rooms._locked(), patch("peer_relay.rooms._LOCK_LIMIT_S", 0.0), rooms._locked():
        return None


def _rooms_of_everybody(folder: Path) -> object:
    rooms = _rooms(folder)
    rooms.folder.mkdir(0o700)
    rooms.folder.chmod(0o777)
    return _chosen(folder, {})


def _rooms_of_another(folder: Path) -> object:
    with patch("os.geteuid", lambda: 54321):
        os.chown(folder, *(12345, -1) if os.getuid() == 0 else (-1, -1))
        return _chosen(folder, {})


def _device_for_room(folder: Path) -> object:
    rooms = _rooms(folder, "job")
    (rooms.folder / "job.json").unlink()
    (rooms.folder / "job.json").symlink_to(os.devnull)
    return rooms.load("job")


def _disk_without_locks(folder: Path) -> object:
    with patch("fcntl.flock", side_effect=OSError(errno.ENOSYS, "Function not implemented")):
        return _rooms(folder, "job")


def _records() -> Iterator[Entry]:
    broken: list[tuple[str, dict[str, Any]]] = [
        ("an empty question", {"question": " "}),
        ("a long question", {"question": "x" * 12_001}),
        ("an escape", {"question": "\x1b[2J"}),
        ("half a pair", {"question": "\ud83d"}),
        ("a long hint", {"context_hint": "x" * 501}),
        ("three problems", {"question": "", "context_hint": "\x07", "asker_id": PASSWORD.upper()}),
    ]
    for name, fields in broken:
        yield Entry(name, lambda _, fields=fields: make(Question, **{**QUESTION, **fields}))
    sources = {"a source without text": ("", "x"), "31 sources": ("x" * 300,) * 31}
    for name, value in sources.items():
        yield Entry(name, lambda _, value=value: make(Answer, **{**ANSWER, "sources": value}))
    yield Entry("two peers of one name", lambda _: make(Room, **{**ROOM, "peers": ("alice", "alice")}))
    yield Entry("a file that is not JSON", lambda _: parse(Answer, b"secret"))
    yield Entry("a file that is large", lambda _: parse(Answer, bytes(300_000)))
    problem = Problem("question_id", "must be an id as a tool returned it, 26 capital letters and digits")
    yield Entry("no id", lambda _: InvalidRecord(kind="request", problems=(problem,)))


def requests() -> Iterator[Entry]:
    """Yield what is wrong with a request."""
    yield from _records()
    yield Entry("a cut token", lambda _: parse_token(TOKEN[:-1]))
    yield Entry("a mistyped token", lambda _: parse_token(TOKEN.replace("a", "b")))
    yield Entry("a cut invite", lambda _: parse_invite(INVITE[:-1]))
    yield Entry("a doubled invite", lambda _: parse_invite(INVITE * 2))
    yield Entry("no invite", lambda _: parse_invite(f"token: {TOKEN}"))
    yield Entry("an invite of another version", lambda _: parse_invite(_encoded(f'["x","{TOKEN}","bob",2]')))
    yield Entry("nothing pasted", lambda _: understand(" \n"))
    yield Entry("two pastes", lambda _: understand(f"{INVITE}\n{INVITE}"))
    yield Entry("a pasted token", lambda _: understand(TOKEN))
    yield Entry("half a paste", lambda _: understand(INVITE[:40]))
    yield Entry("an invite by hand", lambda _: parse_invite(_encoded(f'["x", "{TOKEN}", "bob"]')))
    long = f"https://me:hunter2@host/{5000 * 'x'}"
    for text in ("https://me:hunter2@host/a b", long, "ssh://me:hunter2@host/x", *REFUSED_ADDRESSES):
        yield Entry(f"the address {text!r}", lambda _, text=text: parse_remote(text))
    led = {"COUNT": "1", "KEY_0": "url.ext::hunter2.insteadOf", "VALUE_0": f"https://me:{PASSWORD}@led/"}
    environ = {f"GIT_CONFIG_{name}": value for name, value in led.items()}
    yield Entry("an address that git leads", lambda _: leads_to(f"https://me:{PASSWORD}@led/x", environ))
    yield Entry("an id of nothing", lambda _: _ledger().check_answerable(ID, "bob"))
    yield Entry("an own question", lambda _: _ledger(open={ID: "alice"}).check_answerable(ID, "alice"))
    yield Entry("an answered question", lambda _: _ledger(answered={ID: "alice"}).check_answerable(ID, "bob"))
    yield Entry("an id that is taken", lambda _: _ledger(open={ID: "alice"}).plan_ask(make(Question, **QUESTION)))
    full = {f"01KAN3{number:020}": "alice" for number in range(100)}
    yield Entry("too many questions", lambda _: _ledger(open=full).plan_ask(make(Question, **QUESTION)))
    yield Entry("somebody else's question", lambda _: NotYourQuestion(question_id=ID))
    yield Entry("a second answer", lambda _: AlreadyQueued(question_id=ID))
    one, other = (
        Secret("a GitHub token", "the question", 3),
        Secret("the password of a mailbox's address", "source 1", 1),
    )
    yield Entry("a secret", lambda _: SecretFound(found=(one,), command="ask"))
    yield Entry("five secrets", lambda _: SecretFound(found=(one, other, one, one, one), command="answer"))
    yield Entry("a login", lambda _: SecretFound(found=(other,), command=None))


def settings() -> Iterator[Entry]:
    """Yield what is wrong with what was configured."""
    variables = {
        "a timeout": {"PEER_RELAY_TIMEOUT": "20s"},
        "a number of pushes": {"PEER_RELAY_PUSHES_PER_MINUTE": "six"},
        "a home": {"PEER_RELAY_HOME": "~nobody-of-that-name/x"},
        "a remote": {"PEER_RELAY_REMOTE": "~nobody-of-that-name/x"},
        "a home that depends": {"PEER_RELAY_HOME": "relay"},
        "a home that acts": {"PEER_RELAY_HOME": "/srv/\x1b[2J"},
    }
    for name, given in variables.items():
        yield Entry(name, lambda _, given=given: Settings.from_environ(given))
    yield Entry("nothing set", lambda folder: _chosen(folder, {}))
    literal = {
        "PEER_RELAY_ROOM_TOKEN": "${PEER_RELAY_ROOM_TOKEN}",
        "PEER_RELAY_REMOTE": f"https://me:{PASSWORD}@host/x",
    }
    yield Entry("a literal text", lambda folder: _chosen(folder, literal))
    alone = {"PEER_RELAY_PEER_ID": "alice", "PEER_RELAY_REMOTE": f"https://me:{PASSWORD}@host/x"}
    yield Entry("no token", lambda folder: _chosen(folder, alone))
    yield Entry("several rooms", lambda folder: _chosen(folder, {}, "work", "home"))
    yield Entry("several rooms for an agent", lambda folder: _room_for_agent(_rooms(folder, "work", "home"), folder))
    yield Entry("a room of no name", lambda folder: _chosen(folder, {"PEER_RELAY_ROOM": "job"}, "work"))
    yield Entry("no saved room", lambda folder: _chosen(folder, {"PEER_RELAY_ROOM": "job"}))
    yield Entry("a damaged room", _damaged_room)
    yield Entry("a room of a newer program", _newer_room)
    yield Entry("saved rooms that are locked", _locked_rooms)
    if os.name != "nt":
        yield Entry("rooms that everybody can write", _rooms_of_everybody)
        yield Entry("rooms of another user", _rooms_of_another)
        yield Entry("a device for a room", _device_for_room)
        yield Entry("a disk without locks", _disk_without_locks)
    yield Entry("a taken name", lambda folder: _rooms(folder, "job", "job"))
    yield Entry("a peer id", lambda folder: app.open_relay(config(folder, "Alice"), {}))
    yield Entry("an address's home", lambda _: find_place("~nobody-of-that-name/x"))
    yield Entry("one name for both", lambda folder: app.create_room(config(folder), "alice", {}))
    quote = {"GIT_SSH_COMMAND": "ssh -i 'secret", "GITHUB_TOKEN": PASSWORD}
    yield Entry("an open quote", lambda _: NetworkEnvironment.from_environ(quote))
