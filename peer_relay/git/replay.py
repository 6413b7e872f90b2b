"""The replay of a whole history: its line of commits, and each of them verified after the one before it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from peer_relay.errors import DamagedClone, RefusedCommit, UnsupportedFormat
from peer_relay.git.exact import Examiner
from peer_relay.git.history import whole_line
from peer_relay.git.trees import Draft
from peer_relay.store import Replay

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from contextlib import AbstractContextManager

    from peer_relay.deadline import Deadline
    from peer_relay.git.history import Commits, Line
    from peer_relay.git.local import LocalTransport
    from peer_relay.store import Verified


def replay_in_place(mailbox: LocalTransport, tip: str, examiner: Examiner, deadline: Deadline) -> Replay | None:
    """Return the replay of what leads to a commit of a mailbox at a path, read where it is.

    None if the mailbox does not show its history as it is, because it is shallow: then it has to be fetched.

    Raises:
        TransportError: the system cannot read the mailbox, now or while the replay goes on.
    """
    with mailbox.in_place(deadline) as commits:
        return None if commits is None else replay(commits, mailbox.in_place, tip, examiner)


def replay(
    commits: Commits, opened: Callable[[], AbstractContextManager[Commits | None]], tip: str, examiner: Examiner
) -> Replay:
    """Return the replay of what leads to a commit.

    Args:
        commits: where it is.
        opened: opens the same for as long as the replay goes on.
        tip: the newest commit.
        examiner: verifies the commits.
    """
    line = whole_line(commits, tip, partial(_is_first, Examiner(examiner.keys), commits))
    return Replay(tip, len(line), _each_of(line, opened, examiner))


def not_sent(commit: str, error: DamagedClone) -> RefusedCommit:
    """Blame a commit for what is missing in a clone that was fetched just now, or in the mailbox itself."""
    reason = f"the mailbox does not send all that belongs to it ({error.reason})"
    return RefusedCommit(commit=commit, reason=reason)


def _is_first(examiner: Examiner, commits: Commits, commit: str) -> bool:
    try:
        return bool(examiner.first(Draft(commits), commit))
    except (RefusedCommit, UnsupportedFormat, DamagedClone):
        return False


def _each_of(
    line: Line, opened: Callable[[], AbstractContextManager[Commits | None]], examiner: Examiner
) -> Generator[Verified]:
    """Verify the commits of a whole history, one each time."""
    with opened() as commits:
        assert commits is not None  # noqa: S101 - it was opened before
        draft, known = Draft(commits), None
        ahead = examiner.signing.ahead_of(line)
        for commit in line:
            draft = draft.renewed()
            try:
                found = examiner.next(draft, known, commit, ahead) if known else examiner.first(draft, commit, ahead)
            except DamagedClone as error:
                raise not_sent(commit, error) from error
            known = found.snapshot
            ahead -= {commit}
            yield found
