"""How the checks are carried out: one after the other, each bounded in time, and mended where that is wanted.

1. A check whose need failed, or was itself not looked at, is skipped, and names the first cause.
2. A check has the time that it says, whatever it waits for: it is carried out in a thread that is left behind if it
   does not come back, as one that reads from a disk which hangs.
3. What was mended is looked at again, and the row shows how it stands then.
"""

from __future__ import annotations

import re
import threading
from concurrent.futures import Future
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from peer_relay.doctor.findings import Finding, Row, State, failed_by
from peer_relay.errors import Busy, PeerRelayError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from peer_relay.doctor.findings import Check

    T = TypeVar("T")

MEND_LIMIT_S = 60.0
_SECRET = re.compile(r"\b(prt1|pr1)-[a-z2-7]{4,}")
_HIDDEN = "[hidden]"
_SHORTEST_SECRET = 6


class _TooLongError(Exception):
    """Something did not come back in its time."""


def examine(
    checks: Sequence[Check],
    *,
    mend_by: str,
    mends: bool = False,
    secrets: Collection[str] = (),
    begin: Callable[[Check], None] = lambda _check: None,
) -> Iterator[Row]:
    """Carry out the checks, and yield the row of each as soon as it is known.

    Args:
        checks: in an order in which each comes after those that it needs.
        mend_by: the command that mends, which is the fix where nothing was mended.
        mends: whether to mend what can be mended.
        secrets: what must be in no row, whatever a check says. Short ones are left alone: they are in any text.
        begin: is told of each check that is about to be carried out.
    """
    causes: dict[str, str] = {}
    hidden = [each for each in secrets if len(each) >= _SHORTEST_SECRET]
    for check in checks:
        cause = next((causes[need] for need in check.topic.needs if need in causes), None)
        if cause is None:
            begin(check)
            finding, fixed = _attend(check, mends=mends)
        else:
            finding, fixed = Finding(State.SKIPPED, f"Not looked at, because of what was found at {cause}."), False
        if finding.state in (State.FAILED, State.SKIPPED):
            causes[check.topic.id] = cause or f'"{check.topic.title}"'
        yield _row(check, finding, mend_by, hidden, fixed=fixed)


def _attend(check: Check, *, mends: bool) -> tuple[Finding, bool]:
    """Look, mend if that is wanted and possible, and look again."""
    finding = _look(check)
    if not (mends and finding.mendable and check.mend is not None):
        return finding, False
    try:
        done = _bounded(check.mend, MEND_LIMIT_S)
    except PeerRelayError as error:
        why_not = error.what
    except _TooLongError:
        why_not = f"It did not end within {MEND_LIMIT_S:g} seconds."
    except Exception as error:  # noqa: BLE001 - whatever it is, the next check goes on
        why_not = f"It broke off ({type(error).__name__})."
    else:
        after = _look(check)
        return replace(after, what=f"{done} {after.what}"), not after.mendable
    return replace(finding, what=f"{finding.what} Mending it failed: {why_not}"), False


def _look(check: Check) -> Finding:
    try:
        return _bounded(check.look, check.limit_s)
    except Busy as error:
        return Finding(State.SKIPPED, f"Not looked at: {error.what[0].lower()}{error.what[1:]}", advice=error.remedy)
    except PeerRelayError as error:
        return failed_by(error)
    except _TooLongError:
        what = f"Looking at it did not end within {check.limit_s:g} seconds."
        return Finding(State.FAILED, what, advice="Look for a disk or a network drive that does not answer.")
    except Exception as error:  # noqa: BLE001 - the end of a check is not the end of the doctor
        what = f"The check itself broke off ({type(error).__name__}), so it is not known how it stands."
        return Finding(State.FAILED, what, advice="Report it: this is a bug in peer-relay.")


def _bounded(act: Callable[[], T], limit_s: float) -> T:
    """Do something, and leave it alone if it takes too long.

    Raises:
        _TooLongError: it does.
    """
    outcome: Future[T] = Future()

    def run() -> None:
        try:
            outcome.set_result(act())
        except BaseException as error:  # noqa: BLE001 - it is raised again where the result is wanted
            outcome.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        return outcome.result(limit_s)
    except TimeoutError:
        if outcome.done():
            raise
        raise _TooLongError from None


def _row(check: Check, finding: Finding, mend_by: str, secrets: Collection[str], *, fixed: bool) -> Row:
    command = mend_by if finding.mendable else finding.fix
    fix = command or finding.advice
    return Row(
        topic=check.topic,
        state=finding.state,
        what=_shown(finding.what, secrets),
        why=_shown(finding.why or check.topic.why, secrets),
        fix=None if fix is None else _shown(fix, secrets),
        fixed=fixed,
        is_command=command is not None,
        unreached=finding.unreached,
    )


def _shown(text: str, secrets: Collection[str]) -> str:
    """Return a text as one printable line without a secret, which no check should have put there."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, _HIDDEN)
    text = _SECRET.sub(rf"\1-{_HIDDEN}", text)
    return "".join(each if each.isprintable() else " " if each.isspace() else "\ufffd" for each in text)
