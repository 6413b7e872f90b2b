"""A mailbox that somebody made to do harm: it is refused by name, costs little, and is forgotten once it is put right.

What is in a commit is here once for each way of harm; `tests/git_store/test_refused.py` has what there is besides.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from peer_relay.paths import branch_ref
from tests.claims import claim
from tests.git_store.forging import GOOD, OPEN, tell
from tests.git_store.reading import soon
from tests.hostile.looking import connected, known, machine, seen
from tests.hostile.mailboxes import CASES, NOTHING, PACKS, another
from tests.independent import Room
from tests.servers import run_git
from tests.store.benches import TOKEN

if TYPE_CHECKING:
    from tests.servers import HttpServer, SshServer

LIMIT_KIB = 64 << 10
LIMIT_S = 2.0
"""Of the processor, for each look."""


def made(path: Path) -> tuple[Room, str]:
    """Make an honest mailbox, and return it with the commit of one more question, at which its branch is not yet."""
    room = Room(path, TOKEN)
    tell(room)
    later = another(room)
    later.ask(GOOD, "alice", "And now?")
    room.set_branch(room.commit_ids[-1])
    return room, later.commit_ids[-1]


def build(room: Room, name: str) -> str:
    """Let the branch be at what a case makes, and return the commit."""
    hostile = another(room)
    CASES[name].build(hostile)
    return hostile.commit_ids[-1]


def listed(folder: Path) -> dict[str, int]:
    """Return the size of every file below a folder."""
    return {str(path.relative_to(folder)): path.lstat().st_size for path in folder.rglob("*")}


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is read from /proc")
@pytest.mark.usefixtures("unmeasured_processes")
@pytest.mark.timeout(180)
@claim("memory-bounds", "I2", "I6", "I8", "I9")
def test_a_hostile_mailbox_is_refused_by_name_in_bounded_time_and_memory_and_harms_nothing(tmp_path: Path) -> None:
    room, later = made(tmp_path / "mailbox.git")
    asked: dict[str, Any] = {"good": room.commit_ids[-1], "later": later, "packs": {}}
    asked["bad"] = {name: build(room, name) for name in CASES}
    for number, (name, (make, *_)) in enumerate(PACKS.items()):
        asked["packs"][name] = str(tmp_path / f"{number}.pack")
        Path(asked["packs"][name]).write_bytes(make())
    for each in ("home", "here"):
        (tmp_path / each).mkdir()
    before = listed(tmp_path)
    command = [sys.executable, "-m", "tests.hostile.looking", str(tmp_path / "state"), str(room.git_dir)]
    environment = {**os.environ, "HOME": str(tmp_path / "home"), "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        command,
        cwd=tmp_path / "here",
        env=environment,
        input=json.dumps(asked).encode(),
        stdout=subprocess.PIPE,
        check=True,
        timeout=170,
    )
    told = {each["name"]: each for each in map(json.loads, done.stdout.splitlines())}
    assert [*told] == [*CASES, *PACKS]
    assert [problem for name, each in told.items() for problem in problems(name, each)] == []
    assert {path: size for path, size in listed(tmp_path).items() if path.split("/")[0] != "state"} == before


def problems(name: str, told: dict[str, Any]) -> list[str]:
    """Return what is not as it must be with a case."""
    if name in CASES:
        case = CASES[name]
        expected = {"known": case.why, "first": case.first or case.why, "verified": case.verified or case.why}
    else:
        _, why, first = PACKS[name]
        expected = {"known": why, "first": first or why}
    found = {"known": told["known"][1], "first": told["first"][1], "verified": told.get("verified")}
    wrong = [
        f"{look} says {found[look]!r} and not {why!r}"
        for look, why in expected.items()
        if (found[look] if why == NOTHING else why not in (found[look] or ""))
    ]
    served = [told[look][0] for look in ("before", "known", "again")]
    wrong += [f"it serves {served}"] * (served != [[OPEN]] * 3 or told["again"] != told["known"])
    wrong += ["what was verified has changed"] * (not told["kept"])
    wrong += [f"it does not go on: {told['later']}"] * (told["later"] != [[[OPEN, GOOD], ""]] * 2)
    wrong += [f"it takes {told['seconds']:.2f} s"] * (told["seconds"] > LIMIT_S)
    wrong += [f"it takes {told['grown_kib']:,} KiB"] * (told["grown_kib"] > LIMIT_KIB)
    return [f"{name}: {each}" for each in wrong]


BEHIND_A_SERVER = (
    *("a folder that leads up", "a folder of git's", "a link", "another repository", "an entry twice"),
    *("an entry out of order", "an author twice", "5,000 parents", "before 1970", "a subject that is no text"),
    *("a record that is no text", "80,000 sources", "an old tip", "a commit of another room"),
    "an answer before its question",
)


@pytest.fixture(params=["http", "ssh"])
def server(request: pytest.FixtureRequest) -> tuple[HttpServer | SshServer, dict[str, str]]:
    """Give a server, and what a client needs for it."""
    if request.param == "ssh":
        ssh: SshServer = request.getfixturevalue("ssh_server")
        return ssh, {"GIT_SSH_COMMAND": ssh.ssh_command}
    http: HttpServer = request.getfixturevalue("http_server")
    return http, {"PEER_RELAY_GIT_USERNAME": http.username, "PEER_RELAY_GIT_PASSWORD": http.password}


@claim("I2", "I6", "I9")
def test_a_hostile_mailbox_behind_a_server_is_refused_by_the_same_names(
    server: tuple[HttpServer | SshServer, dict[str, str]], tmp_path: Path
) -> None:
    serving, settings = server
    room, later = made(serving.root / f"{tmp_path.name}.git")
    transport = connected(serving.url(room.git_dir or ""), settings)
    bob = machine(tmp_path / "bob", transport)
    assert seen(bob) == ([OPEN], "")
    before, wrong = known(bob), []
    for name in BEHIND_A_SERVER:
        build(room, name)
        served, why = seen(bob)
        if (served, CASES[name].why in why, known(bob)) != ([OPEN], True, before):
            wrong.append((name, served, why))
    assert wrong == []
    room.set_branch(later)
    assert seen(bob) == ([OPEN, GOOD], "")
    transport.close()


@claim("I6", "I9")
@pytest.mark.parametrize("name", [*BEHIND_A_SERVER, "21,000 objects", "a blob of 200 MB", "a delta of 700 MB"])
def test_whatever_a_hostile_tip_holds_a_person_takes_it_off_again(name: str, tmp_path: Path) -> None:
    room, later = made(tmp_path / "mailbox.git")
    bob = machine(tmp_path / "bob", connected(str(room.git_dir), {}))
    assert seen(bob) == ([OPEN], "")
    good = room.commit_ids[-1]
    build(room, name)
    for each in ("home", "here"):
        (tmp_path / each).mkdir()
    before = listed(tmp_path)
    snapshot = known(bob)
    assert snapshot is not None
    refusal = bob.store.refresh(snapshot, None, soon()).refusal
    assert refusal is not None
    bob.store.beyond(snapshot, refusal, soon())
    bob.store.restore(snapshot, refusal, soon())
    assert run_git("-C", room.git_dir or "", "rev-parse", branch_ref(room.room_id)).decode().strip() == good
    changed = listed(tmp_path).items() ^ before.items()
    assert {path.split("/")[0] for path, _ in changed} <= {"bob", "mailbox.git"}
    room.set_branch(later)
    assert seen(bob) == ([OPEN, GOOD], "")
