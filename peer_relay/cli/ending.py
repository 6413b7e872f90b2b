"""How a command ends: the exit statuses, and the one line that says why.

1. An expected error is one line on standard error, `error: ` and the sentence, or with `--json` one object there:
   `{"error": {"type": ..., "message": ..., "retryable": ..., "exit_status": ...}}`. Never a traceback.
2. What nobody foresaw is a bug: its traceback goes into a file, and the line names the file.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import sys
from enum import IntEnum
from typing import IO, TYPE_CHECKING, Any, NoReturn

import click

from peer_relay.cli.terminal import printable
from peer_relay.errors import PeerRelayError, TransportError

if TYPE_CHECKING:
    from collections.abc import Iterator


class Exit(IntEnum):
    """The exit statuses."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    BUG = 3
    NOTHING = 4
    UNREACHED = 5
    INTERRUPTED = 130


MEANINGS = {
    Exit.DONE: "done",
    Exit.FAILED: "refused or failed",
    Exit.USAGE: "wrong usage; of `wait --rewake`, that something is new",
    Exit.BUG: "a bug in peer-relay; the error names a log file",
    Exit.NOTHING: "nothing there (`wait`)",
    Exit.UNREACHED: "the mailbox could not be reached, or has not taken it yet: what was written is queued, what was "
    "read is from before",
    Exit.INTERRUPTED: "interrupted",
}
"""What each exit status means, as the documentation says it."""


class Failure(click.ClickException):
    """The expected end of a command that could not do what it was asked for.

    Args:
        message: the sentence.
        status: the exit status.
        kind: what `--json` calls the error.
        retryable: whether the same may succeed later without anybody changing anything.
    """

    def __init__(
        self, message: str, status: Exit = Exit.FAILED, *, kind: str = "Refused", retryable: bool = False
    ) -> None:
        super().__init__(message)
        self.exit_code = int(status)  # type: ignore[misc] # of this failure, where click has one for each class
        self._kind = kind
        self._retryable = retryable
        self.as_json = False

    def show(self, file: IO[Any] | None = None) -> None:
        """Print why."""
        about = {
            "type": self._kind,
            "message": self.message,
            "retryable": self._retryable,
            "exit_status": self.exit_code,
        }
        line = json.dumps({"error": about}) if self.as_json else f"error: {printable(self.message)}"
        click.echo(line, file=file, err=file is None)


def end_with(status: Exit) -> NoReturn:
    """End the command with an exit status and no further word."""
    click.get_current_context().exit(status)


def status_of(error: PeerRelayError) -> Exit:
    """Return the exit status for an error: whether trying again later may do, or somebody has to change something."""
    return Exit.UNREACHED if isinstance(error, TransportError) and error.retryable else Exit.FAILED


def end_if_unreached(problem: PeerRelayError | None) -> None:
    """End with the status for data from before, or for a record that is queued, if that is so."""
    if problem is not None:
        end_with(Exit.UNREACHED)


def unreached(problem: PeerRelayError) -> PeerRelayError | Failure:
    """Return the end of a command that has shown what is known from before, and says last why it is no more."""
    if not isinstance(problem, TransportError):
        return problem
    return Failure(str(problem), Exit.UNREACHED, kind=type(problem).__name__, retryable=problem.retryable)


def point_at_nothing() -> None:
    """Keep the interpreter from writing once more what could not be written, and from failing in words of its own."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextlib.contextmanager
def ended(*, as_json: bool) -> Iterator[None]:
    """Turn every way in which a command can fail into its end.

    Args:
        as_json: how errors are printed.
    """
    try:
        yield
    except (click.exceptions.Exit, click.exceptions.NoArgsIsHelpError):
        raise
    except (KeyboardInterrupt, click.Abort):  # the latter is what a prompt makes of the former
        if as_json:
            failure = Failure("It was interrupted.", Exit.INTERRUPTED, kind="Interrupted")
            failure.as_json = True
            raise failure from None
        click.echo(err=True)
        raise click.exceptions.Exit(Exit.INTERRUPTED) from None
    except Exception as error:
        told = _failure(error, as_json=as_json)
        if told is None:
            raise
        told.as_json = as_json
        raise told from error


def _failure(error: Exception, *, as_json: bool) -> Failure | None:
    """Return the end for an error, or None for one that click ends by itself."""
    if isinstance(error, Failure):
        return error
    if isinstance(error, PeerRelayError):
        return Failure(str(error), status_of(error), kind=type(error).__name__, retryable=error.retryable)
    if isinstance(error, click.ClickException):
        return Failure(error.format_message(), Exit.USAGE, kind="Usage") if as_json else None
    if isinstance(error, BrokenPipeError):
        return None
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EBADF):
        return Failure(f"The output could not be written: {error.strerror}.", kind="OutputLost")
    from peer_relay.cli.bug import write_log  # noqa: PLC0415 - only a bug needs it

    sentence = (
        f"peer-relay failed for a reason of its own ({type(error).__name__}); what was queued stays queued. Report the "
        f"bug with the file {write_log(error)}, after a look at what is in it."
    )
    return Failure(sentence, Exit.BUG, kind="Bug")
