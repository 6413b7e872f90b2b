"""The URL policy: which addresses a mailbox may have, taken apart once, and how an address may be shown.

1. Only the forms listed at `parse_remote` are accepted; everything else is refused before anything is contacted.
   An address may be a project's, which an agent passed on: it can name a place, and nothing that is to be run.
2. No part that reaches a command line begins with `-`, and no part holds a control character, also not percent-encoded.
3. A password is kept in one field, and is in no `repr`, in neither `display` nor `invite_form`, and in no error (I10).
4. Plain http goes to this machine only, because it would show the password and the room to everybody on the way.
"""

from __future__ import annotations

import ipaddress
import ntpath
import os
import re
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote, unquote

from peer_relay.errors import InvalidRemote

Kind = Literal["local", "ssh", "http"]
Scheme = Literal["path", "file", "ssh", "scp", "http", "https"]

_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<rest>.*)", re.DOTALL)
_HELPER = re.compile(r"[A-Za-z0-9+.-]*::")
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")
_SCP = re.compile(r"(?P<user>[^@/\\]+)@(?P<host>\[[^\]]*\]|[^:/\\]*):(?P<path>.*)")
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?")
_SSH_USER = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.+~@$-]*")
_PERCENT_DAMAGED = re.compile(r"%(?![0-9A-Fa-f]{2})")
_PATH_SAFE = "/:@!$&'()*+,;=~-._"
_NOT_A_PORT = re.compile(r"^([^/:\[]*):(?![0-9]*(?:/|$))[^/]*")
_SHOWN_LIMIT = 200
_LONGEST = 4096
"""No system has longer paths, and no server longer addresses."""
_USE_A_KEY = "Leave the password out, and use a key."


@dataclass(frozen=True)
class Remote:
    """An accepted address.

    Attributes:
        kind: which transport serves it.
        scheme: the form that it was written in; `scp` is `user@host:path`.
        host: the host name or IP address without brackets; empty for a local path.
        port: the port if it was given.
        path: local: an absolute path. ssh: the path as the remote shell gets it, decoded. http: still percent-encoded.
        username: decoded; None if there is none. For http it may itself be a token, so it is not shown.
        password: decoded; None if there is none. Only http has one.
    """

    kind: Kind
    scheme: Scheme
    host: str
    port: int | None
    path: str
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)

    @property
    def display(self) -> str:
        """The address as it may be shown."""
        return self.path if self.kind == "local" else self.invite_form

    @property
    def invite_form(self) -> str:
        """The address for another machine: without any login for http, with the user name for ssh."""
        if self.kind == "local":
            return self.path
        login = f"{self.username}@" if self.kind == "ssh" and self.username else ""
        if self.scheme == "scp":
            return f"{login}{_bracketed(self.host)}:{self.path}"
        path = self.path if self.kind == "http" else quote(self.path, safe=_PATH_SAFE)
        return f"{self.scheme}://{login}{self.authority}{path}"

    @property
    def authority(self) -> str:
        """The host and, if it was given, the port, as they stand in an address."""
        return _bracketed(self.host) + (f":{self.port}" if self.port else "")


def parse_remote(text: str) -> Remote:
    r"""Take an address apart.

    Accepted are: a path (`mailbox.git`, `./x`, `/srv/x`, `C:\x`, `\\server\x`; a `~` must be expanded already and a
    relative path is made absolute), `file:///path`, `ssh://[user@]host[:port]/path`, `user@host:path`,
    `https://[user[:password]@]host[:port]/path`, and the same with `http://` if the host is this machine.
    `host:path` without a user is refused, because it may be meant as a file's name or as a host.

    Raises:
        InvalidRemote: any other form; its `remote` is redacted and printable.
    """
    _check_characters(text)
    if (url := _URL.fullmatch(text)) is not None:
        return _parse_url(text, url["scheme"].lower(), url["rest"])
    if _HELPER.match(text):
        raise _refused(text, "it names a remote helper, which could run any program")
    if _DRIVE.match(text) is None:
        if (scp := _SCP.fullmatch(text)) is not None:
            return _parse_scp(text, scp["user"], scp["host"], scp["path"])
        if ":" in re.split(r"[/\\]", text, maxsplit=1)[0]:
            advice = "Write ./ before a path, and user@host:path for a host."
            raise _refused(text, "it may be a path or a host", advice)
    return Remote(kind="local", scheme="path", host="", port=None, path=_absolute(text))


# ---------------------------------------------------------------------------------------------------------------------
# The forms


def _parse_url(text: str, scheme: str, rest: str) -> Remote:
    if "\\" in text:
        raise _refused(text, "an address has no backslash")
    if "?" in rest or "#" in rest:
        advice = "Write them as %3F and %23 if they are part of the path."
        raise _refused(text, "an address has no ? and no #", advice)
    authority, slash, path = rest.partition("/")
    decoded = _decode(text, path)
    if not slash or not path.strip("/"):
        raise _refused(text, "it has no path to a repository")
    if scheme == "file":
        return _parse_file(text, authority, f"/{decoded}")
    if " " in decoded:
        raise _refused(text, "an address has no white space")
    if scheme == "ssh":
        return _parse_ssh(text, authority, f"/{decoded}")
    if scheme in ("http", "https"):
        return _parse_http(text, scheme, authority, f"/{quote(path, safe=_PATH_SAFE + '%')}")
    raise _refused(text, f"{scheme}:// is not supported")


def _parse_file(text: str, authority: str, path: str) -> Remote:
    if authority.lower() not in ("", "localhost"):
        advice = "Use a path to a folder that is mounted here, or ssh:// to that machine."
        raise _refused(text, "a file:// address names no other machine", advice)
    if _DRIVE.match(path[1:]):
        path = path[1:]
    return Remote(kind="local", scheme="file", host="", port=None, path=path)


def _parse_ssh(text: str, authority: str, path: str) -> Remote:
    login, at, address = authority.rpartition("@")
    if ":" in login:
        raise _refused(text, "ssh takes no password from an address", _USE_A_KEY)
    host, port = _host_and_port(text, address)
    user = _ssh_user(text, _decode(text, login)) if at else None
    return Remote(kind="ssh", scheme="ssh", host=host, port=port, path=path, username=user)


def _parse_scp(text: str, user: str, bracketed: str, path: str) -> Remote:
    if ":" in user:
        raise _refused(text, "ssh takes no password from an address", _USE_A_KEY)
    if path.startswith((":", "-")) or not path.strip("/"):
        raise _refused(text, "its path is missing, or begins with - or :")
    if " " in text or "\\" in text:
        raise _refused(text, "an address has no white space and no backslash")
    host, _ = _host_and_port(text, bracketed)
    return Remote(kind="ssh", scheme="scp", host=host, port=None, path=path, username=_ssh_user(text, user))


def _parse_http(text: str, scheme: str, authority: str, path: str) -> Remote:
    login, at, address = authority.rpartition("@")
    host, port = _host_and_port(text, address)
    if scheme == "http" and not is_loopback(host):
        raise _refused(text, "http:// shows the login and the room to everybody on the way", "Use https:// instead.")
    user, colon, password = login.partition(":")
    return Remote(
        kind="http",
        scheme="https" if scheme == "https" else "http",
        host=host,
        port=port,
        path=path,
        username=_decode(text, user) if at and user else None,
        password=_decode(text, password) if colon else None,
    )


# ---------------------------------------------------------------------------------------------------------------------
# The parts


def is_loopback(host: str) -> bool:
    """Say whether a host, by its name or address alone, is this machine."""
    try:
        return host.lower() == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check_characters(text: str) -> None:
    if not text.strip():
        raise InvalidRemote(remote="An empty address", reason="it names nothing")
    if len(text) > _LONGEST:
        raise _refused(text, f"it is longer than {_LONGEST:,} characters")
    if text != text.strip():
        raise _refused(text, "it has white space around it")
    if not text.isprintable():
        raise _refused(text, "it holds a character that cannot be printed")
    if text.startswith("-"):
        raise _refused(text, "it begins with -, so a program could take it for an option")


def _decode(text: str, part: str) -> str:
    """Return a part of an address without its percent-encoding."""
    if _PERCENT_DAMAGED.search(part):
        raise _refused(text, "it has a % that is not followed by two hexadecimal digits")
    try:
        decoded = unquote(part, errors="strict")
    except UnicodeDecodeError:
        raise _refused(text, "its percent-encoding is not UTF-8") from None
    if not decoded.isprintable():
        raise _refused(text, "it holds a character that cannot be printed")
    return decoded


def _host_and_port(text: str, address: str) -> tuple[str, int | None]:
    if address.startswith("["):
        host, bracket, tail = address[1:].partition("]")
        if not bracket or not _is_ipv6(host) or (tail and not tail.startswith(":")):
            raise _refused(text, "its host is not an IPv6 address in brackets")
        colon, port = tail[:1], tail[1:]
    else:
        host, colon, port = address.partition(":")
        if _HOST.fullmatch(host) is None:
            raise _refused(text, "its host is missing or not a plain host name")
    return host, _port(text, port) if colon else None


def _port(text: str, port: str) -> int:
    if re.fullmatch(r"[0-9]{1,5}", port) is None or not 1 <= int(port) <= 65535:
        raise _refused(text, "its port is not a number from 1 to 65535")
    return int(port)


def _is_ipv6(host: str) -> bool:
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return False
    return "%" not in host


def _ssh_user(text: str, user: str) -> str:
    if _SSH_USER.fullmatch(user) is None:
        raise _refused(text, "its user name is empty or holds other characters than letters, digits and _.+~@$-")
    return user


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _absolute(path: str) -> str:
    """Return a path that means the same from every working folder; a Windows path keeps its form elsewhere."""
    return path if ntpath.splitdrive(path)[0] and ntpath.isabs(path) else os.path.abspath(path)  # noqa: PTH100


# ---------------------------------------------------------------------------------------------------------------------
# Refusing


def _refused(text: str, reason: str, advice: str = InvalidRemote.advice) -> InvalidRemote:
    return InvalidRemote(remote=redact(text), reason=reason, advice=advice)


def redact(text: str) -> str:
    """Return what may be shown of an address that was not understood.

    Left out are: what stands before the last @, what stands where a port should be, a query, a helper's command.
    """
    text = text.strip()
    scheme = _URL.fullmatch(text)
    start, rest = (f"{scheme['scheme']}://", scheme["rest"]) if scheme else ("", text)
    login, at, rest = rest.rpartition("@")
    rest = re.split(r"[?#]" if scheme else r"[?#]|(?<=::)", rest, maxsplit=1)[0]
    if scheme:
        rest = _NOT_A_PORT.sub(r"\1:…", rest)
    shown = start + ("…@" if login or at else "") + rest
    shown = "".join(each if each.isprintable() else "?" for each in shown)
    return shown if len(shown) <= _SHOWN_LIMIT else shown[: _SHOWN_LIMIT - 1] + "…"
