"""What the words of a remote mean: which of our errors a refused push or a failed contact is.

Pure text in, error out. git has no error numbers on the wire, so these tables are all there is; they hold the words of
git itself, OpenSSH, PuTTY, GitHub and GitLab.

1. A race is only what git calls one. A branch that can never be written is no race: the caller would try for ever.
   Nor is that the fault of the record that was pushed: it is `PushBlocked`, and only of what is known to be about all.
2. Words that are shown have been through `clean`, and stand in quotation marks.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from peer_relay.errors import (
    AccessDenied,
    AuthenticationFailed,
    BranchLocked,
    Moved,
    OutcomeUnknown,
    PushBlocked,
    PushRefused,
    RepositoryNotFound,
    TransportError,
    Unreachable,
    in_quotes,
)
from peer_relay.git.words import LIMIT, clean

if TYPE_CHECKING:
    from collections.abc import Iterable

KEY_REFUSED = "it accepts none of this machine's ssh keys"
KEY_ADVICE = "Load the right key with `ssh-add`, or add your public key to your account there."
HOST_KEY_UNKNOWN = "its ssh host key is not known here or has changed"
HOST_KEY_ADVICE = "Connect once with `ssh` by hand, compare the fingerprint with the host's own, and accept it."
GIT_MISSING = "git is not installed on that machine, or not on the PATH that it gives to ssh"
TRUST_ADVICE = "Log in there and run `git config --global --add safe.directory PATH`, with the path of the mailbox."
GIT_ADVICE = "Install git there, or put it on that PATH."
CONFLICT_ADVICE = "Rename or delete the branch there that is called peer-relay, or whose name begins with the room's."
MISSING_OBJECTS = "missing necessary objects"
"""What git says of a push whose objects do not lead on to what is there already."""

FULL_ADVICE = "Make room there; what is queued goes out by itself then."
RULES_ADVICE = "Let both peers push to branches that begin with peer-relay/ in the rules of its host."

# The reasons that git-receive-pack and the forges give for a branch when somebody else was faster.
_RACE = re.compile(
    r"failed to update ref|cannot lock ref|is at \w+ but expected|non-fast-forward|fetch first|stale info|"
    r"incorrect old value provided|reference already exists|reference does not exist"
)
# What they say beside such a reason when it was no race: another branch is in the way, or a lock, perhaps left behind.
_CONFLICT = re.compile(r"exists; cannot create|^refname conflict$", re.MULTILINE)
_LOCKED = re.compile(r"unable to create .{0,400}\.lock.{0,400}file exists", re.DOTALL)
# A limit of the whole repository or a rule of the branch, which no other record would pass either. Only what git itself
# or a forge says counts: a hook may quote the record. So those of a forge are looked for where their line begins.
_HOOK = re.compile(r"hook declined")
_FULL = re.compile(r"no space left on device|disk quota exceeded")
_FORGE_FULL = re.compile(
    r"^(?:gitlab: )?your push (?:has been rejected, because|to) this repository\b.{0,200}\b(?:size|storage) limit",
    re.MULTILINE,
)
_PROTECTED = re.compile(r"^protected branch hook declined$")
_FORGE_PROTECTED = re.compile(
    r"^gitlab: you are not allowed to (?:force )?push code to (?:a )?protected branch|"
    r"^\s*- cannot (?:update this protected ref|(?:create|update) ref due to (?:creations|updates) being restricted)",
    re.MULTILINE,
)
_LACKS = re.compile(
    rf"{MISSING_OBJECTS}|shallow update not allowed|did not receive expected object|index-pack|unpack|bad object|"
    "missing (?:blob|tree|commit)"
)
_NOT_WRITABLE = re.compile(
    r"unable to create temporary object directory|permission denied|insufficient permission|read-only file system"
)
_OUTAGE = re.compile(r"^failure$|internal server error|fatal error in commit_refs")

_HOST_KEY = re.compile(r"host key verification failed|host identification has changed|host key is (not known|unknown)")
_KEY = re.compile(
    r"permission denied(, please try again| \([a-z0-9,-]+\))|too many authentication failures|"
    r"no supported authentication methods"
)
_NO_GIT = re.compile(r"command not found|git-(upload|receive)-pack: not found|not recognized as an internal")
_NO_REPOSITORY = re.compile(
    r"does not appear to be a git repository|repository.{0,200}not found|not a git repository|no such repository|"
    r"could not be found|does not exist"
)
_NO_ACCESS = re.compile(
    r"permission denied|permission to .{0,200} denied|access denied|read.only|not allowed|insufficient permission|"
    r"dubious ownership|deploy key|write access"
)
# git refuses a repository whose files belong to somebody else, as on a host where each has an account.
_OWNER = "dubious ownership"


def push_refusal(remote: str, reason: str, said: str, secrets: Iterable[str] = ()) -> TransportError:
    """Return what it means that a remote answered a push with `ng` for the branch, or could not unpack.

    Args:
        remote: the address as it may be shown.
        reason: the remote's own reason, in a few words.
        said: everything else it said meanwhile, such as the output of a hook.
        secrets: strings to hide in what is shown.
    """
    short, everything = reason.lower(), f"{said}\n{reason}".lower()
    words = _together(said, reason, secrets)
    if _OUTAGE.search(short):
        return OutcomeUnknown(remote=remote, reason=in_quotes(words))
    if _NOT_WRITABLE.search(short):
        return AccessDenied(remote=remote, act="write", reason=in_quotes(words))
    if (declined := _declined(remote, words, short, everything)) is not None:
        return declined
    if _LOCKED.search(everything):
        return BranchLocked(remote=remote, reason=in_quotes(words))
    if _NOT_WRITABLE.search(everything):
        return AccessDenied(remote=remote, act="write", reason=in_quotes(words))
    return Moved(remote=remote, words=words)


def _declined(remote: str, words: str, short: str, everything: str) -> PushRefused | None:
    """Return the error for a push that was looked at and not wanted; None if something else came in its way."""
    advice = _whole_branch(short, everything)
    if advice is not None:
        return PushBlocked(remote=remote, words=words, advice=advice)
    return None if _RACE.search(short) else PushRefused(remote=remote, words=words)


def _whole_branch(short: str, everything: str) -> str | None:
    """Return the advice for a refusal that is about the repository or the branch, and not about what was pushed."""
    if _CONFLICT.search(everything):
        return CONFLICT_ADVICE
    if _FORGE_FULL.search(everything) or (_FULL.search(everything) and not _HOOK.search(short)):
        return FULL_ADVICE
    if _PROTECTED.search(short) or _FORGE_PROTECTED.search(everything):
        return RULES_ADVICE
    return None


def lacks_objects(refusal: PushRefused) -> bool:
    """Return whether a push was refused because something that was not sent is not in the remote either."""
    return _LACKS.search(refusal.words.lower()) is not None


def contact_failure(remote: str, act: str, words: str, secrets: Iterable[str] = ()) -> TransportError:
    """Return what the last words of a contact that failed mean, those of ssh or of a git server.

    Args:
        remote: the address as it may be shown.
        act: `read` or `write`, whichever was tried.
        words: what was said.
        secrets: strings to hide in what is shown.
    """
    shown, lower = in_quotes(clean(words, secrets=secrets).rstrip(".")), words.lower()
    if _HOST_KEY.search(lower):
        return Unreachable(remote=remote, reason=HOST_KEY_UNKNOWN, advice=HOST_KEY_ADVICE)
    if _KEY.search(lower):
        return AuthenticationFailed(remote=remote, source=KEY_REFUSED, advice=KEY_ADVICE)
    if _NO_GIT.search(lower):
        return Unreachable(remote=remote, reason=GIT_MISSING, advice=GIT_ADVICE)
    if _NO_REPOSITORY.search(lower):
        return RepositoryNotFound(remote=remote)
    if _NO_ACCESS.search(lower):
        return AccessDenied(remote=remote, act=act, reason=shown, advice=TRUST_ADVICE if _OWNER in lower else None)
    return Unreachable(remote=remote, reason=shown if words.strip() else "the connection was closed without a word")


def _together(said: str, reason: str, secrets: Iterable[str]) -> str:
    """Return a remote's story and its reason as one text; the reason is short and comes last, so it is never cut."""
    secrets = tuple(secrets)
    short = clean(reason, secrets=secrets, limit=LIMIT // 3)
    story = clean(said, secrets=secrets, limit=LIMIT - len(short) - len(" ()"))
    return f"{story} ({short})" if story and story != short else short
