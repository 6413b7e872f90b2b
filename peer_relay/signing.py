"""Which keys are pinned for the two peers of a room, and from which commit on (decision 0027).

1. A key is pinned by a person's act alone: with the invite that was passed on in private, or by a command. No message
   and no commit ever pins one.
2. Once a key is pinned for a peer, each question, answer and room commit of that peer bears a signature by a key that
   is pinned for it. The only exceptions are the commits up to `since`, which were verified before the first pin.
3. A key that was retired counts for the commits up to `until`, and for none after it.
4. A commit's id stands for all that led to it. So a mark that is not met on the line excuses nothing.

Where a commit stands is given by the marks that it is at or before: those are *ahead* of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from peer_relay.ids import PEER_PATTERN
from peer_relay.sshkeys import parse_public_key

if TYPE_CHECKING:
    from collections.abc import Iterable

    from peer_relay.sshkeys import PublicKey

_NO_MARK = "-"
_FORM = re.compile(
    f"(?P<peer>{PEER_PATTERN}) (?P<since>[0-9a-f]{{40}}|-) (?P<until>[0-9a-f]{{40}}|-) (?P<key>[^ ]+ [^ ]+)"
)


@dataclass(frozen=True)
class Pin:
    """A key of a peer.

    Attributes:
        peer: the peer's id.
        key: the public key.
        since: the commit up to which the peer need not have signed; None if it signed from its first commit on.
        until: the last commit for which the key counts; None if it counts for every later one.
    """

    peer: str
    key: PublicKey
    since: str | None = None
    until: str | None = None


@dataclass(frozen=True)
class Signing:
    """What is known on this machine of the signatures of a room.

    Attributes:
        pins: the keys of both peers, in the order in which they were pinned.
        key_file: the file of the key with which this machine signs, absolute; None if it does not sign.
    """

    pins: tuple[Pin, ...] = ()
    key_file: str | None = None

    @property
    def peers(self) -> tuple[str, ...]:
        """The peers for whom a key is pinned."""
        return tuple(dict.fromkeys(pin.peer for pin in self.pins))

    @property
    def marks(self) -> frozenset[str]:
        """The commits at which something begins or ends to count."""
        return frozenset(mark for pin in self.pins for mark in (pin.since, pin.until) if mark is not None)

    def ahead_of(self, line: Iterable[str]) -> frozenset[str]:
        """Return the marks that are on a line of commits, and so ahead of its first one."""
        marks = self.marks
        return frozenset(commit for commit in line if commit in marks) if marks else frozenset()

    def is_bound(self, peer: str, ahead: frozenset[str] = frozenset()) -> bool:
        """Return whether a commit of a peer has to be signed."""
        return any(pin.peer == peer and (pin.since is None or pin.since not in ahead) for pin in self.pins)

    def keys_of(self, peer: str, ahead: frozenset[str] = frozenset()) -> list[PublicKey]:
        """Return the keys whose signatures count for a commit of a peer."""
        return [pin.key for pin in self.pins if pin.peer == peer and (pin.until is None or pin.until in ahead)]

    def with_pin(self, pin: Pin) -> Signing:
        """Return the same with one more key; a key that counts already stays as it is.

        A key that was retired counts again, and for what came in between as well.
        """
        same = [each for each in self.pins if (each.peer, each.key) == (pin.peer, pin.key)]
        if same:
            return replace(self, pins=tuple(replace(each, until=None) if each in same else each for each in self.pins))
        return replace(self, pins=(*self.pins, pin))

    def with_retired(self, key: PublicKey, until: str) -> Signing:
        """Return the same with a key that counts no longer, for whomever it was pinned."""
        retired = (replace(pin, until=until) if pin.key == key and pin.until is None else pin for pin in self.pins)
        return replace(self, pins=tuple(retired))


def format_pin(pin: Pin) -> str:
    """Return a pin as one line: the peer, the two marks with `-` for none, and the key."""
    return f"{pin.peer} {pin.since or _NO_MARK} {pin.until or _NO_MARK} {pin.key.line}"


def parse_pin(line: str) -> Pin:
    """Return the pin of a line.

    Raises:
        ValueError: it is not one, or is spelt in another way than `format_pin` does.
    """
    match = _FORM.fullmatch(line)
    if match is None:
        raise ValueError("it is not a pinned key")
    marks = {name: None if match[name] == _NO_MARK else match[name] for name in ("since", "until")}
    pin = Pin(match["peer"], parse_public_key(match["key"]), **marks)
    if format_pin(pin) != line:
        raise ValueError("it is not a pinned key")
    return pin
