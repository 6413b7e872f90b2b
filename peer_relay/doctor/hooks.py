"""Whether `peer-relay hook` works, which fails without a word to the agent that calls it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peer_relay.amounts import ago
from peer_relay.doctor.findings import info, ok, warning

if TYPE_CHECKING:
    from peer_relay.attempts import Attempts, FailedAttempt
    from peer_relay.doctor.findings import Finding


def check_hook(telling: Attempts, refreshing: Attempts | None, now_ms: int) -> Finding:
    """Check that the last call of an agent's hook went well, and the last look at the mailbox behind one.

    Args:
        telling: the calls.
        refreshing: the looks at the room to use, or None if it is not clear which room that is.
        now_ms: the time, in milliseconds since 1970.

    Raises:
        StateUnusable: it cannot be found out.
    """
    if (failure := telling.failure()) is not None:
        return _failed("", failure, now_ms)
    last_ms = telling.noted_ms()
    if last_ms is None:
        return info("No agent on this machine has called `peer-relay hook` yet.")
    worked = f"Worked {ago(last_ms, now_ms)}"
    if refreshing is not None and (failure := refreshing.failure()) is not None:
        return _failed(f"{worked}, and what it knows is old. ", failure, now_ms)
    return ok(f"{worked}.")


def _failed(before: str, failure: FailedAttempt, now_ms: int) -> Finding:
    during = f", during {failure.during}" if failure.during else ""
    return warning(f"{before}Failed {ago(failure.at_ms, now_ms)}{during}: {failure.what}", advice=failure.remedy)
