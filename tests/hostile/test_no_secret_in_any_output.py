"""Every secret that peer-relay handles, and every command, however it ends: no output holds one of them.

1. The secrets are two room tokens and the keys that are derived from them, an invite, the private key that signs,
   logins from each place that one can come from, a credential of something else, and a text that is refused because a
   token is in it. Each is looked for in every form in which it could leak.
2. A command without arguments in `CALLS` fails a test, so that a new one is not forgotten; so does a tool or a prompt
   without a request. What the errors say is `tests/test_error_catalogue.py`'s.
3. What is looked through: both outputs, every file but the saved rooms, every object of the mailbox, and the argument
   vectors and the environments of all processes that were started.
4. The mailbox that fails repeats whatever it is sent in every place that a message could be made of.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import subprocess
import sys
import zlib
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from peer_relay import app
from peer_relay.cli import COMMANDS, commands, refreshing, waking, watch
from peer_relay.cli.bug import write_log
from peer_relay.cli.lookout import Lookout
from peer_relay.keys import RoomKeys
from peer_relay.rooms import Rooms, SavedRoom
from peer_relay.server.prompts import PROMPTS
from peer_relay.server.tools import FACES
from tests.claims import claim
from tests.cli.people import init
from tests.cli.support import run
from tests.hostile.deeds import watched
from tests.hostile.parrot import Parrot, listening
from tests.secrets.corpus import seeded, with_crc
from tests.signing_keys import ALICES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.hostile.deeds import Deed

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the credential helper is a command of a shell of POSIX")

ID = "01KAN3X1Y00000000000000000"
SECRETS = {
    "PEER_RELAY_GIT_PASSWORD": "variable/hunter1",
    "GITHUB_TOKEN": "github/hunter2",
    "GH_TOKEN": "gh/hunter3",
    "address": "address/hunter4",
    "helper": "helper/hunter5",
    "proxy": "proxy/hunter6",
    "insteadOf": "insteadof/hunter7",
    "DEPLOY_TOKEN": "deployment/hunter8",
}
"""The logins and a credential of something else, each with a character that is written in another way in an address."""

TEXT = with_crc("ghp_", seeded(29))
"""A token that somebody is about to send."""

HOOKED = json.dumps({"session_id": "one", "hook_event_name": "SessionStart", "prompt": "hello"})
CALLS: dict[str, list[list[str]]] = {
    "init": [["{new}", "--me", "alice", "--peer", "carol", "--name", "third"], []],
    "join": [["--yes", "--name", "again"], ["--remote", "{new}"]],
    "invite": [[]],
    "rooms": [[]],
    "leave": [["nobody"], ["spare", "--yes"]],
    "token": [[]],
    "config": [["--client", "codex"], ["--client", "claude", "--write"]],
    "ping": [[]],
    "serve": [["--nonsense"]],  # the server itself is the last test's
    "ask": [["Why?"], ["--hint", "x" * 501, "Why?"], ["\x1b"], [TEXT], ["--hint", TEXT, "Why?"]],
    "questions": [[]],
    "answer": [[ID, "Because."], [ID, TEXT], [ID, "--source", TEXT, "Because."], [ID, SECRETS["DEPLOY_TOKEN"]]],
    "answers": [[]],
    "wait": [["--timeout", "0"], ["--rewake"]],
    "watch": [["--interval", "0.1"]],
    "hook": [["--refresh"], []],
    "status": [[], ["--offline"]],
    "log": [[], ["--all"], ["--markdown", "-"]],
    "show": [[ID]],
    "verify": [[], ["--plain-git"]],
    "restore": [["--yes"]],
    "doctor": [[], ["--fix"]],
    "outbox": [[], ["--retry", ID]],
    "schema": [["question"]],
    "completion": [["bash"]],
    "demo": [["--nonsense"]],  # what it starts is what is called here
    "keys": [[]],
    "allowed-signers": [[]],
}
"""How each command is called. What is not there yet when it is called fails, and that is looked through as well."""
CLIENT = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
TOOLS: dict[str, list[dict[str, Any]]] = {
    "check_answers": [{}, {"question_id": TEXT}],
    "ask_peer": [{"question": "Why?"}, {"question": TEXT}, {"question": "Why?", "context_hint": TEXT}, {TEXT: TEXT}],
    "check_questions": [{}, {"wait_seconds": TEXT}],
    "answer_question": [
        {"question_id": ID, "answer": "Because."},
        {"question_id": ID, "answer": TEXT},
        {"question_id": ID, "answer": "Because.", "sources": [TEXT]},
    ],
}
"""How each tool is called. An argument that is refused comes back in no form either."""


def requests() -> Iterator[dict[str, Any]]:
    """Yield what a client sends, each tool and each prompt among it."""
    yield {"id": 0, "method": "initialize", "params": CLIENT}
    yield {"method": "notifications/initialized"}
    called = [{"name": name, "arguments": each} for name, ways in TOOLS.items() for each in ways]
    got = [{"name": name, "arguments": dict.fromkeys(each.arguments, "Why?")} for name, each in PROMPTS.items()]
    for number, params in enumerate([*called, *got], 1):
        yield {"id": number, "method": "tools/call" if params in called else "prompts/get", "params": params}


CONTACTS_NOBODY = {"completion", "config", "demo", "invite", "leave", "outbox", "rooms", "schema", "serve", "token"}
SHOWS_SECRETS = {"init", "invite", "token"}
"""The commands that are for showing a token or an invite."""


def forms(secret: str) -> set[str]:
    """Return how a secret can be written."""
    logins = (f"{name}:{secret}" for name in ("me", "", "x-access-token"))
    encoded = {base64.b64encode(each.encode()).decode() for each in (secret, *logins)}
    return {secret, quote(secret, safe=""), secret.rpartition("/")[2], secret.encode().hex(), *encoded}


def forms_of_bytes(key: bytes) -> set[str]:
    """Return how a key can be written."""
    return {key.hex(), base64.b64encode(key).decode().rstrip("="), key.decode("latin-1"), repr(key)[2:-1]}


# ---------------------------------------------------------------------------------------------------------------------
# Everything that is looked through


@pytest.fixture(scope="module")
def parrot() -> Iterator[int]:
    """Give the port of the mailbox that repeats what it is sent."""
    with listening() as port:
        yield port


class Room:
    """Alice's room, which holds all secrets, and the place where her files are."""

    def __init__(self, folder: Path, home: Path, deeds: list[Deed], monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self._deeds = deeds
        self.git_config, self.login = home / ".gitconfig", home / "login"
        self.key = ALICES.save(home / "keys")
        self._home = home
        self._patch = monkeypatch
        self.set(PEER_RELAY_HOME=str(folder / "alice"), PEER_RELAY_TIMEOUT="2", PEER_RELAY_PUSHES_PER_MINUTE="0")
        self.invite = init(folder / "mailbox.git", f"--sign={self.key}")
        self.rooms = Rooms(folder / "alice" / "saved-rooms")
        self.token = self.rooms.load("alice-bob").token
        self.set(PEER_RELAY_ROOM="alice-bob")
        self.other_token = app.new_token()
        self.rooms.save(SavedRoom(str(folder / "none.git"), self.other_token, "alice", "dora"), "spare")
        self.secrets = {name: forms(secret) for name, secret in SECRETS.items()}
        self.secrets |= {
            "token": {self.token},
            "other token": {self.other_token},
            "invite": {self.invite},
            "text": {TEXT},
        }
        self.secrets["signing key"] = set(self.key.read_text().split("\n")[3:-2])  # before is what all keys begin with
        derived = [RoomKeys.from_token(each).mac_key for each in (self.token, self.other_token)]
        self.secrets["derived key"] = {form for key in derived for form in forms_of_bytes(key)}

    def set(self, **variables: str) -> None:
        for name, value in variables.items():
            self._patch.setenv(name, value)

    def leaks(self, what: str, text: str, but: Iterable[str] = ()) -> list[str]:
        """Return which secrets are in a text."""
        found = (name for name in self.secrets if name not in but)
        return [f"{name} in {what}" for name in found if any(form in text for form in self.secrets[name])]

    def call(self, calls: Iterable[tuple[str, list[list[str]]]], *more: str) -> list[str]:
        """Call commands with such of the options as they have, and return what leaked."""
        leaks = []
        for name, ways in calls:
            for arguments in ways if name in COMMANDS else ():
                takes = {option for each in commands.get_command(None, name).params for option in each.opts}  # type: ignore[arg-type, union-attr]
                filled = [each.format(new=self.folder / "new.git") for each in arguments]
                given = self.invite if name == "join" else HOOKED
                shown = run(name, *filled, *(each for each in more if each in takes), given=given)
                but = {"token", "other token", "invite"} if name in SHOWS_SECRETS else ()
                leaks += self.leaks(f"{name} {filled}", f"{shown.stdout}\n{shown.stderr}\n{shown.exception}", but)
        return leaks

    def files(self) -> Iterator[tuple[Path, bytes]]:
        """Yield every file and what is in it, unpacked if it is an object of git; but not where secrets have to be."""
        for path in (*self.folder.rglob("*"), *self._home.rglob("*")):
            if (
                path.is_file()
                and path.parent != self.rooms.folder
                and path not in (self.git_config, self.login, self.key)
            ):
                data = path.read_bytes()
                with contextlib.suppress(zlib.error):
                    data += zlib.decompress(data)
                yield path, data

    def leaks_in_processes(self) -> list[str]:
        """Return what leaked into the argument vectors of processes, or into what they get of our own variables."""
        leaks = []
        for _, argv, _, environ in (deed.arguments for deed in self._deeds if deed.event == "subprocess.Popen"):
            own = {name: value for name, value in (environ or {}).items() if name.startswith("PEER_RELAY_")}
            leaks += self.leaks(f"a process of {argv[0]}", f"{argv} {own}")
        return leaks

    def leaks_in_files(self) -> list[str]:
        return [each for path, data in self.files() for each in self.leaks(str(path), data.decode("latin-1"))]


@pytest.fixture
def room(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Room]:
    """Give that room, in a process whose environment has every login."""

    def stop(_seconds: float) -> None:
        raise KeyboardInterrupt

    for module in (watch, waking):
        monkeypatch.setattr(module, "Lookout", partial(Lookout, sleep=stop))
    monkeypatch.setattr(waking, "time", SimpleNamespace(sleep=stop))
    monkeypatch.setattr(refreshing, "start", lambda _room: None)
    for name in ("PEER_RELAY_GIT_PASSWORD", "GITHUB_TOKEN", "GH_TOKEN", "DEPLOY_TOKEN"):
        monkeypatch.setenv(name, SECRETS[name])
    for name in ("GIT_TRACE", "GIT_TRACE2_EVENT", "GIT_TRACE_SETUP"):
        monkeypatch.setenv(name, str(tmp_path / "trace"))
    monkeypatch.chdir(tmp_path)  # `config` writes into the project's file
    with watched() as deeds:
        yield Room(tmp_path, home, deeds, monkeypatch)


# ---------------------------------------------------------------------------------------------------------------------


def test_every_command_is_called() -> None:
    assert sorted(set(COMMANDS) - set(CALLS)) == []


def test_every_tool_is_called() -> None:
    assert set(TOOLS) == {face.name for face in FACES}


@claim("secrets-never-shown", "I10")
def test_no_secret_leaves_a_room_in_which_all_is_well(room: Room) -> None:
    assert room.call(CALLS.items(), "--verbose") == []
    assert [path for path, data in room.files() if b"Why?" in data]  # what is stored is seen
    assert room.leaks_in_files() == []
    assert room.leaks_in_processes() == []


def logins(room: Room, port: int) -> dict[str, tuple[int, str]]:
    """Return for each place that a login can come from how the mailbox refuses it, and the address."""
    encoded = {name: quote(secret, safe="") for name, secret in SECRETS.items()}
    plain = f"http://127.0.0.1:{port}/mailbox.git"
    room.login.write_text(f"username=me\npassword={SECRETS['helper']}\n")
    room.git_config.write_text(
        f'[credential]\n\thelper = !cat {room.login}\n[url "http://me:{encoded["insteadOf"]}@127.0.0.1:{port}/"]\n'
        "\tinsteadOf = https://led.example/\n"
    )
    room.set(https_proxy=f"http://me:{encoded['proxy']}@127.0.0.1:{port}")
    return {
        "address": (500, plain.replace("//", f"//me:{encoded['address']}@")),
        "PEER_RELAY_GIT_PASSWORD": (403, plain),
        "helper": (200, plain),
        "proxy": (407, "https://github.com/me/mailbox.git"),
        "insteadOf": (302, "https://led.example/mailbox.git"),
    }


@claim("secrets-never-shown", "I10")
@pytest.mark.parametrize("place", ["address", "PEER_RELAY_GIT_PASSWORD", "helper", "proxy", "insteadOf"])
def test_no_secret_comes_back_from_a_mailbox_that_repeats_what_it_is_sent(
    room: Room, parrot: int, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    status, address = logins(room, parrot)[place]
    if place == "helper":
        monkeypatch.delenv("PEER_RELAY_GIT_PASSWORD")
    monkeypatch.setattr(Parrot, "status", status)
    room.set(PEER_RELAY_REMOTE=address)
    options = ("--verbose", "--json") if place == "insteadOf" else ("--verbose",)
    assert room.call(((name, CALLS[name][:1]) for name in CALLS if name not in CONTACTS_NOBODY), *options) == []
    assert room.leaks_in_files() == []
    assert room.leaks_in_processes() == []


@claim("secrets-never-shown", "I10")
def test_no_secret_leaves_a_server_whose_mailbox_refuses(
    room: Room, parrot: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, address = logins(room, parrot)["address"]
    monkeypatch.setattr(Parrot, "status", 401)
    room.set(PEER_RELAY_REMOTE=address)
    vectors, said = set[str](), ""
    with subprocess.Popen(
        [sys.executable, "-m", "peer_relay", "serve", "--verbose"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        for request in requests():
            server.stdin.write(json.dumps({"jsonrpc": "2.0", **request}) + "\n")
            server.stdin.flush()
            if "id" in request:
                said += server.stdout.readline()
            vectors |= set(vectors_of(server.pid))
        rest, errors = server.communicate(timeout=30)
    assert "refused the login" in said
    assert room.leaks("the server", said + rest + errors) == []
    assert (room.leaks("a process", "\n".join(vectors)), len(vectors) > 0) == ([], sys.platform == "linux")
    assert room.leaks_in_files() == []


@claim("secrets-never-shown", "I10")
def test_no_secret_is_in_the_record_of_a_bug_whatever_the_error_says(room: Room) -> None:
    room.set(PEER_RELAY_REMOTE=f"https://me:{quote(SECRETS['address'], safe='')}@host.example/mailbox.git")
    known = ("address", "PEER_RELAY_GIT_PASSWORD", "GITHUB_TOKEN", "GH_TOKEN", "DEPLOY_TOKEN")
    words = [room.key.read_text(), json.dumps(room.key.read_text())]
    for value in (*(SECRETS[name] for name in known), room.token, room.other_token, room.invite, TEXT):
        words += [value, quote(value, safe=""), base64.b64encode(f"me:{value}".encode()).decode()]
    for each in words:
        with pytest.raises(RuntimeError) as failed:
            fail(each)
        record = Path(write_log(failed.value)).read_text()
        assert (room.leaks(each, record), "in fail\n" in record) == ([], True)


def fail(words: str) -> None:
    try:
        int(words)
    except ValueError as error:
        raise RuntimeError(words) from error


def vectors_of(pid: int) -> Iterator[str]:
    """Yield the argument vectors of a process and of its children, where the system tells."""
    for path in (Path(f"/proc/{pid}/cmdline"), *Path(f"/proc/{pid}/task").glob("*/children")):
        with contextlib.suppress(OSError):
            text = path.read_text()
            if path.name == "cmdline":
                yield text
            else:
                for child in text.split():
                    yield from vectors_of(int(child))
