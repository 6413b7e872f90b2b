"""Which addresses a mailbox may have, and what is shown of them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peer_relay.errors import InvalidRemote
from peer_relay.git.connect import connect
from peer_relay.git.environment import NetworkEnvironment
from peer_relay.git.http import HttpTransport
from peer_relay.git.local import LocalTransport
from peer_relay.git.remote import Remote, parse_remote, redact
from peer_relay.git.ssh import SshTransport
from tests.claims import claim
from tests.pure.samples import any_character

if TYPE_CHECKING:
    from pathlib import Path


def local(path: str, scheme: str = "path") -> Remote:
    return Remote(kind="local", scheme=scheme, host="", port=None, path=path)  # type: ignore[arg-type]


def ssh(host: str, path: str, **rest: Any) -> Remote:
    return Remote(**{"kind": "ssh", "scheme": "ssh", "host": host, "port": None, "path": path, **rest})


def http(scheme: str, host: str, path: str, **rest: Any) -> Remote:
    return Remote(**{"kind": "http", "scheme": scheme, "host": host, "port": None, "path": path, **rest})


ACCEPTED = {
    "/srv/mailbox.git": local("/srv/mailbox.git"),
    "/srv/team notes/a@b:c": local("/srv/team notes/a@b:c"),
    "C:\\mail\\box.git": local("C:\\mail\\box.git"),
    "C:/mail/box.git": local("C:/mail/box.git"),
    "\\\\server\\share\\box.git": local("\\\\server\\share\\box.git"),
    "file:///srv/a%20b%25.git": local("/srv/a b%.git", "file"),
    "FILE://localhost/srv/x": local("/srv/x", "file"),
    "file:///C:/mail/box.git": local("C:/mail/box.git", "file"),
    "ssh://host/srv/x": ssh("host", "/srv/x"),
    "ssh://git@host.example:2222/~/x%25y": ssh("host.example", "/~/x%y", port=2222, username="git"),
    "ssh://me@[::1]:22/x": ssh("::1", "/x", port=22, username="me"),
    "git@github.com:a/b.git": ssh("github.com", "a/b.git", scheme="scp", username="git"),
    "me@[2001:db8::1]:~/x": ssh("2001:db8::1", "~/x", scheme="scp", username="me"),
    "https://github.com/a/b.git": http("https", "github.com", "/a/b.git"),
    "https://me:p%40s%2Fs%25@host:8443/ä/b": http(
        "https", "host", "/%C3%A4/b", port=8443, username="me", password="p@s/s%"
    ),
    "https://token@host/x": http("https", "host", "/x", username="token"),
    "https://:secret@host/x": http("https", "host", "/x", password="secret"),
    "https://me:@host/x": http("https", "host", "/x", username="me", password=""),
    "http://localhost/x": http("http", "localhost", "/x"),
    "http://127.8.9.1:80/x": http("http", "127.8.9.1", "/x", port=80),
    "HTTP://[::1]:8080/x": http("http", "::1", "/x", port=8080),
}

REFUSED = {
    "": ("An empty address", "it names nothing"),
    " /srv/x": ("/srv/x", "it has white space around it"),
    "/srv/x\n": ("/srv/x", "it has white space around it"),
    "/srv/\x1b[31mx": ("/srv/?[31mx", "it holds a character that cannot be printed"),
    "/srv/\u202ex": ("/srv/?x", "it holds a character that cannot be printed"),
    "--upload-pack=x": ("--upload-pack=x", "it begins with -, so a program could take it for an option"),
    "-oProxyCommand=x@host:p": ("…@host:p", "it begins with -, so a program could take it for an option"),
    "ext::sh -c true": ("ext::", "it names a remote helper, which could run any program"),
    "fd::3": ("fd::", "it names a remote helper, which could run any program"),
    "::x": ("::", "it names a remote helper, which could run any program"),
    "git://host/x": ("git://host/x", "git:// is not supported"),
    "ftp://host/x": ("ftp://host/x", "ftp:// is not supported"),
    "host:path": ("host:path", "it may be a path or a host"),
    "file:x": ("file:x", "it may be a path or a host"),
    "file://server/x": (
        "file://server/x",
        "a file:// address names no other machine",
    ),
    "file:///": ("file:///", "it has no path to a repository"),
    "https://host": ("https://host", "it has no path to a repository"),
    "https://host//": ("https://host//", "it has no path to a repository"),
    "https:///x": ("https:///x", "its host is missing or not a plain host name"),
    "https://-host/x": ("https://-host/x", "its host is missing or not a plain host name"),
    "https://hé/x": ("https://hé/x", "its host is missing or not a plain host name"),
    "https://host\\@evil/x": ("https://…@evil/x", "an address has no backslash"),
    "https://host/x?token=1": (
        "https://host/x",
        "an address has no ? and no #",
    ),
    "https://host/x#y": (
        "https://host/x",
        "an address has no ? and no #",
    ),
    "https://host/a b": ("https://host/a b", "an address has no white space"),
    "https://host/a%20b": ("https://host/a%20b", "an address has no white space"),
    "https://host/%0d%0aX": ("https://host/%0d%0aX", "it holds a character that cannot be printed"),
    "file:///x%00": ("file:///x%00", "it holds a character that cannot be printed"),
    "https://host/%zz": ("https://host/%zz", "it has a % that is not followed by two hexadecimal digits"),
    "https://host/%ff": ("https://host/%ff", "its percent-encoding is not UTF-8"),
    "https://host:/x": ("https://host:/x", "its port is not a number from 1 to 65535"),
    "https://host:0/x": ("https://host:0/x", "its port is not a number from 1 to 65535"),
    "https://host:65536/x": ("https://host:65536/x", "its port is not a number from 1 to 65535"),
    "https://me:secret/x": ("https://me:…/x", "its port is not a number from 1 to 65535"),
    "https://me:%0asecret@host/x": ("https://…@host/x", "it holds a character that cannot be printed"),
    "https://[::1/x": ("https://[::1/x", "its host is not an IPv6 address in brackets"),
    "https://[::1]x/y": ("https://[::1]x/y", "its host is not an IPv6 address in brackets"),
    "https://[fe80::1%25eth0]/y": ("https://[fe80::1%25eth0]/y", "its host is not an IPv6 address in brackets"),
    "https://[host]/y": ("https://[host]/y", "its host is not an IPv6 address in brackets"),
    "http://host/x": (
        "http://host/x",
        "http:// shows the login and the room to everybody on the way",
    ),
    "http://127.0.0.1.evil.example/x": (
        "http://127.0.0.1.evil.example/x",
        "http:// shows the login and the room to everybody on the way",
    ),
    "ssh://me:secret@host/x": ("ssh://…@host/x", "ssh takes no password from an address"),
    "me:secret@host:x": ("…@host:x", "ssh takes no password from an address"),
    "ssh://-oProxyCommand=x/y": ("ssh://-oProxyCommand=x/y", "its host is missing or not a plain host name"),
    "ssh://-l@host/y": (
        "ssh://…@host/y",
        "its user name is empty or holds other characters than letters, digits and _.+~@$-",
    ),
    "ssh://@host/y": (
        "ssh://…@host/y",
        "its user name is empty or holds other characters than letters, digits and _.+~@$-",
    ),
    "me@-host:x": ("…@-host:x", "its host is missing or not a plain host name"),
    "me@:x": ("…@:x", "its host is missing or not a plain host name"),
    "me@host:": ("…@host:", "its path is missing, or begins with - or :"),
    "me@host:-x": ("…@host:-x", "its path is missing, or begins with - or :"),
    "me@host::x": ("…@host::", "its path is missing, or begins with - or :"),
    "me@host:a b": ("…@host:a b", "an address has no white space and no backslash"),
}


@pytest.mark.parametrize("text", ACCEPTED)
def test_an_accepted_address_is_taken_apart(text: str) -> None:
    assert parse_remote(text) == ACCEPTED[text]


@pytest.mark.parametrize("text", REFUSED)
def test_every_other_form_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(InvalidRemote) as caught:
        parse_remote(text)
    assert (caught.value.remote, caught.value.reason) == REFUSED[text]


@pytest.mark.parametrize("text", ["mailbox.git", "./host:path", "../x", "a/b@c:d"])
def test_a_relative_path_is_made_absolute(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse_remote(text) == local(os.path.normpath(tmp_path / text))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("file:///a%20b", "/a b"),
        ("ssh://git@host:22/a%25b", "ssh://git@host:22/a%25b"),
        ("ssh://[::1]/x", "ssh://[::1]/x"),
        ("me@[::1]:x", "me@[::1]:x"),
        ("https://me:secret@host:8443/ä b".replace(" ", ""), "https://host:8443/%C3%A4b"),
        ("https://token@host/x/", "https://host/x/"),
        ("http://me:secret@[::1]:80/x", "http://[::1]:80/x"),
    ],
)
def test_what_is_shown_and_invited_to_has_no_login_for_http(text: str, shown: str) -> None:
    remote = parse_remote(text)
    assert (remote.display, remote.invite_form) == (shown, shown)
    assert parse_remote(remote.invite_form).invite_form == shown


@claim("secrets-never-shown", "I10")
def test_neither_password_nor_user_name_is_in_a_repr() -> None:
    assert "secret" not in repr(parse_remote("https://secret-name:secret-word@host/x"))


@claim("secrets-never-shown", "I10")
@given(
    password=st.text(any_character, min_size=6, max_size=20).filter(lambda text: not text.isdigit()),
    form=st.sampled_from(
        [
            "https://me:{}@host/x",
            "ssh://me:{}@host/x",
            "me:{}@host:x",
            "http://me:{}@host/x",
            "https://me:{}@:/",
            "x:{}@",
        ]
    ),
)
def test_no_password_is_ever_in_a_refusal(password: str, form: str) -> None:
    try:
        remote = parse_remote(form.format(password))
        shown = [remote.display, remote.invite_form, repr(remote)]
    except InvalidRemote as error:
        shown = [error.remote, str(error)]
    assert [text for text in shown if f"me:{password}" in text or not text.isprintable()] == []
    assert f":{password}" not in shown[0]


@given(st.text(any_character, max_size=60))
def test_any_text_is_accepted_or_refused_and_shown_printable(text: str) -> None:
    try:
        shown = parse_remote(text).display
    except InvalidRemote as error:
        shown = error.remote
    assert shown.isprintable()


def test_a_refused_address_is_shown_cut() -> None:
    assert redact("x://" + "y" * 500) == "x://" + "y" * 195 + "…"


@pytest.mark.parametrize(
    ("text", "transport"),
    [("/srv/x", LocalTransport), ("git@host:x", SshTransport), ("https://host/x", HttpTransport)],
)
def test_each_kind_of_address_has_its_transport(text: str, transport: type) -> None:
    connected = connect(parse_remote(text), NetworkEnvironment())
    assert type(getattr(connected, "_inner", connected)) is transport
    assert connected.remote == text
    connected.close()
