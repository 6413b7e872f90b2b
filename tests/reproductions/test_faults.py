"""Bugs that the fault-injecting remote of `tests/faults` found, each under a name that says it."""

from __future__ import annotations

import os
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from peer_relay.errors import NotAGitServer
from peer_relay.git.environment import NetworkEnvironment
from peer_relay.git.remote import parse_remote
from peer_relay.git.ssh import SshTransport
from peer_relay.outbox import Status
from peer_relay.store import Refreshed
from tests.claims import claim
from tests.faults.catalogue import CATALOGUE, Place, Way
from tests.faults.scene import AFTER, BEFORE, PATIENCE_S, Scene, make_scene
from tests.faults.trial import Trial, run
from tests.faults.web import WebRemote
from tests.git.fault_server import answers
from tests.relay.support import texts
from tests.store.benches import a_deadline

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.relay.support import MemoryMachine
    from tests.store.memory_store import MemoryMailbox


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    (tmp_path / "scene").mkdir()
    return make_scene(tmp_path / "scene")


@pytest.fixture
def remote(scene: Scene) -> Iterator[WebRemote]:
    made = WebRemote(scene.folder / AFTER, scene.folder / BEFORE)
    yield made
    made.close()


@claim("I3")
def test_a_push_whose_replies_all_get_lost_is_not_sent_again_until_the_deadline(
    mailbox: MemoryMailbox, alice: MemoryMachine
) -> None:
    """Found by counting requests: a gateway that answered each push with 504 got some forty of them in one call."""
    alice.store.lost_replies.extend([False] * 99)
    asked = alice.relay.ask("Why?")
    assert (asked.delivered, alice.store.pushes) == (False, 2)
    assert " ".join(asked.notes) == (
        "1 record is queued on this machine and will be delivered automatically. memory:mailbox cannot be reached: its "
        "replies to pushes get lost (the connection broke). Check the network, or wait if the fault is the host's own."
    )
    alice.store.lost_replies.clear()
    assert alice.relay.deliver() is True
    assert texts(mailbox.records()) == ["Why?"]


@claim("I5")
def test_a_host_that_shows_an_old_copy_is_not_asked_until_the_deadline(
    mailbox: MemoryMailbox, alice: MemoryMachine, bob: MemoryMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found with a stale replica: the push was refused as moved, the look showed nothing new, and so on without end."""
    bob.relay.ask("What?")
    with monkeypatch.context() as patch:
        patch.setattr(alice.store, "refresh", lambda known, _refusal, _deadline: Refreshed(known))
        asked = alice.relay.ask("Why?")
        assert (asked.delivered, alice.store.pushes) == (False, 6)
    assert " ".join(asked.notes) == (
        "1 record is queued on this machine and will be delivered automatically. memory:mailbox cannot be reached: it "
        "shows an older state of the room than the one that it takes pushes on. Wait: the host's copies catch up by "
        "themselves."
    )
    assert alice.relay.deliver() is True
    assert texts(mailbox.records()) == ["What?", "Why?"]


@claim("I5")
@pytest.mark.parametrize("status", [405, 407, 411, 451])
def test_a_proxy_that_lets_no_push_through_sets_no_record_aside(scene: Scene, remote: WebRemote, status: int) -> None:
    """Found by asking what http says about all pushes alike: each record was set aside, for a person to retry."""
    remote._server.struck = {Place.PUSH: answers(status)}
    with closing(scene.relay(remote.url, scene.folder / AFTER / "home", remote.environ, PATIENCE_S)) as relay:
        asked = relay.ask("Why?")
        assert f'takes no push to the room at present and says: "HTTP {status} ' in asked.notes[0]
        assert [entry.status for entry in relay.outbox()] == [Status.QUEUED]
        remote.lift()
        assert relay.deliver()


def test_a_greeting_is_named_whatever_the_other_side_manages_to_complain_of(tmp_path: Path) -> None:
    """Found by the long run at a third of its seeds: when git over there noticed the end in time, its words hid it."""
    script = tmp_path / "ssh"
    script.write_text("#!/bin/sh\nprintf 'Welcome'\necho 'fatal: the remote end hung up unexpectedly' >&2\nexec cat\n")
    script.chmod(0o755)
    environment = NetworkEnvironment.from_environ({**os.environ, "GIT_SSH_COMMAND": str(script)})
    with pytest.raises(NotAGitServer) as caught:
        SshTransport(parse_remote("me@host:x"), environment).read_ref(b"refs/heads/x", a_deadline())
    assert caught.value.remedy == "Check the address, and that the shell of that account prints nothing of its own."


def test_a_kept_connection_that_the_server_is_just_closing_is_no_outage(scene: Scene, tmp_path: Path) -> None:
    """Found when the fault server lost its 40 ms of delay: a server that closes after 5 s met polls every 5 s."""
    (fault,) = (each for each in CATALOGUE if each.name == "kept and closed")
    (tmp_path / "trial").mkdir()
    assert run(Trial(fault, Way.HTTP, Place.LISTING), scene, tmp_path / "trial").broken == []


def test_polls_do_not_ask_a_host_again_that_asked_for_an_hours_pause(
    scene: Scene, remote: WebRemote, tmp_path: Path
) -> None:
    """Found by polling on: every look of a waiting call, and every one of the courier's, asked the host once more."""
    remote.strike("429, an hour", Place.LISTING, 0)
    with closing(scene.relay(remote.url, scene.folder / BEFORE / "home", remote.environ, PATIENCE_S)) as relay:
        for _ in range(10):
            assert "asks for a pause of 3600 seconds." in relay.questions().notes[0]
            assert relay.reach().stale is not None
            assert not relay.ask("Why?").delivered
    assert remote.count() == 1
    remote.lift()
    with closing(scene.relay(remote.url, scene.folder / BEFORE / "home", remote.environ, PATIENCE_S)) as by_hand:
        assert by_hand.questions().notes == ()
        assert by_hand.pending() == 0


@pytest.mark.parametrize("place", [Place.LISTING, Place.PUSH])
def test_polls_do_not_repeat_a_refused_login(scene: Scene, remote: WebRemote, place: Place) -> None:
    """Found by polling on with a revoked token: the host saw it each second, and some lock an address out for it."""
    with closing(scene.relay(remote.url, scene.folder / AFTER / "home", remote.environ, PATIENCE_S)) as relay:
        assert relay.questions().notes == ()
        accepted = remote.logins()
        remote.strike("401", place, 0)
        for _ in range(10):
            sent = relay.ask("Why?") if place is Place.PUSH else relay.questions()
            assert "refused the login" in sent.notes[0]
    assert ", so no further login is tried before 20" in sent.notes[0]
    # Each push that is refused was let in once, to see where the branch is.
    assert remote.logins() - accepted == (6 if place is Place.PUSH else 3)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("truncated", "cannot be reached: the connection broke off. Check the network and the address."),
        ("banner", "Check the address, and that the shell of that account prints nothing of its own."),
    ],
)
def test_an_ssh_answer_that_is_cut_or_has_a_greeting_before_it_is_no_login_page(
    scene: Scene, tmp_path: Path, name: str, said: str
) -> None:
    """Found by reading what was said: both were called a login page of the network, which ssh never meets."""
    (fault,) = (each for each in CATALOGUE if each.name == name)
    folder = tmp_path / "trial"
    folder.mkdir()
    verdict = run(Trial(fault, Way.SSH, Place.LISTING), scene, folder)
    assert said in verdict.said
    assert verdict.broken == []
