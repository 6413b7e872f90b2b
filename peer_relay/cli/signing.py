"""What `init`, `join`, `invite` and `keys` say and do about the keys with which the peers of a room sign."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from peer_relay.cli.ending import Failure
from peer_relay.cli.progress import Watcher
from peer_relay.clock import Clock
from peer_relay.deadline import Deadline
from peer_relay.errors import InvalidSetting
from peer_relay.settings import expand_home, surroundings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from peer_relay.config import RelayConfig
    from peer_relay.rooms import SavedRoom
    from peer_relay.settings import Settings
    from peer_relay.signing import Pin, Signing
    from peer_relay.sshkeys import PublicKey

_USUAL = ("id_ed25519.pub", "id_ecdsa.pub", "id_rsa.pub")
_SHOWN_DIGITS = 12

sign_option = click.option(
    "--sign",
    "key_file",
    is_flag=False,
    flag_value="",
    metavar="[KEY]",
    help="Sign what you write, with the ssh key of this file; by default ~/.ssh/id_ed25519.pub, or the next usual one.",
)


def chosen_key(settings: Settings, key_file: str) -> tuple[str, PublicKey]:
    """Return the file of the key to sign with, absolute, and the key, once it has signed something.

    Args:
        settings: with the time limit.
        key_file: what was given with `--sign`; empty for the usual key.

    Raises:
        Failure, InvalidSetting: there is no such file.
        SigningFailed: the key cannot sign, or not without asking.
    """
    from peer_relay import pinning  # noqa: PLC0415 - only who signs needs it

    path = _given(key_file) if key_file else _usual()
    deadline = Deadline(settings.timeout, Clock().monotonic)
    return str(path), pinning.try_key(str(path), surroundings(), deadline)


@contextlib.contextmanager
def with_own_key(
    config: RelayConfig, key: tuple[str, PublicKey] | None, signing: Signing | None
) -> Iterator[Signing | None]:
    """Yield what is pinned for a room with a key of this machine's; to be saved before the end of the block.

    Args:
        config: how the room is entered, with what is pinned for it and that key's file.
        key: that key; None if none was given.
        signing: what is pinned if there is no such key.
    """
    if key is None:
        yield signing
        return
    from peer_relay import pinning  # noqa: PLC0415 - only who signs needs it

    with pinning.with_key(config, config.peer_id, key[1], surroundings(), Watcher()) as pinned:
        yield pinned


def _usual() -> Path:
    folder = Path(expand_home("~/.ssh"))
    found = next((folder / name for name in _USUAL if (folder / name).is_file()), None)
    if found is None:
        names = ", ".join(_USUAL)
        raise Failure(
            f"There is no ssh key to sign with: none of {names} is in {folder}. Make one with `ssh-keygen -t ed25519`, "
            "or name another with --sign FILE.",
            kind="NoKey",
        )
    return found


def _given(text: str) -> Path:
    try:
        path = Path(expand_home(text)).absolute()
    except ValueError as error:
        raise InvalidSetting(name="--sign", reason=str(error), advice="Write the whole path.") from None
    if not path.exists():
        raise Failure(
            f"There is no file {path} to sign with. An address behind --sign is taken for one: write --sign last, or "
            "--sign=FILE.",
            kind="NoKey",
        )
    return path


def pins_for(signing: Signing | None, *peers: str) -> tuple[Pin, ...]:
    """Return the keys that go into an invite: those of the given peers.

    Nobody tells the other peer which keys are its own: who could, could write in its name on its own machine.
    """
    return () if signing is None else tuple(pin for pin in signing.pins if pin.peer in peers)


def as_objects(signing: Signing) -> Iterator[dict[str, Any]]:
    """Yield each pinned key with stable field names; what there is not is None."""
    for pin in signing.pins:
        yield {
            "peer": pin.peer,
            "key": pin.key.line,
            "fingerprint": pin.key.fingerprint,
            "words": pin.key.words,
            "since": pin.since,
            "until": pin.until,
        }


def told_of(room: SavedRoom, own: PublicKey | None = None) -> Iterator[str]:
    """Yield sentences about the keys of a room that was just opened or entered, and what is left to do.

    Args:
        room: as it is saved.
        own: the key with which this machine signs from now on, if it was just chosen.
    """
    signing = room.signing
    if signing is None:
        return
    other = [pin for pin in signing.pins if pin.peer == room.other_peer and pin.until is None]
    mine = [pin for pin in signing.pins if pin.peer == room.peer_id and pin.until is None]
    if signing.key_file is not None:
        yield f"What you write is signed with {signing.key_file}."
    for pin in mine:
        yield f"{'Your key' if own in (pin.key, None) else 'A key of yours elsewhere'}: {_read_aloud(pin)}"
    for pin in other:
        yield f"{room.other_peer}'s key: {_read_aloud(pin)}"
    if not other:
        yield f"No key is pinned for {room.other_peer}, so what {room.other_peer} writes need not be signed."


def pin_command(pin: Pin) -> str:
    """Return what the other peer runs to pin a key."""
    return f"peer-relay keys --of {pin.peer} --pin '{pin.key.line}'"


def span_of(pin: Pin) -> str:
    """Return from where to where a key counts, as words."""
    begins = "from the first commit on" if pin.since is None else f"after commit {pin.since[:_SHOWN_DIGITS]}"
    return begins if pin.until is None else f"{begins}, retired after commit {pin.until[:_SHOWN_DIGITS]}"


def _read_aloud(pin: Pin) -> str:
    return f"{pin.key.fingerprint}, in words {pin.key.words}."
