"""How what an agent calls by itself fails: without a word and with exit status 0, and the doctor tells of it.

An agent takes any other status, and any word, for a reason to warn, to stop or to throw away what its user wrote.

What is noted has no secret and nothing that an agent or an unforeseen exception said (I10). Where even the variables
are wrong, so that it is not known where to note something, nothing is; the doctor finds such variables by itself. Nor
is anything noted in a folder in which somebody else can lay out where that goes.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import click

from peer_relay import attempts, disk
from peer_relay.cli.ending import point_at_nothing
from peer_relay.errors import PeerRelayError
from peer_relay.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from peer_relay.attempts import Attempts

_DURING = "peer_relay.during"


def is_during(name: str) -> None:
    """Remember what the command is called for, should it fail.

    Args:
        name: one of those that this program knows.
    """
    click.get_current_context().meta[_DURING] = name


@contextlib.contextmanager
def unheard() -> Iterator[None]:
    """Turn every way in which a command can fail into silence, exit status 0 and a note for the doctor."""
    try:
        yield
    except click.exceptions.Exit:  # after its help
        raise
    except (KeyboardInterrupt, click.Abort):
        raise click.exceptions.Exit from None
    except Exception as error:
        if isinstance(error, OSError):
            point_at_nothing()
        with contextlib.suppress(PeerRelayError):
            home = read_settings().state_folder
            disk.refuse_planted(home)
            note(attempts.at_telling(home), error)
        raise click.exceptions.Exit from error


def note(of: Attempts, error: Exception) -> None:
    """Note why an attempt failed.

    Raises:
        StateUnusable: it cannot be noted.
    """
    context = click.get_current_context(silent=True)
    during = "" if context is None else context.meta.get(_DURING, "")
    of.note_failure(during, *_sentences(error))


def _sentences(error: Exception) -> tuple[str, str]:
    """Return what happened and what to do about it."""
    if isinstance(error, PeerRelayError):
        return error.what, error.remedy
    if isinstance(error, click.ClickException):
        from peer_relay.cli.bug import scrubbed  # noqa: PLC0415 - only a failure needs it

        remedy = "Mend the command in the agent's settings; `peer-relay hook --help` says how it is called."
        return f"It was not called as it has to be: {scrubbed(error.format_message())}", remedy
    from peer_relay.server.stderr import place_of  # noqa: PLC0415 - the same

    return f"It broke off ({place_of(error)}).", "If it happens again, report it: it may be a bug in peer-relay."
