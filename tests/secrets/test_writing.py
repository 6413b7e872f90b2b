"""A text that holds a secret is refused before anything keeps it, and a person alone can have it sent."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from peer_relay.errors import Secret, SecretFound
from peer_relay.guard.known import KnownSecret
from tests.claims import claim
from tests.relay.support import FakeTime, Machine
from tests.secrets.corpus import filled, seeded, with_crc
from tests.store.benches import KEYS, ROOM, a_deadline
from tests.store.memory_store import MemoryMailbox, MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from peer_relay.relay import Relay
    from peer_relay.reports import Sent
    from tests.relay.support import MemoryMachine

    Say = Callable[[Relay, str, bool], Sent]

RANDOM = seeded(3)
GITHUB = with_crc("ghp_", RANDOM)
LOGIN = KnownSecret("the value of GITHUB_TOKEN", filled("<A30>", RANDOM), is_own=True)
OTHER = KnownSecret("the value of A_TOKEN", filled("<A30>", RANDOM))


@pytest.fixture
def mailbox() -> MemoryMailbox:
    mailbox = MemoryMailbox()
    MemoryStore(mailbox).create(ROOM, a_deadline())
    return mailbox


@pytest.fixture
def alice(mailbox: MemoryMailbox, tmp_path: Path) -> MemoryMachine:
    return Machine("alice", MemoryStore(mailbox), tmp_path / "alice", FakeTime(), known_secrets=lambda: (LOGIN, OTHER))


@pytest.fixture
def asked(alice: MemoryMachine, mailbox: MemoryMailbox, tmp_path: Path) -> str:
    """Let bob ask alice something, and return the question's id."""
    bob = Machine("bob", MemoryStore(mailbox), tmp_path / "bob", FakeTime())
    return bob.relay.ask("Why?").question_id


def ask(relay: Relay, text: str, allow: bool) -> Sent:
    return relay.ask(text, allow_secret=allow)


def hint(relay: Relay, text: str, allow: bool) -> Sent:
    return relay.ask("Why?", text, allow_secret=allow)


def answer(relay: Relay, text: str, allow: bool) -> Sent:
    return relay.answer(relay.questions().items[0].question_id, text, allow_secret=allow)


def source(relay: Relay, text: str, allow: bool) -> Sent:
    question_id = relay.questions().items[0].question_id
    return relay.answer(question_id, "Because.", ["docs/7.md", text], allow_secret=allow)


WAYS = [(ask, "the question", "ask"), (hint, "the context hint", "ask")]
WAYS += [(answer, "the answer", "answer"), (source, "source 2", "answer")]
every_way = pytest.mark.parametrize(("say", "field", "command"), WAYS)


def everything_below(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


@claim("no-secret-goes-out", "I10")
@pytest.mark.usefixtures("asked")
@every_way
def test_a_secret_is_refused_and_neither_the_disk_nor_the_mailbox_has_seen_it(
    say: Say, field: str, command: str, alice: MemoryMachine, mailbox: MemoryMailbox
) -> None:
    alice.relay.questions()
    before = alice.kept(), len(mailbox.commits)
    with pytest.raises(SecretFound) as refused:
        say(alice.relay, f"one\ntwo {GITHUB}", False)
    assert (refused.value.found, refused.value.command) == ((Secret("a GitHub token", field, 2),), command)
    assert (alice.kept(), len(mailbox.commits)) == before
    assert GITHUB.encode() not in everything_below(alice.folder)
    assert GITHUB not in str(refused.value) + repr(refused.value)
    assert not refused.value.retryable


@every_way
def test_a_person_has_it_sent_and_is_told_what_went_out(
    say: Say, field: str, command: str, alice: MemoryMachine, asked: str
) -> None:
    sent = say(alice.relay, f"It is {GITHUB}", True)
    assert (sent.delivered, sent.notes) == (
        True,
        (f"It was taken although it seems to hold a GitHub token (line 1 of {field}).",),
    )


@claim("I10")
@pytest.mark.usefixtures("asked")
@pytest.mark.parametrize("allow", [False, True])
@every_way
def test_what_is_peer_relays_own_is_sent_by_nobody(
    say: Say, field: str, command: str, allow: bool, alice: MemoryMachine
) -> None:
    for value in (LOGIN.value, base64.b64encode(LOGIN.value.encode()).decode()):
        with pytest.raises(SecretFound) as refused:
            say(alice.relay, f"It is {value} and {OTHER.value}", allow)
        kinds = {each.kind for each in refused.value.found}
        assert (kinds, refused.value.command) == ({LOGIN.kind, OTHER.kind}, None)


def test_another_value_of_the_environment_may_be_harmless(alice: MemoryMachine) -> None:
    with pytest.raises(SecretFound) as refused:
        alice.relay.ask(f"Is {OTHER.value} a name?")
    assert (refused.value.found[0].kind, refused.value.command) == (OTHER.kind, "ask")
    assert alice.relay.ask(f"Is {OTHER.value} a name?", allow_secret=True).delivered


def test_several_are_named_as_far_as_they_fit_into_a_sentence(alice: MemoryMachine) -> None:
    with pytest.raises(SecretFound) as refused:
        alice.relay.ask("\n".join([GITHUB] * 5))
    assert len(refused.value.found) == 5
    assert " (line 1 of the question), a GitHub token (line 2 of the question) and 3 more." in refused.value.what


def test_the_public_room_id_is_no_secret(alice: MemoryMachine) -> None:
    assert alice.relay.ask(f"Is it peer-relay/{KEYS.room_id}?").notes == ()
