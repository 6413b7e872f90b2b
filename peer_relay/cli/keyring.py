"""`keys` and `allowed-signers`: the keys that are pinned for the two peers of a room.

1. A key is pinned, retired or taken to sign with only by a person who runs one of these. No message does that.
2. What is pinned is in the saved room, so these need one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import click

from peer_relay.cli.command import command, manners
from peer_relay.cli.ending import Failure
from peer_relay.cli.output import emit, say, warn
from peer_relay.cli.progress import Watcher, working
from peer_relay.cli.prompts import agree, can_ask, remark
from peer_relay.cli.signing import as_objects, chosen_key, pin_command, sign_option, span_of
from peer_relay.cli.terminal import printable
from peer_relay.settings import choose_room, expand_home, read_settings, surroundings
from peer_relay.signatures import check_usable
from peer_relay.signing import Signing
from peer_relay.sshkeys import parse_public_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from peer_relay.config import RelayConfig
    from peer_relay.rooms import SavedRoom
    from peer_relay.settings import Settings
    from peer_relay.signing import Pin
    from peer_relay.sshkeys import PublicKey


@command(
    examples=[
        "peer-relay keys",
        "peer-relay keys --pin 'ssh-ed25519 AAAA…'  # a key of the other peer",
        "peer-relay keys --sign ~/.ssh/id_new.pub  # a new key of your own",
        "peer-relay keys --retire SHA256:…  # one that was lost or replaced",
    ],
    prints_data=True,
    enters_room=True,
)
@click.option("--pin", "line", metavar="KEY", help="Accept what a peer signs with this public key.")
@click.option("--of", "peer", metavar="PEER", help="Whose key --pin gives; by default the other peer's.")
@click.option("--retire", metavar="FINGERPRINT", help="Accept nothing new that is signed with this key.")
@sign_option
@click.option("--yes", is_flag=True, help="Do not ask on a terminal whether the words are the same.")
def keys(*, line: str | None, peer: str | None, retire: str | None, key_file: str | None, yes: bool) -> None:
    """Show the keys with which the two peers of the room sign. The options change them.

    Once a key is pinned for a peer, what that peer writes is accepted only with a signature by it. Compare the words of
    a key with its owner before you pin it, by telephone or face to face: whoever can write in the room can also write
    to you.
    """
    if sum(each is not None for each in (line, retire, key_file)) > 1:
        raise click.UsageError("--pin, --retire and --sign exclude each other.")
    if peer is not None and line is None:
        raise click.UsageError("--of goes with --pin.")
    ring = _ring()
    if line is not None:
        ring = _pin(ring, peer or ring.room.other_peer, line, confirmed=yes)
    elif retire is not None:
        ring = _retire(ring, retire.strip())
    elif key_file is not None:
        ring = _sign_with(ring, key_file)
    _show(ring.room)


@command("allowed-signers", examples=["peer-relay allowed-signers > signers"], enters_room=True)
def allowed_signers() -> None:
    """Print the pinned keys, for git.

    With them in a file, `git -c gpg.ssh.allowedSignersFile=FILE log --show-signature BRANCH` checks the signatures of
    the room's commits without peer-relay.
    """
    pins = _ring().signing.pins
    if not pins:
        raise Failure("No key is pinned in this room. `peer-relay keys --pin` pins one.", kind="NoKeys")
    for pin in pins:
        say(f'{pin.peer}@peer-relay.invalid namespaces="git" {pin.key.line}')
    if any(pin.until is not None for pin in pins):
        warn(
            "a retired key is among them, because git needs it for what it signed before; `peer-relay verify` does not"
            " accept it for more."
        )


class _Ring(NamedTuple):
    """The saved room whose keys are meant, its name, and how it is entered."""

    settings: Settings
    saved_as: str
    room: SavedRoom
    config: RelayConfig

    @property
    def signing(self) -> Signing:
        """What is pinned."""
        return self.room.signing or Signing()


def _ring() -> _Ring:
    settings, chosen = read_settings(), choose_room(warn, manners().room)
    if chosen.saved_as is None:
        raise Failure(
            "Keys are pinned in a saved room, and this one is known from variables alone. `peer-relay join` saves it.",
            kind="NotSaved",
        )
    room = settings.rooms.load(chosen.saved_as)
    config = settings.config(expand_home(room.remote), room.token, room.peer_id, room.signing)
    return _Ring(settings, chosen.saved_as, room, config)


def _pin(ring: _Ring, peer: str, line: str, *, confirmed: bool) -> _Ring:
    if peer not in (ring.room.peer_id, ring.room.other_peer):
        raise click.BadParameter(f"must be {ring.room.peer_id} or {ring.room.other_peer}.", param_hint="'--of'")
    if peer == ring.room.peer_id and ring.signing.key_file is None:
        raise Failure(
            "This machine does not sign yet, so what it writes would be refused. Run `peer-relay keys --sign`."
        )
    try:
        key = parse_public_key(line)
        check_usable(key)
    except ValueError as error:
        raise click.BadParameter(f"cannot be pinned: {error}.", param_hint="'--pin'") from None
    if can_ask() and not confirmed:
        remark(f"The key in words: {key.words}")
        if not agree(f"Does {peer} see the same words?", default=False):
            raise Failure("Nothing was pinned.")
    return _with_key(ring, peer, key, ring.signing.key_file)


def _retire(ring: _Ring, fingerprint: str) -> _Ring:
    from peer_relay import pinning  # noqa: PLC0415 - it loads git, which showing keys does not need

    counting = (pin.key for pin in ring.signing.pins if pin.key.fingerprint == fingerprint and pin.until is None)
    key = next(counting, None)
    if key is None:
        raise Failure(f"No key {printable(fingerprint)} counts in this room. `peer-relay keys` lists those that do.")
    if pinning.signs_with(ring.signing, key, surroundings()):
        raise Failure("This machine signs with that key. Run `peer-relay keys --sign FILE` with another one first.")
    with working("Reading the room"), pinning.looking_afresh(ring.config, surroundings(), Watcher()) as found:
        ring = _save(ring, ring.signing.with_retired(key, found.snapshot.tip))
    return _looked_at(ring)


def _sign_with(ring: _Ring, key_file: str) -> _Ring:
    path, key = chosen_key(ring.settings, key_file)
    ring = _with_key(ring, ring.room.peer_id, key, path)
    pin = next(pin for pin in ring.signing.pins if (pin.peer, pin.key) == (ring.room.peer_id, key))
    warn(f"{ring.room.other_peer} and each other machine of yours have to pin it: {pin_command(pin)}")
    return ring


def _with_key(ring: _Ring, peer: str, key: PublicKey, key_file: str | None) -> _Ring:
    from peer_relay import pinning  # noqa: PLC0415 - as above

    pinned = pinning.with_key(ring.config, peer, key, surroundings(), Watcher())
    with working("Reading the room"), pinned as signing:
        ring = _save(ring, replace(signing, key_file=key_file))
    return _looked_at(ring)


def _save(ring: _Ring, signing: Signing) -> _Ring:
    def changed(now: Signing) -> Signing:
        if now != ring.signing:
            raise Failure("The keys of this room were changed meanwhile. Nothing was saved; run it again.")
        return signing

    return ring._replace(room=ring.settings.rooms.sign(ring.saved_as, changed))


def _looked_at(ring: _Ring) -> _Ring:
    """Look at the room with the keys that are saved now, because something may have waited for them."""
    from peer_relay import pinning  # noqa: PLC0415 - as above

    with working("Reading the room"):
        found = pinning.look_afresh(replace(ring.config, signing=ring.signing), surroundings(), Watcher())
    if found.refusal is not None:
        warn(str(found.refusal.error))
    return ring


def _show(room: SavedRoom) -> None:
    signing = room.signing or Signing()
    if manners().as_json:
        for each in as_objects(signing):
            emit(each)
        return
    for pin in signing.pins:
        say("\n".join(_lines(pin, room)))
    if signing.key_file is not None:
        say(f"This machine signs with {signing.key_file}.")
    else:
        say("This machine does not sign what it writes.")
    for peer in (room.peer_id, room.other_peer):
        if not any(pin.peer == peer for pin in signing.pins):
            say(f"No key is pinned for {peer}, so what {peer} writes need not be signed.")


def _lines(pin: Pin, room: SavedRoom) -> Iterator[str]:
    yield f"{pin.peer}{' (you)' if pin.peer == room.peer_id else ''}  {pin.key.fingerprint}  {span_of(pin)}"
    yield f"    in words: {pin.key.words}"
