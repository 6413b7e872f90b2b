"""`rooms`, `invite` and `leave`: what is saved here is listed, handed out again, and taken away without a loss."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

import pytest
from click.shell_completion import ShellComplete
from filelock import FileLock

from peer_relay import app, settings
from peer_relay.attempts import at_refreshing
from peer_relay.cli import commands, output, rooms
from peer_relay.invite import Invite, parse_invite
from peer_relay.keys import RoomKeys
from peer_relay.paths import Kind, Place
from peer_relay.rooms import Rooms
from peer_relay.settings import load_config
from peer_relay.standing import OnTheWay, Standing
from peer_relay.told import Told
from tests.claims import claim
from tests.cli.people import init
from tests.cli.support import FIRST_ID, TOKEN, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from click.testing import Result

    from peer_relay.relay import Relay
    from tests.cli.people import Person


@pytest.fixture
def room(alice: Person, mailbox: Path) -> Iterator[Invite]:
    """Let alice be in one room, and every command be hers."""
    with alice:
        yield parse_invite(init(mailbox, "--no-register"))


def room_id_of(invite: Invite) -> str:
    return RoomKeys.from_token(invite.token).room_id


def opened() -> Relay:
    return app.open_relay(load_config(print), {})


def ask_in_vain(mailbox: Path) -> None:
    """Let alice ask a question that is delivered, and one that is queued."""
    relay = opened()
    assert relay.ask("Why?").delivered
    mailbox.rename(mailbox.with_name("gone.git"))
    assert not relay.ask("And how?").delivered
    relay.close()


def listed() -> list[dict[str, object]]:
    return [json.loads(line) for line in run("rooms", "--json").stdout.splitlines()]


# ---------------------------------------------------------------------------------------------------------------------
# rooms


def test_a_room_is_listed_with_whom_where_and_how_things_stand(room: Invite, mailbox: Path) -> None:
    ask_in_vain(mailbox)
    lines = run("rooms").stdout.splitlines()
    assert lines == [
        "alice-bob  (used without --room)",
        f"    alice (you) and bob in {mailbox}",
        f"    room {room_id_of(room)}, {lines[2].partition(', ')[2]}",
        "    1 queued",
    ]
    assert lines[2].partition(", ")[2].startswith("last contact ")
    (told,) = listed()
    assert told.pop("contact_at") is not None
    assert told == {
        "saved_as": "alice-bob",
        "room_id": room_id_of(room),
        "me": "alice",
        "peer": "bob",
        "remote": str(mailbox),
        "waiting": 0,
        "unread": 0,
        "queued": 1,
        "set_aside": 0,
        "is_used": True,
        "problem": None,
    }


@pytest.mark.usefixtures("room")
def test_news_are_counted_and_a_terminal_shows_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = OnTheWay(Place(FIRST_ID, "alice", Kind.QUESTION), "refused", "no")
    standing = Standing("alice", waiting=("a", "b"), unread=("c",), outbox=(refused,))
    monkeypatch.setattr(rooms, "read_standing", lambda _folder, _me: standing)
    plain = run("rooms").stdout
    assert plain.splitlines()[2:] == [
        plain.splitlines()[2],
        "    2 questions for you to answer, 1 unread answer, 1 set aside",
    ]
    assert plain.splitlines()[2].endswith(", no contact since it was saved")
    monkeypatch.setattr(output, "is_terminal", lambda _: True)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "40")
    assert run("rooms").stdout == plain


@pytest.mark.usefixtures("room")
def test_of_several_rooms_none_is_used_until_one_is_named(
    alice: Person, mailbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    init(mailbox, "--no-register", peer="carol")
    shown = run("rooms")
    assert shown.stderr == "note: none of them is used unless --room or PEER_RELAY_ROOM names it.\n"
    assert [each["is_used"] for each in listed()] == [False, False]
    monkeypatch.setenv("PEER_RELAY_ROOM", "alice-carol")
    assert [(each["saved_as"], each["is_used"]) for each in listed()] == [("alice-bob", False), ("alice-carol", True)]
    assert run("rooms").stderr == ""


def test_a_damaged_file_is_named_and_hides_no_other_room(room: Invite, alice: Person) -> None:
    (alice.home / "saved-rooms" / "work.json").write_text('{"token": "prt1-secret')
    (alice.home / "saved-rooms" / "alice-bob.json").chmod(0o644)
    good, bad = listed()
    assert good["room_id"] == room_id_of(room)
    assert good["problem"] == (
        f"{alice.home}/saved-rooms/alice-bob.json holds the room token and can be read by others (mode 0644). Run "
        "`chmod 600` on it."
    )
    problem = bad.pop("problem")
    assert isinstance(problem, str)
    assert problem.startswith(f"{alice.home}/saved-rooms/work.json is not a saved room (it is not a JSON object). ")
    assert bad == {**dict.fromkeys(bad), "saved_as": "work", "is_used": False}
    shown = run("rooms")
    assert f"work\n    {problem}\n" in shown.stdout
    assert "secret" not in shown.output


def test_a_saved_address_that_cannot_be_used_is_not_shown(room: Invite, alice: Person) -> None:
    path = alice.saved[0]
    path.write_text(path.read_text().replace(room.remote, "git://me:hunter2@host/x"))
    (shown,) = listed()
    assert (shown["remote"], str(shown["problem"]).startswith("git://…@host/x cannot be used")) == (None, True)
    text = run("rooms").output
    assert ("alice (you) and bob in an address that cannot be used\n" in text, "hunter2" in text) == (True, False)


def test_without_a_room_the_way_to_one_is_told(alice: Person) -> None:
    with alice:
        shown = run("rooms")
    assert (shown.exit_code, shown.stdout) == (0, "")
    assert shown.stderr == (
        f"note: no room is saved in {alice.home}/saved-rooms. `peer-relay init` opens one, `peer-relay join` enters "
        "one.\n"
    )


# ---------------------------------------------------------------------------------------------------------------------
# invite


def test_the_invite_is_printed_again_alone(room: Invite, mailbox: Path) -> None:
    shown = run("invite")
    assert (shown.exit_code, parse_invite(shown.stdout)) == (0, room)
    assert shown.stderr == (
        "note: this is for bob, in private. It is pasted at `peer-relay join`; whoever has it can read and write in "
        "the room.\n"
    )
    assert run("invite", "--quiet").stderr == ""
    told = json.loads(run("invite", "--for-me", "--json").stdout)
    assert parse_invite(told.pop("invite")) == Invite(room.remote, room.token, "alice")
    assert told == {"remote": str(mailbox), "room_id": room_id_of(room), "peer": "alice"}


def test_another_machine_of_one_s_own_enters_by_it(room: Invite, bob: Person) -> None:
    line = run("invite", "--for-me", "--quiet").stdout
    with bob:
        shown = run("join", "--no-register", given=line)
    assert (shown.exit_code, [path.stem for path in bob.saved]) == (0, ["alice-bob"])
    assert shown.stdout.startswith("You are alice, paired with bob in ")
    assert room.peer_id == "bob"


def test_without_a_saved_room_the_other_s_name_is_known_once_the_room_was_reached(
    room: Invite, bob: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"REMOTE": room.remote, "ROOM_TOKEN": room.token, "PEER_ID": "bob"}.items():
        monkeypatch.setenv(f"PEER_RELAY_{name}", value)
    with bob:
        shown = run("invite")
        assert (shown.exit_code, shown.stdout) == (1, "")
        assert shown.stderr == (
            "error: It is not known here whom this room pairs you with. `peer-relay status` finds out.\n"
        )
        run("status")
        assert parse_invite(run("invite").stdout).peer_id == "alice"


# ---------------------------------------------------------------------------------------------------------------------
# leave


@pytest.mark.usefixtures("room")
def test_leaving_takes_the_token_and_the_clone_away_and_leaves_the_mailbox(alice: Person, mailbox: Path) -> None:
    relay = opened()
    assert relay.questions().items == ()
    relay.close()
    (folder,) = alice.states
    Told(folder, "a session").remember([FIRST_ID])
    at_refreshing(folder).note()
    shown = run("leave", "--yes")
    assert (shown.exit_code, shown.stdout) == (
        0,
        "You have left the room of alice and bob. Coming back needs an invite.\n",
    )
    assert shown.stderr == "note: an agent that is running keeps the room until it is started again.\n"
    assert ([*alice.home.rglob("*.json"), *alice.states], mailbox.exists()) == ([], True)


@pytest.mark.usefixtures("room")
def test_what_a_watcher_fetches_while_one_leaves_goes_too(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    forget = Rooms.forget

    def after_a_look(rooms: Rooms, name: str) -> None:
        with contextlib.closing(opened()) as relay:
            assert relay.refresh() is None
        forget(rooms, name)

    monkeypatch.setattr(Rooms, "forget", after_a_look)
    shown = run("leave", "--yes")
    assert (shown.exit_code, len(shown.stdout.splitlines()), alice.states) == (0, 1, [])


def test_what_is_nowhere_else_stays_and_is_named(room: Invite, alice: Person, bob: Person) -> None:
    relay = opened()
    relay.ask("Why?")
    relay.close()
    folder = alice.home / "rooms" / room_id_of(room) / "alice"
    shown = run("leave", "alice-bob", "--yes", "--json")
    assert json.loads(shown.stdout) == {
        "saved_as": "alice-bob",
        "room_id": room_id_of(room),
        "kept": [str(folder / "asked")],
    }
    assert [path.name for path in folder.iterdir()] == ["asked"]
    assert bob.home.exists() is False


def refuse_to_leave(folder: Path, *more: str) -> None:
    shown = run("leave", "--yes", *more)
    assert (shown.exit_code, shown.stdout) == (1, "")
    assert shown.stderr == (
        "error: 2 records of this room would never be delivered. Look at `peer-relay outbox`, or say "
        f"--even-with-undelivered, and they stay in {folder}.\n"
    )


@claim("I4")
def test_what_is_not_delivered_keeps_one_from_leaving_and_is_never_deleted(
    room: Invite, alice: Person, mailbox: Path
) -> None:
    ask_in_vain(mailbox)
    outbox = alice.home / "rooms" / room_id_of(room) / "alice" / "outbox"
    (outbox / "000002-damaged.json").write_text("{")
    before = {path.name: path.read_bytes() for path in outbox.iterdir()}
    refuse_to_leave(outbox)
    assert len(alice.saved) == 1
    shown = run("leave", "--yes", "--even-with-undelivered")
    assert shown.stdout.splitlines()[1:] == [
        f"This stays here, because it is nowhere else: {outbox.parent / name}" for name in ("asked", "outbox")
    ]
    assert (alice.saved, {path.name: path.read_bytes() for path in outbox.iterdir()}) == ([], before)


@pytest.mark.usefixtures("room")
@pytest.mark.parametrize(("reply", "status", "saved"), [("y", 0, 0), ("n", 1, 1), ("", 1, 1)])
def test_on_a_terminal_leaving_asks(
    alice: Person, monkeypatch: pytest.MonkeyPatch, reply: str, status: int, saved: int
) -> None:
    monkeypatch.setattr(rooms, "can_ask", lambda: True)
    shown = run("leave", given=f"{reply}\n")
    assert (shown.exit_code, len(alice.saved)) == (status, saved)
    assert "Leave the room of alice and bob in " in shown.stderr


@pytest.mark.usefixtures("room")
def test_where_nobody_can_be_asked_leaving_needs_yes_and_of_several_rooms_a_name(alice: Person, mailbox: Path) -> None:
    assert usage(run("leave")) == "Error: leave needs --yes where nobody can be asked."
    init(mailbox, "--no-register", peer="carol")
    assert usage(run("leave", "--yes")) == "Error: NAME is missing; saved are: alice-bob, alice-carol."
    assert run("leave", "alice-carol", "--yes").exit_code == 0
    assert [path.stem for path in alice.saved] == ["alice-bob"]


@pytest.mark.usefixtures("room")
def test_the_name_of_the_room_to_leave_is_completed(mailbox: Path) -> None:
    init(mailbox, "--no-register", peer="carol")
    completion = ShellComplete(commands, {}, "peer-relay", "_PEER_RELAY_COMPLETE")
    assert [each.value for each in completion.get_completions(["leave"], "alice-c")] == ["alice-carol"]


def usage(shown: Result) -> str:
    assert (shown.exit_code, shown.stdout) == (2, "")
    return shown.stderr.splitlines()[-1]


def test_a_name_that_is_not_saved_or_a_file_that_is_damaged_is_a_sentence_and_nothing_goes(
    alice: Person, room: Invite
) -> None:
    assert run("leave", "nobody", "--yes").exit_code == 1
    alice.saved[0].write_text(TOKEN)
    damaged = run("leave", "--yes")
    assert (damaged.exit_code, len(alice.saved), len(alice.states)) == (1, 1, 1)
    assert (TOKEN in damaged.output, "is not a saved room" in damaged.stderr) == (False, True)
    alice.saved[0].unlink()
    assert run("leave", "--yes").stderr == (
        f"error: No room is saved in {alice.home}/saved-rooms, so there is none to leave.\n"
    )
    assert room.peer_id == "bob"


@pytest.mark.usefixtures("room")
def test_a_room_that_another_process_is_at_work_in_is_not_left(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "SHORTEST_TIMEOUT_S", 0)
    monkeypatch.setenv("PEER_RELAY_TIMEOUT", "0.05")
    with FileLock(alice.states[0] / "lock"):
        shown = run("leave", "--yes")
    assert (shown.exit_code, len(alice.saved), (alice.states[0] / "clone").exists()) == (1, 1, True)
    assert "busy" in shown.stderr
