"""The faults of a remote and of the way to it, and the places at which each can strike: one table, for tests and docs.

A fault strikes at its place every time, until it is lifted. What injects it is in `web`, `shell` and `gate`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Place(StrEnum):
    """What a call is doing when the fault strikes; the last two differ in whether the push was carried out."""

    FIRST = "the first contact"
    LISTING = "a look"
    FETCH = "a fetch"
    PUSH_LISTING = "the look before a push"
    PUSH = "a push, not applied"
    APPLIED = "a push, applied"


class Way(StrEnum):
    """How the mailbox is reached, and where the fault sits."""

    HTTP = "http"  # git's http backend, behind a server of ours
    SSH = "ssh"  # git, behind a program of ours in the place of ssh
    SSHD = "sshd"  # a real sshd, behind a TCP proxy of ours


EVERYWHERE = tuple(Place)
LOOKS = (Place.FIRST, Place.LISTING, Place.PUSH_LISTING)
SENT = (Place.PUSH, Place.APPLIED)
ANSWERED = (Place.FIRST, Place.LISTING, Place.FETCH, Place.PUSH_LISTING, Place.APPLIED)
REFUSED = (Place.FIRST, Place.LISTING, Place.FETCH, Place.PUSH_LISTING, Place.PUSH)
SOME = (Place.LISTING, Place.PUSH)

_LOST = r"its replies to pushes get lost \("
_LATE = r"did not answer within|no reply within"


@dataclass(frozen=True)
class Fault:
    """One way in which things go wrong.

    Attributes:
        name: what it is called, here and in the documentation.
        what: what happens, in a clause.
        at: the places at which it strikes, by the way to the mailbox.
        says: a regular expression that finds the cause in what a call says of it; empty where a call succeeds.
        waits: whether only the deadline ends it.
        pauses: whether the same process keeps away from the remote for a while afterwards.
        most: how many requests, or runs of ssh, one call may make meanwhile.
    """

    name: str
    what: str
    at: dict[Way, tuple[Place, ...]]
    says: str
    waits: bool = False
    pauses: bool = False
    most: int = 8


def _fault(
    name: str, what: str, says: str, *, waits: bool = False, pauses: bool = False, most: int = 8, **at: object
) -> Fault:
    places = {Way(way): places for way, places in at.items()}
    return Fault(name, what, places, says, waits, pauses, most)  # type: ignore[arg-type]


CATALOGUE = (
    # The connection
    _fault(
        "dropped",
        "the connection is closed without an answer",
        rf"broke off|closed without a word|closed by remote host|{_LOST}",
        http=EVERYWHERE,
        ssh=EVERYWHERE,
        sshd=LOOKS,
    ),
    _fault(
        "reset", "the connection is reset", rf"broke off|reset by peer|{_LOST}", http=EVERYWHERE, sshd=LOOKS
    ),
    _fault("refused", "nobody listens any more", "Connection refused", sshd=LOOKS),
    _fault(
        "silence", "the connection stays open and nothing comes", _LATE, waits=True, http=EVERYWHERE, ssh=EVERYWHERE,
        sshd=LOOKS,
    ),
    _fault(
        "half-open", "the answer begins, and its rest never comes", _LATE, waits=True, http=ANSWERED, ssh=ANSWERED,
        sshd=LOOKS,
    ),
    _fault(
        "slow", "the answer comes at one byte a second", _LATE, waits=True, http=ANSWERED, ssh=ANSWERED, sshd=LOOKS
    ),
    _fault(
        "truncated",
        "the answer ends in the middle",
        rf"broke off|closed without a word|hung up|{_LOST}",
        http=ANSWERED,
        ssh=ANSWERED,
    ),
    _fault(
        "kept and closed",
        "a connection that was kept is closed when the next request comes",
        "",
        most=12,
        http=(*LOOKS, Place.FETCH),
    ),
    # The protocol
    _fault(
        "empty", "the answer is 200 with nothing in it", rf"closed without a word|not git's protocol|{_LOST}",
        http=EVERYWHERE,
    ),
    _fault(
        "flush only",
        "the answer is one packet that means the end",
        rf"no such room|was deleted|not git's protocol|sent none|closed without a word|{_LOST}",
        http=EVERYWHERE,
    ),
    _fault(
        "sideband error",
        "the answer is an error on git's own channel for them",
        rf"Internal Server Error|{_LOST}",
        http=(Place.FETCH, *SENT),
    ),
    # The server says no
    _fault("502", "502 Bad Gateway", rf"HTTP 502|{_LOST}", http=EVERYWHERE),
    _fault("503", "503 Service Unavailable", rf"HTTP 503|{_LOST}", http=EVERYWHERE),
    _fault("504", "504 Gateway Timeout", rf"HTTP 504|{_LOST}", http=EVERYWHERE),
    _fault("503, a pause", "503 with `Retry-After: 20`", "asks for a pause of 20 seconds", pauses=True, http=LOOKS),
    _fault("429, seconds", "429 with `Retry-After: 20`", "asks for a pause of 20 seconds", pauses=True, http=REFUSED),
    _fault("429, a date", "429 with a date 30 s off", r"asks for a pause of \d+ seconds", pauses=True, http=SOME),
    _fault("429, garbage", "429 with `Retry-After: soon`", r"asks for a pause\.", pauses=True, http=SOME),
    _fault("429, absent", "429 without Retry-After", r"asks for a pause\.", pauses=True, http=SOME),
    _fault("429, an hour", "429 with `Retry-After: 3600`", "asks for a pause of 3600 seconds", pauses=True, http=SOME),
    _fault("401", "the login is refused", "refused the login", most=5, http=REFUSED),
    _fault("403", "403 Forbidden", "does not allow this login to (read|write)", most=5, http=REFUSED),
    _fault("405", "405 Method Not Allowed, as of a proxy", "HTTP 405", most=2, http=SOME),
    _fault("404", "404 Not Found", "no git repository", most=5, http=REFUSED),
    _fault(
        "captive portal", "a web page comes instead of git's answer", rf"answers with text/html|{_LOST}",
        http=EVERYWHERE,
    ),
    _fault("redirect", "another host is named, for every request", "sends on to .*not followed", most=5, http=REFUSED),
    _fault(
        "stale replica",
        "reading shows an older state while pushes go to the newest",
        "older state|no longer contains|lost",
        most=20,
        http=(Place.LISTING, Place.PUSH_LISTING, Place.APPLIED),
        ssh=(Place.LISTING, Place.PUSH_LISTING, Place.APPLIED),
    ),
    # ssh
    _fault("prompt", "ssh asks on the terminal", "refused the login", most=2, ssh=LOOKS),
    _fault("cut in the pack", "ssh dies while the pack goes out", rf"{_LOST}|without a word", ssh=(Place.PUSH,)),
    _fault("banner", "the host's shell prints a greeting before git speaks", "prints nothing of its own", ssh=LOOKS),
    _fault("garbage", "random bytes come before git speaks", "prints nothing of its own", ssh=LOOKS),
    _fault("much on stderr", "300 KB come on standard error, and then all is well", "", ssh=EVERYWHERE),
    _fault("stderr and death", "300 KB come on standard error, and then ssh dies", "cannot be reached", ssh=LOOKS),
    _fault("host key", "ssh: the host's key has changed", "ssh host key is not known here or has changed", ssh=LOOKS),
    _fault("no key", "ssh: permission denied", "it accepts none of this machine's", most=2, ssh=LOOKS),
    _fault("no name", "ssh: the host name cannot be resolved", "Could not resolve hostname", ssh=LOOKS),
    _fault("timed out", "ssh: the connection timed out", "Connection timed out", ssh=LOOKS),
)  # fmt: skip


def trials(way: Way | None = None) -> Iterator[tuple[Fault, Way, Place]]:
    """Yield every fault at each of its places, of one way or of all."""
    for fault in CATALOGUE:
        for each, places in fault.at.items():
            if way in (None, each):
                yield from ((fault, each, place) for place in places)
