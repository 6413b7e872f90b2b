"""`init`, `join` and `token` against a real bare repository: two people end in one room, and no secret is shown."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from peer_relay import app, disk
from peer_relay.access import Access
from peer_relay.cli import joining, pairing
from peer_relay.cli.ending import Failure
from peer_relay.errors import OutcomeUnknown, PushRefused, StateUnusable, Unreachable
from peer_relay.invite import Invite, format_invite, parse_invite
from peer_relay.keys import RoomKeys, format_token, parse_token
from peer_relay.rooms import Rooms
from peer_relay.settings import load_config
from tests.claims import claim
from tests.cli.people import Person, init, invite_in
from tests.cli.support import TOKEN, program, run
from tests.servers import create_repository

if TYPE_CHECKING:
    from collections.abc import Iterator

    from peer_relay.config import RelayConfig
    from tests.conftest import Git
    from tests.servers import HttpServer

ASKS = "On a terminal, `peer-relay init` asks for what is missing."
OTHER_TOKEN = format_token(bytes([7]) * 32)


def branches(git: Git, mailbox: Path) -> list[str]:
    return git(mailbox, "for-each-ref", "--format=%(refname)").splitlines()


def test_init_and_join_pair_two_people(alice: Person, bob: Person, mailbox: Path, git: Git) -> None:
    with alice:
        opened = run("init", str(mailbox), "--me", "alice", "--peer", "bob")
    invite = parse_invite(invite_in(opened.stdout))
    room_id = RoomKeys.from_token(invite.token).room_id
    assert (invite.remote, invite.peer_id) == (str(mailbox), "bob")
    assert opened.stdout.splitlines()[0] == (
        f"The room of alice and bob is open in {mailbox} (branch peer-relay/{room_id}). It is saved as alice-bob."
    )
    with bob:
        joined = run("join", given=f"\n  {invite_in(opened.stdout)}  \n")
        assert (joined.exit_code, joined.stderr) == (0, "")
        assert joined.stdout.splitlines()[0] == (
            f"You are bob, paired with alice in {mailbox}. The room is saved as bob-alice."
        )
        assert (load_config(print).peer_id, load_config(print).token) == ("bob", invite.token)
    assert branches(git, mailbox) == [f"refs/heads/peer-relay/{room_id}"]


def test_what_both_see_afterwards_is_the_same_room(alice: Person, bob: Person, mailbox: Path) -> None:
    with alice:
        invite = init(mailbox)
        relay = app.open_relay(load_config(print), {})
        assert relay.ask("Why 15 minutes?").delivered
        relay.close()
        hers = run("log", "--json").stdout
    with bob:
        run("join", given=invite)
        assert run("log", "--json").stdout == hers
    assert json.loads(hers)["question"] == "Why 15 minutes?"


def test_init_is_safe_to_repeat(alice: Person, mailbox: Path, git: Git) -> None:
    with alice:
        assert init(mailbox) == init(mailbox)
    assert (len(branches(git, mailbox)), len(alice.saved)) == (1, 1)


def test_a_second_room_of_the_same_two_needs_a_name_of_its_own(alice: Person, mailbox: Path, git: Git) -> None:
    with alice:
        first, second = init(mailbox), init(mailbox, "--name", "second")
        assert (init(mailbox, "--name", "second"), init(mailbox, "--name", "alice-bob")) == (second, first)
    assert [path.stem for path in alice.saved] == ["alice-bob", "second"]
    assert len(branches(git, mailbox)) == 2


@claim("isolation")
def test_the_same_name_for_another_room_is_refused_and_nothing_is_made(alice: Person, mailbox: Path, git: Git) -> None:
    with alice:
        init(mailbox)
        shown = run("init", str(mailbox), "--me", "alice", "--peer", "carol", "--name", "alice-bob")
    assert (shown.exit_code, shown.stdout) == (1, "")
    assert shown.stderr == (
        "error: The name alice-bob is that of another saved room. Choose another one with --name.\n"
    )
    assert (len(branches(git, mailbox)), len(alice.saved)) == (1, 1)


def test_init_uses_the_token_of_the_variable(alice: Person, mailbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEER_RELAY_ROOM_TOKEN", TOKEN)
    with alice:
        assert parse_invite(init(mailbox)).token == TOKEN


def test_a_room_of_other_people_under_the_same_token_is_refused(
    alice: Person, mailbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PEER_RELAY_ROOM_TOKEN", TOKEN)
    with alice:
        init(mailbox)
        shown = run("init", str(mailbox), "--me", "alice", "--peer", "carol")
    assert (shown.exit_code, shown.stdout, [path.stem for path in alice.saved]) == (1, "", ["alice-bob"])
    assert shown.stderr == (
        "error: A room for this token exists already and pairs alice with bob. Use the names of that room, or another "
        "token: `peer-relay token` makes one.\n"
    )


def test_two_inits_at_once_with_one_token_end_in_one_room(tmp_path: Path, mailbox: Path, git: Git) -> None:
    words = [sys.executable, "-m", "peer_relay", "init", str(mailbox)]
    sides = {"alice": "bob", "bob": "alice"}
    started = [
        subprocess.Popen(
            [*words, "--me", me, "--peer", peer],
            env=os.environ | {"PEER_RELAY_HOME": str(tmp_path / me), "PEER_RELAY_ROOM_TOKEN": TOKEN},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for me, peer in sides.items()
    ]
    ended = [(*process.communicate(timeout=50), process.returncode) for process in started]
    assert [(stderr, status) for _, stderr, status in ended] == [("", 0)] * 2
    assert [parse_invite(invite_in(stdout)).token for stdout, _, _ in ended] == [TOKEN] * 2
    assert branches(git, mailbox) == [f"refs/heads/peer-relay/{RoomKeys.from_token(TOKEN).room_id}"]
    assert git(mailbox, "rev-list", "--count", "--all") == "1"


def test_a_saved_room_can_be_read_by_its_owner_alone(alice: Person, bob: Person, mailbox: Path) -> None:
    with alice:
        invite = init(mailbox)
    with bob:
        run("join", given=invite)
    paths = [*alice.saved, *bob.saved]
    assert [stat.S_IMODE(path.stat().st_mode) for path in paths] == [0o600, 0o600]
    assert [stat.S_IMODE(path.parent.stat().st_mode) for path in paths] == [0o700, 0o700]


@claim("I10", "secrets-never-shown")
def test_a_token_that_was_given_is_in_no_output_but_the_invite(
    alice: Person, bob: Person, mailbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PEER_RELAY_ROOM_TOKEN", TOKEN)
    with alice:
        opened = run("init", str(mailbox), "--me", "alice", "--peer", "bob")
        assert TOKEN not in opened.output
    monkeypatch.delenv("PEER_RELAY_ROOM_TOKEN")
    invite = invite_in(opened.stdout)
    with bob:
        shown = [run("join", given=invite), run("join", given=invite[:-1]), run("log"), run("outbox")]
    assert [secret for secret in (TOKEN, invite[:40]) for each in shown if secret in each.output] == []
    with alice:
        assert run("init", str(mailbox), "--me", "alice", "--peer", "bob").stdout == opened.stdout
        shown = [run("log"), run("init", str(mailbox), "--me", "alice", "--peer", "alice")]
    assert [each for each in shown if TOKEN in each.output] == []


@pytest.fixture
def open_to_us(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every address be one that can be used from here."""
    access = Access(remote="", login="", read_s=0.0, write_s=0.0, public=False)
    monkeypatch.setattr(pairing, "check_access", lambda *_, **__: access)


@pytest.mark.usefixtures("open_to_us")
def test_a_password_in_the_address_is_saved_and_neither_shown_nor_put_into_the_invite(
    alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    created = []
    monkeypatch.setattr(app, "create_room", lambda config, other, *_: created.append((config.remote, other)))
    with alice:
        shown = run("init", "https://me:hunter2@git.example/x.git", "--me", "alice", "--peer", "bob")
        assert load_config(print).remote == "https://me:hunter2@git.example/x.git"
    assert created == [("https://me:hunter2@git.example/x.git", "bob")]
    assert "hunter2" not in shown.output
    assert parse_invite(invite_in(shown.stdout)).remote == "https://git.example/x.git"


@pytest.mark.usefixtures("open_to_us")
def test_a_room_is_found_again_whatever_login_its_address_holds(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "create_room", lambda *_: None)
    with alice:
        first = init("https://me:hunter2@git.example/x.git")
        assert init("https://me:hunter3@git.example/x.git") == first
        assert load_config(print).remote == "https://me:hunter3@git.example/x.git"
    assert len(alice.saved) == 1


def test_a_room_that_was_certainly_not_made_is_not_saved(alice: Person, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with alice:
        shown = run("init", str(tmp_path / "file"), "--me", "alice", "--peer", "bob")
    assert (shown.exit_code, shown.stdout, alice.saved) == (1, "", [])
    assert shown.stderr.startswith("error: ")
    assert "Traceback" not in shown.stderr


def test_a_refusal_after_the_check_leaves_nothing_of_the_room_here(
    alice: Person, mailbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(config: RelayConfig, *_: object) -> None:
        (config.home / "rooms" / RoomKeys.from_token(config.token).room_id / config.peer_id).mkdir(parents=True)
        raise PushRefused(remote=str(mailbox), words="pre-receive hook declined")

    monkeypatch.setattr(app, "create_room", refuse)
    with alice:
        shown = run("init", str(mailbox), "--me", "alice", "--peer", "bob")
    assert (shown.exit_code, shown.stdout, alice.saved, alice.states) == (1, "", [], [])
    assert "pre-receive hook declined" in shown.stderr


def test_a_saved_address_that_cannot_be_used_is_not_taken_for_the_same_room(alice: Person, mailbox: Path) -> None:
    with alice:
        first = init(mailbox)
        alice.saved[0].write_text(alice.saved[0].read_text().replace(str(mailbox), "git://host/x"))
        assert init(mailbox) != first
    assert len(alice.saved) == 2


def test_after_a_lost_reply_the_same_init_finishes_the_same_room(
    alice: Person, mailbox: Path, monkeypatch: pytest.MonkeyPatch, git: Git
) -> None:
    create = app.create_room

    def lose_the_reply(*arguments: object) -> None:
        create(*arguments)  # type: ignore[arg-type]
        raise OutcomeUnknown(remote=str(mailbox), reason="the connection was cut")

    with alice:
        with monkeypatch.context() as patch:
            patch.setattr(app, "create_room", lose_the_reply)
            assert run("init", str(mailbox), "--me", "alice", "--peer", "bob").exit_code == 5
        init(mailbox)
    assert (len(branches(git, mailbox)), len(alice.saved)) == (1, 1)


def test_a_failure_leaves_a_room_that_was_saved_before_as_it_was(
    alice: Person, mailbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise Unreachable(remote="git.example", reason="the name is not known")

    with alice:
        init(mailbox)
        before = alice.saved[0].read_bytes()
        monkeypatch.setattr(app, "create_room", fail)
        assert run("init", str(mailbox), "--me", "alice", "--peer", "bob").exit_code == 5
    assert alice.saved[0].read_bytes() == before


def test_a_relative_path_and_a_tilde_are_saved_as_the_place_that_they_meant(
    alice: Person, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with alice:
        assert parse_invite(init("here.git")).remote == str(tmp_path / "here.git")
        assert parse_invite(init("~/there.git", peer="carol")).remote == str(home / "there.git")
        shown = run("init", "~nobody-of-that-name/x", "--me", "alice", "--peer", "dave")
    assert shown.stderr == (
        "error: The address of the mailbox begins with the home folder of a user that does not exist. Write the whole "
        "path.\n"
    )


# ---------------------------------------------------------------------------------------------------------------------
# Who may enter


@pytest.mark.parametrize("damage", ["", "pr1-", "hello", "prt1-" + "a" * 56])
def test_what_is_not_an_invite_is_refused_before_any_contact(bob: Person, damage: str) -> None:
    with bob:
        shown = run("join", given=damage)
    assert (shown.exit_code, shown.stdout, bob.saved) == (1, "", [])
    assert shown.stderr.startswith("error: The invite is not valid: ")


def test_a_typo_in_an_invite_is_found_before_any_contact(bob: Person, tmp_path: Path) -> None:
    line = format_invite(Invite(remote=str(tmp_path), token=TOKEN, peer_id="bob"))
    with bob:
        shown = run("join", given=line[:40] + ("a" if line[40] != "a" else "b") + line[41:])
    assert shown.stderr == (
        "error: The invite is not valid: its checksum is wrong, so a character is missing or mistyped. Copy the whole "
        "line that begins with pr1- again.\n"
    )
    assert (shown.exit_code, shown.stdout, bob.home.exists()) == (1, "", False)


@claim("isolation")
@pytest.mark.parametrize("peer_id", ["carol", "bobb"])
def test_a_third_or_misspelt_peer_is_refused_by_name(alice: Person, bob: Person, mailbox: Path, peer_id: str) -> None:
    with alice:
        invite = parse_invite(init(mailbox))
    with bob:
        shown = run("join", given=format_invite(Invite(invite.remote, invite.token, peer_id)))
    assert (shown.exit_code, shown.stdout, bob.saved) == (1, "", [])
    assert shown.stderr == (
        f"error: {peer_id} is not a peer of this room, which pairs alice with bob. Set PEER_RELAY_PEER_ID to your own "
        "of the two, or run `peer-relay join` with an invite of your own.\n"
    )


def test_an_invite_to_a_room_that_is_not_there_is_refused_and_leaves_nothing(
    alice: Person, bob: Person, mailbox: Path
) -> None:
    with alice:
        init(mailbox)
    with bob:
        shown = run("join", given=format_invite(Invite(str(mailbox), OTHER_TOKEN, "bob")))
    assert (shown.exit_code, bob.saved, bob.states) == (1, [], [])
    assert shown.stderr.startswith(f"error: There is no such room for this token in {mailbox}.")


def test_an_invite_to_a_repository_that_one_cannot_see_can_be_used_later(
    alice: Person, bob: Person, mailbox: Path
) -> None:
    with alice:
        invite = init(mailbox)
    mailbox.rename(mailbox.with_name("elsewhere.git"))
    with bob:
        shown = run("join", given=invite)
        assert shown.stderr == (
            f"error: There is no git repository at {mailbox}, or this login may not see it. Check the address, and "
            "your access to it. Nothing was saved, and the invite can be used again.\n"
        )
        assert (shown.exit_code, shown.stdout, bob.saved, bob.states, mailbox.exists()) == (1, "", [], [], False)
        mailbox.with_name("elsewhere.git").rename(mailbox)
        assert run("join", given=invite).exit_code == 0


def test_a_host_that_cannot_be_reached_is_told_with_a_status_of_its_own(bob: Person) -> None:
    with socket.socket() as silent, bob:
        silent.bind(("127.0.0.1", 0))  # and nobody listens
        invite = format_invite(Invite(f"http://127.0.0.1:{silent.getsockname()[1]}/x.git", TOKEN, "bob"))
        shown = run("join", "--json", given=invite)
    told = json.loads(shown.stderr)["error"]
    assert (shown.exit_code, shown.stdout, bob.saved) == (5, "", [])
    assert (told["type"], told["retryable"], told["exit_status"]) == ("Unreachable", True, 5)
    assert told["message"].endswith(" Nothing was saved, and the invite can be used again.")


def test_without_standard_input_join_says_what_it_lacks(bob: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "on_terminal", lambda: False)
    monkeypatch.setattr(joining, "sys", SimpleNamespace(stdin=None))
    with bob, pytest.raises(Failure) as failed:
        joining._read_invite()
    assert failed.value.message == (
        "There is no standard input to read the invite from. Pass it in by a pipe or a file."
    )


@pytest.mark.skipif(os.name == "nt", reason="a shell is needed")
@pytest.mark.parametrize("command", ["join", "init"])
def test_a_closed_standard_input_is_a_sentence(tmp_path: Path, command: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f'exec "$0" -m peer_relay {command} <&-', sys.executable],
        env=os.environ | {"PEER_RELAY_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    words = {
        "join": (1, "error: There is no standard input to read the invite from. Pass it in by a pipe or a file."),
        "init": (2, f"Error: REMOTE, --me and --peer are missing. {ASKS}"),
    }
    assert (done.returncode, done.stderr.splitlines()[-1]) == words[command]


def test_one_s_own_invite_makes_nobody_both_peers_by_an_oversight(alice: Person, mailbox: Path) -> None:
    with alice:
        invite = init(mailbox)
        shown = run("join", given=invite)
        assert shown.stderr == (
            "error: This invite is for bob, and on this machine you are alice in that room. Send it to bob, or say "
            "--yes to be bob here, too.\n"
        )
        assert (shown.exit_code, [path.stem for path in alice.saved]) == (1, ["alice-bob"])
        assert run("join", "--yes", given=invite).exit_code == 0
        assert run("join", given=invite).exit_code == 0
    assert [path.stem for path in alice.saved] == ["alice-bob", "bob-alice"]


@pytest.mark.parametrize(("reply", "ended"), [("y", (0, 2)), ("n", (1, 1)), ("", (1, 1))])
def test_on_a_terminal_one_s_own_invite_is_asked_about(
    alice: Person, mailbox: Path, monkeypatch: pytest.MonkeyPatch, reply: str, ended: tuple[int, int]
) -> None:
    with alice:
        invite = parse_invite(init(mailbox))
        monkeypatch.setattr(joining, "can_ask", lambda: True)
        monkeypatch.setattr(joining, "_read_invite", lambda: invite)
        shown = run("join", "--no-register", given=f"{reply}\n")
    assert (shown.exit_code, len(alice.saved)) == ended
    assert "Be bob here, too? [y/N]: " in shown.stderr


def test_join_takes_ones_own_address_of_the_mailbox(alice: Person, bob: Person, mailbox: Path) -> None:
    with alice:
        invite = init(mailbox)
    own = mailbox.parent / "own.git"
    own.symlink_to(mailbox)
    with bob:
        shown = run("join", "--remote", str(own), "--name", "work", given=invite)
        assert (shown.exit_code, load_config(print).remote) == (0, str(own))
    assert [path.stem for path in bob.saved] == ["work"]


@claim("isolation")
def test_joining_under_the_name_of_another_room_leaves_that_one_as_it_was(
    alice: Person, bob: Person, mailbox: Path
) -> None:
    with alice:
        invites = [init(mailbox), init(mailbox, "--name", "second")]
    with bob:
        assert run("join", "--name", "work", given=invites[0]).exit_code == 0
        before, states = bob.saved[0].read_bytes(), bob.states
        shown = run("join", "--name", "work", given=invites[1])
    assert (shown.exit_code, shown.stdout) == (1, "")
    assert shown.stderr == ("error: The name work is that of another saved room. Choose another one with --name.\n")
    assert ([path.read_bytes() for path in bob.saved], bob.states) == ([before], states)


def test_join_is_safe_to_repeat(alice: Person, bob: Person, mailbox: Path) -> None:
    with alice:
        invite = init(mailbox)
    with bob:
        assert run("join", given=invite).output == run("join", given=invite).output
    assert len(bob.saved) == 1


# ---------------------------------------------------------------------------------------------------------------------
# For programs


def test_with_json_both_print_one_object(alice: Person, bob: Person, mailbox: Path) -> None:
    with alice:
        opened = json.loads(run("init", str(mailbox), "--me", "alice", "--peer", "bob", "--json").stdout)
    invite = parse_invite(opened.pop("invite"))
    room_id = RoomKeys.from_token(invite.token).room_id
    place = {"remote": str(mailbox), "room_id": room_id}
    assert opened == {
        **place,
        "branch": f"peer-relay/{room_id}",
        "me": "alice",
        "peer": "bob",
        "saved_as": "alice-bob",
        "public": None,
    }
    with bob:
        joined = run("join", "--json", "--name", "work", given=format_invite(invite))
    assert (json.loads(joined.stdout), joined.stderr) == (
        {**place, "me": "bob", "peer": "alice", "saved_as": "work"},
        "",
    )


# ---------------------------------------------------------------------------------------------------------------------
# What the mailbox is


PUBLIC = "can be read by anybody, without a login, so everything that you two write there is public."


def test_a_public_mailbox_is_refused_before_anything_is_made_unless_it_is_meant(
    alice: Person, bob: Person, http_server: HttpServer, git: Git
) -> None:
    repository = http_server.create("public-ok.git")
    remote = http_server.url("public-ok.git", access="public")
    words = ["init", remote, "--me", "alice", "--peer", "bob"]
    with alice:
        shown = run(*words)
        assert (shown.exit_code, shown.stdout, alice.saved, branches(git, repository)) == (1, "", [], [])
        assert shown.stderr == (
            f"error: {remote} {PUBLIC} Make the repository private, or say --public-ok if that is meant.\n"
        )
        shown = run(*words, "--public-ok", "--json")
        assert (json.loads(shown.stdout)["public"], json.loads(shown.stderr)) == (True, {"note": f"{remote} {PUBLIC}"})
    with bob:
        joined = run("join", given=json.loads(shown.stdout)["invite"])
    assert (joined.exit_code, joined.stderr) == (0, f"note: {remote} {PUBLIC}\n")


def test_a_mailbox_that_may_only_be_read_is_refused_before_anything_is_made(
    alice: Person, http_server: HttpServer, git: Git
) -> None:
    repository = http_server.create("readonly.git")
    with alice:
        shown = run("init", http_server.url("readonly.git", access="readonly"), "--me", "alice", "--peer", "bob")
    assert (shown.exit_code, shown.stdout, alice.saved, branches(git, repository)) == (1, "", [], [])
    assert "error: " in shown.stderr


def test_a_private_mailbox_is_told_to_be_private(
    alice: Person, http_server: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    http_server.create("private.git")
    monkeypatch.setenv("PEER_RELAY_GIT_USERNAME", http_server.username)
    monkeypatch.setenv("PEER_RELAY_GIT_PASSWORD", http_server.password)
    with alice:
        shown = run("init", http_server.url("private.git"), "--me", "alice", "--peer", "bob", "--json")
    assert (json.loads(shown.stdout)["public"], shown.stderr) == (False, "")


# ---------------------------------------------------------------------------------------------------------------------
# What this machine is


@contextlib.contextmanager
def as_a_user() -> Iterator[None]:
    """Obey permissions, which root does not. Whatever is imported meanwhile may be in a folder of root's."""
    if os.getuid() != 0:
        yield
        return
    os.setegid(65534)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


@pytest.fixture
def open_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give a folder that every user can get to, and nothing else to read."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    with tempfile.TemporaryDirectory() as name:
        monkeypatch.setenv("HOME", name)
        Path(name).chmod(0o777)
        yield Path(name)


@pytest.mark.skipif(os.name == "nt", reason="permissions are not modes there")
def test_a_home_that_cannot_be_written_leaves_nothing_half_made_and_the_invite_good(
    alice: Person, mailbox: Path, open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with alice:
        run("join", "--yes", given=init(mailbox))  # so that everything is imported
    with as_a_user():
        with Person(open_folder / "alice", monkeypatch):
            invite = init(open_folder / "mailbox.git")
        bob, new = Person(open_folder / "bob", monkeypatch), open_folder / "new.git"
        bob.home.mkdir(mode=0o555)
        with bob:
            shown = [run("init", str(new), "--me", "bob", "--peer", "carol"), run("join", given=invite)]
            assert [(each.exit_code, each.stdout) for each in shown] == [(1, "")] * 2
            advice = "cannot be used: Permission denied. Check its permissions and the free space of its disk."
            reused = " Nothing was saved, and the invite can be used again."
            room_id = RoomKeys.from_token(parse_invite(invite).token).room_id
            assert [each.stderr.partition(" ")[2] for each in shown] == [
                f"{bob.home / 'saved-rooms'} {advice}\n",
                f"{bob.home / 'rooms' / room_id / 'bob'} {advice}{reused}\n",
            ]
            assert (list(bob.home.iterdir()), new.exists()) == ([], False)
            bob.home.chmod(0o755)
            assert run("join", given=invite).exit_code == 0


def test_a_disk_that_is_full_when_the_room_is_saved_leaves_nothing_of_it(
    alice: Person, bob: Person, mailbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise StateUnusable(path="saved-rooms", reason="No space left on device")

    with alice:
        invite = init(mailbox)
    with bob:
        with monkeypatch.context() as patch:
            patch.setattr(Rooms, "save", refuse)
            shown = run("join", given=invite)
        assert (shown.exit_code, shown.stdout, bob.saved, bob.states) == (1, "", [], [])
        assert shown.stderr.startswith("error: saved-rooms cannot be used: No space left on device. ")
        assert run("join", given=invite).exit_code == 0


def test_a_saved_room_that_was_edited_into_nonsense_does_not_become_a_second_one(
    alice: Person, mailbox: Path, git: Git
) -> None:
    with alice:
        init(mailbox)
        alice.saved[0].write_text('{"remote": "x", "tok', encoding="utf-8")
        shown = run("init", str(mailbox), "--me", "alice", "--peer", "bob")
        assert (shown.exit_code, shown.stdout, len(branches(git, mailbox))) == (1, "", 1)
        assert shown.stderr.startswith(f"error: {alice.saved[0]} is not a saved room (it is not a JSON object). ")
        assert [path.read_text(encoding="utf-8") for path in alice.saved] == ['{"remote": "x", "tok']
        init(mailbox, "--name", "another")
        assert [path.stem for path in alice.saved] == ["alice-bob", "another"]


@pytest.mark.parametrize("reason", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_disk_that_takes_no_file_leaves_no_half_made_pairing_and_the_invite_is_as_good_as_before(  # noqa: PLR0917
    alice: Person, bob: Person, mailbox: Path, git: Git, monkeypatch: pytest.MonkeyPatch, reason: int
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(reason, os.strerror(reason))

    create_repository(mailbox)
    with alice, monkeypatch.context() as patch:
        patch.setattr(disk, "create_temporary", refuse)
        shown = run("init", str(mailbox), "--me", "alice", "--peer", "bob")
    assert (shown.exit_code, shown.stdout, alice.saved, branches(git, mailbox)) == (1, "", [], [])
    assert f"cannot be used: {os.strerror(reason)}. " in shown.stderr
    with alice:
        invite = init(mailbox)
    with bob, monkeypatch.context() as patch:
        patch.setattr(disk, "create_temporary", refuse)
        shown = run("join", given=invite)
    assert (shown.exit_code, shown.stdout, bob.saved) == (1, "", [])
    assert f"cannot be used: {os.strerror(reason)}. " in shown.stderr
    with bob:
        assert run("join", given=invite).exit_code == 0


# ---------------------------------------------------------------------------------------------------------------------
# Usage


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--me", "Alice", "--peer", "bob"], "must be 1 to 32 characters a-z, 0-9 and -, not beginning with -."),
        (["--me", "alice", "--peer", "bob smith"], "must be 1 to 32 characters a-z, 0-9 and -, not beginning with -."),
        (["--me", "alice", "--peer", "alice"], "must be another name than that of --me."),
        (["--me", "alice", "--peer", "bob", "--name", "../x"], "must be 1 to 100 characters a-z, 0-9 and -"),
        (["--me", "alice"], f"--peer is missing. {ASKS}"),
        (["--name", "x"], f"--me and --peer are missing. {ASKS}"),
    ],
)
def test_names_that_cannot_be_are_wrong_usage(alice: Person, mailbox: Path, arguments: list[str], words: str) -> None:
    with alice:
        shown = run("init", str(mailbox), *arguments)
    assert (shown.exit_code, shown.stdout, mailbox.exists(), alice.saved) == (2, "", False, [])
    assert words in " ".join(shown.stderr.split())


def test_an_address_in_a_form_that_is_not_allowed_is_refused_before_anything_is_saved(alice: Person) -> None:
    with alice:
        shown = run("init", "git://host/x.git", "--me", "alice", "--peer", "bob")
    assert (shown.exit_code, alice.saved) == (1, [])
    assert shown.stderr.startswith("error: git://host/x.git cannot be used as a mailbox: ")


def test_token_prints_a_new_token_each_time() -> None:
    tokens = {run("token").stdout for _ in range(3)}
    assert [len(parse_token(each.removesuffix("\n"))) for each in tokens] == [32, 32, 32]


# ---------------------------------------------------------------------------------------------------------------------
# As real processes


def test_the_invite_goes_through_a_pipe_from_one_process_to_the_other(tmp_path: Path, mailbox: Path) -> None:
    homes = [{"PEER_RELAY_HOME": str(tmp_path / name)} for name in ("alice", "bob")]
    opened = program("init", str(mailbox), "--me", "alice", "--peer", "bob", environment=homes[0])
    joined = program("join", given=invite_in(opened.stdout), environment=homes[1])
    logged = program("log", environment=homes[1])
    assert [each.returncode for each in (opened, joined, logged)] == [0, 0, 0]
    assert (logged.stdout, logged.stderr) == ("", "note: no question has been asked in this room yet.\n")
