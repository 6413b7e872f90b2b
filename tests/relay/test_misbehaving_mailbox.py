"""A real mailbox that misbehaves: noticed by the next look, said in a sentence, nothing lost, all of it put back."""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from peer_relay import app
from peer_relay.config import RelayConfig
from peer_relay.errors import AccessDenied, BranchDeleted, BranchSetBack, HistoryRewritten, PushBlocked
from peer_relay.outbox import Status
from peer_relay.paths import branch_ref
from peer_relay.restoring import open_restoration
from tests.claims import claim
from tests.servers import create_repository, run_git
from tests.store.benches import KEYS, TOKEN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from peer_relay.relay import Relay
    from tests.servers import HttpServer

BRANCH = branch_ref(KEYS.room_id)
QUEUED = "1 record is queued on this machine and will be delivered automatically."


@dataclass
class Mailbox:
    """A repository and the way to it, with which alice opened a room.

    Attributes:
        path: the repository.
        address: what leads to it.
        home: where alice keeps her state.
        settings: what lets her in.
    """

    path: Path
    address: str
    home: Path
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def config(self) -> RelayConfig:
        return RelayConfig(remote=self.address, token=TOKEN, peer_id="alice", home=self.home)

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, **self.settings}

    @contextlib.contextmanager
    def alice(self) -> Iterator[Relay]:
        with contextlib.closing(app.open_relay(self.config, self.environment)) as relay:
            yield relay

    def open_room(self) -> None:
        create_repository(self.path)
        app.create_room(self.config, "bob", self.environment)

    def restore(self) -> None:
        with open_restoration(self.config, self.environment) as restoration:
            assert restoration.carry_out(restoration.look()).blocked is None

    def git(self, *arguments: str) -> str:
        return run_git(*arguments, cwd=self.path).decode().strip()

    def tip(self) -> str:
        return self.git("rev-parse", BRANCH)

    def subjects(self) -> list[str]:
        return self.git("log", "--reverse", "--format=%s", BRANCH).splitlines()[1:]

    def add_hook(self, script: str) -> None:
        hook = self.path / "hooks" / "pre-receive"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\n{script}\n")
        hook.chmod(0o755)


def at_path(request: pytest.FixtureRequest) -> Mailbox:
    folder: Path = request.getfixturevalue("tmp_path")
    return Mailbox(folder / "mailbox.git", str(folder / "mailbox.git"), folder / "alice")


def by_http(request: pytest.FixtureRequest) -> Mailbox:
    folder: Path = request.getfixturevalue("tmp_path")
    server: HttpServer = request.getfixturevalue("http_server")
    path = server.root / folder.name
    return Mailbox(path, server.url(path, access="public"), folder / "alice")


# ---------------------------------------------------------------------------------------------------------------------
# What becomes of the branch


def delete(mailbox: Mailbox) -> str:
    told = str(BranchDeleted(commit=mailbox.tip()))
    mailbox.git("update-ref", "-d", BRANCH)
    return told


def force_older(mailbox: Mailbox) -> str:
    older, newest = mailbox.git("rev-parse", f"{BRANCH}~1"), mailbox.tip()
    mailbox.git("update-ref", BRANCH, older)
    return str(BranchSetBack(commit=newest, found=older))


def force_another_line(mailbox: Mailbox) -> str:
    newest = mailbox.tip()
    who = ("-c", "user.name=eve", "-c", "user.email=eve@example.org")
    made = mailbox.git(*who, "commit-tree", f"{BRANCH}^{{tree}}", "-p", f"{BRANCH}~1", "-m", "Another line")
    mailbox.git("update-ref", BRANCH, made)
    return str(HistoryRewritten(commit=newest))


def replace_by_an_unrelated_one(mailbox: Mailbox) -> str:
    newest = mailbox.tip()
    who = ("-c", "user.name=eve", "-c", "user.email=eve@example.org")
    tree = run_git("mktree", cwd=mailbox.path, data=b"").decode().strip()
    mailbox.git("update-ref", BRANCH, mailbox.git(*who, "commit-tree", tree, "-m", "Initial commit"))
    return str(HistoryRewritten(commit=newest))


def make_repository_anew(mailbox: Mailbox) -> str:
    told = str(BranchDeleted(commit=mailbox.tip()))
    shutil.rmtree(mailbox.path)
    create_repository(mailbox.path)
    return told


def make_repository_anew_for_others(mailbox: Mailbox) -> str:
    told = make_repository_anew(mailbox)
    config = RelayConfig(remote=str(mailbox.path), token=app.new_token(), peer_id="carol", home=mailbox.home)
    app.create_room(config, "dan", {})
    return told


DAMAGES: list[tuple[Callable[[Mailbox], str], Callable[[pytest.FixtureRequest], Mailbox]]] = [
    (delete, at_path),
    (delete, by_http),
    (force_older, at_path),
    (force_another_line, at_path),
    (replace_by_an_unrelated_one, at_path),
    (make_repository_anew, at_path),
    (make_repository_anew_for_others, at_path),
]


@claim("I4", "I6")
@pytest.mark.parametrize(("damage", "where"), DAMAGES)
def test_what_became_of_the_branch_is_said_and_nothing_is_lost_and_it_can_be_put_back(
    request: pytest.FixtureRequest,
    damage: Callable[[Mailbox], str],
    where: Callable[[pytest.FixtureRequest], Mailbox],
) -> None:
    mailbox = where(request)
    mailbox.open_room()
    with mailbox.alice() as alice:
        alice.ask("Before?")
        newest = mailbox.tip()
        told = damage(mailbox)
        asked = alice.ask("Why?")
        assert (asked.delivered, asked.notes) == (False, (told, QUEUED))
        listed = alice.exchanges()
        assert ([each.question.question for each in listed.items], listed.notes) == (["Before?"], (told, QUEUED))
        (clone,) = mailbox.home.glob("rooms/*/alice/clone")
        assert run_git("rev-parse", f"refs/peer-relay/lost/{newest}", cwd=clone).decode().strip() == newest
        mailbox.restore()
        assert mailbox.subjects() == ["alice asks: Before?", "alice asks: Why?"]
        mailbox.git("fsck", "--strict")
        listed = alice.exchanges()
        assert ([each.question.question for each in listed.items], listed.notes) == (["Before?", "Why?"], ())
        assert not (clone / "refs" / "peer-relay" / "lost" / newest).exists()


def test_a_default_branch_that_is_renamed_or_that_of_the_room_does_not_matter(request: pytest.FixtureRequest) -> None:
    mailbox = at_path(request)
    mailbox.open_room()
    with mailbox.alice() as alice:
        for name in ("refs/heads/trunk", "refs/heads/nowhere", BRANCH):
            mailbox.git("symbolic-ref", "HEAD", name)
            assert alice.ask(f"With {name}?").delivered
            assert alice.questions().notes == ()
    assert len(mailbox.subjects()) == 3


# ---------------------------------------------------------------------------------------------------------------------
# What stands against every push


@pytest.mark.parametrize("where", [at_path, by_http])
def test_a_branch_called_peer_relay_is_named_when_a_room_is_opened_or_put_back(
    request: pytest.FixtureRequest, where: Callable[[pytest.FixtureRequest], Mailbox]
) -> None:
    mailbox = where(request)
    create_repository(mailbox.path)
    blob = run_git("hash-object", "-w", "--stdin", cwd=mailbox.path, data=b"").decode().strip()
    who = ("-c", "user.name=eve", "-c", "user.email=eve@example.org")
    tree = run_git("mktree", cwd=mailbox.path, data=f"100644 blob {blob}\tfile\n".encode()).decode().strip()
    other = mailbox.git(*who, "commit-tree", tree, "-m", "Initial commit")
    mailbox.git("update-ref", "refs/heads/peer-relay", other)
    with pytest.raises(PushBlocked) as caught:
        app.create_room(mailbox.config, "bob", mailbox.environment)
    assert caught.value.remedy.startswith("Rename or delete the branch there that is called peer-relay")

    mailbox.git("update-ref", "-d", "refs/heads/peer-relay")
    app.create_room(mailbox.config, "bob", mailbox.environment)
    with mailbox.alice() as alice:
        alice.questions()
        newest = mailbox.tip()
        mailbox.git("update-ref", "-d", BRANCH)
        shutil.rmtree(mailbox.path / "refs" / "heads" / "peer-relay", ignore_errors=True)
        mailbox.git("update-ref", "refs/heads/peer-relay", other)
        assert alice.ask("Why?").notes == (str(BranchDeleted(commit=newest)), QUEUED)
        with pytest.raises(PushBlocked):
            mailbox.restore()
        mailbox.git("update-ref", "-d", "refs/heads/peer-relay")
        mailbox.restore()
    assert mailbox.subjects() == ["alice asks: Why?"]


@claim("I5")
def test_a_repository_that_became_read_only_keeps_records_queued(
    request: pytest.FixtureRequest, http_server: HttpServer
) -> None:
    mailbox = by_http(request)
    mailbox.open_room()
    mailbox.address = http_server.url(mailbox.path, access="readonly")
    with mailbox.alice() as alice:
        asked = [alice.ask("Why?"), alice.ask("And how?")]
        assert [type(each.blocked) for each in asked] == [AccessDenied, AccessDenied]
        assert [entry.status for entry in alice.outbox()] == [Status.QUEUED] * 2
    mailbox.address = http_server.url(mailbox.path, access="public")
    with mailbox.alice() as alice:
        assert alice.deliver() is True
    assert mailbox.subjects() == ["alice asks: Why?", "alice asks: And how?"]


QUOTA = """cat >/dev/null
echo 'GitLab: Your push to this repository would cause it to exceed the allocated storage limit of 5 GB.' >&2
exit 1"""


@claim("I5")
def test_a_full_repository_sets_nothing_aside(request: pytest.FixtureRequest) -> None:
    mailbox = by_http(request)
    mailbox.open_room()
    mailbox.add_hook(QUOTA)
    with mailbox.alice() as alice:
        asked = alice.ask("Why?")
        assert (asked.delivered, type(asked.blocked)) == (False, PushBlocked)
        assert "takes no push to the room at present and says: " in asked.notes[0]
        assert "allocated storage limit of 5 GB" in asked.notes[0]
        assert asked.notes[0].endswith("Make room there; what is queued goes out by itself then.")
        assert [entry.status for entry in alice.outbox()] == [Status.QUEUED]
        (mailbox.path / "hooks" / "pre-receive").unlink()
        assert alice.deliver() is True
    assert mailbox.subjects() == ["alice asks: Why?"]


# ---------------------------------------------------------------------------------------------------------------------
# What stands against one record

PUSH_PROTECTION = """while read -r old new ref; do
    if git diff "$old" "$new" | grep -q AKIAIOSFODNN7EXAMPLE; then
        cat >&2 <<END
error: GH013: Repository rule violations found for $ref.

- GITHUB PUSH PROTECTION
  —————————————————————————————————————————
    Resolve the following violations before pushing again

    - Push cannot contain secrets
END
        exit 1
    fi
done"""


@claim("I5", "I9")
def test_one_record_that_a_hook_declines_is_set_aside_and_named_and_blocks_none_of_the_five_around_it(
    request: pytest.FixtureRequest,
) -> None:
    mailbox = by_http(request)
    mailbox.open_room()
    with mailbox.alice() as alice:
        alice.questions()
        away = mailbox.path.rename(mailbox.path.with_suffix(".away"))
        texts = ["One?", "Two?", "Is AKIAIOSFODNN7EXAMPLE ours?", "Three?", "Four?", "Five?"]
        asked = [alice.ask(text).question_id for text in texts]
        away.rename(mailbox.path)
        mailbox.add_hook(PUSH_PROTECTION)
        assert alice.deliver() is True
        assert mailbox.subjects() == [f"alice asks: {text}" for text in texts if "AKIA" not in text]
        (declined,) = alice.outbox()
        assert (declined.place.question_id, declined.status) == (asked[2], Status.REFUSED)
        (note,) = alice.questions().notes
        assert note.startswith(f'The question {asked[2]} was set aside because the mailbox refuses it: "error: GH013: ')
        assert "- Push cannot contain secrets (pre-receive hook declined)" in note
        assert note.isprintable()
        assert alice.ask("Six?").delivered
        mailbox.add_hook("exit 0")
        alice.retry(asked[2])
        assert alice.deliver() is True
    assert mailbox.subjects()[-2:] == ["alice asks: Six?", f"alice asks: {texts[2]}"]
