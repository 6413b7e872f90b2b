"""`peer-relay status`: how things stand, in a few lines, at once if nobody is to be contacted."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from peer_relay import app
from peer_relay.checkpoint import Checkpoint
from peer_relay.cli import status
from peer_relay.cli.offline import Known
from peer_relay.config import RelayConfig
from peer_relay.errors import AccessDenied, HistoryRewritten, RepositoryNotFound, Unreachable
from peer_relay.ids import ulid_ms
from peer_relay.ledger import Ledger
from peer_relay.local_state import LocalState
from peer_relay.paths import Kind, Place
from peer_relay.reports import Reached
from peer_relay.rooms import SavedRoom
from peer_relay.settings import Chosen, read_settings
from peer_relay.standing import OnTheWay, Standing, folder_of
from peer_relay.store import Snapshot
from peer_relay.times import parse_ms
from tests.claims import claim
from tests.cli.support import run
from tests.store.benches import KEYS, ROOM, TOKEN, answer, question

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from peer_relay.errors import PeerRelayError

NOW_MS = parse_ms("2026-11-25T10:00:00.000Z")
CONTACT_MS = NOW_MS - 180_000
MINE, OTHER, THEIRS = question(1), question(2), question(3, "bob")
GONE = Unreachable(remote="git.example", reason="the network is down")
CALM = Standing("alice", "bob", CONTACT_MS)
HEAD = [
    f"Room       alice-bob ({KEYS.room_id})",
    "Peers      alice (you) and bob",
    "Mailbox    https://git.example/x.git",
    "Contact    3 minutes ago (2026-11-25 10:57:00 +0100)",
]
QUIET = "Quiet      no open question, no unread answer, nothing queued"
BUSY = Standing(
    "alice",
    "bob",
    CONTACT_MS,
    unanswered=(MINE.id, OTHER.id),
    waiting=(THEIRS.id,),
    unread=(question(7).id,),
    outbox=(
        OnTheWay(Place(OTHER.id, "alice", Kind.QUESTION), "queued", ""),
        OnTheWay(Place(question(5, "bob").id, "bob", Kind.ANSWER), "queued", ""),
        OnTheWay(Place(question(6, "bob").id, "bob", Kind.ANSWER), "refused", "pre-receive: no."),
        OnTheWay(Place(MINE.id, "alice", Kind.QUESTION), "refused", "no \x1b[2J"),
        OnTheWay(Place(question(8, "bob").id, "bob", Kind.ANSWER), "second", ""),
    ),
    damaged=("00000009-odd\x1b.json",),
    refusal="The history was rewritten. Ask your peer.",
)


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give a home with one saved room, in a zone and at a time of its own."""
    monkeypatch.setenv("PEER_RELAY_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TZ", "CET-1")
    time.tzset()
    monkeypatch.setattr(status, "system_ms", lambda: NOW_MS)
    remote = "https://alice:hunter2@git.example/x.git"
    read_settings().rooms.save(SavedRoom(remote=remote, token=TOKEN, peer_id="alice", other_peer="bob"))
    yield tmp_path / "home"
    monkeypatch.delenv("TZ")
    time.tzset()


@pytest.fixture
def standing(monkeypatch: pytest.MonkeyPatch, own_home: Path) -> Callable[[Standing], None]:
    """Give a way to say how things stand on this machine."""

    def stand(how: Standing, saved_as: str | None = "alice-bob") -> None:
        remote = "https://alice:hunter2@git.example/x.git"
        config = RelayConfig(remote=remote, token=TOKEN, peer_id="alice", home=own_home)
        known = Known(Chosen(config, saved_as, {}), KEYS.room_id, how)
        monkeypatch.setattr(status, "look_at_disk", lambda *_: known)

    return stand


class Reacher:
    """A relay that reaches the mailbox, or does not."""

    def __init__(self, outcome: Reached | PeerRelayError) -> None:
        self._outcome = outcome

    def reach(self) -> Reached:
        if isinstance(self._outcome, Reached):
            return self._outcome
        raise self._outcome

    def close(self) -> None: ...


@pytest.fixture
def reaching(monkeypatch: pytest.MonkeyPatch) -> Callable[[Reached | PeerRelayError], None]:
    """Give a way to say what becomes of the contact."""

    def reach(outcome: Reached | PeerRelayError) -> None:
        monkeypatch.setattr(app, "open_relay", lambda *_, **__: Reacher(outcome))

    return reach


def decide(question_id: str) -> str:
    return f"Decide with `peer-relay outbox --retry {question_id}` or `--drop {question_id}`."


def lines(*arguments: str) -> list[str]:
    shown = run("status", *arguments)
    assert (shown.exit_code, shown.stderr) == (0, "")
    return shown.stdout.splitlines()


def test_an_empty_room_is_five_lines_from_what_is_on_the_disk(own_home: Path) -> None:
    state = LocalState(folder_of(own_home, KEYS.room_id, "alice"))
    state.save(Checkpoint(Snapshot("ab" * 20, Ledger(ROOM)), None, CONTACT_MS))
    assert lines("--offline") == [*HEAD, QUIET]


def test_a_room_that_was_never_reached_says_so(own_home: Path) -> None:
    assert lines("--offline") == [HEAD[0], "Peers      alice (you)", HEAD[2], "Contact    never from this machine"]
    assert not (own_home / "rooms").exists()


def test_a_room_that_is_not_saved_is_one_of_the_variables(standing: Callable[..., None]) -> None:
    standing(CALM, None)
    assert lines("--offline")[0] == f"Room       not saved, from the variables ({KEYS.room_id})"


@claim("I9")
def test_everything_that_somebody_may_want_to_do_something_about_is_a_line(standing: Callable[..., None]) -> None:
    standing(BUSY)
    refused, mine = question(6, "bob").id, MINE.id
    assert lines("--offline") == [
        *HEAD,
        "Waiting    1 question from bob waits for your answer, asked 2 days ago",
        "Unread     1 answer from bob",
        "Open       2 questions of yours have no answer yet, the oldest asked 2 days ago",
        "Queued     1 question and 1 answer, until the branch is accepted again",
        f'Set aside  the answer to {refused}: "pre-receive: no". {decide(refused)}',
        f'Set aside  the question {mine}: "no \ufffd[2J". {decide(mine)}',
        "Damaged    the outbox file 00000009-odd\ufffd.json is not sent; look at it with `peer-relay outbox`",
        "Refused    The history was rewritten. Ask your peer.",
    ]


def test_of_several_the_age_of_the_oldest_is_told(standing: Callable[..., None]) -> None:
    standing(Standing("alice", "bob", CONTACT_MS, waiting=(THEIRS.id, question(4, "bob").id), unanswered=(MINE.id,)))
    assert lines("--offline")[4:] == [
        "Waiting    2 questions from bob wait for your answer, the oldest asked 2 days ago",
        "Open       1 question of yours has no answer yet, asked 2 days ago",
    ]


def test_a_program_gets_every_fact_under_a_name_of_its_own(standing: Callable[..., None]) -> None:
    standing(BUSY)
    shown = run("status", "--offline", "--json")
    found = json.loads(shown.stdout)
    assert found == {
        "saved_as": "alice-bob",
        "room_id": KEYS.room_id,
        "me": "alice",
        "peer": "bob",
        "remote": "https://git.example/x.git",
        "reached": None,
        "contact_at": "2026-11-25T09:57:00.000Z",
        "waiting": [THEIRS.id],
        "waiting_oldest_s": (NOW_MS - ulid_ms(THEIRS.id)) / 1000,
        "unread": [question(7).id],
        "unanswered": [MINE.id, OTHER.id],
        "unanswered_oldest_s": (NOW_MS - ulid_ms(MINE.id)) / 1000,
        "outbox": [
            {"question_id": OTHER.id, "kind": "question", "status": "queued", "words": None},
            {"question_id": question(5, "bob").id, "kind": "answer", "status": "queued", "words": None},
            {"question_id": question(6, "bob").id, "kind": "answer", "status": "refused", "words": "pre-receive: no."},
            {"question_id": MINE.id, "kind": "question", "status": "refused", "words": "no \x1b[2J"},
            {"question_id": question(8, "bob").id, "kind": "answer", "status": "second", "words": None},
        ],
        "blocked": None,
        "damaged": ["00000009-odd\x1b.json"],
        "refusal": "The history was rewritten. Ask your peer.",
    }
    assert shown.stdout.isascii()


def test_a_program_gets_null_for_what_is_not_known(standing: Callable[..., None]) -> None:
    standing(Standing("alice"), None)
    found = json.loads(run("status", "--offline", "--json").stdout)
    nulls = ["saved_as", "peer", "reached", "contact_at", "waiting_oldest_s", "unanswered_oldest_s"]
    assert [name for name, value in found.items() if value is None] == [*nulls, "blocked", "refusal"]


@claim("secrets-never-shown")
@pytest.mark.parametrize("arguments", [["--offline"], ["--offline", "--json"], [], ["--json"]])
def test_neither_the_token_nor_a_password_is_shown(
    reaching: Callable[..., None], standing: Callable[..., None], arguments: list[str]
) -> None:
    reaching(Reached(()))
    standing(BUSY)
    shown = run("status", *arguments).output
    assert [secret for secret in (TOKEN, "hunter2") if secret in shown] == []


@pytest.mark.parametrize("contact_ms", [-5, 10**17])
def test_a_time_of_contact_that_is_none_does_no_harm(standing: Callable[..., None], contact_ms: int) -> None:
    standing(Standing("alice", "bob", contact_ms))
    assert lines("--offline")[4:] == [QUIET]
    assert json.loads(run("status", "--offline", "--json").stdout)["contact_at"] in (
        "1970-01-01T00:00:00.000Z",
        "9999-12-31T23:59:59.999Z",
    )


def test_a_peer_id_out_of_form_leads_to_no_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEER_RELAY_PEER_ID", "../../x")
    shown = run("status", "--offline")
    assert (shown.exit_code, shown.stdout) == (1, "")
    assert shown.stderr.startswith("error: The peer id must be 1 to 32 characters")


# ---------------------------------------------------------------------------------------------------------------------
# With a look at the mailbox


def test_a_mailbox_that_was_reached_is_shown_as_it_stands_then(
    reaching: Callable[..., None], standing: Callable[..., None]
) -> None:
    reaching(Reached(("1 record is queued on this machine and will be delivered automatically.",)))
    standing(CALM)
    assert lines() == [*HEAD, QUIET]
    assert json.loads(run("status", "--json").stdout)["reached"] is True


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [(GONE, 5), (RepositoryNotFound(remote="git.example"), 5), (HistoryRewritten(commit="ab" * 20), 1)],
)
@pytest.mark.parametrize("first", [True, False])
def test_without_the_mailbox_what_is_known_is_shown_with_the_reason_last(
    reaching: Callable[..., None],
    standing: Callable[..., None],
    error: PeerRelayError,
    exit_code: int,
    first: bool,
) -> None:
    reaching(error if first else Reached((f"{error} This result is what was known at noon.",), error))
    standing(CALM)
    shown = run("status")
    assert (shown.exit_code, shown.stdout.splitlines()) == (exit_code, [*HEAD, QUIET])
    assert shown.stderr == f"error: {error}\n"
    told = run("status", "--json")
    assert (told.exit_code, json.loads(told.stdout)["reached"]) == (exit_code, False)
    assert json.loads(told.stderr)["error"]["message"] == str(error)


def test_that_an_answer_came_second_is_said_because_it_is_said_once(
    reaching: Callable[..., None], standing: Callable[..., None]
) -> None:
    second = f"Your queued answer to question {THEIRS.id} came second: another answer was there first."
    reaching(Reached((second, "1 record is queued.")))
    standing(CALM)
    assert run("status").stderr == f"note: {second}\n"


DENIED = AccessDenied(remote="git.example", act="write", reason="read-only")


@pytest.mark.parametrize(
    ("outcome", "why"),
    [
        (Reached((), None, DENIED), f"because: {DENIED}"),
        (Reached(()), "until there is room for another open question"),
        (Reached((), GONE), "until the mailbox is reached"),
    ],
)
def test_it_is_told_what_stands_in_the_way_of_what_is_queued(
    reaching: Callable[..., None], standing: Callable[..., None], outcome: Reached, why: str
) -> None:
    reaching(outcome)
    queued = OnTheWay(Place(OTHER.id, "alice", Kind.QUESTION), "queued", "")
    standing(Standing("alice", "bob", CONTACT_MS, outbox=(queued,)))
    assert run("status").stdout.splitlines()[-1] == f"Queued     1 question, {why}"
    told = json.loads(run("status", "--json").stdout)["blocked"]
    assert told == (None if outcome.blocked is None else str(outcome.blocked))


# ---------------------------------------------------------------------------------------------------------------------
# On a terminal, and in a hurry


@pytest.mark.parametrize("width", [60, 120])
def test_on_a_terminal_it_is_aligned_whatever_the_width(
    standing: Callable[..., None], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    screen = io.StringIO()
    terminal = Console(file=screen, force_terminal=True, width=width, color_system=None, highlight=False, markup=False)
    monkeypatch.setattr(status, "console", lambda: terminal)
    standing(BUSY)
    assert run("status", "--offline").stdout == ""
    shown = [line.rstrip() for line in screen.getvalue().splitlines()]
    assert [line for line in shown if len(line) > width] == []
    assert [line for line in shown if line[:11].strip() and line[9:11] != "  "] == []
    words = " ".join(line[11:] for line in shown)
    assert "2 questions of yours have no answer yet, the oldest asked 2 days ago" in words
    assert "no \ufffd[2J" in words


def test_on_a_terminal_what_matters_has_its_colour(
    standing: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = io.StringIO()
    terminal = Console(file=screen, force_terminal=True, width=120, color_system="standard", _environ={})
    monkeypatch.setattr(status, "console", lambda: terminal)
    standing(Standing("alice", "[red]bob[/]", CONTACT_MS, unread=(MINE.id,), refusal="Rewritten."))
    run("status", "--offline")
    assert "\x1b[33m1 answer from [red]bob[/]" in screen.getvalue()
    assert "\x1b[31mRewritten." in screen.getvalue()


HEAVY = {
    *("asyncio", "dulwich", "filelock", "importlib.metadata", "mcp", "pydantic", "rich", "tempfile", "ulid", "urllib3"),
    *("peer_relay.app", "peer_relay.cli.connection", "peer_relay.records", "peer_relay.relay"),
}


def test_offline_it_loads_nothing_that_takes_long(own_home: Path) -> None:
    state = LocalState(folder_of(own_home, KEYS.room_id, "alice"))
    state.save(Checkpoint(Snapshot("ab" * 20, Ledger(ROOM, {THEIRS.id: "bob"})), None, CONTACT_MS))
    state.outbox.accept(Place(THEIRS.id, "bob", Kind.ANSWER), answer(THEIRS), "alice", "ab" * 20)
    state.asked.add(MINE.id)
    script = (
        "import atexit, sys\n"
        f"atexit.register(lambda: print(sorted({HEAVY!r} & set(sys.modules))))\n"
        "from peer_relay.__main__ import main\n"
        "main()\n"
    )
    command = [sys.executable, "-c", script, "status", "--offline"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.splitlines()[-3:] == [
        "Unread     1 answer from bob",
        "Queued     1 answer, until the mailbox is reached",
        "[]",
    ]
