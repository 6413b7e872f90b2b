"""What the doctor says: the finding of a check, and the row that a person or a program gets to see."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from peer_relay.errors import TransportError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from peer_relay.doctor.topics import Topic
    from peer_relay.errors import PeerRelayError

_NAMED = 8


class State(Enum):
    """How it stands with what a check looked at."""

    OK = "ok"
    INFO = "info"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes:
        state: how it stands.
        what: what is wrong, or what is well, in sentences.
        fix: the command that puts it right, as it can be pasted into a shell.
        advice: what a person has to do, in a sentence, where no command can.
        why: why this matters; None for what the check says of itself.
        mendable: whether the doctor can put it right by itself.
        unreached: whether all that is wrong is that the mailbox cannot be reached now.
    """

    state: State
    what: str
    fix: str | None = None
    advice: str | None = None
    why: str | None = None
    mendable: bool = False
    unreached: bool = False


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes:
        topic: what it is about.
        look: finds out how it stands.
        mend: puts right what `look` called mendable, and says in a sentence what it did.
        limit_s: how long looking may take, in seconds.
    """

    topic: Topic
    look: Callable[[], Finding]
    mend: Callable[[], str] | None = None
    limit_s: float = 10.0


@dataclass(frozen=True)
class Row:
    """A check with its outcome. Every text is one printable line without a secret.

    Attributes:
        topic: what it is about.
        state: how it stands, after mending.
        what: what is wrong, or what is well; what was mended comes first.
        why: why it matters.
        fix: the command, or what a person has to do; None if nothing has to be done.
        fixed: whether the doctor put it right just now.
        is_command: whether `fix` can be pasted into a shell.
        unreached: whether all that is wrong is that the mailbox cannot be reached now.
    """

    topic: Topic
    state: State
    what: str
    why: str
    fix: str | None
    fixed: bool
    is_command: bool
    unreached: bool


def ok(what: str) -> Finding:
    """Return the finding that something is well."""
    return Finding(State.OK, what)


def info(what: str, *, fix: str | None = None, advice: str | None = None, why: str | None = None) -> Finding:
    """Return a finding that is worth knowing and not wrong."""
    return Finding(State.INFO, what, fix, advice, why)


def warning(what: str, *, fix: str | None = None, advice: str | None = None, why: str | None = None) -> Finding:
    """Return the finding that something should be put right and does not stand in the way."""
    return Finding(State.WARNING, what, fix, advice, why)


def failed(what: str, *, fix: str | None = None, advice: str | None = None, why: str | None = None) -> Finding:
    """Return the finding that something stands in the way."""
    return Finding(State.FAILED, what, fix, advice, why)


def mendable(state: State, what: str) -> Finding:
    """Return the finding that the doctor itself can put something right."""
    return Finding(state, what, mendable=True)


def failed_by(error: PeerRelayError, *, fix: str | None = None) -> Finding:
    """Return the finding that an error stands in the way.

    Args:
        error: says what is wrong, and what to do where there is no command for it.
        fix: the command.
    """
    unreached = isinstance(error, TransportError) and error.retryable
    advice = None if fix else error.remedy
    return Finding(State.FAILED, error.what, fix, advice, unreached=unreached)


def is_well(rows: Iterable[Row]) -> bool:
    """Say whether nothing stands in the way; warnings do not."""
    return all(row.state is not State.FAILED for row in rows)


def is_only_unreached(rows: Iterable[Row]) -> bool:
    """Say whether something stands in the way, and all of it is that the mailbox cannot be reached now."""
    bad = [row for row in rows if row.state is State.FAILED]
    return bool(bad) and all(row.unreached for row in bad)


def listed(names: Sequence[str], at_most: int = _NAMED) -> str:
    """Return names as an enumeration, the first few of many."""
    shown = list(names[:at_most])
    if len(names) > at_most:
        shown.append(f"{len(names) - at_most:,} more")
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)
