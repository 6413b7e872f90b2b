"""The way to the mailbox: a real path, and ssh and http where the login matters; else a transport that is scripted."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast
from urllib.parse import quote

import pytest

from peer_relay.doctor.findings import Finding, State, failed, info, ok, warning
from peer_relay.doctor.mailbox import (
    check_default_branch,
    check_latency,
    check_login,
    check_public,
    check_read,
    check_rules,
    check_write,
)
from peer_relay.errors import AccessDenied, AuthenticationFailed, PeerRelayError, RepositoryNotFound, Unreachable
from peer_relay.git.connect import connect
from peer_relay.git.environment import NetworkEnvironment
from peer_relay.git.remote import parse_remote
from peer_relay.git.rules import PushRules, push_rules
from peer_relay.outbox import OutboxEntry, Status
from peer_relay.paths import Kind, Place
from tests.git.building import line
from tests.git.local_mailbox import REF, deadline, push
from tests.servers import create_repository, run_git
from tests.store.benches import question

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from peer_relay.deadline import Deadline
    from peer_relay.git.remote import Remote
    from peer_relay.git.transport import Transport
    from tests.servers import HttpServer, SshServer

GITHUB = parse_remote("git@github.com:alice/mailbox.git")
GITHUB_BY_HTTPS = parse_remote("https://github.com/alice/mailbox.git")
ELSEWHERE = parse_remote("https://git.example.org/alice/mailbox.git")
PATH = parse_remote("/srv/my mailbox.git")


@dataclass
class Told:
    """A transport that answers what it was told."""

    error: PeerRelayError | None = None
    default: bytes | None = None
    login: str = ""
    looks: list[bytes] = field(default_factory=list)
    remote: str = "it"

    def read_ref(self, ref: bytes, _deadline: Deadline) -> None:
        self.looks.append(ref)
        if self.error is not None:
            raise self.error

    check_write = read_ref

    def default_branch(self, _deadline: Deadline) -> bytes | None:
        return self.default


def told(**answers: object) -> Transport:
    return cast("Transport", Told(**answers))  # type: ignore[arg-type]


def refused() -> AuthenticationFailed:
    return AuthenticationFailed(remote="it", source="it knows no key", advice="Load a key.")


# ---------------------------------------------------------------------------------------------------------------------
# Reading and writing


def test_a_path_that_can_be_used_is_well(tmp_path: Path) -> None:
    remote = parse_remote(str(create_repository(tmp_path / "mailbox.git")))
    transport = connect(remote, NetworkEnvironment())
    assert check_read(transport, remote, REF, deadline()) == ok(f"{remote.path} can be read at its path.")
    assert check_write(transport, remote, REF, deadline()) == ok("Nothing stands against a push.")
    assert check_login(transport) == ok("Let in: file permissions of this machine's user.")


def test_a_path_where_nothing_is_shows_what_is_there(tmp_path: Path) -> None:
    remote = parse_remote(str(tmp_path / "missing.git"))
    found = check_read(connect(remote, NetworkEnvironment()), remote, REF, deadline())
    assert (found.state, found.fix, found.unreached) == (State.FAILED, f"ls -ld {remote.path}", False)


@pytest.mark.parametrize("check", [check_read, check_write])
@pytest.mark.parametrize(
    ("address", "error", "fix"),
    [
        ("git@github.com:alice/mailbox.git", refused(), "ssh -T git@github.com"),
        ("ssh://host:2222/srv/mailbox.git", refused(), "ssh -p 2222 -T host"),
        ("https://github.com/alice/mailbox.git", refused(), "gh auth login && gh auth setup-git"),
        ("https://git.example.org/alice/mailbox.git", refused(), None),
        ("git@github.com:alice/mailbox.git", RepositoryNotFound(remote="it"), None),
        ("git@github.com:alice/mailbox.git", AccessDenied(remote="it", act="write", reason="no"), None),
    ],
)
def test_what_is_refused_says_why_and_gives_the_command_that_helps(
    check: Callable[[Transport, Remote, bytes, Deadline], Finding], address: str, error: PeerRelayError, fix: str | None
) -> None:
    found = check(told(error=error), parse_remote(address), REF, deadline())
    assert found == failed(error.what, fix=fix, advice=None if fix else error.remedy)


def test_a_mailbox_that_is_away_is_only_unreached() -> None:
    error = Unreachable(remote="it", reason="the network is down")
    found = check_read(told(error=error), GITHUB, REF, deadline())
    assert (found.state, found.what, found.unreached) == (State.FAILED, error.what, True)


def test_a_login_that_nobody_told_of_cannot_be_told() -> None:
    assert check_login(told()) == info("How it lets this machine in cannot be told.")


def test_over_ssh_the_method_is_told_and_a_key_that_may_only_read_is_a_failure(
    ssh_server: SshServer,
) -> None:
    remote = parse_remote(ssh_server.url(ssh_server.create("doctor.git")))
    surroundings = NetworkEnvironment.from_environ({"GIT_SSH_COMMAND": ssh_server.ssh_command})
    with closing(connect(remote, surroundings)) as transport:
        assert check_read(transport, remote, REF, deadline()) == ok(f"{remote.display} can be read over ssh.")
        assert check_write(transport, remote, REF, deadline()) == ok("Nothing stands against a push.")
        assert check_login(transport).what.endswith("ssh (publickey).")
    surroundings = NetworkEnvironment.from_environ({"GIT_SSH_COMMAND": ssh_server.ssh_command_read_only})
    with closing(connect(remote, surroundings)) as transport:
        found = check_write(transport, remote, REF, deadline())
    assert (found.state, "does not allow this login to write" in found.what) == (State.FAILED, True)


def test_over_http_the_source_of_the_login_is_told_and_the_login_is_not(http_server: HttpServer) -> None:
    login = f"{http_server.username}:{quote(http_server.password, safe='')}@"
    remote = parse_remote(http_server.url(http_server.create("doctor.git")).replace("://", f"://{login}"))
    with closing(connect(remote, NetworkEnvironment())) as transport:
        found = [
            check_read(transport, remote, REF, deadline()),
            check_write(transport, remote, REF, deadline()),
            check_login(transport),
        ]
    assert found == [
        ok(f"{remote.display} can be read over http, on this machine."),
        ok("Nothing stands against a push."),
        ok("Let in: the user name and password in the address."),
    ]
    assert http_server.password not in repr(found)


# ---------------------------------------------------------------------------------------------------------------------
# How quickly, and by whom else


@pytest.mark.parametrize(
    ("times", "found"),
    [
        ((0.5, 0.001, 0.02), ok("A look takes 20 ms.")),
        (
            (5.0, 4.0, 0.1),
            warning(
                "A look takes 4.0 s.",
                advice="Set PEER_RELAY_TIMEOUT to more seconds if calls end before they are done.",
            ),
        ),
    ],
)
def test_the_middle_one_of_three_looks_counts(times: tuple[float, ...], found: Finding) -> None:
    ticks = iter([tick for time in times for tick in (0.0, time)])
    transport = Told()
    assert check_latency(cast("Transport", transport), REF, deadline(), lambda: next(ticks)) == found
    assert transport.looks == [REF] * 3


def test_a_mailbox_that_everybody_can_read_is_a_warning() -> None:
    advice = "Make the repository private in the settings of its host."
    assert check_public(GITHUB, lambda: True) == warning(
        "Everybody can read it, without any login.",
        fix="gh repo edit alice/mailbox --visibility private --accept-visibility-change-consequences",
        advice=advice,
    )
    assert check_public(ELSEWHERE, lambda: True) == warning("Everybody can read it, without any login.", advice=advice)


def test_a_mailbox_that_wants_a_login_is_private_and_what_cannot_be_told_is_not_claimed() -> None:
    assert check_public(GITHUB, lambda: False) == ok("Nobody reads it without a login.")
    assert check_public(GITHUB, lambda: None) == info("Whether everybody can read it cannot be told for this host.")
    assert check_public(PATH, lambda: True) == info("Whoever may read that folder can read it.")


# ---------------------------------------------------------------------------------------------------------------------
# The default branch, and rules


@pytest.mark.parametrize(
    ("default", "what"),
    [
        (None, "None that exists, or the mailbox does not say."),
        (b"refs/heads/ma\x1b[31min", "main, and not the room's."),
    ],
)
def test_another_default_branch_is_well(default: bytes | None, what: str) -> None:
    assert check_default_branch(told(default=default), GITHUB, REF, deadline()) == ok(what)


def test_the_rooms_branch_as_the_default_is_worth_knowing() -> None:
    transport = told(default=REF)
    found = [check_default_branch(transport, remote, REF, deadline()) for remote in (GITHUB_BY_HTTPS, ELSEWHERE, PATH)]
    assert [(each.state, each.fix) for each in found] == [
        (State.INFO, "gh repo edit alice/mailbox --default-branch main"),
        (State.INFO, None),
        (State.INFO, "git -C '/srv/my mailbox.git' symbolic-ref HEAD refs/heads/main"),
    ]
    assert found[1].advice == "Choose another default branch in the settings of its host."


def test_the_default_branch_of_a_real_repository_is_found(tmp_path: Path) -> None:
    remote = parse_remote(str(create_repository(tmp_path / "mailbox.git")))
    push(tmp_path / "mailbox.git", line(1))
    run_git("symbolic-ref", "HEAD", REF.decode(), cwd=tmp_path / "mailbox.git")
    found = check_default_branch(connect(remote, NetworkEnvironment()), remote, REF, deadline())
    assert (found.state, found.what) == (State.INFO, "The room's own branch.")


def test_a_repository_at_a_path_is_asked_for_its_rules(tmp_path: Path) -> None:
    path = create_repository(tmp_path / "mailbox.git")
    remote = parse_remote(str(path))
    found = check_rules(remote, push_rules(remote.path), [])
    assert (found.state, found.what) == (
        State.INFO,
        "Not set there: receive.denyNonFastForwards and receive.denyDeletes.",
    )
    assert found.fix is not None
    for each in found.fix.split(" && "):
        run_git(*each.split(" ")[1:])
    assert push_rules(remote.path) == PushRules(keeps_history=True, keeps_branches=True)
    assert check_rules(remote, push_rules(remote.path), []) == ok(
        "git refuses to rewrite and to delete a branch there."
    )


def test_the_repository_is_found_where_git_looks_for_it_and_a_damaged_one_is_not_judged(tmp_path: Path) -> None:
    path = create_repository(tmp_path / "mailbox.git")
    assert push_rules(str(tmp_path / "mailbox")) == PushRules(keeps_history=False, keeps_branches=False)
    (path / "config").write_bytes(b"[")
    assert push_rules(str(path)) is None
    assert check_rules(PATH, None, []) == info("The repository's rules cannot be read.")


def test_a_hosts_rules_show_only_in_the_words_of_a_push_that_was_declined() -> None:
    what = "What a host's rules for the branch refuse shows only when something is pushed."
    assert check_rules(GITHUB, None, []) == info(what)
    asked = question(1)
    entry = OutboxEntry(1, Place(asked.id, "alice", Kind.QUESTION), asked, "alice", status=Status.REFUSED, words="no. ")
    assert check_rules(GITHUB, None, [entry]) == warning(
        'A push was declined: "no".',
        advice="Let both peers push to branches that begin with peer-relay/ in the rules of its host.",
    )
