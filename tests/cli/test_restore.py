"""`peer-relay restore`: it says what is there and what would become of it, asks, and does exactly that."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from peer_relay.delivery import Flushed
from peer_relay.errors import HistoryRewritten, PeerRelayError, Unreachable
from peer_relay.keys import RoomKeys
from peer_relay.ledger import Ledger
from peer_relay.paths import Kind, Place, branch_ref
from peer_relay.restoring import Found
from peer_relay.store import Arrival, Beyond, Refusal, Snapshot
from tests.claims import claim
from tests.cli.people import init
from tests.cli.support import run
from tests.servers import run_git
from tests.store.benches import ROOM, question

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.people import Person

COMMIT, OTHER = "ab" * 20, "cd" * 20
NOTHING = "There is nothing to restore: the branch holds all that this machine verified, and nothing else.\n"


class Scene:
    """Alice and bob in a room with two questions, both of which alice asked, and bob knows the first."""

    def __init__(self, mailbox: Path, alice: Person, bob: Person) -> None:
        self.mailbox, self.alice, self.bob = mailbox, alice, bob
        with alice:
            self.invite = init(mailbox, "--no-register")
            self.token = json.loads(alice.saved[0].read_text())["token"]
            self.opened = self.tip()
            self.first = self.ask("Why?")
        with bob:
            assert run("join", "--no-register", "--quiet", given=f"{self.invite}\n").exit_code == 0
            assert run("questions", "--quiet").exit_code == 0
        self.bobs = self.tip()
        with alice:
            self.second = self.ask("And who decided that?")
        self.newest = self.tip()

    @property
    def branch(self) -> str:
        return branch_ref(RoomKeys.from_token(self.token).room_id)

    def ask(self, text: str) -> str:
        asked = run("ask", text, "--json", "--quiet")
        return str(json.loads(asked.stdout)["question_id"])

    def tip(self) -> str | None:
        found = run_git("for-each-ref", "--format=%(objectname)", self.branch, cwd=self.mailbox).decode().strip()
        return found or None

    def move(self, commit: str | None) -> None:
        run_git("update-ref", *(("-d", self.branch) if commit is None else (self.branch, commit)), cwd=self.mailbox)

    def junk(self) -> str:
        who = ("-c", "user.name=eve", "-c", "user.email=eve@example.org")
        tip = self.tip()
        assert tip is not None
        made = run_git(*who, "commit-tree", f"{tip}^{{tree}}", "-p", tip, "-m", "Build again", cwd=self.mailbox)
        self.move(made.decode().strip())
        return made.decode().strip()

    def fork(self) -> str:
        """Let bob, who does not know of the second question, ask one where it was taken off."""
        self.move(self.bobs)
        with self.bob:
            return self.ask("Which queue?")


@pytest.fixture
def scene(mailbox: Path, alice: Person, bob: Person) -> Scene:
    return Scene(mailbox, alice, bob)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let somebody sit there."""
    monkeypatch.setattr("peer_relay.cli.restore.can_ask", lambda: True)


def as_object(printed: str) -> dict[str, Any]:
    (line,) = printed.splitlines()
    found: dict[str, Any] = json.loads(line)
    return found


@claim("I6")
def test_a_deleted_branch_is_explained_and_put_back_when_a_person_agrees(scene: Scene, asked: None) -> None:
    scene.move(None)
    with scene.alice:
        declined = run("restore", given="\n")
        assert (declined.exit_code, scene.tip()) == (1, None)
        assert declined.stderr == "Put the branch back? [y/N]: \nerror: Nothing was changed.\n"
        queued = run("ask", "And now?", "--quiet")
        shown = run("restore", given="y\n")
    assert (queued.exit_code, shown.exit_code) == (5, 0)
    what, plan, peer, done, went = shown.stdout.splitlines()
    assert what == (
        f"The branch of the room was deleted from the mailbox; the newest commit verified here is {scene.newest}."
    )
    assert plan.startswith(
        f"The branch would be put back to commit {scene.newest}, with 2 questions and 0 answers at it, the newest "
        "asked "
    )
    assert peer == "If your peer's machine has seen more of the room than this one, let your peer do it."
    assert done == f"The branch is at commit {scene.newest} again."
    assert went == "1 record that waited here went out."
    assert declined.stdout.splitlines()[0] == what
    subjects = run_git("log", "--reverse", "--format=%s", scene.branch, cwd=scene.mailbox).decode().splitlines()
    assert subjects[1:] == ["alice asks: Why?", "alice asks: And who decided that?", "alice asks: And now?"]


@claim("I6")
def test_where_nobody_can_be_asked_yes_has_to_be_said(scene: Scene) -> None:
    scene.move(None)
    with scene.alice:
        shown = run("restore")
        assert (shown.exit_code, scene.tip()) == (2, None)
        assert "restore needs --yes where nobody can be asked." in shown.stderr
        assert run("restore", "--yes").exit_code == 0
        assert scene.tip() == scene.newest
        assert (run("restore", "--yes").output, run("restore").output) == (NOTHING, NOTHING)
        assert run("questions", "--quiet").exit_code == 0


@claim("I6")
def test_an_older_state_may_be_a_host_that_is_catching_up(scene: Scene) -> None:
    scene.move(scene.bobs)
    with scene.alice:
        shown = run("restore", "--yes")
    assert (shown.exit_code, shown.stderr, scene.tip()) == (0, "", scene.newest)
    assert shown.stdout.splitlines()[::2] == [
        (
            f"The branch of the room shows an older state, commit {scene.bobs}, and not commit {scene.newest}, which "
            "this machine verified."
        ),
        "Nothing would be taken off it. If the host is only catching up, waiting a little is enough.",
    ]


@claim("I6")
def test_a_commit_that_nobody_accepts_is_taken_off(scene: Scene) -> None:
    junk = scene.junk()
    with scene.bob:
        assert "`peer-relay restore` takes it off" in run("questions").stderr
        shown = run("restore", "--yes")
    assert (shown.exit_code, shown.stderr, scene.tip()) == (0, "", scene.newest)
    assert shown.stdout.splitlines()[2] == f"The branch is at commit {junk} now, and 1 commit would be taken off it."


@claim("I6")
def test_records_of_the_other_peer_are_named_and_need_more_than_a_yes(scene: Scene, asked: None) -> None:
    bobs = scene.fork()
    theirs = scene.tip()
    with scene.alice:
        refused = run("restore", "--yes")
        assert (refused.exit_code, scene.tip()) == (1, theirs)
        assert refused.stderr == (
            f"error: Nothing was changed, because 1 record would leave the branch (bob's question {bobs}): leave --yes "
            "out to be asked about that, or say --even-with-losses as well.\n"
        )
        assert refused.stdout.splitlines()[2:] == [
            f"The branch is at commit {theirs} now, and 1 commit would be taken off it.",
            "No machine can tell which of the two histories is the right one: agree with your peer first.",
            (
                "1 record would leave the branch with it, written by a holder of the room token who counts on it being "
                f"there: bob's question {bobs}."
            ),
        ]
        assert run("restore", given="n\n").exit_code == 1
        assert scene.tip() == theirs
        assert run("restore", "--yes", "--even-with-losses").exit_code == 0
    assert scene.tip() == scene.newest


@claim("I6")
def test_a_branch_that_moves_while_the_person_thinks_is_left_alone(
    scene: Scene, asked: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.move(None)

    def agree(_question: str, *, default: bool) -> bool:
        scene.move(scene.bobs)
        return not default

    monkeypatch.setattr("peer_relay.cli.restore.agree", agree)
    with scene.alice:
        shown = run("restore")
    assert (shown.exit_code, scene.tip()) == (5, scene.bobs)
    assert shown.stderr == (
        f"error: Somebody else wrote to the room in {scene.mailbox} first, so nothing was written. Run the same "
        "command again.\n"
    )


class Played:
    """Stands in for a room whose branch was rewritten, with much on it that this machine does not know."""

    remote = "/srv/mailbox.git"

    def __init__(self, beyond: Beyond, blocked: PeerRelayError | None) -> None:
        self._beyond, self._blocked = beyond, blocked

    def look(self) -> Found:
        return Found(Snapshot(COMMIT, Ledger(ROOM)), Refusal(OTHER, HistoryRewritten(commit=COMMIT)), self._beyond)

    def carry_out(self, _: Found) -> Flushed:
        return Flushed(frozenset(), self._blocked)


def test_of_many_records_ten_are_named_and_what_could_not_be_seen_is_said(
    alice: Person, mailbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = [
        Place(question(number).id, "alice", Kind.ANSWER if number == 2 else Kind.QUESTION) for number in range(12)
    ]
    beyond = Beyond(40, tuple(Arrival(OTHER, place) for place in places), complete=False)
    blocked = Unreachable(remote="it", reason="the network is down")
    played = Played(beyond, blocked)
    monkeypatch.setattr("peer_relay.cli.restore.open_restoration", lambda *_: contextlib.nullcontext(played))
    with alice:
        init(mailbox, "--no-register")
        assert "12 records and perhaps others would leave the branch (" in run("restore", "--yes").stderr
        shown = run("restore", "--yes", "--even-with-losses")
        assert as_object(run("restore", "--yes", "--even-with-losses", "--json").stdout)["blocked"] == str(blocked)
    names = [f"alice's question {place.question_id}" for place in places[:10]]
    names[2] = f"the answer to {names[2]}"
    assert (shown.exit_code, shown.stderr) == (0, f"note: {blocked}\n")
    assert shown.stdout.splitlines()[1:] == [
        f"The branch would be put back to commit {COMMIT}, at which the room is empty.",
        f"The branch is at commit {OTHER} now, and at least 40 commits would be taken off it.",
        "No machine can tell which of the two histories is the right one: agree with your peer first.",
        "Not all of that could be looked at, so records of your peer may be among it.",
        (
            "12 records would leave the branch with it, written by a holder of the room token who counts on it being "
            f"there: {', '.join(names)}, and 2 more."
        ),
        f"The branch is at commit {COMMIT} again.",
    ]


@claim("I6")
def test_a_tip_of_which_nothing_is_there_may_hold_anything(scene: Scene) -> None:
    missing = "12" * 20
    (scene.mailbox / scene.branch).write_text(f"{missing}\n")
    with scene.alice:
        refused = run("restore", "--yes")
        assert refused.exit_code == 1
        assert refused.stderr == (
            "error: Nothing was changed, because records may leave the branch that could not be looked at: leave --yes "
            "out to be asked about that, or say --even-with-losses as well.\n"
        )
        assert refused.stdout.splitlines()[2:] == [
            f"The branch is at commit {missing} now, and an unknown number of commits would be taken off it.",
            "Not all of that could be looked at, so records of your peer may be among it.",
        ]
        assert run("restore", "--yes", "--even-with-losses").exit_code == 0
    assert scene.tip() == scene.newest


@claim("I6")
def test_whoever_gives_up_a_history_for_that_of_the_peer_enters_the_room_anew_with_what_is_queued(scene: Scene) -> None:
    """As the page about it says: nothing else lets a machine accept a history without what it verified."""
    bobs = scene.fork()
    with scene.alice:
        queued = scene.ask("And now?")
        assert "was rewritten" in run("status").stdout
        assert run("leave", "--yes", "--even-with-undelivered").exit_code == 0
    with scene.bob:
        invite = run("invite", "--quiet").stdout
    with scene.alice:
        assert run("join", "--no-register", "--quiet", given=invite).exit_code == 0
        waiting = run("questions", "--json", "--quiet").stdout.splitlines()
        assert [json.loads(line)["question_id"] for line in waiting] == [bobs]
    assert (
        f"/{queued}.question.json" in run_git("ls-tree", "-r", "--name-only", scene.branch, cwd=scene.mailbox).decode()
    )


def delete(scene: Scene) -> None:
    scene.move(None)


def junk(scene: Scene) -> None:
    scene.junk()


@pytest.mark.parametrize("damage", [delete, junk])
def test_a_machine_that_verified_nothing_cannot_help(scene: Scene, damage: Callable[[Scene], None]) -> None:
    damage(scene)
    with scene.bob:
        (state,) = scene.bob.states
        (state / "checkpoint.json").unlink()
        shown = run("restore", "--yes")
    assert (shown.exit_code, shown.stdout) == (1, "")
    assert shown.stderr.endswith(
        "This machine has verified nothing of the room, so there is nothing here to restore it from. Run `peer-relay "
        "restore` on a machine on which the room was in use, yours or your peer's.\n"
    )


def test_json_is_one_object_with_every_field(scene: Scene) -> None:
    with scene.alice:
        well = as_object(run("restore", "--json").stdout)
    bobs, theirs = scene.fork(), scene.tip()
    common = {
        "remote": str(scene.mailbox),
        "branch": scene.branch.removeprefix("refs/heads/"),
        "commit": scene.newest,
        "complete": True,
        "blocked": None,
    }
    nothing = {"restored": False, "found": None, "refused": None, "taken_off": 0, "lost": [], "delivered": None}
    assert well == common | nothing
    with scene.alice:
        refused = run("restore", "--json", "--yes")
        assert (refused.stdout, json.loads(refused.stderr)["error"]["type"]) == ("", "Losses")
        usage = run("restore", "--json")
        assert (usage.exit_code, json.loads(usage.stderr)["error"]["type"]) == (2, "Usage")
        run("ask", "Queued?", "--quiet")
        done = run("restore", "--json", "--yes", "--even-with-losses")
    lost = {"question_id": bobs, "kind": "question", "asker": "bob", "commit": theirs}
    assert (done.exit_code, done.stderr) == (0, "")
    assert as_object(done.stdout) == common | {
        "restored": True,
        "found": "HistoryRewritten",
        "refused": theirs,
        "taken_off": 1,
        "lost": [lost],
        "delivered": 1,
    }
