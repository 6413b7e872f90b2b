"""How checks are carried out: what one of them does, fails to do or never ends is its own row and no other's."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NoReturn

import pytest

from peer_relay.doctor import examination
from peer_relay.doctor.examination import examine
from peer_relay.doctor.findings import Check, Finding, Row, State, failed, info, mendable, ok
from peer_relay.doctor.topics import Topic
from peer_relay.errors import Busy, StateUnusable, Unreachable
from tests.claims import claim
from tests.cli.support import TOKEN

if TYPE_CHECKING:
    from collections.abc import Callable

WHY = "It matters."
MEND = "peer-relay doctor --fix"


def check(
    look: Callable[[], Finding],
    mend: Callable[[], str] | None = None,
    *,
    name: str = "one",
    needs: tuple[str, ...] = (),
    limit_s: float = 20.0,
) -> Check:
    return Check(Topic(name, name.title(), WHY, needs), look, mend, limit_s)


def rows(*checks: Check, mends: bool = False, secrets: tuple[str, ...] = ()) -> list[Row]:
    return list(examine(checks, mend_by=MEND, mends=mends, secrets=secrets))


def raising(error: BaseException) -> Callable[[], NoReturn]:
    def act() -> NoReturn:
        raise error

    return act


def test_a_finding_becomes_a_row_with_why_it_matters() -> None:
    assert rows(check(lambda: ok("Fine."))) == [
        Row(
            topic=Topic("one", "One", WHY),
            state=State.OK,
            what="Fine.",
            why=WHY,
            fix=None,
            fixed=False,
            is_command=False,
            unreached=False,
        )
    ]


def test_a_finding_may_say_better_why_it_matters_and_a_command_counts_more_than_advice() -> None:
    (row,) = rows(check(lambda: info("So.", fix="ls", advice="Look.", why="Because.")))
    assert (row.why, row.fix, row.is_command) == ("Because.", "ls", True)
    (row,) = rows(check(lambda: failed("So.", advice="Look.")))
    assert (row.fix, row.is_command) == ("Look.", False)


def test_what_needs_something_that_failed_is_skipped_and_names_the_first_cause() -> None:
    begun: list[str] = []
    checks = [
        check(lambda: failed("No."), name="first"),
        check(lambda: ok("Yes."), name="second", needs=("first",)),
        check(lambda: ok("Yes."), name="third", needs=("second",)),
        check(lambda: ok("Yes."), name="fourth"),
    ]
    found = list(examine(checks, mend_by=MEND, begin=lambda each: begun.append(each.topic.id)))
    assert [row.state for row in found] == [State.FAILED, State.SKIPPED, State.SKIPPED, State.OK]
    assert {row.what for row in found[1:3]} == {'Not looked at, because of what was found at "First".'}
    assert begun == ["first", "fourth"]


def test_a_check_that_breaks_off_is_a_row_and_the_next_one_goes_on() -> None:
    first, second = rows(check(raising(ZeroDivisionError(TOKEN))), check(lambda: ok("Fine."), name="two"))
    assert (first.state, first.what) == (
        State.FAILED,
        "The check itself broke off (ZeroDivisionError), so it is not known how it stands.",
    )
    assert second.state is State.OK


@claim("deadline")
def test_a_check_that_does_not_come_back_is_left_alone() -> None:
    never = threading.Event()
    first, second = rows(check(lambda: ok(str(never.wait(20))), limit_s=0.05), check(lambda: ok("Fine."), name="two"))
    never.set()
    assert (first.state, first.what) == (State.FAILED, "Looking at it did not end within 0.05 seconds.")
    assert second.state is State.OK


def test_running_out_of_time_inside_a_check_is_not_taken_for_its_own_end() -> None:
    (row,) = rows(check(raising(TimeoutError())))
    assert row.what == "The check itself broke off (TimeoutError), so it is not known how it stands."


def test_an_expected_error_is_told_in_its_own_words() -> None:
    (row,) = rows(check(raising(StateUnusable(path="/x", reason="it is odd", advice="Mend it."))))
    assert (row.state, row.what, row.fix, row.unreached) == (
        State.FAILED,
        "/x cannot be used: it is odd.",
        "Mend it.",
        False,
    )
    (row,) = rows(check(raising(Unreachable(remote="it", reason="the network is down"))))
    assert (row.state, row.unreached) == (State.FAILED, True)


def test_what_another_process_is_busy_with_is_skipped() -> None:
    (row,) = rows(check(raising(Busy())))
    assert (row.state, row.what[:48]) == (State.SKIPPED, "Not looked at: something else on this machine is")


class Broken:
    """Something that is broken until it is mended."""

    def __init__(self, *, stays: bool = False) -> None:
        self.is_mended = False
        self.stays = stays

    def look(self) -> Finding:
        return ok("Whole.") if self.is_mended else mendable(State.WARNING, "Broken.")

    def mend(self) -> str:
        self.is_mended = not self.stays
        return "Glued it."


def test_without_being_asked_nothing_is_mended_and_the_fix_is_to_ask() -> None:
    broken = Broken()
    (row,) = rows(check(broken.look, broken.mend))
    assert (row.state, row.fix, row.is_command, row.fixed, broken.is_mended) == (
        State.WARNING,
        MEND,
        True,
        False,
        False,
    )


def test_what_was_mended_is_looked_at_again() -> None:
    broken = Broken()
    (row,) = rows(check(broken.look, broken.mend), mends=True)
    assert (row.state, row.what, row.fix, row.fixed) == (State.OK, "Glued it. Whole.", None, True)


def test_mending_that_did_not_help_does_not_count() -> None:
    broken = Broken(stays=True)
    (row,) = rows(check(broken.look, broken.mend), mends=True)
    assert (row.state, row.what, row.fixed) == (State.WARNING, "Glued it. Broken.", False)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (StateUnusable(path="/x", reason="it is odd"), "/x cannot be used: it is odd."),
        (KeyError("x"), "It broke off (KeyError)."),
    ],
)
def test_mending_that_fails_says_so(error: Exception, said: str) -> None:
    (row,) = rows(check(Broken().look, raising(error)), mends=True)
    assert (row.state, row.what, row.fixed) == (State.WARNING, f"Broken. Mending it failed: {said}", False)


def test_mending_that_does_not_come_back_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    never = threading.Event()
    monkeypatch.setattr(examination, "MEND_LIMIT_S", 0.05)
    (row,) = rows(check(Broken().look, lambda: str(never.wait(20))), mends=True)
    never.set()
    assert row.what == "Broken. Mending it failed: It did not end within 0.05 seconds."


def test_what_cannot_be_mended_is_left_alone() -> None:
    (row,) = rows(check(lambda: failed("No."), raising(AssertionError())), mends=True)
    assert (row.what, row.fixed) == ("No.", False)


@claim("I9", "I10", "secrets-never-shown")
def test_a_row_is_one_printable_line_without_a_secret() -> None:
    said = f"a\x1b[31mb\nc {TOKEN} pr1-abcdefghijk hunter2-secret prt1-… abc"
    (row,) = rows(check(lambda: failed(said, fix=said)), secrets=("hunter2-secret", "abc"))
    shown = "a\ufffd[31mb c prt1-[hidden] pr1-[hidden] [hidden] prt1-… abc"
    assert (row.what, row.fix) == (shown, shown)
