"""Whether the mailbox can be used from here: reached, read and written, how quickly, by whom else, and by which rules.

Each check is a real conversation with the remote and leaves nothing behind there (I8).
"""

from __future__ import annotations

import shlex
from statistics import median
from typing import TYPE_CHECKING

from peer_relay.amounts import milliseconds
from peer_relay.doctor.findings import failed_by, info, listed, ok, warning
from peer_relay.errors import AuthenticationFailed, RepositoryNotFound, TransportError, in_quotes
from peer_relay.git.words import clean
from peer_relay.outbox import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from peer_relay.deadline import Deadline
    from peer_relay.doctor.findings import Finding
    from peer_relay.git.remote import Remote
    from peer_relay.git.rules import PushRules
    from peer_relay.git.transport import Transport
    from peer_relay.outbox import OutboxEntry

_LOOKS = 3
_SLOW_S = 3.0
_WAYS = {"path": "at its path", "file": "at its path", "ssh": "over ssh", "scp": "over ssh", "https": "over https"}
_FORGE = "github.com"
_BRANCHES = b"refs/heads/"


def check_read(transport: Transport, remote: Remote, ref: bytes, deadline: Deadline) -> Finding:
    """Check that the mailbox can be reached and read."""
    try:
        transport.read_ref(ref, deadline)
    except TransportError as error:
        return failed_by(error, fix=_fix(remote, error))
    return ok(f"{transport.remote} can be read {_WAYS.get(remote.scheme, 'over http, on this machine')}.")


def check_write(transport: Transport, remote: Remote, ref: bytes, deadline: Deadline) -> Finding:
    """Check that this login may push. What a rule over there decides only about a real push is not promised."""
    try:
        transport.check_write(ref, deadline)
    except TransportError as error:
        return failed_by(error, fix=_fix(remote, error))
    return ok("Nothing stands against a push.")


def check_login(transport: Transport) -> Finding:
    """Say how the mailbox let this machine in."""
    login = transport.login
    return ok(f"Let in: {login}.") if login else info("How it lets this machine in cannot be told.")


def check_latency(transport: Transport, ref: bytes, deadline: Deadline, monotonic: Callable[[], float]) -> Finding:
    """Measure how long it takes to see whether there is something new: the middle one of three looks.

    Raises:
        TransportError: the mailbox was not reached.
    """
    times = []
    for _ in range(_LOOKS):
        begun = monotonic()
        transport.read_ref(ref, deadline)
        times.append(monotonic() - begun)
    middle = median(times)
    if middle < _SLOW_S:
        return ok(f"A look takes {milliseconds(middle)}.")
    advice = "Set PEER_RELAY_TIMEOUT to more seconds if calls end before they are done."
    return warning(f"A look takes {milliseconds(middle)}.", advice=advice)


def check_public(remote: Remote, is_public: Callable[[], bool | None]) -> Finding:
    """Check that not everybody can read the mailbox.

    Args:
        remote: the mailbox.
        is_public: finds out; None if it cannot be told.
    """
    if remote.kind == "local":
        return info("Whoever may read that folder can read it.")
    found = is_public()
    if found is None:
        return info("Whether everybody can read it cannot be told for this host.")
    if not found:
        return ok("Nobody reads it without a login.")
    hide = "--visibility private --accept-visibility-change-consequences"
    return warning(
        "Everybody can read it, without any login.",
        fix=f"gh repo edit {shlex.quote(_on_forge(remote))} {hide}" if _is_on_forge(remote) else None,
        advice="Make the repository private in the settings of its host.",
    )


def check_default_branch(transport: Transport, remote: Remote, ref: bytes, deadline: Deadline) -> Finding:
    """Check that the room's branch is not the one that the repository shows first.

    Raises:
        TransportError: the mailbox was not reached.
    """
    name = transport.default_branch(deadline)
    if name is None:
        return ok("None that exists, or the mailbox does not say.")
    if name != ref:
        return ok(f"{clean(name.removeprefix(_BRANCHES), limit=100)}, and not the room's.")
    if remote.kind == "local":
        fix = f"git -C {shlex.quote(remote.path)} symbolic-ref HEAD refs/heads/main"
        return info("The room's own branch.", fix=fix)
    return info(
        "The room's own branch. Push another one, such as main, before changing that.",
        fix=f"gh repo edit {shlex.quote(_on_forge(remote))} --default-branch main" if _is_on_forge(remote) else None,
        advice="Choose another default branch in the settings of its host.",
    )


def check_rules(remote: Remote, rules: PushRules | None, entries: Sequence[OutboxEntry]) -> Finding:
    """Say which rules there are about pushes to the room's branch, as far as that can be told from here.

    Args:
        remote: the mailbox.
        rules: those of a repository at a path, if they can be told.
        entries: the outbox, which keeps the words with which a push was declined.
    """
    words = [entry.words for entry in entries if entry.status is Status.REFUSED and entry.words]
    if words:
        advice = "Let both peers push to branches that begin with peer-relay/ in the rules of its host."
        return warning(f"A push was declined: {in_quotes(clean(words[-1]).rstrip('.'))}.", advice=advice)
    if remote.kind != "local":
        return info("What a host's rules for the branch refuse shows only when something is pushed.")
    if rules is None:
        return info("The repository's rules cannot be read.")
    open_ = {"receive.denyNonFastForwards": rules.keeps_history, "receive.denyDeletes": rules.keeps_branches}
    missing = [name for name, is_set in open_.items() if not is_set]
    if not missing:
        return ok("git refuses to rewrite and to delete a branch there.")
    git = f"git -C {shlex.quote(remote.path)} config"
    return info(f"Not set there: {listed(missing)}.", fix=" && ".join(f"{git} {name} true" for name in missing))


def _fix(remote: Remote, error: TransportError) -> str | None:
    """Return the command that helps against an error, if one does."""
    if remote.kind == "ssh" and isinstance(error, AuthenticationFailed):
        login = f"{remote.username}@{remote.host}" if remote.username else remote.host
        return shlex.join(["ssh", *(["-p", str(remote.port)] if remote.port else []), "-T", login])
    if remote.kind == "http" and isinstance(error, AuthenticationFailed) and remote.host == _FORGE:
        return "gh auth login && gh auth setup-git"
    if remote.kind == "local" and isinstance(error, RepositoryNotFound):
        return f"ls -ld {shlex.quote(remote.path)}"
    return None


def _is_on_forge(remote: Remote) -> bool:
    return remote.host.lower() == _FORGE


def _on_forge(remote: Remote) -> str:
    """Return a repository as its forge's own program names it."""
    return remote.path.strip("/").removesuffix(".git")
