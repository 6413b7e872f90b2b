"""`init`, `join` and `token` against a real bare repository: two people end in one room, and no secret is shown."""

from __future__ import annotations

import os
import pty
import re
import select
import stat
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Self

import pytest

from peer_relay import app
from peer_relay.errors import OutcomeUnknown, Unreachable
from peer_relay.invite import Invite, format_invite, parse_invite
from peer_relay.keys import RoomKeys, format_token, parse_token
from peer_relay.settings import load_config, read_settings
from tests.claims import claim
from tests.cli.support import TOKEN, program, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Git

OTHER_TOKEN = format_token(bytes([7]) * 32)


class Person:
    """Somebody with a home of their own; entering it makes the commands theirs."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home = home
        self._monkeypatch = monkeypatch

    def __enter__(self) -> Self:
        self._monkeypatch.setenv("PEER_RELAY_HOME", str(self.home))
        return self

    def __exit__(self, *_: object) -> None:
        self._monkeypatch.delenv("PEER_RELAY_HOME")

    @property
    def saved(self) -> list[Path]:
        return sorted((self.home / "saved-rooms").glob("*.json"))


@pytest.fixture
def alice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Person:
    return Person(tmp_path / "alice", monkeypatch)


@pytest.fixture
def bob(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Person:
    return Person(tmp_path / "bob", monkeypatch)


@pytest.fixture
def mailbox(tmp_path: Path) -> Path:
    return tmp_path / "mailbox.git"


def invite_in(printed: str) -> str:
    (line,) = [line for line in printed.splitlines() if line.startswith("pr1-")]
    return line


def init(mailbox: Path | str, *more: str, me: str = "alice", peer: str = "bob") -> str:
    shown = run("init", str(mailbox), "--me", me, "--peer", peer, *more)
    assert (shown.exit_code, shown.stderr) == (0, "")
    return invite_in(shown.stdout)


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
        hers = run("log").stdout
    with bob:
        run("join", given=invite)
        assert run("log").stdout == hers
    assert "alice asks" in hers
    assert hers.endswith("    Why 15 minutes?\n    open: not answered yet\n")


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


def test_a_password_in_the_address_is_saved_and_neither_shown_nor_put_into_the_invite(
    alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    created = []
    monkeypatch.setattr(app, "create_room", lambda config, other, _environ: created.append((config.remote, other)))
    with alice:
        shown = run("init", "https://me:hunter2@git.example/x.git", "--me", "alice", "--peer", "bob")
        assert load_config(print).remote == "https://me:hunter2@git.example/x.git"
    assert created == [("https://me:hunter2@git.example/x.git", "bob")]
    assert "hunter2" not in shown.output
    assert parse_invite(invite_in(shown.stdout)).remote == "https://git.example/x.git"


def test_a_room_is_found_again_whatever_login_its_address_holds(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "create_room", lambda _config, _other, _environ: None)
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
            assert run("init", str(mailbox), "--me", "alice", "--peer", "bob").exit_code == 1
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
        assert run("init", str(mailbox), "--me", "alice", "--peer", "bob").exit_code == 1
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


@pytest.mark.parametrize("change", [lambda line: line[:-1], lambda line: line * 2, lambda line: line[:9] + line[10:]])
def test_a_cut_doubled_or_mistyped_invite_is_refused(bob: Person, change: object) -> None:
    line = format_invite(Invite(remote="/srv/never/contacted.git", token=TOKEN, peer_id="bob"))
    with bob:
        shown = run("join", given=change(line))  # type: ignore[operator]
    assert shown.stderr == (
        "error: The invite is not valid: its checksum is wrong, so a character is missing or mistyped. Copy the whole "
        "line that begins with pr1- again.\n"
    )
    assert bob.saved == []


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


def test_an_invite_to_a_room_that_is_not_there_is_refused(alice: Person, bob: Person, mailbox: Path) -> None:
    with alice:
        init(mailbox)
    with bob:
        shown = run("join", given=format_invite(Invite(str(mailbox), OTHER_TOKEN, "bob")))
    assert (shown.exit_code, bob.saved) == (1, [])
    assert shown.stderr.startswith(f"error: There is no such room for this token in {mailbox}.")


def test_an_invite_to_a_repository_that_is_not_there_is_refused_and_makes_none(bob: Person, mailbox: Path) -> None:
    with bob:
        shown = run("join", given=format_invite(Invite(str(mailbox), TOKEN, "bob")))
    assert (shown.exit_code, bob.saved, mailbox.exists()) == (1, [], False)
    assert shown.stderr.startswith(f"error: There is no git repository at {mailbox}")


def test_join_takes_ones_own_address_of_the_mailbox(alice: Person, bob: Person, mailbox: Path) -> None:
    with alice:
        invite = init(mailbox)
    own = mailbox.parent / "own.git"
    own.symlink_to(mailbox)
    with bob:
        shown = run("join", "--remote", str(own), "--name", "work", given=invite)
        assert (shown.exit_code, load_config(print).remote) == (0, str(own))
    assert [path.stem for path in bob.saved] == ["work"]


def test_join_is_safe_to_repeat(alice: Person, bob: Person, mailbox: Path) -> None:
    with alice:
        invite = init(mailbox)
    with bob:
        assert run("join", given=invite).output == run("join", given=invite).output
    assert len(bob.saved) == 1


def test_with_several_rooms_the_next_step_names_the_one(alice: Person, mailbox: Path) -> None:
    with alice:
        first = run("init", str(mailbox), "--me", "alice", "--peer", "bob").stdout
        second = run("init", str(mailbox), "--me", "alice", "--peer", "carol").stdout
    home = f"-e PEER_RELAY_HOME={alice.home}"
    assert first.endswith(f"    claude mcp add peer-relay {home} -- peer-relay serve\n")
    assert second.endswith(f"    claude mcp add peer-relay {home} -e PEER_RELAY_ROOM=alice-carol -- peer-relay serve\n")


def test_without_a_home_variable_the_next_step_needs_none(mailbox: Path) -> None:
    shown = run("init", str(mailbox), "--me", "alice", "--peer", "bob").stdout
    assert shown.endswith("    claude mcp add peer-relay -- peer-relay serve\n")
    assert read_settings().rooms.names() == ["alice-bob"]


# ---------------------------------------------------------------------------------------------------------------------
# Usage


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--me", "Alice", "--peer", "bob"], "must be 1 to 32 characters a-z, 0-9 and -, not beginning with -."),
        (["--me", "alice", "--peer", "bob smith"], "must be 1 to 32 characters a-z, 0-9 and -, not beginning with -."),
        (["--me", "alice", "--peer", "alice"], "must be another name than that of --me."),
        (["--me", "alice", "--peer", "bob", "--name", "../x"], "must be 1 to 100 characters a-z, 0-9 and -"),
        (["--me", "alice"], "Missing option '--peer'"),
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


@pytest.mark.skipif(os.name == "nt", reason="a pseudo-terminal is needed")
def test_an_invite_that_is_pasted_at_the_prompt_is_not_shown(alice: Person, bob: Person, mailbox: Path) -> None:
    with alice:
        invite = init(mailbox)
    with bob:
        shown, status = type_at_prompt(["join"], b"is not shown): ", invite.encode() + b"\n")
    assert (status, invite[:20] in shown, len(bob.saved)) == (0, False, 1)
    assert "You are bob, paired with alice" in shown


def type_at_prompt(arguments: list[str], prompt: bytes, typed: bytes) -> tuple[str, int]:
    """Run the program on a terminal, type when it asks, and return what the terminal showed, and the status."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "peer_relay", *arguments],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        start_new_session=True,
    )
    os.close(follower)
    shown = b""
    for piece in pieces(leader):
        before, shown = shown, shown + piece
        if prompt in shown and prompt not in before:
            os.write(leader, typed)
    os.close(leader)
    return re.sub(r"\s+", " ", shown.decode()), process.wait(20)


def pieces(leader: int) -> Iterator[bytes]:
    """Yield what a terminal shows until the last process has left it."""
    end = time.monotonic() + 40
    while time.monotonic() < end and select.select([leader], [], [], 40)[0]:
        try:
            piece = os.read(leader, 4096)
        except OSError:
            return  # Linux says so when the other side is closed
        if not piece:
            return
        yield piece
