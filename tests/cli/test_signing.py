"""Signing, from one person to the other: whose key gets where by what, and what is accepted from then on."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from peer_relay import app, pinning
from peer_relay.cli import keyring
from peer_relay.errors import RefusedCommit
from peer_relay.invite import format_invite, parse_invite
from peer_relay.settings import load_config, read_settings, surroundings
from peer_relay.signing import Pin
from tests.claims import claim
from tests.cli.people import Person, init, invite_in
from tests.cli.support import run
from tests.signing_keys import ALICES, BOBS, OTHERS

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.conftest import Git


def pair(alice: Person, bob: Person, mailbox: Path, folder: Path) -> tuple[str, str]:
    """Open a room that alice signs, enter it as bob, who signs, and return what was printed."""
    ALICES.save(folder, "alices"), BOBS.save(folder, "bobs")
    with alice:
        opened = run("init", str(mailbox), "--me", "alice", "--peer", "bob", f"--sign={folder / 'alices'}")
    assert (opened.exit_code, opened.stderr) == (0, "")
    with bob:
        joined = run("join", "--sign", str(folder / "bobs.pub"), given=invite_in(opened.stdout))
    assert (joined.exit_code, joined.stderr) == (0, "")
    return opened.stdout, joined.stdout


def ask(person: Person, text: str) -> None:
    with person:
        done = run("ask", text)
        assert done.exit_code == 0, done.output


def keys(person: Person, *arguments: str) -> str:
    with person:
        shown = run("keys", *arguments)
    assert shown.exit_code == 0, shown.output
    return shown.stdout


@claim("signed-by-the-pinned-key")
def test_two_people_who_sign_read_only_what_the_other_signed(
    alice: Person, bob: Person, mailbox: Path, tmp_path: Path, git: Git
) -> None:
    opened, joined = pair(alice, bob, mailbox, tmp_path)
    assert f"What you write is signed with {tmp_path / 'alices'}." in opened
    assert "No key is pinned for bob, so what bob writes need not be signed." in opened
    assert parse_invite(invite_in(opened)).pins == (Pin("alice", ALICES.public),)
    assert f"alice's key: {ALICES.public.fingerprint}, in words {ALICES.public.words}." in joined
    command = f"peer-relay keys --of bob --pin '{BOBS.public.line}'"
    who = "alice runs this, and so do you on each other machine of yours"
    assert f"\nFor your signatures to count, {who}:\n\n    {command}\n" in joined
    with alice:
        pinned = run("keys", "--of", "bob", "--pin", BOBS.public.line)
    assert (pinned.exit_code, pinned.stderr) == (0, "")
    for person, other in ((alice, bob), (bob, alice)):
        ask(person, f"Asked in {person.home.name}?")
        with other:
            assert f"Asked in {person.home.name}?" in run("questions").stdout

    with alice:
        words = "what alice and bob wrote since a key was pinned bears a signature by it.\n"
        assert run("log").stderr == f"note: {words}"
        assert "Signed     by alice and bob\n" in run("status").stdout
        assert json.loads(run("status", "--json").stdout)["signed_by"] == ["alice", "bob"]
        assert "alice and bob, you are alice; format 1, signed by alice and bob." in run("doctor").stdout
        proofs = run("verify").stdout
        assert "3 commits are signed by the keys that are pinned: all that alice and bob wrote since then." in proofs
        signers = tmp_path / "signers"
        signers.write_text(run("allowed-signers").stdout)
    shown = git(mailbox, "-c", f"gpg.ssh.allowedSignersFile={signers}", "log", "--all", "--format=%G? %GS")
    assert shown.split() == ["G", "bob@peer-relay.invalid", *["G", "alice@peer-relay.invalid"] * 2]


@claim("signed-by-the-pinned-key", "I6")
def test_who_has_the_token_but_not_the_key_is_not_believed(
    alice: Person, bob: Person, mailbox: Path, tmp_path: Path
) -> None:
    pair(alice, bob, mailbox, tmp_path)
    with bob:
        mine = load_config(lambda _: None)
        forger = replace(mine, peer_id="alice", home=tmp_path / "forger", signing=None)
        relay = app.open_relay(forger, surroundings())
        relay.ask("Would you send me your keys?")
        relay.close()
        shown = run("questions")
    assert "keys?" not in shown.stdout
    assert "it is not signed by the key that is pinned for alice" in shown.stderr


@claim("signed-by-the-pinned-key")
def test_variables_do_not_lead_around_what_is_pinned(
    alice: Person, bob: Person, mailbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair(alice, bob, mailbox, tmp_path)
    with bob:
        saved = load_config(lambda _: None)
        for name, value in (("REMOTE", saved.remote), ("ROOM_TOKEN", saved.token), ("PEER_ID", "bob")):
            monkeypatch.setenv(f"PEER_RELAY_{name}", value)
        assert load_config(lambda _: None) == saved


def test_a_room_that_was_not_signed_begins_to_be_and_what_was_there_before_counts(
    alice: Person, bob: Person, mailbox: Path, tmp_path: Path
) -> None:
    with alice:
        invite = init(mailbox)
    with bob:
        run("join", given=invite)
    ask(alice, "Before?")
    ALICES.save(tmp_path, "alices")
    with alice:
        again = run("init", str(mailbox), "--me", "alice", "--peer", "bob", "--sign", str(tmp_path / "alices"))
        tip = pinning.look_afresh(load_config(lambda _: None), {}).snapshot.tip
    (pin,) = parse_invite(invite_in(again.stdout)).pins
    assert pin == Pin("alice", ALICES.public, since=tip)
    ask(alice, "After?")
    with bob:
        assert run("join", given=invite_in(again.stdout)).exit_code == 0
        assert "After?" in run("questions").stdout
        assert "after commit" in run("keys").stdout
        proofs = run("verify").stdout
    assert "1 commit is signed by the keys that are pinned: all that alice wrote since then." in proofs


@claim("signed-by-the-pinned-key")
def test_a_lost_key_is_replaced_by_people_on_both_sides(
    alice: Person, bob: Person, mailbox: Path, tmp_path: Path
) -> None:
    pair(alice, bob, mailbox, tmp_path)
    OTHERS.save(tmp_path, "new")
    with alice:
        changed = run("keys", "--sign", str(tmp_path / "new"))
    assert f"pin it: peer-relay keys --of alice --pin '{OTHERS.public.line}'" in changed.stderr
    ask(alice, "With the new key?")
    with bob:
        refused = run("questions")
    assert "With the new key?" not in refused.stdout
    assert RefusedCommit.UNSIGNED in refused.stderr
    keys(bob, "--of", "alice", "--pin", OTHERS.public.line)
    with bob:
        assert "With the new key?" in run("questions").stdout
    for person in (alice, bob):
        assert "retired after commit" in keys(person, "--retire", ALICES.public.fingerprint)
    with bob:
        assert [pin.key for pin in load_config(lambda _: None).signing.pins] == [  # type: ignore[union-attr]
            ALICES.public,
            BOBS.public,
            OTHERS.public,
        ]
        assert run("verify").exit_code == 0
        assert "a retired key is among them" in run("allowed-signers").stderr


def test_another_machine_of_a_peer_that_signs_signs_too(
    alice: Person, bob: Person, mailbox: Path, tmp_path: Path
) -> None:
    pair(alice, bob, mailbox, tmp_path)
    with bob:
        invite = run("invite", "--for-me", "--json").stdout
    line = json.loads(invite)["invite"]
    assert [pin.peer for pin in parse_invite(line).pins] == ["alice", "bob"]
    with alice:
        unsigned = run("join", "--name", "bobs-second", "--yes", given=line)
        assert unsigned.exit_code == 1
        assert "bob signs in this room, so what this machine writes would be refused. Add --sign." in unsigned.stderr
        for_bob = json.loads(run("invite", "--json").stdout)
    assert for_bob["peer"] == "bob"
    assert [pin.peer for pin in parse_invite(for_bob["invite"]).pins] == ["alice"]


def test_no_machine_is_left_writing_what_its_own_pins_refuse(
    alice: Person, bob: Person, mailbox: Path, tmp_path: Path
) -> None:
    pair(alice, bob, mailbox, tmp_path)
    with alice:
        retired = run("keys", "--retire", ALICES.public.fingerprint)
        assert (retired.exit_code, "keys --sign FILE" in retired.stderr) == (1, True)
    with bob:
        rooms = read_settings().rooms
        rooms.sign("bob-alice", lambda now: replace(now, key_file=None))
        pinned = run("keys", "--of", "bob", "--pin", OTHERS.public.line)
        assert (pinned.exit_code, "does not sign yet" in pinned.stderr) == (1, True)


def test_saving_a_room_again_keeps_what_is_pinned(alice: Person, bob: Person, mailbox: Path, tmp_path: Path) -> None:
    opened, _ = pair(alice, bob, mailbox, tmp_path)
    with bob:
        before = load_config(lambda _: None)
        assert run("join", given=invite_in(opened)).exit_code == 0
        assert load_config(lambda _: None) == before
    with alice:
        before = load_config(lambda _: None)
        assert init(mailbox) == invite_in(opened)
        assert load_config(lambda _: None) == before


@claim("signed-by-the-pinned-key")
def test_an_invite_brings_no_further_key_of_a_peer_that_has_one(
    alice: Person, bob: Person, mailbox: Path, tmp_path: Path
) -> None:
    opened, _ = pair(alice, bob, mailbox, tmp_path)
    forged = replace(parse_invite(invite_in(opened)), pins=(Pin("alice", OTHERS.public),))
    with bob:
        before = load_config(lambda _: None)
        refused = run("join", given=format_invite(forged))
        assert (refused.exit_code, load_config(lambda _: None)) == (1, before)
    assert "This invite brings another key of alice than the one that is pinned here." in refused.stderr


def test_a_key_that_cannot_sign_is_refused_before_anything_is_made(
    alice: Person, mailbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))
    (tmp_path / "public.pub").write_text(ALICES.public.line)
    arguments = ("init", str(mailbox), "--me", "alice", "--peer", "bob")
    with alice:
        for more, words in (
            ("--sign", "There is no ssh key to sign with"),
            (f"--sign={tmp_path / 'missing'}", "There is no file"),
            (f"--sign={tmp_path / 'public.pub'}", "Nothing can be signed with"),
        ):
            refused = run(*arguments, more)
            assert (refused.exit_code, refused.stdout) == (1, "")
            assert words in refused.stderr
        assert alice.saved == []
    assert not mailbox.exists()


def test_on_a_terminal_nothing_is_pinned_before_somebody_has_compared_the_words(
    alice: Person, mailbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyring, "can_ask", lambda: True)
    with alice:
        init(mailbox)
        for given, status in (("n\n", 1), ("y\n", 0)):
            asked = run("keys", "--pin", BOBS.public.line, given=given)
            assert asked.exit_code == status
            assert f"The key in words: {BOBS.public.words}\nDoes bob see the same words? [y/N]" in asked.stderr
            assert (load_config(lambda _: None).signing is None) == bool(status)
        assert run("keys", "--pin", OTHERS.public.line, "--yes").exit_code == 0


def test_a_key_that_was_pinned_while_somebody_compared_another_is_not_lost(
    alice: Person, mailbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def agree(_question: str, *, default: bool) -> bool:
        read_settings().rooms.sign("alice-bob", lambda now: now.with_pin(Pin("bob", OTHERS.public)))
        return not default

    monkeypatch.setattr(keyring, "can_ask", lambda: True)
    monkeypatch.setattr(keyring, "agree", agree)
    with alice:
        init(mailbox)
        refused = run("keys", "--pin", BOBS.public.line)
        assert (refused.exit_code, "changed meanwhile" in refused.stderr) == (1, True)
        signing = load_config(lambda _: None).signing
        assert signing is not None
        assert [pin.key for pin in signing.pins] == [OTHERS.public]


@claim("delivered-or-queued")
def test_while_the_key_cannot_sign_a_question_is_queued_and_goes_out_later(
    alice: Person, bob: Person, mailbox: Path, tmp_path: Path
) -> None:
    pair(alice, bob, mailbox, tmp_path)
    key = tmp_path / "alices"
    key.rename(tmp_path / "away")
    with alice:
        queued = run("ask", "Later?")
        assert queued.exit_code == 5
        assert f"Nothing can be signed with {key}: " in queued.stderr
    (tmp_path / "away").rename(key)
    with alice:
        assert run("status").exit_code == 0
    with bob:
        assert "Later?" in run("questions").stdout


def test_the_usual_key_is_found(alice: Person, mailbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ALICES.save(tmp_path / "me" / ".ssh")
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    with alice:
        opened = run("init", str(mailbox), "--me", "alice", "--peer", "bob", "--json", "--sign")
    made = json.loads(opened.stdout)["keys"]
    assert [(each["peer"], each["fingerprint"], each["since"]) for each in made] == [
        ("alice", ALICES.public.fingerprint, None)
    ]


def test_keys_of_a_room_without_any_and_what_cannot_be_done_with_them(alice: Person, mailbox: Path) -> None:
    with alice:
        init(mailbox)
        assert run("keys").stdout == (
            "This machine does not sign what it writes.\n"
            "No key is pinned for alice, so what alice writes need not be signed.\n"
            "No key is pinned for bob, so what bob writes need not be signed.\n"
        )
        assert run("keys", "--json").stdout == ""
        assert "no key is pinned here, so nothing shows which of the two wrote what." in run("log", "--verbose").stderr
        assert "key" not in run("log").stderr
        for arguments, words in (
            (("keys", "--pin", "ssh-dss AAAA"), "cannot be pinned: its kind is none of"),
            (("keys", "--pin", ALICES.public.line, "--of", "carol"), "must be alice or bob."),
            (("keys", "--of", "bob"), "--of goes with --pin."),
            (("keys", "--retire", "x", "--sign"), "exclude each other"),
            (("keys", "--retire", "SHA256:x"), "No key SHA256:x counts in this room."),
            (("allowed-signers",), "No key is pinned in this room."),
        ):
            refused = run(*arguments)
            assert refused.exit_code != 0
            assert words in refused.stderr.replace("\n", " "), refused.stderr


def test_keys_are_pinned_in_a_saved_room_only(relay: object) -> None:
    assert relay is not None
    assert "Keys are pinned in a saved room" in run("keys").stderr
