"""Whether everybody can read a mailbox: asked of real servers, and of servers that are none."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from peer_relay.git.environment import NetworkEnvironment
from peer_relay.git.publicity import public_form, readable_by_anybody
from peer_relay.git.remote import Remote, parse_remote
from tests.claims import claim
from tests.git.fault_server import LISTING, FaultServer, answers, deadline, fault_server, silence

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.git.fault_server import Handler
    from tests.servers import HttpServer

__all__ = ["fault_server"]


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize(("access", "expected"), [("public", True), ("readonly", True), ("private", False)])
@claim("secrets-never-shown")
def test_a_repository_that_wants_no_login_is_public_whatever_login_is_at_hand(
    http_server: HttpServer, access: str, *, tls: bool, expected: bool
) -> None:
    name = f"publicity-{access}-{tls}.git"
    http_server.create(name)
    login = f"{http_server.username}:{quote(http_server.password, safe='')}@"
    address = http_server.url(name, tls=tls, access=access).replace("//", f"//{login}")
    variables = {
        "PEER_RELAY_GIT_USERNAME": http_server.username,
        "PEER_RELAY_GIT_PASSWORD": http_server.password,
        "SSL_CERT_FILE": str(http_server.ca_file),
        "PATH": os.environ["PATH"],
    }
    environment = NetworkEnvironment.from_environ(variables)
    assert readable_by_anybody(parse_remote(address), environment, deadline()) is expected


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (answers(401), False),
        (answers(403), False),
        (answers(404), False),
        (answers(429), None),
        (answers(500), None),
        (answers(301, Location="https://host.example/x"), None),
        (answers(200, b"<html>", Content_Type="text/html"), None),
    ],
)
def test_only_a_git_server_can_tell(
    fault_server: FaultServer, fault: Callable[[Handler, bytes], None], expected: bool | None
) -> None:
    fault_server.faults[LISTING] = fault
    assert readable_by_anybody(parse_remote(fault_server.url()), NetworkEnvironment(), deadline()) is expected


@claim("deadline")
def test_a_server_that_says_nothing_cannot_tell_and_is_not_waited_for(
    fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault_server.faults[LISTING] = silence
    remote = parse_remote(fault_server.url())
    started = time.monotonic()
    assert readable_by_anybody(remote, NetworkEnvironment(), deadline(0.2)) is None
    monkeypatch.setattr("peer_relay.git.publicity._LONGEST_S", 0.2)
    assert readable_by_anybody(remote, NetworkEnvironment(), deadline(60)) is None
    assert time.monotonic() - started < 10


def test_an_unreachable_host_and_a_path_cannot_tell(tmp_path: str) -> None:
    for address in ("http://127.0.0.1:1/x.git", "git@git.invalid:a/b.git", "/srv/mailbox.git"):
        assert readable_by_anybody(parse_remote(address), NetworkEnvironment(), deadline()) is None


@pytest.mark.parametrize(
    ("address", "form"),
    [
        ("https://me:word@host.example:8443/a%2Bb.git", "https://host.example:8443/a%2Bb.git"),
        ("http://token@127.0.0.1:80/x", "http://127.0.0.1:80/x"),
        ("git@github.com:owner/repo.git", "https://github.com/owner/repo.git"),
        ("git@github.com:/owner/repo.git", "https://github.com/owner/repo.git"),
        ("ssh://git@gitlab.example.org/group/sub/re%25po", "https://gitlab.example.org/group/sub/re%25po"),
        ("ssh://host.example/a/b", "https://host.example/a/b"),
        ("ssh://git@gitlab.example.org:2222/group/repo", None),
        ("ssh://me@host.example/~/repo", None),
        ("me@host.example:~me/repo", None),
        ("git@work:owner/repo.git", None),
        ("me@10.0.0.7:repo", None),
        ("me@[fe80::1]:repo", None),
        ("me@[::ffff:10.0.0.7]:repo", None),
        ("me@localhost:repo", None),
        ("me@127.0.0.1:repo", None),
        ("/srv/mailbox.git", None),
        ("file:///srv/mailbox.git", None),
    ],
)
def test_the_address_at_which_the_public_would_read_is_found(address: str, form: str | None) -> None:
    found = public_form(parse_remote(address))
    assert (found and found.invite_form) == form
    if found is not None:
        assert found == Remote("http", found.scheme, found.host, found.port, found.path)
        assert found == parse_remote(found.invite_form)
